"""Evaluation keys as the server holds them: switching keys, whole or as seed and half.

A switching key from s' to s at level l has one pair (b_j, a_j) for each digit j of the chain below l, modulo the primes
of l and the special ones: b_j = -a_j s + e_j + P g_j s', where g_j is 1 modulo the primes of digit j and 0 modulo the
others (hybrid key switching, Han and Ki, ia.cr/2019/688). Every a_j is the expansion of a public seed, so a key travels
as the b_j alone. Nothing here can hold a secret key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vortex_crypto.arith.ring.kernels import Basis, Residues
from vortex_crypto.errors import MissingKey
from vortex_crypto.fhe.ckks.context import Context


@dataclass(frozen=True, eq=False)
class SwitchingKey:
    """A key ready for use.

    Attributes:
        level: the highest level it serves.
        rows: uint64 [digits, 2, level + 1 + special, N], NTT form, in the extended basis of `level`.
    """

    level: int
    rows: Residues


@dataclass(frozen=True, eq=False)
class CompressedKey:
    """A key as it travels.

    Attributes:
        level: the highest level it serves.
        seed: 32 bytes; a_j is its expansion in stream j.
        halves: uint64 [digits, level + 1 + special, N]: the b_j, NTT form.
    """

    level: int
    seed: bytes
    halves: Residues

    def expand(self, context: Context, *, special: Basis | None = None) -> SwitchingKey:
        """The whole key; `special` names its special primes if they are not all."""
        basis = context.basis(self.level) + (context.special if special is None else special)
        rows = np.empty((self.halves.shape[0], 2, *self.halves.shape[1:]), dtype=np.uint64)
        rows[:, 0] = self.halves
        for j in range(self.halves.shape[0]):
            rows[j, 1] = context.ring.expand_uniform(self.seed, j, basis)
        return SwitchingKey(self.level, rows)


@dataclass(frozen=True, eq=False)
class EvaluationKeys:
    """What a server may do: multiply if there is a relinearisation key, and turn by the Galois elements listed.

    Attributes:
        relinearisation: from s^2, or None.
        galois: by Galois element, from phi_g(s).
    """

    relinearisation: SwitchingKey | None = None
    galois: Mapping[int, SwitchingKey] = field(default_factory=dict)

    def for_product(self, level: int) -> SwitchingKey:
        """The relinearisation key, if it serves that level.

        Raises:
            MissingKey: there is none, or it was made for lower levels alone.
        """
        return _serving(self.relinearisation, level, "products (relinearisation)")

    def for_galois(self, element: int, level: int) -> SwitchingKey:
        """The key of a Galois element, if it serves that level.

        Raises:
            MissingKey: there is none, or it was made for lower levels alone.
        """
        return _serving(self.galois.get(element), level, f"Galois element {element}")


def _serving(key: SwitchingKey | None, level: int, purpose: str) -> SwitchingKey:
    if key is None:
        raise MissingKey(f"the evaluation keys hold none for {purpose}; generate keys for this program")
    if key.level < level:
        raise MissingKey(f"the key for {purpose} serves levels up to {key.level}; level {level} is asked for")
    return key
