"""The noise that is had against the noise that theory says: fresh, switched, rescaled, of encoding."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.fhe.ckks.conftest import LITERAL, Party, party
from vortex_crypto.arith.ring import embedding
from vortex_crypto.arith.sampling import Sampler
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.keys import KeyGenerator
from vortex_crypto.fhe.security import ERROR_DEVIATION

BIG = replace(LITERAL, log_n=10)


def noise(toy: Party, ciphertext: Ciphertext, values: np.ndarray) -> np.ndarray:
    """The integer error of every coefficient: phase minus encoding, for levels whose modulus doubles hold."""
    context = toy.context
    low = ciphertext.at_level(min(ciphertext.level, 1))
    basis, ring = context.basis(low.level), context.ring
    phase = toy.encryptor.phase(toy.secret, low)
    plain = toy.evaluator.encoder.encode(values, low.scale, basis).expanded(ring.degree)
    high, rest = ring.lift_to_floats(ring.intt(ring.sub(phase, plain, basis), basis), basis)
    return np.asarray(high + rest)


@pytest.fixture(scope="module")
def big() -> Party:
    return party("reference", BIG, (1,))


@pytest.fixture(scope="module")
def values(big: Party) -> np.ndarray:
    return np.random.default_rng(4).uniform(-1, 1, big.context.slots)


def assert_deviation(measured: np.ndarray, wanted: float, tolerance: float = 0.15) -> None:
    assert abs(measured.mean()) < 6 * wanted / math.sqrt(measured.size)
    assert measured.std() == pytest.approx(wanted, rel=tolerance)


@pytest.mark.parametrize("wrong", [1.3, 0.7], ids=["larger", "smaller"])
def test_a_deviation_that_is_wrong_is_seen(big: Party, values: np.ndarray, wrong: float) -> None:
    """Errors of another size, or off zero, fail the checks of this file: they are no empty ceremony."""
    measured = noise(big, big.encrypt(values), values)  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        assert_deviation(wrong * measured, ERROR_DEVIATION)
    with pytest.raises(AssertionError):
        assert_deviation(measured + ERROR_DEVIATION, ERROR_DEVIATION)


def test_weak_errors_are_seen(big: Party, values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encryptor or a key generator that leaves its errors out, or makes them ternary, is caught here."""
    sampler = Sampler(big.context.ring)
    nothing = np.zeros(big.context.parameters.ring_degree, np.int64)
    for weak in (lambda: nothing, sampler.ternary):
        monkeypatch.setattr(sampler, "gaussian", weak)
        encryptor = Encryptor(big.context, sampler=sampler)
        measured = noise(big, encryptor.encrypt(big.secret, values, 1).expand(big.context), values)
        with pytest.raises(AssertionError):
            assert_deviation(measured, ERROR_DEVIATION)
        generator = KeyGenerator(big.context, sampler=sampler)
        assert np.abs(key_errors(big, generator)).max() <= 1
    assert_deviation(key_errors(big, KeyGenerator(big.context)), ERROR_DEVIATION)


