"""Held against snarkjs and circom: each proves and verifies with what the other made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.foreign.conftest import CIRCUITS, Compiled, Node, Workshop
from vortex_crypto.arith.field.arrays import encode
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16 import ceremony, powers, snarkjs
from vortex_crypto.zk.groth16.keys import Proof, ProvingKey, VerifyingKey
from vortex_crypto.zk.groth16.prove import prove, prove_witness
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.interpret.witness import solve
from vortex_crypto.zk.plan import Program

SMALL = pytest.mark.parametrize("name", ["multiplier", "poseidon"])
ALL = pytest.mark.parametrize("name", CIRCUITS)


def snarkjs_accepts(node: Node, folder: Path, key: VerifyingKey, public: list[int], proof: Proof) -> bool:
    """What snarkjs makes of our documents."""
    snarkjs.write_verifying_key(folder / "verification_key.json", key)
    snarkjs.write_proof(folder / "proof.json", proof)
    snarkjs.write_public(folder / "public.json", public)
    documents = [json.loads((folder / f"{n}.json").read_text()) for n in ("verification_key", "public", "proof")]
    answer: bool = node.call("groth16.verify", *documents)
    return answer


def read_documents(folder: Path, proved: dict[str, Any]) -> tuple[Proof, list[int]]:
    """What we make of snarkjs's documents."""
    for name, field in (("proof", "proof"), ("public", "publicSignals")):
        (folder / f"their_{name}.json").write_text(json.dumps(proved[field]))
    return snarkjs.read_proof(folder / "their_proof.json"), snarkjs.read_public(folder / "their_public.json")


def keys_for(compiled: Compiled) -> ProvingKey:
    return setup(snarkjs.read_r1cs(compiled.r1cs))


@ALL
def test_circom_circuits_are_proved_by_us_and_verified_by_snarkjs(
    name: str, workshop: Workshop, node: Node, tmp_path: Path
) -> None:
    compiled = workshop.circuit(name)
    key, public = keys_for(compiled), compiled.public
    proof = prove_witness(key, snarkjs.read_wtns(compiled.wtns))
    assert verify(key.verifying, proof, public)
    assert snarkjs_accepts(node, tmp_path, key.verifying, public, proof)
    wrong = [public[0] + 1, *public[1:]]
    assert not verify(key.verifying, proof, wrong)
    assert not snarkjs_accepts(node, tmp_path, key.verifying, wrong, proof)


@ALL
def test_snarkjs_proves_with_our_keys(name: str, workshop: Workshop, node: Node, tmp_path: Path) -> None:
    compiled = workshop.circuit(name)
    key = keys_for(compiled)
    snarkjs.write_zkey(tmp_path / "our.zkey", snarkjs.Zkey(key))
    proof, public = read_documents(tmp_path, node.call("groth16.prove", tmp_path / "our.zkey", compiled.wtns))
    assert public == compiled.public
    assert verify(key.verifying, proof, public)
    snarkjs.write_verifying_key(tmp_path / "ours.json", key.verifying)
    exported = node.call("zKey.exportVerificationKey", tmp_path / "our.zkey")
    assert exported == json.loads((tmp_path / "ours.json").read_text())


@SMALL
def test_we_prove_with_snarkjs_s_keys(name: str, workshop: Workshop, node: Node, tmp_path: Path) -> None:
    compiled = workshop.circuit(name)
    node.call("zKey.newZKey", compiled.r1cs, workshop.powers(8), tmp_path / "0.zkey")
    node.call("zKey.contribute", tmp_path / "0.zkey", tmp_path / "1.zkey", "someone", "text")
    zkey = snarkjs.read_zkey(tmp_path / "1.zkey", validate=True)
    proof = prove_witness(zkey.key, snarkjs.read_wtns(compiled.wtns))
    exported = node.call("zKey.exportVerificationKey", tmp_path / "1.zkey")
    (tmp_path / "key.json").write_text(json.dumps(exported))
    key = snarkjs.read_verifying_key(tmp_path / "key.json")
    assert verify(key, proof, compiled.public)
    assert snarkjs_accepts(node, tmp_path, key, compiled.public, proof)
    theirs, public = read_documents(tmp_path, node.call("groth16.prove", tmp_path / "1.zkey", compiled.wtns))
    assert verify(key, theirs, public)
    doubled = default_kernels().g1.multiply(theirs.c[None], encode(FR, [2]))[0]
    assert not verify(key, Proof(theirs.a, theirs.b, doubled, theirs.commitments), public)


@SMALL
def test_matrices_are_those_that_snarkjs_reads(name: str, workshop: Workshop, node: Node) -> None:
    compiled = workshop.circuit(name)
    r1cs, theirs = snarkjs.read_r1cs(compiled.r1cs), node.call("r1cs.exportJson", compiled.r1cs)
    assert (r1cs.n_wires, r1cs.n_public) == (theirs["nVars"], theirs["nOutputs"] + theirs["nPubInputs"])
    for index, rows in enumerate(theirs["constraints"]):
        for matrix, row in zip((r1cs.a, r1cs.b, r1cs.c), rows, strict=True):
            assert dict(matrix.row(index)) == {int(wire): int(value) for wire, value in row.items()}


