"""Operators that make tensors from shapes and attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from vortex_crypto.errors import InvalidModel, ShapeMismatch
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec, dtype_of
from vortex_crypto.nn.ops.base import normalize_axis

_KINDS: Mapping[str, type[np.generic] | None] = {
    "value": None,
    "sparse_value": None,
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


@dataclass(frozen=True)
class Constant(Op):
    """The tensor that stands among the attributes."""

    name: ClassVar[str] = "Constant"
    value: Any = None

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any], opset: int, outputs: int = 1) -> tuple[Self, dict[int, Array]]:
        if len(attributes) != 1:
            raise InvalidModel("Constant has exactly one attribute")
        ((key, value),) = attributes.items()
        if key not in _KINDS:
            raise InvalidModel(f"Constant cannot hold {key!r}: only tensors of numbers are supported")
        return cls(np.asarray(value, _KINDS[key])), {}

    def ref(self) -> tuple[Array, ...]:
        return (self.value,)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(rng.normal(size=(2, 3)).astype(np.float32)), ())


@dataclass(frozen=True)
class ConstantOfShape(Op):
    """A tensor of the given shape filled with the attribute `value` (float32 zero, if omitted)."""

    name: ClassVar[str] = "ConstantOfShape"
    static: ClassVar[tuple[int, ...]] = (0,)
    value: Any = None

    def _fill(self) -> Array:
        fill = np.zeros(1, np.float32) if self.value is None else np.asarray(self.value)
        if fill.size != 1:
            raise ShapeMismatch("the value of ConstantOfShape is one element")
        return fill.reshape(())

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        shape = tuple(int(d) for d in np.asarray(inputs.constant(0)))
        if any(d < 0 for d in shape):
            raise ShapeMismatch(f"shape {list(shape)} has a negative dimension")
        return (Spec(shape, self._fill().dtype),)

    def ref(self, shape: Array) -> tuple[Array, ...]:
        fill = self._fill()
        return (np.full([int(d) for d in shape], fill, fill.dtype),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (np.array([2, 3]),), (0,))


@dataclass(frozen=True)
class Shape(Op):
    """The dimensions of x from `start` to `end`: known when compiling, as all shapes are."""

    name: ClassVar[str] = "Shape"
    start: int = 0
    end: int | None = None

    def _of(self, shape: tuple[int, ...]) -> tuple[Array, ...]:
        return (np.array(shape[self.start : self.end], np.int64),)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(self._of(inputs[0].shape)[0].shape, np.dtype(np.int64)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return self._of(x.shape)

    def known(self, inputs: Inputs) -> tuple[Array, ...] | None:
        return self._of(inputs[0].shape)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(1), (np.zeros((2, 3, 4), np.float32),))


@dataclass(frozen=True)
class Size(Op):
    """The number of elements of x."""

    name: ClassVar[str] = "Size"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec((), np.dtype(np.int64)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (np.array(x.size, np.int64),)

    def known(self, inputs: Inputs) -> tuple[Array, ...] | None:
        return (np.array(inputs[0].size, np.int64),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (np.zeros((2, 3), np.float32),))


@dataclass(frozen=True)
class Range(Op):
    """start, start + delta ... up to but without limit."""

    name: ClassVar[str] = "Range"
    static: ClassVar[tuple[int, ...]] = (0, 1, 2)
    stash_type: int = 1

    @staticmethod
    def _count(start: Array, limit: Array, delta: Array) -> int:
        if float(delta) == 0:
            raise ShapeMismatch("Range has a step of 0")
        return max(int(np.ceil((float(limit) - float(start)) / float(delta))), 0)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        start, limit, delta = (np.asarray(inputs.constant(k)).reshape(()) for k in range(3))
        return (Spec((self._count(start, limit, delta),), inputs[0].dtype),)

    def ref(self, start: Array, limit: Array, delta: Array) -> tuple[Array, ...]:
        start, limit, delta = (np.asarray(a).reshape(()) for a in (start, limit, delta))
        steps = np.arange(self._count(start, limit, delta))
        wide = np.float64 if np.issubdtype(start.dtype, np.floating) else start.dtype
        return ((start.astype(wide) + steps.astype(wide) * delta.astype(wide)).astype(start.dtype),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (np.array(1.0), np.array(4.0), np.array(0.75)), (0, 1, 2))


@dataclass(frozen=True)
class EyeLike(Op):
    """Ones on diagonal `k` of a matrix shaped like x."""

    name: ClassVar[str] = "EyeLike"
    dtype: int | None = None
    k: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        if len(inputs[0].shape) != 2:
            raise ShapeMismatch(f"shape {list(inputs[0].shape)} is no matrix's")
        return (Spec(inputs[0].shape, inputs[0].dtype if self.dtype is None else dtype_of(self.dtype)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (np.eye(x.shape[0], x.shape[1], self.k).astype(x.dtype if self.dtype is None else dtype_of(self.dtype)),)

    def known(self, inputs: Inputs) -> tuple[Array, ...] | None:
        return self.ref(np.broadcast_to(np.zeros((), inputs[0].dtype), inputs[0].shape))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(k=1), (np.zeros((3, 4), np.float32),))


@dataclass(frozen=True)
class OneHot(Op):
    """`values[1]` at the index, `values[0]` elsewhere, along a new `axis` of size `depth`."""

    name: ClassVar[str] = "OneHot"
    static: ClassVar[tuple[int, ...]] = (1,)
    axis: int = -1

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        shape = list(inputs[0].shape)
        shape.insert(normalize_axis(self.axis, len(shape) + 1), int(np.asarray(inputs.constant(1)).reshape(-1)[0]))
        return (Spec(tuple(shape), inputs[2].dtype),)

    def ref(self, indices: Array, depth: Array, values: Array) -> tuple[Array, ...]:
        size = int(np.asarray(depth).reshape(-1)[0])
        axis = normalize_axis(self.axis, indices.ndim + 1)
        places = np.arange(size).reshape([-1 if i == axis else 1 for i in range(indices.ndim + 1)])
        wrapped = np.where(indices < 0, indices + size, indices)
        return (np.where(np.expand_dims(wrapped, axis) == places, values[1], values[0]).astype(values.dtype),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (np.array([0, 2, -1]), np.array(3), np.array([0, 1], np.float32)), (1, 2))


OPERATORS = (Constant, ConstantOfShape, Shape, Size, Range, EyeLike, OneHot)
