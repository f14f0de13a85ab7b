"""What operands must look like, said once for every engine written in Python."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vortex_crypto.arith.ring.embedding import MAX_LOG_LIFT, MAX_LOG_MAGNITUDE
from vortex_crypto.arith.ring.kernels import Turned
from vortex_crypto.arith.ring.primes import check_degree, check_modulus
from vortex_crypto.arith.ring.stream import SEED_BYTES
from vortex_crypto.errors import InvalidInput, ParameterRefused, ShapeMismatch


def ring(degree: int, moduli: Sequence[int]) -> tuple[int, ...]:
    """The moduli as a tuple, if they are distinct NTT primes for that degree; ParameterRefused otherwise."""
    check_degree(degree)
    for modulus in moduli:
        check_modulus(int(modulus), degree)
    if not moduli or len(set(moduli)) != len(moduli):
        raise ParameterRefused("modulus", f"a ring needs distinct primes, got {list(moduli)}")
    return tuple(int(q) for q in moduli)


def basis(positions: Sequence[int], primes: int) -> None:
    """ParameterRefused unless the positions are distinct and name primes of the ring."""
    if not positions or len(set(positions)) != len(positions) or not all(0 <= i < primes for i in positions):
        raise ParameterRefused("basis", f"basis {tuple(positions)}: distinct positions below {primes} are expected")


def array(
    name: str, x: NDArray[np.generic], dtype: DTypeLike, tail: tuple[int, ...], *, ndim: int | None = None
) -> None:
    """ShapeMismatch unless x is of that dtype, ends in the shape `tail` and (if given) has `ndim` axes."""
    if x.dtype != dtype or x.shape[max(0, x.ndim - len(tail)) :] != tail or (ndim is not None and x.ndim != ndim):
        axes = "" if ndim is None else f" and {ndim} axes"
        raise ShapeMismatch(
            f"{name}: {np.dtype(dtype)} [..., {', '.join(map(str, tail))}]{axes} expected, got {x.dtype} {x.shape}"
        )


def tensor_pairs(pairs: Sequence[tuple[NDArray[np.generic], NDArray[np.generic]]], limbs: int, degree: int) -> None:
    """ShapeMismatch unless there are pairs, each of two uint64 [2, limbs, N]."""
    if not pairs:
        raise ShapeMismatch("a sum of products of pairs has at least one")
    for operand in (each for two in pairs for each in two):
        array("a pair", operand, np.uint64, (2, limbs, degree), ndim=3)


def dropped(drop: int, limbs: int) -> None:
    """ShapeMismatch unless at least one limb is kept."""
    if not 0 <= drop < limbs:
        raise ShapeMismatch(f"dropping {drop} of {limbs} limbs")


def pair(a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
    """ShapeMismatch unless b has the shape of a, or that of its last two axes."""
    if b.shape not in (a.shape, a.shape[-2:]):
        raise ShapeMismatch(f"operands of shapes {a.shape} and {b.shape}")


def leading(a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
    """ShapeMismatch unless b is a `pair` of a, or [k, limbs, N] for a [m, limbs, N] with 0 < k < m."""
    if not (a.ndim == b.ndim == 3 and 0 < b.shape[0] < a.shape[0] and a.shape[1:] == b.shape[1:]):
        pair(a, b)


def count(polynomials: int | None, a: NDArray[np.generic]) -> int:
    """How many polynomials of a come first: all if None; ShapeMismatch unless a [m, limbs, N] has so many."""
    if polynomials is None:
        return prod(a.shape[:-2])
    if a.ndim != 3 or not 0 < polynomials <= a.shape[0]:
        raise ShapeMismatch(f"the first {polynomials} polynomials of an array of shape {a.shape}")
    return polynomials


def key(shape: tuple[int, ...], basis: Sequence[int], key_basis: Sequence[int], digits: int) -> None:
    """ShapeMismatch unless a key of that shape [d, 2, limbs, N] serves so many digits over that basis."""
    if shape[0] < digits or shape[1] != 2 or not set(basis) <= set(key_basis):
        raise ShapeMismatch(f"a key of shape {shape} over {tuple(key_basis)} for {digits} digits over {tuple(basis)}")


def weight_of_sum(weight: NDArray[np.generic], degree: int, limbs: int) -> None:
    """ShapeMismatch unless it is uint64 [limbs, M] with M the degree over a power of two."""
    good = weight.dtype == np.uint64 and weight.ndim == 2 and weight.shape[0] == limbs and weight.shape[1] > 0
    if not good or degree % weight.shape[1]:
        raise ShapeMismatch(
            f"weight: uint64 [{limbs}, {degree} or a divisor] expected, got {weight.dtype} {weight.shape}"
        )


def addend(x: NDArray[np.generic], limbs: int, degree: int, *, to: tuple[int, ...] = (2,)) -> None:
    """ShapeMismatch unless x is uint64 [1 or 2, limbs, N], of no more polynomials than the leading axes `to` have."""
    array("addend", x, np.uint64, (limbs, degree), ndim=3)
    if x.shape[0] not in (1, 2) or len(to) != 1 or x.shape[0] > to[0]:
        raise ShapeMismatch(f"an addend of {x.shape[0]} polynomials to {to}: one or two are expected, of as many")


def sums(weights: Sequence[Sequence[object]], terms: Sequence[NDArray[np.generic] | Turned]) -> None:
    """ShapeMismatch unless there are terms, all of as many parts, and rows of as many weights."""
    parts = {(2,) if isinstance(term, Turned) else term.shape[:1] for term in terms}
    if not weights or any(len(row) != len(terms) for row in weights) or len(parts) != 1:
        raise ShapeMismatch(
            "weighted_sums needs terms of one shape and, in each row, a weight or None for each of them"
        )


def complexes(values: NDArray[np.generic], degree: int, *, extended: bool) -> None:
    """ShapeMismatch unless values are complex128 [..., n] or (extended) [..., 2, n], n a power of two up to N/2."""
    n = values.shape[-1] if values.ndim else 0
    array("slots", values, np.complex128, (2, n) if extended else (n,))
    if n < 1 or n & (n - 1) or 2 * n > degree:
        raise ShapeMismatch(f"{n} slots: a power of two up to {degree // 2} is expected")


def floats(high: NDArray[np.generic], low: NDArray[np.generic] | None, degree: int) -> None:
    """ShapeMismatch unless high, and low if given, are float64 [..., N] of one shape."""
    for part in (high,) if low is None else (high, low):
        array("coefficients", part, np.float64, (degree,))
        if part.shape != high.shape:
            raise ShapeMismatch(f"high and low parts of shapes {high.shape} and {part.shape}")


TOO_LARGE = f"a coefficient times its scale reaches 2^{MAX_LOG_MAGNITUDE} or is not a number"


def liftable(primes: Sequence[int]) -> None:
    """ParameterRefused if the product of the primes exceeds what doubles can hold."""
    if prod(primes).bit_length() > MAX_LOG_LIFT:
        raise ParameterRefused("basis", f"a product of {prod(primes).bit_length()} bits exceeds the range of doubles")


def galois(element: int) -> None:
    """ParameterRefused for an even or negative Galois element."""
    if element % 2 == 0 or element < 0:
        raise ParameterRefused("galois_element", f"Galois element {element}: odd and positive is expected")


def seed(value: bytes, stream: int) -> None:
    """InvalidInput unless the seed has 32 bytes and the stream number fits 64 bits."""
    if len(value) != SEED_BYTES or not 0 <= stream < 1 << 64:
        raise InvalidInput(f"a seed of {SEED_BYTES} bytes and a stream number below 2^64 are expected")


def weight(value: int, degree: int) -> None:
    """ParameterRefused unless 1 <= weight <= N/2."""
    if not 1 <= value <= degree // 2:
        raise ParameterRefused("weight", f"Hamming weight {value}: 1 to {degree // 2} is expected")
