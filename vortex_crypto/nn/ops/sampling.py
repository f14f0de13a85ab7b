"""Sampling images at places that are data: GridSample, RoiAlign, DeformConv."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import InvalidModel, ShapeMismatch
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Spec
from vortex_crypto.nn.ops.base import wide
from vortex_crypto.nn.ops.resize import cubic
from vortex_crypto.nn.ops.windows import Geometry, geometry

_MOST_SAMPLES = 4096
"""of one cell of a region along one axis: no image is so large"""

Taps = tuple[Array, Array]
"""Whole places around each coordinate and their weights: [batch, points, taps] both."""


def linear_taps(x: Array) -> Taps:
    """The two neighbours of each coordinate."""
    low = np.floor(x)
    places = low[..., None] + np.arange(2)
    return places, 1 - np.abs(places - x[..., None])


def cubic_taps(x: Array) -> Taps:
    """The four neighbours of each coordinate."""
    places = np.floor(x)[..., None] + np.arange(-1, 3)
    return places, cubic(places - x[..., None], -0.75)


def nearest_taps(x: Array) -> Taps:
    """The nearest place, of two the even one."""
    return np.rint(x)[..., None], np.ones((*x.shape, 1))


def interpolate(x: Array, taps: Sequence[Taps], place: Callable[[Array, int], tuple[Array, Array]]) -> Array:
    """[batch, channels, points] of `x` [batch, channels, *dims], with `taps` for each dimension.

    `place(places, dimension)` says where a tap is read, and whether it counts.
    """
    dims, flat = x.shape[2:], x.reshape(*x.shape[:2], -1)
    read = [place(places, i) for i, (places, _) in enumerate(taps)]
    total: Array = np.zeros((*x.shape[:2], taps[0][0].shape[1]), x.dtype)
    for corner in itertools.product(*(range(weights.shape[-1]) for _, weights in taps)):
        index, weight = np.zeros((), np.int64), np.ones(())
        for i, k in enumerate(corner):
            index = index * dims[i] + read[i][0][..., k].astype(np.int64)
            weight = weight * taps[i][1][..., k] * read[i][1][..., k]
        total += np.take_along_axis(flat, index[:, None, :], axis=2) * weight[:, None, :]
    return total


def zeros_outside(dims: Sequence[int]) -> Callable[[Array, int], tuple[Array, Array]]:
    """Places outside of `dims` read zero."""

    def place(places: Array, i: int) -> tuple[Array, Array]:
        return np.clip(places, 0, dims[i] - 1), (places >= 0) & (places < dims[i])

    return place


@dataclass(frozen=True)
class GridSample(Op):
    """x at the places of a grid, whose coordinates run from -1 to 1 and name the last dimension first."""

    name: ClassVar[str] = "GridSample"
    align_corners: int = 0
    mode: str = "linear"
    padding_mode: str = "zeros"

    def __post_init__(self) -> None:
        if self.mode.removeprefix("bi") not in ("linear", "nearest", "cubic"):
            raise InvalidModel(f"GridSample has no mode {self.mode!r}")
        if self.padding_mode not in ("zeros", "border", "reflection"):
            raise InvalidModel(f"GridSample has no padding_mode {self.padding_mode!r}")

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x, grid = inputs[0].shape, inputs[1].shape
        if len(x) < 3 or len(grid) != len(x) or grid[0] != x[0] or grid[-1] != len(x) - 2:
            raise ShapeMismatch(f"a grid of shape {list(grid)} does not fit an input of shape {list(x)}")
        return (Spec((*x[:2], *grid[1:-1]), inputs[0].dtype),)

    def ref(self, x: Array, grid: Array) -> tuple[Array, ...]:
        dims, points = x.shape[2:], grid.reshape(grid.shape[0], -1, grid.shape[-1])
        coordinates = [self._inside(self._denormalize(points[..., -1 - i], n), n) for i, n in enumerate(dims)]
        find = {"nearest": nearest_taps, "cubic": cubic_taps, "linear": linear_taps}[self.mode.removeprefix("bi")]

        def place(places: Array, i: int) -> tuple[Array, Array]:
            if self.padding_mode == "zeros":
                return zeros_outside(dims)(places, i)
            inside = np.trunc(self._inside(places, dims[i]))
            return np.clip(inside, 0, dims[i] - 1), np.ones(places.shape, np.bool_)

        y = interpolate(wide(x), [find(c) for c in coordinates], place)
        return (y.reshape(*x.shape[:2], *grid.shape[1:-1]).astype(x.dtype),)

    def _denormalize(self, n: Array, size: int) -> Array:
        x = (n + 1) / 2 * (size - 1) if self.align_corners else ((n + 1) * size - 1) / 2
        return np.rint(x) if self.mode == "nearest" else np.asarray(x)

    def _inside(self, x: Array, size: int) -> Array:
        """Coordinates outside of the image brought to its border, or reflected there."""
        low, high = (0.0, size - 1.0) if self.align_corners else (-0.5, size - 0.5)
        if self.padding_mode == "border":
            return np.where((x < low) | (x > high), np.clip(x, 0, size - 1), x)
        if self.padding_mode == "zeros" or high == low:
            return x if self.padding_mode == "zeros" else np.zeros_like(x)
        turns, rest = np.divmod(np.abs(np.where(x < low, low - x, x - low)), high - low)
        reflected = np.where(turns % 2 == 0, low + rest, high - rest)
        return np.where((x < low) | (x > high), reflected, x)


@dataclass(frozen=True)
class RoiAlign(Op):
    """Regions of images, each cut into cells, each cell the mean or maximum of points sampled in it."""

    name: ClassVar[str] = "RoiAlign"
    coordinate_transformation_mode: str = "half_pixel"
    mode: str = "avg"
    output_height: int = 1
    output_width: int = 1
    sampling_ratio: int = 0
    spatial_scale: float = 1.0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x, rois, batches = (inputs[k].shape for k in range(3))
        if len(x) != 4 or len(rois) != 2 or rois[1] != 4 or batches != rois[:1]:
            raise ShapeMismatch(f"regions of shape {list(rois)} do not fit an input of shape {list(x)}")
        return (Spec((rois[0], x[1], self.output_height, self.output_width), inputs[0].dtype),)

    def ref(self, x: Array, rois: Array, batch_indices: Array) -> tuple[Array, ...]:
        cells = [self._region(x[int(b)], roi) for roi, b in zip(rois, batch_indices, strict=True)]
        shape = (len(rois), x.shape[1], self.output_height, self.output_width)
        return (np.array(cells, x.dtype).reshape(shape),)

    def _region(self, image: Array, roi: Array) -> Array:
        half = self.coordinate_transformation_mode == "half_pixel"
        low_x, low_y, high_x, high_y = (float(v) * self.spatial_scale - (0.5 if half else 0) for v in roi)
        axes = []
        for low, high, count, size in (
            (low_y, high_y, self.output_height, image.shape[1]),
            (low_x, high_x, self.output_width, image.shape[2]),
        ):
            extent = high - low if half else max(high - low, 1.0)
            samples = self.sampling_ratio if self.sampling_ratio > 0 else max(int(np.ceil(extent / count)), 1)
            if not (count >= 1 and samples <= _MOST_SAMPLES):
                raise ShapeMismatch(f"a region is cut into {count} cells of {samples} samples each")
            axes.append((low + (np.arange(count * samples) + 0.5) * extent / count / samples, samples, size))
        (y, rows, height), (x, columns, width) = axes
        grid = np.meshgrid(y, x, indexing="ij")
        taps = []
        for c, size in zip(grid, (height, width), strict=True):
            beyond = ((c < -1) | (c > size)).reshape(1, -1, 1)
            places, weights = linear_taps(np.clip(c, 0, size - 1).reshape(1, -1))
            taps.append((places, np.where(beyond, 0, weights)))
        if self.mode == "avg":
            points = interpolate(image[None].astype(np.float64), taps, zeros_outside(image.shape[1:]))
            cells = points.reshape(-1, self.output_height, rows, self.output_width, columns)
            return np.asarray(cells.mean(axis=(2, 4)))
        corners = [  # the maximum is over the weighted corners, as ONNX defines it
            interpolate(
                image[None].astype(np.float64),
                [(p[..., k : k + 1], w[..., k : k + 1]) for (p, w), k in zip(taps, corner, strict=True)],
                zeros_outside(image.shape[1:]),
            )
            for corner in itertools.product(range(2), repeat=2)
        ]
        cells = np.max(corners, axis=0).reshape(-1, self.output_height, rows, self.output_width, columns)
        return np.asarray(cells.max(axis=(2, 4)))


@dataclass(frozen=True)
class DeformConv(Op):
    """Convolution whose taps are moved by offsets and weighed by a mask (https://arxiv.org/abs/1811.11168)."""

    name: ClassVar[str] = "DeformConv"
    dilations: tuple[int, ...] | None = None
    group: int = 1
    kernel_shape: tuple[int, ...] | None = None
    offset_group: int = 1
    pads: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def _geometry(self, x: tuple[int, ...], w: tuple[int, ...]) -> Geometry:
        if len(x) < 3 or len(w) != len(x) or self.group < 1 or w[1] * self.group != x[1] or x[1] % self.offset_group:
            raise ShapeMismatch(f"a kernel of shape {list(w)} does not fit an input of shape {list(x)}")
        return geometry(x[2:], w[2:], self.strides, self.dilations, self.pads, "NOTSET")

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x, w = inputs[0].shape, inputs[1].shape
        return (Spec((x[0], w[0], *self._geometry(x, w).out), inputs[0].dtype),)

    def ref(
        self, x: Array, w: Array, offset: Array, bias: Array | None = None, mask: Array | None = None
    ) -> tuple[Array, ...]:
        found = self._geometry(x.shape, w.shape)
        n, d, kernel, points = x.shape[0], len(found.size), prod(found.kernel), prod(found.out)
        shifts = offset.reshape(n, self.offset_group, kernel, d, points)
        scales = (
            np.ones((n, self.offset_group, kernel, points)) if mask is None else mask.reshape(n, -1, kernel, points)
        )
        places, taps = np.indices(found.out).reshape(d, 1, -1), np.indices(found.kernel).reshape(d, -1, 1)
        per = x.shape[1] // self.offset_group
        sampled = np.empty((n, x.shape[1], kernel, points), wide(x).dtype)
        for g in range(self.offset_group):
            coordinates = []
            for i in range(d):
                fixed = places[i] * found.strides[i] + taps[i] * found.dilations[i] - found.begin[i]
                coordinates.append((fixed + shifts[:, g, :, i]).reshape(n, -1))
            channels = slice(g * per, (g + 1) * per)
            values = interpolate(wide(x)[:, channels], [linear_taps(c) for c in coordinates], zeros_outside(found.size))
            sampled[:, channels] = values.reshape(n, per, kernel, points) * scales[:, g][:, None]
        rows = sampled.reshape(n, self.group, -1, points)
        y = np.matmul(wide(w).reshape(self.group, w.shape[0] // self.group, -1), rows).reshape(
            n, w.shape[0], *found.out
        )
        if bias is not None:
            y = y + bias.reshape(-1, *(1,) * d)
        return (y.astype(x.dtype),)


OPERATORS = (GridSample, RoiAlign, DeformConv)
