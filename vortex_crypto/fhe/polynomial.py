"""Chebyshev polynomials by Paterson-Stockmeyer (Bossuat et al., ia.cr/2020/1203), in ceil(log2(degree + 1)) levels.

T_{a+b} = 2 T_a T_b - T_{|a-b|} gives the powers; p = q T_{2^k} + r splits a polynomial; what is shorter than 2^s is
a linear combination of powers. The product by a coefficient costs a level too, so along the path of leading quotients,
which has no level to spare, splitting goes on down to degree one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vortex_crypto.fhe.circuit import Circuit

Coefficients = tuple[float, ...]


def depth(degree: int) -> int:
    """Levels a polynomial of that degree takes; a constant takes one, so that it stays a true ciphertext."""
    return max(1, degree.bit_length())


def evaluate(coefficients: Coefficients, x: np.ndarray) -> np.ndarray:
    """sum_k coefficients[k] T_k(x) in the clear."""
    return np.asarray(np.polynomial.chebyshev.chebval(x, coefficients))


def divide(p: Coefficients, n: int) -> tuple[Coefficients, Coefficients]:
    """q, r with p = q T_n + r and deg r < n, for n <= deg p < 2n.

    Since T_i = 2 T_{i-n} T_n - T_{2n-i}: q_{i-n} = 2 p_i, r_{2n-i} -= p_i for i > n, and q_0 = p_n.
    """
    high = len(p) - 1 - n
    q = [p[n]] + [2 * p[n + i] for i in range(1, high + 1)]
    r = list(p[:n])
    for i in range(1, high + 1):
        r[n - i] -= p[n + i]
    return _trim(q), _trim(r)


def emit(circuit: Circuit, x: int, coefficients: Coefficients) -> int:
    """Write the polynomial out; the length of the linear combinations is the one with the fewest products.

    Args:
        circuit: where to write.
        x: a wire with values in [-1, 1].
        coefficients: finite, the last one not zero unless it is the only one.
    """
    best = min(range(1, len(coefficients).bit_length() + 1), key=lambda s: _products(coefficients, s))
    return _Writer(circuit, x, best).result(coefficients)


def _products(coefficients: Coefficients, s: int) -> tuple[int, int]:
    from vortex_crypto.fhe.circuit import Circuit, Op

    scratch = Circuit(1)
    _Writer(scratch, scratch.input("x"), s).result(coefficients)
    ops = [i.op for i in scratch.instructions]
    return ops.count(Op.MUL), len(ops)


def _trim(p: list[float]) -> Coefficients:
    while len(p) > 1 and p[-1] == 0.0:
        p.pop()
    return tuple(p)


class _Writer:
    """Writes one polynomial; keeps the powers it has made."""

    def __init__(self, circuit: Circuit, x: int, s: int) -> None:
        self.circuit, self.s = circuit, s
        self.powers = {1: x}

    def result(self, p: Coefficients) -> int:
        if len(p) == 1:
            return self.circuit.add_plain(self.circuit.mul_plain(self.powers[1], 0.0), p[0])
        return self.split(p, depth(len(p) - 1))

    def power(self, n: int) -> int:
        """T_n, ceil(log2 n) levels below x."""
        if n not in self.powers:
            low, high = self.power(n // 2), self.power(n - n // 2)
            product = self.circuit.mul(low, high)
            double = self.circuit.add(product, product)
            self.powers[n] = self.circuit.sub(double, self.powers[1]) if n % 2 else self.circuit.add_plain(double, -1.0)
        return self.powers[n]

    def split(self, p: Coefficients, levels: int) -> int:
        """p(x) for deg p >= 1 at most `levels` below x."""
        degree = len(p) - 1
        if degree < 2**self.s and _combination_depth(p) <= levels:
            return self.combination(p)
        k = degree.bit_length() - 1
        q, r = divide(p, 2**k)
        giant = self.power(2**k)
        if len(q) == 1:
            total = self.circuit.mul_plain(giant, q[0])
        else:
            total = self.circuit.mul(self.split(q, levels - 1), giant)
        if len(r) > 1:
            total = self.circuit.add(total, self.split(r, levels))
            return total
        return self.circuit.add_plain(total, r[0])

    def combination(self, p: Coefficients) -> int:
        """sum_j p_j T_j, the deepest power first."""
        terms = [j for j in range(len(p) - 1, 0, -1) if p[j] != 0.0]
        total = self.circuit.mul_plain(self.power(terms[0]), p[terms[0]])
        for j in terms[1:]:
            total = self.circuit.add(total, self.circuit.mul_plain(self.power(j), p[j]))
        return self.circuit.add_plain(total, p[0])


def _combination_depth(p: Coefficients) -> int:
    return max((j - 1).bit_length() + 1 for j in range(1, len(p)) if p[j] != 0.0)
