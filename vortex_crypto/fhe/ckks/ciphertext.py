"""Plaintexts and ciphertexts: residues in NTT form with the scale they are read at."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from vortex_crypto.arith.ring.kernels import Basis, Residues

if TYPE_CHECKING:
    from vortex_crypto.fhe.ckks.context import Context

_SAME_SCALE = Fraction(1, 1 << 60)


@dataclass(frozen=True, eq=False)
class Plaintext:
    """An encoded vector.

    Attributes:
        residues: uint64 [limbs, M], NTT form in the subring of degree M that the vector's period needs; M divides N.
        basis: positions of the limbs' primes.
        scale: the factor between slots and integers.
    """

    residues: Residues
    basis: Basis
    scale: Fraction

    def expanded(self, degree: int) -> Residues:
        """The residues in the ring of that degree: each value of the subring's transform is repeated."""
        gap = degree // self.residues.shape[-1]
        return self.residues if gap == 1 else np.repeat(self.residues, gap, axis=-1)


@dataclass(frozen=True, eq=False)
class Ciphertext:
    """An encrypted vector: parts (c0, c1, ...) with c0 + c1 s + c2 s^2 = scale * message + noise.

    Attributes:
        parts: uint64 [2 or 3, level + 1, N], NTT form; three parts await relinearisation.
        scale: the factor between slots and integers, to 128 significant bits.
    """

    parts: Residues
    scale: Fraction

    @property
    def level(self) -> int:
        return int(self.parts.shape[1]) - 1

    def at_level(self, level: int) -> Ciphertext:
        """The same message and scale modulo fewer primes (no rescale; costs nothing).

        Raises:
            ValueError: the level is above this ciphertext's.
        """
        if not 0 <= level <= self.level:
            raise ValueError(f"a ciphertext at level {self.level} cannot be read at level {level}")
        if level == self.level:
            return self
        return Ciphertext(self.parts[:, : level + 1], self.scale)


@dataclass(frozen=True, eq=False)
class SeededCiphertext:
    """A fresh secret-key ciphertext as it travels: c0 uint64 [level + 1, N] NTT form; c1 is the seed's expansion."""

    half: Residues
    seed: bytes
    scale: Fraction

    def expand(self, context: Context) -> Ciphertext:
        """The ciphertext itself."""
        mask = context.ring.expand_uniform(self.seed, 0, context.basis(self.half.shape[0] - 1))
        return Ciphertext(np.stack([self.half, mask]), self.scale)


def same_scale(a: Fraction, b: Fraction) -> bool:
    """Equal but for the rounding of scales to 128 bits."""
    return a == b or abs(a - b) <= _SAME_SCALE * a
