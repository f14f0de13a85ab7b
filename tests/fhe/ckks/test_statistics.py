"""The noise that is had against the noise that theory says: fresh, switched, rescaled, of encoding."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.fhe.ckks.conftest import LITERAL, Party, party
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.encryption import Encryptor
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
    from fractions import Fraction

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
