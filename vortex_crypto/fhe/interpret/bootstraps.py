"""What the bootstraps of a circuit need, take and add: readings of one way to bootstrap under given parameters.

The error has two parts. The sine is not the identity: a coefficient c of the message (its slots times the signs that
spread it) comes back as sin(a c) / a with a = 2 pi / 2^log_ratio, which the simulation computes as it is. And there is
noise: the reduction's, the same for all coefficients, enlarged by 2^log_ratio on the way out, and roundings at the
scales that the modulus is raised at and that the result has. The reduction's noise is that of the fit of its cosine, on
the distribution of the overflows, and that of the arithmetic at its primes; the two factors were measured, on toy rings
of 2^8 to 2^12 and on the real sets at 2^15 and 2^16, and hold within half a bit on all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from vortex_crypto.arith import native
from vortex_crypto.arith.ring.embedding import special_fft, special_ifft
from vortex_crypto.errors import MissingDependency
from vortex_crypto.fhe.circuit import Circuit, Op, Vector
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapper, Bootstrapping
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.eval_mod import EvalMod
from vortex_crypto.fhe.ckks.failure import tail
from vortex_crypto.fhe.interpret.keys import Keys
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.rotations import Edge

FIT_FACTOR, ARITHMETIC_FACTOR = 6.0, 280.0
"""The reduction's noise over that of its fit, and over one rescale's at the primes it runs at."""
ROUNDING = 1 / 12
_OFFSETS = 2.0**-16 * np.linspace(-1, 1, 5)


def count(circuit: Circuit) -> int:
    """Bootstraps of one run."""
    return sum(i.op is Op.BOOTSTRAP for i in circuit.instructions)


@lru_cache(maxsize=3)
def bootstrapper_of(parameters: Parameters, settings: Bootstrapping) -> Bootstrapper:
    """A bootstrapper for readings: what it would fail with is not bounded here."""
    try:
        native.load()
    except MissingDependency:
        return Bootstrapper(Context(parameters, engine_name="reference"), settings, log2_bound=0.0)
    return Bootstrapper(Context(parameters), settings, log2_bound=0.0)


def bootstrap_keys(parameters: Parameters, settings: Bootstrapping) -> Keys:
    """The keys that bootstraps need, each with the highest level it is used at, the encapsulation's included."""
    made = bootstrapper_of(parameters, settings)
    return Keys(dict(sorted(made.rotations.items())), made.relinearisation_level, made.inner_level, encapsulation=True)


