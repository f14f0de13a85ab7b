"""What snarkjs wrote is understood, and what is written back is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vortex_crypto.arith.field.arrays import decode, encode, g1_from_ints, g2_from_ints
from vortex_crypto.arith.field.bn254 import FQ, FR, G1_GENERATOR, G2_GENERATOR, P, R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.groth16 import snarkjs
from vortex_crypto.zk.groth16.keys import CommitmentVerifyingKey, Proof, VerifyingKey
from vortex_crypto.zk.groth16.snarkjs import ptau as ptau_format
from vortex_crypto.zk.r1cs import Commitment, R1cs, SparseMatrix

Vector = Callable[[str], Path]


def times(matrix: SparseMatrix, witness: list[int]) -> list[int]:
    return [sum(value * witness[wire] for wire, value in matrix.row(i)) % R for i in range(matrix.rows)]


def test_r1cs_holds_for_the_witness(vector: Vector) -> None:
    r1cs, witness = snarkjs.read_r1cs(vector("multiplier.r1cs")), snarkjs.read_wtns(vector("multiplier.wtns"))
    values = decode(FR, witness)
    assert values[:3] == [1, 3 * 5 * 11 + 7 * 3 - 5, 11], "the one, the output, the public input"
    assert (r1cs.n_wires, r1cs.n_public, r1cs.n_constraints) == (6, 2, 2)
    left, right, product = (times(matrix, values) for matrix in (r1cs.a, r1cs.b, r1cs.c))
    assert [a * b % R for a, b in zip(left, right, strict=True)] == product


def test_r1cs_round_trip(vector: Vector, tmp_path: Path) -> None:
    first = snarkjs.read_r1cs(vector("multiplier.r1cs"))
    snarkjs.write_r1cs(tmp_path / "again.r1cs", first)
    assert snarkjs.read_r1cs(tmp_path / "again.r1cs").digest() == first.digest()


def test_r1cs_of_odd_shapes_round_trips(tmp_path: Path) -> None:
    empty, full = [[], [], []], [[(1, 5), (1, 6)], [], [(0, R - 1), (2, 2**200), (3, 1)]]
    a, b, c = (SparseMatrix.from_rows(rows) for rows in (empty, full, [[(3, 1)], [(2, 1)], []]))
    snarkjs.write_r1cs(tmp_path / "odd.r1cs", R1cs(a, b, c, 4, 1))
    back = snarkjs.read_r1cs(tmp_path / "odd.r1cs")
    assert [[m.row(i) for i in range(3)] for m in (back.a, back.b, back.c)] == [
        [m.row(i) for i in range(3)] for m in (a, b, c)
    ]


ELEMENTS = st.one_of(st.integers(0, R - 1), st.sampled_from([0, 1, R - 1, 2**64, 2**252]))
ROWS = st.lists(st.lists(st.tuples(st.integers(0, 4), ELEMENTS), max_size=4), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=ROWS, b=ROWS, c=ROWS, witness=st.lists(ELEMENTS, max_size=5))
def test_any_system_and_witness_round_trip(a: Any, b: Any, c: Any, witness: Any, tmp_path: Path) -> None:
    height = max(map(len, (a, b, c)))
    matrices = [SparseMatrix.from_rows(rows + [[]] * (height - len(rows))) for rows in (a, b, c)]
    system = R1cs(*matrices, n_wires=5, n_public=2)
    snarkjs.write_r1cs(tmp_path / "any.r1cs", system)
    assert snarkjs.read_r1cs(tmp_path / "any.r1cs").digest() == system.digest()
    values = encode(FR, [1, *witness])
    snarkjs.write_wtns(tmp_path / "any.wtns", values)
    assert (snarkjs.read_wtns(tmp_path / "any.wtns") == values).all()


def test_witness_round_trips_byte_for_byte(vector: Vector, tmp_path: Path) -> None:
    snarkjs.write_wtns(tmp_path / "again.wtns", snarkjs.read_wtns(vector("multiplier.wtns")))
    assert (tmp_path / "again.wtns").read_bytes() == vector("multiplier.wtns").read_bytes()


def test_initial_key_round_trips_byte_for_byte(vector: Vector, tmp_path: Path, kernels: FieldKernels) -> None:
    zkey = snarkjs.read_zkey(vector("initial.zkey"), kernels=kernels, validate=True)
    assert zkey.key.verifying.insecure, "no one has contributed"
    snarkjs.write_zkey(tmp_path / "again.zkey", zkey, kernels=kernels)
    assert (tmp_path / "again.zkey").read_bytes() == vector("initial.zkey").read_bytes()


def test_contributions_are_read_and_written(vector: Vector, tmp_path: Path, kernels: FieldKernels) -> None:
    zkey = snarkjs.read_zkey(vector("final.zkey"), kernels=kernels, validate=True)
    first, last = zkey.contributions
    assert not zkey.key.verifying.insecure
    assert (first.name, first.beacon) == ("first", b"")
    assert (last.name, last.beacon, last.iterations_log) == ("last", bytes(range(1, 9)), 10)
    snarkjs.write_zkey(tmp_path / "again.zkey", zkey, kernels=kernels)
    again = snarkjs.read_zkey(tmp_path / "again.zkey", kernels=kernels)
    assert [c.digest() for c in again.contributions] == [first.digest(), last.digest()]
    assert (again.key.h_query == zkey.key.h_query).all()


def test_coefficients_are_those_of_the_constraints(vector: Vector, kernels: FieldKernels) -> None:
    """A and B of the key are the rows of the system, and one row for each public wire; Montgomery once, not twice."""
    r1cs, key = (
        snarkjs.read_r1cs(vector("multiplier.r1cs")),
        snarkjs.read_zkey(vector("final.zkey"), kernels=kernels).key,
    )
    statement = [[(wire, 1)] for wire in range(3)]
    rows = [[r1cs.a.row(i) for i in range(2)] + statement, [r1cs.b.row(i) for i in range(2)] + [[], [], []]]
    for matrix, expected in zip((key.a, key.b), rows, strict=True):
        assert [matrix.row(i) for i in range(matrix.rows)] == expected


def groth16_holds(key: VerifyingKey, public: list[int], proof: Proof, kernels: FieldKernels) -> bool:
    statement = kernels.g1.msm(key.ic, encode(FR, [1, *public]))
    g1 = np.stack([kernels.g1.neg(proof.a[None])[0], key.alpha_g1, statement, proof.c])
    return kernels.pairing_check(g1, np.stack([proof.b, key.beta_g2, key.gamma_g2, key.delta_g2]))


def test_documents_agree_with_the_key(vector: Vector, tmp_path: Path, kernels: FieldKernels) -> None:
    key = snarkjs.read_verifying_key(vector("verification_key.json"), kernels=kernels)
    assert key.digest == snarkjs.read_zkey(vector("final.zkey"), kernels=kernels).key.verifying.digest
    proof, public = (
        snarkjs.read_proof(vector("proof.json"), kernels=kernels),
        snarkjs.read_public(vector("public.json")),
    )
    assert groth16_holds(key, public, proof, kernels)
    assert not groth16_holds(key, [public[0] + 1, public[1]], proof, kernels)
    snarkjs.write_verifying_key(tmp_path / "verification_key.json", key, kernels=kernels)
    snarkjs.write_proof(tmp_path / "proof.json", proof)
    snarkjs.write_public(tmp_path / "public.json", public)
    for name in ("verification_key.json", "proof.json", "public.json"):
        assert json.loads((tmp_path / name).read_text()) == json.loads(vector(name).read_text()), name


def test_powers_are_where_they_should_be(vector: Vector, kernels: FieldKernels) -> None:
    powers = snarkjs.read_ptau(vector("powers.ptau"))
    assert (powers.power, powers.prepared) == (4, True)
    assert (powers.points(ptau_format.TAU_G1, 0, 1) == g1_from_ints([G1_GENERATOR])).all()
    assert (powers.points(ptau_format.TAU_G2, 0, 1) == g2_from_ints([G2_GENERATOR])).all()
    for log_domain in range(6):
        lagrange = powers.lagrange(ptau_format.LAGRANGE_TAU_G1, log_domain)
        if log_domain <= 4:  # the Lagrange polynomials add up to one
            assert (kernels.g1.msm(lagrange, encode(FR, [1] * len(lagrange))) == g1_from_ints([G1_GENERATOR])[0]).all()
    with pytest.raises(InvalidInput, match="no points"):
        powers.lagrange(ptau_format.LAGRANGE_TAU_G2, 5)


def test_what_the_formats_cannot_say_is_refused(vector: Vector, tmp_path: Path, kernels: FieldKernels) -> None:
    r1cs = snarkjs.read_r1cs(vector("multiplier.r1cs"))
    zkey = snarkjs.read_zkey(vector("initial.zkey"), kernels=kernels)
    proof = snarkjs.read_proof(vector("proof.json"), kernels=kernels)
    sigma = CommitmentVerifyingKey("weights", True, zkey.key.verifying.beta_g2)
    committed = replace(zkey.key.verifying, commitments=(sigma,), commitment_g=zkey.key.verifying.beta_g2)
    with pytest.raises(InvalidInput, match="commitments"):
        snarkjs.write_r1cs(tmp_path / "x", replace(r1cs, commitments=(Commitment("weights", 1, True),)))
    with pytest.raises(InvalidInput, match="commitments"):
        snarkjs.write_zkey(tmp_path / "x", replace(zkey, key=replace(zkey.key, verifying=committed)), kernels=kernels)
    with pytest.raises(InvalidInput, match="commitments"):
        snarkjs.write_verifying_key(tmp_path / "x", committed, kernels=kernels)
    with pytest.raises(InvalidInput, match="commitments"):
        snarkjs.write_proof(tmp_path / "x", replace(proof, commitments=proof.a[None]))
    with pytest.raises(InvalidInput, match="witness"):
        snarkjs.write_wtns(tmp_path / "x", np.zeros((3, 4), np.int64))
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_layout_constants() -> None:
    """The .zkey convention R = 2^256 is that of the kernels."""
    assert (FQ.montgomery_r, FR.montgomery_r) == ((1 << 256) % P, (1 << 256) % R)
