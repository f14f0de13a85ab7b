"""Our own encodings: proofs in the fewest bytes, one encoding each, and keys as artefacts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vortex_crypto import container
from vortex_crypto.arith.field.arrays import encode, g2_from_ints
from vortex_crypto.arith.field.bn254 import FQ, FR, P
from vortex_crypto.arith.field.encoding import encode_g2
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.container import Artefact
from vortex_crypto.errors import InvalidInput, MalformedArtefact, MalformedProof
from vortex_crypto.zk.groth16 import serialize, snarkjs, transcript
from vortex_crypto.zk.groth16.keys import CommitmentProvingKey, CommitmentVerifyingKey, Proof, ProvingKey

Vector = Callable[[str], Path]
Change = Callable[[Artefact], dict[str, Any]]


@pytest.fixture(scope="module")
def plain(vector: Vector, kernels: FieldKernels) -> Proof:
    return snarkjs.read_proof(vector("proof.json"), kernels=kernels)


@pytest.fixture(scope="module")
def committed(plain: Proof, kernels: FieldKernels) -> Proof:
    """The encoding of a proof with two commitments; any points will do."""
    points = kernels.g1.multiply(np.stack([plain.a] * 3), encode(FR, [2, 3, 4]))
    return replace(plain, commitments=points[:2], knowledge=points[2])


def same(left: Proof, right: Proof) -> bool:
    def parts(proof: Proof) -> list[Any]:
        knowledge = None if proof.knowledge is None else proof.knowledge.tolist()
        return [proof.a.tolist(), proof.b.tolist(), proof.c.tolist(), proof.commitments.tolist(), knowledge]

    return parts(left) == parts(right)


def test_a_plain_proof_takes_128_bytes(plain: Proof, kernels: FieldKernels) -> None:
    data = serialize.proof_to_bytes(plain, kernels=kernels)
    assert len(data) == 128
    assert same(serialize.proof_from_bytes(data, kernels=kernels), plain)


def test_commitments_add_32_bytes_each(committed: Proof, kernels: FieldKernels) -> None:
    data = serialize.proof_to_bytes(committed, kernels=kernels)
    assert len(data) == 160 + 2 * 32
    assert same(serialize.proof_from_bytes(data, kernels=kernels), committed)


@pytest.mark.parametrize("length", [0, 1, 127, 129, 160, 191, 193, 128 + 32 * 300])
def test_lengths_that_fit_no_proof_are_refused(length: int, committed: Proof, kernels: FieldKernels) -> None:
    data = (serialize.proof_to_bytes(committed, kernels=kernels) * 50)[:length]
    with pytest.raises(MalformedProof, match=f"{length} are given"):
        serialize.proof_from_bytes(data, kernels=kernels)


@pytest.mark.parametrize("at", [0, 31, 32, 63, 64, 95, 96, 127, 128, 200, 223])
def test_an_altered_byte_is_refused_or_is_another_proof(at: int, committed: Proof, kernels: FieldKernels) -> None:
    """No two byte strings are one proof: what is accepted encodes back to the very same bytes."""
    data = serialize.proof_to_bytes(committed, kernels=kernels)
    for bit in (0x01, 0x20, 0x40, 0x80):
        altered = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
        try:
            proof = serialize.proof_from_bytes(altered, kernels=kernels)
        except MalformedProof:
            continue
        assert serialize.proof_to_bytes(proof, kernels=kernels) == altered
        assert not same(proof, committed)


@given(data=st.one_of(*(st.binary(min_size=n, max_size=n) for n in (128, 192, 224))))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    with suppress(MalformedProof):
        assert serialize.proof_to_bytes(serialize.proof_from_bytes(data)) == data


@pytest.mark.parametrize(("start", "size"), [(0, 32), (32, 64), (96, 32), (128, 32), (192, 32)])
def test_infinity_and_unreduced_numbers_are_refused(
    start: int, size: int, committed: Proof, kernels: FieldKernels
) -> None:
    data = serialize.proof_to_bytes(committed, kernels=kernels)
    infinity = b"\x40" + bytes(size - 1)
    with pytest.raises(MalformedProof, match="infinity"):
        serialize.proof_from_bytes(data[:start] + infinity + data[start + size :], kernels=kernels)
    with pytest.raises(MalformedProof, match="not below p"):
        serialize.proof_from_bytes(data[:start] + P.to_bytes(32, "big") + data[start + 32 :], kernels=kernels)


def test_a_twist_point_outside_the_subgroup_is_refused(plain: Proof, kernels: FieldKernels) -> None:
    points, found = kernels.g2.lift_x(
        encode(FQ, [x for i in range(1, 9) for x in (i, 0)]).reshape(8, 2, 4), np.ones(8, bool)
    )
    outside = points[found][:1]
    assert not kernels.g2.valid(outside)[0]
    data = serialize.proof_to_bytes(plain, kernels=kernels)
    forged = data[:32] + encode_g2(kernels, outside, compressed=True).tobytes() + data[96:]
    with pytest.raises(MalformedProof, match="subgroup"):
        serialize.proof_from_bytes(forged, kernels=kernels)


@pytest.fixture(scope="module")
def key(vector: Vector, kernels: FieldKernels) -> ProvingKey:
    """A key in the shape of one with two commitments of one wire each, cut from snarkjs's of three private wires."""
    whole = snarkjs.read_zkey(vector("final.zkey"), kernels=kernels).key
    sigmas = tuple(CommitmentVerifyingKey(n, n == "weights", whole.verifying.beta_g2) for n in ("weights", "values"))
    verifying = replace(
        whole.verifying, program="ab" * 32, n_challenges=1, commitments=sigmas, commitment_g=whole.verifying.delta_g2
    )
    bases = tuple(CommitmentProvingKey(p[None], p[None]) for p in whole.c_query[:2])
    return replace(whole, verifying=verifying, commitments=bases, c_query=whole.c_query[2:])


