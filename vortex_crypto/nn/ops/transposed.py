"""Operators that add windows up where convolution takes them apart: ConvTranspose, Col2Im."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Form, sparse
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import not_constant, wide
from vortex_crypto.nn.ops.conv import bias_over, biased
from vortex_crypto.nn.ops.windows import Geometry


def fold(windows: Array, geometry: Geometry) -> Array:
    """[..., *size] from [..., prod(kernel), prod(out)]: every window's taps added where they come from."""
    source = geometry.sources()  # [out, kernel]
    size = prod(geometry.size)
    y = np.zeros((*windows.shape[:-2], size + 1), windows.dtype)
    for tap in range(source.shape[1]):  # within one tap places differ, but for those outside, which share the last
        y[..., source[:, tap]] += windows[..., tap, :]
    return y[..., :size].reshape(*windows.shape[:-2], *geometry.size)


@dataclass(frozen=True)
class ConvTranspose(Op):
    """The adjoint of Conv: every input element adds its multiple of the kernel to the output."""

    name: ClassVar[str] = "ConvTranspose"
    auto_pad: str = "NOTSET"
    dilations: tuple[int, ...] | None = None
    group: int = 1
    kernel_shape: tuple[int, ...] | None = None
    output_padding: tuple[int, ...] | None = None
    output_shape: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def geometry(self, x: tuple[int, ...], w: tuple[int, ...]) -> Geometry:
        """The windows over the *output* whose number is the input's size.

        Raises:
            ShapeMismatch: channels, groups, kernel or attributes that do not fit.
        """
        d = len(x) - 2
        if d < 1 or len(w) != d + 2 or x[1] != w[0] or self.group < 1 or x[1] % self.group:
            raise ShapeMismatch(f"a kernel of shape {list(w)} does not fit an input of shape {list(x)}")
        strides, dilations = self.strides or (1,) * d, self.dilations or (1,) * d
        extra, pads = self.output_padding or (0,) * d, self.pads or (0,) * 2 * d
        if any(len(a) != d for a in (strides, dilations, extra)) or len(pads) != 2 * d or min(strides + dilations) < 1:
            raise ShapeMismatch(f"strides, dilations and pads do not fit {d} spatial dimensions")
        full = [s * (n - 1) + e + (k - 1) * g + 1
                for s, n, e, k, g in zip(strides, x[2:], extra, w[2:], dilations, strict=True)]  # fmt: skip
        wanted = self.output_shape and self.output_shape[-d:]
        if wanted is None and self.auto_pad.startswith("SAME"):
            wanted = tuple(n * s for n, s in zip(x[2:], strides, strict=True))
        if wanted is None:
            begin, end = pads[:d], pads[d:]
        else:
            total = [f - o for f, o in zip(full, wanted, strict=True)]
            small, large = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
            begin, end = (small, large) if self.auto_pad == "SAME_UPPER" else (large, small)
        size = tuple(f - b - e for f, b, e in zip(full, begin, end, strict=True))
        if min(size) < 0:
            raise ShapeMismatch(f"pads {list(pads)} leave nothing of {full}")
        return Geometry(size, w[2:], strides, dilations, begin, end, x[2:])

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x, w = inputs[0], inputs[1]
        return (Spec((x.shape[0], w.shape[1] * self.group, *self.geometry(x.shape, w.shape).size), x.dtype),)

    def ref(self, x: Array, w: Array, b: Array | None = None) -> tuple[Array, ...]:
        geometry, g = self.geometry(x.shape, w.shape), self.group
        n, c, m = x.shape[0], x.shape[1], w.shape[1]
        columns = wide(w).reshape(g, c // g, -1).transpose(0, 2, 1)  # [g, m * kernel, c / g]
        taps = np.matmul(columns, wide(x).reshape(n, g, c // g, -1))
        y = fold(taps.reshape(n, g * m, prod(geometry.kernel), prod(geometry.out)), geometry)
        return (biased(y, b).astype(x.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        w, b = inputs.constant(1), inputs.constant(2)
        if inputs.constant(0) is not None or w is None or (inputs.has(2) and b is None):
            return not_constant("the kernel or the bias")
        (n, c), g, m = inputs[0].shape[:2], self.group, w.shape[1]
        geometry = self.geometry(inputs[0].shape, w.shape)
        source = geometry.sources()
        places, size = source.shape[0], prod(geometry.size)
        weights = np.asarray(w, np.float64).reshape(c, m, 1, -1)
        channel = (np.arange(c) // (c // g) * m)[:, None] + np.arange(m)  # [c, m]
        batch = np.arange(n).reshape(-1, 1, 1, 1, 1)
        rows = (batch * g * m + channel[:, :, None, None]) * size + source
        columns = (batch * c + np.arange(c).reshape(-1, 1, 1, 1)) * places + np.arange(places).reshape(-1, 1)
        kept = np.broadcast_to((source >= 0) & (weights != 0), (n, c, m, *source.shape))
        row, column, value = (np.broadcast_to(a, kept.shape)[kept] for a in (rows, columns, weights))
        shape = self.infer(inputs)[0].shape
        return Affine({0: sparse(row, column, value, (prod(shape), inputs[0].size))}, bias_over(b, shape))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        def draw(*shape: int) -> Array:
            return rng.normal(size=shape).astype(np.float32)

        yield Sample(cls(strides=(2, 2), pads=(1, 0, 0, 1)), (draw(1, 2, 3, 4), draw(2, 3, 3, 3), draw(3)), (1, 2))
        yield Sample(cls(group=2, dilations=(2,)), (draw(2, 4, 5), draw(4, 1, 2)), (1,))
        yield Sample(cls(strides=(2,), output_shape=(11,), auto_pad="SAME_UPPER"), (draw(1, 1, 5), draw(1, 1, 3)), (1,))


@dataclass(frozen=True)
class Col2Im(Op):
    """Columns of windows added up to an image."""

    name: ClassVar[str] = "Col2Im"
    static: ClassVar[tuple[int, ...]] = (1, 2)
    dilations: tuple[int, ...] | None = None
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def _geometry(self, x: tuple[int, ...], image: Array, block: Array) -> Geometry:
        size, kernel = tuple(int(d) for d in image), tuple(int(d) for d in block)
        d = len(size)
        strides, dilations = self.strides or (1,) * d, self.dilations or (1,) * d
        pads = self.pads or (0,) * 2 * d
        if any(len(a) != d for a in (kernel, strides, dilations)) or len(pads) != 2 * d or min(kernel + strides) < 1:
            raise ShapeMismatch("block, strides, dilations and pads do not fit the image")
        out = tuple((n + pads[i] + pads[i + d] - (k - 1) * g - 1) // s + 1 for i, (n, k, g, s) in
                    enumerate(zip(size, kernel, dilations, strides, strict=True)))  # fmt: skip
        if len(x) != 3 or min(out) < 1 or x[1] % prod(kernel) or x[2] != prod(out):
            raise ShapeMismatch(f"columns of shape {list(x)} do not make an image of {list(size)}")
        return Geometry(size, kernel, strides, dilations, pads[:d], pads[d:], out)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        x, block = inputs[0], np.asarray(inputs.constant(2))
        geometry = self._geometry(x.shape, np.asarray(inputs.constant(1)), block)
        return (Spec((x.shape[0], x.shape[1] // prod(geometry.kernel), *geometry.size), x.dtype),)

    def ref(self, x: Array, image_shape: Array, block_shape: Array) -> tuple[Array, ...]:
        geometry = self._geometry(x.shape, image_shape, block_shape)
        return (fold(x.reshape(x.shape[0], -1, prod(geometry.kernel), x.shape[2]), geometry),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        n, rows, places = inputs[0].shape
        geometry = self._geometry((n, rows, places), np.asarray(inputs.constant(1)), np.asarray(inputs.constant(2)))
        source, size = geometry.sources().T, prod(geometry.size)  # [kernel, out]
        planes = np.arange(n * rows // source.shape[0]).reshape(-1, 1, 1)
        kept = np.broadcast_to(source >= 0, (planes.size, *source.shape))
        target = (planes * size + source)[kept]
        column = (planes * source.size + np.arange(source.size).reshape(source.shape))[kept]
        matrix = sparse(target, column, np.array(1.0), (planes.size * size, inputs[0].size))
        return Affine({0: matrix}, np.zeros(planes.size * size))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.normal(size=(1, 8, 6)).astype(np.float32)
        yield Sample(cls(), (x, np.array([4, 3]), np.array([2, 2])), (1, 2))


OPERATORS = (ConvTranspose, Col2Im)
