"""Bootstrapping at toy sizes, on every engine, through the code that large ones run."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from vortex_crypto.arith.ring import embedding
from vortex_crypto.arith.sampling import Sampler
from vortex_crypto.errors import InsecureParameters, MissingKey, OutOfLevels, ParameterRefused
from vortex_crypto.fhe.ckks import dft, factors
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapper, Bootstrapping, EncapsulationKeys
from vortex_crypto.fhe.ckks.ciphertext import same_scale
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.eval_mod import EvalMod
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.keys import KeyGenerator, KeyNeeds, SecretKey
from vortex_crypto.fhe.ckks.sets import N15, N16, BootstrapSet
from vortex_crypto.fhe.ckks.switching import CompressedKey, EvaluationKeys
from vortex_crypto.fhe.params import ParametersLiteral, check

SINE, ARCSINE = EvalMod(), EvalMod(arcsine=7, log_ratio=4)


def literal(eval_mod: EvalMod, log_n: int = 8, secret: int = 64, *, slots_first: bool = False) -> ParametersLiteral:
    above = ((40,) if slots_first else (39,) * 3) + (60,) * eval_mod.depth + (56,) * 4
    return ParametersLiteral(
        log_n, (60, 40, 40, 40, 40), (61,) * 5, 40, secret=secret, log_bootstrap=above, ephemeral_weight=32
    )


@lru_cache(maxsize=8)
def setting(
    engine_name: str, slots: int, eval_mod: EvalMod, slots_first: bool = False
) -> tuple[Bootstrapper, Evaluator, EncapsulationKeys, Encryptor, SecretKey]:
    parameters = check(literal(eval_mod, slots_first=slots_first), insecure=True)
    context = Context(parameters, engine_name=engine_name)
    sampler = Sampler(context.ring, seed=bytes(32))
    bootstrapper = Bootstrapper(context, Bootstrapping(slots, eval_mod=eval_mod, slots_first=slots_first))
    generator = KeyGenerator(context, sampler=sampler)
    secret = generator.secret_key()
    needs = KeyNeeds(bootstrapper.relinearisation_level, bootstrapper.galois_levels)
    product, galois = generator.evaluation_keys(secret, needs)
    assert product is not None
    keys = EvaluationKeys(product.expand(context), {g: key.expand(context) for g, key in galois.items()})
    to_sparse, to_dense = generator.encapsulation_keys(secret)
    encapsulation = EncapsulationKeys(to_sparse.expand(context, special=context.special[:1]), to_dense.expand(context))
    return bootstrapper, Evaluator(context, keys), encapsulation, Encryptor(context, sampler=sampler), secret


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize(
    ("slots", "eval_mod", "bits"),
    [(128, SINE, 17), (16, SINE, 15), (128, ARCSINE, 20)],
    ids=["full", "sparse", "arcsine"],
)
def test_bootstrapping_gives_the_levels_back(
    fast_engine: str, slots: int, eval_mod: EvalMod, bits: int, level: int
) -> None:
    assert_bootstraps(fast_engine, slots, eval_mod, bits, level)


def test_the_definition_bootstraps_too() -> None:
    assert_bootstraps("reference", 16, SINE, 15, 1)


@pytest.mark.parametrize(("slots", "level"), [(128, 3), (128, 4), (16, 4)])
@pytest.mark.parametrize(("eval_mod", "bits"), [(SINE, 14), (ARCSINE, 18)], ids=["sine", "arcsine"])
def test_slots_may_come_first(fast_engine: str, slots: int, level: int, eval_mod: EvalMod, bits: int) -> None:
    assert_bootstraps(fast_engine, slots, eval_mod, bits, level, slots_first=True)
    bootstrapper, evaluator, keys, encryptor, secret = setting(fast_engine, slots, eval_mod, True)
    low = encryptor.encrypt(secret, np.ones(slots), bootstrapper.settings.lowest_level - 1).expand(bootstrapper.context)
    with pytest.raises(OutOfLevels):
        bootstrapper.run(evaluator, keys, low)


def assert_bootstraps(
    engine_name: str, slots: int, eval_mod: EvalMod, bits: int, level: int, *, slots_first: bool = False
) -> None:
    bootstrapper, evaluator, keys, encryptor, secret = setting(engine_name, slots, eval_mod, slots_first)
    rng = np.random.default_rng(slots)
    values = rng.uniform(-0.7, 0.7, slots) + 1j * rng.uniform(-0.7, 0.7, slots)
    x = encryptor.encrypt(secret, values, level).expand(bootstrapper.context)
    y = bootstrapper.run(evaluator, keys, x)
    assert y.level == bootstrapper.context.parameters.max_level
    assert same_scale(y.scale, bootstrapper.context.scale(y.level))
    errors = np.abs(encryptor.decrypt(secret, y, slots) - values)
    assert -math.log2(errors.mean()) > bits
    product = evaluator.rescale(evaluator.relinearize(evaluator.square(y)))
    assert np.abs(encryptor.decrypt(secret, product, slots) - values**2).max() < 2.0 ** (2 - bits)


@pytest.mark.parametrize("level", [0, 2])
def test_bootstrapping_the_error_too_doubles_the_precision(fast_engine: str, level: int) -> None:
    bootstrapper, evaluator, keys, encryptor, secret = setting(fast_engine, 128, SINE)
    values = np.random.default_rng(9).uniform(-0.7, 0.7, 128)
    x = encryptor.encrypt(secret, values, level).expand(bootstrapper.context)
    once = bootstrapper.run(evaluator, keys, x)
    twice = bootstrapper.run_twice(evaluator, keys, x, log_error=12)
    assert twice.level == once.level - 1
    assert same_scale(twice.scale, bootstrapper.context.scale(twice.level))
    bits = [-math.log2(np.abs(encryptor.decrypt(secret, y, 128) - values).mean()) for y in (once, twice)]
    assert bits[1] > bits[0] + 8


def test_what_it_needs_is_counted(fast_engine: str) -> None:
    bootstrapper, evaluator, keys, encryptor, secret = setting(fast_engine, 16, SINE)
    x = encryptor.encrypt(secret, np.ones(16), 0).expand(bootstrapper.context)
    for element in bootstrapper.galois_levels:
        fewer = {g: key for g, key in evaluator.keys.galois.items() if g != element}
        poorer = Evaluator(bootstrapper.context, EvaluationKeys(evaluator.keys.relinearisation, fewer))
        with pytest.raises(MissingKey, match=f"Galois element {element}"):
            bootstrapper.run(poorer, keys, x)


def test_the_modular_reduction_is_right_where_overflows_are_common() -> None:
    for settings, limit, bits in [(SINE, 9, 40), (SINE, 12, 30), (SINE, 16, 15), (ARCSINE, 9, 38)]:
        near = 2.0**-16 * np.cos(np.linspace(0, np.pi, 9))
        x = (np.arange(-limit, limit + 1)[:, None] + near).ravel()
        error = np.abs(settings.in_the_clear(x) - (x - np.round(x))).max()
        assert -math.log2(error) > bits


@pytest.mark.parametrize("slots", [4, 8, 64])
@pytest.mark.parametrize("factors", [1, 2])
def test_the_factors_multiply_to_the_encoders_transform(slots: int, factors: int) -> None:
    rng = np.random.default_rng(slots)
    w = rng.normal(size=slots) + 1j * rng.normal(size=slots)
    x = z = w[embedding.bit_reversal(slots)]
    for matrix in dft.to_slots(slots, factors):
        z = dft.multiply(matrix, z)
    assert np.allclose(z, embedding.special_fft(w))
    back = z
    for matrix in dft.to_coefficients(slots, factors):
        back = dft.multiply(matrix, back)
    assert np.allclose(back, x)


def test_sparse_packings_split_and_join() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=8) + 1j * rng.normal(size=8)
    (matrix,) = dft.to_coefficients(8, 1)
    wanted = dft.multiply(matrix, x)
    halves = dft.multiply(dft.split_result(matrix), np.tile(x, 2)).real
    assert np.allclose(halves, np.concatenate([wanted.real, wanted.imag]))
    joined = dft.multiply(dft.joined_operand(matrix), np.concatenate([x.real, x.imag]))
    assert np.allclose(joined + np.roll(joined, -8), np.tile(wanted, 2))


def test_failure_is_below_2_to_the_minus_128_at_the_real_size() -> None:
    assert Bootstrapping(1 << 15).log2_failure() == pytest.approx(-138.7, abs=0.1)
    assert Bootstrapping(1 << 15).log2_failure(times=8) == pytest.approx(-135.7, abs=0.1)


@pytest.mark.parametrize(("chosen", "log_qp"), [(N16, 1546), (N15, 763)], ids=["2^16", "2^15"])
def test_real_sets_are_secure_and_one_prime_more_is_not(chosen: BootstrapSet, log_qp: int) -> None:
    parameters = check(chosen.literal)
    assert parameters.log_qp == pytest.approx(log_qp, abs=0.1)
    assert len(parameters.bootstrap_q) == chosen.settings.depth
    assert chosen.settings.log2_failure() < -128
    longer = replace(chosen.literal, log_q=(*chosen.literal.log_q, chosen.literal.log_scale))
    with pytest.raises(InsecureParameters, match="weight 192"):
        check(longer)


@pytest.mark.parametrize(("chosen", "cap"), [(N16, 121), (N15, 84)], ids=["2^16", "2^15"])
def test_the_ephemeral_secret_exists_at_the_lowest_modulus_alone(chosen: BootstrapSet, cap: int) -> None:
    """By numbers at the real sizes: q0 p0 fills the cap of weight 32, and with one bit more it is refused."""
    parameters = check(chosen.literal)
    assert cap - 0.01 < math.log2(parameters.q[0] * parameters.p[0]) < cap
    longer = replace(chosen.literal, log_q=(chosen.literal.log_q[0] + 1, *chosen.literal.log_q[1:]))
    if chosen is N16:  # whose q0 has all the bits a prime may have
        longer = replace(chosen.literal, log_n=15)
    for literal in (longer, replace(chosen.literal, ephemeral_weight=31)):
        with pytest.raises(InsecureParameters, match="ephemeral secret"):
            check(literal)


def test_no_key_is_made_under_the_ephemeral_secret_at_a_larger_modulus(fast_engine: str) -> None:
    """Its one key has the limbs q0 and p0 and no more, decrypts with it alone, and every other decrypts with the main.

    Keys under a secret are told by their residues: b_j + a_j s is small where s is the secret they were made under.
    """
    context = setting(fast_engine, 16, SINE)[0].context
    made: list[SecretKey] = []

    class Watched(KeyGenerator):
        def switching_key(self, source: Any, target: SecretKey, level: int, **options: Any) -> CompressedKey:
            made.append(target)
            return super().switching_key(source, target, level, **options)

    generator = Watched(context, sampler=Sampler(context.ring, seed=bytes([7]) * 32))
    secret = generator.secret_key()
    to_sparse, to_dense = generator.encapsulation_keys(secret)
    sparse = made[0]
    assert [key is secret for key in made] == [False, True]
    assert int(np.abs(sparse.coefficients).sum()) == 32
    assert to_sparse.level == 0
    assert to_sparse.halves.shape == (1, 2, context.parameters.ring_degree)
    assert to_dense.level == context.top_level

    def error(key: CompressedKey, under: SecretKey, special: tuple[int, ...]) -> float:
        rows, basis = key.expand(context, special=special).rows, context.basis(key.level) + special
        phase = context.ring.multiply_add(rows[0, 1], under.ntt(context, basis), rows[0, 0], basis)
        last = context.ring.intt(phase, basis)[-1].astype(np.int64)  # modulo a special prime there is no message
        prime = context.moduli[basis[-1]]
        return float(np.abs(np.where(last > prime // 2, last - prime, last)).max())

    assert error(to_sparse, sparse, context.special[:1]) < 64 < error(to_sparse, secret, context.special[:1])
    assert error(to_dense, secret, context.special) < 64 < error(to_dense, sparse, context.special)
    _, galois = generator.evaluation_keys(secret, KeyNeeds(None, {5: 3}))
    assert error(galois[5], secret, context.special) < 64
    assert made[2:] == [secret]


def test_what_fails_too_often_is_refused_and_what_does_not_is_reported(fast_engine: str) -> None:
    context, settings = setting(fast_engine, 16, SINE)[0].context, Bootstrapping(16)
    each = settings.log2_failure()
    report = Bootstrapper(context, settings, bootstraps=1024).failure
    assert (report.bootstraps, report.log2_each, report.log2_bound) == (1024, each, -128)
    assert report.log2_any == pytest.approx(each + 10)
    with pytest.raises(ParameterRefused, match=r"of 2097152 bootstraps .* 2\^-129\.0 is asked for"):
        Bootstrapper(context, settings, bootstraps=1 << 21, log2_bound=-129)
    with pytest.raises(ParameterRefused, match="bound K"):
        Bootstrapper(context, replace(settings, eval_mod=EvalMod(bound=12)))
    assert Bootstrapper(context, replace(settings, eval_mod=EvalMod(bound=12)), log2_bound=-30).failure.log2_any < -30
    for bootstraps, bound in [(0, -128.0), (1, math.nan)]:
        with pytest.raises(ParameterRefused):
            Bootstrapper(context, settings, bootstraps=bootstraps, log2_bound=bound)


def test_baby_steps_may_differ_from_factor_to_factor(fast_engine: str) -> None:
    bootstrapper, evaluator, keys, encryptor, secret = setting(fast_engine, 128, SINE)
    uneven = Bootstrapper(bootstrapper.context, replace(bootstrapper.settings, babies=(2, 4, 4, 2, 4, 4, 2)))
    assert len(uneven.galois_levels) < len(bootstrapper.galois_levels)
    generator = KeyGenerator(bootstrapper.context)
    _, made = generator.evaluation_keys(secret, KeyNeeds(None, uneven.galois_levels))
    galois = {g: key.expand(bootstrapper.context) for g, key in made.items()}
    fewer = Evaluator(bootstrapper.context, EvaluationKeys(evaluator.keys.relinearisation, galois))
    values = np.random.default_rng(3).uniform(-0.7, 0.7, 128)
    x = encryptor.encrypt(secret, values, 0).expand(bootstrapper.context)
    errors = np.abs(encryptor.decrypt(secret, uneven.run(fewer, keys, x), 128) - values)
    assert -math.log2(errors.mean()) > 17


@lru_cache(maxsize=2)
def real_factors(slots: int) -> tuple[tuple[dft.Matrix, ...], tuple[int, ...]]:
    first, second = dft.to_coefficients(slots, 4), dft.to_slots(slots, 3)
    top = len(check(N16.literal).chain) - 1
    return (*first, *second), (*range(top, top - 4, -1), *range(12, 9, -1))


def test_memory_decides_the_baby_steps() -> None:
    parameters = check(N16.literal)
    costs = {}
    for slots in (1 << 12, 1 << 15):
        matrices, levels = real_factors(slots)
        for room in (0, 4 << 30, 6 << 30, 16 << 30):
            babies = factors.fastest(parameters, matrices, levels, room)
            cuts = [factors.cut(*each) for each in zip(matrices, levels, babies, strict=True)]
            assert room == 0 or factors.memory(parameters, cuts) <= room
            costs[slots, room] = sum(each.cost for each in cuts)
        few, some, more, all_there_is = [costs[slots, room] for room in (0, 4 << 30, 6 << 30, 16 << 30)]
        assert few > some >= more >= all_there_is
        fastest = [
            min(factors.cut(*each, 1 << k).cost for k in range(6)) for each in zip(matrices, levels, strict=True)
        ]
        assert all_there_is == sum(fastest)
    assert costs[1 << 12, 6 << 30] < costs[1 << 12, 16 << 30] + 8, "few slots leave room for nearly all"


def test_fewer_slots_raise_the_modulus_at_a_lower_scale_where_there_is_room() -> None:
    assert [N16.at(1 << k).eval_mod.log_ratio for k in (15, 14, 12, 8, 2)] == [8, 8, 9, 11, 14]
    assert {N15.at(1 << k).eval_mod.log_ratio for k in (14, 12, 4)} == {8}
    assert N16.at(1 << 15) == N16.settings


MESSAGES = {
    "ones": np.ones,
    "replicated": lambda n: np.tile(np.linspace(-1, 1, 8), n // 8),
    "one-sided": lambda n: np.maximum(np.random.default_rng(2).normal(size=n) / 5, 0).clip(0, 1),
    "two values": lambda n: np.where(np.arange(n) % 3, 1.0, 0.9),
}


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("message", list(MESSAGES))
def test_signs_spread_messages_whose_coefficients_are_large(fast_engine: str, message: str, level: int) -> None:
    """All slots equal is one coefficient of 1, which the sine's cube makes wrong by 2^-13."""
    errors = {}
    for eval_mod in (SINE, EvalMod(log_ratio=11)):
        bootstrapper, evaluator, keys, encryptor, secret = setting(fast_engine, 128, eval_mod)
        assert bootstrapper.signs is not None
        assert 0.9 < np.abs(bootstrapper.signs).min() < np.abs(bootstrapper.signs).max() <= 1
        values = MESSAGES[message](128)
        x = encryptor.encrypt(secret, values, level).expand(bootstrapper.context)
        errors[eval_mod] = np.abs(encryptor.decrypt(secret, bootstrapper.run(evaluator, keys, x), 128) - values)
    assert -math.log2(errors[SINE].mean()) > 18.5
    assert -math.log2(errors[EvalMod(log_ratio=11)].mean()) > 24


