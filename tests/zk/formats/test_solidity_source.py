"""What may go into the text of a contract. Contracts are compiled and executed in tests/foreign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.groth16 import snarkjs, solidity
from vortex_crypto.zk.groth16.keys import CommitmentVerifyingKey, VerifyingKey


@pytest.fixture(scope="module")
def key(vector: Callable[[str], Path], kernels: FieldKernels) -> VerifyingKey:
    return snarkjs.read_verifying_key(vector("verification_key.json"), kernels=kernels)


@pytest.fixture(scope="module")
def committed(key: VerifyingKey) -> VerifyingKey:
    commitments = (
        CommitmentVerifyingKey("a\n*/ selfdestruct", True, key.beta_g2),
        CommitmentVerifyingKey("b", False, key.beta_g2),
    )
    return replace(key, commitments=commitments, commitment_g=key.delta_g2)


def test_text_from_artefacts_cannot_leave_its_comment(committed: VerifyingKey, kernels: FieldKernels) -> None:
    hostile = replace(committed, program="x\n} contract Evil { function")
    source = solidity.export_verifier(hostile, kernels=kernels)
    assert "Evil" not in source
    assert all("selfdestruct" not in line or line.startswith("///") for line in source.splitlines())
    assert "for program " + "ab" * 32 in solidity.export_verifier(
        replace(committed, program="ab" * 32), kernels=kernels
    )


def test_insecure_keys_say_so(key: VerifyingKey, kernels: FieldKernels) -> None:
    for insecure, mark in ((True, "INSECURE = true"), (False, "INSECURE = false")):
        assert mark in solidity.export_verifier(replace(key, insecure=insecure), kernels=kernels)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a;", "é", "a" * 65])
def test_names_are_identifiers(name: str, key: VerifyingKey, kernels: FieldKernels) -> None:
    with pytest.raises(InvalidInput, match="no name for a contract"):
        solidity.export_verifier(key, name=name, kernels=kernels)


def test_what_does_not_fit_is_refused(key: VerifyingKey, committed: VerifyingKey, kernels: FieldKernels) -> None:
    with pytest.raises(InvalidInput, match="make one public value the hash"):
        solidity.export_verifier(replace(key, ic=np.repeat(key.ic, 100, axis=0)), kernels=kernels)
    with pytest.raises(InvalidInput, match=r"no persistent commitment \['b'\]"):
        solidity.export_verifier(committed, expected={"b": key.alpha_g1}, kernels=kernels)
    with pytest.raises(InvalidInput, match="no persistent commitment"):
        solidity.export_verifier(key, expected={"b": key.alpha_g1}, kernels=kernels)


def test_ranges_are_checked_in_runs(key: VerifyingKey, kernels: FieldKernels) -> None:
    pair = [(-8, 4), (-8, 4)][: key.n_public]
    assert solidity.export_verifier(key, ranges=pair, kernels=kernels).count("revert InputOutOfRange();") == 1
    assert "revert InputOutOfRange();" not in solidity.export_verifier(key, kernels=kernels)
    for ranges in ([(0, 1)] * (key.n_public + 1), [(0, 0)], [(0, 253)]):
        with pytest.raises(InvalidInput, match="ranges are given for"):
            solidity.export_verifier(key, ranges=ranges, kernels=kernels)
