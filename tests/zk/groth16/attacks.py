"""The roster of attacks on the verifier: what is forged, and the answer that each verifier must give.

`test_attacks.py` tries them on `verify`, `tests/foreign/test_attacks.py` on contracts. docs/soundness.md publishes the
table that `python -m tests.zk.groth16.attacks` prints; a test compares.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.zk.groth16.cases import KINDS, Case, dishonest
from vortex_crypto.arith.field.bn254 import P
from vortex_crypto.errors import InvalidInput, MalformedProof
from vortex_crypto.zk.field import MODULUS, default_kernels, one
from vortex_crypto.zk.groth16 import transcript
from vortex_crypto.zk.groth16.keys import Proof, VerifyingKey
from vortex_crypto.zk.groth16.serialize import proof_from_bytes, proof_to_bytes
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.solidity import proof_words
from vortex_crypto.zk.groth16.verify import verify, verify_batch
from vortex_crypto.zk.interpret.check import violated
from vortex_crypto.zk.interpret.witness import solve

FALSE = "False"
LENGTHS = ("WrongLength", "unnamed")
"""Calldata that is too long, or too short for Solidity to decode."""
FRESH, PERSISTENT, COMMITTED = ("fresh", "both"), ("persistent", "both"), ("fresh", "persistent", "both")


@dataclass(frozen=True)
class Attempt:
    """One thing that a verifier is shown.

    Attributes:
        key: the verifier's key.
        proof: a proof, or its encoding.
        public: the public values.
        expected: commitments that the verifier insists on.
        words: the proof as a contract takes it, where that differs; None where a contract cannot be shown it.
        batch: more proofs and public values that are verified together with this one.
    """

    key: VerifyingKey
    proof: Proof | bytes
    public: Sequence[Any]
    expected: dict[str, Any] | None = None
    words: tuple[int, ...] | None = ()
    batch: tuple[tuple[Proof, Sequence[int]], ...] = ()

    def verified(self) -> bool:
        """What `verify` says."""
        proof = proof_from_bytes(self.proof) if isinstance(self.proof, bytes) else self.proof
        if not self.batch:
            return verify(self.key, proof, self.public, expected=self.expected)
        others, publics = zip(*self.batch, strict=True)
        return verify_batch(self.key, [proof, *others], [self.public, *publics], expected=self.expected)

    def calldata(self) -> list[int] | None:
        """The words that a contract is called with; None if this cannot be said to one."""
        if self.words is None or self.batch or (not self.words and isinstance(self.proof, bytes)):
            return None
        shown = list(self.words) if self.words else proof_words(self.proof)  # type: ignore[arg-type]
        return [*shown, *self.public]


@dataclass(frozen=True)
class Attack:
    """A forgery, and the answers that refuse it.

    Attributes:
        name: as the documentation publishes it.
        forge: the attempts on a case.
        answers: what `verify` may answer to each attempt: False, or the names of errors.
        contract: the same of a contract: False, or the names of its errors; empty where it cannot be shown them.
        kinds: the kinds of programs that it can be tried on.
    """

    name: str
    forge: Callable[[Case], Iterator[Attempt]]
    answers: tuple[str, ...]
    contract: tuple[str, ...]
    kinds: tuple[str, ...]


ATTACKS: dict[str, Attack] = {}


def attack(
    name: str,
    answer: type[Exception] | None = None,
    contract: Sequence[str] = (FALSE,),
    kinds: Sequence[str] = KINDS,
    *,
    either: bool = False,
) -> Callable[[Callable[[Case], Iterator[Attempt]]], Callable[[Case], Iterator[Attempt]]]:
    """Register a forgery whose attempts `verify` answers by `answer`, None for False; `either` for one of both."""

    def register(forge: Callable[[Case], Iterator[Attempt]]) -> Callable[[Case], Iterator[Attempt]]:
        raised = () if answer is None else (answer.__name__,)
        answers = (*raised, FALSE) if either or not raised else raised
        ATTACKS[name] = Attack(name, forge, answers, tuple(contract), tuple(kinds))
        return forge

    return register


def shown(case: Case, proof: Proof, public: Sequence[Any] | None = None, **more: Any) -> Attempt:
    """An attempt with the case's key, and its own public values unless others are given."""
    return Attempt(case.verifying, proof, case.proven.public if public is None else public, **more)


