"""Between Python integers and the uint64 limb arrays the kernels work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import FQ, LIMBS, PrimeField

Array: TypeAlias = NDArray[np.uint64]
"""uint64, least significant limb first along the last axis of length 4."""

G1Affine: TypeAlias = tuple[int, int] | None
G2Affine: TypeAlias = tuple[tuple[int, int], tuple[int, int]] | None
"""Plain integers; None is infinity."""


def limbs_from_ints(values: Iterable[int]) -> Array:
    """uint64 [n, 4] holding the integers themselves, each in [0, 2^256).

    Raises:
        OverflowError: a value is negative or too large.
    """
    data = b"".join(value.to_bytes(8 * LIMBS, "little") for value in values)
    return np.frombuffer(data, dtype="<u8").astype(np.uint64).reshape(-1, LIMBS)


def ints_from_limbs(limbs: Array) -> list[int]:
    """The integers of uint64 [..., 4], flattened in C order."""
    data = np.ascontiguousarray(limbs, dtype="<u8").tobytes()
    size = 8 * LIMBS
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


def encode(field: PrimeField, values: Iterable[int]) -> Array:
    """uint64 [n, 4] in Montgomery form of any integers (negative ones too), reduced modulo the field's prime."""
    factor, modulus = field.montgomery_r, field.modulus
    return limbs_from_ints(value * factor % modulus for value in values)


def decode(field: PrimeField, array: Array) -> list[int]:
    """The integers in [0, modulus) of an array in Montgomery form, flattened in C order."""
    factor, modulus = field.montgomery_r_inverse, field.modulus
    return [value * factor % modulus for value in ints_from_limbs(array)]


def g1_from_ints(points: Sequence[G1Affine]) -> Array:
    """uint64 [n, 2, 4] of affine points; None becomes all zeros."""
    flat = [coordinate for point in points for coordinate in (point or (0, 0))]
    return encode(FQ, flat).reshape(-1, 2, LIMBS)


def g1_to_ints(points: Array) -> list[G1Affine]:
    """Affine points of uint64 [n, 2, 4]; all zeros becomes None."""
    flat = decode(FQ, points)
    return [(x, y) if x or y else None for x, y in zip(flat[0::2], flat[1::2], strict=True)]


def g2_from_ints(points: Sequence[G2Affine]) -> Array:
    """uint64 [n, 2, 2, 4]: axis 1 is x, y; axis 2 is c0, c1 of c0 + c1·u; None becomes all zeros."""
    zero = ((0, 0), (0, 0))
    flat = [c for point in points for coordinate in (point or zero) for c in coordinate]
    return encode(FQ, flat).reshape(-1, 2, 2, LIMBS)


def g2_to_ints(points: Array) -> list[G2Affine]:
    """Affine points of uint64 [n, 2, 2, 4]; all zeros becomes None."""
    flat = decode(FQ, points)
    quads = zip(flat[0::4], flat[1::4], flat[2::4], flat[3::4], strict=True)
    return [((a, b), (c, d)) if any((a, b, c, d)) else None for a, b, c, d in quads]
