"""Algebraic laws of the ring kernels, and the transform against a foreign implementation."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import galois
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vortex_crypto.arith.ring import RingKernels, engine
from vortex_crypto.arith.ring.primes import ntt_primes, ntt_primes_below, primitive_root

N = 128
Q = ntt_primes(40, 3, N) + ntt_primes_below(61, 1, N)
P = ntt_primes_below(50, 2, N)
BASIS, SPECIAL = (0, 1, 2, 3), (4, 5)

streams = st.integers(0, (1 << 64) - 1)
odd = st.integers(0, N - 1).map(lambda k: 2 * k + 1)
names = st.sampled_from(["reference", "native"])


@lru_cache(maxsize=2)
def ring(name: str) -> RingKernels:
    return engine(name).ring(N, Q + P)


def draw(name: str, stream: int, basis: tuple[int, ...] = BASIS) -> np.ndarray:
    return ring(name).expand_uniform(bytes(32), stream, basis)


def integers(x: np.ndarray, basis: tuple[int, ...]) -> list[int]:
    """The centred integers that residues [limbs, N] stand for."""
    primes = [(Q + P)[i] for i in basis]
    whole = prod(primes)
    sums = [0] * x.shape[-1]
    for row, q in zip(x, primes, strict=True):
        weight = whole // q * pow(whole // q, -1, q)
        sums = [s + int(r) * weight for s, r in zip(sums, row, strict=True)]
    return [(s + whole // 2) % whole - whole // 2 for s in sums]


@given(names, streams, streams, st.integers())
def test_ntt_is_linear(name: str, s: int, t: int, scalar: int) -> None:
    r, a, b = ring(name), draw(name, s), draw(name, t)
    left = r.ntt(r.add(r.multiply_scalar(a, scalar, BASIS), b, BASIS), BASIS)
    right = r.add(r.multiply_scalar(r.ntt(a, BASIS), scalar, BASIS), r.ntt(b, BASIS), BASIS)
    np.testing.assert_array_equal(left, right)


@given(names, streams, streams)
def test_products_in_ntt_form_are_negacyclic_convolutions(name: str, s: int, t: int) -> None:
    r, a, b = ring(name), draw(name, s), draw(name, t)
    product = r.intt(r.multiply(r.ntt(a, BASIS), r.ntt(b, BASIS), BASIS), BASIS)
    for limb, q in enumerate(Q):
        full = np.convolve(a[limb].astype(object), b[limb].astype(object))
        folded = [(int(full[k]) - (int(full[k + N]) if k + N < len(full) else 0)) % q for k in range(N)]
        assert [int(v) for v in product[limb]] == folded


@given(names, streams, odd, odd)
def test_automorphisms_compose_and_commute_with_the_transform(name: str, s: int, g: int, h: int) -> None:
    r, a = ring(name), draw(name, s)
    twice = r.automorphism(r.automorphism(a, g, BASIS), h, BASIS)
    np.testing.assert_array_equal(twice, r.automorphism(a, g * h % (2 * N), BASIS))
    through = r.ntt(r.automorphism(a, g, BASIS, ntt=False), BASIS)
    np.testing.assert_array_equal(through, r.automorphism(r.ntt(a, BASIS), g, BASIS))


@given(names, streams)
def test_mod_down_undoes_a_multiplication_by_the_special_primes(name: str, s: int) -> None:
    r, a = ring(name), draw(name, s)
    raised = np.concatenate([r.multiply_scalar(a, prod(P), BASIS), np.zeros((len(P), N), dtype=np.uint64)])
    np.testing.assert_array_equal(r.mod_down(raised, BASIS + SPECIAL, len(P)), a)


@given(names, streams)
def test_mod_down_rounds_to_the_nearest_integer(name: str, s: int) -> None:
    r, whole = ring(name), BASIS + SPECIAL
    a = draw(name, s, whole)
    got = integers(r.intt(r.mod_down(r.ntt(a, whole), whole, 2), BASIS), BASIS)
    divisor, modulus = prod(P), prod(Q) * prod(P)
    for value, rounded in zip(integers(a, whole), got, strict=True):
        left = (value - rounded * divisor + modulus // 2) % modulus - modulus // 2
        assert 2 * abs(left) <= divisor


@given(names, streams)
def test_exact_extension_keeps_the_centred_integer(name: str, s: int) -> None:
    r, a = ring(name), draw(name, s)
    extended = r.extend(a, BASIS, SPECIAL)
    for limb, p in enumerate(P):
        assert [v % p for v in integers(a, BASIS)] == [int(v) for v in extended[limb]]


@given(names, streams)
def test_approximate_extension_is_off_by_few_multiples_of_the_modulus(name: str, s: int) -> None:
    r, a = ring(name), draw(name, s)
    extended = r.extend(a, BASIS, SPECIAL, exact=False)
    allowed = [k * prod(Q) for k in range(-1, len(Q) + 1)]
    values, p = integers(a, BASIS), P[0]
    assert all(int(got) in {(v + k) % p for k in allowed} for v, got in zip(values, extended[0], strict=True))


@given(names, streams, streams)
def test_digits_recombine(name: str, s: int, t: int) -> None:
    """sum_j digit_j * (Q / Q_j) ((Q / Q_j)^-1 mod Q_j) = x modulo Q: what key switching rests on."""
    r, x = ring(name), draw(name, s)
    digits = ((0, 1), (2, 3))
    lifted = r.decompose(x, digits, SPECIAL)[:, : len(BASIS)]
    total = np.zeros_like(x)
    for j, digit in enumerate(digits):
        part = prod(Q[i] for i in digit)
        others = prod(Q) // part
        total = r.add(total, r.multiply_scalar(lifted[j], others * pow(others, -1, part), BASIS), BASIS)
    np.testing.assert_array_equal(total, x)


@given(names, streams, streams, odd)
def test_hoisting_is_key_switching_of_the_rotated_polynomial(name: str, s: int, t: int, g: int) -> None:
    r, x, whole = ring(name), draw(name, s), BASIS + SPECIAL
    digits = ((0, 1), (2, 3))
    key = np.stack([draw(name, (t + k) % (1 << 64), whole) for k in range(4)]).reshape(2, 2, len(whole), N)
    lifted = r.decompose(x, digits, SPECIAL)
    hoisted = r.mod_down(r.key_switch_inner(lifted, key, whole, whole, galois_element=g), whole, len(SPECIAL))
    np.testing.assert_array_equal(hoisted, r.key_switch(x, key, digits, SPECIAL, whole, galois_element=g))


@given(names, streams, streams)
def test_a_key_switch_that_drops_a_prime_differs_from_a_rescale_after_it_by_its_rounding(
    name: str, s: int, t: int
) -> None:
    r, x, whole = ring(name), draw(name, s), BASIS + SPECIAL
    digits = ((0, 1), (2, 3))
    key = np.stack([draw(name, (t + k) % (1 << 64), whole) for k in range(4)]).reshape(2, 2, len(whole), N)
    added = np.stack([x, x])
    together = r.key_switch(x, key, digits, SPECIAL, whole, addend=added, drop=1)
    apart = r.mod_down(r.key_switch(x, key, digits, SPECIAL, whole, addend=added), BASIS, 1)
    low = BASIS[:-1]
    difference = integers(r.intt(r.sub(together, apart, low), low)[0], low)
    assert max(abs(int(d)) for d in difference) <= 1


@given(names, st.integers(0, 2**32), st.integers(0, 6))
def test_special_ffts_invert_and_evaluate_the_polynomial(name: str, seed: int, log_slots: int) -> None:
    r, n = ring(name), 1 << log_slots
    rng = np.random.default_rng(seed)
    w = rng.normal(size=n) + 1j * rng.normal(size=n)
    z = r.special_fft(w)
    assert np.abs(r.special_ifft(z) - w).max() < 1e-13
    zeta = np.exp(2j * np.pi / (4 * n))
    for j in {0, 1 % n, n - 1}:
        assert abs(z[j] - np.sum(w * zeta ** (pow(5, j, 4 * n) * np.arange(n) % (4 * n)))) < 1e-11
    extended = r.special_fft_extended(np.stack([w, np.zeros_like(w)]))
    assert np.abs(extended.sum(axis=0) - z).max() < 1e-12
    back = r.special_ifft_extended(extended)
    assert np.abs((back[0] - w) + back[1]).max() < 1e-28


@given(names, st.lists(st.integers(-(2**118), 2**118), min_size=N, max_size=N))
def test_rounding_and_lifting_are_inverse_up_to_double_doubles(name: str, values: list[int]) -> None:
    r = ring(name)
    high = np.array([float(v) for v in values])
    low = np.array([float(v - int(h)) for v, h in zip(values, high, strict=True)])
    exact = [int(h) + int(lo) for h, lo in zip(high, low, strict=True)]
    residues = r.round_to_residues(high, low, (1.0, 0.0), BASIS)
    assert integers(residues, BASIS) == exact
    lifted_high, lifted_low = r.lift_to_floats(residues, BASIS)
    np.testing.assert_array_equal(lifted_high, high)
    np.testing.assert_array_equal(lifted_low, low)


@pytest.mark.parametrize("name", ["reference", "native"])
def test_ntt_against_galois(name: str) -> None:
    """The negacyclic transform is a cyclic one of psi^i x_i, in bit-reversed order (galois 0.4)."""
    q = ntt_primes(28, 1, N)[0]  # within galois' fast integer types
    r = engine(name).ring(N, (q,))
    x = np.arange(1, N + 1, dtype=np.uint64) * np.uint64(123456789) % np.uint64(q)
    psi = primitive_root(q, 2 * N)
    twisted = [int(v) * pow(psi, i, q) % q for i, v in enumerate(x)]
    field = galois.GF(q)
    evaluations = galois.Poly(field(twisted[::-1]))(field([pow(psi, 2 * k, q) for k in range(N)]))
    order = [int(f"{j:07b}"[::-1], 2) for j in range(N)]
    assert [int(v) for v in r.ntt(x[None], (0,))[0]] == [int(evaluations[k]) for k in order]
