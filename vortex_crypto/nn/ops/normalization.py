"""Normalisations. With constant statistics (BatchNormalization) they are affine; the others divide by what they see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Form, Unsupported, selection, spread_channels
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import DTYPES, Inputs, Op, Sample, Spec, dtype_of
from vortex_crypto.nn.ops.base import broadcast, normalize_axes, normalize_axis, not_constant, wide

_DIVIDES = "Use BatchNormalization, whose statistics are constants."


def _draw(rng: np.random.Generator, *shape: int) -> Array:
    return rng.uniform(0.5, 1.5, shape).astype(np.float32)


def _channels(values: Array, rank: int) -> Array:
    return wide(values).reshape(-1, *(1,) * (rank - 2))


@dataclass(frozen=True)
class BatchNormalization(Op):
    """(x - mean) / sqrt(var + epsilon) * scale + bias a channel; in training mode with the batch's own statistics."""

    name: ClassVar[str] = "BatchNormalization"
    ignored: ClassVar[frozenset[str]] = frozenset({"spatial", "is_test", "consumed_inputs"})
    epsilon: float = 1e-5
    momentum: float = 0.9
    training_mode: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x = inputs[0]
        channels = x.shape[1] if len(x.shape) > 1 else 1
        if any(inputs[k].shape != (channels,) for k in range(1, 5)):
            raise ShapeMismatch(f"scale, bias, mean and variance are not vectors of {channels} channels")
        first = Spec(x.shape, x.dtype)
        return (first, *(Spec((channels,), inputs[3].dtype),) * 2) if self.training_mode else (first,)

    def ref(self, x: Array, scale: Array, bias: Array, mean: Array, variance: Array) -> tuple[Array, ...]:
        wide_x, wide_mean, wide_variance = wide(x), wide(mean), wide(variance)
        more: tuple[Array, ...] = ()
        if self.training_mode:
            axes = (0, *range(2, x.ndim))
            now, spread_now = wide_x.mean(axis=axes), wide_x.var(axis=axes)
            kept = self.momentum
            more = tuple(
                (old * kept + new * (1 - kept)).astype(mean.dtype)
                for old, new in ((wide_mean, now), (wide_variance, spread_now))
            )
            wide_mean, wide_variance = now, spread_now
        factor = wide(scale) / np.sqrt(wide_variance + np.asarray(self.epsilon, wide_variance.dtype))
        y = (wide_x - _channels(wide_mean, x.ndim)) * _channels(factor, x.ndim) + _channels(bias, x.ndim)
        return np.asarray(y).astype(x.dtype, copy=False), *more

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        scale, bias, mean, variance = (inputs.constant(k) for k in range(1, 5))
        if scale is None or bias is None or mean is None or variance is None:
            return not_constant("scale, bias, mean or variance")
        if self.training_mode:
            return Unsupported("training mode normalises by the batch it sees", "Export the model in evaluation mode.")
        factor = np.asarray(scale, np.float64) / np.sqrt(np.asarray(variance, np.float64) + self.epsilon)
        shift = np.asarray(bias, np.float64) - np.asarray(mean, np.float64) * factor
        shape, size = inputs[0].shape, inputs[0].size
        diagonal = selection(np.arange(size), size, spread_channels(factor, shape))
        return Affine({0: diagonal}, spread_channels(shift, shape))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3, 4, 5), *(_draw(rng, 3) for _ in range(4))), (1, 2, 3, 4))
        yield Sample(cls(1e-2), (_draw(rng, 4, 3), *(_draw(rng, 3) for _ in range(4))), (1, 2, 3, 4))


@dataclass(frozen=True)
class _PerSample(Op):
    """A normalisation by statistics of the input itself."""

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return Unsupported(f"{self.name} divides by statistics of its input", _DIVIDES)


def standardize(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    """x less its mean, over its standard deviation, along `axes`."""
    mean = x.mean(axis=axes, keepdims=True)
    variance = np.square(x - mean).mean(axis=axes, keepdims=True)
    return np.asarray((x - mean) / np.sqrt(variance + np.asarray(epsilon, x.dtype)))


@dataclass(frozen=True)
class InstanceNormalization(_PerSample):
    """Every channel of every sample standardised, then scaled and shifted."""

    name: ClassVar[str] = "InstanceNormalization"
    ignored: ClassVar[frozenset[str]] = frozenset({"consumed_inputs"})
    epsilon: float = 1e-5

    def ref(self, x: Array, scale: Array, bias: Array) -> tuple[Array, ...]:
        y = standardize(wide(x), tuple(range(2, x.ndim)), self.epsilon)
        return ((y * _channels(scale, x.ndim) + _channels(bias, x.ndim)).astype(x.dtype, copy=False),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3, 4), _draw(rng, 3), _draw(rng, 3)))


@dataclass(frozen=True)
class GroupNormalization(_PerSample):
    """Every group of channels of every sample standardised; scale and bias a channel (a group, before opset 21)."""

    name: ClassVar[str] = "GroupNormalization"
    epsilon: float = 1e-5
    num_groups: int = 1
    stash_type: int = 1

    def ref(self, x: Array, scale: Array, bias: Array) -> tuple[Array, ...]:
        if self.num_groups < 1 or x.shape[1] % self.num_groups:
            raise ShapeMismatch(f"{x.shape[1]} channels do not divide into {self.num_groups} groups")
        groups = wide(x).reshape(x.shape[0], self.num_groups, -1)
        y = standardize(groups, (2,), self.epsilon).reshape(x.shape)
        per = x.shape[1] // scale.size if scale.size else 1
        factor, shift = (_channels(np.repeat(v, per), x.ndim) for v in (scale, bias))
        return ((y * factor + shift).astype(x.dtype, copy=False),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(num_groups=2), (_draw(rng, 2, 4, 3), _draw(rng, 4), _draw(rng, 4)))


