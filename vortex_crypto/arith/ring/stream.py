"""Random ring elements from ChaCha20 (RFC 8439): what each sampling kernel draws, word for word.

The nonce of a stream is its number (8 bytes, little-endian) and a word (4 bytes) that keeps the uses apart: the place
of a limb in the ring's list of primes, or one of the constants below. So one seed and stream number never serves two
purposes with the same key stream.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import mpmath
import numpy as np
from numpy.typing import NDArray

SEED_BYTES = 32
GAUSSIAN_SIGMA = 3.2
"""Standard deviation of errors in the Homomorphic Encryption Standard."""
TERNARY_WORD, SPARSE_WORD, GAUSSIAN_WORD = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD

_CONSTANTS = np.frombuffer(b"expand 32-byte k", dtype="<u4")


def chacha20(seed: bytes, stream: int, word: int, start: int, blocks: int) -> NDArray[np.uint8]:
    """Bytes of blocks start .. start + blocks of the key stream under `seed` and the nonce of (stream, word)."""
    state = np.empty((16, blocks), dtype=np.uint32)
    state[:4] = _CONSTANTS[:, None]
    state[4:12] = np.frombuffer(seed, dtype="<u4")[:, None]
    state[12] = np.arange(start, start + blocks, dtype=np.uint32)
    nonce = stream.to_bytes(8, "little") + word.to_bytes(4, "little")
    state[13:] = np.frombuffer(nonce, dtype="<u4")[:, None]
    mixed = state.copy()
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            _quarter_round(mixed, a, b, c, d)
        for a, b, c, d in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            _quarter_round(mixed, a, b, c, d)
    return np.ascontiguousarray((mixed + state).T).astype("<u4", copy=False).view(np.uint8).reshape(-1)


def _quarter_round(s: NDArray[np.uint32], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] += s[y]
        mixed = s[z] ^ s[x]
        s[z] = (mixed << np.uint32(turn)) | (mixed >> np.uint32(32 - turn))


def _first(
    seed: bytes,
    stream: int,
    word: int,
    count: int,
    accept: Callable[[NDArray[np.uint8]], NDArray[np.int64 | np.uint64]],
) -> NDArray[np.int64 | np.uint64]:
    """The first `count` values that `accept` finds in the stream, which it reads in runs of whole blocks."""
    found: list[NDArray[np.int64 | np.uint64]] = []
    have, start = 0, 0
    blocks = max(1, count // 8)
    while have < count:
        values = accept(chacha20(seed, stream, word, start, blocks))
        found.append(values)
        have, start = have + len(values), start + blocks
    return np.concatenate(found)[:count]


def uniform(seed: bytes, stream: int, limb: int, modulus: int, count: int) -> NDArray[np.uint64]:
    """Little-endian 64-bit words, cut to the bits of the modulus; those below it, in order."""
    mask = np.uint64((1 << modulus.bit_length()) - 1)

    def accept(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
        words = data.view("<u8").astype(np.uint64) & mask
        return words[words < modulus]

    return _first(seed, stream, limb, count, accept).astype(np.uint64)


def ternary(seed: bytes, stream: int, count: int) -> NDArray[np.int64]:
    """Bytes other than 255, in order, modulo 3, less 1."""

    def accept(data: NDArray[np.uint8]) -> NDArray[np.int64]:
        return (data[data < 255] % 3).astype(np.int64) - 1

    return _first(seed, stream, TERNARY_WORD, count, accept).astype(np.int64)


def sparse_ternary(seed: bytes, stream: int, count: int, weight: int) -> NDArray[np.int64]:
    """Little-endian 32-bit words w: place w mod count gets 1 - 2 (w >> 31), unless taken, until `weight` are set."""
    result = np.zeros(count, dtype=np.int64)
    left, start = weight, 0
    while left:
        for w in chacha20(seed, stream, SPARSE_WORD, start, 16).view("<u4").tolist():
            place = w % count
            if left and not result[place]:
                result[place] = 1 - 2 * (w >> 31)
                left -= 1
        start += 16
    return result


def gaussian(seed: bytes, stream: int, count: int) -> NDArray[np.int64]:
    """A little-endian 64-bit word each: top bit the sign, magnitude the number of thresholds <= the other 63 bits."""
    blocks = -(-count // 8)
    words = chacha20(seed, stream, GAUSSIAN_WORD, 0, blocks).view("<u8")[:count].astype(np.uint64)
    low = words & np.uint64((1 << 63) - 1)
    thresholds = np.array(gaussian_thresholds(), dtype=np.uint64)
    magnitude = np.searchsorted(thresholds, low, side="right").astype(np.int64)
    return np.where(words >> np.uint64(63) == 1, -magnitude, magnitude)


@lru_cache(maxsize=1)
def gaussian_thresholds() -> tuple[int, ...]:
    """round(2^63 P(|x| <= k)), k = 0, 1, ..., below 2^63, for x from the discrete Gaussian on Z of sigma 3.2.

    The tail beyond the last threshold has probability below 2^-63; the statistical distance is below 2^-58.
    """
    with mpmath.workprec(200):
        sigma = mpmath.mpf(GAUSSIAN_SIGMA)
        density = [mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * sigma**2)) * (1 if k == 0 else 2) for k in range(64)]
        total = mpmath.fsum(density)
        sums = [int(mpmath.nint(mpmath.ldexp(mpmath.fsum(density[: k + 1]) / total, 63))) for k in range(64)]
    return tuple(s for s in sums if s < 1 << 63)
