"""Operands for every kernel: random ones, and edges derived from the moduli and the limb size."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field import arrays
from vortex_crypto.arith.field.arrays import Array, encode, limbs_from_ints
from vortex_crypto.arith.field.bn254 import FR, G1_GENERATOR, G2_GENERATOR, P, PrimeField, R
from vortex_crypto.arith.field.reference import ReferenceKernels

REFERENCE = ReferenceKernels()
G1 = arrays.g1_from_ints([G1_GENERATOR])[0]
G2 = arrays.g2_from_ints([G2_GENERATOR])[0]


def edge_integers(field: PrimeField) -> list[int]:
    """0, 1, p-1, halves, every 2^k that borders a limb of 64 or 52 bits, and all-ones limbs."""
    p = field.modulus
    edges = [0, 1, 2, 3, p - 1, p - 2, p - 3, (p - 1) // 2, (p + 1) // 2, P % p, R % p]
    edges += [(1 << k) % p for k in (51, 52, 53, 63, 64, 65, 104, 128, 156, 192, 208, 253, 254, 256, 260)]
    edges += [((1 << k) - 1) % p for k in (52, 64, 104, 128, 156, 192, 208, 252, 253, 256, 260)]
    return edges


def elements(field: PrimeField, n: int, seed: int = 0) -> Array:
    """n elements: the edges, as integers and as Montgomery limbs, then random ones, in a seeded shuffle."""
    rng = random.Random(seed)
    edges = edge_integers(field)
    as_limbs = limbs_from_ints(edges)
    pool = [*encode(field, edges), *as_limbs]
    rng.shuffle(pool)
    pool = pool[: n // 2] + list(encode(field, (rng.randrange(field.modulus) for _ in range(n))))
    chosen = pool[:n]
    rng.shuffle(chosen)
    return np.array(chosen, dtype=np.uint64).reshape(n, 4)


def scalars(n: int, seed: int = 0) -> Array:
    """n scalars: edges, tiny ones of both signs, and random ones."""
    rng = random.Random(seed)
    pool = [0, 1, R - 1, 2, R - 2, 5, R - 5, (R - 1) // 2, (R + 1) // 2, 255, R - 256, 1 << 128, (1 << 253) - 1]
    pool += [rng.randrange(R) for _ in range(n)]
    return encode(FR, pool[:n] if n < 10 else rng.sample(pool, n))


def g1_points(n: int, seed: int = 0) -> Array:
    """n points of G1: few different ones, so that equal and opposite ones meet, and infinity among them."""
    return _points(REFERENCE.g1.fixed_base(G1, _multipliers(min(n, 12), seed)), n, seed)


def g2_points(n: int, seed: int = 0) -> Array:
    """n points of G2, chosen as `g1_points`."""
    return _points(REFERENCE.g2.fixed_base(G2, _multipliers(min(n, 12), seed)), n, seed)


def _multipliers(n: int, seed: int) -> Array:
    rng = random.Random(seed)
    values = [rng.randrange(R) for _ in range((n + 1) // 2)]
    return encode(FR, [*values, *(-value for value in values), 0][:n])


def _points(few: Array, n: int, seed: int) -> Array:
    choice: NDArray[np.int64] = np.random.default_rng(seed).integers(0, max(len(few), 1), n)
    return few[choice]