@dataclass(frozen=True)
class LayerNormalization(_PerSample):
    """All dimensions from `axis` on standardised together; also the mean and the inverse deviation."""

    name: ClassVar[str] = "LayerNormalization"
    axis: int = -1
    epsilon: float = 1e-5
    stash_type: int = 1

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = inputs[0].shape
        axis = normalize_axis(self.axis, len(shape))
        statistics = Spec((*shape[:axis], *(1,) * (len(shape) - axis)), dtype_of(self.stash_type))
        broadcast([shape, inputs[1].shape])
        return Spec(shape, inputs[0].dtype), statistics, statistics

    def ref(self, x: Array, scale: Array, bias: Array | None = None) -> tuple[Array, ...]:
        axes = tuple(range(normalize_axis(self.axis, x.ndim), x.ndim))
        stash = x.astype(DTYPES[self.stash_type])
        mean = stash.mean(axis=axes, keepdims=True)
        deviation = stash - mean
        inverse = 1 / np.sqrt(
            np.square(deviation).mean(axis=axes, keepdims=True) + np.asarray(self.epsilon, stash.dtype)
        )
        y = (deviation * inverse).astype(x.dtype) * scale
        y = y if bias is None else y + bias
        return np.asarray(y).astype(x.dtype, copy=False), mean, np.asarray(inverse, stash.dtype)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3, 4), _draw(rng, 4), _draw(rng, 4)))
        yield Sample(cls(1), (_draw(rng, 2, 3, 4), _draw(rng, 3, 4)))


@dataclass(frozen=True)
class RMSNormalization(_PerSample):
    """All dimensions from `axis` on divided by their root mean square."""

    name: ClassVar[str] = "RMSNormalization"
    axis: int = -1
    epsilon: float = 1e-5
    stash_type: int = 1

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        normalize_axis(self.axis, len(inputs[0].shape))
        return (Spec(broadcast([inputs[0].shape, inputs[1].shape]), inputs[1].dtype),)

    def ref(self, x: Array, scale: Array) -> tuple[Array, ...]:
        axes = tuple(range(normalize_axis(self.axis, x.ndim), x.ndim))
        stash = x.astype(DTYPES[self.stash_type])
        square = np.square(stash).mean(axis=axes, keepdims=True)
        y = (stash / np.sqrt(square + np.asarray(self.epsilon, stash.dtype))).astype(scale.dtype)
        return (np.asarray(y * scale),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3, 4), _draw(rng, 4)))


@dataclass(frozen=True)
class LpNormalization(_PerSample):
    """x over its p-norm along `axis`; zero where the norm is."""

    name: ClassVar[str] = "LpNormalization"
    axis: int = -1
    p: int = 2

    def ref(self, x: Array) -> tuple[Array, ...]:
        axis = normalize_axis(self.axis, x.ndim)
        norm = np.linalg.norm(wide(x), ord=self.p, axis=axis, keepdims=True)
        return (np.where(norm == 0, 0, wide(x) / np.where(norm == 0, 1, norm)).astype(x.dtype),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3),))


@dataclass(frozen=True)
class MeanVarianceNormalization(_PerSample):
    """(x - mean) / (standard deviation + 1e-9) over `axes`."""

    name: ClassVar[str] = "MeanVarianceNormalization"
    axes: tuple[int, ...] = (0, 2, 3)

    def ref(self, x: Array) -> tuple[Array, ...]:
        axes, wide_x = normalize_axes(self.axes, x.ndim), wide(x)
        mean = wide_x.mean(axis=axes, keepdims=True)
        deviation = np.sqrt(np.square(wide_x).mean(axis=axes, keepdims=True) - np.square(mean))
        return (((wide_x - mean) / (deviation + np.asarray(1e-9, wide_x.dtype))).astype(x.dtype, copy=False),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3, 4, 5),))


@dataclass(frozen=True)
class LRN(_PerSample):
    """x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ** beta."""

    name: ClassVar[str] = "LRN"
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0
    size: int = 1

    def ref(self, x: Array) -> tuple[Array, ...]:
        if self.size < 1 or x.ndim < 2:
            raise ShapeMismatch(f"size {self.size} and shape {list(x.shape)} do not fit LRN")
        channels = x.shape[1]  # neighbours beyond them are zero
        before, after = min((self.size - 1) // 2, channels), min(self.size // 2, channels)
        squares = np.square(wide(x))
        padded = np.pad(squares, [(0, 0), (before, after), *[(0, 0)] * (x.ndim - 2)])
        sums = np.asarray(sum(padded[:, i : i + channels] for i in range(before + after + 1)))
        return ((wide(x) / (self.bias + self.alpha / self.size * sums) ** self.beta).astype(x.dtype, copy=False),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(size=3), (_draw(rng, 2, 5, 2, 2),))


OPERATORS = (
    BatchNormalization, InstanceNormalization, GroupNormalization, LayerNormalization, RMSNormalization,
    LpNormalization, MeanVarianceNormalization, LRN,
)  # fmt: skip
