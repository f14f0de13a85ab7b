"""Chebyshev polynomials of ciphertexts: Paterson-Stockmeyer with exact scales.

p = q T_{2^k} + r is split until what is left is a linear combination of few powers. Scales are settled from the result
backwards: a sum that shall have scale D at its level asks its quotient for the scale D q / scale(T_{2^k}), and each
coefficient is rounded at just the scale that makes its term fit, so all additions are of equal scales however the
powers' own scales came out (Bossuat et al., ia.cr/2020/1203, section 3). Products that are added share one
relinearisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from vortex_crypto.errors import OutOfLevels
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.params import rounded_scale
from vortex_crypto.fhe.polynomial import Coefficients, depth, divide

_NEGLIGIBLE = 2.0**-100


@dataclass
class Sum:
    """constant + sum of terms[j] T_j + sum of quotient * T_{2^k}, all added before one rescale."""

    constant: float = 0.0
    terms: dict[int, float] = field(default_factory=dict)
    products: list[tuple[int, Sum]] = field(default_factory=list)

    def powers(self) -> set[int]:
        """The n of every T_n read, with those that make them."""
        found = set(self.terms) | {1 << k for k, _ in self.products}
        for n in sorted(found, reverse=True):
            while n > 1:
                found |= {n // 2, n - n // 2}
                n -= n // 2
        return found.union(*(quotient.powers() for _, quotient in self.products))

    def product_count(self) -> int:
        """Products of ciphertexts, without those that make the powers."""
        return len(self.products) + sum(quotient.product_count() for _, quotient in self.products)


def schedule(coefficients: Coefficients) -> Sum:
    """The split with the fewest products of ciphertexts."""
    levels = depth(len(coefficients) - 1)
    sums = [_split(coefficients, levels, s) for s in range(1, len(coefficients).bit_length() + 1)]
    return min(sums, key=lambda s: (len(s.powers() - {1}) + s.product_count(), len(s.powers())))


def _split(p: Coefficients, levels: int, s: int) -> Sum:
    """p as a sum that ends `levels` levels below x; combinations are shorter than 2^s."""
    terms = {j: c for j, c in enumerate(p) if j and abs(c) > _NEGLIGIBLE}
    if len(p) <= 1 << s and all((j - 1).bit_length() < levels for j in terms):
        return Sum(p[0], terms)
    k = (len(p) - 1).bit_length() - 1
    quotient, remainder = divide(p, 1 << k)
    result = _split(remainder, levels, s)
    if len(quotient) == 1:
        result.terms[1 << k] = quotient[0]
    else:
        result.products.append((k, _split(quotient, levels - 1, s)))
    return result


def chebyshev(
    evaluator: Evaluator, x: Ciphertext, coefficients: Sequence[float], *, scale: Fraction | None = None
) -> Ciphertext:
    """sum_k coefficients[k] T_k(x) for slots of x in [-1, 1], depth(degree) levels below x.

    Args:
        evaluator: with a relinearisation key.
        x: two parts.
        coefficients: real.
        scale: that of the result; by default the canonical scale of its level.

    Raises:
        OutOfLevels: x has too few levels.
        MissingKey: there is no relinearisation key for the level of x.
    """
    p = tuple(float(c) for c in coefficients)
    while len(p) > 1 and abs(p[-1]) <= _NEGLIGIBLE:
        p = p[:-1]
    levels = depth(len(p) - 1)
    if x.level < levels:
        raise OutOfLevels(f"a polynomial of degree {len(p) - 1}", levels, x.level)
    machine = _Machine(evaluator, x)
    level = x.level - levels + 1
    wanted = evaluator.context.scale(level - 1) if scale is None else scale
    total = machine.sum(schedule(p), level, rounded_scale(wanted * evaluator.context.modulus(level)))
    return Ciphertext(evaluator.rescale(total).parts, wanted)


class _Machine:
    """One polynomial's powers and sums."""

    def __init__(self, evaluator: Evaluator, x: Ciphertext) -> None:
        self.evaluator = evaluator
        self.powers = {1: x}

    def power(self, n: int) -> Ciphertext:
        """T_n, ceil(log2 n) levels below x, at whatever scale its products gave."""
        if n not in self.powers:
            ev = self.evaluator
            half = self.power(n // 2)
            double = ev.mul(ev.add(half, half), self.power(n - n // 2))
            if n % 2:
                x = self.powers[1].at_level(double.level)
                double = ev.sub(double, ev.mul_constant(x, 1, double.scale))
            else:
                double = ev.add_plain(double, -1)
            self.powers[n] = ev.rescale(ev.relinearize(double))
        return self.powers[n]

    def sum(self, node: Sum, level: int, scale: Fraction) -> Ciphertext:
        """The sum's value at that level and scale, not yet rescaled."""
        ev = self.evaluator
        parts: list[Ciphertext] = []
        for k, quotient in node.products:
            power = self.power(1 << k).at_level(level)
            above = rounded_scale(scale * ev.context.modulus(level + 1) / power.scale)
            value = ev.rescale(self.sum(quotient, level + 1, above))
            parts.append(Ciphertext(ev.mul(value, power).parts, scale))
        terms = [(self.power(j).at_level(level), coefficient) for j, coefficient in sorted(node.terms.items())]
        if terms or not parts:
            parts.append(ev.combine(terms or [(self.powers[1].at_level(level), 0.0)], scale))
        total = parts[0]
        for part in parts[1:]:
            total = ev.add(total, part)
        return ev.relinearize(ev.add_plain(total, node.constant))
