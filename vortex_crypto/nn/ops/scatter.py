"""Scattering by index: copies of a tensor with some elements replaced by, or combined with, updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from vortex_crypto.errors import InvalidModel, ShapeMismatch
from vortex_crypto.nn.forms import Form, Unsupported
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import Movement, normalize_axis
from vortex_crypto.nn.ops.gather import check_indices, element_index

_REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": np.add.at,
    "mul": np.multiply.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
}


@dataclass(frozen=True)
class _Scatter(Movement):
    data: ClassVar[tuple[int, ...] | None] = (0, 2)
    reduction: str = "none"

    def __post_init__(self) -> None:
        if self.reduction not in ("none", *_REDUCTIONS):
            raise InvalidModel(f"{self.name} knows the reductions none, add, mul, max and min, not {self.reduction!r}")

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def write(self, x: Array, places: tuple[Any, ...], updates: Array) -> Array:
        """A copy of `x` with `updates` at `places`, combined as `reduction` says."""
        y = x.copy()
        if self.reduction == "none":
            y[places] = updates
        else:
            _REDUCTIONS[self.reduction](y, places, updates)
        return y

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        if self.reduction != "none":
            return Unsupported(f"{self.name} combines by {self.reduction}", "Scatter without a reduction.")
        return super().form(inputs, output)


@dataclass(frozen=True)
class ScatterElements(_Scatter):
    """y[indices[i][j]][j] = updates[i][j], for `axis` 0 of a matrix."""

    name: ClassVar[str] = "ScatterElements"
    axis: int = 0

    def ref(self, x: Array, indices: Array, updates: Array) -> tuple[Array, ...]:
        axis = normalize_axis(self.axis, x.ndim)
        check_indices(indices, x.shape[axis])
        return (self.write(x, element_index(x, indices, axis), updates),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x, updates = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(2, 2)).astype(np.float32)
        yield Sample(cls(axis=1), (x, np.array([[2, 0], [-1, 1]]), updates), (1,))
        yield Sample(cls("add", 1), (x, np.array([[2, 2], [-1, 1]]), updates), (1,))


@dataclass(frozen=True)
class Scatter(ScatterElements):
    """ScatterElements under its name of opset 9."""

    name: ClassVar[str] = "Scatter"

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield from ()


@dataclass(frozen=True)
class ScatterND(_Scatter):
    """y[indices[i]] = updates[i], where an index is a tuple in the last dimension."""

    name: ClassVar[str] = "ScatterND"

    def ref(self, x: Array, indices: Array, updates: Array) -> tuple[Array, ...]:
        if not indices.ndim or indices.shape[-1] > x.ndim:
            raise ShapeMismatch(f"indices of shape {list(indices.shape)} do not fit shape {list(x.shape)}")
        return (self.write(x, tuple(np.moveaxis(indices, -1, 0)), updates),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x, updates = rng.normal(size=(4, 2)).astype(np.float32), rng.normal(size=(2, 2)).astype(np.float32)
        yield Sample(cls(), (x, np.array([[3], [1]]), updates), (1,))


@dataclass(frozen=True)
class TensorScatter(Movement):
    """A cache with `update` written along `axis` from each batch's write index on, in a circle if asked to."""

    name: ClassVar[str] = "TensorScatter"
    data: ClassVar[tuple[int, ...] | None] = (0, 1)
    axis: int = -2
    mode: str = "linear"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def ref(self, cache: Array, update: Array, write_indices: Array | None = None) -> tuple[Array, ...]:
        axis = normalize_axis(self.axis, cache.ndim)
        starts = np.zeros(cache.shape[0], np.int64) if write_indices is None else write_indices
        y = np.moveaxis(cache, axis, 1).copy()
        for batch, (start, rows) in enumerate(zip(starts, np.moveaxis(update, axis, 1), strict=True)):
            places = int(start) + np.arange(rows.shape[0])
            if self.mode == "circular":
                places %= y.shape[1]
            check_indices(places, y.shape[1])
            y[batch, places] = rows
        return (np.moveaxis(y, 1, axis),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        cache, update = rng.normal(size=(2, 4, 3)).astype(np.float32), rng.normal(size=(2, 2, 3)).astype(np.float32)
        yield Sample(cls(), (cache, update, np.array([1, 2])), (2,))


@dataclass(frozen=True)
class MaxUnpool(Op):
    """The inverse of MaxPool: values put back where `indices` say they came from, zeros elsewhere."""

    name: ClassVar[str] = "MaxUnpool"
    static: ClassVar[tuple[int, ...]] = (2,)
    kernel_shape: tuple[int, ...] = ()
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def _inferred(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        d = len(self.kernel_shape)
        pads, strides = self.pads or (0,) * 2 * d, self.strides or (1,) * d
        if len(shape) != d + 2 or len(pads) != 2 * d or len(strides) != d:
            raise ShapeMismatch(f"kernel, pads and strides do not fit shape {list(shape)}")
        spatial = ((n - 1) * s - pads[i] - pads[i + d] + k for i, (n, s, k) in
                   enumerate(zip(shape[2:], strides, self.kernel_shape, strict=True)))  # fmt: skip
        return (*shape[:2], *spatial)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        given = inputs.constant(2)
        inferred = self._inferred(inputs[0].shape)
        shape = inferred if given is None else tuple(int(d) for d in given)
        if len(shape) != len(inferred) or any(d < i for d, i in zip(shape, inferred, strict=True)):
            raise ShapeMismatch(f"an output of shape {list(shape)} has no room for {list(inferred)}")
        return (Spec(shape, inputs[0].dtype),)

    def ref(self, x: Array, indices: Array, output_shape: Array | None = None) -> tuple[Array, ...]:
        shape = self._inferred(x.shape)
        flat = np.zeros(prod(shape), x.dtype)
        check_indices(indices, flat.size)
        flat[indices.ravel()] = x.ravel()
        y = np.zeros(shape if output_shape is None else tuple(int(d) for d in output_shape), x.dtype)
        y[tuple(slice(0, d) for d in shape)] = flat.reshape(shape)
        return (y,)


OPERATORS = (ScatterElements, Scatter, ScatterND, TensorScatter, MaxUnpool)
