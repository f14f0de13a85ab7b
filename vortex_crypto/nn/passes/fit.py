"""Chebyshev polynomials for functions of one variable on [-1, 1].

Fits minimise a weighted sum of squares over the Chebyshev nodes: equal weights give (nearly) the minimax polynomial,
weights from calibration data the one of least mean error where the network's values really lie. A share `FLOOR` of
equal weight always stays, which keeps the polynomial in hand where calibration saw nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy
from numpy.polynomial import chebyshev

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
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    weights = np.full(_NODES, 1.0 / _NODES)
    if samples is not None:
        angle = np.arccos(np.clip(np.ravel(samples), -1.0, 1.0))
        cells = np.clip((angle * (_NODES / np.pi)).astype(np.int64), 0, _NODES - 1)
        density = np.bincount(cells, minlength=_NODES) / cells.size
        weights = (1.0 - FLOOR) * density + FLOOR * weights
    roots = np.sqrt(weights)[:, None]
    basis = chebyshev.chebvander(nodes, degree)
    solution: Array = np.linalg.lstsq(roots * basis, roots[:, 0] * function(nodes), rcond=None)[0]
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
