"""Activations of one input with attributes, each its formula twice: on arrays and as an expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.special
import sympy

from vortex_crypto.errors import InvalidModel
from vortex_crypto.nn.forms import Unsupported, X
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.ops.base import Unary, exact


@dataclass(frozen=True)
class Celu(Unary):
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""

    name: ClassVar[str] = "Celu"
    alpha: float = 1.0

    def function(self, x: Array) -> Array:
        return np.maximum(x, 0) + np.minimum(0, self.alpha * np.expm1(np.minimum(x, 0) / self.alpha))

    def expression(self) -> sympy.Expr:
        a = exact(self.alpha)
        return sympy.Max(X, 0) + sympy.Min(0, a * (sympy.exp(X / a) - 1))


@dataclass(frozen=True)
class Elu(Unary):
    """x where x > 0, alpha (exp(x) - 1) elsewhere."""

    name: ClassVar[str] = "Elu"
    ignored: ClassVar[frozenset[str]] = frozenset({"consumed_inputs"})
    alpha: float = 1.0

    def function(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def expression(self) -> sympy.Expr:
        return sympy.Piecewise((X, X > 0), (exact(self.alpha) * (sympy.exp(X) - 1), True))


@dataclass(frozen=True)
class Gelu(Unary):
    """x Phi(x), exactly or by the tanh formula (https://arxiv.org/abs/1606.08415)."""

    name: ClassVar[str] = "Gelu"
    approximate: str = "none"

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise InvalidModel(f"Gelu knows the approximations 'none' and 'tanh', not {self.approximate!r}")

    def function(self, x: Array) -> Array:
        if self.approximate == "tanh":
            inner = np.asarray(np.sqrt(2 / np.pi), x.dtype) * (x + 0.044715 * x**3)
            return np.asarray(0.5 * x * (1 + np.tanh(inner)))
        return np.asarray(0.5 * x * (1 + scipy.special.erf(x / np.asarray(np.sqrt(2), x.dtype))))

    def expression(self) -> sympy.Expr:
        if self.approximate == "tanh":
            return X / 2 * (1 + sympy.tanh(sympy.sqrt(2 / sympy.pi) * (X + sympy.Float("0.044715", 17) * X**3)))
        return X / 2 * (1 + sympy.erf(X / sympy.sqrt(2)))


@dataclass(frozen=True)
class HardSigmoid(Unary):
    """max(0, min(1, alpha x + beta))."""

    name: ClassVar[str] = "HardSigmoid"
    ignored: ClassVar[frozenset[str]] = frozenset({"consumed_inputs"})
    alpha: float = 0.2
    beta: float = 0.5

    def function(self, x: Array) -> Array:
        return np.clip(self.alpha * x + self.beta, 0, 1)

    def expression(self) -> sympy.Expr:
        return sympy.Max(0, sympy.Min(1, exact(self.alpha) * X + exact(self.beta)))


@dataclass(frozen=True)
class LeakyRelu(Unary):
    """x where x >= 0, alpha x elsewhere."""

    name: ClassVar[str] = "LeakyRelu"
    ignored: ClassVar[frozenset[str]] = frozenset({"consumed_inputs"})
    alpha: float = 0.01

    def function(self, x: Array) -> Array:
        return np.where(x >= 0, x, self.alpha * x)

    def expression(self) -> sympy.Expr:
        return sympy.Max(X, 0) + exact(self.alpha) * sympy.Min(X, 0)


@dataclass(frozen=True)
class Selu(Unary):
    """gamma (max(0, x) + min(0, alpha (exp(x) - 1)))."""

    name: ClassVar[str] = "Selu"
    ignored: ClassVar[frozenset[str]] = frozenset({"consumed_inputs"})
    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875

    def function(self, x: Array) -> Array:
        return self.gamma * (np.maximum(x, 0) + self.alpha * np.expm1(np.minimum(x, 0)))

    def expression(self) -> sympy.Expr:
        a, g = exact(self.alpha), exact(self.gamma)
        return sympy.Piecewise((g * X, X > 0), (g * a * (sympy.exp(X) - 1), True))


@dataclass(frozen=True)
class Shrink(Unary):
    """x - bias above lambd, x + bias below -lambd, 0 between."""

    name: ClassVar[str] = "Shrink"
    bias: float = 0.0
    lambd: float = 0.5

    def function(self, x: Array) -> Array:
        return np.where(x < -self.lambd, x + self.bias, np.where(x > self.lambd, x - self.bias, 0))

    def expression(self) -> sympy.Expr:
        b, edge = exact(self.bias), exact(self.lambd)
        return sympy.Piecewise((X + b, -edge > X), (X - b, edge < X), (0, True))


@dataclass(frozen=True)
class Swish(Unary):
    """x sigmoid(alpha x)."""

    name: ClassVar[str] = "Swish"
    alpha: float = 1.0

    def function(self, x: Array) -> Array:
        return x * np.asarray(scipy.special.expit(self.alpha * x))

    def expression(self) -> sympy.Expr:
        return X / (1 + sympy.exp(-exact(self.alpha) * X))


@dataclass(frozen=True)
class ThresholdedRelu(Unary):
    """x where x > alpha, 0 elsewhere."""

    name: ClassVar[str] = "ThresholdedRelu"
    alpha: float = 1.0

    def function(self, x: Array) -> Array:
        return np.where(x > self.alpha, x, 0)

    def expression(self) -> sympy.Expr | Unsupported:
        if self.alpha == 0:
            return sympy.Max(X, 0)
        return Unsupported("ThresholdedRelu jumps at alpha", "Use Relu.")


OPERATORS = (Celu, Elu, Gelu, HardSigmoid, LeakyRelu, Selu, Shrink, Swish, ThresholdedRelu)
