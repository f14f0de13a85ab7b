"""Set-up, proving and verifying: what must work, for plain and for committed programs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.zk.groth16.cases import Case, plain_program
from vortex_crypto import container
from vortex_crypto.arith.field import engine
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, Unsatisfied
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16.keys import Proof
from vortex_crypto.zk.groth16.prove import commit, prove, prove_witness
from vortex_crypto.zk.groth16.serialize import (
    proof_from_bytes,
    proof_to_bytes,
    proving_key_from_artefact,
    proving_key_to_artefact,
)
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.verify import verify, verify_batch
from vortex_crypto.zk.groth16.verify_reference import verify_reference
from vortex_crypto.zk.interpret.witness import solve


def test_a_proof_is_accepted(case: Case) -> None:
    assert verify(case.verifying, case.proven.proof, case.proven.public, expected=case.published)


def test_outputs_come_with_the_proof(plain: Case, committed: Case) -> None:
    assert plain.proven.outputs == {"y": 32, "z": 35}
    assert plain.proven.public == (7, 32, 35)
    assert committed.proven.outputs == {"y": 2}


def test_the_second_opinion_agrees(case: Case) -> None:
    assert verify_reference(case.verifying, case.proven.proof, case.proven.public)
    wrong = (*case.proven.public[:-1], case.proven.public[-1] + 1)
    assert not verify_reference(case.verifying, case.proven.proof, wrong)


def test_the_reference_engine_agrees(plain: Case) -> None:
    kernels = engine("reference")
    proven = prove(plain.key, plain.program, plain.inputs, kernels=kernels)
    assert verify(plain.verifying, proven.proof, proven.public)
    assert verify(plain.verifying, plain.proven.proof, plain.proven.public, kernels=kernels)


def test_proofs_of_one_statement_differ(case: Case) -> None:
    again = case.again()
    assert again.public == case.proven.public
    for part in ("a", "b", "c"):
        assert not np.array_equal(getattr(again.proof, part), getattr(case.proven.proof, part))


def test_a_persistent_commitment_is_the_same_in_every_proof(committed: Case) -> None:
    again = committed.again(x=[-1, 2])
    assert np.array_equal(again.proof.commitments[0], committed.proven.proof.commitments[0])
    assert np.array_equal(again.proof.commitments[0], committed.published["weights"])
    assert not np.array_equal(again.proof.commitments[1], committed.proven.proof.commitments[1])
    assert verify(committed.verifying, again.proof, again.public, expected=committed.published)


def test_another_mask_hides_the_same_weights(committed: Case) -> None:
    other = commit(committed.key, committed.program, "weights", committed.inputs, 1)
    assert not np.array_equal(other, committed.published["weights"])


def test_many_proofs_in_one_product(case: Case) -> None:
    change = {"b": 8} if "b" in case.inputs else {"x": [0, 1]}
    more = [case.proven, case.again(), case.again(**change)]
    proofs, publics = [p.proof for p in more], [p.public for p in more]
    assert verify_batch(case.verifying, proofs, publics, expected=case.published)
    assert not verify_batch(case.verifying, proofs, publics[::-1], expected=case.published)


def test_lines_of_a_key_are_prepared_once(case: Case) -> None:
    key, kernels = case.key.verifying, default_kernels()
    assert verify(key, case.proven.proof, case.proven.public)
    lines = key.fixed_lines(kernels)
    assert lines is key.fixed_lines(kernels)
    assert len(lines) == 3 + (len(key.commitments) + 1 if key.commitments else 0)


def test_compact_proofs_have_the_published_sizes(plain: Case, committed: Case) -> None:
    assert len(proof_to_bytes(plain.proven.proof)) == 128
    assert len(proof_to_bytes(committed.proven.proof)) == 128 + 3 * 32
    assert verify(plain.verifying, proof_from_bytes(proof_to_bytes(plain.proven.proof)), plain.proven.public)


def test_keys_prove_from_memory_maps(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "key.vx"
    container.write(path, proving_key_to_artefact(case.key))
    key = proving_key_from_artefact(container.read(path))
    proven = prove(key, case.program, case.inputs, masks=case.masks)
    assert verify(case.verifying, proven.proof, proven.public)


def test_a_finished_witness_proves_when_plain(plain: Case, committed: Case) -> None:
    witness = solve(plain.program, plain.inputs)
    assert verify(plain.verifying, prove_witness(plain.key, witness), plain.proven.public)
    with pytest.raises(InvalidInput, match="wires is expected"):
        prove_witness(plain.key, witness[1:])
    with pytest.raises(InvalidInput, match="not a finished witness"):
        prove_witness(committed.key, solve(committed.program, committed.inputs))


def test_development_keys_say_so(case: Case) -> None:
    assert case.verifying.insecure
    assert proving_key_to_artefact(case.key).insecure


def test_progress_is_told(plain: Case) -> None:
    told: list[float] = []
    setup(plain_program().r1cs, progress=lambda stage, fraction: told.append(fraction))
    prove(plain.key, plain.program, plain.inputs, progress=lambda stage, fraction: told.append(fraction))
    assert told.count(1.0) == 2
    first, second = told[: told.index(1.0) + 1], told[told.index(1.0) + 1 :]
    assert first == sorted(first)
    assert second == sorted(second)


def test_what_does_not_fit_is_refused(plain: Case, committed: Case) -> None:
    with pytest.raises(ArtefactMismatch, match="another program"):
        prove(plain.key, committed.program, committed.inputs, masks=committed.masks)
    with pytest.raises(InvalidInput, match="keeps masks for"):
        prove(committed.key, committed.program, committed.inputs)
    with pytest.raises(InvalidInput, match="mask must be"):
        prove(committed.key, committed.program, committed.inputs, masks={"weights": -1})
    with pytest.raises(InvalidInput, match="no commitment 'bias'"):
        commit(committed.key, committed.program, "bias", committed.inputs, 1)
    with pytest.raises(InvalidInput, match="no persistent commitment"):
        verify(plain.verifying, plain.proven.proof, plain.proven.public, expected=committed.published)
    with pytest.raises(Unsatisfied):
        committed.again(x=[5, 5])


def test_secrets_are_not_shown(committed: Case) -> None:
    from vortex_crypto.zk.groth16 import setup as module

    trapdoor = module._draw(committed.program.r1cs)
    assert str(trapdoor.tau) not in repr(trapdoor)
    assert "hidden" in repr(trapdoor)


def test_rerandomised_proofs_stay_valid(plain: Case) -> None:
    """Groth16 is malleable within one statement: a proof is no receipt that only its prover could have written."""
    from vortex_crypto.zk.field import MODULUS, default_kernels, one

    kernels, proof, t = default_kernels(), plain.proven.proof, 12345
    a = kernels.g1.multiply(proof.a[None], one(pow(t, -1, MODULUS))[None])[0]
    b = kernels.g2.multiply(proof.b[None], one(t)[None])[0]
    other: Proof = dataclasses.replace(proof, a=a, b=b)
    assert verify(plain.verifying, other, plain.proven.public)
