"""Whole compilations: the encrypted program gives what the plain executor does, and what it says it will."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
import rich.console

from tests.nn import graphs
from vortex_crypto.container import Artefact, dumps, loads
from vortex_crypto.errors import (
    InvalidInput,
    MalformedArtefact,
    OutOfLevels,
    ParameterRefused,
    UnsupportedOp,
)
from vortex_crypto.fhe.backends import backend
from vortex_crypto.nn.compile import PIPELINES, FheProgram, compile_fhe
from vortex_crypto.nn.interface import Interface
from vortex_crypto.nn.ir import Array, Graph
from vortex_crypto.nn.plain import execute
from vortex_crypto.nn.report import Report

RNG = np.random.default_rng(11)
NETWORKS = {
    "perceptron": graphs.perceptron(RNG, (12, 8, 3), "Tanh"),
    "relu": graphs.perceptron(RNG, (12, 8, 3)),
    "convolutional": graphs.convolutional(RNG),
    "residual": graphs.residual(RNG),
    "gated": graphs.gated(RNG),
}


def data(graph: Graph, count: int, seed: int = 0) -> dict[str, Array]:
    shape = graph.values["x"].shape[1:]
    return {"x": np.random.default_rng(seed).normal(size=(count, *shape)).clip(-3, 3).astype(np.float32)}


def answers(program: FheProgram, samples: dict[str, Array]) -> dict[str, Array]:
    """Two sides that share nothing but bytes."""
    server_side = loads(dumps(program.to_artefact()))
    interface = Interface.from_artefact(loads(dumps(program.interface.to_artefact())))
    engine = backend(interface.backend)
    client = engine.client(interface.parameters, interface.needs)
    keys = client.keygen()
    question = loads(dumps(client.encrypt(keys.secret, interface.pack(samples))))
    session = engine.server(FheProgram.from_artefact(server_side).plan).load(loads(dumps(keys.evaluation)))
    answer = loads(dumps(session.run(question)))
    return interface.unpack(client.decrypt(keys.secret, answer), batch=len(next(iter(samples.values()))))


def expected(graph: Graph, samples: dict[str, Array]) -> Array:
    rows = [execute(graph, {"x": x[None]})[graph.outputs[0]] for x in samples["x"]]
    return np.concatenate(rows)


@pytest.fixture(scope="module")
def program() -> FheProgram:
    graph = NETWORKS["perceptron"]
    return compile_fhe(graph, calibration=data(graph, 200), precision_bits=8, backend="clear")


@pytest.mark.parametrize("name", NETWORKS)
def test_three_ways_agree_within_the_predicted_error(name: str) -> None:
    graph = NETWORKS[name]
    compiled = compile_fhe(graph, calibration=data(graph, 400), precision_bits=7, backend="clear")
    fresh = data(graph, min(8, compiled.interface.lanes), seed=5)
    found, exact = answers(compiled, fresh)[graph.outputs[0]], expected(graph, fresh)
    assert found.shape == exact.shape
    assert found.dtype == exact.dtype
    error = float(np.abs(found - exact).mean())
    assert error <= 2 * 2.0**-compiled.report.precision_bits
    assert compiled.report.precision_bits >= 7


def test_the_same_network_on_seal() -> None:
    graph = NETWORKS["perceptron"]
    compiled = compile_fhe(graph, calibration=data(graph, 200), precision_bits=6, backend="tenseal")
    fresh = data(graph, 3, seed=5)
    found, exact = answers(compiled, fresh)[graph.outputs[0]], expected(graph, fresh)
    assert np.abs(found - exact).mean() <= 2.0**-6
    assert not compiled.report.parameters.insecure


def test_without_calibration_interval_bounds_do() -> None:
    graph = NETWORKS["perceptron"]
    compiled = compile_fhe(graph, input_ranges={"x": (-1, 1)}, precision_bits=6, backend="clear")
    fresh = {"x": np.random.default_rng(1).uniform(-1, 1, (4, 12)).astype(np.float32)}
    assert np.abs(answers(compiled, fresh)["y"] - expected(graph, fresh)).mean() <= 2.0**-5
    assert not compiled.report.calibrated
    with pytest.raises(InvalidInput, match="input_ranges"):
        compile_fhe(graph, backend="clear")


def test_the_report_says_all(program: FheProgram) -> None:
    report = program.report
    assert Report.model_validate(json.loads(report.model_dump_json())) == report
    assert report.parameters.security.startswith("INSECURE: the back end clear")
    assert report.parameters.log_qp == pytest.approx(program.plan.parameters.log_qp)
    assert sum(layer.depth for layer in report.layers) >= report.depth - 1
    (activation,) = report.activations
    assert activation.origin == "a0"
    assert activation.degree < 2**activation.depth
    assert 0 < activation.mean_error < activation.max_error
    assert report.operations["mul"] == sum(layer.products for layer in report.layers)
    assert report.key_bytes > 0
    assert report.memory_bytes > report.key_bytes
    shown = io.StringIO()
    rich.console.Console(file=shown, width=120).print(report)
    text = shown.getvalue()
    for word in ("INSECURE", "a0", "tanh", "levels", "rotations"):
        assert word in text


def test_a_softmax_at_the_end_is_dropped_on_request() -> None:
    rng = np.random.default_rng(0)
    steps: list[graphs.Step] = [("MatMul", ["x", "w"], "scores", {}), ("Softmax", ["scores"], "p", {"axis": 1})]
    graph = graphs.graph_of(steps, {"x": (1, 4)}, ["p"], {"w": rng.normal(size=(4, 3)).astype(np.float32)})
    with pytest.raises(UnsupportedOp, match="drop_tail"):
        compile_fhe(graph, input_ranges={"x": (-1, 1)}, backend="clear")
    compiled = compile_fhe(graph, input_ranges={"x": (-1, 1)}, backend="clear", drop_tail=True)
    assert compiled.report.dropped == ("p",)
    assert [port.name for port in compiled.interface.outputs] == ["scores"]


def test_progress_and_explain_see_every_pass(program: FheProgram) -> None:
    graph, told, seen = NETWORKS["perceptron"], list[tuple[str, float]](), list[str]()
    compile_fhe(
        graph,
        input_ranges={"x": (-1, 1)},
        precision_bits=5,
        backend="clear",
        progress=lambda *each: told.append(each),
        explain=lambda name, after: seen.append(name),
    )
    names = [name for name, _ in PIPELINES["fhe"]]
    assert seen == names
    stages, fractions = [stage for stage, _ in told], [done for _, done in told]
    assert list(dict.fromkeys(stages)) == [*dict.fromkeys(names), "choose_layouts", "lower", "plan"]
    assert fractions == sorted(fractions), "never back"
    assert fractions[0] == 0
    assert 0.5 < fractions[-1] <= 1


def test_a_batch_that_does_not_fit_is_refused_or_given_room() -> None:
    graph = NETWORKS["perceptron"]
    options = {"input_ranges": {"x": (-1, 1)}, "precision_bits": 5, "backend": "clear"}
    assert compile_fhe(graph, batch=100, **options).interface.lanes >= 100  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="room for"):
        compile_fhe(graph, batch=1 << 20, **options)  # type: ignore[arg-type]


def test_precision_out_of_reach_is_refused() -> None:
    graph = NETWORKS["relu"]
    with pytest.raises(ParameterRefused):
        compile_fhe(graph, calibration=data(graph, 50), precision_bits=30, backend="clear")


def test_calibration_must_fit_the_inputs() -> None:
    graph = NETWORKS["perceptron"]
    for bad in ({"z": np.ones((3, 12))}, {"x": np.ones((3, 13))}, {"x": np.full((3, 12), np.nan)}):
        with pytest.raises(InvalidInput):
            compile_fhe(graph, calibration=bad, backend="clear")


def test_pack_repeats_samples_and_unpack_gives_them_back(program: FheProgram) -> None:
    interface = program.interface
    samples = data(NETWORKS["perceptron"], 3)
    (vector,) = interface.pack(samples)
    lanes = vector.reshape(interface.features, interface.lanes)
    np.testing.assert_array_equal(lanes[:, 3], lanes[:, 0])
    np.testing.assert_allclose(lanes[:12, 1], samples["x"][1])
    (one,) = interface.pack({"x": samples["x"][0]})
    np.testing.assert_array_equal(one.reshape(lanes.shape), np.repeat(lanes[:, :1], interface.lanes, axis=1))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({}, "missing"),
        ({"x": np.zeros((1, 12)), "z": np.zeros(1)}, "no input 'z'"),
        ({"x": np.zeros((2, 13))}, "shape"),
        ({"x": np.zeros((1 << 14, 12))}, "takes 1 to"),
        ({"x": np.full((1, 12), np.inf)}, "infinities"),
        ({"x": np.full((1, 12), 100.0)}, "compiled for"),
        ({"x": np.zeros((1, 12), np.complex128)}, "real numbers"),
        ({"x": np.zeros((0, 12))}, "shape"),
    ],
)
def test_pack_refuses(program: FheProgram, bad: dict[str, Array], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        program.interface.pack(bad)


def test_unpack_refuses_other_vectors(program: FheProgram) -> None:
    with pytest.raises(InvalidInput):
        program.interface.unpack([])
    with pytest.raises(InvalidInput):
        program.interface.unpack([np.zeros(3)])
    with pytest.raises(InvalidInput):
        program.interface.unpack([np.zeros(program.interface.needs.slots)], batch=0)


def test_the_client_side_holds_no_weights(program: FheProgram) -> None:
    artefact = program.interface.to_artefact()
    assert set(artefact.arrays) == {"layout/0", "layout/1"}
    assert len(dumps(artefact)) < 1 << 14
    assert artefact.program == program.hash


def altered(artefact: Artefact, **changes: object) -> Artefact:
    meta = json.loads(json.dumps(artefact.meta))
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = meta
        for key in parents:
            target = target[int(key) if key.isdigit() else key]
        target[last] = value
    return dataclasses.replace(artefact, meta=meta)


@pytest.mark.parametrize(
    "changes",
    [
        {"features": 3},
        {"features": 1 << 25},
        {"backend": 7},
        {"unknown": 1},
        {"inputs": []},
        {"inputs__0__shape": [1, 13]},
        {"inputs__0__shape": [-1, 12]},
        {"inputs__0__shape": [1 << 40]},
        {"inputs__0__period": 3},
        {"inputs__0__period": 1 << 20},
        {"inputs__0__dtype": "object"},
        {"inputs__0__ciphertexts": ["a", "b"]},
        {"inputs__0__low": float("inf")},
        {"needs__slots": 5},
        {"needs__program": "00"},
        {"parameters__log_n": "14"},
    ],
)
def test_an_interface_from_outside_is_checked(program: FheProgram, changes: dict[str, object]) -> None:
    with pytest.raises((MalformedArtefact, ParameterRefused)):
        Interface.from_artefact(altered(program.interface.to_artefact(), **changes))


@pytest.mark.parametrize("places", [np.zeros(12, np.int64), np.arange(11), np.arange(12) - 1, np.arange(12) + 1000])
def test_a_layout_from_outside_is_checked(program: FheProgram, places: Array) -> None:
    artefact = program.interface.to_artefact()
    with pytest.raises(MalformedArtefact, match="layout"):
        Interface.from_artefact(dataclasses.replace(artefact, arrays={**artefact.arrays, "layout/0": places}))


def test_a_program_from_outside_is_checked(program: FheProgram) -> None:
    artefact = program.to_artefact()
    assert FheProgram.from_artefact(artefact).hash == program.hash
    for bad in (
        dataclasses.replace(artefact, kind="proof"),
        dataclasses.replace(artefact, program="0" * 64),
        dataclasses.replace(artefact, meta={"plan": {}}),
        altered(artefact, report={}),
        altered(artefact, plan__backend="vortex"),
        altered(artefact, interface__backend="vortex"),
        altered(artefact, interface__needs__relinearization=0),
        dataclasses.replace(artefact, arrays={}),
    ):
        with pytest.raises((MalformedArtefact, ParameterRefused)):
            FheProgram.from_artefact(bad)


def test_what_is_too_deep_for_any_ring_is_refused_at_once() -> None:
    steps: list[graphs.Step] = [("Tanh", ["x"], "t0", {})]
    constants = {}
    for k in range(40):
        constants[f"w{k}"] = np.random.default_rng(k).normal(size=(4, 4)).astype(np.float32)
        steps += [("MatMul", [f"t{k}", f"w{k}"], f"m{k}", {}), ("Tanh", [f"m{k}"], f"t{k + 1}", {})]
    graph = graphs.graph_of(steps, {"x": (1, 4)}, ["t40"], constants)
    with pytest.raises(OutOfLevels, match="lower the precision") as refused:
        compile_fhe(graph, input_ranges={"x": (-1, 1)}, precision_bits=4, backend="tenseal")
    assert refused.value.needed > refused.value.have
    assert refused.value.origin.startswith(("m", "t"))