def stored(artefact: Artefact) -> Artefact:
    return container.loads(container.dumps(artefact))


def test_keys_round_trip(key: ProvingKey, kernels: FieldKernels) -> None:
    proving = serialize.proving_key_to_artefact(key)
    back = serialize.proving_key_from_artefact(stored(proving), kernels=kernels, validate=True)
    assert stored(serialize.proving_key_to_artefact(back)).meta == stored(proving).meta
    assert container.dumps(serialize.proving_key_to_artefact(back)) == container.dumps(proving)
    verifying = serialize.verifying_key_to_artefact(key.verifying)
    again = serialize.verifying_key_from_artefact(stored(verifying), kernels=kernels)
    assert again.digest == key.verifying.digest == back.verifying.digest
    assert [(k.name, k.persistent) for k in again.commitments] == [("weights", True), ("values", False)]


def test_proving_keys_stay_memory_maps(key: ProvingKey, tmp_path: Path) -> None:
    container.write(tmp_path / "proving.key", serialize.proving_key_to_artefact(key))
    back = serialize.proving_key_from_artefact(container.read(tmp_path / "proving.key"))
    for array in (back.a_query, back.b_g2_query, back.h_query, back.a.values, back.commitments[0].basis):
        assert not array.flags.writeable
        assert not array.flags.owndata
        assert array.flags.aligned


def test_marks_of_insecurity_stay(key: ProvingKey, kernels: FieldKernels) -> None:
    for insecure in (True, False):
        marked = replace(key, verifying=replace(key.verifying, insecure=insecure))
        artefact = stored(serialize.proving_key_to_artefact(marked))
        assert artefact.insecure is insecure
        assert serialize.proving_key_from_artefact(artefact, kernels=kernels).verifying.insecure is insecure


def without(name: str) -> Change:
    return lambda artefact: {"arrays": {k: v for k, v in artefact.arrays.items() if k != name}}


def with_array(name: str, function: Callable[[Any], Any]) -> Change:
    return lambda artefact: {"arrays": {k: function(v) if k == name else v for k, v in artefact.arrays.items()}}


def with_meta(**changes: Any) -> Change:
    return lambda artefact: {"meta": {**artefact.meta, **changes}}


