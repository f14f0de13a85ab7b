"""What a dishonest prover of inference would try: inputs that do not exist, other models, scalars that pack nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.nn.graphs import perceptron
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact
from vortex_crypto.nn.compile_zk import ZkProgram, compile_zk
from vortex_crypto.nn.integer import IntegerAffine, IntegerInput
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.statement import Output, ZkInterface
from vortex_crypto.zk.field import MODULUS, default_kernels, to_ints
from vortex_crypto.zk.groth16 import solidity
from vortex_crypto.zk.groth16.prove import commit, fresh_mask, prove
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.interpret.check import violated
from vortex_crypto.zk.interpret.witness import outputs, solve


def compiled(sizes: tuple[int, ...], weights: Any) -> ZkProgram:
    data = {"x": np.random.default_rng(5).uniform(-1, 1, (64, sizes[0]))}
    return compile_zk(perceptron(np.random.default_rng(1), sizes), calibration=data, weights=weights)


def test_public_inputs_out_of_range_prove_what_is_not_so() -> None:
    """Where x = (2^shift - bias)/w in the field, which stands for no small number, one weight gives any output."""
    program = compiled((2, 1), "public")
    (layer,) = program.network.layers
    assert isinstance(layer, IntegerAffine)
    weight, target = int(layer.maps[0].toarray()[0, 0]), (1 << layer.shift) - int(layer.bias[0])
    x = [target * pow(weight, -1, MODULUS) % MODULUS, 0]
    key = setup(program.program.r1cs)
    proven = prove(key, program.program, {"x": np.array(x, dtype=object)})
    assert proven.outputs["y"].tolist() == [1]
    assert verify(key.verifying, proven.proof, proven.public)  # the circuit alone cannot tell
    with pytest.raises(InvalidInput, match="not a small integer"):
        program.interface.verify(key.verifying, proven.proof, proven.public)
    source = solidity.export_verifier(key.verifying, ranges=program.interface.public_ranges)
    low, bits = program.interface.public_ranges[0]
    assert f"addmod(inputs[i], {low % MODULUS}, {MODULUS})" not in source
    assert f"addmod(inputs[i], {-low % MODULUS}, {MODULUS}) >= {1 << bits}) revert InputOutOfRange();" in source


def test_values_that_floats_confuse_are_different_inputs() -> None:
    port = IntegerInput("x", (1,), np.array([0]), np.array([0]), np.array([60]))
    interface = ZkInterface("", (port,), (Output("y", (1,), 0),), "public", False)
    assert interface.is_about([1 << 55, 0], {"x": np.array([2.0**55])})
    assert not interface.is_about([(1 << 55) + 1, 0], {"x": np.array([2.0**55])})
    with pytest.raises(InvalidInput, match=r"\[0, r\)"):
        interface.statement([5 + MODULUS, 0])


def test_an_interface_that_hides_the_commitment_is_not_enough() -> None:
    program = compiled((3, 2), "private")
    key, mask = setup(program.program.r1cs), fresh_mask()
    receipt = program.prove(key, {"x": np.zeros((1, 3))}, masks={"weights": mask})
    careless = dataclasses.replace(program.interface, private_weights=False)
    with pytest.raises(ArtefactMismatch, match="another program"):
        careless.verify(key.verifying, receipt.proof, receipt.public)
    named_so = dataclasses.replace(key.verifying, program=careless.program)
    with pytest.raises(InvalidInput, match="the model is private"):
        careless.verify(named_so, receipt.proof, receipt.public)
    published = {"weights": program.commitment(key, mask)}
    assert program.interface.verify(key.verifying, receipt.proof, receipt.public, expected=published)


def scaled(interface: ZkInterface) -> dict[str, ZkInterface]:
    """The interface with each thing that says how integers map to numbers changed."""
    (port,), (output,) = interface.inputs, interface.outputs
    ports = {
        "inputs' exponents": dataclasses.replace(port, fractions=port.fractions + 1),
        "inputs' low ends": dataclasses.replace(port, low=port.low - 1),
        "inputs' widths": dataclasses.replace(port, bits=port.bits + 1),
        "inputs' name": dataclasses.replace(port, name="z"),
        "inputs' shape": dataclasses.replace(port, shape=(len(port.low),)),
    }
    outputs = {
        "outputs' exponent": dataclasses.replace(output, fraction=output.fraction - 3),
        "outputs' name": dataclasses.replace(output, name="probability"),
        "outputs' shape": dataclasses.replace(output, shape=output.shape[1:]),
    }
    return {
        **{what: dataclasses.replace(interface, inputs=(port,)) for what, port in ports.items()},
        **{what: dataclasses.replace(interface, outputs=(output,)) for what, output in outputs.items()},
        "whether inputs are public": dataclasses.replace(interface, visibility="private"),
        "whether weights are": dataclasses.replace(interface, private_weights=not interface.private_weights),
        "the circuit": dataclasses.replace(interface, circuit="00" * 32),
    }


def test_a_verifier_cannot_be_shown_another_scale() -> None:
    """Everything that says how integers map to real numbers is under the program's hash, which keys and proofs name."""
    program = compiled((3, 2), "public")
    key = setup(program.program.r1cs)
    receipt = program.prove(key, {"x": np.zeros((1, 3))})
    assert program.interface.verify(key.verifying, receipt.proof, receipt.public)
    for what, shown in scaled(program.interface).items():
        with pytest.raises(ArtefactMismatch, match="read otherwise"):
            shown.verify(key.verifying, receipt.proof, receipt.public)
        forged = dataclasses.replace(shown.to_artefact(), program=program.hash)
        with pytest.raises(MalformedArtefact, match="altered"):
            ZkInterface.from_artefact(forged)
        assert shown.program != program.hash, what


