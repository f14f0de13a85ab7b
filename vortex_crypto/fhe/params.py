"""CKKS parameters: an unchecked literal in, checked and immutable parameters out, and no other way to get them.

Levels count rescalings still possible: `len(q) - 1` at the top, 0 at the bottom; a ciphertext at level l lives modulo
q[0] * ... * q[l]. Scales are canonical: S_L = 2^log_scale at the top and S_{l-1} = S_l^2 / q_l, kept to 128 significant
bits, so every ciphertext at level l has the same scale and additions lose nothing. Each prime is the free one nearest
to S_l^2 / 2^(the nominal scale below), which undoes the drift of the levels above it instead of doubling it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from vortex_crypto.errors import InsecureParameters, ParameterRefused
from vortex_crypto.fhe.security import SECURITY_BITS, Secret, citation, max_log_qp

MAX_PRIME_BITS = 60
MAX_CHAIN = 64
_SCALE_BITS = 128
_MADE_BY_CHECK = object()


@dataclass(frozen=True)
class ParametersLiteral:
    """What a user or the planner writes down; `check` turns it into `Parameters`.

    Attributes:
        log_n: log2 of the ring degree, 4..17.
        log_q: bits of the primes of the chain, the base prime first, then one per level.
        log_p: bits of the special primes of hybrid key switching; empty where nothing is switched.
        log_scale: log2 of the scale at the top level.
        secret: "ternary" (uniform over {-1, 0, 1}) or a Hamming weight.
        digits: number of key-switching digits (dnum); None for as few as the special primes allow.
        log_bootstrap: bits of the primes above the top level that bootstrapping consumes, in chain order.
        ephemeral_weight: Hamming weight of the secret that exists modulo q[0] * p[0] alone, for bootstrapping.
    """

    log_n: int
    log_q: tuple[int, ...]
    log_p: tuple[int, ...]
    log_scale: int
    secret: Secret = "ternary"
    digits: int | None = None
    log_bootstrap: tuple[int, ...] = ()
    ephemeral_weight: int | None = None

    def to_meta(self) -> dict[str, Any]:
        """The literal as msgpack-able values."""
        return {
            "log_n": self.log_n,
            "log_q": list(self.log_q),
            "log_p": list(self.log_p),
            "log_scale": self.log_scale,
            "secret": self.secret,
            "digits": self.digits,
            "log_bootstrap": list(self.log_bootstrap),
            "ephemeral_weight": self.ephemeral_weight,
        }

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> ParametersLiteral:
        """The inverse of `to_meta`, for values from outside; `check` judges the numbers.

        Raises:
            ParameterRefused: a field is missing, unknown, or of the wrong type.
        """
        if not isinstance(meta, Mapping) or set(meta) != set(cls.__dataclass_fields__):
            raise ParameterRefused("malformed", f"CKKS parameters have the fields {sorted(cls.__dataclass_fields__)}")
        for name in ("log_q", "log_p", "log_bootstrap"):
            if not isinstance(meta[name], list) or not all(type(bits) is int for bits in meta[name]):
                raise ParameterRefused("malformed", f"CKKS parameters: {name} should be a list of integers")
        for name in ("log_n", "log_scale"):
            if type(meta[name]) is not int:
                raise ParameterRefused("malformed", f"CKKS parameters: {name} should be an integer")
        for name in ("digits", "ephemeral_weight"):
            if meta[name] is not None and type(meta[name]) is not int:
                raise ParameterRefused("malformed", f"CKKS parameters: {name} should be an integer or nothing")
        if meta["secret"] != "ternary" and type(meta["secret"]) is not int:
            raise ParameterRefused("malformed", "CKKS parameters: the secret is 'ternary' or a Hamming weight")
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in meta.items()}
        return cls(**fields)


@dataclass(frozen=True)
class Parameters:
    """Checked CKKS parameters; made by `check` alone.

    Attributes:
        literal: what they were made from.
        q: the primes of levels 0..L, base prime first.
        p: the special primes.
        bootstrap_q: the primes above level L, used inside bootstrapping alone.
        insecure: below 128 bits, and the user said so.
        security: the judgement in words, with its citation.
    """

    literal: ParametersLiteral
    q: tuple[int, ...]
    p: tuple[int, ...]
    bootstrap_q: tuple[int, ...]
    insecure: bool
    security: str
    _token: object = field(repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self._token is not _MADE_BY_CHECK:
            raise ParameterRefused("unchecked", "CKKS parameters are made by vortex_crypto.fhe.params.check")

    @property
    def ring_degree(self) -> int:
        return 1 << self.literal.log_n

    @property
    def slots(self) -> int:
        """Complex slots of a ciphertext: half the ring degree."""
        return self.ring_degree // 2

    @property
    def log_scale(self) -> int:
        return self.literal.log_scale

    @property
    def secret(self) -> Secret:
        return self.literal.secret

    @property
    def max_level(self) -> int:
        return len(self.q) - 1

    @property
    def chain(self) -> tuple[int, ...]:
        """All ciphertext primes: those of the levels, then those of bootstrapping."""
        return self.q + self.bootstrap_q

    @property
    def digit_size(self) -> int:
        """Primes of the chain in one key-switching digit."""
        return _digit_size(self.literal)

    @property
    def log_qp(self) -> float:
        """log2 of the largest modulus any key lives at, from the primes themselves."""
        return math.log2(math.prod(self.chain) * math.prod(self.p))

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) over the literal and the primes."""
        return hashlib.sha256(repr((self.literal, self.q, self.p, self.bootstrap_q)).encode()).hexdigest()

    @cached_property
    def _scales(self) -> tuple[Fraction, ...]:
        scales = [Fraction(1 << self.log_scale)]
        for prime in reversed(self.q[1:]):
            scales.append(rounded_scale(scales[-1] ** 2 / prime))
        return tuple(reversed(scales))

    def scale(self, level: int) -> Fraction:
        """The canonical scale S_level, to 128 significant bits.

        Raises:
            IndexError: the level is not in 0..max_level.
        """
        if not 0 <= level <= self.max_level:
            raise IndexError(f"level {level} is not in 0..{self.max_level}")
        return self._scales[level]

    def pending_scale(self, level: int) -> Fraction:
        """Scale q_level * S_(level-1) of a product at `level` that still awaits its rescale."""
        return self.q[level] * self.scale(level - 1)


