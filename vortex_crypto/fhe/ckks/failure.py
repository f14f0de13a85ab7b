"""How likely a bootstrap is to fail: computed exactly, never assumed.

Raising the modulus adds q0 * I(X) to the message, where each coefficient of I is the rounding of <a, s> / q0: a sum of
h + 1 independent uniforms on [-1/2, 1/2] for a secret of weight h. EvalMod is right as long as every |I| <= K. The tail
of such a sum (Irwin-Hall) has a closed form, evaluated here in integers; the union bound covers all coefficients.
Agrees with the figures Lattigo documents for its sets (ia.cr/2022/024, section 5).
"""

from __future__ import annotations

import math
from fractions import Fraction


def log2_failure(weight: int, bound: int, coefficients: int) -> float:
    """log2 of (an upper bound on) the probability that some coefficient leaves [-bound, bound].

    Args:
        weight: Hamming weight of the secret under which the modulus is raised.
        bound: K, the largest |I| for which EvalMod is right.
        coefficients: how many coefficients are at risk: the ring degree, times the number of bootstraps.

    Returns:
        The base-2 logarithm; minus infinity where no failure is possible.

    Raises:
        ValueError: an argument is not positive.
    """
    if min(weight, bound, coefficients) < 1:
        raise ValueError("weight, bound and the number of coefficients are positive")
    probability = tail(weight, Fraction(bound)) * coefficients
    if not probability:
        return -math.inf
    return math.log2(probability.numerator) - math.log2(probability.denominator)


def tail(weight: int, bound: Fraction) -> Fraction:
    """The probability that a sum of weight + 1 independent uniforms on [-1/2, 1/2] leaves [-bound, bound]."""
    terms = weight + 1
    reach = Fraction(terms, 2) - bound
    if reach <= 0:
        return Fraction(0)
    total = sum((-1) ** i * math.comb(terms, i) * (reach - i) ** terms for i in range(math.floor(reach) + 1))
    return 2 * Fraction(total) / math.factorial(terms)