def hashed(sizes: tuple[int, ...], weights: Any = "public") -> ZkProgram:
    data = {"x": np.random.default_rng(5).uniform(-1, 1, (64, sizes[0]))}
    return compile_zk(perceptron(np.random.default_rng(1), sizes), calibration=data, weights=weights, inputs="hashed")


def test_hashed_inputs_are_one_public_value_that_binds_them_all() -> None:
    program = hashed((40, 2))
    key, x = setup(program.program.r1cs), np.linspace(-1, 1, 40)[None]
    receipt = program.prove(key, {"x": x})
    interface = ZkInterface.from_artefact(program.interface.to_artefact())
    assert len(receipt.public) == 1 + 2
    assert interface.public_ranges == ()
    assert interface.verify(key.verifying, receipt.proof, receipt.public)
    assert interface.statement(receipt.public).digest == interface.digest({"x": x}) == receipt.public[0]
    assert np.array_equal(interface.statement(receipt.public).outputs["y"], receipt.outputs["y"])
    assert interface.is_about(receipt.public, {"x": x})
    for place in range(40):
        other = x.copy()
        other[0, place] += 0.1 if place < 20 else -0.1
        assert not interface.is_about(receipt.public, {"x": other})
    for claimed in (interface.digest({"x": -x}), 0, (receipt.public[0] + 1) % MODULUS):
        assert not interface.verify(key.verifying, receipt.proof, [claimed, *receipt.public[1:]])
    with pytest.raises(InvalidInput, match="of all inputs"):
        interface.digest({})


def test_inputs_that_pack_alike_have_no_proof() -> None:
    """An element beyond its range carries into the next: packed they are equal, so the circuit refuses the former."""
    program = hashed((6, 2))
    (port,) = program.network.inputs
    honest = program.network.quantise({"x": np.zeros((1, 6))})["x"]
    alike = honest.copy()
    alike[:2] += (1 << int(port.bits[0]), -1)
    fine = solve(program.program, {"x": honest}, strict=False)
    assert not len(violated(program.program.r1cs, fine))
    witness = solve(program.program, {"x": alike}, strict=False)
    assert len(violated(program.program.r1cs, witness))
    digests = [outputs(program.program, w)["digest of the inputs"] for w in (witness, fine)]
    assert digests[0] == digests[1]


def test_packed_weights_of_any_size_give_one_output_or_none() -> None:
    """Committed scalars that pack no small integers: whatever slots the prover claims, an accepted output is the only
    one, so that a commitment fixes a function even then."""
    program = compiled((4, 6), "private")
    (name,) = program.weights
    honest = program.weights[name]
    rng = np.random.default_rng(9)
    x = program.network.quantise({"x": np.full((1, 4), 0.25)})
    half = pow(2, -1, MODULUS)
    strange: list[Array] = [honest, honest * half % MODULUS, honest + (1 << 200), honest * 3, honest * 0 + MODULUS - 1]
    strange += [np.array([int.from_bytes(rng.bytes(31), "big") for _ in honest], dtype=object)]
    for weights in strange:
        found = set()
        for turns in range(-2, 3):
            replace = {"slots": _slots_of_an_alias(turns)}
            witness = solve(program.program, {**x, name: weights}, replace=replace, strict=False)
            if not len(violated(program.program.r1cs, witness)):
                found.add(tuple(outputs(program.program, witness)["y"].tolist()))
        assert len(found) == 1 if weights is honest else len(found) <= 1


def _slots_of_an_alias(turns: int) -> Any:
    """The slots of value + turns·r, the highest taking all that is left."""

    def slots(kernels: FieldKernels, inputs: list[Array], *, slot_bits: int, count: int) -> Sequence[Array]:
        values, found = to_ints(inputs[0], kernels).astype(object) + turns * MODULUS, []
        for _ in range(count - 1):
            low = ((values + (1 << slot_bits - 1)) % (1 << slot_bits)) - (1 << slot_bits - 1)
            values = (values - low) >> slot_bits
            found.append(low)
        return [np.stack([*found[1:], values], axis=-1).reshape(-1)]

    return slots


def test_two_models_under_one_mask_tell_their_difference() -> None:
    """Why a mask belongs to one set of weights: the mask cancels, and a guess of the difference can be confirmed."""
    program = compiled((3, 2), "private")
    key, mask = setup(program.program.r1cs), fresh_mask()
    (name,) = program.weights
    step = np.zeros(len(program.weights[name]), dtype=object)
    step[0] = 1
    other = dataclasses.replace(program, weights={name: program.weights[name] + step})
    guess = commit(key, program.program, "weights", {"x": np.zeros(3, dtype=np.int64), name: step}, 0)
    moved = default_kernels().g1.add(program.commitment(key, mask)[None], guess[None])[0]
    assert np.array_equal(moved, other.commitment(key, mask))
    assert not np.array_equal(moved, other.commitment(key, fresh_mask()))
