"""Operators that reorder, cut, join or repeat elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from vortex_crypto.errors import InvalidModel, ShapeMismatch
from vortex_crypto.nn.forms import Form
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Sample, Spec
from vortex_crypto.nn.ops.base import Movement, broadcast, moved, normalize_axes, normalize_axis, not_constant


def _float(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


@dataclass(frozen=True)
class Transpose(Movement):
    """Dimensions in the order `perm` (reversed, if omitted)."""

    name: ClassVar[str] = "Transpose"
    perm: tuple[int, ...] | None = None

    def ref(self, x: Array) -> tuple[Array, ...]:
        if self.perm is not None and sorted(self.perm) != list(range(x.ndim)):
            raise ShapeMismatch(f"perm {list(self.perm)} does not order {x.ndim} dimensions")
        return (np.transpose(x, self.perm),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 2, 3, 4),))
        yield Sample(cls((1, 2, 0)), (_float(rng, 2, 3, 4),))


@dataclass(frozen=True)
class Slice(Movement):
    """x[starts:ends:steps] along `axes`."""

    name: ClassVar[str] = "Slice"
    static: ClassVar[tuple[int, ...]] = (1, 2, 3, 4)
    moved: ClassVar[Mapping[str, int]] = {"starts": 1, "ends": 2, "axes": 3}

    def ref(
        self, x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None
    ) -> tuple[Array, ...]:
        chosen = normalize_axes(np.arange(len(starts)) if axes is None else axes, x.ndim)
        strides = np.ones(len(starts), np.int64) if steps is None else steps
        if not len(starts) == len(ends) == len(chosen) == len(strides) or np.any(np.asarray(strides) == 0):
            raise ShapeMismatch("starts, ends, axes and steps differ in length, or a step is 0")
        index = [slice(None)] * x.ndim
        for axis, start, end, step in zip(chosen, starts, ends, strides, strict=True):
            index[axis] = _interval(int(start), int(end), int(step), x.shape[axis])
        return (x[tuple(index)],)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        one = np.array([1])
        yield Sample(cls(), (_float(rng, 4, 5), one, np.array([-1]), one, np.array([2])), (1, 2, 3, 4))
        yield Sample(cls(), (_float(rng, 4, 5), np.array([-1]), np.array([-9]), one, np.array([-1])), (1, 2, 3, 4))


def _interval(start: int, end: int, step: int, size: int) -> slice:
    """The slice of Python that ONNX means: a backward end before the first element is `None`."""
    start, end = start + size if start < 0 else start, end + size if end < 0 else end
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    stop = min(max(end, -1), size - 1)
    return slice(min(max(start, -1), size - 1), None if stop < 0 else stop, step) if start >= 0 else slice(0, 0)


@dataclass(frozen=True)
class Concat(Movement):
    """The inputs joined along `axis`."""

    name: ClassVar[str] = "Concat"
    data: ClassVar[tuple[int, ...] | None] = None
    axis: int = 1

    def ref(self, *arrays: Any, **_: Any) -> tuple[Array, ...]:
        axis = normalize_axis(self.axis, arrays[0].ndim)
        if len({(a.ndim, *a.shape[:axis], *a.shape[axis + 1 :]) for a in arrays}) > 1:
            raise ShapeMismatch(f"shapes {', '.join(str(a.shape) for a in arrays)} differ beside axis {axis}")
        return (np.concatenate(arrays, axis=axis),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        parts = _float(rng, 2, 3), _float(rng, 2, 1), _float(rng, 2, 2)
        yield Sample(cls(1), parts)
        yield Sample(cls(1), parts, (1,))


@dataclass(frozen=True)
class Pad(Movement):
    """x with elements added at both ends of `axes`; negative pads cut."""

    name: ClassVar[str] = "Pad"
    static: ClassVar[tuple[int, ...]] = (1, 3)
    data: ClassVar[tuple[int, ...] | None] = (0, 2)
    moved: ClassVar[Mapping[str, int]] = {"pads": 1, "paddings": 1, "value": 2}
    mode: str = "constant"

    def __post_init__(self) -> None:
        if self.mode not in ("constant", "reflect", "edge", "wrap"):
            raise InvalidModel(f"Pad knows the modes constant, reflect, edge and wrap, not {self.mode!r}")

    def _widths(self, rank: int, pads: Array, axes: Array | None) -> list[tuple[int, int]]:
        chosen = normalize_axes(np.arange(rank) if axes is None else axes, rank)
        if len(pads) != 2 * len(chosen):
            raise ShapeMismatch(f"{len(pads)} pads are not two for each of {len(chosen)} axes")
        widths = [(0, 0)] * rank
        for i, axis in enumerate(chosen):
            widths[axis] = (int(pads[i]), int(pads[i + len(chosen)]))
        return widths

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        pads, x = np.asarray(inputs.constant(1)), inputs[0]
        widths = self._widths(len(x.shape), pads, inputs.constant(3))
        shape = tuple(d + before + after for d, (before, after) in zip(x.shape, widths, strict=True))
        if any(d < 0 for d in shape):
            raise ShapeMismatch(f"pads {pads.tolist()} cut more than shape {list(x.shape)} has")
        return (Spec(shape, x.dtype),)

    def ref(self, x: Array, pads: Array, value: Array | None = None, axes: Array | None = None) -> tuple[Array, ...]:
        widths = self._widths(x.ndim, pads, axes)
        x = x[tuple(slice(max(-b, 0), d - max(-a, 0)) for d, (b, a) in zip(x.shape, widths, strict=True))]
        added = [(max(b, 0), max(a, 0)) for b, a in widths]
        if self.mode == "constant":
            fill = 0 if value is None else np.asarray(value).reshape(-1)[0]
            return (np.pad(x, added, constant_values=fill).astype(x.dtype, copy=False),)
        return (np.pad(x, added, mode={"reflect": "reflect", "edge": "edge", "wrap": "wrap"}[self.mode]),)  # type: ignore[call-overload]

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        pads = np.array([0, 1, 2, 0])
        yield Sample(cls(), (_float(rng, 3, 4), pads), (1,))
        yield Sample(cls(), (_float(rng, 3, 4), pads, np.array(1.5, np.float32)), (1, 2))
        yield Sample(cls("reflect"), (_float(rng, 3, 4), pads), (1,))


@dataclass(frozen=True)
class Expand(Movement):
    """x broadcast with `shape`."""

    name: ClassVar[str] = "Expand"
    static: ClassVar[tuple[int, ...]] = (1,)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        shape = tuple(int(d) for d in np.asarray(inputs.constant(1)))
        if any(d < 0 for d in shape):
            raise ShapeMismatch(f"shape {list(shape)} has a negative dimension")
        return (Spec(broadcast([inputs[0].shape, shape]), inputs[0].dtype),)

    def ref(self, x: Array, shape: Array) -> tuple[Array, ...]:
        return (np.array(np.broadcast_to(x, broadcast([x.shape, tuple(int(d) for d in shape)]))),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 3, 1), np.array([2, 1, 4])), (1,))


@dataclass(frozen=True)
class Tile(Movement):
    """x repeated `repeats` times along each axis."""

    name: ClassVar[str] = "Tile"
    static: ClassVar[tuple[int, ...]] = (1,)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        repeats = [int(r) for r in np.asarray(inputs.constant(1)).ravel()]
        if len(repeats) != len(inputs[0].shape) or min(repeats, default=0) < 0:
            raise ShapeMismatch(f"repeats {repeats} do not fit shape {list(inputs[0].shape)}")
        return (Spec(tuple(d * r for d, r in zip(inputs[0].shape, repeats, strict=True)), inputs[0].dtype),)

    def ref(self, x: Array, repeats: Array) -> tuple[Array, ...]:
        return (np.tile(x, [int(r) for r in repeats]),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 2, 3), np.array([2, 3])), (1,))


@dataclass(frozen=True)
class Split(Movement):
    """x cut along `axis`: into the sizes `split`, or `num_outputs` equal parts (the last may be smaller)."""

    name: ClassVar[str] = "Split"
    static: ClassVar[tuple[int, ...]] = (1,)
    moved: ClassVar[Mapping[str, int]] = {"split": 1}
    axis: int = 0
    num_outputs: int | None = None

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any], opset: int, outputs: int = 1) -> tuple[Self, dict[int, Array]]:
        op, slots = super().from_onnx(attributes, opset, outputs)
        return cls(op.axis, op.num_outputs or outputs), slots

    def ref(self, x: Array, split: Array | None = None) -> tuple[Array, ...]:
        axis = normalize_axis(self.axis, x.ndim)
        if split is None:
            count = self.num_outputs or 1
            if not 1 <= count <= max(x.shape[axis], 1):
                raise ShapeMismatch(f"{count} parts of a dimension of {x.shape[axis]}")
            each = -(-x.shape[axis] // count)
            sizes = [min(each, max(x.shape[axis] - i * each, 0)) for i in range(count)]
        else:
            sizes = [int(s) for s in split]
        if sum(sizes) != x.shape[axis] or min(sizes, default=0) < 0:
            raise ShapeMismatch(f"parts {sizes} do not make up dimension {axis} of shape {list(x.shape)}")
        return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(1, 3), (_float(rng, 2, 8),))


@dataclass(frozen=True)
class Trilu(Movement):
    """The upper or lower triangle of matrices, from diagonal `k` on; zero elsewhere."""

    name: ClassVar[str] = "Trilu"
    static: ClassVar[tuple[int, ...]] = (1,)
    upper: int = 1

    def ref(self, x: Array, k: Array | None = None) -> tuple[Array, ...]:
        diagonal = 0 if k is None else int(np.asarray(k).reshape(-1)[0])
        return ((np.triu if self.upper else np.tril)(x, diagonal),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(0), (_float(rng, 2, 3, 4), np.array(-1)), (1,))


@dataclass(frozen=True)
class DepthToSpace(Movement):
    """Channels rearranged into blocks of `blocksize` x `blocksize` places."""

    name: ClassVar[str] = "DepthToSpace"
    blocksize: int = 1
    mode: str = "DCR"

    def ref(self, x: Array) -> tuple[Array, ...]:
        b, (n, c, h, w) = self.blocksize, _image(x, 1, self.blocksize)
        if self.mode == "DCR":
            blocks = x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2)
        else:
            blocks = x.reshape(n, c // (b * b), b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
        return (blocks.reshape(n, c // (b * b), h * b, w * b),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(2), (_float(rng, 1, 8, 2, 3),))
        yield Sample(cls(2, "CRD"), (_float(rng, 1, 8, 2, 3),))


@dataclass(frozen=True)
class SpaceToDepth(Movement):
    """Blocks of `blocksize` x `blocksize` places rearranged into channels."""

    name: ClassVar[str] = "SpaceToDepth"
    blocksize: int = 1
    mode: str = "DCR"

    def ref(self, x: Array) -> tuple[Array, ...]:
        b, (n, c, h, w) = self.blocksize, _image(x, 0, self.blocksize)
        blocks = x.reshape(n, c, h // b, b, w // b, b)
        order = (0, 3, 5, 1, 2, 4) if self.mode == "DCR" else (0, 1, 3, 5, 2, 4)
        return (blocks.transpose(order).reshape(n, c * b * b, h // b, w // b),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(2), (_float(rng, 1, 2, 4, 6),))


def _image(x: Array, depth: int, block: int) -> tuple[int, int, int, int]:
    """The four dimensions of `x`, checked to divide into blocks (of channels, if `depth`)."""
    if x.ndim != 4 or block < 1:
        raise ShapeMismatch(f"shape {list(x.shape)} with blocks of {block} is not that of images")
    if (depth and x.shape[1] % (block * block)) or (not depth and (x.shape[2] % block or x.shape[3] % block)):
        raise ShapeMismatch(f"shape {list(x.shape)} does not divide into blocks of {block} x {block}")
    n, c, h, w = x.shape
    return n, c, h, w


@dataclass(frozen=True)
class ReverseSequence(Movement):
    """The first `sequence_lens[b]` elements of each batch along the time axis, reversed."""

    name: ClassVar[str] = "ReverseSequence"
    batch_axis: int = 1
    time_axis: int = 0

    def ref(self, x: Array, sequence_lens: Array) -> tuple[Array, ...]:
        moved_x = np.moveaxis(x, (self.batch_axis, self.time_axis), (0, 1)).copy()
        for row, length in zip(moved_x, sequence_lens, strict=True):
            row[: int(length)] = row[: int(length)][::-1].copy()
        return (np.moveaxis(moved_x, (0, 1), (self.batch_axis, self.time_axis)),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 4, 3), np.array([1, 4, 2])), (1,))


@dataclass(frozen=True)
class CenterCropPad(Movement):
    """The middle of x of the given size along `axes`, padded with zeros where it is smaller."""

    name: ClassVar[str] = "CenterCropPad"
    static: ClassVar[tuple[int, ...]] = (1,)
    axes: tuple[int, ...] | None = None

    def _target(self, shape: tuple[int, ...], sizes: Array) -> tuple[int, ...]:
        axes = normalize_axes(range(len(shape)) if self.axes is None else self.axes, len(shape))
        if len(axes) != np.size(sizes) or np.any(np.asarray(sizes) < 0):
            raise ShapeMismatch(f"sizes {np.asarray(sizes).tolist()} are not one for each of axes {list(axes)}")
        found = list(shape)
        for axis, size in zip(axes, np.asarray(sizes).ravel(), strict=True):
            found[axis] = int(size)
        return tuple(found)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        return (Spec(self._target(inputs[0].shape, np.asarray(inputs.constant(1))), inputs[0].dtype),)

    def ref(self, x: Array, shape: Array) -> tuple[Array, ...]:
        target = self._target(x.shape, shape)
        cut = tuple(
            slice((d - t) // 2, (d - t) // 2 + t) if d > t else slice(None)
            for d, t in zip(x.shape, target, strict=True)
        )
        widths = [
            ((t - d) // 2, t - d - (t - d) // 2) if t > d else (0, 0) for d, t in zip(x.shape, target, strict=True)
        ]
        return (np.pad(x[cut], widths),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_float(rng, 5, 4), np.array([2, 7])), (1,))


@dataclass(frozen=True)
class Where(Movement):
    """a where the condition holds, b elsewhere."""

    name: ClassVar[str] = "Where"
    data: ClassVar[tuple[int, ...] | None] = (1, 2)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        if inputs[1].dtype != inputs[2].dtype:
            raise ShapeMismatch(f"the two branches have types {inputs[1].dtype} and {inputs[2].dtype}")
        return (Spec(broadcast([inputs[i].shape for i in range(3)]), inputs[1].dtype),)

    def ref(self, condition: Array, a: Array, b: Array) -> tuple[Array, ...]:
        return (np.where(condition, a, b),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        if inputs.constant(0) is None:
            return not_constant("the condition")
        return moved(inputs, (1, 2), lambda *a: self.ref(*a)[0])

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        condition = rng.integers(0, 2, (2, 3)).astype(np.bool_)
        yield Sample(cls(), (condition, _float(rng, 2, 3), _float(rng, 3)), (0,))
        yield Sample(cls(), (condition, _float(rng, 2, 3), _float(rng, 3)), (0, 2))


OPERATORS = (
    Transpose, Slice, Concat, Pad, Expand, Tile, Split, Trilu, DepthToSpace, SpaceToDepth, ReverseSequence,
    CenterCropPad, Where,
)  # fmt: skip