def with_part(proof: Proof, **parts: Any) -> Proof:
    return dataclasses.replace(proof, **parts)


def doubled(point: Any) -> Any:
    """Another point of its group."""
    kernels = default_kernels()
    group = kernels.g1 if point.ndim == 2 else kernels.g2
    return group.add(point[None], point[None])[0]


def points_of(proof: Proof) -> Iterator[tuple[Any, Callable[[Any], Proof]]]:
    """Each point of the proof in G1, and the proof with that point replaced."""
    parts = ("a", "c") if proof.knowledge is None else ("a", "c", "knowledge")
    for part in parts:
        yield getattr(proof, part), lambda point, part=part: with_part(proof, **{part: point})
    for place in range(len(proof.commitments)):

        def replaced(point: Any, place: int = place) -> Proof:
            points = proof.commitments.copy()
            points[place] = point
            return with_part(proof, commitments=points)

        yield proof.commitments[place], replaced


# Statements that do not hold


@attack("a witness with one wire changed, for every wire")
def mutated_witness(case: Case) -> Iterator[Attempt]:
    def changed(wire: int) -> Callable[[Any], Any]:
        def alter(witness: Any) -> Any:
            altered = witness.copy()
            altered[wire] = default_kernels().fr.add(altered[wire][None], one(1)[None])[0]
            return altered

        return alter

    r1cs = case.program.r1cs
    others = {run[-1] for run in r1cs.committed}  # masks may be anything
    others |= set(range(1 + r1cs.n_public, r1cs.n_statement))  # challenges the verifier draws itself
    for wire in reversed(range(1, r1cs.n_wires)):
        if wire not in others:
            yield shown(case, *dishonest(case, alter=changed(wire)))


@attack("a hint that lies, from a prover that skips its own check")
def cheating_hint(case: Case) -> Iterator[Attempt]:
    lies: dict[str, Any] = {"table_value": lambda kernels, inputs: [np.array([2, 2])]}
    if "table_value" not in {getattr(step, "name", "") for step in case.program.steps}:
        lies = {"sign": lambda kernels, inputs: [np.array([1, 1])]}
    proof, public = dishonest(case, replace=lies)
    assert public != list(case.proven.public)
    yield shown(case, proof, public)


@attack("values outside of the table, with counts made to fit", kinds=FRESH)
def outside_the_table(case: Case) -> Iterator[Attempt]:
    counts = {"row_counts": lambda kernels, inputs, columns: [np.array([2] + [0] * 8)]}
    yield shown(case, *dishonest(case, replace=counts, w=[5, 5]))


@attack("a count chosen after the challenge, so that the lookup's sums agree", kinds=FRESH)
def chosen_after_the_challenge(case: Case) -> Iterator[Attempt]:
    """With the challenges known, one count can balance any sum; the commitment then changes, and they with it."""
    program, challenges = case.program, [11, 13]

    def counts(first: int) -> dict[str, Any]:
        return {"row_counts": lambda kernels, given, columns: [np.array([first] + [0] * 8, dtype=object)]}

    def gap(first: int) -> int:
        inputs, masks = {**case.inputs, "w": [5, 5]}, {"weights": 1, "auxiliary": 2}
        witness = solve(
            program, inputs, challenges=lambda w: challenges, masks=masks, replace=counts(first), strict=False
        )
        broken = violated(program.r1cs, witness)
        if not len(broken):
            return 0
        row, kernels = int(broken[-1]), default_kernels()
        a, c = (m.times(witness, kernels)[row : row + 1] for m in (program.r1cs.a, program.r1cs.c))
        left, right = (kernels.fr.from_montgomery(v)[0].tobytes() for v in (a, c))
        return (int.from_bytes(left, "little") - int.from_bytes(right, "little")) % MODULUS

    at_zero, at_one = gap(0), gap(1)
    balance = -at_zero * pow(at_one - at_zero, -1, MODULUS) % MODULUS
    assert gap(balance) == 0  # every constraint holds, for challenges drawn too early
    yield shown(case, *dishonest(case, replace=counts(balance), challenges=challenges, w=[5, 5]))