def key_errors(toy: Party, generator: KeyGenerator) -> np.ndarray:
    """The integer errors in a Galois key: b_0 + a_0 s modulo the first special prime, where there is no message."""
    context, prime = toy.context, toy.context.moduli[toy.context.special[0]]
    rows = generator.galois_key(toy.secret, 5, 1).expand(context).rows[0, :, 2:3]
    basis = context.special[:1]
    phase = context.ring.multiply_add(rows[1], toy.secret.ntt(context, basis), rows[0], basis)
    found = context.ring.intt(phase, basis)[0].astype(np.int64)
    return np.where(found > prime // 2, found - prime, found)


@pytest.mark.parametrize("log_scale", [30, 40, 60])
def test_the_encoders_error_is_uniform_rounding(big: Party, values: np.ndarray, log_scale: int) -> None:
    """Each coefficient is off by a uniform of [-1/2, 1/2]: variance 1/12, and nothing beyond a half."""
    context, scale = big.context, Fraction(1 << log_scale)
    basis, degree = context.basis(4), big.context.ring.degree
    residues = big.evaluator.encoder.encode(values, scale, basis).expanded(degree)
    high, low = context.ring.lift_to_floats(context.ring.intt(residues, basis), basis)
    exact = embedding.special_ifft_extended(np.stack([values.astype(complex), np.zeros(values.size, complex)]))
    parts = [np.concatenate([part.real, part.imag]) for part in exact]
    off = (high - parts[0] * 2.0**log_scale) + (low - parts[1] * 2.0**log_scale)
    assert np.abs(off).max() <= 0.5 + 2.0 ** (log_scale - 50)
    assert off.std() == pytest.approx(math.sqrt(1 / 12), rel=0.1)


def secret_weight(toy: Party) -> float:
    return float(np.abs(toy.secret.coefficients).sum())


def test_fresh_secret_key_noise_is_the_error_distribution(big: Party, values: np.ndarray) -> None:
    measured = noise(big, big.encrypt(values), values)  # type: ignore[arg-type]
    assert_deviation(measured, ERROR_DEVIATION)
    assert np.abs(measured).max() < 6.5 * ERROR_DEVIATION


def test_fresh_public_key_noise(big: Party, values: np.ndarray) -> None:
    key = big.generator.public_key(big.secret, 1)
    measured = noise(big, big.encryptor.encrypt_public(key, values, 1), values)
    blind, weight = 2 * big.context.parameters.ring_degree / 3, secret_weight(big)
    assert_deviation(measured, ERROR_DEVIATION * math.sqrt(1 + blind + weight))


def test_masks_and_errors_are_fresh_each_time(big: Party, values: np.ndarray) -> None:
    first, second = (big.encryptor.encrypt(big.secret, values, 1) for _ in range(2))
    assert first.seed != second.seed
    assert not np.array_equal(first.half, second.half)
    a, b = (Encryptor(big.context).encrypt(big.secret, values, 1) for _ in range(2))
    errors = [noise(big, each.expand(big.context), values) for each in (a, b)]
    assert abs(np.corrcoef(*errors)[0, 1]) < 0.2


def test_rescaling_adds_the_rounding_of_two_polynomials(big: Party, values: np.ndarray) -> None:
    scaled = big.evaluator.mul_constant(
        big.encrypt(values, 2),
        1,
        big.context.parameters.pending_scale(2),  # type: ignore[arg-type]
    )
    measured = noise(big, big.evaluator.rescale(scaled), values)
    carried = ERROR_DEVIATION**2
    assert_deviation(measured, math.sqrt(carried + (1 + secret_weight(big)) / 12))


def test_key_switching_adds_digits_times_errors_over_the_special_primes(big: Party, values: np.ndarray) -> None:
    context, level = big.context, 6
    turned = big.evaluator.rotate(big.encrypt(values, level), 1)  # type: ignore[arg-type]
    measured = noise(big, turned, np.roll(values, -1))
    q, size = context.parameters.chain, context.parameters.digit_size
    digits = [math.prod(q[i : min(i + size, level + 1)]) for i in range(0, level + 1, size)]
    lifted = sum((digit / context.special_product) ** 2 / 12 for digit in digits)
    switched = context.parameters.ring_degree * ERROR_DEVIATION**2 * lifted
    rounding = (1 + secret_weight(big)) / 12
    assert_deviation(measured, math.sqrt(ERROR_DEVIATION**2 + switched + rounding))


@pytest.mark.parametrize("log_scale", [30, 40, 60, 90])
def test_encoding_rounds_to_the_nearest_integer_at_every_scale(big: Party, values: np.ndarray, log_scale: int) -> None:
    context = big.context
    basis, scale = context.basis(4), Fraction(1 << log_scale)
    plain = big.evaluator.encoder.encode(values, scale, basis).expanded(context.ring.degree)
    decoded = big.evaluator.encoder.decode(plain, basis, scale, values.size)
    rounding = math.sqrt(context.ring.degree / 12) / 2.0**log_scale
    assert np.abs(decoded - values).std() < 2 * rounding + 2.0**-49


def test_the_noise_of_repetitions_averages_out(big: Party) -> None:
    few = np.array([0.5, -0.5, 0.25, 1.0])
    errors = [np.abs(big.decrypt(big.encrypt(few), slots) - np.tile(few, slots // 4)) for slots in (4, 512)]
    assert errors[0].mean() * 4 < errors[1].mean()
