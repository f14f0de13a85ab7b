"""Convolution, with groups, strides, dilations and automatic padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Form, Sparse, sparse, spread_channels
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import not_constant, wide
from vortex_crypto.nn.ops.windows import Geometry, geometry


def biased(y: Array, b: Array | None) -> Array:
    """Channels [n, m, ...] with a number [m] added to each."""
    return y if b is None else y + wide(b).reshape(-1, *(1,) * (y.ndim - 2))


def bias_over(b: Array | None, shape: tuple[int, ...]) -> Array:
    """The same as what an affine map of that output adds, [prod(shape)]."""
    return spread_channels(np.zeros(shape[1]) if b is None else np.asarray(b, np.float64), shape)


@dataclass(frozen=True)
class Convolution(Op):
    """Attributes and geometry of all convolutions."""

    auto_pad: str = "NOTSET"
    dilations: tuple[int, ...] | None = None
    group: int = 1
    kernel_shape: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def geometry(self, x: tuple[int, ...], w: tuple[int, ...]) -> Geometry:
        """Windows of a kernel of shape `w` over an input of shape `x`.

        Raises:
            ShapeMismatch: channels, groups or kernel that do not fit.
        """
        if len(x) < 3 or len(x) != len(w) or (self.kernel_shape is not None and self.kernel_shape != w[2:]):
            raise ShapeMismatch(f"a kernel of shape {list(w)} does not fit an input of shape {list(x)}")
        if self.group < 1 or w[1] * self.group != x[1] or w[0] % self.group:
            raise ShapeMismatch(f"{x[1]} channels in {self.group} groups do not fit a kernel of shape {list(w)}")
        return geometry(x[2:], w[2:], self.strides, self.dilations, self.pads, self.auto_pad)


@dataclass(frozen=True)
class Conv(Convolution):
    """y[n, m] = b[m] + sum_c x[n, c] * w[m, c], cross-correlated over the spatial dimensions."""

    name: ClassVar[str] = "Conv"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x, w = inputs[0], inputs[1]
        if x.dtype != w.dtype:
            raise ShapeMismatch(f"the input is {x.dtype}, the kernel {w.dtype}")
        found = self.geometry(x.shape, w.shape)
        if inputs.has(2) and inputs[2].shape != w.shape[:1]:
            raise ShapeMismatch(f"a bias of shape {list(inputs[2].shape)} does not fit {w.shape[0]} channels")
        return (Spec((x.shape[0], w.shape[0], *found.out), x.dtype),)

    def ref(self, x: Array, w: Array, b: Array | None = None) -> tuple[Array, ...]:
        y = convolve(wide(x), wide(w), self.geometry(x.shape, w.shape), self.group)
        return (biased(y, b).astype(x.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        w, b = inputs.constant(1), inputs.constant(2)
        if inputs.constant(0) is not None or w is None or (inputs.has(2) and b is None):
            return not_constant("the kernel or the bias")
        shape = self.infer(inputs)[0].shape
        kernel = convolution_map(inputs[0].shape, w, self.geometry(inputs[0].shape, w.shape), self.group)
        return Affine({0: kernel}, bias_over(b, shape))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        def draw(*shape: int) -> Array:
            return rng.normal(size=shape).astype(np.float32)

        yield Sample(cls(pads=(1, 1, 1, 1)), (draw(2, 3, 5, 4), draw(2, 3, 3, 3), draw(2)), (1, 2))
        yield Sample(cls(group=2, strides=(2, 1)), (draw(1, 4, 6, 5), draw(6, 2, 2, 3)), (1,))
        yield Sample(cls(dilations=(2, 2), auto_pad="SAME_UPPER"), (draw(1, 1, 6, 6), draw(1, 1, 3, 3)), (1,))
        yield Sample(cls(auto_pad="SAME_LOWER", strides=(2,)), (draw(1, 2, 7), draw(3, 2, 3)), (1,))
        yield Sample(cls(group=3), (draw(1, 3, 4, 4, 4), draw(3, 1, 2, 2, 2)), (1,))


def convolve(x: Array, w: Array, windows: Geometry, group: int) -> Array:
    """Grouped cross-correlation [n, m, *out] of x [n, c, *size] with w [m, c / group, *kernel]: one matrix product."""
    n = x.shape[0]
    taps = windows.windows(x).reshape(n, group, x.shape[1] // group, prod(windows.out), prod(windows.kernel))
    rows = taps.transpose(0, 1, 3, 2, 4).reshape(n, group, prod(windows.out), -1)
    columns = w.reshape(group, w.shape[0] // group, -1).transpose(0, 2, 1)
    y = np.matmul(rows, columns)
    return np.asarray(y.transpose(0, 1, 3, 2).reshape(n, w.shape[0], *windows.out))


def convolution_map(shape: tuple[int, ...], w: Array, windows: Geometry, group: int) -> Sparse:
    """The matrix of `convolve` for a constant kernel, from index arithmetic alone."""
    n, c, places = shape[0], shape[1], prod(windows.size)
    source = windows.sources()  # [out, kernel]
    m, per = w.shape[0], w.shape[1]
    weights = np.asarray(w, np.float64).reshape(m, per, 1, -1)
    channel = (np.arange(m) // (m // group))[:, None] * per + np.arange(per)  # [m, per]
    batch = np.arange(n).reshape(-1, 1, 1, 1, 1)
    outputs = np.arange(source.shape[0]).reshape(-1, 1)
    rows = (batch * m + np.arange(m).reshape(-1, 1, 1, 1)) * source.shape[0] + outputs
    columns = (batch * c + channel[:, :, None, None]) * places + source
    kept = np.broadcast_to((source >= 0) & (weights != 0), (n, m, per, *source.shape))
    r, k, v = (np.broadcast_to(a, kept.shape)[kept] for a in (rows, columns, weights))
    return sparse(r, k, v, (n * m * source.shape[0], prod(shape)))


OPERATORS = (Conv,)
