"""Add, Sub, Mul, Div, Pow, Mod: operators of two inputs that broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import sympy

from vortex_crypto.nn.forms import Affine, Bilinear, Elementwise, Form, Unsupported, X
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Sample, Spec
from vortex_crypto.nn.ops.base import Broadcast, Unary, broadcast, exact, linear_in, not_constant, scalar, spread, wide


@dataclass(frozen=True)
class Add(Broadcast):
    """a + b."""

    name: ClassVar[str] = "Add"

    def function(self, a: Array, b: Array) -> Array:
        return a + b

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return linear_in(inputs, self.infer(inputs)[0].shape, (1.0, 1.0))


@dataclass(frozen=True)
class Neg(Unary):
    """-x."""

    name: ClassVar[str] = "Neg"

    def function(self, x: Array) -> Array:
        return np.negative(x)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return linear_in(inputs, inputs[0].shape, (-1.0,))


@dataclass(frozen=True)
class Sub(Broadcast):
    """a - b."""

    name: ClassVar[str] = "Sub"

    def function(self, a: Array, b: Array) -> Array:
        return a - b

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return linear_in(inputs, self.infer(inputs)[0].shape, (1.0, -1.0))


@dataclass(frozen=True)
class Mul(Broadcast):
    """a b: affine when one is constant, else bilinear."""

    name: ClassVar[str] = "Mul"

    def function(self, a: Array, b: Array) -> Array:
        return a * b

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return product(inputs, 0, 1)


def product(inputs: Inputs, a: int, b: int) -> Form:
    """The form of inputs `a` times `b`, elementwise with broadcasting."""
    shape = broadcast([inputs[a].shape, inputs[b].shape])
    for constant, other in ((inputs.constant(b), a), (inputs.constant(a), b)):
        if constant is not None:
            scaled = spread(inputs[other].shape, shape, np.asarray(constant, np.float64))
            return Affine({other: scaled}, np.zeros(int(np.prod(shape, dtype=np.int64))))
    size = int(np.prod(shape, dtype=np.int64))
    return Bilinear(a, b, spread(inputs[a].shape, shape), spread(inputs[b].shape, shape), spread((size,), (size,)))


@dataclass(frozen=True)
class Div(Broadcast):
    """a / b; integers are divided towards zero."""

    name: ClassVar[str] = "Div"

    def function(self, a: Array, b: Array) -> Array:
        if np.issubdtype(a.dtype, np.integer):
            quotient = np.floor_divide(a, np.where(b == 0, 1, b))
            inexact = (a - quotient * b != 0) & ((a < 0) != (b < 0))
            return np.where(b == 0, 0, quotient + inexact)
        return a / b

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        if not np.issubdtype(inputs[0].dtype, np.floating):
            return Unsupported("division of integers jumps", "Divide floats.")
        b = inputs.constant(1)
        if b is not None:
            inverse = 1 / np.asarray(b, np.float64)
            return linear_in(_first(inputs), self.infer(inputs)[0].shape, (inverse,))
        a = scalar(inputs.constant(0))
        if a is not None and self.infer(inputs)[0].shape == inputs[1].shape:
            return Elementwise(exact(a) / X, arg=1)
        return Unsupported("the divisor is not a constant", "Divide by a constant, or multiply by Reciprocal.")


def _first(inputs: Inputs) -> Inputs:
    return Inputs(inputs.values[:1], inputs.constants[:1])


@dataclass(frozen=True)
class Pow(Broadcast):
    """a ** b, of the type of a."""

    name: ClassVar[str] = "Pow"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(broadcast([inputs[0].shape, inputs[1].shape]), inputs[0].dtype),)

    def function(self, a: Array, b: Array) -> Array:
        if np.issubdtype(a.dtype, np.integer) and np.any(np.asarray(b) < 0):
            return np.power(a.astype(np.float64), b)
        return np.power(wide(a), wide(b))

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        exponent = scalar(inputs.constant(1))
        if exponent is None:
            return not_constant("the exponent")
        if self.infer(inputs)[0].shape != inputs[0].shape:
            return Unsupported("the exponent broadcasts the base", "Expand the base first.")
        return Elementwise(sympy.Pow(X, exact(exponent)))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        base = rng.uniform(0.5, 2, (2, 3)).astype(np.float32)
        for exponent in (2.0, 3.0, 0.5, -1.0):
            yield Sample(cls(), (base, np.array(exponent, np.float32)), (1,))


@dataclass(frozen=True)
class Mod(Broadcast):
    """Remainder with the sign of the divisor, or of the dividend with `fmod`."""

    name: ClassVar[str] = "Mod"
    fmod: int = 0

    def function(self, a: Array, b: Array) -> Array:
        return np.fmod(a, b) if self.fmod else np.mod(a, b)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.integers(-9, 9, (2, 3)), rng.integers(1, 5, 3)))
        yield Sample(cls(fmod=1), (rng.normal(size=(2, 3)), rng.uniform(1, 2, 3)))


OPERATORS = (Add, Neg, Sub, Mul, Div, Pow, Mod)
