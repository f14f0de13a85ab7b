"""Vectors modulo primes below 2^61, exactly, in NumPy: the arithmetic of the reference engine.

Arrays are uint64 in [0, q), and q is an array that broadcasts against them (for residues [..., limbs, N]: [limbs, 1]).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_LOW_BITS = np.uint64(31)
_LOW = np.uint64((1 << 31) - 1)


def column(values: Sequence[int], axes: int = 1) -> U64:
    """Integers below 2^64 as uint64 [limbs, 1, ...], one value a limb, to broadcast over the last `axes` axes."""
    return np.array(list(values), dtype=np.uint64).reshape(-1, *([1] * axes))


def add(a: U64, b: U64, q: U64) -> U64:
    """a + b mod q."""
    return reduce_once(a + b, q)


def sub(a: U64, b: U64, q: U64) -> U64:
    """a - b mod q."""
    return reduce_once(a + (q - b), q)


def reduce_once(a: U64, q: U64) -> U64:
    """[0, 2q) to [0, q): below q, a - q wraps to a larger number."""
    reduced: U64 = np.minimum(a, a - q)
    return reduced


def mul(a: U64, b: U64, q: U64) -> U64:
    """a * b mod q, as (a * b_high mod q) * 2^31 + a * b_low with halves below 2^31."""
    high = _mul_short(a, b >> _LOW_BITS, q)
    shifted = _mul_short(high, np.uint64(1 << 31), q)
    return add(shifted, _mul_short(a, b & _LOW, q), q)


def _mul_short(a: U64, c: U64 | np.uint64, q: U64) -> U64:
    """a * c mod q for c <= 2^31: the quotient is at most 2^31, so doubles give it within one; the remainder wraps."""
    quotient = (a.astype(np.float64) * np.asarray(c, dtype=np.float64) / q.astype(np.float64)).astype(np.uint64)
    remainder = a * c - quotient * q
    negative = remainder.view(np.int64) < 0
    return reduce_once(np.where(negative, remainder + q, remainder), q)
