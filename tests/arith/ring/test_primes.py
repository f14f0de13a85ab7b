"""NTT primes and roots of unity."""

from __future__ import annotations

import pytest

from vortex_crypto.arith.ring import engine
from vortex_crypto.arith.ring.primes import ntt_primes, ntt_primes_below, primitive_root
from vortex_crypto.errors import ParameterRefused


@pytest.mark.parametrize("bits", [20, 40, 50, 60])
def test_primes_are_near_and_fit_the_degree(bits: int) -> None:
    primes = ntt_primes(bits, 4, 1024)
    assert len(set(primes)) == 4
    assert all(q % 2048 == 1 and abs(q - (1 << bits)) < 1 << (bits - 1) for q in primes)
    distances = [abs(q - (1 << bits)) for q in primes]
    assert distances == sorted(distances)


def test_primes_below_a_word_and_without_those_taken() -> None:
    first = ntt_primes_below(50, 3, 1 << 15)
    second = ntt_primes_below(50, 3, 1 << 15, avoid=first)
    assert not set(first) & set(second)
    assert all(q < 1 << 50 for q in first + second)
    assert min(first) > max(second)


@pytest.mark.parametrize("modulus", ntt_primes(30, 2, 64) + ntt_primes_below(61, 2, 64))
def test_root_has_its_order_and_squares_to_the_root_below(modulus: int) -> None:
    root = primitive_root(modulus, 128)
    assert pow(root, 64, modulus) == modulus - 1
    assert primitive_root(modulus, 64) == root * root % modulus


def test_what_is_refused() -> None:
    with pytest.raises(ParameterRefused, match="NTT primes of 62 bits"):
        ntt_primes(62, 1, 1024)
    with pytest.raises(ParameterRefused, match="fewer than 99"):
        ntt_primes(14, 99, 1024)
    with pytest.raises(ParameterRefused, match="no root of unity"):
        primitive_root(97, 64)
    with pytest.raises(ParameterRefused, match="ring degree 48"):
        engine("reference").ring(48, (97,))
    with pytest.raises(ParameterRefused, match="is not a prime"):
        engine("reference").ring(16, (33,))
    with pytest.raises(ParameterRefused, match="distinct primes"):
        engine("reference").ring(16, (97, 97))
    with pytest.raises(ParameterRefused, match="no ring engine"):
        engine("abacus")
