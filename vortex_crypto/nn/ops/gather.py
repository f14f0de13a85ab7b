"""Gathering by index. With constant indices these move elements; with data for indices they have no form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Sample, Spec
from vortex_crypto.nn.ops.base import Movement, normalize_axis


def check_indices(indices: Array, size: int) -> None:
    """Refuse indices outside of [-size, size).

    Raises:
        ShapeMismatch: such an index.
    """
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise ShapeMismatch(f"an index lies outside of a dimension of {size}")


@dataclass(frozen=True)
class Gather(Movement):
    """Slices of x at `indices` along `axis`."""

    name: ClassVar[str] = "Gather"
    axis: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = inputs[0].shape
        axis = normalize_axis(self.axis, len(shape))
        return (Spec((*shape[:axis], *inputs[1].shape, *shape[axis + 1 :]), inputs[0].dtype),)

    def ref(self, x: Array, indices: Array) -> tuple[Array, ...]:
        axis = normalize_axis(self.axis, x.ndim)
        check_indices(indices, x.shape[axis])
        return (np.take(x, indices.astype(np.int64), axis=axis),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(1), (rng.normal(size=(2, 3)).astype(np.float32), np.array([[2, -3], [0, 0]])), (1,))


@dataclass(frozen=True)
class GatherElements(Movement):
    """y[i][j] = x[indices[i][j]][j], for `axis` 0 of a matrix."""

    name: ClassVar[str] = "GatherElements"
    axis: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        normalize_axis(self.axis, len(inputs[0].shape))
        return (Spec(inputs[1].shape, inputs[0].dtype),)

    def ref(self, x: Array, indices: Array) -> tuple[Array, ...]:
        axis = normalize_axis(self.axis, x.ndim)
        check_indices(indices, x.shape[axis])
        return (x[element_index(x, indices, axis)],)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(1), (rng.normal(size=(2, 3)).astype(np.float32), np.array([[2, 0], [-1, 1]])), (1,))


def element_index(x: Array, indices: Array, axis: int) -> tuple[Array, ...]:
    """The index of `x` that takes its place along the other axes from where an index stands itself."""
    if indices.ndim != x.ndim:
        raise ShapeMismatch(f"indices of {indices.ndim} dimensions do not fit a tensor of {x.ndim}")
    places: list[Array] = [*np.indices(indices.shape, sparse=True)]
    places[axis] = np.where(indices < 0, indices + x.shape[axis], indices)
    return tuple(places)


@dataclass(frozen=True)
class GatherND(Movement):
    """Slices of x at the index tuples in the last dimension of `indices`, after `batch_dims` shared dimensions."""

    name: ClassVar[str] = "GatherND"
    batch_dims: int = 0

    def _shape(self, x: tuple[int, ...], indices: tuple[int, ...]) -> tuple[int, ...]:
        b = self.batch_dims
        if not indices or x[:b] != indices[:b] or b + indices[-1] > len(x) or b < 0 or b >= len(indices):
            raise ShapeMismatch(f"indices of shape {indices} do not fit a tensor of shape {x}")
        return (*indices[:-1], *x[b + indices[-1] :])

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(self._shape(inputs[0].shape, inputs[1].shape), inputs[0].dtype),)

    def ref(self, x: Array, indices: Array) -> tuple[Array, ...]:
        shape, b = self._shape(x.shape, indices.shape), self.batch_dims
        batches = prod(x.shape[:b])
        flat = x.reshape(batches, *x.shape[b:])
        tuples = indices.reshape(batches, -1, indices.shape[-1])
        rows = np.arange(batches).reshape(-1, 1)
        return (flat[(rows, *np.moveaxis(tuples, -1, 0))].reshape(shape),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.normal(size=(2, 3, 2)).astype(np.float32), np.array([[0, 1], [1, -1]])), (1,))
        yield Sample(cls(1), (rng.normal(size=(2, 3, 2)).astype(np.float32), np.array([[1], [0]])), (1,))


OPERATORS = (Gather, GatherElements, GatherND)
