"""The negative suite that docs/soundness.md publishes: each attack is tried, and gets the answer it must get."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.zk.groth16.attacks import ATTACKS, FALSE, table
from tests.zk.groth16.cases import Case
from vortex_crypto.errors import InvalidInput, MalformedProof, Unsatisfied
from vortex_crypto.zk import hints
from vortex_crypto.zk.field import from_ints
from vortex_crypto.zk.groth16.verify import verify, verify_batch

TRIED = [(name, kind) for name, attack in ATTACKS.items() for kind in attack.kinds]


@pytest.mark.parametrize(("name", "kind"), TRIED)
def test_the_attack_gets_its_answer(name: str, kind: str, attacked: dict[str, Case]) -> None:
    attack, found = ATTACKS[name], list[str]()
    for attempt in attack.forge(attacked[kind]):
        try:
            found.append(str(attempt.verified()))
        except (MalformedProof, InvalidInput) as error:
            found.append(type(error).__name__)
    assert found
    assert set(found) <= set(attack.answers)
    assert FALSE in found or FALSE not in attack.answers or len(attack.answers) > 1


@pytest.mark.parametrize("kind", ["plain", "fresh", "persistent", "both"])
def test_what_is_attacked_is_accepted_unaltered(kind: str, attacked: dict[str, Case]) -> None:
    case = attacked[kind]
    assert len(case.verifying.commitments) == {"plain": 0, "fresh": 1, "persistent": 1, "both": 2}[kind]
    assert bool(case.verifying.n_challenges) == (kind in ("fresh", "both"))
    assert verify(case.verifying, case.proven.proof, case.proven.public, expected=case.published)
    # numpy's integers do not overflow, and are taken for what they are
    assert verify(case.verifying, case.proven.proof, np.array(case.proven.public, dtype=np.uint8))


def test_a_batch_of_nothing_proves_nothing(plain: Case) -> None:
    with pytest.raises(InvalidInput, match="0 proofs"):
        verify_batch(plain.verifying, [], [])


def test_an_honest_prover_notices_first(committed: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hints.HINTS, "table_value", lambda kernels, inputs: [from_ints([2, 2], kernels)])
    with pytest.raises(Unsatisfied, match="table clip"):
        committed.again()


def test_the_docs_publish_the_roster() -> None:
    page = Path("docs/soundness.md").read_text(encoding="utf-8")
    assert table() in page, "run `python -m tests.zk.groth16.attacks` and put its table into docs/soundness.md"


def test_the_other_tests_that_the_docs_name_exist() -> None:
    page = Path("docs/soundness.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 10
    assert [f"{path}::{test}" for path, test in named if f"def {test}(" not in Path(path).read_text()] == []
