"""Comparing secrets nobody knows, by random combinations and pairings: what the checks of a ceremony are made of."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import encode, g1_from_ints, g2_from_ints
from vortex_crypto.arith.field.bn254 import FR, G1_GENERATOR, G2_GENERATOR
from vortex_crypto.arith.field.kernels import FieldKernels, Group
from vortex_crypto.zk.field import default_kernels

Array = NDArray[Any]

ONE_G1, ONE_G2 = g1_from_ints([G1_GENERATOR])[0], g2_from_ints([G2_GENERATOR])[0]
"""The generators: [1]₁ and [1]₂."""

WEIGHT_BITS = 128
"""A relation that does not hold passes on random weights of so many bits with probability 2^-128."""


@dataclass(frozen=True)
class Relations:
    """The field engine, and the relations to check with it."""

    kernels: FieldKernels
    threads: int

    @staticmethod
    def of(kernels: FieldKernels | None, threads: int) -> Relations:
        """With the default engine where none is given."""
        return Relations(kernels or default_kernels(), threads)

    def combine(self, group: Group, points: Array, weights: Array) -> Array:
        """Σ weights_i · points_i as one more point."""
        return group.msm(points, np.ascontiguousarray(weights[: len(points)]), threads=self.threads)

    def same_ratio(self, a: Array, b: Array, a2: Array, b2: Array) -> bool:
        """Whether b = x·a in G1 and b2 = x·a2 in G2 for one x, none of the points being infinity."""
        if not all(point.any() for point in (a, b, a2, b2)):
            return False
        return self.kernels.pairing_check(np.stack([a, self.kernels.g1.neg(b[None])[0]]), np.stack([b2, a2]))


def random_weights(count: int) -> Array:
    """uint64 [count, 4]: random scalars of 128 bits."""
    return encode(FR, (secrets.randbits(WEIGHT_BITS) for _ in range(count)))