@attack("challenges replayed: drawn before the commitments they should bind", kinds=FRESH)
def replayed_challenges(case: Case) -> Iterator[Attempt]:
    seed = transcript.seed(case.verifying, case.proven.public, case.proven.proof.commitments)
    old = transcript.challenges(seed, case.verifying.n_challenges)
    yield shown(case, *dishonest(case, challenges=old))


# Other statements than the one proved


@attack("public inputs exchanged")
def swapped_inputs(case: Case) -> Iterator[Attempt]:
    first, second, *rest = case.proven.public
    assert first != second
    yield shown(case, case.proven.proof, [second, first, *rest])
    yield shown(case, case.proven.proof, case.proven.public[::-1])


@attack("each public value changed by one")
def changed_inputs(case: Case) -> Iterator[Attempt]:
    for place in reversed(range(len(case.proven.public))):
        public = list(case.proven.public)
        public[place] = (public[place] + 1) % MODULUS
        yield shown(case, case.proven.proof, public)


@attack("a proof replayed for the statement of another one")
def replayed_proof(case: Case) -> Iterator[Attempt]:
    other = case.again(x=[-1, 2])
    yield shown(case, case.proven.proof, other.public)
    yield shown(case, other.proof)


@attack("public values that are equal modulo r, and scalars not below r", InvalidInput, ("ScalarNotBelowR",))
def overflowing_input(case: Case) -> Iterator[Attempt]:
    first, *rest = case.proven.public
    for value in (first + MODULUS, MODULUS, (1 << 256) - 1):
        yield shown(case, case.proven.proof, [value, *rest])
        yield shown(case, case.proven.proof, [*case.proven.public[:-1], value])


@attack("public values that are no integers, or negative", InvalidInput, ())
def no_integers(case: Case) -> Iterator[Attempt]:
    public = case.proven.public
    for values in ([v + 0.5 for v in public], [str(v) for v in public], [v - MODULUS for v in public]):
        yield shown(case, case.proven.proof, values)


@attack("too few and too many public values", InvalidInput, LENGTHS)
def wrong_count(case: Case) -> Iterator[Attempt]:
    for public in ([*case.proven.public, 0], case.proven.public[:-1], []):
        yield shown(case, case.proven.proof, public)


# Other keys and models


@attack("a proof for another key of the same program")
def another_key(case: Case) -> Iterator[Attempt]:
    yield Attempt(setup(case.program.r1cs).verifying, case.proven.proof, case.proven.public)


@attack("a proof for the key under another program's name", kinds=FRESH)
def another_name(case: Case) -> Iterator[Attempt]:
    yield Attempt(dataclasses.replace(case.verifying, program="00" * 32), case.proven.proof, case.proven.public)


@attack("another model under the published commitment's name", kinds=PERSISTENT)
def another_model(case: Case) -> Iterator[Attempt]:
    other = case.again(w=[1, 1])
    assert verify(case.verifying, other.proof, other.public)  # a sound proof, of another model
    yield shown(case, other.proof, other.public, expected=case.published)


@attack("another model's proof with the published commitment put in", kinds=PERSISTENT)
def grafted_commitment(case: Case) -> Iterator[Attempt]:
    other = case.again(w=[1, 1])
    points = other.proof.commitments.copy()
    points[0] = case.published["weights"]
    yield shown(case, with_part(other.proof, commitments=points), other.public, expected=case.published)


@attack("the same model under another mask", kinds=PERSISTENT)
def another_mask(case: Case) -> Iterator[Attempt]:
    masked = dataclasses.replace(case, masks={name: (mask + 1) % MODULUS for name, mask in case.masks.items()})
    other = masked.again()
    assert verify(case.verifying, other.proof, other.public)
    yield shown(case, other.proof, other.public, expected=case.published)


# Altered proofs


@attack("each point of the proof replaced")
def altered_points(case: Case) -> Iterator[Attempt]:
    proof = case.proven.proof
    for point, replaced in points_of(proof):
        yield shown(case, replaced(doubled(point)))
    yield shown(case, with_part(proof, b=doubled(proof.b)))


@attack("a malleated proof: one point negated, or parts of two proofs mixed")
def malleated(case: Case) -> Iterator[Attempt]:
    kernels, proof, other = default_kernels(), case.proven.proof, case.again().proof
    for point, replaced in points_of(proof):
        yield shown(case, replaced(kernels.g1.neg(point[None])[0]))
    yield shown(case, with_part(proof, b=kernels.g2.neg(proof.b[None])[0]))
    for part in ("a", "b", "c"):
        yield shown(case, with_part(proof, **{part: getattr(other, part)}))