def off_curve(points: Any) -> Any:
    moved = points.copy()
    moved.reshape(-1)[0] ^= np.uint64(1)
    return moved


PROVING_CHANGES: list[tuple[str, Change]] = [
    ("'h_query' is missing", without("h_query")),
    ("'b_g2_query' is uint64", with_array("b_g2_query", lambda v: v[:-1])),
    ("'a_query' is int64", with_array("a_query", lambda v: v.astype(np.int64))),
    ("'a.indptr' should rise", with_array("a.indptr", lambda v: v[::-1].copy())),
    ("'b.indices' names wires 255 to 255", with_array("b.indices", lambda v: np.full_like(v, 255))),
    ("'ic' holds a point", with_array("ic", off_curve)),
    ("'commitment_g' is not a finite point", with_array("commitment_g", np.zeros_like)),
    (
        "'commitment_g_sigma_neg.1.' is not",
        with_array("commitment_g_sigma_neg", lambda v: v * np.array([1, 0], np.uint64)[:, None, None, None]),
    ),
    ("'domain' is 3", with_meta(domain=3)),
    ("'domain' should be a number", with_meta(domain=True)),
    ("'n_challenges' is 200", with_meta(n_challenges=200)),
    ("'commitments' should be a list", with_meta(commitments=7)),
    ("'commitments' should hold pairs", with_meta(commitments=[["weights", 1]])),
    ("'extra' does not belong", lambda artefact: {"arrays": {**artefact.arrays, "extra": np.zeros(1)}}),
    ("a verifying-key artefact is needed|zk-other", lambda artefact: {"kind": "zk-other"}),
]


@pytest.mark.parametrize(("message", "change"), PROVING_CHANGES)
def test_keys_that_do_not_fit_are_refused(message: str, change: Change, key: ProvingKey, kernels: FieldKernels) -> None:
    artefact = serialize.proving_key_to_artefact(key)
    with pytest.raises(MalformedArtefact, match=message):
        serialize.proving_key_from_artefact(stored(replace(artefact, **change(artefact))), kernels=kernels)


@pytest.mark.parametrize("name", ["a_query", "c_query", "b_g2_query", "commitment.1.basis_sigma", "a.values"])
def test_full_validation_checks_every_point(name: str, key: ProvingKey, kernels: FieldKernels) -> None:
    artefact = serialize.proving_key_to_artefact(key)
    spoil = (lambda v: np.full_like(v, 2**64 - 1)) if name == "a.values" else off_curve
    changed = replace(artefact, **with_array(name, spoil)(artefact))
    serialize.proving_key_from_artefact(changed, kernels=kernels)
    with pytest.raises(MalformedArtefact, match=name):
        serialize.proving_key_from_artefact(changed, kernels=kernels, validate=True)


def test_the_transcript_depends_on_everything(key: ProvingKey, committed: Proof, kernels: FieldKernels) -> None:
    verifying, public = key.verifying, [7]
    base = transcript.seed(verifying, public, committed.commitments)
    other_key = replace(verifying, delta_g2=g2_from_ints([None])[0])
    swapped = committed.commitments[::-1]
    others = {
        transcript.seed(verifying, [8], committed.commitments),
        transcript.seed(verifying, public, swapped),
        transcript.seed(other_key, public, committed.commitments),
    }
    assert len(others | {base}) == 4
    first, second = transcript.challenges(base, 2)
    scalars = {first, second, transcript.fold(base), transcript.merge(base, committed)}
    moved = replace(committed, c=committed.a)
    assert len(scalars | {transcript.merge(base, moved)}) == 5


def test_the_transcript_refuses_what_does_not_fit(key: ProvingKey, plain: Proof, committed: Proof) -> None:
    with pytest.raises(InvalidInput, match="1 public values and 2 commitments"):
        transcript.seed(key.verifying, [1, 2], committed.commitments)
    with pytest.raises(InvalidInput, match="not in"):
        transcript.seed(key.verifying, [-1], committed.commitments)
    with pytest.raises(InvalidInput, match="nothing to merge"):
        transcript.merge(b"", plain)
