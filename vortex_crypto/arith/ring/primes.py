"""Primes for number-theoretic transforms, and their roots of unity.

A negacyclic transform of length N modulo q needs a primitive 2N-th root of unity, so q = 1 mod 2N.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sympy import isprime

from vortex_crypto.errors import ParameterRefused

MAX_MODULUS_BITS = 61
"""Primes are below 2^61: four times one fits 64 bits with a bit to spare (Harvey's lazy butterflies)."""
MIN_LOG_DEGREE, MAX_LOG_DEGREE = 3, 17


def ntt_primes(bits: int, count: int, ring_degree: int, *, avoid: Sequence[int] = ()) -> tuple[int, ...]:
    """The `count` primes nearest to 2^bits with q = 1 mod 2N, nearest first, from both sides by turns of distance.

    Nearness keeps the scale of a CKKS chain close to 2^bits. A prime above 2^bits has `bits + 1` bits; ask for
    `ntt_primes_below` where a machine word is the limit.

    Raises:
        ParameterRefused: too few such primes within a factor of two, or sizes out of range.
    """
    return _search(bits, count, ring_degree, frozenset(avoid), below_only=False)


def ntt_primes_below(bits: int, count: int, ring_degree: int, *, avoid: Sequence[int] = ()) -> tuple[int, ...]:
    """The `count` largest primes q < 2^bits with q = 1 mod 2N, largest first.

    Raises:
        ParameterRefused: too few such primes above 2^(bits-1), or sizes out of range.
    """
    return _search(bits, count, ring_degree, frozenset(avoid), below_only=True)


@lru_cache(maxsize=1024)
def _search(bits: int, count: int, ring_degree: int, avoid: frozenset[int], *, below_only: bool) -> tuple[int, ...]:
    check_degree(ring_degree)
    step = 2 * ring_degree
    top = MAX_MODULUS_BITS if below_only else MAX_MODULUS_BITS - 1
    if not step.bit_length() <= bits <= top:
        raise ParameterRefused(
            "modulus", f"NTT primes of {bits} bits for N = {ring_degree}: between {step.bit_length()} and {top}"
        )
    centre = (1 << bits) + 1
    found: list[int] = []
    for k in range(centre // step // 2):
        near = (centre - k * step,) if below_only or k == 0 else (centre - k * step, centre + k * step)
        found += [q for q in near if not (below_only and q == centre) and q not in avoid and isprime(q)]
        if len(found) >= count:
            return tuple(found[:count])
    raise ParameterRefused("modulus", f"fewer than {count} NTT primes of {bits} bits for N = {ring_degree}")


def primitive_root(modulus: int, order: int) -> int:
    """A primitive root of unity of `order`, a power of two dividing q - 1: x^((q-1)/order), x the least non-residue.

    x^((q-1)/2) = -1 makes the order exact, and the choice is consistent: root(q, m/2) = root(q, m)^2.
    """
    if order & (order - 1) or (modulus - 1) % order:
        raise ParameterRefused("modulus", f"no root of unity of order {order} modulo {modulus}")
    x = next(x for x in range(2, modulus) if pow(x, (modulus - 1) // 2, modulus) == modulus - 1)
    return pow(x, (modulus - 1) // order, modulus)


def check_degree(ring_degree: int) -> None:
    """Raises ParameterRefused unless N is a power of two between 2^3 and 2^17."""
    low, high = 1 << MIN_LOG_DEGREE, 1 << MAX_LOG_DEGREE
    if ring_degree & (ring_degree - 1) or not low <= ring_degree <= high:
        raise ParameterRefused("degree", f"ring degree {ring_degree}: a power of two from {low} to {high} is expected")


@lru_cache(maxsize=4096)
def check_modulus(modulus: int, ring_degree: int) -> None:
    """Raises ParameterRefused unless q is a prime below 2^61 with q = 1 mod 2N."""
    if not 2 < modulus < 1 << MAX_MODULUS_BITS or modulus % (2 * ring_degree) != 1 or not isprime(modulus):
        raise ParameterRefused(
            "modulus", f"{modulus} is not a prime below 2^{MAX_MODULUS_BITS} with q = 1 mod {2 * ring_degree}"
        )
