"""Reductions over axes: a table of functions on one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
import scipy.special

from vortex_crypto.nn.forms import Affine, Bilinear, Extremum, Form, Unsupported, positions, selection, sparse
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import normalize_axes, normalize_axis, wide

Function = Callable[[Array, tuple[int, ...], bool], Array]


@dataclass(frozen=True)
class _Reduce(Op):
    """One number for all elements along `axes`: all axes if none are given, none with `noop_with_empty_axes`."""

    static: ClassVar[tuple[int, ...]] = (1,)
    moved: ClassVar[Mapping[str, int]] = {"axes": 1}
    form_kind: ClassVar[str] = ""
    keepdims: int = 1
    noop_with_empty_axes: int = 0

    @staticmethod
    def function(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        """The reduction itself."""
        raise TypeError

    def _axes(self, rank: int, axes: Array | None) -> tuple[int, ...]:
        if axes is None or np.size(axes) == 0:
            return () if self.noop_with_empty_axes else tuple(range(rank))
        return normalize_axes(axes, rank)

    def _shape(self, shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
        if self.keepdims:
            return tuple(1 if i in axes else d for i, d in enumerate(shape))
        return tuple(d for i, d in enumerate(shape) if i not in axes)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        axes = self._axes(len(inputs[0].shape), inputs.constant(1))
        return (Spec(self._shape(inputs[0].shape, axes), inputs[0].dtype),)

    def ref(self, x: Array, axes: Array | None = None) -> tuple[Array, ...]:
        chosen = self._axes(x.ndim, axes)
        with np.errstate(all="ignore"):
            y = np.asarray(self.function(wide(x), chosen, bool(self.keepdims)))
        return (y.astype(x.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        no_polynomial = Unsupported(f"{self.name} is no polynomial", "Use ReduceMean or ReduceSum in the model.")
        if self.form_kind == "":
            return no_polynomial
        x = inputs[0]
        axes = self._axes(len(x.shape), inputs.constant(1))
        if self.form_kind in ("greatest", "least"):
            if not x.size:
                return no_polynomial
            return Extremum(_windows(x.shape, axes), no_polynomial, least=self.form_kind == "least")
        kept = tuple(1 if i in axes else d for i, d in enumerate(x.shape))
        rows = np.broadcast_to(positions(kept), x.shape).ravel()
        weight = prod(kept) / x.size if self.form_kind == "mean" and x.size else 1.0
        total = sparse(rows, np.arange(x.size), np.array(weight), (prod(kept), x.size))
        if self.form_kind == "square":
            every = selection(np.arange(x.size), x.size)
            return Bilinear(0, 0, every, every, total)
        return Affine({0: total}, np.zeros(prod(kept)))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.uniform(0.5, 1.5, (2, 3, 4)).astype(np.float32)
        yield Sample(cls(), (x,))
        yield Sample(cls(keepdims=0), (x, np.array([-1, 0])), (1,))
        yield Sample(cls(noop_with_empty_axes=1), (x, np.array([1])), (1,))


def _windows(shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """The positions that go into each element of a reduction over `axes`, in order: int64 [elements, reduced]."""
    kept = [i for i in range(len(shape)) if i not in axes]
    moved = positions(shape).transpose(*kept, *axes)
    return moved.reshape(prod(shape[i] for i in kept), -1)


def _lowest(x: Array) -> Any:
    if x.dtype == np.bool_:
        return False
    return np.iinfo(x.dtype).min if np.issubdtype(x.dtype, np.integer) else -np.inf


def _highest(x: Array) -> Any:
    if x.dtype == np.bool_:
        return True
    return np.iinfo(x.dtype).max if np.issubdtype(x.dtype, np.integer) else np.inf


def _mean(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray(np.mean(x, axis=axes, keepdims=keepdims))


def _log_sum_exp(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    if x.size == 0:
        return np.asarray(np.log(np.sum(x, axis=axes, keepdims=keepdims)))
    return np.asarray(scipy.special.logsumexp(x.astype(np.float64), axis=axes, keepdims=keepdims))


def _sum(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray(np.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype))


def _reduction(name: str, function: Function, form_kind: str = "") -> type[Op]:
    members: dict[str, Any] = {
        "name": name, "function": staticmethod(function), "form_kind": form_kind,
        "__doc__": f"{name} over axes.", "__module__": __name__,
    }  # fmt: skip
    return type(name, (_Reduce,), members)


@dataclass(frozen=True)
class _ArgReduce(Op):
    """The position of the extreme along one axis, the first or the last of equals."""

    axis: int = 0
    keepdims: int = 1
    select_last_index: int = 0
    best: ClassVar[Callable[..., Any]] = np.argmax

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = list(inputs[0].shape)
        axis = normalize_axis(self.axis, len(shape))
        shape[axis : axis + 1] = [1] if self.keepdims else []
        return (Spec(tuple(shape), np.dtype(np.int64)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        axis, best = normalize_axis(self.axis, x.ndim), type(self).best
        y = best(np.flip(x, axis) if self.select_last_index else x, axis=axis)
        y = x.shape[axis] - 1 - y if self.select_last_index else y
        return (np.asarray(np.expand_dims(y, axis) if self.keepdims else y, np.int64),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        jumps = Unsupported(f"{self.name} jumps", "Let the client take it of the decrypted scores.")
        if self.select_last_index:
            return Unsupported(f"{self.name} asks for the last of equals", "Export it with select_last_index=0.")
        axis = normalize_axis(self.axis, len(inputs[0].shape))
        if not inputs[0].size:
            return jumps
        return Extremum(_windows(inputs[0].shape, (axis,)), jumps, position=True, least=type(self).best is np.argmin)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(1), (rng.integers(0, 3, (2, 5)).astype(np.float32),))
        yield Sample(cls(-1, 0, 1), (rng.integers(0, 3, (2, 5)).astype(np.float32),))


class ArgMax(_ArgReduce):
    """The position of the largest."""

    name: ClassVar[str] = "ArgMax"
    best: ClassVar[Callable[..., Any]] = staticmethod(np.argmax)


class ArgMin(_ArgReduce):
    """The position of the smallest."""

    name: ClassVar[str] = "ArgMin"
    best: ClassVar[Callable[..., Any]] = staticmethod(np.argmin)


OPERATORS = (
    _reduction("ReduceL1", lambda x, axes, keep: _sum(np.abs(x), axes, keep)),
    _reduction("ReduceL2", lambda x, axes, keep: np.sqrt(_sum(np.square(x), axes, keep))),
    _reduction("ReduceLogSum", lambda x, axes, keep: np.log(_sum(x, axes, keep))),
    _reduction("ReduceLogSumExp", _log_sum_exp),
    _reduction("ReduceMax", lambda x, axes, keep: np.max(x, axis=axes, keepdims=keep, initial=_lowest(x)), "greatest"),
    _reduction("ReduceMean", _mean, "mean"),
    _reduction("ReduceMin", lambda x, axes, keep: np.min(x, axis=axes, keepdims=keep, initial=_highest(x)), "least"),
    _reduction("ReduceProd", lambda x, axes, keep: np.prod(x, axis=axes, keepdims=keep, dtype=x.dtype)),
    _reduction("ReduceSum", _sum, "sum"),
    _reduction("ReduceSumSquare", lambda x, axes, keep: _sum(np.square(x), axes, keep), "square"),
    ArgMax,
    ArgMin,
)
