"""Quantised arithmetic: to and from small integers, and products of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Form, Unsupported, selection
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec, dtype_of
from vortex_crypto.nn.ops.base import normalize_axis, not_constant, wide
from vortex_crypto.nn.ops.cast import convert
from vortex_crypto.nn.ops.contract import MatMul
from vortex_crypto.nn.ops.conv import Convolution, convolve


def _is_integer(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iu" or dtype.name in ("int4", "uint4", "int2", "uint2")


def _along(parameter: Array, shape: tuple[int, ...], axis: int, block_size: int) -> Array:
    """A scale or zero point, given a tensor, an entry of `axis` or a block of it, so that it broadcasts to `shape`."""
    if parameter.size == 1:
        return parameter.reshape(())
    axis = normalize_axis(axis, len(shape))
    if parameter.ndim == 1 and not block_size:
        return parameter.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    if not block_size or parameter.ndim != len(shape):
        raise ShapeMismatch(f"a scale of shape {list(parameter.shape)} does not fit shape {list(shape)}")
    return np.take(np.repeat(parameter, block_size, axis=axis), np.arange(shape[axis]), axis=axis)


def _saturate(x: Array, dtype: np.dtype[Any]) -> Array:
    """Rounded half to even and clipped to an integer type."""
    limits: Any = ml_dtypes.iinfo(dtype)  # type: ignore[no-untyped-call]
    return np.clip(np.rint(x), float(limits.min), float(limits.max)).astype(dtype)


@dataclass(frozen=True)
class QuantizeLinear(Op):
    """saturate(round(x / scale) + zero point), of the zero point's type."""

    name: ClassVar[str] = "QuantizeLinear"
    axis: int = 1
    block_size: int = 0
    output_dtype: int = 0
    precision: int = 0
    saturate: int = 1

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, self._type(inputs[2].dtype if inputs.has(2) else None)),)

    def _type(self, zero_point: np.dtype[Any] | None) -> np.dtype[Any]:
        return zero_point or (dtype_of(self.output_dtype) if self.output_dtype else np.dtype(np.uint8))

    def ref(self, x: Array, scale: Array, zero_point: Array | None = None) -> tuple[Array, ...]:
        dtype = self._type(None if zero_point is None else zero_point.dtype)
        work = dtype_of(self.precision) if self.precision else None
        ratio = x.astype(work or x.dtype) / _along(scale, x.shape, self.axis, self.block_size).astype(
            work or scale.dtype
        )
        if not _is_integer(dtype):
            return (convert(ratio, dtype, bool(self.saturate)),)
        shift = 0 if zero_point is None else _along(zero_point, x.shape, self.axis, self.block_size).astype(np.int32)
        return (_saturate(np.rint(ratio.astype(np.float64)) + shift, dtype),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return Unsupported("rounding jumps", "Import the model before quantisation.")

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.normal(size=(2, 3)).astype(np.float32)
        yield Sample(cls(), (x, np.array(0.02, np.float32), np.array(128, np.uint8)), (1, 2))


@dataclass(frozen=True)
class DequantizeLinear(Op):
    """(x - zero point) * scale."""

    name: ClassVar[str] = "DequantizeLinear"
    axis: int = 1
    block_size: int = 0
    output_dtype: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, dtype_of(self.output_dtype) if self.output_dtype else inputs[1].dtype),)

    def ref(self, x: Array, scale: Array, zero_point: Array | None = None) -> tuple[Array, ...]:
        shift = np.zeros((), np.float32) if zero_point is None else zero_point.astype(np.float32)
        difference = x.astype(np.float32) - _along(shift, x.shape, self.axis, self.block_size)
        y = difference * _along(scale, x.shape, self.axis, self.block_size)
        return (np.asarray(y).astype(dtype_of(self.output_dtype) if self.output_dtype else scale.dtype),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        scale, zero_point = inputs.constant(1), inputs.constant(2)
        if scale is None or (inputs.has(2) and zero_point is None):
            return not_constant("the scale or the zero point")
        shape, size = inputs[0].shape, inputs[0].size
        factor = np.broadcast_to(_along(scale.astype(np.float64), shape, self.axis, self.block_size), shape)
        zero = np.zeros(()) if zero_point is None else zero_point.astype(np.float64)
        shift = np.broadcast_to(_along(zero, shape, self.axis, self.block_size), shape)
        return Affine({0: selection(np.arange(size), size, factor.ravel())}, -(shift * factor).ravel())

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.integers(0, 255, (2, 3)).astype(np.uint8)
        yield Sample(cls(), (x, np.array([0.5, 0.25, 2], np.float32), np.array([128, 0, 9], np.uint8)), (1, 2))


@dataclass(frozen=True)
class MatMulInteger(Op):
    """(a - a's zero point) (b - b's zero point) in int32; zero points a tensor, or a row of a and a column of b."""

    name: ClassVar[str] = "MatMulInteger"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        pair = Inputs.from_arrays([np.broadcast_to(np.int8(0), inputs[k].shape) for k in range(2)])
        return (Spec(MatMul().infer(pair)[0].shape, np.dtype(np.int32)),)

    def ref(self, a: Array, b: Array, a_zero: Array | None = None, b_zero: Array | None = None) -> tuple[Array, ...]:
        return (np.matmul(_shifted(a, a_zero, rows=True), _shifted(b, b_zero)),)


def _shifted(x: Array, zero_point: Array | None, *, rows: bool = False) -> Array:
    if zero_point is None:
        return x.astype(np.int32)
    zero = zero_point.astype(np.int32)
    return x.astype(np.int32) - (zero.reshape(-1, 1) if rows and zero.ndim == 1 and zero.size > 1 else zero)


@dataclass(frozen=True)
class QLinearMatMul(Op):
    """A matrix product of quantised tensors, quantised again."""

    name: ClassVar[str] = "QLinearMatMul"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        pair = Inputs.from_arrays([np.broadcast_to(np.int8(0), inputs[k].shape) for k in (0, 3)])
        return (Spec(MatMul().infer(pair)[0].shape, inputs[7].dtype),)

    def ref(self, a: Array, a_scale: Array, a_zero: Array, b: Array, b_scale: Array, b_zero: Array, y_scale: Array,
            y_zero: Array) -> tuple[Array, ...]:  # fmt: skip
        product = np.matmul(_shifted(a, a_zero, rows=True), _shifted(b, b_zero))
        left = a_scale.reshape(-1, 1) if a_scale.ndim == 1 and a_scale.size > 1 else a_scale
        return (
            _saturate(product * (wide(left) * wide(b_scale) / wide(y_scale)) + y_zero.astype(np.int32), y_zero.dtype),
        )


@dataclass(frozen=True)
class ConvInteger(Convolution):
    """Convolution of integers less their zero points, in int32."""

    name: ClassVar[str] = "ConvInteger"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x, w = inputs[0].shape, inputs[1].shape
        return (Spec((x[0], w[0], *self.geometry(x, w).out), np.dtype(np.int32)),)

    def ref(self, x: Array, w: Array, x_zero: Array | None = None, w_zero: Array | None = None) -> tuple[Array, ...]:
        geometry = self.geometry(x.shape, w.shape)
        return (convolve(_shifted(x, x_zero), _kernel(w, w_zero), geometry, self.group),)


def _kernel(w: Array, zero_point: Array | None) -> Array:
    if zero_point is not None and zero_point.size > 1:
        zero_point = zero_point.reshape(-1, *(1,) * (w.ndim - 1))
    return _shifted(w, zero_point)


@dataclass(frozen=True)
class QLinearConv(Convolution):
    """Convolution of quantised tensors, quantised again."""

    name: ClassVar[str] = "QLinearConv"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x, w = inputs[0].shape, inputs[3].shape
        return (Spec((x[0], w[0], *self.geometry(x, w).out), inputs[7].dtype),)

    def ref(self, x: Array, x_scale: Array, x_zero: Array, w: Array, w_scale: Array, w_zero: Array, y_scale: Array,
            y_zero: Array, bias: Array | None = None) -> tuple[Array, ...]:  # fmt: skip
        sums = convolve(_shifted(x, x_zero), _kernel(w, w_zero), self.geometry(x.shape, w.shape), self.group)
        channel = (-1, *(1,) * (x.ndim - 2))
        if bias is not None:
            sums = sums + bias.reshape(channel)
        factor = x_scale * (w_scale.reshape(channel) if w_scale.size > 1 else w_scale) / y_scale
        return (_saturate(sums * factor + y_zero.astype(np.int32), y_zero.dtype),)


OPERATORS = (QuantizeLinear, DequantizeLinear, MatMulInteger, QLinearMatMul, ConvInteger, QLinearConv)
