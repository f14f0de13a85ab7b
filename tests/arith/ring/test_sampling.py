"""ChaCha20 streams and what is drawn from them."""

from __future__ import annotations

import numpy as np
import pytest

from vortex_crypto.arith.ring import engine
from vortex_crypto.arith.ring.primes import ntt_primes
from vortex_crypto.arith.ring.stream import GAUSSIAN_SIGMA, chacha20, gaussian_thresholds
from vortex_crypto.arith.sampling import Sampler, fresh_seed
from vortex_crypto.errors import InvalidInput, ParameterRefused

N = 4096
RING = engine("native").ring(N, ntt_primes(40, 2, N))
SEED = bytes(range(32))


def test_chacha20_block_of_rfc_8439() -> None:
    """Section 2.3.2: key 00..1f, nonce 00:00:00:09:00:00:00:4a:00:00:00:00, counter 1."""
    nonce = bytes.fromhex("000000090000004a00000000")
    stream, word = int.from_bytes(nonce[:8], "little"), int.from_bytes(nonce[8:], "little")
    expected = (
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )
    assert chacha20(SEED, stream, word, 1, 1).tobytes().hex() == expected


def test_uniform_residues_fill_their_range() -> None:
    x = RING.expand_uniform(SEED, 0, (0, 1)).astype(np.float64)
    for row, q in zip(x, RING.moduli, strict=True):
        assert abs(row.mean() / q - 0.5) < 0.02
        assert row.max() > 0.99 * q


def test_limbs_and_streams_are_independent() -> None:
    whole = RING.expand_uniform(SEED, 5, (0, 1))
    np.testing.assert_array_equal(RING.expand_uniform(SEED, 5, (1,))[0], whole[1])
    assert (RING.expand_uniform(SEED, 6, (0,))[0] != whole[0]).mean() > 0.99


def test_ternary_is_even_among_three() -> None:
    values, counts = np.unique(RING.sample_ternary(SEED, 0), return_counts=True)
    assert values.tolist() == [-1, 0, 1]
    assert (np.abs(counts - N / 3) < 5 * np.sqrt(N * 2 / 9)).all()


@pytest.mark.parametrize("weight", [1, 64, N // 2])
def test_sparse_ternary_has_its_weight(weight: int) -> None:
    x = RING.sample_sparse_ternary(SEED, 0, weight)
    assert np.abs(x).sum() == weight
    assert np.abs(x).max() == 1
    assert abs(x.sum()) < 5 * np.sqrt(weight) + 1


def test_gaussian_has_its_moments() -> None:
    x = np.concatenate([RING.sample_gaussian(SEED, k) for k in range(16)]).astype(np.float64)
    count = len(x)
    assert abs(x.mean()) < 5 * GAUSSIAN_SIGMA / np.sqrt(count)
    assert abs(x.var() / GAUSSIAN_SIGMA**2 - 1) < 5 * np.sqrt(2 / count)
    assert abs((x**4).mean() / (3 * GAUSSIAN_SIGMA**4) - 1) < 0.1


def test_gaussian_thresholds_are_the_distribution() -> None:
    thresholds = gaussian_thresholds()
    assert list(thresholds) == sorted(set(thresholds))
    density = np.exp(-(np.arange(40) ** 2) / (2 * GAUSSIAN_SIGMA**2)) * np.where(np.arange(40) == 0, 1, 2)
    expected = np.cumsum(density) / density.sum()
    np.testing.assert_allclose(np.array(thresholds[:20]) / 2.0**63, expected[:20], rtol=1e-14)


def test_sampler_never_repeats_and_reproduces_from_a_seed() -> None:
    sampler, again = Sampler(RING, seed=SEED), Sampler(RING, seed=SEED)
    first, second = sampler.gaussian(), sampler.gaussian()
    assert (first != second).any()
    np.testing.assert_array_equal(again.gaussian(), first)
    assert (Sampler(RING).uniform((0,)) != Sampler(RING).uniform((0,))).any()
    assert np.abs(sampler.ternary(32)).sum() == 32
    assert set(np.unique(sampler.ternary())) == {-1, 0, 1}
    assert fresh_seed() != fresh_seed()
    assert SEED.hex() not in repr(sampler)
    assert repr(sampler) == f"Sampler(degree={N})"


def test_bits_are_bits() -> None:
    bits = Sampler(RING).bits(1001)
    assert bits.shape == (1001,)
    assert set(np.unique(bits)) == {0, 1}


@pytest.mark.parametrize("name", ["reference", "native"])
def test_what_is_refused(name: str) -> None:
    ring = engine(name).ring(64, ntt_primes(40, 1, 64))
    with pytest.raises(InvalidInput, match="32 bytes"):
        ring.sample_gaussian(b"short", 0)
    with pytest.raises(InvalidInput, match="32 bytes"):
        ring.expand_uniform(SEED, 1 << 64, (0,))
    with pytest.raises(ParameterRefused, match="Hamming weight 33"):
        ring.sample_sparse_ternary(SEED, 0, 33)
    with pytest.raises(InvalidInput, match="this one 5"):
        Sampler(ring, seed=b"short")
