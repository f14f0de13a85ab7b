"""snarkjs's deterministic randomness: ChaCha20 from a 32-byte seed, and how it picks scalars and points from it.

A contribution needs it to hash to G2 and to repeat random beacons; the numbers must agree with snarkjs bit for bit.
What it picks for a field element are the limbs of the Montgomery form, since ffjavascript fills its buffers directly.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import limbs_from_ints
from vortex_crypto.arith.field.bn254 import G2_COFACTOR, LIMBS, P, R
from vortex_crypto.arith.field.kernels import FieldKernels, Group
from vortex_crypto.zk.progress import Progress, silent

Array = NDArray[Any]

_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")
_COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
_MASK = 0xFFFFFFFF
_TOLD = 1 << 20
"""Applications of SHA-256, about half a second, from one telling of progress to the next."""


class ChaCha:
    """The stream of RFC 8439's block function with a zero nonce, its seed read as big-endian words."""

    def __init__(self, seed: bytes) -> None:
        self._key = struct.unpack(">8I", seed)
        self._counter = 0
        self._words: list[int] = []

    def __repr__(self) -> str:
        return "ChaCha(hidden)"

    def u32(self) -> int:
        """The next word."""
        if not self._words:
            self._words = self._block()[::-1]
        return self._words.pop()

    def scalar(self) -> Array:
        """An element of Fr, uint64 [4] in Montgomery form."""
        scalar: Array = limbs_from_ints([self._below(R)])[0]
        return scalar

    def g1(self, kernels: FieldKernels) -> Array:
        """A point of G1, uint64 [2, 4]."""
        return self._on_curve(kernels.g1, 1)

    def g2(self, kernels: FieldKernels) -> Array:
        """A point of G2, uint64 [2, 2, 4]: one of the twist times the cofactor."""
        return _times(kernels.g2, self._on_curve(kernels.g2, 2), G2_COFACTOR)

    def _on_curve(self, group: Group, degree: int) -> Array:
        while True:
            x = limbs_from_ints([self._below(P) for _ in range(degree)]).reshape(1, *group.point[1:])
            larger = np.array([self.u32() & 1 == 1])
            points, found = group.lift_x(x, larger)
            if found[0]:
                point: Array = points[0]
                return point

    def _below(self, modulus: int) -> int:
        mask = (1 << modulus.bit_length()) - 1
        while True:
            limbs = [self.u32() << 32 | self.u32() for _ in range(LIMBS)]
            value = sum(limb << 64 * i for i, limb in enumerate(limbs)) & mask
            if value < modulus:
                return value

    def _block(self) -> list[int]:
        counter = (self._counter & _MASK, self._counter >> 32)
        start = [*_CONSTANTS, *self._key, *counter, 0, 0]
        state = start.copy()
        for _ in range(10):
            for quarter in (*_COLUMNS, *_DIAGONALS):
                _quarter_round(state, *quarter)
        self._counter += 1
        return [(a + b) & _MASK for a, b in zip(state, start, strict=True)]


def hash_to_g2(digest: bytes, kernels: FieldKernels) -> Array:
    """The point of G2 that a 64-byte digest stands for, uint64 [2, 2, 4]."""
    return ChaCha(digest[:32]).g2(kernels)


def beacon_stream(beacon: bytes, iterations_log: int, progress: Progress | None = None) -> ChaCha:
    """The stream that SHA-256, applied 2^iterations_log times to a public value, seeds."""
    digest, tell = beacon, progress or silent
    for turn in range(1 << iterations_log):
        if turn % _TOLD == 0:
            tell("beacon", turn / (1 << iterations_log))
        digest = hashlib.sha256(digest).digest()
    return ChaCha(digest)


def _quarter_round(s: list[int], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & _MASK
        mixed = s[z] ^ s[x]
        s[z] = (mixed << turn | mixed >> (32 - turn)) & _MASK


def _times(group: Group, point: Array, factor: int) -> Array:
    """factor · point by doubling and adding: the point has not order r, so no kernel may reduce the factor."""
    total = np.zeros_like(point)[None]
    for bit in bin(factor)[2:]:
        total = group.add(total, total)
        if bit == "1":
            total = group.add(total, point[None])
    result: Array = total[0]
    return result
