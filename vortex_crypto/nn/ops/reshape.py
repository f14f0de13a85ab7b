"""Operators that keep every element in its row-major place: Reshape, Flatten, Squeeze, Unsqueeze, Identity, Cast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Sample
from vortex_crypto.nn.ops.base import Movement, normalize_axes


def _float(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


@dataclass(frozen=True)
class Reshape(Movement):
    """Another shape; 0 copies a dimension (unless `allowzero`), -1 is what is left."""

    name: ClassVar[str] = "Reshape"
    static: ClassVar[tuple[int, ...]] = (1,)
    moved: ClassVar[Mapping[str, int]] = {"shape": 1}
    ignored: ClassVar[frozenset[str]] = frozenset({"consumed_inputs"})
    allowzero: int = 0

    def ref(self, x: Array, shape: Array) -> tuple[Array, ...]:
        target = [int(d) for d in shape]
        if not self.allowzero:
            if any(d == 0 and i >= x.ndim for i, d in enumerate(target)):
                raise ShapeMismatch(f"shape {target} copies a dimension that {list(x.shape)} does not have")
            target = [x.shape[i] if d == 0 else d for i, d in enumerate(target)]
        if target.count(-1) == 1 and (rest := prod(d for d in target if d != -1)):
            target[target.index(-1)] = x.size // rest
        if any(d < 0 for d in target) or prod(target) != x.size:
            raise ShapeMismatch(
                f"{x.size} elements of shape {list(x.shape)} do not fill the shape {list(map(int, shape))}"
            )
        return (x.reshape(target),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 2, 3, 4), np.array([0, -1])), (1,))


@dataclass(frozen=True)
class Flatten(Movement):
    """Two dimensions: those before `axis`, and the rest."""

    name: ClassVar[str] = "Flatten"
    axis: int = 1

    def ref(self, x: Array) -> tuple[Array, ...]:
        if not -x.ndim <= self.axis <= x.ndim:
            raise ShapeMismatch(f"axis {self.axis} does not exist in a tensor of {x.ndim} dimensions")
        axis = self.axis + x.ndim if self.axis < 0 else self.axis
        return (x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:])),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(2), (_float(rng, 2, 3, 4),))


@dataclass(frozen=True)
class Squeeze(Movement):
    """Without the dimensions `axes`, which are 1 (without all such, if omitted)."""

    name: ClassVar[str] = "Squeeze"
    static: ClassVar[tuple[int, ...]] = (1,)
    moved: ClassVar[Mapping[str, int]] = {"axes": 1}

    def ref(self, x: Array, axes: Array | None = None) -> tuple[Array, ...]:
        chosen = tuple(i for i, d in enumerate(x.shape) if d == 1) if axes is None else normalize_axes(axes, x.ndim)
        if any(x.shape[axis] != 1 for axis in chosen):
            raise ShapeMismatch(f"axes {list(chosen)} of shape {list(x.shape)} are not all 1")
        return (np.squeeze(x, chosen),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 1, 3, 1, 4), np.array([-2])), (1,))


@dataclass(frozen=True)
class Unsqueeze(Movement):
    """With dimensions of 1 put at `axes` of the result."""

    name: ClassVar[str] = "Unsqueeze"
    static: ClassVar[tuple[int, ...]] = (1,)
    moved: ClassVar[Mapping[str, int]] = {"axes": 1}

    def ref(self, x: Array, axes: Array) -> tuple[Array, ...]:
        return (np.expand_dims(x, normalize_axes(axes, x.ndim + np.size(axes))),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 2, 3), np.array([0, 3])), (1,))


@dataclass(frozen=True)
class Identity(Movement):
    """x."""

    name: ClassVar[str] = "Identity"

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (x,)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 2, 3),))


@dataclass(frozen=True)
class Dropout(Movement):
    """Inference: x, and a mask of ones. Training with a ratio above 0 draws random numbers and is refused."""

    name: ClassVar[str] = "Dropout"
    static: ClassVar[tuple[int, ...]] = (1, 2)
    moved: ClassVar[Mapping[str, int]] = {"ratio": 1}
    ignored: ClassVar[frozenset[str]] = frozenset({"is_test", "consumed_inputs", "seed"})

    def ref(self, x: Array, ratio: Any = None, training_mode: Any = None) -> tuple[Array, ...]:
        if training_mode is not None and bool(training_mode) and (ratio is None or float(ratio) != 0):
            raise ShapeMismatch("training mode drops elements at random; export the model in evaluation mode")
        return x, np.ones(x.shape, np.bool_)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 2, 3),))


OPERATORS = (Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout)
