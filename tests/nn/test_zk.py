"""Proofs of inference: integers reproduce the network, circuits reproduce the integers, verifiers read statements."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.nn.graphs import convolutional, gated, graph_of, perceptron, pooled, residual, shared
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact, Unsatisfied, UnsupportedOp
from vortex_crypto.nn.compile_zk import (
    ZkProgram,
    compile_zk,
    draw_masks,
    proof_from_artefact,
    read_masks,
)
from vortex_crypto.nn.ir import Array, Graph
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.nn.plain import execute
from vortex_crypto.nn.statement import ZkInterface
from vortex_crypto.zk import hints
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.groth16.prove import fresh_mask
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.interpret.audit import accepts, free_wires, unconstrained_wires
from vortex_crypto.zk.interpret.check import check, violated
from vortex_crypto.zk.interpret.witness import outputs, solve
from vortex_crypto.zk.plan import Hint

GRAPHS: dict[str, Graph] = {
    "perceptron": perceptron(np.random.default_rng(1), (6, 9, 3)),
    "convolutional": convolutional(np.random.default_rng(2)),
    "residual": residual(np.random.default_rng(3)),
    "gated": gated(np.random.default_rng(4)),
    "pooled": pooled(np.random.default_rng(5)),
    "shared": shared(np.random.default_rng(6)),
}
KINDS = [(weights, inputs) for weights in ("public", "private") for inputs in ("public", "private", "hashed")]


def samples(graph: Graph, n: int = 64) -> dict[str, Array]:
    rng = np.random.default_rng(5)
    return {name: rng.uniform(-1, 1, (n, *graph.values[name].shape)) for name in graph.inputs}


def compiled(name: str, weights: Any = "public", inputs: Any = "public", **more: Any) -> ZkProgram:
    graph = GRAPHS[name]
    return compile_zk(graph, calibration=samples(graph), weights=weights, inputs=inputs, **more)


@pytest.mark.parametrize("name", GRAPHS)
def test_integers_follow_the_network(name: str) -> None:
    graph, data = GRAPHS[name], samples(GRAPHS[name])
    network = compiled(name, precision_bits=10).network
    found = network.restore(network.outputs_of(network.quantise(data)))["y"]
    for k in range(8):
        exact = execute(graph, {n: v[k].astype(np.float32) for n, v in data.items()})["y"]
        assert np.abs(found[k] - exact).max() < 2.0**-6 * max(1.0, float(np.abs(exact).max()))


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(("weights", "inputs"), KINDS)
def test_circuits_reproduce_the_integers_bit_for_bit(name: str, weights: str, inputs: str) -> None:
    program = compiled(name, weights, inputs)
    data = program.network.quantise(samples(GRAPHS[name], 2))
    for k in range(2):
        one = {n: v[k] for n, v in data.items()}
        witness = solve(program.program, {**one, **program.weights})
        check(program.program.r1cs, witness)
        expected = program.network.outputs_of({n: v[None] for n, v in one.items()})
        assert (outputs(program.program, witness)["y"] == expected["y"][0]).all()


@pytest.mark.parametrize("tail", ["ArgMax", "ArgMin"])
def test_a_proof_may_end_with_the_class(tail: str) -> None:
    graph = pooled(np.random.default_rng(11), tail)
    data = samples(graph, 24)
    program = compile_zk(graph, calibration=samples(graph), precision_bits=10)
    quantised = program.network.quantise(data)
    found = program.network.outputs_of(quantised)["y"]
    exact = np.concatenate([execute(graph, {"x": x.astype(np.float32)})["y"].ravel() for x in data["x"]])
    assert (found.ravel() == exact).mean() > 0.9
    assert len(set(found.ravel().tolist())) > 1
    for k in range(3):
        witness = solve(program.program, {"x": quantised["x"][k]})
        check(program.program.r1cs, witness)
        assert outputs(program.program, witness)["y"] == found[k]
    for replacement in (0, 1, 2):  # whatever one-hot vector the prover claims, one class has a witness

        def hot(kernels: Any, given: list[Any], *, window: int) -> list[Any]:
            return [(np.arange(window) == replacement).astype(np.int64)]  # noqa: B023

        fine = accepts(program.program, {"x": quantised["x"][0]}, replace={"argmax": hot})
        assert fine == (replacement == found[0])


def test_a_pooled_network_is_proved_end_to_end() -> None:
    """An ONNX network with MaxPool and ArgMax, weights committed, inputs hashed: the class is all that is shown."""
    graph = pooled(np.random.default_rng(11), "ArgMax")
    data = samples(graph)
    program = compile_zk(graph, calibration=data, weights="private", inputs="hashed")
    key, mask = setup(program.program.r1cs), fresh_mask()
    published = {"weights": program.commitment(key, mask)}
    one = {"x": data["x"][0]}
    receipt = program.prove(key, one, masks={"weights": mask})
    assert receipt.outputs["y"].ravel() == program.network.outputs_of(program.network.quantise(data))["y"][0]
    assert len(receipt.public) == 2
    assert program.interface.verify(key.verifying, receipt.proof, receipt.public, expected=published)
    assert program.interface.is_about(receipt.public, one)
    for claimed in range(3):
        valid = program.interface.verify(key.verifying, receipt.proof, [receipt.public[0], claimed], expected=published)
        assert valid == (claimed == receipt.public[1])


def test_maxima_are_those_of_the_windows() -> None:
    """Padding counts for nothing, minima are maxima of opposites, and windows of all sizes go together."""
    steps: list[Any] = [
        ("MaxPool", ["x"], "m", {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}),
        ("ReduceMin", ["m"], "low", {"keepdims": 0}),
        ("GlobalMaxPool", ["x"], "high", {}),
    ]
    graph = graph_of(steps, {"x": (1, 2, 4, 4)}, ["m", "low", "high"])
    program = compile_zk(graph, input_ranges={"x": (-1.0, 1.0)}, precision_bits=10, inputs="private")
    x = np.random.default_rng(8).uniform(-1, 1, (1, 2, 4, 4))
    given = program.network.quantise({"x": x})
    witness = solve(program.program, given)
    check(program.program.r1cs, witness)
    found, exact = outputs(program.program, witness), execute(graph, {"x": x.astype(np.float32)})
    for name, values in program.network.outputs_of({"x": given["x"][None]}).items():
        assert (values[0] == found[name]).all()
        assert np.abs(program.network.restore(found)[name] - exact[name]).max() < 2.0**-9
    kinds = {type(layer).__name__ for layer in ZkProgram.from_artefact(program.to_artefact()).network.layers}
    assert "IntegerExtremum" in kinds


def test_softmax_says_what_to_do_instead() -> None:
    graph = pooled(np.random.default_rng(5), "Softmax")
    with pytest.raises(UnsupportedOp, match=r"'y' \(Softmax\).*a proof may end with ArgMax"):
        compile_zk(graph, calibration=samples(graph))
    assert list(compile_zk(graph, calibration=samples(graph), drop_tail=True).network.outputs) == ["scores"]


@pytest.mark.parametrize("weights", ["public", "private"])
def test_every_input_in_range_has_a_witness(weights: str) -> None:
    """Widths are proved, not calibrated: the corners of the input range pass too."""
    program = compiled("perceptron", weights, "private")
    (port,) = program.network.inputs
    rng = np.random.default_rng(6)
    high = port.low + (1 << port.bits) - 1
    for x in (port.low, high, *(np.where(rng.integers(0, 2, len(high)) > 0, high, port.low) for _ in range(6))):
        check(program.program.r1cs, solve(program.program, {port.name: x, **program.weights}))


def test_private_inputs_out_of_range_are_refused() -> None:
    program = compiled("perceptron", inputs="private")
    (port,) = program.network.inputs
    outside = port.low + (1 << port.bits)
    with pytest.raises(Unsatisfied, match="x: element 0 is"):
        solve(program.program, {port.name: outside})
    assert not accepts(program.program, {port.name: outside})
    assert not accepts(program.program, {port.name: port.low - 1})


@pytest.mark.parametrize("weights", ["public", "private"])
def test_no_wire_is_free(weights: str) -> None:
    program = compiled("gated", weights)
    given = {n: v[0] for n, v in program.network.quantise(samples(GRAPHS["gated"])).items()}
    witness = solve(program.program, {**given, **program.weights})
    assert not len(free_wires(program.program.r1cs))
    assert not len(unconstrained_wires(program.program.r1cs, witness))


@pytest.mark.parametrize("name", ["perceptron", "gated", "pooled", "shared"])
@pytest.mark.parametrize("weights", ["public", "private"])
def test_hints_that_lie_are_refused(name: str, weights: str) -> None:
    program = compiled(name, weights, "private")
    given = {n: v[0] for n, v in program.network.quantise(samples(GRAPHS[name])).items()}
    expected = program.network.outputs_of({n: v[None] for n, v in given.items()})["y"][0]
    used = {step.name for step in program.program.steps if isinstance(step, Hint)}
    assert {"round_shift", "limbs"} <= used
    for hint in used:
        for change in (1, -1, 1 << 20):

            def lie(kernels: Any, values: list[Any], **more: Any) -> list[Any]:
                first, *rest = hints.HINTS[hint](kernels, values, **more)  # noqa: B023
                is_field = first.dtype == np.uint64 and first.ndim == 2
                bent = (to_ints(first, kernels) if is_field else first).astype(object)
                bent[0] += change  # noqa: B023
                return [bent, *rest]

            witness = solve(program.program, {**given, **program.weights}, replace={hint: lie}, strict=False)
            if not len(violated(program.program.r1cs, witness)):
                assert (outputs(program.program, witness)["y"] == expected).all(), (hint, change)


def test_a_private_model_proves_against_its_commitment() -> None:
    program = compiled("perceptron", "private")
    key, mask = setup(program.program.r1cs), fresh_mask()
    published = program.commitment(key, mask)
    x = {n: v[0] for n, v in samples(GRAPHS["perceptron"]).items()}
    receipt = program.prove(key, x, masks={"weights": mask})
    interface = ZkInterface.from_artefact(program.interface.to_artefact())
    assert program.kept_masks == ("weights",)
    proof, public = proof_from_artefact(receipt.to_artefact(program.hash))
    assert interface.verify(key.verifying, proof, public, expected={"weights": published})
    assert set(read_masks(draw_masks(program), program.hash)) == {"weights"}
    with pytest.raises(ArtefactMismatch):
        read_masks(draw_masks(program), "another")
    with pytest.raises(MalformedArtefact, match="decimal"):
        proof_from_artefact(dataclasses.replace(receipt.to_artefact(program.hash), meta={"public": ["-1"]}))
    assert interface.verify(key.verifying, receipt.proof, receipt.public, expected={"weights": published})
    statement = interface.statement(receipt.public)
    assert np.abs(statement.inputs["x"] - x["x"]).max() < 0.02
    assert np.array_equal(statement.outputs["y"], receipt.outputs["y"])
    other = dataclasses.replace(program, weights={n: v + 1 for n, v in program.weights.items()})
    assert not np.array_equal(other.commitment(key, mask), published)
    with pytest.raises(InvalidInput, match="the model is private"):
        interface.verify(key.verifying, receipt.proof, receipt.public)


def test_verifiers_refuse_what_does_not_fit() -> None:
    program, another = compiled("perceptron"), compiled("gated")
    key = setup(program.program.r1cs)
    receipt = program.prove(key, {n: v[0] for n, v in samples(GRAPHS["perceptron"]).items()})
    assert program.interface.verify(key.verifying, receipt.proof, receipt.public)
    with pytest.raises(ArtefactMismatch):
        another.interface.verify(key.verifying, receipt.proof, receipt.public)
    with pytest.raises(InvalidInput, match="public values"):
        program.interface.statement(receipt.public[1:])
    with pytest.raises(InvalidInput, match="outside of its range"):
        program.interface.statement([1 << 50, *receipt.public[1:]])
    with pytest.raises(InvalidInput, match="small integer"):
        program.interface.statement([1 << 100, *receipt.public[1:]])


def test_programs_survive_as_artefacts() -> None:
    for name in GRAPHS:
        program = compiled(name, "private")
        again = ZkProgram.from_artefact(program.to_artefact())
        assert again.hash == program.hash
        data = program.network.quantise(samples(GRAPHS[name]))
        assert (again.network.outputs_of(data)["y"] == program.network.outputs_of(data)["y"]).all()
    artefact = program.to_artefact()
    with pytest.raises(MalformedArtefact):
        ZkProgram.from_artefact(dataclasses.replace(artefact, meta={**artefact.meta, "network": {}}))
    with pytest.raises(MalformedArtefact):
        ZkInterface.from_artefact(dataclasses.replace(program.interface.to_artefact(), arrays={}))


def test_what_integers_cannot_hold_is_refused() -> None:
    graph = GRAPHS["perceptron"]
    with pytest.raises(UnsupportedOp, match="fewer precision bits"):
        compile_zk(graph, input_ranges={"x": (-1.0, 1.0)}, precision_bits=50)
    with pytest.raises(InvalidInput, match="calibration="):
        compile_zk(graph)
    poles = graph_of([("Reciprocal", ["x"], "y", {})], {"x": (1, 4)}, ["y"])
    with pytest.raises(UnsupportedOp, match="not finite"):
        compile_zk(poles, input_ranges={"x": (-1.0, 1.0)})
    network = compiled("perceptron").network
    with pytest.raises(InvalidInput, match="takes the inputs"):
        network.quantise({})
    with pytest.raises(InvalidInput, match="shape"):
        network.quantise({"x": np.zeros((3, 3, 3))})
    with pytest.raises(InvalidInput, match="NaN"):
        network.quantise({"x": np.full((1, 6), np.nan)})


@pytest.mark.parametrize("circuit", ["mnist_mlp", "mnist_cnn", "breast_cancer"])
@pytest.mark.parametrize("weights", ["public", "private"])
def test_trained_circuits_decide_as_in_floating_point(circuit: str, weights: Any) -> None:
    folder = Path("circuits") / circuit
    graph = import_onnx(folder / "model.onnx", batch=1)
    calibration, given = dict(np.load(folder / "calibration.npz")), dict(np.load(folder / "samples.npz"))
    given.pop("label")
    program = compile_zk(graph, calibration=calibration, weights=weights)
    (port,), (output,) = program.network.inputs, program.network.outputs
    both = np.concatenate([calibration[port.name], given[port.name]]).reshape(-1, *port.shape).astype(np.float32)
    found = program.network.restore(program.network.outputs_of(program.network.quantise({port.name: both})))[output]
    exact = np.concatenate([execute(graph, {port.name: x})[output] for x in both])
    agree = _decisions(found.reshape(exact.shape)) == _decisions(exact)
    assert agree.mean() >= 0.99
    integers = program.network.outputs_of(program.network.quantise({port.name: both}))[output]
    for k in range(0, len(both), max(1, len(both) // 20)):
        witness = solve(program.program, program.given({port.name: both[k]}))
        check(program.program.r1cs, witness)
        assert (outputs(program.program, witness)[output] == integers[k]).all()


@pytest.mark.parametrize("circuit", ["breast_cancer", "digits_mlp", "mnist_cnn", "mnist_mlp"])
def test_what_proofs_cost_is_recorded(circuit: str, golden: Callable[[Path, str, Any], None]) -> None:
    folder = Path("circuits") / circuit
    graph, calibration = import_onnx(folder / "model.onnx", batch=1), dict(np.load(folder / "calibration.npz"))
    for weights, inputs in (("public", "public"), ("private", "public"), ("public", "hashed")):
        found = compile_zk(graph, calibration=calibration, weights=weights, inputs=inputs).report()  # type: ignore[arg-type]
        counts = {what: found[what] for what in ("constraints", "committed", "public")}
        golden(folder / "golden.json", f"proof, {weights} weights, {inputs} inputs", counts)


def _decisions(scores: Array) -> Array:
    return scores.argmax(axis=-1) if scores.shape[-1] > 1 else scores[:, 0] > 0.5