def working_bytes(parameters: Parameters, settings: Bootstrapping) -> int:
    """Bytes of the ciphertexts inside one bootstrap at the worst moment: an operand turned by all babies of a factor.

    Pairs in the extended basis, and every giant step's sum; as `interpret.memory` counts native transforms.
    """
    made = bootstrapper_of(parameters, settings)
    worst = 0
    for transform in made.transforms:
        row = 8 * parameters.ring_degree * (transform.level + 1 + len(parameters.p))
        digits = -(-(transform.level + 1) // parameters.digit_size)
        babies = max(_held(edges, digits) for edges in transform.babies)
        worst = max(worst, row * (babies + 2 * sum(len(edges) + 1 for edges in transform.giants)))
    return worst


def _held(edges: list[Edge], digits: int) -> int:
    return 2 * (1 + len(edges)) + digits * len({parent for _, parent, _ in edges})


def encoded_bytes(parameters: Parameters, settings: Bootstrapping) -> int:
    """Bytes of the transforms' diagonals, encoded."""
    made = bootstrapper_of(parameters, settings)
    return sum(transform.encoded_bytes for transform in made.transforms)


@dataclass(frozen=True)
class BootstrapNoise:
    """What a bootstrap adds to a vector of `slots` slots, which is repeated over the ring's.

    Attributes:
        parameters, settings: of the bootstrap.
        slots: of the circuit; a client takes the mean over the repetitions.
    """

    parameters: Parameters
    settings: Bootstrapping
    slots: int

    def apply(self, x: Vector, log_bound: int, rng: np.random.Generator) -> Vector:
        """The bootstrap's result for the operand x: shape [slots]."""
        noise: Vector = np.asarray(rng.standard_normal(x.shape))
        if np.iscomplexobj(x):
            noise = noise + 1j * rng.standard_normal(x.shape)
        scale = 2.0**log_bound * self.deviation / np.abs(self.signs[: x.size])
        result: Vector = x + self.distortion(x, log_bound) + scale * noise
        return result

    def distortion(self, x: Vector, log_bound: int) -> Vector:
        """What the sine does to the message."""
        if self.settings.eval_mod.arcsine:
            return np.zeros_like(x)
        size, signs = 2.0**log_bound, self.signs
        coefficients = special_ifft(np.resize(x.astype(np.complex128), signs.size) * signs / size)
        lost = _sine_error(coefficients.real, self._angle) + 1j * _sine_error(coefficients.imag, self._angle)
        error: Vector = (special_fft(lost) / signs * size).reshape(-1, x.size).mean(axis=0)
        return error if np.iscomplexobj(x) else error.real

    @cached_property
    def signs(self) -> Vector:
        """What the slots are multiplied by before, and divided by after."""
        signs = bootstrapper_of(self.parameters, self.settings).signs
        return np.ones(self.settings.slots, np.complex128) if signs is None else signs

    def error(self, x: Vector, log_bound: int) -> float:
        """Root mean square of what is added."""
        distortion = float(np.mean(np.abs(self.distortion(x, log_bound)) ** 2))
        return math.sqrt(distortion + (2.0**log_bound * self.deviation) ** 2)

    @cached_property
    def deviation(self) -> float:
        """Standard deviation of the noise in the real part of a slot, for operands of size 1."""
        eval_mod, p = self.settings.eval_mod, self.parameters
        inner = float(p.chain[len(p.chain) - 1 - self.settings.to_coefficients])
        reduction = FIT_FACTOR**2 * _fit_error(eval_mod) ** 2
        reduction += ARITHMETIC_FACTOR**2 * self.slots * self._division(p.secret) / inner**2
        variance = self.slots * 4.0**eval_mod.log_ratio * reduction
        raised, result = p.q[0] / 2.0**eval_mod.log_ratio, float(p.scale(p.max_level))
        variance += self.slots * (self._division(p.secret) + self._division(eval_mod.weight)) / raised**2
        return math.sqrt(variance + 2 * self.slots * self._division(p.secret) / result**2)

    @property
    def _angle(self) -> float:
        return float(2 * math.pi / 2.0**self.settings.eval_mod.log_ratio)

    def _division(self, secret: Any) -> float:
        weight = 2 * self.parameters.ring_degree / 3 if secret == "ternary" else float(secret)
        return ROUNDING * (1 + weight)


def _sine_error(c: Vector, angle: float) -> Vector:
    """sin(a c) / a - c; by its series, for the difference of the two is lost in doubles where c is small."""
    square = (angle * c) ** 2
    error: Vector = -c * square / 6 * (1 - square / 20 * (1 - square / 42))
    return error


@lru_cache(maxsize=32)
def _fit_error(settings: EvalMod) -> float:
    """Root mean square error of the reduction, over how often each overflow happens."""
    total = 0.0
    for overflow in range(settings.bound + 1):
        inner = tail(settings.weight, Fraction(2 * overflow - 1, 2)) if overflow else Fraction(1)
        probability = float(inner - tail(settings.weight, Fraction(2 * overflow + 1, 2)))
        for sign in (1, -1):
            exact = np.sin(2 * np.pi * _OFFSETS) / (2 * np.pi) if not settings.arcsine else _OFFSETS
            error = settings.in_the_clear(sign * overflow + _OFFSETS) - exact
            total += probability / 2 * float(np.mean(error**2))
    return math.sqrt(total)
