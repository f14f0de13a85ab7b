"""Matrix products Y = W·X, W of m by k and X of k by n: free with a constant, else directly or by Freivalds.

Directly: m·k·n constraints. Freivalds (1977): with challenges c, d drawn after W, X and Y are committed, u = (1, c, …)
and t = (1, d, …), check (uᵀW)·(X t) = uᵀY t. Horner's rule gives (m-1)·k + (n-1)·k + (m-1)·n + (n-1) + k constraints; a
wrong Y passes with probability at most (m + n)/r. The cheaper of the two is taken, by counting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.hints import Function, hint
from vortex_crypto.zk.linear import Array, Linear


@hint("matmul")
def _matmul(kernels: FieldKernels, inputs: list[Array], *, shape: list[int]) -> Sequence[Array]:
    m, k, n = shape
    w, x = (to_ints(values, kernels) for values in inputs)
    if w.dtype == object or x.dtype == object or _bound(w) * _bound(x) * k >= 1 << 62:
        w, x = w.astype(object), x.astype(object)
    return [(w.reshape(m, k) @ x.reshape(k, n)).reshape(-1)]


def _bound(values: Array) -> int:
    return int(np.abs(values).max()) if len(values) else 0


def direct_cost(m: int, k: int, n: int) -> int:
    """Constraints of the direct product."""
    return m * k * n


def freivalds_cost(m: int, k: int, n: int) -> int:
    """Constraints of the product by Freivalds."""
    return (m - 1) * k + (n - 1) * k + (m - 1) * n + (n - 1) + k + 1


def matmul(c: Circuit, w: Linear, x: Linear) -> Linear:
    """W·X of two private matrices, whichever way is cheaper."""
    m, k, n = _shapes(w, x)
    return freivalds(c, w, x) if freivalds_cost(m, k, n) < direct_cost(m, k, n) else direct(c, w, x)


def direct(c: Circuit, w: Linear, x: Linear) -> Linear:
    """W·X by one constraint a product; the sums are linear."""
    m, k, n = _shapes(w, x)
    return c.mul(w.reshape(m, 1, k), x.transpose(1, 0).reshape(1, n, k)).sum()


def freivalds(c: Circuit, w: Linear, x: Linear) -> Linear:
    """W·X by hints, checked at random points."""
    m, k, n = _shapes(w, x)
    (y,) = c.hint("matmul", [w, x], (m, n), shape=[m, k, n])
    for matrix in (w, x, y):
        c.commit(matrix)

    def build() -> None:
        left, right = c.challenge(0), c.challenge(1)
        rows = horner(c, left, [w[i] for i in range(m)])
        columns = horner(c, right, [x[:, j] for j in range(n)])
        whole = horner(c, right, list(_split(horner(c, left, [y[i] for i in range(m)]))))
        c.assert_equal(c.mul(rows, columns).sum(), whole)

    c.later(build)
    return y


def horner(c: Circuit, point: Linear, coefficients: Sequence[Linear]) -> Linear:
    """Σ_i coefficients[i]·point^i, element-wise over arrays: len(coefficients) - 1 products an element."""
    result = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = coefficient + c.mul(point, result)
    return result


def _split(x: Linear) -> Sequence[Linear]:
    return [x[i] for i in range(x.size)]


def _shapes(w: Linear, x: Linear) -> tuple[int, int, int]:
    if len(w.shape) != 2 or len(x.shape) != 2 or w.shape[1] != x.shape[0]:
        raise ShapeMismatch(f"matrices of shapes {w.shape} and {x.shape} have no product")
    return w.shape[0], w.shape[1], x.shape[1]


def samples() -> tuple[Sample, ...]:
    """One product each way."""

    def product(way: str) -> Sample:
        def build(c: Circuit) -> None:
            chosen = {"direct": direct, "freivalds": freivalds, "cheapest": matmul}[way]
            c.expose("y", chosen(c, c.private("w", (3, 4)), c.private("x", (4, 2))))

        w, x = np.arange(-6, 6).reshape(3, 4), np.arange(8).reshape(4, 2) * 5 - 11
        return Sample(way, build, (({"w": w, "x": x}, {"y": w @ x}), ({"w": w * 0, "x": x}, {"y": w @ x * 0})))

    return (product("direct"), product("freivalds"), product("cheapest"))


def cheats() -> tuple[Cheat, ...]:
    """One entry changed, and two that cancel in the sum."""
    inputs = samples()[1].accepted[0][0]

    def changed(*places: tuple[int, int]) -> Function:
        def replacement(kernels: FieldKernels, given: list[Array], *, shape: list[int]) -> Sequence[Array]:
            values = np.array(_matmul(kernels, given, shape=shape)[0])
            for place, by in places:
                values[place] += by
            return [values]

        return replacement

    return (
        Cheat("one entry changed", "freivalds", inputs, "matmul", changed((2, 1))),
        Cheat("entries that cancel", "freivalds", inputs, "matmul", changed((0, 1), (1, -1))),
    )
