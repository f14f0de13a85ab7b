"""The negative suite that docs/soundness.md publishes: each attack is tried, and refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.zk.groth16.cases import Case, plain_program
from vortex_crypto.arith.field.bn254 import P
from vortex_crypto.errors import InvalidInput, MalformedProof, Unsatisfied
from vortex_crypto.zk import hints
from vortex_crypto.zk.field import MODULUS, default_kernels, from_ints, one
from vortex_crypto.zk.groth16 import prove as prover
from vortex_crypto.zk.groth16 import transcript
from vortex_crypto.zk.groth16.keys import Proof
from vortex_crypto.zk.groth16.serialize import proof_from_bytes, proof_to_bytes
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.verify import verify, verify_batch
from vortex_crypto.zk.interpret.witness import solve

Attack = Callable[[Case, Case, pytest.MonkeyPatch], bool]
"""(plain, committed, monkeypatch) -> whether the verifier was fooled; may raise a refusal."""

REFUSALS = (MalformedProof, InvalidInput)
ATTACKS: dict[str, Attack] = {}


def attack(name: str) -> Callable[[Attack], Attack]:
    def register(function: Attack) -> Attack:
        ATTACKS[name] = function
        return function

    return register


def accepted(case: Case, proof: Proof, public: Sequence[int] | None = None, **more: Any) -> bool:
    return verify(case.verifying, proof, case.proven.public if public is None else public, **more)


def shifted(point: Any) -> Any:
    """The point plus itself: another point of its group."""
    kernels = default_kernels()
    group = kernels.g1 if point.ndim == 2 else kernels.g2
    return group.add(point[None], point[None])[0]


@attack("a witness with one wire changed")
def mutated_witness(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    fooled = False
    witness = solve(plain.program, plain.inputs)
    for wire in range(1, plain.program.r1cs.n_wires):
        altered = witness.copy()
        altered[wire] = default_kernels().fr.add(altered[wire][None], one(1)[None])[0]
        public = default_kernels().fr.from_montgomery(altered[1:4])[:, 0].tolist()
        fooled |= accepted(plain, prover.prove_witness(plain.key, altered), public)
    return fooled


@attack("a hint that lies, from a prover that skips its own check")
def cheating_hint(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(prover, "check", lambda *args, **kwargs: None)
    lie = lambda kernels, inputs: [np.array([2, 2])]  # noqa: E731
    monkeypatch.setitem(hints.HINTS, "table_value", lie)
    proven = committed.again()
    assert proven.outputs["y"] == 4
    return accepted(committed, proven.proof, proven.public)


@attack("values outside of the table, with counts made to fit")
def outside_the_table(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(prover, "check", lambda *args, **kwargs: None)
    monkeypatch.setitem(hints.HINTS, "row_counts", lambda k, inputs, columns: [np.array([2] + [0] * 8)])
    proven = committed.again(w=[5, 5])
    return accepted(committed, proven.proof, proven.public)


@attack("another model under the published commitment's name")
def another_model(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    proven = committed.again(w=[1, 1])
    assert accepted(committed, proven.proof, proven.public)  # a sound proof, of another model
    return accepted(committed, proven.proof, proven.public, expected=committed.published)


@attack("another model's proof with the published commitment put in")
def grafted_commitment(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    proven = committed.again(w=[1, 1])
    points = proven.proof.commitments.copy()
    points[0] = committed.published["weights"]
    proof = dataclasses.replace(proven.proof, commitments=points)
    return accepted(committed, proof, proven.public, expected=committed.published)


@attack("public inputs exchanged")
def swapped_inputs(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    return any(accepted(case, case.proven.proof, case.proven.public[::-1]) for case in (plain, committed))


@attack("each public value changed by one")
def changed_inputs(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    fooled = False
    for case in (plain, committed):
        for place in range(len(case.proven.public)):
            public = list(case.proven.public)
            public[place] = (public[place] + 1) % MODULUS
            fooled |= accepted(case, case.proven.proof, public)
    return fooled


@attack("public values that are equal modulo r")
def overflowing_input(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    first, *rest = plain.proven.public
    return accepted(plain, plain.proven.proof, [first + MODULUS, *rest])


@attack("public values that are no integers, and batches of nothing")
def no_integers(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    for public in ([value + 0.5 for value in plain.proven.public], [str(value) for value in plain.proven.public]):
        with pytest.raises(InvalidInput, match="integers"):
            accepted(plain, plain.proven.proof, public)
    assert accepted(plain, plain.proven.proof, np.array(plain.proven.public, dtype=np.uint8))  # numpy's do not overflow
    return verify_batch(plain.verifying, [], [])


@attack("too few and too many public values")
def wrong_count(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    with pytest.raises(InvalidInput):
        accepted(plain, plain.proven.proof, plain.proven.public[:-1])
    return accepted(plain, plain.proven.proof, [*plain.proven.public, 0])


@attack("each point of the proof replaced")
def altered_points(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    fooled = False
    for case in (plain, committed):
        for part in ("a", "b", "c", "knowledge"):
            point = getattr(case.proven.proof, part)
            if point is not None:
                fooled |= accepted(case, dataclasses.replace(case.proven.proof, **{part: shifted(point)}))
    return fooled


@attack("a malleated proof: A negated, B negated, parts of two proofs mixed")
def malleated(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    kernels, proof, other = default_kernels(), plain.proven.proof, plain.again().proof
    negated_a = dataclasses.replace(proof, a=kernels.g1.neg(proof.a[None])[0])
    negated_b = dataclasses.replace(proof, b=kernels.g2.neg(proof.b[None])[0])
    mixed = [dataclasses.replace(proof, **{part: getattr(other, part)}) for part in ("a", "b", "c")]
    return any(accepted(plain, candidate) for candidate in (negated_a, negated_b, *mixed))


@attack("commitments exchanged, doubled, or taken from another proof")
def moved_commitments(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    proof, other = committed.proven.proof, committed.again().proof
    points = [proof.commitments[::-1].copy(), np.stack([proof.commitments[0]] * 2), other.commitments]
    return any(accepted(committed, dataclasses.replace(proof, commitments=p)) for p in points)


@attack("commitments that cancel: one shifted up, the other down")
def cancelling_commitments(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    kernels, proof = default_kernels(), committed.proven.proof
    step = committed.key.commitments[1].basis[:1]
    up = kernels.g1.add(proof.commitments[:1], step)
    down = kernels.g1.add(proof.commitments[1:], kernels.g1.neg(step))
    return accepted(committed, dataclasses.replace(proof, commitments=np.concatenate([up, down])))


@attack("challenges replayed: drawn before the commitments they should bind")
def replayed_challenges(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    seed = transcript.seed(committed.verifying, committed.proven.public, committed.proven.proof.commitments)
    old = transcript.challenges(seed, committed.verifying.n_challenges)
    monkeypatch.setattr(transcript, "challenges", lambda seed, count: old)
    proven = committed.again()
    monkeypatch.undo()
    return accepted(committed, proven.proof, proven.public)


@attack("a count chosen after the challenge, so that the lookup's sums agree")
def chosen_after_the_challenge(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With the challenges known, one count can balance any sum; the commitment then changes, and they with it."""
    from vortex_crypto.zk.interpret.check import violated

    program = committed.program
    inputs = {**committed.inputs, "w": [5, 5]}
    challenges = [11, 13]

    def counts(first: int) -> Callable[..., Any]:
        return lambda kernels, given, columns: [np.array([first] + [0] * 8, dtype=object)]

    def gap(first: int) -> int:
        witness = solve(
            program, inputs, challenges=lambda w: challenges, masks={"weights": 1, "auxiliary": 2}, strict=False,
            replace={"row_counts": counts(first)},
        )  # fmt: skip
        a, _, c = (m.times(witness, default_kernels()) for m in (program.r1cs.a, program.r1cs.b, program.r1cs.c))
        broken = violated(program.r1cs, witness)
        if not len(broken):
            return 0
        row = int(broken[-1])
        left, right = (default_kernels().fr.from_montgomery(v[row : row + 1])[0] for v in (a, c))
        as_int = [int.from_bytes(np.ascontiguousarray(v).tobytes(), "little") for v in (left, right)]
        return (as_int[0] - as_int[1]) % MODULUS

    at_zero, at_one = gap(0), gap(1)
    balance = -at_zero * pow(at_one - at_zero, -1, MODULUS) % MODULUS
    assert gap(balance) == 0  # every constraint holds, for challenges drawn too early
    monkeypatch.setattr(prover, "check", lambda *args, **kwargs: None)
    monkeypatch.setattr(transcript, "challenges", lambda seed, count: challenges)
    monkeypatch.setitem(hints.HINTS, "row_counts", counts(balance))
    proven = committed.again(w=[5, 5])
    monkeypatch.undo()
    return accepted(committed, proven.proof, proven.public)


