"""The one home of randomness for rings: seeds from the operating system, expanded by ChaCha20.

A `Sampler` never repeats a stream. The seed behind secret values never leaves it; a uniform polynomial that will be
published by its seed (a compressed key) gets a seed of its own from `fresh_seed`.
"""

from __future__ import annotations

import secrets

import numpy as np

from vortex_crypto.arith.ring.kernels import Basis, Integers, Residues, RingKernels
from vortex_crypto.arith.ring.stream import SEED_BYTES
from vortex_crypto.errors import InvalidInput


def fresh_seed() -> bytes:
    """32 bytes from the operating system."""
    return secrets.token_bytes(SEED_BYTES)


class Sampler:
    """Secret and error polynomials of one ring.

    Args:
        ring: the ring; its engine expands the stream.
        seed: 32 bytes; only tests and reproductions give one, everyone else leaves it to the operating system.
    """

    def __init__(self, ring: RingKernels, *, seed: bytes | None = None) -> None:
        if seed is not None and len(seed) != SEED_BYTES:
            raise InvalidInput(f"a seed has {SEED_BYTES} bytes, this one {len(seed)}")
        self._ring = ring
        self._seed = fresh_seed() if seed is None else seed
        self._stream = 0

    def __repr__(self) -> str:
        return f"Sampler(degree={self._ring.degree})"

    def _next(self) -> int:
        self._stream += 1
        return self._stream - 1

    def uniform(self, basis: Basis) -> Residues:
        """[limbs, N], uniform modulo each prime."""
        return self._ring.expand_uniform(self._seed, self._next(), basis)

    def ternary(self, weight: int | None = None) -> Integers:
        """int64 [N] in {-1, 0, 1}: uniform, or with exactly `weight` entries other than 0."""
        if weight is None:
            return self._ring.sample_ternary(self._seed, self._next())
        return self._ring.sample_sparse_ternary(self._seed, self._next(), weight)

    def gaussian(self) -> Integers:
        """int64 [N] from the discrete Gaussian of standard deviation 3.2."""
        return self._ring.sample_gaussian(self._seed, self._next())

    def bits(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """`count` fair bits, uint8 in {0, 1}, from the operating system."""
        words = np.frombuffer(secrets.token_bytes(-(-count // 8)), dtype=np.uint8)
        return np.unpackbits(words)[:count]
