"""Exported contracts, compiled by solc and executed on an EVM, decide as `verify` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.foreign.evm import Contract, Outcome, compile_contract
from vortex_crypto.nn.compile_zk import compile_zk
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.groth16 import solidity
from vortex_crypto.zk.groth16.keys import Proof, ProvingKey
from vortex_crypto.zk.groth16.prove import Proven, commit, prove
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.plan import Program

GOLDEN = Path(__file__).parent / "golden_gas.json"
MASK = 12345


def square() -> Program:
    c = Circuit("square")
    x = c.private("x")
    c.expose("y", c.mul(x, x))
    return c.finish()


def challenged(weights: str | None) -> Program:
    """y = w·x, checked once more on random combinations, so that there are two challenges."""
    c = Circuit("challenged")
    w, x = c.private("w", (2,), commitment=weights), c.private("x", (2,))
    y = c.mul(w, x)
    for values in (w, x, y):
        c.commit(values)
    c.expose("y", y[0] + y[1])

    def check() -> None:
        first, second = c.challenge(0), c.challenge(1)
        left = c.mul(c.mul(w[0], first), x[0]) + c.mul(c.mul(w[1], second), x[1])
        c.assert_equal(left, c.mul(y[0], first) + c.mul(y[1], second))

    c.later(check)
    return c.finish()


@dataclass
class Case:
    """A statement, keys for it, a proof, and the contract."""

    program: Program
    inputs: dict[str, Any]
    compile: Callable[[str], Contract]

    @cached_property
    def key(self) -> ProvingKey:
        return setup(self.program.r1cs)

    @property
    def persistent(self) -> bool:
        return any(c.persistent for c in self.program.r1cs.commitments)

    def prove(self, mask: int = MASK) -> Proven:
        masks = {"weights": mask} if self.persistent else None
        return prove(self.key, self.program, self.inputs, masks=masks)

    @cached_property
    def good(self) -> Proven:
        return self.prove()

    def deploy(self, key: ProvingKey) -> Contract:
        expected = {"weights": commit(key, self.program, "weights", self.inputs, MASK)} if self.persistent else None
        return self.compile(solidity.export_verifier(key.verifying, expected=expected))

    @cached_property
    def contract(self) -> Contract:
        return self.deploy(self.key)

    def call(self, words: list[int], public: list[int], contract: Contract | None = None) -> Outcome:
        data = b"".join(word.to_bytes(32, "big") for word in (*words, *public))
        return (contract or self.contract).call(solidity.signature(self.key.verifying), data)

    def decide(self, proof: Proof, public: list[int]) -> Outcome:
        """The contract's decision, which must be that of `verify`."""
        outcome = self.call(solidity.proof_words(proof), public)
        assert not outcome.error
        expected = {"weights": self.good.proof.commitments[0]} if self.persistent else None
        assert outcome.accepted == verify(self.key.verifying, proof, public, expected=expected)
        return outcome


@pytest.fixture(scope="module", params=["plain", "fresh", "both"])
def case(request: pytest.FixtureRequest, node: Any) -> Case:
    def compile_verifier(source: str) -> Contract:
        return compile_contract(node, source, "Verifier")

    if request.param == "plain":
        return Case(square(), {"x": 3}, compile_verifier)
    inputs = {"w": [3, 4], "x": [5, 6]}
    return Case(challenged("weights" if request.param == "both" else None), inputs, compile_verifier)


def test_good_proofs_are_accepted_for_little_gas(case: Case, golden: Any, request: pytest.FixtureRequest) -> None:
    outcome = case.decide(case.good.proof, list(case.good.public))
    assert outcome.accepted
    name = request.node.callspec.params["case"]
    print(f"{name}: {outcome.gas} gas to execute, {outcome.transaction} as a transaction, {case.contract.size} bytes")
    golden(GOLDEN, name, outcome.gas)
    if name == "plain":
        assert outcome.gas <= 200_000


def test_inputs_out_of_range_revert(case: Case) -> None:
    words, (value,) = solidity.proof_words(case.good.proof), case.good.public
    for low, bits, inside in ((value, 1, True), (-9, 10, True), (value + 1, 9, False), (value - 8, 3, False)):
        contract = case.compile(solidity.export_verifier(case.key.verifying, ranges=[(low, bits)]))
        outcome = case.call(words, [value], contract)
        assert outcome.accepted if inside else outcome.error == "InputOutOfRange"


def test_a_chain_without_precompiles_accepts_nothing(case: Case) -> None:
    """There, calls of precompiles succeed and write nothing, so that a verifier may read its own input as "valid"."""
    words, public = solidity.proof_words(case.good.proof), list(case.good.public)
    words[0] = 1
    assert case.call(words, public, case.contract.on_a_bare_chain()).error == "InvalidPoint"


def test_development_keys_are_marked(case: Case) -> None:
    outcome = case.contract.call("INSECURE()", b"")
    assert outcome.accepted
    assert "can forge proofs" in solidity.export_verifier(case.key.verifying)


def test_statements_may_be_empty_or_large(node: Any) -> None:
    c = Circuit("no public input")
    x = c.private("x")
    c.assert_equal(c.mul(x, x), 9)
    program = c.finish()
    key = setup(program.r1cs)
    proven = prove(key, program, {"x": 3})
    contract = compile_contract(node, solidity.export_verifier(key.verifying), "Verifier")
    arguments = solidity.calldata(proven.proof, proven.public)
    assert contract.call(solidity.signature(key.verifying), arguments).accepted
    large = replace(key.verifying, ic=np.repeat(key.verifying.ic, solidity.MAX_STATEMENT + 1, axis=0))
    assert compile_contract(node, solidity.export_verifier(large), "Verifier").size <= 24_576


def test_a_network_with_hashed_inputs_fits_a_contract(node: Any, golden: Any) -> None:
    """784 pixels are one public value: the contract takes it and ten scores, and no other digest."""
    folder = Path(__file__).parents[2] / "circuits" / "mnist_mlp"
    calibration = dict(np.load(folder / "calibration.npz"))
    program = compile_zk(
        import_onnx(folder / "model.onnx", batch=1), calibration=calibration, weights="private", inputs="hashed"
    )
    key, masks = setup(program.program.r1cs), {"weights": MASK}
    sample = {name: values[:1] for name, values in calibration.items()}
    receipt = program.prove(key, sample, masks=masks)
    expected = {"weights": program.commitment(key, MASK)}
    assert program.interface.verify(key.verifying, receipt.proof, receipt.public, expected=expected)
    contract = compile_contract(node, solidity.export_verifier(key.verifying, expected=expected), "Verifier")
    signature = solidity.signature(key.verifying)
    outcome = contract.call(signature, solidity.calldata(receipt.proof, receipt.public))
    assert outcome.accepted
    golden(GOLDEN, "mnist_mlp, committed weights, hashed inputs", outcome.gas)
    other = program.interface.digest({name: values[1:2] for name, values in calibration.items()})
    assert contract.call(signature, solidity.calldata(receipt.proof, [other, *receipt.public[1:]])).refused