def test_without_signs_a_constant_keeps_what_the_sines_cube_leaves(fast_engine: str) -> None:
    bootstrapper, evaluator, keys, encryptor, secret = setting(fast_engine, 128, SINE)
    plain = Bootstrapper(bootstrapper.context, replace(bootstrapper.settings, spread=False))
    assert plain.signs is None
    x = encryptor.encrypt(secret, np.ones(128), 0).expand(bootstrapper.context)
    errors = np.abs(encryptor.decrypt(secret, plain.run(evaluator, keys, x), 128) - 1)
    assert 13 < -math.log2(errors.mean()) < 13.6


def test_settings_that_do_not_fit_are_refused(fast_engine: str) -> None:
    context = setting(fast_engine, 16, SINE)[0].context
    for settings, word in [
        (Bootstrapping(16, to_slots=2), "levels"),
        (Bootstrapping(16, eval_mod=EvalMod(weight=64)), "weight"),
        (Bootstrapping(256), "slots"),
        (Bootstrapping(16, babies=6), "baby steps 6"),
        (Bootstrapping(16, babies=(4, 8)), "7 of them"),
    ]:
        with pytest.raises(ParameterRefused, match=word):
            Bootstrapper(context, settings)
    plain = Context(check(replace(literal(SINE), ephemeral_weight=None), insecure=True), engine_name=fast_engine)
    with pytest.raises(ParameterRefused, match="ephemeral"):
        generator = KeyGenerator(plain)
        generator.encapsulation_keys(generator.secret_key())