def check(literal: ParametersLiteral, *, insecure: bool = False) -> Parameters:
    """Generate the primes, recompute log2(QP) from them, and hold every key's modulus against the security table.

    Args:
        literal: what is wished for.
        insecure: accept less than 128 bits; the parameters are then marked for ever.

    Raises:
        InsecureParameters: below 128 bits and `insecure` is False.
        ParameterRefused: the literal cannot work; `reason` is one of "ring-degree", "chain", "prime-bits", "scale",
            "digits", "secret", "primes".
    """
    _check_shape(literal)
    _check_scales(literal)
    q, p, bootstrap_q = _primes(literal)
    faults = _security_faults(literal, q, p, bootstrap_q)
    if faults and not insecure:
        raise InsecureParameters(
            "; ".join(faults) + ". Raise the ring degree or shorten the modulus chain; "
            "`insecure` accepts it for experiments, and marks everything made with it"
        )
    security = f"{SECURITY_BITS}-bit ({citation(literal.secret)})" if not faults else "INSECURE: " + "; ".join(faults)
    return Parameters(literal, q, p, bootstrap_q, bool(faults), security, _MADE_BY_CHECK)


def _check_shape(literal: ParametersLiteral) -> None:
    degree = 1 << min(max(literal.log_n, 0), 18)
    chain = literal.log_q + literal.log_bootstrap
    if not 4 <= literal.log_n <= 17:
        raise ParameterRefused("ring-degree", f"log2 of the ring degree is {literal.log_n}; 4..17 are supported")
    if not literal.log_q or len(chain) + len(literal.log_p) > MAX_CHAIN:
        raise ParameterRefused(
            "chain", f"a chain has 1..{MAX_CHAIN} primes; this one has {len(chain)} and its special ones"
        )
    bits = chain + literal.log_p
    if min(bits) < literal.log_n + 2 or max(bits) > MAX_PRIME_BITS + 1 or max(chain) > MAX_PRIME_BITS:
        raise ParameterRefused(
            "prime-bits", f"primes have {literal.log_n + 2}..{MAX_PRIME_BITS} bits (special ones one more); got {bits}"
        )
    for weight in (literal.secret, literal.ephemeral_weight):
        if isinstance(weight, int) and not 1 <= weight <= degree:
            raise ParameterRefused("secret", f"a secret of weight {weight} does not exist in degree {degree}")
    if literal.digits is not None and not 1 <= literal.digits <= len(chain):
        raise ParameterRefused("digits", f"{literal.digits} digits for {len(chain)} primes")
    size = _digit_size(literal)
    largest = max(sum(chain[i : i + size]) for i in range(0, len(chain), size))
    if literal.log_p and largest > sum(literal.log_p) + 1:
        raise ParameterRefused(
            "digits",
            f"the largest of the digits has {largest} bits and the special primes {sum(literal.log_p)} together; "
            "take more digits or larger special primes",
        )


