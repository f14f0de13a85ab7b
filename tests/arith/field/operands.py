"""Operands for every kernel: random ones, and edges derived from the moduli and the limb size."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from py_ecc import optimized_bn128 as ecc

from vortex_crypto.arith.field import arrays
from vortex_crypto.arith.field.arrays import Array, encode, limbs_from_ints
from vortex_crypto.arith.field.bn254 import (
    B2,
    FQ,
    FR,
    G1_EIGENVALUE,
    G1_GENERATOR,
    G2_COFACTOR,
    G2_EIGENVALUE,
    G2_GENERATOR,
    LIMBS,
    P,
    PrimeField,
    R,
)
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


COFACTOR_PRIMES = (10069, 5864401, 1875725156269, 197620364512881247228717050342013327560683201906968909)
"""The prime divisors of G2's cofactor."""


def eigen_scalars() -> Array:
    """Scalars whose halves by the endomorphisms of G1 and G2 are zero, tiny of either sign, or as long as they get."""
    values = [0, 1, R - 1, 8, 16, 17, R - 8]
    for e in (G1_EIGENVALUE, G2_EIGENVALUE):
        values += [
            e,
            e - 1,
            e + 1,
            R - e,
            8 * e + 8,
            9 * e - 9,
            e * e,
            e << 126,
            (1 << 126) + (e << 126),
            (e - 1) * e + e - 1,
        ]
    return encode(FR, (value % R for value in values))


def g2_outside() -> Array:
    """Points of the twist outside of G2: random ones, one of each small prime order, and such beside a point of G2."""
    abscissae = encode(FQ, (c for k in range(1, 11) for c in (k, 2 * k + 1))).reshape(-1, 2, LIMBS)
    points, found = REFERENCE.g2.lift_x(abscissae, np.zeros(len(abscissae), dtype=np.bool_))
    wild = REFERENCE.g2._read(points[found])
    small = [ecc.multiply(wild[0], R * (G2_COFACTOR // order)) for order in COFACTOR_PRIMES[:3]]
    return REFERENCE.g2._write([*wild, *small, ecc.add(small[0], small[1]), ecc.add(small[0], ecc.G2)])


def real_ordinates() -> Array:
    """Abscissae uint64 [n, 2, 4] for which x^3 + b of the twist is in Fq, so that y is real or imaginary."""
    found: list[int] = []
    for x1 in range(1, 25):
        square = (pow(x1, 3, P) - B2[1]) * pow(3 * x1, -1, P) % P  # 3 x0^2 x1 - x1^3 + b1 = 0
        x0 = pow(square, (P + 1) // 4, P)
        if x0 * x0 % P == square:
            found += [x0, x1]
    return encode(FQ, found).reshape(-1, 2, LIMBS)


def _multipliers(n: int, seed: int) -> Array:
    rng = random.Random(seed)
    values = [rng.randrange(R) for _ in range((n + 1) // 2)]
    return encode(FR, [*values, *(-value for value in values), 0][:n])


def _points(few: Array, n: int, seed: int) -> Array:
    choice: NDArray[np.int64] = np.random.default_rng(seed).integers(0, max(len(few), 1), n)
    return few[choice]
