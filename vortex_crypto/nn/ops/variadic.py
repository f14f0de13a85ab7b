"""Sum, Mean, Max, Min of any number of tensors that broadcast; Clip and PRelu."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import sympy

from vortex_crypto.nn.forms import Elementwise, Form, Unsupported, X
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import broadcast, exact, linear_in, not_constant, require_same_dtype, scalar, wide


def _draw(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


@dataclass(frozen=True)
class _Variadic(Op):
    ignored: ClassVar[frozenset[str]] = frozenset({"consumed_inputs"})

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        require_same_dtype(inputs, len(inputs))
        return (Spec(broadcast([inputs[k].shape for k in range(len(inputs))]), inputs[0].dtype),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3), _draw(rng, 3), _draw(rng, 2, 1)))
        yield Sample(cls(), (_draw(rng, 2, 3), np.array(0.25, np.float32)), (1,))


class Sum(_Variadic):
    """The sum of all inputs."""

    name: ClassVar[str] = "Sum"

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        return (np.asarray(functools.reduce(np.add, arrays)),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return linear_in(inputs, self.infer(inputs)[0].shape, (1.0,) * len(inputs))


class Mean(_Variadic):
    """The mean of all inputs."""

    name: ClassVar[str] = "Mean"

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        total = functools.reduce(np.add, map(wide, arrays))
        return (np.asarray(total / len(arrays)).astype(arrays[0].dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return linear_in(inputs, self.infer(inputs)[0].shape, (1 / len(inputs),) * len(inputs))


class _Extreme(_Variadic):
    pick: ClassVar[Any] = np.maximum
    symbol: ClassVar[Any] = sympy.Max

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        return (np.asarray(functools.reduce(type(self).pick, arrays)),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        limits = [scalar(c) for c in inputs.constants if c is not None]
        if len(inputs.variable) != 1 or None in limits:
            return Unsupported(f"{self.name} of several tensors is no function of one", "Compare with one constant.")
        k = inputs.variable[0]
        if self.infer(inputs)[0].shape != inputs[k].shape:
            return Unsupported(f"{self.name} broadcasts its input", "Expand it first.")
        return Elementwise(self.symbol(X, *(exact(limit) for limit in limits if limit is not None)), k)


class Max(_Extreme):
    """The largest of the inputs."""

    name: ClassVar[str] = "Max"
    pick: ClassVar[Any] = staticmethod(np.maximum)


class Min(_Extreme):
    """The smallest of the inputs."""

    name: ClassVar[str] = "Min"
    pick: ClassVar[Any] = staticmethod(np.minimum)
    symbol: ClassVar[Any] = sympy.Min


@dataclass(frozen=True)
class Clip(Op):
    """min(max(x, low), high); an omitted limit is none."""

    name: ClassVar[str] = "Clip"
    moved: ClassVar[Mapping[str, int]] = {"min": 1, "max": 2}
    ignored: ClassVar[frozenset[str]] = frozenset({"consumed_inputs"})

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def ref(self, x: Array, low: Array | None = None, high: Array | None = None) -> tuple[Array, ...]:
        y = x if low is None else np.maximum(x, np.asarray(low).astype(x.dtype))
        return (np.asarray(y if high is None else np.minimum(y, np.asarray(high).astype(x.dtype))),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        expression: sympy.Expr = X
        for slot, pick in ((1, sympy.Max), (2, sympy.Min)):
            if inputs.has(slot):
                limit = scalar(inputs.constant(slot))
                if limit is None:
                    return not_constant("a limit of Clip")
                expression = pick(expression, exact(limit))
        return Elementwise(expression)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        low, high = np.array(-0.5, np.float32), np.array(0.5, np.float32)
        yield Sample(cls(), (_draw(rng, 2, 3), low, high), (1, 2))
        yield Sample(cls(), (_draw(rng, 2, 3), None, high), (2,))


@dataclass(frozen=True)
class PRelu(Op):
    """x where x >= 0, slope x elsewhere; the slope broadcasts to x."""

    name: ClassVar[str] = "PRelu"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        broadcast([inputs[0].shape, inputs[1].shape])
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def ref(self, x: Array, slope: Array) -> tuple[Array, ...]:
        return (np.where(x < 0, x * slope, x).astype(x.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        slope = scalar(inputs.constant(1))
        if slope is None:
            return Unsupported("the slopes are not one constant", "Use LeakyRelu, or one slope for the layer.")
        return Elementwise(sympy.Max(X, 0) + exact(slope) * sympy.Min(X, 0))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (_draw(rng, 2, 3), np.array([0.25], np.float32)), (1,))
        yield Sample(cls(), (_draw(rng, 2, 3), _draw(rng, 3)), (1,))


OPERATORS = (Sum, Mean, Max, Min, Clip, PRelu)
