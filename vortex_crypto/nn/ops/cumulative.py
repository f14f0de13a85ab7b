"""Running sums and products along one axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from vortex_crypto.nn.forms import Affine, Form, positions, sparse
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import normalize_axis, not_constant


@dataclass(frozen=True)
class _Cumulative(Op):
    """Of all elements up to each one: without itself if `exclusive`, from the end if `reverse`."""

    combine: ClassVar[Callable[..., Any]] = np.cumsum
    neutral: ClassVar[int] = 0
    exclusive: int = 0
    reverse: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def ref(self, x: Array, axis: Array) -> tuple[Array, ...]:
        along = normalize_axis(int(np.ravel(axis)[0]), x.ndim)
        x = np.moveaxis(np.flip(x, along) if self.reverse else x, along, 0)
        if self.exclusive:
            x = np.concatenate([np.full_like(x[:1], self.neutral), x[:-1]])
        y = np.moveaxis(type(self).combine(x, axis=0, dtype=x.dtype), 0, along)
        return (np.flip(y, along) if self.reverse else y,)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.normal(size=(2, 4, 3)).astype(np.float32)
        yield Sample(cls(), (x, np.array(1)), (1,))
        yield Sample(cls(1, 1), (x, np.array(-1)), (1,))


class CumSum(_Cumulative):
    """The running sum."""

    name: ClassVar[str] = "CumSum"
    combine: ClassVar[Callable[..., Any]] = staticmethod(np.cumsum)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        axis, shape = inputs.constant(1), inputs[0].shape
        if axis is None:
            return not_constant("the axis")
        along = normalize_axis(int(np.ravel(axis)[0]), len(shape))
        triangle = np.tril(np.ones((shape[along],) * 2), -1 if self.exclusive else 0)
        row, column = np.nonzero(triangle.T if self.reverse else triangle)
        places = np.moveaxis(positions(shape), along, 0).reshape(shape[along], -1)
        size = prod(shape)
        return Affine({0: sparse(places[row], places[column], np.array(1.0), (size, size))}, np.zeros(size))


class CumProd(_Cumulative):
    """The running product."""

    name: ClassVar[str] = "CumProd"
    combine: ClassVar[Callable[..., Any]] = staticmethod(np.cumprod)
    neutral: ClassVar[int] = 1


OPERATORS = (CumSum, CumProd)
