"""The roster of attacks, tried on contracts: what `verify` refuses, they refuse, by the answers that are published."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from tests.foreign.evm import Contract, compile_contract
from tests.zk.groth16.attacks import ATTACKS, FALSE, Attempt
from tests.zk.groth16.cases import KINDS, Case, attacked_case
from vortex_crypto.zk.groth16 import solidity

TRIED = [(name, kind) for name, attack in ATTACKS.items() if attack.contract for kind in attack.kinds]
PAIRINGS = 1
"""Attempts that reach the pairing, which takes py-evm most of a second, are tried up to this many of one attack."""

Deploy = Callable[[Attempt], Contract]


@pytest.fixture(scope="module")
def cases() -> Callable[[str], Case]:
    return functools.cache(attacked_case)


@pytest.fixture(scope="module")
def deploy(node: Any) -> Deploy:
    """Contracts by their source, compiled once each."""
    made: dict[str, Contract] = {}

    def contract(attempt: Attempt) -> Contract:
        source = solidity.export_verifier(attempt.key, expected=attempt.expected)
        if source not in made:
            made[source] = compile_contract(node, source, "Verifier")
        return made[source]

    return contract


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_attacked_is_accepted_unaltered(kind: str, cases: Callable[[str], Case], deploy: Deploy) -> None:
    case = cases(kind)
    for expected in (None, case.published):
        good = Attempt(case.verifying, case.proven.proof, case.proven.public, expected)
        assert call(good, deploy) == "True"


@pytest.mark.parametrize(("name", "kind"), TRIED)
def test_a_contract_gives_the_answer(name: str, kind: str, cases: Callable[[str], Case], deploy: Deploy) -> None:
    attack, found = ATTACKS[name], list[str]()
    for attempt in attack.forge(cases(kind)):
        if attempt.calldata() is not None and found.count(FALSE) < PAIRINGS:
            found.append(call(attempt, deploy))
    assert found
    assert set(found) <= set(attack.contract)


def call(attempt: Attempt, deploy: Deploy) -> str:
    """What the contract says: True, False, or the error it reverts with."""
    words = attempt.calldata()
    assert words is not None
    data = b"".join(word.to_bytes(32, "big") for word in words)
    outcome = deploy(attempt).call(solidity.signature(attempt.key), data)
    return outcome.error or str(outcome.accepted)
