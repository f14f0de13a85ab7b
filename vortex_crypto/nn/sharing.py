"""Convolutions, recognised in the sparse matrices of affine layers, so that each weight is committed once.

A matrix from [C, H, W] to [O, P, Q] is a convolution of strides (s, t) if its entry at ((o, y, x), (c, i, j)) depends
on o, c, i - s·y and j - t·x alone, and is there wherever these place it inside of the input. Normalisation, average
pooling and scaling that were composed into the matrix leave it one.

A strided convolution is an unstrided one of s·t times as many channels: with u = s·q + r, row s·y + u of the input is
row y + q of the phase r, which takes every s-th row from r on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from vortex_crypto.nn.integer import Sparse
from vortex_crypto.nn.ir import Array

_STRIDES = (1, 2, 3, 4)


@dataclass(frozen=True, eq=False)
class SharedConvolution:
    """y[o, y, x] = Σ kernel[o, c, u, v]·x[c, strides[0]·y + offset[0] + u, strides[1]·x + offset[1] + v].

    Attributes:
        kernel: int64 [O, C, kh, kw].
        strides: steps of the input for one of the output, by axis.
        offset: where the first output's window begins; negative in padding.
        size: H, W of the input.
        out: P, Q of the output.
    """

    kernel: Array
    strides: tuple[int, int]
    offset: tuple[int, int]
    size: tuple[int, int]
    out: tuple[int, int]

    @property
    def blocks(self) -> Array:
        """bool [O, C, kh, kw]: the weights between channels that are connected at all, which are committed."""
        connected = self.kernel.any(axis=(2, 3), keepdims=True)
        return np.broadcast_to(connected, self.kernel.shape)

    @property
    def _first(self) -> tuple[int, ...]:
        return tuple(offset // stride for offset, stride in zip(self.offset, self.strides, strict=True))

    @property
    def _taps(self) -> tuple[int, ...]:
        ends = (o + k - 1 for o, k in zip(self.offset, self.kernel.shape[2:], strict=True))
        return tuple(e // s - f + 1 for e, s, f in zip(ends, self.strides, self._first, strict=True))

    def inputs(self) -> Array:
        """Which element of the flat input stands where in its phases: int64 [C·s·t, H', W'], -1 for none."""
        channels, (height, width), (s, t) = self.kernel.shape[1], self.size, self.strides
        padded = np.full((channels, -(-height // s) * s, -(-width // t) * t), -1, dtype=np.int64)
        padded[:, :height, :width] = np.arange(channels * height * width).reshape(channels, height, width)
        split = padded.reshape(channels, padded.shape[1] // s, s, padded.shape[2] // t, t)
        return split.transpose(0, 2, 4, 1, 3).reshape(-1, padded.shape[1] // s, padded.shape[2] // t)

    def kernels(self) -> Array:
        """Which element of the flat kernel stands where in the unstrided one: int64 [O, C·s·t, qh, qw], -1 for none."""
        outputs, channels, kh, kw = self.kernel.shape
        (s, t), (qh, qw) = self.strides, self._taps
        (top, left) = (o - f * s for o, f, s in zip(self.offset, self._first, self.strides, strict=True))
        padded = np.full((outputs, channels, qh * s, qw * t), -1, dtype=np.int64)
        padded[:, :, top : top + kh, left : left + kw] = np.arange(self.kernel.size).reshape(self.kernel.shape)
        split = padded.reshape(outputs, channels, qh, s, qw, t)
        return split.transpose(0, 1, 3, 5, 2, 4).reshape(outputs, channels * s * t, qh, qw)

    def crop(self) -> tuple[slice, slice] | None:
        """Where in the full convolution of the phases the outputs stand; None if they reach beyond it."""
        found = []
        for first, taps, stride, size, out in zip(
            self._first, self._taps, self.strides, self.size, self.out, strict=True
        ):
            start = first + taps - 1
            if start < 0 or start + out > -(-size // stride) + taps - 1:
                return None
            found.append(slice(start, start + out))
        return found[0], found[1]


def as_convolution(matrix: Sparse, source: tuple[int, ...], target: tuple[int, ...]) -> SharedConvolution | None:
    """The convolution that an integer matrix from a tensor of shape `source` to one of shape `target` is, if it is one.

    Shapes are [1, C, H, W]; of several places, or there is nothing to share.
    """
    if len(source) != 4 or len(target) != 4 or source[0] != 1 or target[0] != 1 or not matrix.nnz:
        return None
    if target[2] * target[3] == 1:
        return None
    coordinates = matrix.tocoo()
    rows, columns = np.unravel_index(coordinates.row, target[1:]), np.unravel_index(coordinates.col, source[1:])
    for strides in _candidates(source[2:], target[2:]):
        found = _with_strides(rows, columns, coordinates.data, source[1:], target[1:], strides)
        if found is not None:
            return found
    return None


def _candidates(size: tuple[int, ...], out: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    likely = [tuple(dict.fromkeys((max(1, round(n / m)), *_STRIDES))) for n, m in zip(size, out, strict=True)]
    yield from product(*likely)


def _with_strides(
    rows: tuple[Array, ...],
    columns: tuple[Array, ...],
    values: Array,
    source: tuple[int, ...],
    target: tuple[int, ...],
    strides: tuple[int, int],
) -> SharedConvolution | None:
    taps = [columns[axis] - strides[axis - 1] * rows[axis] for axis in (1, 2)]
    least = [int(tap.min()) for tap in taps]
    extent = tuple(int(tap.max()) - low + 1 for tap, low in zip(taps, least, strict=True))
    shape = (target[0], source[0], *extent)
    key = np.ravel_multi_index((rows[0], columns[0], taps[0] - least[0], taps[1] - least[1]), shape)
    distinct, first, inverse, counts = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    if (values != values[first][inverse]).any():
        return None
    inside = [
        _inside(source[axis], target[axis], strides[axis - 1], least[axis - 1], extent[axis - 1]) for axis in (1, 2)
    ]
    _, _, u, v = np.unravel_index(distinct, shape)
    if (counts != inside[0][u] * inside[1][v]).any():
        return None
    kernel = np.zeros(shape, dtype=np.int64)
    kernel.reshape(-1)[distinct] = values[first]
    made = SharedConvolution(kernel, strides, (least[0], least[1]), (source[1], source[2]), (target[1], target[2]))
    return made if made.crop() is not None else None


def _inside(size: int, out: int, stride: int, least: int, extent: int) -> Array:
    """For each tap, from how many outputs it lies inside of the input: int64 [extent]."""
    places = stride * np.arange(out)[:, None] + least + np.arange(extent)
    return np.asarray(((places >= 0) & (places < size)).sum(axis=0))
