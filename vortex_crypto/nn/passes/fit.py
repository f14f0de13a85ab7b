"""Chebyshev polynomials for functions of one variable on [-1, 1].

Fits minimise a weighted sum of squares over the Chebyshev nodes: equal weights give (nearly) the minimax polynomial,
weights from calibration data the one of least mean error where the network's values really lie. A share `FLOOR` of
equal weight always stays, which keeps the polynomial in hand where calibration saw nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy
from numpy.polynomial import chebyshev
from scipy.fft import dct
from scipy.linalg import solve

from vortex_crypto.nn.forms import X
from vortex_crypto.nn.ir import Array

FLOOR = 0.01
_NODES = 4096


def chebyshev_fit(function: Callable[[Array], Array], degree: int, samples: Array | None) -> Array:
    """Coefficients [degree + 1] of the weighted least-squares polynomial.

    Args:
        function: from an array of [-1, 1] to finite numbers.
        samples: where the values lie, any shape, clipped to [-1, 1]; None for equal weights.
    """
    return Fit.of(function, samples).coefficients(degree)


@dataclass(frozen=True, eq=False)
class Fit:
    """The least-squares polynomials of all degrees for one function and one set of weights.

    As T_i T_j = (T_{i+j} + T_{|i-j|}) / 2, the normal equations of every degree come from two cosine transforms: the
    weights' moments, and those of the weighted function. `FLOOR` keeps their condition below 2 (degree + 1) / FLOOR.

    Attributes:
        moments: sum of weight T_k over the nodes, [nodes].
        projections: sum of weight function T_k.
    """

    moments: Array
    projections: Array

    @classmethod
    def of(cls, function: Callable[[Array], Array], samples: Array | None) -> Fit:
        """Weigh the nodes by where the samples lie (arguments as `chebyshev_fit`'s)."""
        nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
        weights = np.full(_NODES, 1.0 / _NODES)
        if samples is not None:
            angle = np.arccos(np.clip(np.ravel(samples), -1.0, 1.0))
            cells = np.clip((angle * (_NODES / np.pi)).astype(np.int64), 0, _NODES - 1)
            density = np.bincount(cells, minlength=_NODES) / cells.size
            weights = (1.0 - FLOOR) * density + FLOOR * weights
        return cls(dct(weights) / 2, dct(weights * function(nodes)) / 2)

    def coefficients(self, degree: int) -> Array:
        """Coefficients [degree + 1]; those too small to matter are zero."""
        k = np.arange(degree + 1)
        gram = (self.moments[k[:, None] + k] + self.moments[np.abs(k[:, None] - k)]) / 2
        solution: Array = solve(gram, self.projections[: degree + 1], assume_a="pos")
        largest = np.abs(solution).max(initial=0.0)
        return np.where(np.abs(solution) > 1e-13 * largest, solution, 0.0)


def exact_chebyshev(expression: sympy.Expr, centre: float, radius: float) -> Array | None:
    """Coefficients of u -> expression(centre + radius u), if it is a polynomial of degree at most 64."""
    if not expression.is_polynomial(X):
        return None
    polynomial = sympy.Poly(expression, X)
    if polynomial.degree() > 64:
        return None
    powers = [float(c) for c in reversed(polynomial.all_coeffs())]
    shifted = np.polynomial.Polynomial(powers)(np.polynomial.Polynomial([centre, radius]))
    return chebyshev.poly2cheb(np.atleast_1d(shifted.coef))


def is_homogeneous(expression: sympy.Expr) -> bool:
    """Whether f(s x) = s f(x) for all s > 0, as for ReLU, LeakyReLU and the absolute value."""
    positive = sympy.Symbol("p", positive=True)
    for argument in (positive, -positive):
        slope = sympy.simplify(expression.subs(X, argument) / positive)
        if slope.free_symbols or not slope.is_number:
            return False
    return True


def errors(function: Callable[[Array], Array], coefficients: Array, samples: Array | None) -> tuple[float, float]:
    """Largest error on [-1, 1], and mean error over the samples (over [-1, 1] when there are none)."""
    grid = np.linspace(-1.0, 1.0, 20001)
    over_range = np.abs(chebyshev.chebval(grid, coefficients) - function(grid))
    if samples is None:
        return float(over_range.max()), float(over_range.mean())
    inside = np.clip(np.ravel(samples), -1.0, 1.0)
    return float(over_range.max()), float(np.abs(chebyshev.chebval(inside, coefficients) - function(inside)).mean())
