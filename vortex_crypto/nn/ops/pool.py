"""Pooling over windows and over all places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Extremum, Form, Unsupported, positions, sparse
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import wide
from vortex_crypto.nn.ops.windows import Geometry, geometry

_NO_MAXIMUM = Unsupported("a maximum is no polynomial", "Train with AveragePool instead of MaxPool.")


def _draw(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


@dataclass(frozen=True)
class _Pool(Op):
    """Attributes and geometry that poolings over windows share."""

    auto_pad: str = "NOTSET"
    ceil_mode: int = 0
    dilations: tuple[int, ...] | None = None
    kernel_shape: tuple[int, ...] = ()
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def geometry(self, shape: tuple[int, ...]) -> Geometry:
        """The windows over an input of `shape`.

        Raises:
            ShapeMismatch: a window that does not fit.
        """
        if len(shape) < 3:
            raise ShapeMismatch(f"shape {list(shape)} has no spatial dimensions to pool")
        return geometry(
            shape[2:], self.kernel_shape, self.strides, self.dilations, self.pads, self.auto_pad, self.ceil_mode
        )

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = inputs[0].shape
        return (Spec((*shape[:2], *self.geometry(shape).out), inputs[0].dtype),)


@dataclass(frozen=True)
class AveragePool(_Pool):
    """The mean of every window; padding counts only with `count_include_pad`."""

    name: ClassVar[str] = "AveragePool"
    count_include_pad: int = 0

    def _counts(self, windows: Geometry) -> Array:
        """How many elements each window averages: [prod(out)]."""
        ones = windows.windows(np.ones(windows.size), fill=self.count_include_pad, outside=0)
        return np.asarray(ones.reshape(prod(windows.out), -1).sum(axis=1))

    def ref(self, x: Array) -> tuple[Array, ...]:
        windows = self.geometry(x.shape)
        places = tuple(range(x.ndim, 2 * x.ndim - 2))
        sums = windows.windows(wide(x)).sum(axis=places)
        counts = self._counts(windows).reshape(windows.out).astype(sums.dtype)
        return ((sums / counts).astype(x.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        shape = inputs[0].shape
        windows = self.geometry(shape)
        source = windows.sources()
        planes = np.arange(shape[0] * shape[1]).reshape(-1, 1, 1)
        rows = planes * source.shape[0] + np.arange(source.shape[0]).reshape(-1, 1)
        columns = planes * prod(windows.size) + source
        kept = np.broadcast_to(source >= 0, columns.shape)
        shares = np.broadcast_to(1 / self._counts(windows).reshape(-1, 1), kept.shape)[kept]
        full = np.broadcast_to(rows, kept.shape)[kept], columns[kept]
        size = planes.size * source.shape[0]
        return Affine({0: sparse(*full, shares, (size, inputs[0].size))}, np.zeros(size))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = _draw(rng, 2, 3, 5, 6)
        yield Sample(cls(kernel_shape=(2, 2), strides=(2, 2)), (x,))
        yield Sample(cls(kernel_shape=(3, 3), pads=(1, 0, 1, 2), count_include_pad=1), (x,))
        yield Sample(cls(kernel_shape=(3, 3), strides=(2, 2), auto_pad="SAME_UPPER"), (x,))
        yield Sample(cls(kernel_shape=(2, 2), strides=(3, 3), ceil_mode=1), (x,))


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest element of every window, and its row-major (or column-major) position."""

    name: ClassVar[str] = "MaxPool"
    storage_order: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        spec = super().infer(inputs)[0]
        return spec, Spec(spec.shape, np.dtype(np.int64))

    def ref(self, x: Array) -> tuple[Array, ...]:
        windows = self.geometry(x.shape)
        lowest = np.iinfo(x.dtype).min if np.issubdtype(x.dtype, np.integer) else -np.inf
        taps = windows.windows(x, fill=lowest).reshape(*x.shape[:2], *windows.out, -1)
        best = taps.argmax(axis=-1)
        y = np.take_along_axis(taps, best[..., None], axis=-1)[..., 0]
        spatial = np.arange(prod(windows.size)).reshape(windows.size, order="F" if self.storage_order else "C")
        source = windows.sources()
        flat = np.take_along_axis(source, best.reshape(-1, source.shape[0]).T, axis=1).T.reshape(best.shape)
        planes = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * len(windows.size))
        return y, planes * prod(windows.size) + spatial.ravel()[flat]

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        if output:
            return Unsupported("it asks for the positions of maxima in the whole tensor", "Use the maxima alone.")
        shape = inputs[0].shape
        windows = self.geometry(shape)
        source = windows.sources()
        if (source < 0).all(axis=1).any():
            return Unsupported("a window lies in the padding alone", "Use less padding.")
        planes = np.arange(prod(shape[:2])).reshape(-1, 1, 1)
        places = np.where(source >= 0, planes * prod(windows.size) + source, -1)
        return Extremum(places.reshape(-1, source.shape[1]), _NO_MAXIMUM)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(kernel_shape=(2, 3), strides=(2, 1), pads=(1, 1, 0, 1)), (_draw(rng, 1, 2, 5, 6),))


@dataclass(frozen=True)
class LpPool(_Pool):
    """The p-norm of every window."""

    name: ClassVar[str] = "LpPool"
    p: int = 2

    def ref(self, x: Array) -> tuple[Array, ...]:
        taps = np.abs(self.geometry(x.shape).windows(wide(x)))
        sums = (taps**self.p).sum(axis=tuple(range(x.ndim, 2 * x.ndim - 2)))
        return ((sums ** (1 / self.p)).astype(x.dtype, copy=False),)


@dataclass(frozen=True)
class _GlobalPool(Op):
    """One number a channel."""

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = inputs[0].shape
        if len(shape) < 3:
            raise ShapeMismatch(f"shape {list(shape)} has no spatial dimensions to pool")
        return (Spec((*shape[:2], *(1,) * (len(shape) - 2)), inputs[0].dtype),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3, 4, 5),))


@dataclass(frozen=True)
class GlobalAveragePool(_GlobalPool):
    """The mean of every channel."""

    name: ClassVar[str] = "GlobalAveragePool"

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (wide(x).mean(axis=tuple(range(2, x.ndim)), keepdims=True).astype(x.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        planes, places = prod(inputs[0].shape[:2]), prod(inputs[0].shape[2:])
        rows, columns = np.arange(planes).reshape(-1, 1), np.arange(planes * places).reshape(planes, places)
        return Affine({0: sparse(rows, columns, np.array(1 / places), (planes, planes * places))}, np.zeros(planes))


@dataclass(frozen=True)
class GlobalMaxPool(_GlobalPool):
    """The largest element of every channel."""

    name: ClassVar[str] = "GlobalMaxPool"

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return Extremum(positions(inputs[0].shape).reshape(prod(inputs[0].shape[:2]), -1), _NO_MAXIMUM)


@dataclass(frozen=True)
class GlobalLpPool(_GlobalPool):
    """The p-norm of every channel."""

    name: ClassVar[str] = "GlobalLpPool"
    p: int = 2

    def ref(self, x: Array) -> tuple[Array, ...]:
        sums = (np.abs(wide(x)) ** self.p).sum(axis=tuple(range(2, x.ndim)), keepdims=True)
        return ((sums ** (1 / self.p)).astype(x.dtype, copy=False),)


OPERATORS = (AveragePool, MaxPool, LpPool, GlobalAveragePool, GlobalMaxPool, GlobalLpPool)