def _check_scales(literal: ParametersLiteral) -> None:
    for level, nominal in enumerate(_nominal_scales(literal)):
        if not 10 <= nominal <= sum(literal.log_q[: level + 1]) - 1:
            raise ParameterRefused(
                "scale",
                f"the scale would be 2^{nominal} at level {level}, where the modulus has "
                f"{sum(literal.log_q[: level + 1])} bits; give the primes of the levels the size of the scale",
            )


def _nominal_scales(literal: ParametersLiteral) -> list[int]:
    nominal = [literal.log_scale]
    for bits in reversed(literal.log_q[1:]):
        nominal.append(2 * nominal[-1] - bits)
    return nominal[::-1]


def _digit_size(literal: ParametersLiteral) -> int:
    chain = len(literal.log_q) + len(literal.log_bootstrap)
    if literal.digits is not None:
        return -(-chain // literal.digits)
    return max(len(literal.log_p), 1)


def _primes(literal: ParametersLiteral) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Primes = 1 mod 2N, all distinct: q[0] and the special ones just below their power of two, the rest nearest."""
    step = 2 << literal.log_n
    used: set[int] = set()
    base = _below(literal.log_q[0], step, used)
    special = tuple(_below(bits, step, used) for bits in literal.log_p)
    nominal = _nominal_scales(literal)
    scale, levels = Fraction(1 << literal.log_scale), []
    for level in range(len(literal.log_q) - 1, 0, -1):
        levels.append(_nearest(scale**2 / (1 << nominal[level - 1]), step, used))
        scale = rounded_scale(scale**2 / levels[-1])
    above = tuple(_nearest(Fraction(1 << bits), step, used) for bits in literal.log_bootstrap)
    return (base, *levels[::-1]), special, above


def _below(bits: int, step: int, used: set[int]) -> int:
    for candidate in range((1 << bits) + 1 - step, 1 << (bits - 1), -step):
        if _take(candidate, used):
            return candidate
    raise ParameterRefused("primes", f"there are too few primes of {bits} bits that are 1 modulo {step}")


def _nearest(target: Fraction, step: int, used: set[int]) -> int:
    centre = round(target / step) * step + 1
    for distance in range(0, int(target) // (2 * step)):
        for candidate in dict.fromkeys((centre - distance * step, centre + distance * step)):
            if _take(candidate, used):
                return candidate
    raise ParameterRefused("primes", f"there are too few primes near {float(target):.3g} that are 1 modulo {step}")


def _take(candidate: int, used: set[int]) -> bool:
    from sympy import isprime

    if candidate in used or not isprime(candidate):
        return False
    used.add(candidate)
    return True


def rounded_scale(scale: Fraction) -> Fraction:
    """The scale to 128 significant bits: as a fraction proper its length would double at every level."""
    shift = _SCALE_BITS - (scale.numerator.bit_length() - scale.denominator.bit_length())
    return Fraction(round(scale * (1 << shift)), 1 << shift) if shift >= 0 else Fraction(round(scale))


def _security_faults(
    literal: ParametersLiteral, q: tuple[int, ...], p: tuple[int, ...], above: tuple[int, ...]
) -> list[str]:
    moduli = [("the secret", literal.secret, math.prod(q + above + p))]
    if literal.ephemeral_weight is not None:
        moduli.append(("the ephemeral secret", literal.ephemeral_weight, q[0] * math.prod(p[:1])))
    faults = []
    for name, secret, modulus in moduli:
        cap, bits = max_log_qp(literal.log_n, secret), math.log2(modulus)
        if bits > cap:
            faults.append(
                f"{name} is used with a modulus of {bits:.2f} bits in degree 2^{literal.log_n}, where "
                f"{SECURITY_BITS}-bit security allows {cap or 'none that a table vouches for'} ({citation(secret)})"
            )
    return faults
