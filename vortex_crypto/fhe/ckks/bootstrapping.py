"""Bootstrapping: a ciphertext at the bottom of its chain becomes one of the same message at the top level.

Scale down to q0; switch to a sparse secret that exists at that modulus alone, raise the modulus, switch back
(Bossuat, Troncoso-Pastoriza, Hubaux, ia.cr/2022/024); bring the coefficients into slots; take them modulo q0
(`eval_mod`); bring them back (Bossuat et al., ia.cr/2020/1203). What is raised is D m + q0 I, D the message's scale and
|I| <= K but for the probability that `failure` computes.

The server's side: no secret key here. The keys are made by `bootstrap_keys`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.errors import ParameterRefused
from vortex_crypto.fhe.circuit import shortest_period
from vortex_crypto.fhe.ckks import dft
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext, Plaintext
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encoder import Encoder
from vortex_crypto.fhe.ckks.eval_mod import EvalMod
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.factors import Cut, cut, fastest
from vortex_crypto.fhe.ckks.failure import log2_failure
from vortex_crypto.fhe.ckks.linear import PlaintextStore, Transform
from vortex_crypto.fhe.ckks.switching import SwitchingKey
from vortex_crypto.fhe.params import Parameters, rounded_scale

LOG2_FAILURE_BOUND = -128.0
"""What the probability of a wrong result is held against unless the caller asks for another bound."""

_SIGNS = b"vortex-crypto: signs that spread a message's coefficients"
_MAX_ROUNDING = 2.0**-5
_ROUNDINGS = 5
"""Signs are made smaller by so many deviations of their rounding, so that none exceeds 1."""


@dataclass(frozen=True)
class Bootstrapping:
    """How to bootstrap.

    Attributes:
        slots: of the message, a power of two; half the ring degree for full packing, fewer for speed.
        to_coefficients: levels, and factors, of the first transform.
        to_slots: levels, and factors, of the second.
        eval_mod: the reduction between them.
        babies: baby steps of every factor's matrix, or of each of them in the order they are applied; by default as
            fast as `memory` allows. Each baby is a key and a turned operand in memory, each giant step another
            decomposition: many babies are fast, few small.
        memory: bytes that the factors' keys, their encoded diagonals and what one of them has in flight may take.
        slots_first: put the slots into coefficients before the modulus is raised. That transform then runs at the
            lowest levels, where it is cheap, and the operand must have as many. Coefficients are then as large as
            slots, so without the arcsine the sine's cube costs all but some 15 bits.
        spread: multiply the slots by fixed signs first and by their inverses in the last matrix, which costs neither a
            level nor a key. The coefficients of any message that was chosen without regard to those signs (a constant,
            a replicated or a one-sided one too) are then as small as a random message's, and so is the sine's cube.
            Done where the coefficients come first and q0 leaves room for it: see `Bootstrapper.signs`.
        spare_bits: slots of operands at level 0 may be up to 2^spare_bits in size, if their scale is read as so many
            times what it is (which divides them by it). Takes bits of the signs' scale; see `most_spare_bits`.
    """

    slots: int
    to_coefficients: int = 4
    to_slots: int = 3
    eval_mod: EvalMod = field(default_factory=EvalMod)
    babies: int | tuple[int, ...] | None = None
    memory: int = 6 << 30
    slots_first: bool = False
    spread: bool = True
    spare_bits: int = 0

    @property
    def depth(self) -> int:
        """Primes above the top level that it consumes; one of them corrects the scale where slots come first."""
        return self.to_coefficients + self.eval_mod.depth + (1 if self.slots_first else self.to_slots)

    @property
    def lowest_level(self) -> int:
        """The least level an operand may have."""
        return self.to_slots if self.slots_first else 0

    def log2_failure(self, times: int = 1) -> float:
        """log2 of the probability that one of `times` bootstraps meets an overflow beyond K.

        Raises:
            ValueError: `times` is not positive.
        """
        return log2_failure(self.eval_mod.weight, self.eval_mod.bound, 2 * self.slots * times)


@dataclass(frozen=True)
class FailureReport:
    """How likely bootstraps are to fail, as log2 of an upper bound on the probability.

    A failed bootstrap says nothing: its result is wrong. The bound is over the encryption's and the keys' randomness,
    for operands as promised (slots of at most 1 in size).

    Attributes:
        bootstraps: how many a program, or whatever is counted, makes.
        log2_each: of one.
        log2_any: that any of them fails (union bound).
        log2_bound: what was asked for; `log2_any` is at most this.
    """

    bootstraps: int
    log2_each: float
    log2_any: float
    log2_bound: float


@dataclass(frozen=True, eq=False)
class EncapsulationKeys:
    """To the sparse secret at q0 with the first special prime alone, and back at the top of the chain."""

    to_sparse: SwitchingKey
    to_dense: SwitchingKey


class Bootstrapper:
    """Prepared matrices and constants of one way to bootstrap on one context.

    Args:
        context: parameters with as many bootstrapping primes as the settings need, and an ephemeral secret.
        settings: how.
        bootstraps: how many will be made in all by what the bound is for.
        log2_bound: the largest log2 of the probability that any of them may fail with. By default as unlikely as
            guessing a 128-bit key: wrong results, which an adversary who sees them might learn from, are then no
            easier to come by than the secret itself.
        cache_bytes: memory for the encoded matrices.

    Attributes:
        failure: the probability, as a `FailureReport`.
        babies: baby steps of each factor, of the first transform and then of the second.
        signs: what the slots are multiplied by first, of size 1 and somewhat less, shape [settings.slots]; None where
            they are left as they are.

    Raises:
        ParameterRefused: the parameters do not fit the settings, or so many bootstraps fail too often.
    """

    def __init__(
        self,
        context: Context,
        settings: Bootstrapping,
        *,
        bootstraps: int = 1,
        log2_bound: float = LOG2_FAILURE_BOUND,
        cache_bytes: int = 1 << 31,
    ) -> None:
        _check(context, settings)
        self.failure = bounded_failure(settings, bootstraps, log2_bound)
        self.context, self.settings = context, settings
        q0 = context.moduli[0]
        top = context.top_level
        bottom = context.scale(0)
        self.raised_scale = bottom * (1 << raised_bits(context.parameters, settings))
        self.inner_level = top - settings.to_coefficients
        self.inner_scale = Fraction(context.modulus(self.inner_level))
        self.result_level = context.parameters.max_level
        self.gap = context.slots // settings.slots
        self.split = self.gap > 1 and not settings.slots_first
        outer_level = settings.to_slots if settings.slots_first else self.inner_level - settings.eval_mod.depth
        message = settings.eval_mod.scale_after(context, self.inner_level, self.inner_scale)
        message = rounded_scale(message * self.raised_scale / q0)
        encoder = Encoder(context)
        self._spread = _spread(encoder, settings)
        self.signs = None if self._spread is None else self._spread.slots
        first, second = self._first_factors(), self._second_factors()
        levels = [*_downwards(top, len(first)), *_downwards(outer_level, len(second))]
        self.babies = _babies(context.parameters, settings, first + second, levels)
        cuts = [cut(*each) for each in zip(first + second, levels, self.babies, strict=True)]
        store = PlaintextStore(cache_bytes)
        scales = (q0 * settings.eval_mod.range, self.inner_scale)
        self._first = _transforms(encoder, first, cuts[: len(first)], scales, store)
        scales = (message, context.scale(self.result_level))
        if settings.slots_first:
            scales = (context.scale(outer_level), self.raised_scale)
        self._second = _transforms(encoder, second, cuts[len(first) :], scales, store)

    def on(self, context: Context) -> Bootstrapper:
        """The same prepared matrices on another context of the same parameters: of another engine, or more threads."""
        made = copy(self)
        made.context = context
        return made

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """The factors of both transforms, in the order they are applied."""
        return (*self._first, *self._second)

    @property
    def rotations(self) -> dict[int, int]:
        """Rotations it makes, each with the highest level it is made at."""
        needs: dict[int, int] = {}
        step = self.settings.slots
        while step < self.context.slots:
            needs[step] = self.context.top_level
            step *= 2
        for transform in self.transforms:
            for step in transform.rotations:
                needs[step] = max(needs.get(step, 0), transform.level)
        return needs

    @property
    def galois_levels(self) -> dict[int, int]:
        """Galois elements it needs, each with the highest level it is used at."""
        context = self.context
        needs = {context.galois_element(step): level for step, level in self.rotations.items()}
        return {context.conjugation: self.inner_level, **needs}

    @property
    def relinearisation_level(self) -> int:
        """Highest level at which ciphertexts are multiplied."""
        return self.inner_level

    def run(self, evaluator: Evaluator, keys: EncapsulationKeys, x: Ciphertext) -> Ciphertext:
        """The same message at the top level and its canonical scale.

        Args:
            evaluator: with the Galois and relinearisation keys that this bootstrapper needs.
            keys: those of the encapsulation.
            x: two parts, canonical scale, at `settings.lowest_level` or above; slots of at most 1 in size. At level 0
                its scale may also be 2^k times the canonical one, k at most `settings.spare_bits`.

        Raises:
            MissingKey: a key is missing.
            OutOfLevels: x is below the lowest level.
        """
        if self.settings.slots_first:
            lowered = self.into_slots(evaluator, evaluator.drop_level(x, self.settings.to_slots))
        else:
            lowered = self.scale_down(evaluator, x)
        raised = self.raise_modulus(evaluator, keys, lowered)
        reduced = self.reduce(evaluator, self.into_coefficients(evaluator, raised))
        if not self.settings.slots_first:
            return self.into_slots(evaluator, reduced)
        wanted = self.context.scale(self.result_level)
        pending = rounded_scale(wanted * self.context.modulus(self.result_level + 1))
        return Ciphertext(evaluator.rescale(evaluator.mul_constant(reduced, 1, pending)).parts, wanted)

    def run_twice(self, evaluator: Evaluator, keys: EncapsulationKeys, x: Ciphertext, *, log_error: int) -> Ciphertext:
        """`run`, and what it lost bootstrapped too: more precision, one level below (Bae et al., ia.cr/2022/1167).

        Args:
            evaluator: with the Galois and relinearisation keys that this bootstrapper needs.
            keys: those of the encapsulation.
            x: as for `run`; the settings put the coefficients first.
            log_error: the first result is right to 2^-log_error in every slot; the error is enlarged by as much.

        Raises:
            MissingKey: a key is missing.
        """
        first = self.run(evaluator, keys, x)
        bottom = evaluator.drop_level(x, 0)
        lost = evaluator.sub(bottom, evaluator.drop_level(first, 0))
        second = self.run(evaluator, keys, evaluator.mul_integer(lost, 1 << log_error))
        finer = first.scale * (1 << log_error)
        total = evaluator.add(
            Ciphertext(evaluator.mul_integer(first, 1 << log_error).parts, finer), Ciphertext(second.parts, finer)
        )
        pending = self.context.parameters.pending_scale(self.result_level)
        return evaluator.rescale(evaluator.mul_constant(total, 1, pending))

    def scale_down(self, evaluator: Evaluator, x: Ciphertext) -> Ciphertext:
        """To level 0 at the scale the modulus is raised at (exactly, if x has a level to spend), times the signs."""
        low = x.at_level(min(x.level, 1))
        if self._spread is not None:
            low = self._spread.apply(evaluator, low)
        if low.level == 0:
            factor = round(self.raised_scale / low.scale)
            return Ciphertext(evaluator.mul_integer(low, factor).parts, low.scale * factor)
        pending = rounded_scale(self.raised_scale * self.context.modulus(1))
        return evaluator.rescale(evaluator.mul_constant(low, 1, pending))

    def raise_modulus(self, evaluator: Evaluator, keys: EncapsulationKeys, x: Ciphertext) -> Ciphertext:
        """From q0 to the whole chain: D m + q0 I, for the sparse secret's small I, then under the main secret again."""
        context, ring = self.context, self.context.ring
        bottom, special = (0,), context.special[:1]
        pair = ring.key_switch(
            x.parts[1], keys.to_sparse.rows, (bottom,), special, bottom + special, addend=x.parts[:1]
        )
        chain = context.basis(context.top_level)
        lifted = ring.ntt(ring.extend(ring.intt(pair, bottom), bottom, chain), chain)
        return evaluator.switch_key(Ciphertext(lifted, x.scale), keys.to_dense)

    def into_coefficients(self, evaluator: Evaluator, x: Ciphertext) -> list[Ciphertext]:
        """Coefficients over q0 * range in slots: real and imaginary halves, in one ciphertext if there is room."""
        step = self.settings.slots
        while step < self.context.slots:
            x = evaluator.add(x, evaluator.rotate(x, step))
            step *= 2
        x = Ciphertext(x.parts, Fraction(self.context.moduli[0]) * self.settings.eval_mod.range)
        for transform in self._first:
            x = evaluator.rescale(transform.apply(evaluator, [x])[0])
        mirrored = evaluator.conjugate(x)
        real = evaluator.add(x, mirrored)
        if self.split:
            return [real]
        return [real, evaluator.multiply_by_i(evaluator.sub(mirrored, x))]

    def reduce(self, evaluator: Evaluator, inner: Sequence[Ciphertext]) -> Ciphertext:
        """The coefficients modulo q0, read as the message's: real and imaginary halves put together."""
        halves = [self.settings.eval_mod.apply(evaluator, x) for x in inner]
        total = halves[0]
        if len(halves) > 1:
            total = evaluator.add(total, evaluator.multiply_by_i(halves[1]))
        return Ciphertext(total.parts, rounded_scale(total.scale * self.raised_scale / self.context.moduli[0]))

    def into_slots(self, evaluator: Evaluator, x: Ciphertext) -> Ciphertext:
        """Coefficients back to where they were: slots of what was read as folded coefficients."""
        for transform in self._second:
            x = evaluator.rescale(transform.apply(evaluator, [x])[0])
        return evaluator.add(x, evaluator.rotate(x, self.settings.slots)) if self.split else x

    def _first_factors(self) -> list[dft.Matrix]:
        factors = dft.to_coefficients(self.settings.slots, self.settings.to_coefficients)
        factors[0] = dft.scaled(factors[0], 0.5 / self.gap)
        if self.split:
            factors[-1] = dft.split_result(factors[-1])
        return factors

    def _second_factors(self) -> list[dft.Matrix]:
        factors = dft.to_slots(self.settings.slots, self.settings.to_slots)
        if self.split:
            factors[0] = dft.joined_operand(factors[0])
        if self.signs is not None:
            factors[-1] = dft.scaled_result(factors[-1], 1 / self.signs)
        return factors