@attack("a proof of knowledge from another proof, or none: a point at infinity", kinds=COMMITTED)
def moved_knowledge(case: Case) -> Iterator[Attempt]:
    proof, other = case.proven.proof, case.again(x=[-1, 2]).proof
    yield shown(case, with_part(proof, knowledge=np.zeros_like(proof.a)))
    if len({commitment.persistent for commitment in case.verifying.commitments}) > 1 or not case.masks:
        yield shown(case, with_part(proof, knowledge=other.knowledge))


@attack("commitments exchanged, doubled, or taken from another proof", kinds=("both",))
def moved_commitments(case: Case) -> Iterator[Attempt]:
    proof, other = case.proven.proof, case.again().proof
    for points in (proof.commitments[::-1].copy(), np.stack([proof.commitments[0]] * 2), other.commitments):
        yield shown(case, with_part(proof, commitments=points))


@attack("commitments that cancel: one shifted up, the other down", kinds=("both",))
def cancelling_commitments(case: Case) -> Iterator[Attempt]:
    kernels, proof = default_kernels(), case.proven.proof
    step = case.key.commitments[1].basis[:1]
    up = kernels.g1.add(proof.commitments[:1], step)
    down = kernels.g1.add(proof.commitments[1:], kernels.g1.neg(step))
    yield shown(case, with_part(proof, commitments=np.concatenate([up, down])))


@attack("a commitment shifted, and C shifted back", kinds=COMMITTED)
def shifted_into_c(case: Case) -> Iterator[Attempt]:
    """C takes any multiple of [K/δ]; without proofs of knowledge a commitment could take what C gives."""
    kernels, proof = default_kernels(), case.proven.proof
    step = case.key.commitments[0].basis[:1]
    points = proof.commitments.copy()
    points[:1] = kernels.g1.add(points[:1], step)
    yield shown(case, with_part(proof, commitments=points, c=kernels.g1.add(proof.c[None], kernels.g1.neg(step))[0]))


@attack("a proof without its proof of knowledge, or without its commitments", MalformedProof, LENGTHS, COMMITTED)
def stripped(case: Case) -> Iterator[Attempt]:
    proof = case.proven.proof
    yield shown(case, with_part(proof, knowledge=None), words=tuple(proof_words(proof)[:-2]))
    yield shown(case, with_part(proof, commitments=proof.commitments[:-1]))
    yield shown(case, with_part(proof, commitments=np.concatenate([proof.commitments] * 2)))


@attack("wrong proofs whose errors cancel in a batch", contract=())
def cancelling_batch(case: Case) -> Iterator[Attempt]:
    kernels, proof, step = default_kernels(), case.proven.proof, case.key.delta_g1[None]
    up = with_part(proof, c=kernels.g1.add(proof.c[None], step)[0])
    down = with_part(proof, c=kernels.g1.add(proof.c[None], kernels.g1.neg(step))[0])
    yield shown(case, up, batch=((down, case.proven.public),))


# Points and bytes that are no proof


@attack("points off the curve", MalformedProof, ("InvalidPoint",))
def off_curve(case: Case) -> Iterator[Attempt]:
    proof = case.proven.proof
    for point, replaced in points_of(proof):
        yield shown(case, replaced(point[::-1].copy()))
    yield shown(case, with_part(proof, b=proof.b[::-1].copy()))


@attack("a point of the twist outside of the subgroup of order r", MalformedProof, ("InvalidPoint",))
def outside_the_subgroup(case: Case) -> Iterator[Attempt]:
    yield shown(case, with_part(case.proven.proof, b=_of_the_twist()))


