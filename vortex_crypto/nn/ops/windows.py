"""Sliding windows over the spatial dimensions: the geometry that convolution and pooling share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vortex_crypto.errors import InvalidModel, ShapeMismatch
from vortex_crypto.nn.ir import Array


@dataclass(frozen=True)
class Geometry:
    """One entry a spatial dimension: sizes of input and output, of the window, and how it steps."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    out: tuple[int, ...]

    def windows(self, x: Array, fill: float | bool | int = 0, outside: float | bool | int | None = None) -> Array:
        """A view [..., *out, *kernel] of `x` [..., *size], whose padding is `fill`.

        What a rounded-up last window reaches beyond the padding is `outside` (`fill`, if not given).
        """
        d, rank = len(self.size), x.ndim
        lead = [(0, 0)] * (rank - d)
        x = np.pad(x, lead + list(zip(self.begin, self.end, strict=True)), constant_values=fill)
        spans = self._spans()
        more = [
            max((o - 1) * s + w - p, 0)
            for o, s, w, p in zip(self.out, self.strides, spans, x.shape[rank - d :], strict=True)
        ]
        if any(more):
            x = np.pad(x, [*lead, *((0, m) for m in more)], constant_values=fill if outside is None else outside)
        view = sliding_window_view(x, spans, axis=tuple(range(rank - d, rank)))
        steps = [slice(0, (o - 1) * s + 1, s) for o, s in zip(self.out, self.strides, strict=True)]
        taps = [slice(None, None, k) for k in self.dilations]
        index: tuple[Any, ...] = (..., *steps, *taps)
        return np.asarray(view[index])

    def _spans(self) -> tuple[int, ...]:
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    def sources(self) -> Array:
        """Position in the input of every tap of every window, -1 in the padding: int64 [prod(out), prod(kernel)]."""
        d = len(self.size)
        places, inside = np.zeros((1,) * 2 * d, np.int64), np.ones((1,) * 2 * d, np.bool_)
        for i, n in enumerate(self.size):
            steps = np.arange(self.out[i]).reshape([-1 if k == i else 1 for k in range(2 * d)])
            taps = np.arange(self.kernel[i]).reshape([-1 if k == d + i else 1 for k in range(2 * d)])
            place = steps * self.strides[i] + taps * self.dilations[i] - self.begin[i]
            places, inside = places * n + place, inside & (place >= 0) & (place < n)
        full = np.broadcast_to(np.where(inside, places, -1), (*self.out, *self.kernel))
        return full.reshape(prod(self.out), prod(self.kernel))


def geometry(
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto_pad: str,
    ceil_mode: int = 0,
) -> Geometry:
    """The geometry ONNX's attributes mean.

    Raises:
        ShapeMismatch: attributes of the wrong length or sign, or a window larger than the padded input.
        InvalidModel: an unknown `auto_pad`.
    """
    d = len(size)
    strides, dilations = tuple(strides or (1,) * d), tuple(dilations or (1,) * d)
    padding = tuple(pads or (0,) * (2 * d))
    if not (len(kernel) == len(strides) == len(dilations) == d and len(padding) == 2 * d):
        raise ShapeMismatch(f"kernel, strides, dilations and pads do not fit {d} spatial dimensions")
    if min((*kernel, *strides, *dilations), default=1) < 1 or min(padding, default=0) < 0:
        raise ShapeMismatch("kernel, strides and dilations start at 1, pads at 0")
    spans = [(k - 1) * s + 1 for k, s in zip(kernel, dilations, strict=True)]
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        out = tuple(-(-n // s) for n, s in zip(size, strides, strict=True))
        padding = same_pads(
            [max((o - 1) * s + w - n, 0) for o, s, w, n in zip(out, strides, spans, size, strict=True)], auto_pad
        )
    elif auto_pad == "VALID":
        padding = (0,) * (2 * d)
    elif auto_pad != "NOTSET":
        raise InvalidModel(f"auto_pad is NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {auto_pad!r}")
    begin, end = padding[:d], padding[d:]
    if any(p > n + w for p, n, w in zip(padding, (*size, *size), (*spans, *spans), strict=True)):
        raise ShapeMismatch(f"pads {list(padding)} are larger than input and window together")
    free = [n + b + e - w for n, b, e, w in zip(size, begin, end, spans, strict=True)]
    if min(free, default=0) < 0:
        raise ShapeMismatch(f"a window of {spans} is larger than the padded input {list(size)}")
    if not auto_pad.startswith("SAME"):
        out = tuple((f + (s - 1 if ceil_mode else 0)) // s + 1 for f, s in zip(free, strides, strict=True))
        if ceil_mode:  # a window that would start in the padding at the end is left out
            out = tuple(o - ((o - 1) * s >= n + b) for o, s, n, b in zip(out, strides, size, begin, strict=True))
    return Geometry(tuple(size), tuple(kernel), strides, dilations, begin, end, out)


def same_pads(total: Sequence[int], auto_pad: str) -> tuple[int, ...]:
    """Padding shared between both ends, the odd one at the end for SAME_UPPER and at the beginning for SAME_LOWER."""
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return tuple(small + large if auto_pad == "SAME_UPPER" else large + small)
