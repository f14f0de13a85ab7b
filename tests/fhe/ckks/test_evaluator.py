"""Every operation of the evaluator against NumPy, on every engine, with the scales it promises."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fhe.ckks.conftest import LITERAL, STEPS, Party, party
from vortex_crypto.errors import InvalidInput, MissingKey, OutOfLevels
from vortex_crypto.fhe.ckks.ciphertext import same_scale
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.keys import KeyNeeds
from vortex_crypto.fhe.ckks.switching import EvaluationKeys
from vortex_crypto.fhe.params import ParametersLiteral

FRESH, COMPUTED = 2.0**-24, 2.0**-20


def close(got: np.ndarray, wanted: np.ndarray, tolerance: float = COMPUTED) -> None:
    assert np.abs(got - wanted).max() < tolerance


def test_secret_key_encryption_round_trips_at_every_level(toy: Party, slots: np.ndarray) -> None:
    for level in range(toy.context.parameters.max_level + 1):
        close(toy.decrypt(toy.encrypt(slots, level)), slots, FRESH)


def test_public_key_encryption_round_trips(toy: Party, slots: np.ndarray) -> None:
    key = toy.generator.public_key(toy.secret, 3)
    for level in (3, 1):
        close(toy.decrypt(toy.encryptor.encrypt_public(key, slots, level)), slots, 2.0**-20)
    with pytest.raises(InvalidInput, match="levels up to 3"):
        toy.encryptor.encrypt_public(key, slots, 4)


@pytest.mark.parametrize("count", [1, 2, 4, 16, 64])
def test_short_vectors_are_replicated(toy: Party, count: int) -> None:
    values = np.linspace(-1, 1, count) if count > 1 else np.array([0.5])
    ciphertext = toy.encrypt(values)
    close(toy.decrypt(ciphertext), np.tile(values, toy.context.slots // count), FRESH)
    close(toy.decrypt(ciphertext, count), values, FRESH)


def test_sums(toy: Party, slots: np.ndarray) -> None:
    other = slots[::-1].copy()
    a, b = toy.encrypt(slots), toy.encrypt(other)
    ev = toy.evaluator
    close(toy.decrypt(ev.add(a, b)), slots + other, FRESH)
    close(toy.decrypt(ev.sub(a, b)), slots - other, FRESH)
    close(toy.decrypt(ev.negate(a)), -slots, FRESH)
    close(toy.decrypt(ev.add_plain(a, other)), slots + other, FRESH)
    close(toy.decrypt(ev.add_plain(a, 0.25)), slots + 0.25, FRESH)
    close(toy.decrypt(ev.add_plain(a, 0.25j)), slots + 0.25j, FRESH)


def test_products_land_on_the_canonical_scale(toy: Party, slots: np.ndarray) -> None:
    other = slots[::-1].copy()
    a, b = toy.encrypt(slots), toy.encrypt(other)
    ev, parameters = toy.evaluator, toy.context.parameters
    product = ev.mul(a, b)
    assert product.parts.shape[0] == 3
    close(toy.decrypt(product), slots * other)
    for got, wanted in [
        (ev.relinearize(product), slots * other),
        (ev.relinearize(ev.square(a)), slots**2),
        (ev.mul_plain(a, other), slots * other),
        (ev.mul_plain(a, 0.3), slots * 0.3),
        (ev.mul_plain(a, 0.3 - 0.7j), slots * (0.3 - 0.7j)),
        (ev.mul_plain(a, np.array([0.5, -0.25])), slots * np.tile([0.5, -0.25], slots.size // 2)),
    ]:
        assert same_scale(got.scale, parameters.pending_scale(a.level))
        done = ev.rescale(got)
        assert same_scale(done.scale, parameters.scale(a.level - 1))
        close(toy.decrypt(done), wanted)


def test_sums_of_pending_products_with_two_and_three_parts(toy: Party, slots: np.ndarray) -> None:
    a = toy.encrypt(slots)
    ev = toy.evaluator
    squared, scaled = ev.square(a), ev.mul_plain(a, 0.5)
    close(toy.decrypt(ev.rescale(ev.relinearize(ev.add(scaled, squared)))), slots**2 + 0.5 * slots)
    close(toy.decrypt(ev.rescale(ev.relinearize(ev.sub(scaled, squared)))), 0.5 * slots - slots**2)


def test_exact_multiples(toy: Party, slots: np.ndarray) -> None:
    a = toy.encrypt(slots)
    close(toy.decrypt(toy.evaluator.mul_integer(a, -3)), -3 * slots)
    close(toy.decrypt(toy.evaluator.multiply_by_i(a)), 1j * slots, FRESH)


def test_a_combination_is_the_sum_of_its_terms(toy: Party, slots: np.ndarray) -> None:
    ev, level = toy.evaluator, 3
    terms = [(toy.encrypt(slots, level), 0.75), (toy.encrypt(slots**2, level), -2.5), (toy.encrypt(slots, 5), 2.0**-40)]
    lowered = [(a.at_level(level), value) for a, value in terms]
    scale = toy.context.parameters.pending_scale(level)
    rows = [([value for _, value in terms], scale), ([1.0, 0.0, 0.5], scale / 2)]
    got, other = ev.combine([a for a, _ in lowered], rows)
    single = [ev.mul_constant(a, value, scale) for a, value in lowered]
    np.testing.assert_array_equal(got.parts, ev.add(ev.add(single[0], single[1]), single[2]).parts)
    close(toy.decrypt(ev.rescale(got)), 0.75 * slots - 2.5 * slots**2)
    close(toy.decrypt(ev.rescale(other)), 1.5 * slots)
    assert other.scale == scale / 2


def test_relinearising_and_rescaling_at_once_is_both_with_one_rounding(toy: Party, slots: np.ndarray) -> None:
    ev = toy.evaluator
    product = ev.square(toy.encrypt(slots))
    both, after = ev.relinearize_rescale(product), ev.rescale(ev.relinearize(product))
    assert both.scale == after.scale
    assert both.level == after.level
    close(toy.decrypt(both), slots**2)
    close(toy.decrypt(both) - toy.decrypt(after), np.zeros_like(slots))
    linear = toy.encrypt(slots)
    np.testing.assert_array_equal(ev.relinearize_rescale(linear).parts, ev.rescale(linear).parts)
    with pytest.raises(OutOfLevels):
        ev.relinearize_rescale(ev.square(toy.encrypt(slots, 0)))


def test_a_chain_of_squares_keeps_exact_scales(toy: Party) -> None:
    values = np.linspace(-1, 1, toy.context.slots)
    x, wanted = toy.encrypt(values), values.astype(complex)
    for _ in range(toy.context.parameters.max_level):
        x = toy.evaluator.rescale(toy.evaluator.relinearize(toy.evaluator.square(x)))
        wanted = wanted**2
        assert same_scale(x.scale, toy.context.scale(x.level))
    close(toy.decrypt(x), wanted, 2.0**-18)


def test_drop_level_lands_on_the_canonical_scale(toy: Party, slots: np.ndarray) -> None:
    a = toy.encrypt(slots)
    for level in range(a.level + 1):
        dropped = toy.evaluator.drop_level(a, level)
        assert dropped.level == level
        assert same_scale(dropped.scale, toy.context.scale(level))
        close(toy.decrypt(dropped), slots)
    with pytest.raises(OutOfLevels):
        toy.evaluator.drop_level(toy.encrypt(slots, 2), 3)


@pytest.mark.parametrize("level", [6, 4, 1, 0])
def test_rotations(toy: Party, slots: np.ndarray, level: int) -> None:
    a = toy.encrypt(slots, level)
    hoisted = toy.evaluator.hoist(a)
    for step in (0, *STEPS):
        close(toy.decrypt(toy.evaluator.rotate(a, step)), np.roll(slots, -step))
        close(toy.decrypt(toy.evaluator.rotate_hoisted(hoisted, step)), np.roll(slots, -step))
    close(toy.decrypt(toy.evaluator.conjugate(a)), slots.conj())


@pytest.mark.parametrize("digits", [None, 3, 7])
def test_any_number_of_digits_will_do(engine_name: str, digits: int | None) -> None:
    literal = ParametersLiteral(8, (45, *[35] * 6), (50,) * (4 if digits is None else 3), 35, digits=digits)
    toy = party(engine_name, literal, (5,))
    values = np.linspace(-1, 1, toy.context.slots)
    for level in (6, 3, 0):
        close(toy.decrypt(toy.evaluator.rotate(toy.encrypt(values, level), 5)), np.roll(values, -5))


def test_inner_sum(toy: Party, slots: np.ndarray) -> None:
    wanted = sum(np.roll(slots, -4 * j) for j in range(16))
    close(toy.decrypt(toy.evaluator.inner_sum(toy.encrypt(slots), 16, 4)), wanted, 2.0**-16)


def test_missing_and_too_low_keys_are_named(toy: Party, slots: np.ndarray) -> None:
    a = toy.encrypt(slots)
    with pytest.raises(MissingKey, match="Galois element"):
        toy.evaluator.rotate(a, 7)
    with pytest.raises(MissingKey, match="relinearisation"):
        Evaluator(toy.context).relinearize(toy.evaluator.square(a))
    product, _ = toy.generator.evaluation_keys(toy.secret, KeyNeeds(2))
    assert product is not None
    low = Evaluator(toy.context, EvaluationKeys(product.expand(toy.context)))
    with pytest.raises(MissingKey, match="serves levels up to 2; level 6"):
        low.relinearize(low.square(a))
    small = toy.encrypt(slots, 2)
    close(toy.decrypt(low.rescale(low.relinearize(low.square(small)))), slots**2)


def test_what_breaks_the_rules_is_refused(toy: Party, slots: np.ndarray) -> None:
    a, low = toy.encrypt(slots), toy.encrypt(slots, 0)
    ev = toy.evaluator
    with pytest.raises(ValueError, match="a sum of scales"):
        ev.add(a, ev.square(a))
    with pytest.raises(ValueError, match="relinearised before it is multiplied"):
        ev.mul(ev.square(a), a)
    with pytest.raises(ValueError, match="relinearised before it is turned"):
        ev.rotate(ev.square(a), 1)
    with pytest.raises(ValueError, match="cannot be read at level 6"):
        low.at_level(6)
    with pytest.raises(OutOfLevels):
        ev.rescale(low)
    with pytest.raises(OutOfLevels):
        ev.mul_plain(low, 0.5)
    for values in (np.ones(3), np.ones(2 * a.parts.shape[-1]), [np.nan, 1.0], np.ones((2, 2)), []):
        with pytest.raises(InvalidInput):
            toy.encrypt(values)


def test_shared_results_can_be_flooded_or_rounded(toy: Party) -> None:
    values = np.full(toy.context.slots, 0.123456789)
    a = toy.encrypt(values)
    flooded = toy.encryptor.decrypt(toy.secret, a, values.size, flooding=0.01)
    assert 0.005 < np.std(flooded.real) < 0.02
    rounded = toy.encryptor.decrypt(toy.secret, a, values.size, rounding=10)
    assert set(rounded) == {round(0.123456789 * 1024) / 1024}


def test_secrets_stay_out_of_reprs(toy: Party) -> None:
    assert repr(toy.secret) == f"SecretKey(degree={toy.context.parameters.ring_degree})"
    assert LITERAL.secret == "ternary"