@attack("a point of B's subgroup plus a small one outside of it", MalformedProof, ("InvalidPoint",))
def small_order(case: Case) -> Iterator[Attempt]:
    """The twist has 2p - r times as many points as the subgroup, 10069 its least factor: pairings miss such a point."""
    g2, least = default_kernels().g2, 10069
    small = _times(_of_the_twist()[None], MODULUS * ((2 * P - MODULUS) // least))
    assert small.any()
    assert not _times(small, least).any()
    yield shown(case, with_part(case.proven.proof, b=g2.add(case.proven.proof.b[None], small)[0]))


def _of_the_twist() -> Any:
    g2 = default_kernels().g2
    abscissae = np.zeros((16, 2, 4), dtype=np.uint64)
    abscissae[:, 0, 0] = np.arange(1, 17)
    points, on_curve = g2.lift_x(abscissae, np.zeros(16, dtype=np.bool_))
    return points[on_curve & points.any(axis=(1, 2, 3)) & ~g2.valid(points)][0]


def _times(point: Any, factor: int) -> Any:
    """By doubling, since kernels take factors modulo r."""
    g2, total = default_kernels().g2, np.zeros_like(point)
    for bit in bin(factor)[2:]:
        total = g2.add(total, total)
        total = g2.add(total, point) if bit == "1" else total
    return total


@attack("coordinates that are not reduced", MalformedProof, ("InvalidPoint",))
def unreduced(case: Case) -> Iterator[Attempt]:
    words = proof_words(case.proven.proof)
    for point, replaced in points_of(case.proven.proof):
        bent = point.copy()
        value = int.from_bytes(bent[0].tobytes(), "little") + P
        bent[0] = np.frombuffer(value.to_bytes(32, "little"), dtype=np.uint64)
        yield shown(case, replaced(bent), words=None)
    for place in range(len(words)):
        bent_words = (*words[:place], words[place] + P, *words[place + 1 :])
        yield shown(case, _unreduced(case.proven.proof), words=bent_words)


def _unreduced(proof: Proof) -> Proof:
    """With the modulus itself for a zero: Montgomery limbs equal to p."""
    bent = proof.a.copy()
    bent[1] = np.frombuffer(P.to_bytes(32, "little"), dtype=np.uint64)
    return with_part(proof, a=bent)


@attack("points at infinity")
def nothing_at_all(case: Case) -> Iterator[Attempt]:
    proof = case.proven.proof
    none = None if proof.knowledge is None else np.zeros_like(proof.a)
    zero = np.zeros_like(proof.a)
    yield shown(case, Proof(zero, np.zeros_like(proof.b), zero, np.zeros_like(proof.commitments), none))


@attack("points at infinity in an encoding", MalformedProof, ())
def nothing_encoded(case: Case) -> Iterator[Attempt]:
    data = proof_to_bytes(case.proven.proof)
    starts = [0, 32, *range(96, len(data), 32)]
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        for mark in (0, 0x40, 0xC0):  # the marks that other libraries use for it
            yield shown(case, data[:start] + bytes([mark]) + bytes(stop - start - 1) + data[stop:])  # type: ignore[arg-type]


@attack("trailing and missing bytes", MalformedProof, LENGTHS)
def wrong_length(case: Case) -> Iterator[Attempt]:
    data, words = proof_to_bytes(case.proven.proof), proof_words(case.proven.proof)
    yield shown(case, data + b"\0", words=(*words, 0))  # type: ignore[arg-type]
    yield shown(case, data + data[-32:], words=(*words, *words[-2:]))  # type: ignore[arg-type]
    yield shown(case, data[:-1], words=tuple(words[:-1]))  # type: ignore[arg-type]
    yield shown(case, b"", words=tuple(words[:1]))  # type: ignore[arg-type]


@attack("bits of the encoding flipped", MalformedProof, (), either=True)
def bent_bytes(case: Case) -> Iterator[Attempt]:
    data = proof_to_bytes(case.proven.proof)
    for bit in range(0, 8 * len(data), 61):
        bent = bytearray(data)
        bent[bit // 8] ^= 1 << bit % 8
        yield shown(case, bytes(bent))  # type: ignore[arg-type]


def table() -> str:
    """The published table."""
    lines = ["| attack | on programs | `verify` | contract |", "|---|---|---|---|"]
    for found in ATTACKS.values():
        kinds = "all" if found.kinds == KINDS else ", ".join(found.kinds)
        contract = " or ".join("false" if a == FALSE else f"reverts: {a}" for a in found.contract)
        contract = contract.replace("reverts: unnamed", "reverts")
        lines.append(f"| {found.name} | {kinds} | {' or '.join(found.answers)} | {contract or '-'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