def statement() -> Program:
    """One of ours, with coefficients of every sort and a public input."""
    c = Circuit("ours")
    x, y = c.private("x", (20,)), c.public("y")
    z = c.mul(x * 3 - 5, x + y)
    c.expose("z", z[0] - z[19] * 7)
    return c.finish()


def test_snarkjs_takes_our_systems_and_witnesses(workshop: Workshop, node: Node, tmp_path: Path) -> None:
    program = statement()
    inputs = {"x": list(range(-10, 10)), "y": 4}
    witness = solve(program, inputs)
    r1cs, wtns, zkey = tmp_path / "our.r1cs", tmp_path / "our.wtns", tmp_path / "our.zkey"
    snarkjs.write_r1cs(r1cs, program.r1cs)
    snarkjs.write_wtns(wtns, witness)
    assert node.call("wtns.check", r1cs, wtns, "$logger") is True
    node.call("zKey.newZKey", r1cs, workshop.powers(8), tmp_path / "0.zkey")
    node.call("zKey.contribute", tmp_path / "0.zkey", zkey, "someone", "text")
    key = ceremony.verify(snarkjs.read_zkey(zkey), program.r1cs, snarkjs.read_ptau(workshop.powers(8)))
    proven = prove(key, program, inputs)
    assert snarkjs_accepts(node, tmp_path, key.verifying, list(proven.public), proven.proof)
    theirs, public = read_documents(tmp_path, node.call("groth16.prove", zkey, wtns))
    assert public == list(proven.public)
    assert verify(key.verifying, theirs, public)
    broken = np.array(witness)
    broken[-1] = broken[-2]
    snarkjs.write_wtns(wtns, broken)
    assert node.call("wtns.check", r1cs, wtns, "$logger") is False


@SMALL
def test_ceremonies_pass_from_hand_to_hand(name: str, workshop: Workshop, node: Node, tmp_path: Path) -> None:
    """We begin and contribute, snarkjs contributes, we contribute, snarkjs ends; both verify at every step."""
    compiled, tau_path = workshop.circuit(name), workshop.powers(8)
    r1cs, tau = snarkjs.read_r1cs(compiled.r1cs), snarkjs.read_ptau(tau_path)
    files = [tmp_path / f"{step}.zkey" for step in range(5)]
    snarkjs.write_zkey(files[0], ceremony.specialise(r1cs, tau))
    node.call("zKey.newZKey", compiled.r1cs, tau_path, tmp_path / "their.zkey")
    assert files[0].read_bytes() == (tmp_path / "their.zkey").read_bytes()

    def ours(step: int) -> None:
        zkey = ceremony.contribute(snarkjs.read_zkey(files[step - 1]), name=f"our step {step}")
        snarkjs.write_zkey(files[step], zkey)

    def both_verify(step: int) -> None:
        assert node.call("zKey.verifyFromR1cs", compiled.r1cs, tau_path, files[step]) is True
        assert node.call("zKey.verifyFromInit", files[0], tau_path, files[step]) is True
        ceremony.verify(snarkjs.read_zkey(files[step]), r1cs, tau)

    ours(1)
    both_verify(1)
    node.call("zKey.contribute", files[1], files[2], "their step", "text")
    ours(3)
    both_verify(3)
    node.call("zKey.beacon", files[3], files[4], "their beacon", "0a0b0c0d", 10)
    both_verify(4)
    assert [c.name for c in snarkjs.read_zkey(files[4]).contributions] == [
        "our step 1",
        "their step",
        "our step 3",
        "their beacon",
    ]


def test_our_beacons_are_snarkjs_s(workshop: Workshop, node: Node, tmp_path: Path) -> None:
    """A beacon has one outcome: both sides write the same key and the same digest."""
    compiled, tau_path = workshop.circuit("multiplier"), workshop.powers(8)
    initial = ceremony.specialise(snarkjs.read_r1cs(compiled.r1cs), snarkjs.read_ptau(tau_path))
    snarkjs.write_zkey(tmp_path / "0.zkey", initial)
    digest = node.call("zKey.beacon", tmp_path / "0.zkey", tmp_path / "their.zkey", "beacon", "0a0b0c", 11)
    ours = ceremony.apply_beacon(initial, bytes.fromhex("0a0b0c"), 11, name="beacon")
    theirs = snarkjs.read_zkey(tmp_path / "their.zkey")
    assert ours.contributions[0].digest() == theirs.contributions[0].digest() == digest
    assert (ours.key.c_query == theirs.key.c_query).all()
    assert (ours.key.h_query == theirs.key.h_query).all()


def test_snarkjs_refuses_a_false_contribution_of_ours(workshop: Workshop, node: Node, tmp_path: Path) -> None:
    """So that its approval of the true ones says something."""
    compiled, tau_path = workshop.circuit("multiplier"), workshop.powers(8)
    zkey = ceremony.contribute(ceremony.specialise(snarkjs.read_r1cs(compiled.r1cs), snarkjs.read_ptau(tau_path)))
    moved = np.array(zkey.key.h_query)
    moved[0] = moved[1]
    object.__setattr__(zkey.key, "h_query", moved)
    snarkjs.write_zkey(tmp_path / "false.zkey", zkey)
    assert node.call("zKey.verifyFromR1cs", compiled.r1cs, tau_path, tmp_path / "false.zkey") is False


def test_powers_that_snarkjs_made_are_sound(workshop: Workshop) -> None:
    powers.check_powers(snarkjs.read_ptau(workshop.powers(8)))
