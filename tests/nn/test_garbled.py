"""What lies outside of the calibrated ranges is refused where it can be seen, and no NaN is ever an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from onnx import helper

from tests.nn.onnx_models import model
from tests.nn.test_bootstraps import compiled, data, perceptron
from tests.programs import digits, digits_samples
from vortex_crypto.errors import GarbledAnswer, InvalidInput, MalformedArtefact
from vortex_crypto.fhe.backends import Needs, backend, checked_results
from vortex_crypto.nn.answer import check_answer
from vortex_crypto.nn.compile import compile_fhe
from vortex_crypto.nn.interface import Interface
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.nn.passes.arithmetic import ElementwiseOp, evaluate
from vortex_crypto.nn.passes.arithmetize import arithmetize
from vortex_crypto.nn.passes.compose_affine import compose_affine
from vortex_crypto.nn.passes.fold_constants import fold_constants
from vortex_crypto.nn.passes.ranges import MANY, coverage, ranges
from vortex_crypto.serve.client import Client
from vortex_crypto.serve.server import Server


def lifted(interface: Interface) -> Interface:
    """The interface that lets every input pass."""
    inputs = tuple(port.model_copy(update={"low": None, "high": None}) for port in interface.inputs)
    return dataclasses.replace(interface, inputs=inputs)


# On the way in


def test_inputs_outside_their_range_are_named() -> None:
    client, features = digits().client(insecure=True), digits_samples(3).copy()
    features[1, 40] = 2.5
    with pytest.raises(InvalidInput, match=r"'features': element \[40\] of sample 1 is 2.5 .* compiled for"):
        client.encrypt({"features": features})


# On the way out


def decrypted(batch: int = 3) -> list[Array]:
    """An answer of the digits network, as slots."""
    interface = digits().interface
    port, layout = interface.outputs[0], interface.layouts[1]
    rng = np.random.default_rng(1)
    content = np.zeros((port.period, interface.lanes))
    content[layout.positions % layout.period] = rng.uniform(0, 1, (port.size, batch))[
        :, np.arange(interface.lanes) % batch
    ]
    return [np.tile(content, (interface.features // port.period, 1)).ravel()]


def damaged(change: Callable[[Array], Any]) -> Callable[[list[Array]], None]:
    """A change of one slot vector [features, lanes]."""

    def apply(vectors: list[Array]) -> None:
        change(vectors[0].reshape(digits().interface.features, -1))

    return apply


def element(number: int, lane: int, value: float) -> Callable[[Array], None]:
    """Element `number` of every copy in one lane."""

    def change(slots: Array) -> None:
        port, layout = digits().interface.outputs[0], digits().interface.layouts[1]
        slots[layout.positions[number] % port.period :: port.period, lane] = value

    return change


def feature(number: int, value: float) -> Callable[[Array], None]:
    def change(slots: Array) -> None:
        slots[number] = value

    return change


def places() -> Array:
    return digits().interface.layouts[1].positions


def unused() -> int:
    """A feature of the first copy without an element."""
    return int(np.setdiff1d(np.arange(digits().interface.outputs[0].period), places())[0])


DAMAGES: dict[str, tuple[Callable[[Array], None], str]] = {
    "NaN": (element(3, 1, np.nan), r"element \[\d\] of sample 1 is nan"),
    "an infinity": (element(2, 0, -np.inf), r"of sample 0 is -inf"),
    "a number far away": (element(0, 2, 1e4), r"of sample 2 is 10000, and the network's answers lie in"),
    "an unused slot": (feature(unused(), 0.5), "slots that (hold nothing are off|repeat one another differ) by up to"),
    "another copy": (feature(16 + int(places()[0]), 9.0), "slots that repeat one another differ"),
    "another lane": (lambda slots: slots[:, 7].fill(0.0), "batch of 3"),
}


def test_a_sound_answer_passes() -> None:
    check_answer(digits().interface, decrypted(), batch=3)
    with pytest.raises(GarbledAnswer, match="--batch"):
        check_answer(digits().interface, decrypted(), batch=2)


@pytest.mark.parametrize("damage", DAMAGES)
def test_garbled_slots_are_refused(damage: str) -> None:
    change, text = DAMAGES[damage]
    vectors = decrypted()
    damaged(change)(vectors)
    with pytest.raises(GarbledAnswer, match=text) as refusal:
        check_answer(digits().interface, vectors, batch=3)
    assert "'scores'" in str(refusal.value)
    assert "--unchecked" in str(refusal.value)


def test_imaginary_parts_and_nan_do_not_leave_a_back_end() -> None:
    needs = digits().interface.needs
    assert len(needs.worst) == len(needs.outputs)
    assert needs.worst[0] > 0
    (found,) = checked_results([np.full(4, 1 + 1j * needs.worst[0])], needs)
    assert found.dtype == np.float64
    for bad, text in ((np.full(4, 1 + 1j), "imaginary parts up to 1"), (np.full(4, np.nan), "NaN")):
        with pytest.raises(GarbledAnswer, match=f"'scores/0'.*{text}"):
            checked_results([bad], needs)
    unknown = Needs.from_meta({key: value for key, value in needs.to_meta().items() if key != "worst"})
    assert unknown == needs
    assert checked_results([np.full(4, 1 + 1j)], unknown)[0].dtype == np.float64
    for bad_worst in ([], [1.0, 2.0], [-1.0], [float("nan")], ["1"], 3):
        if bad_worst:
            with pytest.raises(MalformedArtefact):
                Needs.from_meta({**needs.to_meta(), "worst": bad_worst})


# End to end: inputs far from the calibration data, smuggled past the check of inputs


@cache
def sides(name: str) -> tuple[Client, Server, str]:
    program = compiled(name)
    client, server = Client(lifted(program.interface), insecure=True), Server(program)
    return client, server, server.register(client.evaluation_keys)


@pytest.mark.parametrize("name", ["clear", "vortex"])
@pytest.mark.parametrize("size", [1.0, 30.0, 1e3, 1e6])
def test_a_deep_network_s_garbage_is_refused(name: str, size: float) -> None:
    client, server, keys = sides(name)
    answer = server.run(keys, client.encrypt({"x": size * data(4, 9)["x"]}))
    if size == 1.0:
        (found,) = client.decrypt(answer, batch=4).values()
        assert np.isfinite(found).all()
        return
    with pytest.raises(GarbledAnswer, match="input unlike the calibration data"):
        client.decrypt(answer, batch=4)


def test_an_answer_out_of_range_can_be_seen_all_the_same() -> None:
    client, server, keys = sides("vortex")
    (port,) = client.interface.outputs
    doubtful = dataclasses.replace(client.interface, outputs=(port.model_copy(update={"low": 50.0, "high": 60.0}),))
    answer = server.run(keys, client.encrypt(data(4, 9)))
    strict = Client(doubtful, client._keys, insecure=True)
    with pytest.raises(GarbledAnswer, match="lie in 50 to 60"):
        strict.decrypt(answer, batch=4)
    (found,) = strict.decrypt(answer, batch=4, unchecked=True).values()
    (wanted,) = client.decrypt(answer, batch=4).values()
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["tenseal", "vortex", "clear"])
def test_other_keys_give_no_answer(name: str) -> None:
    program = digits(name)
    client = program.client(insecure=True)
    runner = backend(name).client(program.interface.parameters, program.interface.needs)
    keys, foreign = runner.keygen(), runner.keygen()
    server = program.server()
    sent = runner.encrypt(keys.secret, program.interface.pack({"features": digits_samples(2)}))
    answer = server.run(server.register(keys.evaluation), sent)
    if name == "clear":  # which has no keys to be wrong
        check_answer(program.interface, runner.decrypt(foreign.secret, answer), batch=2)
        return
    renamed = dataclasses.replace(answer, meta={**answer.meta, "key": foreign.secret.meta["key"]})
    with pytest.raises(GarbledAnswer):
        check_answer(client.interface, runner.decrypt(foreign.secret, renamed), batch=2)


# What the report says of it


def test_the_report_states_margins_and_warns_where_calibration_covers_little() -> None:
    graph = import_onnx(perceptron().SerializeToString())
    options: dict[str, Any] = {"precision_bits": 3, "backend": "clear"}
    few = compile_fhe(graph, calibration=data(MANY // 2, 0), **options).report
    assert any(f"calibrated on {MANY // 2} samples" in text for text in few.warnings)
    spread = {"x": np.where(np.arange(200)[:, None] % 2, 4.0, 1.0) * data(200, 0)["x"]}
    left = compile_fhe(graph, calibration=spread, **options).report
    (text,) = left.warnings
    assert "of 100 samples leave the ranges" in text
    many = compiled("clear").report
    assert not many.warnings
    for activation in many.activations:
        assert activation.margin is not None
        assert activation.margin > 0
    bare = compile_fhe(graph, input_ranges={"x": (-0.01, 0.01)}, **options).report
    assert "no calibration data" in bare.warnings[0]


@pytest.mark.parametrize("safety", [None, 0.0])
def test_ranges_are_stretched_until_what_they_did_not_see_is_covered(
    safety: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neurons that seldom are far from zero: some of them were never seen there, and without stretching are left."""
    rng, size = np.random.default_rng(5), 256
    weights = {"w": np.diag(rng.uniform(0.5, 2, size)).astype(np.float32)}
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"], "fc"), helper.make_node("Relu", ["h"], ["a"], "act")]
    imported = import_onnx(model(nodes, {"x": ("N", size)}, ["a"], weights).SerializeToString())
    graph = compose_affine(arithmetize(fold_constants(imported)))

    def inputs(count: int) -> dict[str, Array]:
        rare = rng.random((count, size)) < 0.002
        return {"x": np.where(rare, rng.normal(size=(count, size)), 0.01 * rng.normal(size=(count, size)))}

    if safety is not None:
        monkeypatch.setattr("vortex_crypto.nn.passes.ranges.SAFETY", safety)
    limits, seen, fresh = {"x": (-10.0, 10.0)}, evaluate(graph, inputs(100)), evaluate(graph, inputs(1000))
    (node,) = [node for node in graph.nodes() if isinstance(node.op, ElementwiseOp)]
    known = ranges(graph, seen, limits)
    used = known[node.inputs[0]].used
    left = np.any(np.abs(fresh[node.inputs[0]]) > np.maximum(np.abs(used.low), np.abs(used.high)), axis=1)
    foreseen = coverage(graph, seen, known)
    if safety is None:
        assert left.mean() < 0.05
        assert foreseen.left <= 5
    else:
        assert left.mean() > 0.2
        assert foreseen.left > 5
        assert foreseen.worst == node.origin