@dataclass(frozen=True, eq=False)
class _Spread:
    """Signs as an integer polynomial, and the slots that it has exactly."""

    plain: Plaintext
    slots: NDArray[np.complex128]

    def apply(self, evaluator: Evaluator, x: Ciphertext) -> Ciphertext:
        plain = Plaintext(self.plain.residues[: x.level + 1], self.plain.basis[: x.level + 1], self.plain.scale)
        return evaluator.mul_plaintext(x, plain, x.scale * plain.scale)


def _spread(encoder: Encoder, settings: Bootstrapping) -> _Spread | None:
    """Fixed signs at the scale that level 0 leaves for them, or None if that is too coarse for each to be inverted."""
    context, slots = encoder.context, settings.slots
    bits = raised_bits(context.parameters, settings) - settings.spare_bits
    rounding, scale = _sign_rounding(slots, bits), Fraction(1 << bits)
    if not settings.spread or settings.slots_first or rounding > _MAX_ROUNDING:
        return None
    drawn = np.unpackbits(np.frombuffer(hashlib.shake_256(_SIGNS).digest(-(-slots // 8)), np.uint8))[:slots]
    basis = context.basis(min(1, context.parameters.max_level))
    plain = encoder.encode((1 - 2.0 * drawn) * (1 - _ROUNDINGS * rounding), scale, basis)
    exact = encoder.decode(plain.expanded(context.parameters.ring_degree), basis, scale, slots)
    return _Spread(plain, exact)


def _sign_rounding(slots: int, bits: int) -> float:
    """Deviation, in slots, of rounding a polynomial of 2 slots coefficients at the scale 2^bits."""
    return math.sqrt(slots / 6) / 2.0**bits


def _downwards(level: int, count: int) -> range:
    return range(level, level - count, -1)


def _babies(
    parameters: Parameters, settings: Bootstrapping, factors: Sequence[dft.Matrix], levels: Sequence[int]
) -> tuple[int, ...]:
    if settings.babies is None:
        return fastest(parameters, factors, levels, settings.memory)
    return settings.babies if isinstance(settings.babies, tuple) else (settings.babies,) * len(factors)


def raised_bits(parameters: Parameters, settings: Bootstrapping) -> int:
    """log2 of the scale that the modulus is raised at over that of level 0: what an operand is multiplied by there."""
    raised = Fraction(parameters.q[0], 1 << settings.eval_mod.log_ratio)
    return max(round(math.log2(raised / parameters.scale(0))), 0)


def most_spare_bits(parameters: Parameters, settings: Bootstrapping) -> int:
    """The largest `spare_bits` for which coefficients are spread if they are with none."""
    bits = raised_bits(parameters, settings)
    if not settings.spread:
        return bits
    for spare in range(bits, -1, -1):
        if _sign_rounding(settings.slots, bits - spare) <= _MAX_ROUNDING:
            return spare
    return bits


def _check(context: Context, settings: Bootstrapping) -> None:
    parameters = context.parameters
    if len(parameters.bootstrap_q) != settings.depth:
        raise ParameterRefused(
            "bootstrapping",
            f"bootstrapping takes {settings.depth} levels and the parameters have {len(parameters.bootstrap_q)} for it",
        )
    if parameters.literal.ephemeral_weight != settings.eval_mod.weight:
        raise ParameterRefused(
            "bootstrapping",
            f"the modular reduction is made for an ephemeral secret of weight {settings.eval_mod.weight}, and the "
            f"parameters have {parameters.literal.ephemeral_weight}",
        )
    factors = settings.to_coefficients + settings.to_slots
    babies = settings.babies if isinstance(settings.babies, tuple) else (settings.babies or 1,) * factors
    if len(babies) != factors or any(b < 1 or b & (b - 1) for b in babies):
        raise ParameterRefused(
            "bootstrapping",
            f"baby steps {settings.babies}; one power of two, or {factors} of them, one for each factor",
        )
    if not 0 <= settings.spare_bits <= raised_bits(parameters, settings):
        raise ParameterRefused(
            "bootstrapping",
            f"{settings.spare_bits} spare bits; q0 leaves {raised_bits(parameters, settings)} above the scale",
        )
    if settings.slots & (settings.slots - 1) or not 4 <= settings.slots <= context.slots:
        raise ParameterRefused("bootstrapping", f"{settings.slots} slots; a power of two of 4..{context.slots}")


def bounded_failure(settings: Bootstrapping, bootstraps: int, log2_bound: float = LOG2_FAILURE_BOUND) -> FailureReport:
    """How likely so many bootstraps are to fail.

    Raises:
        ParameterRefused: more likely than 2^log2_bound.
    """
    if bootstraps < 1:
        raise ParameterRefused("bootstrapping", f"{bootstraps} bootstraps; at least 1")
    report = FailureReport(bootstraps, settings.log2_failure(), settings.log2_failure(bootstraps), log2_bound)
    if not report.log2_any <= log2_bound:
        raise ParameterRefused(
            "bootstrapping",
            f"one of {bootstraps} bootstraps fails with probability 2^{report.log2_any:.1f}, and at most "
            f"2^{log2_bound:.1f} is asked for; make fewer, raise the bound K (now {settings.eval_mod.bound}) and the "
            f"degree of EvalMod with it, or ask for less",
        )
    return report


def _transforms(
    encoder: Encoder,
    matrices: Sequence[dft.Matrix],
    cuts: Sequence[Cut],
    scales: tuple[Fraction, Fraction],
    store: PlaintextStore,
) -> list[Transform]:
    """The factors made ready; their scales go from the first of `scales` to exactly the second, evenly."""
    made: list[Transform] = []
    scale, end = scales
    step = float(end / scale) ** (1 / len(matrices))
    for matrix, each in zip(matrices, cuts, strict=True):
        prime = encoder.context.modulus(each.level)
        last = len(made) == len(matrices) - 1
        ratio = rounded_scale(end * prime / scale) if last else Fraction(round(prime * step))
        made.append(
            Transform(
                encoder,
                [[[(offset, shortest_period(values)) for offset, values in matrix.items()]]],
                each.split,
                slots=len(next(iter(matrix.values()))),
                level=each.level,
                ratio=ratio,
                steps=each.steps,
                store=store,
            )
        )
        scale = rounded_scale(scale * ratio / prime)
    return made
