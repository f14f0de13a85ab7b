"""The reduction modulo q0 as a function of slots: sin(2 pi x) / 2 pi for x within 2^-8 or so of an integer.

cos(2 pi (x - 1/4) / 2^r) is nearly a polynomial of modest degree, and r double angles carry it to sin(2 pi x) (Han and
Ki, "Better bootstrapping for approximate homomorphic encryption", CT-RSA 2020). It is fitted where x can be and nowhere
else: on short intervals about the integers up to K, each weighted by how often that overflow happens, so that common
ones are right to some 46 bits and the rarest that still count to 17.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.failure import tail
from vortex_crypto.fhe.ckks.polynomial import chebyshev as evaluate_chebyshev
from vortex_crypto.fhe.ckks.polynomial import double_product
from vortex_crypto.fhe.params import rounded_scale
from vortex_crypto.fhe.polynomial import Coefficients, depth

_WEIGHT_FLOOR = 2.0**-30
_POINTS = 5


@dataclass(frozen=True)
class EvalMod:
    """How the reduction is done.

    Attributes:
        bound: K, the largest overflow that is reduced.
        degree: of the cosine's polynomial.
        doublings: r, double-angle steps.
        arcsine: degree of the Taylor polynomial of the arcsine that follows (odd), or 0 for none.
        weight: Hamming weight of the secret under which the modulus was raised.
        log_ratio: log2 of q0 over the scale of the message when it is raised.
    """

    bound: int = 16
    degree: int = 30
    doublings: int = 3
    arcsine: int = 0
    weight: int = 32
    log_ratio: int = 8

    @property
    def depth(self) -> int:
        """Levels it consumes."""
        return depth(self.degree) + self.doublings + (depth(self.arcsine) if self.arcsine else 0)

    @property
    def range(self) -> Fraction:
        """The operand is x / range, in [-1, 1]."""
        return Fraction(self.bound) + Fraction(1, 1 << min(self.log_ratio, 4))

    @property
    def amplitude(self) -> float:
        """What the cosine is multiplied by before the double angles square it, so that it ends as wanted."""
        final = 1.0 if self.arcsine else 1 / (2 * math.pi)
        return float(final ** (1 / (1 << self.doublings)))

    def cosine(self) -> Coefficients:
        """Chebyshev coefficients over [-range, range] of amplitude * cos(2 pi (x - 1/4) / 2^doublings)."""
        return _fitted(self)

    def arcsine_coefficients(self) -> Coefficients:
        """Chebyshev coefficients of the Taylor polynomial of arcsin(y) / 2 pi."""
        taylor = np.zeros(self.arcsine + 1)
        for i in range(1, self.arcsine + 1, 2):
            taylor[i] = taylor[i - 2] * (i - 2) ** 2 / (i * (i - 1)) if i > 1 else 1 / (2 * math.pi)
        return tuple(float(c) for c in chebyshev.poly2cheb(taylor))

    def in_the_clear(self, x: np.ndarray) -> np.ndarray:
        """What the homomorphic evaluation computes, but for noise."""
        y = chebyshev.chebval(x / float(self.range), self.cosine())
        constant = self.amplitude**2
        for _ in range(self.doublings):
            y, constant = 2 * y * y - constant, constant**2
        return np.asarray(chebyshev.chebval(y, self.arcsine_coefficients()) if self.arcsine else y)

    def scale_after(self, context: Context, level: int, scale: Fraction) -> Fraction:
        """The scale of `apply`'s result for an operand of that level and scale."""
        level -= depth(self.degree)
        for _ in range(self.doublings):
            scale = rounded_scale(rounded_scale(scale * scale) / context.modulus(level))
            level -= 1
        return scale

    def apply(self, evaluator: Evaluator, x: Ciphertext) -> Ciphertext:
        """Slots x / range to about (x - round(x)), `depth` levels below."""
        y = evaluate_chebyshev(evaluator, x, self.cosine(), scale=x.scale)
        constant = self.amplitude**2
        for _ in range(self.doublings):
            y = double_product(evaluator, y, y, constant)
            constant **= 2
        if self.arcsine:
            y = evaluate_chebyshev(evaluator, y, self.arcsine_coefficients(), scale=y.scale)
        return y


@lru_cache(maxsize=32)
def _fitted(settings: EvalMod) -> Coefficients:
    """Least squares, each interval weighted by the square root of how many of 2^16 coefficients fall into it."""
    offsets = 2.0**-settings.log_ratio * np.cos(np.linspace(0, np.pi, _POINTS))
    places = np.arange(-settings.bound, settings.bound + 1)
    x = (places[:, None] + offsets).ravel()
    weights = np.repeat([_frequency(settings.weight, abs(int(i))) for i in places], _POINTS)
    wanted = settings.amplitude * np.cos(2 * np.pi * (x - 0.25) / (1 << settings.doublings))
    basis = chebyshev.chebvander(x / float(settings.range), settings.degree)
    solution, *_ = np.linalg.lstsq(basis * weights[:, None], wanted * weights, rcond=None)
    return tuple(float(c) for c in solution)


def _frequency(weight: int, overflow: int) -> float:
    inner = tail(weight, Fraction(2 * overflow - 1, 2)) if overflow else Fraction(1)
    probability = inner - tail(weight, Fraction(2 * overflow + 1, 2))
    return float(max(_WEIGHT_FLOOR, min(1.0, math.sqrt(probability * (1 << 16)))))
