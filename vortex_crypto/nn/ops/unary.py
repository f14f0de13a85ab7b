"""Mathematical functions and activations of one input without attributes: a table, for they differ in f alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import sympy

from vortex_crypto.nn.forms import Unsupported, X
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.ops.base import Unary

_HALF = sympy.Rational(1, 2)

Function = Callable[[Array], Array]


def _half_to_even(x: Array) -> Array:
    return np.rint(x)


def _not_smooth(what: str) -> Unsupported:
    return Unsupported(f"{what} jumps", "Approximate it by a continuous function in the model.")


def _unary(
    name: str, function: Function, expression: sympy.Expr | Unsupported, samples: tuple[float, float] = (0.1, 0.9)
) -> type[Unary]:
    members: dict[str, Any] = {
        "name": name,
        "domain_of_samples": samples,
        "function": lambda self, x: function(x),
        "expression": lambda self: expression,
        "__doc__": f"{name}, element by element.",
        "__module__": __name__,
    }
    return type(name, (Unary,), members)


def _sigmoid(x: Array) -> Array:
    return np.asarray(scipy.special.expit(x))


Sigmoid = _unary("Sigmoid", _sigmoid, 1 / (1 + sympy.exp(-X)))

OPERATORS: tuple[type[Unary], ...] = (
    _unary("Abs", np.abs, sympy.Abs(X)),
    _unary("Acos", np.arccos, sympy.acos(X)),
    _unary("Acosh", np.arccosh, sympy.acosh(X), (1.1, 3)),
    _unary("Asin", np.arcsin, sympy.asin(X)),
    _unary("Asinh", np.arcsinh, sympy.asinh(X)),
    _unary("Atan", np.arctan, sympy.atan(X)),
    _unary("Atanh", np.arctanh, sympy.atanh(X)),
    _unary("Ceil", np.ceil, _not_smooth("Ceil")),
    _unary("Cos", np.cos, sympy.cos(X)),
    _unary("Cosh", np.cosh, sympy.cosh(X)),
    _unary("Erf", scipy.special.erf, sympy.erf(X)),
    _unary("Exp", np.exp, sympy.exp(X)),
    _unary("Floor", np.floor, _not_smooth("Floor")),
    _unary(
        "HardSwish",
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        X * sympy.Min(sympy.Max(X / 6 + sympy.Rational(1, 2), 0), 1),
    ),
    _unary("Log", np.log, sympy.log(X)),
    _unary("Mish", lambda x: x * np.tanh(np.logaddexp(x, 0)), X * sympy.tanh(sympy.log(1 + sympy.exp(X)))),
    _unary("Reciprocal", lambda x: np.divide(1, x, dtype=x.dtype), 1 / X),
    _unary("Relu", lambda x: np.maximum(x, 0), sympy.Max(X, 0)),
    _unary("Round", _half_to_even, _not_smooth("Round")),
    Sigmoid,
    _unary("Sign", np.sign, _not_smooth("Sign")),
    _unary("Sin", np.sin, sympy.sin(X)),
    _unary("Sinh", np.sinh, sympy.sinh(X)),
    _unary("Softplus", lambda x: np.logaddexp(x, 0), sympy.log(1 + sympy.exp(X))),
    _unary("Softsign", lambda x: x / (1 + np.abs(x)), X / (1 + sympy.Abs(X))),
    _unary("Sqrt", np.sqrt, sympy.sqrt(X)),
    _unary("Tan", np.tan, sympy.tan(X)),
    _unary("Tanh", np.tanh, sympy.tanh(X)),
)
