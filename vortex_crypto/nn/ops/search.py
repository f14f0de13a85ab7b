"""Operators whose output shape hangs on data (they import where their data is constant), and TopK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Form, Unsupported
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import Movement, normalize_axis


@dataclass(frozen=True)
class NonZero(Op):
    """Indices of the elements that are not zero: int64 [rank, count]."""

    name: ClassVar[str] = "NonZero"
    static: ClassVar[tuple[int, ...]] = (0,)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (np.array(np.nonzero(x), np.int64).reshape(x.ndim, -1),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.integers(0, 2, (3, 4)),), (0,))


@dataclass(frozen=True)
class Unique(Op):
    """Distinct elements (or slices along `axis`), where each first stood, which each element is, how often."""

    name: ClassVar[str] = "Unique"
    static: ClassVar[tuple[int, ...]] = (0,)
    axis: int | None = None
    sorted: int = 1

    def ref(self, x: Array) -> tuple[Array, ...]:
        axis = None if self.axis is None else normalize_axis(self.axis, x.ndim)
        y, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis)
        inverse = inverse.reshape(-1)
        if not self.sorted:
            order = np.argsort(first)
            rank = np.empty_like(order)
            rank[order] = np.arange(order.size)
            y, first, inverse, counts = np.take(y, order, axis or 0), first[order], rank[inverse], counts[order]
        return y, first.astype(np.int64), inverse.astype(np.int64), counts.astype(np.int64)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(sorted=0), (rng.integers(0, 4, 9).astype(np.float32),), (0,))


@dataclass(frozen=True)
class Compress(Movement):
    """The slices along `axis` (elements, if omitted) at which `condition` holds."""

    name: ClassVar[str] = "Compress"
    static: ClassVar[tuple[int, ...]] = (1,)
    axis: int | None = None

    def ref(self, x: Array, condition: Array) -> tuple[Array, ...]:
        return (np.compress(condition, x, axis=self.axis),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(1), (rng.normal(size=(2, 3)).astype(np.float32), np.array([True, False, True])), (1,))


@dataclass(frozen=True)
class TopK(Op):
    """The k largest (or smallest) along `axis` in order, and where they stood; of equals the first."""

    name: ClassVar[str] = "TopK"
    static: ClassVar[tuple[int, ...]] = (1,)
    moved: ClassVar[Mapping[str, int]] = {"k": 1}
    axis: int = -1
    largest: int = 1
    sorted: int = 1

    def ref(self, x: Array, k: Array) -> tuple[Array, ...]:
        axis, count = normalize_axis(self.axis, x.ndim), int(np.asarray(k).reshape(-1)[0])
        if not 0 <= count <= x.shape[axis]:
            raise ShapeMismatch(f"k = {count} of {x.shape[axis]} elements")
        if self.largest:  # a stable sort from the back, read backwards, keeps the first of equals first
            order = np.flip(x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
        else:
            order = np.argsort(x, axis=axis, kind="stable")
        best = np.take(order, np.arange(count), axis=axis)
        return np.take_along_axis(x, best, axis=axis), best.astype(np.int64)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return Unsupported("sorting is no polynomial", "Let the client sort the decrypted scores.")

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.normal(size=(3, 5)).astype(np.float32)
        yield Sample(cls(), (x, np.array([2])), (1,))
        yield Sample(cls(0, 0), (x, np.array([3])), (1,))


@dataclass(frozen=True)
class NonMaxSuppression(Op):
    """Boxes by falling score, without those that overlap a better one: int64 [count, (batch, class, box)]."""

    name: ClassVar[str] = "NonMaxSuppression"
    static: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4)
    center_point_box: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        boxes, scores = inputs[0].shape, inputs[1].shape
        if len(boxes) != 3 or len(scores) != 3 or boxes[2] != 4 or (boxes[0], boxes[1]) != (scores[0], scores[2]):
            raise ShapeMismatch(f"boxes of shape {list(boxes)} do not fit scores of shape {list(scores)}")
        return super().infer(inputs)

    def ref(
        self,
        boxes: Array,
        scores: Array,
        most: Array | None = None,
        overlap: Array | None = None,
        threshold: Array | None = None,
    ) -> tuple[Array, ...]:
        limit = 0 if most is None else int(np.ravel(most)[0])
        iou = 0.0 if overlap is None else float(np.ravel(overlap)[0])
        least = None if threshold is None else float(np.ravel(threshold)[0])
        chosen = [
            (batch, kind, box)
            for batch in range(scores.shape[0])
            for kind in range(scores.shape[1])
            for box in self._kept(self._corners(boxes[batch]), scores[batch, kind], limit, iou, least)
        ]
        return (np.array(chosen, np.int64).reshape(-1, 3),)

    def _corners(self, boxes: Array) -> Array:
        """[count, (low, high), (axis 0, axis 1)]."""
        if self.center_point_box:
            center, half = boxes[:, :2], boxes[:, 2:] / 2
            return np.stack([center - half, center + half], 1)
        pairs = boxes.reshape(-1, 2, 2)
        return np.stack([pairs.min(axis=1), pairs.max(axis=1)], 1)

    @staticmethod
    def _kept(corners: Array, scores: Array, limit: int, overlap: float, least: float | None) -> list[int]:
        area = np.prod(corners[:, 1] - corners[:, 0], axis=1)
        kept = list[int]()
        for box in np.argsort(-scores, kind="stable"):
            if len(kept) == limit or (least is not None and scores[box] <= least):
                break
            low, high = np.maximum(corners[box, 0], corners[kept, 0]), np.minimum(corners[box, 1], corners[kept, 1])
            shared = np.prod(np.maximum(high - low, 0), axis=1)
            union = area[box] + area[kept] - shared
            if not np.any(shared > overlap * union):
                kept.append(int(box))
        return kept


OPERATORS = (NonZero, Unique, Compress, TopK, NonMaxSuppression)
