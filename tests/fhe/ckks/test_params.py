"""Parameters: primes, canonical scales, and refusal of what is insecure or cannot work."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vortex_crypto.errors import InsecureParameters, ParameterRefused
from vortex_crypto.fhe.params import Parameters, ParametersLiteral, check
from vortex_crypto.fhe.security import SPARSE_MAX_LOG_QP, TERNARY_MAX_LOG_QP, max_log_qp

TOY = ParametersLiteral(log_n=8, log_q=(45, *[30] * 6), log_p=(46, 46), log_scale=30)
REAL = ParametersLiteral(log_n=15, log_q=(60, *[40] * 15), log_p=(49,) * 4, log_scale=40)


@pytest.mark.parametrize("literal", [TOY, REAL], ids=["toy", "real"])
def test_primes_are_distinct_and_ntt_friendly(literal: ParametersLiteral) -> None:
    from sympy import isprime

    parameters = check(literal, insecure=True)
    primes = parameters.chain + parameters.p
    assert len(set(primes)) == len(primes)
    assert all(isprime(prime) and prime % (2 * parameters.ring_degree) == 1 for prime in primes)
    assert parameters.log_qp == pytest.approx(sum(map(math.log2, primes)))
    assert max(parameters.q[1:]) < 2**41


@pytest.mark.parametrize("literal", [TOY, REAL], ids=["toy", "real"])
def test_canonical_scales_stay_near_the_nominal_one(literal: ParametersLiteral) -> None:
    parameters = check(literal, insecure=True)
    assert parameters.scale(parameters.max_level) == 2**literal.log_scale
    for level in range(1, parameters.max_level + 1):
        pending = parameters.pending_scale(level)
        assert abs(pending / parameters.scale(level) ** 2 - 1) < Fraction(1, 2**120)
        assert abs(math.log2(parameters.scale(level - 1)) - literal.log_scale) < 0.01


@given(st.integers(5, 10), st.integers(0, 25), st.integers(26, 44))
def test_every_chain_of_equal_primes_keeps_its_scale(log_n: int, levels: int, bits: int) -> None:
    literal = ParametersLiteral(log_n, (bits + 6, *[bits] * levels), (bits + 7,), bits)
    parameters = check(literal, insecure=True)
    assert all(abs(math.log2(parameters.scale(level)) - bits) < 0.1 for level in range(levels + 1))


def test_scale_of_a_level_outside_the_chain_is_refused() -> None:
    with pytest.raises(IndexError, match=r"level 7 is not in 0\.\.6"):
        check(TOY, insecure=True).scale(7)


@pytest.mark.parametrize("log_n", sorted(TERNARY_MAX_LOG_QP))
def test_a_ternary_chain_just_over_the_table_is_refused(log_n: int) -> None:
    cap = TERNARY_MAX_LOG_QP[log_n]
    bits = min(60, cap + 2)
    levels = -(-(cap + 1 - bits) // (bits - 2))
    literal = ParametersLiteral(log_n, (bits, *[bits - 2] * levels), (), bits - 2)
    with pytest.raises(InsecureParameters, match=str(cap)):
        check(literal)


@pytest.mark.parametrize(
    ("log_q", "secure"), [((60, *[40] * 15), True), ((60, *[40] * 16), False)], ids=["856 bits", "896 bits"]
)
def test_the_real_modulus_decides(log_q: tuple[int, ...], secure: bool) -> None:
    literal = replace(REAL, log_q=log_q)
    if secure:
        parameters = check(literal)
        assert not parameters.insecure
        assert parameters.security.startswith("128-bit (ia.cr/2024/463")
        assert parameters.log_qp <= max_log_qp(15, "ternary")
    else:
        with pytest.raises(InsecureParameters, match="868"):
            check(literal)
        assert check(literal, insecure=True).insecure


def test_secure_parameters_are_not_marked_even_when_insecure_ones_are_allowed() -> None:
    assert not check(REAL, insecure=True).insecure


def test_sparse_secrets_have_their_own_caps() -> None:
    assert max_log_qp(16, 192) == 1553
    assert max_log_qp(16, 40) == SPARSE_MAX_LOG_QP[16, 32]
    assert max_log_qp(16, 16) == 0
    assert max_log_qp(14, 192) == 0
    assert max_log_qp(9, "ternary") == 0
    sparse = ParametersLiteral(16, (60, *[40] * 30), (61,) * 5, 40, secret=192)
    with pytest.raises(InsecureParameters, match="weight 192"):
        check(replace(sparse, log_q=(60, *[40] * 31)))
    assert not check(replace(sparse, log_q=(60, *[40] * 29))).insecure


def test_the_ephemeral_secret_is_held_against_its_own_modulus() -> None:
    literal = ParametersLiteral(16, (60, *[40] * 9), (61,) * 5, 40, secret=192, ephemeral_weight=32)
    assert not check(literal).insecure
    with pytest.raises(InsecureParameters, match="ephemeral secret"):
        check(replace(literal, ephemeral_weight=31))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"log_n": 18}, "ring-degree"),
        ({"log_n": 3}, "ring-degree"),
        ({"log_q": ()}, "chain"),
        ({"log_q": (45, *[30] * 64)}, "chain"),
        ({"log_q": (61, 30)}, "prime-bits"),
        ({"log_q": (45, 9)}, "prime-bits"),
        ({"log_scale": 31}, "scale"),
        ({"log_scale": 45}, "scale"),
        ({"log_q": (30,), "log_p": (31,)}, "scale"),
        ({"secret": 0}, "secret"),
        ({"secret": 257}, "secret"),
        ({"ephemeral_weight": 0}, "secret"),
        ({"digits": 0}, "digits"),
        ({"digits": 8}, "digits"),
        ({"digits": 2}, "digits"),
        ({"log_q": (12, *[12] * 40), "log_p": (), "log_scale": 11, "digits": None}, "scale"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ParameterRefused) as refusal:
        check(replace(TOY, **change), insecure=True)  # type: ignore[arg-type]
    assert refusal.value.reason == reason


def test_too_few_primes_is_said() -> None:
    with pytest.raises(ParameterRefused) as refusal:
        check(ParametersLiteral(10, (12,), (12,) * 8, 11), insecure=True)
    assert refusal.value.reason == "primes"


def test_only_check_makes_parameters() -> None:
    with pytest.raises(ParameterRefused, match="made by"):
        Parameters(TOY, (17,), (), (), False, "128-bit")


def test_the_literal_survives_the_wire_and_the_hash_binds_it() -> None:
    parameters = check(TOY, insecure=True)
    again = check(ParametersLiteral.from_meta(TOY.to_meta()), insecure=True)
    assert again == parameters
    assert again.hash == parameters.hash
    assert check(replace(TOY, secret=64), insecure=True).hash != parameters.hash


@pytest.mark.parametrize(
    "change",
    [{"log_q": [45.0]}, {"log_q": 45}, {"log_n": "8"}, {"digits": 1.5}, {"secret": "dense"}, {"log_n": True}, {"x": 1}],
    ids=str,
)
def test_a_malformed_literal_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ParameterRefused) as refusal:
        ParametersLiteral.from_meta({**TOY.to_meta(), **change})
    assert refusal.value.reason == "malformed"