@attack("a proof without its proof of knowledge, or without its commitments")
def stripped(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    proof = committed.proven.proof
    with pytest.raises(MalformedProof):
        accepted(committed, dataclasses.replace(proof, knowledge=None))
    return accepted(committed, dataclasses.replace(proof, commitments=proof.commitments[:1]))


@attack("points off the curve")
def off_curve(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    for part in ("a", "b"):
        point = getattr(plain.proven.proof, part).copy()
        point[0] = point[1]
        with pytest.raises(MalformedProof, match=part.upper()):
            accepted(plain, dataclasses.replace(plain.proven.proof, **{part: point}))
    points = committed.proven.proof.commitments.copy()
    points[1, 0] = points[1, 1]
    return accepted(committed, dataclasses.replace(committed.proven.proof, commitments=points))


@attack("a point of the twist outside of the subgroup")
def outside_the_subgroup(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    g2 = default_kernels().g2
    abscissae = np.zeros((16, 2, 4), dtype=np.uint64)
    abscissae[:, 0, 0] = np.arange(1, 17)
    points, on_curve = g2.lift_x(abscissae, np.zeros(16, dtype=np.bool_))
    stray = points[on_curve & points.any(axis=(1, 2, 3))][0]
    return accepted(plain, dataclasses.replace(plain.proven.proof, b=stray))


@attack("a point of B's subgroup plus a small one outside of it")
def small_order(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The twist has 2p - r times as many points as the subgroup, 10069 its least factor: pairings miss such a point."""
    g2, least = default_kernels().g2, 10069
    abscissae = np.zeros((8, 2, 4), dtype=np.uint64)
    abscissae[:, 0, 0] = np.arange(1, 9)
    points, on_curve = g2.lift_x(abscissae, np.zeros(8, dtype=np.bool_))
    small = _times(points[on_curve][:1], MODULUS * ((2 * P - MODULUS) // least))
    assert small.any()
    assert not _times(small, least).any()
    return accepted(plain, dataclasses.replace(plain.proven.proof, b=g2.add(plain.proven.proof.b[None], small)[0]))


def _times(point: Any, factor: int) -> Any:
    """By doubling, since kernels take factors modulo r."""
    g2, total = default_kernels().g2, np.zeros_like(point)
    for bit in bin(factor)[2:]:
        total = g2.add(total, total)
        total = g2.add(total, point) if bit == "1" else total
    return total


@attack("coordinates that are not reduced")
def unreduced(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    point = plain.proven.proof.a.copy()
    value = int.from_bytes(point[0].tobytes(), "little") + P
    point[0] = np.frombuffer(value.to_bytes(32, "little"), dtype=np.uint64)
    return accepted(plain, dataclasses.replace(plain.proven.proof, a=point))


@attack("points at infinity")
def nothing_at_all(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    zero = np.zeros_like(plain.proven.proof.a)
    proof = Proof(zero, np.zeros_like(plain.proven.proof.b), zero, plain.proven.proof.commitments)
    return accepted(plain, proof)


@attack("trailing and missing bytes, and every bit of the encoding flipped")
def bent_bytes(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    data = proof_to_bytes(committed.proven.proof)
    for bent in (data + b"\0", data[:-1], data + data[-32:], b""):
        with pytest.raises(MalformedProof):
            accepted(committed, proof_from_bytes(bent))
    fooled = False
    for bit in range(0, 8 * len(data), 61):
        bent = bytearray(data)
        bent[bit // 8] ^= 1 << bit % 8
        try:
            fooled |= accepted(committed, proof_from_bytes(bytes(bent)))
        except MalformedProof:
            continue
    return fooled


@attack("a proof for another key of the same program")
def another_key(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    other = setup(plain_program().r1cs)
    return verify(other.verifying, plain.proven.proof, plain.proven.public)


@attack("wrong proofs whose errors cancel in a batch")
def cancelling_batch(plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> bool:
    kernels, proof = default_kernels(), plain.proven.proof
    step = plain.key.delta_g1[None]
    up = dataclasses.replace(proof, c=kernels.g1.add(proof.c[None], step)[0])
    down = dataclasses.replace(proof, c=kernels.g1.add(proof.c[None], kernels.g1.neg(step))[0])
    return verify_batch(plain.verifying, [up, down], [plain.proven.public] * 2)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_is_refused(name: str, plain: Case, committed: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        fooled = ATTACKS[name](plain, committed, monkeypatch)
    except REFUSALS:
        return
    assert not fooled


def test_an_honest_prover_notices_first(committed: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hints.HINTS, "table_value", lambda kernels, inputs: [from_ints([2, 2], kernels)])
    with pytest.raises(Unsatisfied, match="table clip"):
        committed.again()


def test_the_docs_publish_every_attack() -> None:
    page = Path("docs/soundness.md").read_text(encoding="utf-8")
    assert [name for name in ATTACKS if f"| {name} |" not in page] == []
