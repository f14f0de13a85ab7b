"""Networks deeper than their chain: compiled, sent as files, run with bootstraps, and held against onnxruntime."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import rich.console
from onnx import helper

from tests.nn.onnx_models import by_onnxruntime, model
from vortex_crypto import container
from vortex_crypto.errors import OutOfLevels
from vortex_crypto.fhe.backends import backend
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping
from vortex_crypto.fhe.ckks.sets import N16, BootstrapSet
from vortex_crypto.fhe.params import ParametersLiteral
from vortex_crypto.nn.compile import FheProgram, compile_fhe
from vortex_crypto.nn.interface import Interface
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.nn.report import Report

TOY = BootstrapSet(
    ParametersLiteral(
        log_n=9,
        log_q=(60, *[40] * 9),
        log_p=(61,) * 5,
        log_scale=40,
        secret=64,
        log_bootstrap=(39,) * 3 + (60,) * 8 + (56,) * 4,
        ephemeral_weight=32,
    ),
    Bootstrapping(256),
)
"""The chain of the set at 2^16 in a ring that protects nothing."""
RELUS, WIDTH, BITS = 7, 8, 6
RNG = np.random.default_rng(3)


@cache
def perceptron() -> onnx.ModelProto:
    """Seven ReLU layers: some fifty levels."""
    nodes, constants, current = [], {}, "x"
    for k in range(RELUS + 1):
        wide = 3 if k == RELUS else WIDTH
        constants[f"w{k}"] = (RNG.normal(size=(WIDTH, wide)) * np.sqrt(1.5 / WIDTH)).astype(np.float32)
        constants[f"b{k}"] = (0.1 * RNG.normal(size=wide)).astype(np.float32)
        nodes.append(helper.make_node("Gemm", [current, f"w{k}", f"b{k}"], [f"h{k}"], f"fc{k}"))
        if k < RELUS:
            nodes.append(helper.make_node("Relu", [f"h{k}"], [f"a{k}"], f"relu{k}"))
        current = f"a{k}"
    return model(nodes, {"x": ("N", WIDTH)}, [f"h{RELUS}"], constants)


def data(count: int, seed: int) -> dict[str, Array]:
    return {"x": np.random.default_rng(seed).uniform(-1, 1, (count, WIDTH)).astype(np.float32)}


@cache
def compiled(name: str) -> FheProgram:
    graph = import_onnx(perceptron().SerializeToString())
    options = {"calibration": data(300, 0), "precision_bits": BITS, "backend": name}
    return compile_fhe(graph, bootstraps=(TOY,), insecure=True, **options)


def by_files(program: FheProgram, samples: dict[str, Array], folder: Path) -> Array:
    """The answer, with files between what compiles, what holds the secret, and what runs."""
    container.write(folder / "program", program.to_artefact())
    container.write(folder / "client", program.interface.to_artefact())
    interface = Interface.from_artefact(container.read(folder / "client"))
    client = backend(interface.backend).client(interface.parameters, interface.needs)
    keys = client.keygen()
    container.write(folder / "evaluation", keys.evaluation)
    container.write(folder / "question", client.encrypt(keys.secret, interface.pack(samples)))
    plan = FheProgram.from_artefact(container.read(folder / "program")).plan
    session = backend(plan.backend).server(plan).load(container.read(folder / "evaluation"))
    container.write(folder / "answer", session.run(container.read(folder / "question")))
    vectors = client.decrypt(keys.secret, container.read(folder / "answer"))
    (answer,) = interface.unpack(vectors, batch=len(samples["x"])).values()
    return answer


@pytest.mark.parametrize("name", ["clear", "vortex"])
def test_a_deep_network_agrees_with_onnxruntime(name: str, tmp_path: Path) -> None:
    program, fresh = compiled(name), data(16, 1)
    (exact,) = by_onnxruntime(perceptron(), fresh)
    found = by_files(program, fresh, tmp_path)
    assert program.plan.bootstraps >= RELUS - 1
    assert program.report.precision_bits >= BITS
    assert np.abs(found - exact).mean() <= 2 * 2.0**-program.report.precision_bits


def test_both_back_ends_are_given_the_same_circuit_s_bootstraps() -> None:
    assert compiled("clear").plan.bootstraps == compiled("vortex").plan.bootstraps


def test_the_report_tells_of_bootstraps_and_their_failure() -> None:
    program = compiled("vortex")
    report, found = program.report, program.report.bootstrapping
    assert found is not None
    assert Report.model_validate(json.loads(report.model_dump_json())) == report
    assert found.count == program.plan.bootstraps == sum(layer.bootstraps for layer in report.layers)
    assert found.count == report.operations["bootstrap"]
    assert found.log2_failure == pytest.approx(found.log2_failure_each + np.log2(found.count))
    assert found.log2_failure <= found.log2_failure_bound == -128
    assert report.seconds > found.count * found.seconds > 0
    assert report.depth > found.levels == report.parameters.levels == 9
    assert report.rotation_keys > 0
    shown = io.StringIO()
    rich.console.Console(file=shown, width=120).print(report)
    for text in ("bootstraps", f"{found.count} a run", "fails with probability 2^-", "INSECURE"):
        assert text in shown.getvalue()


def test_a_batch_asked_for_decides_the_slots_and_none_takes_all() -> None:
    graph = import_onnx(perceptron().SerializeToString())
    options = {"calibration": data(100, 0), "precision_bits": 3, "backend": "clear"}
    few = compile_fhe(graph, bootstraps=(TOY,), insecure=True, batch=2, **options)
    assert few.plan.circuit.slots == 2 * WIDTH
    assert compiled("clear").plan.circuit.slots == 256
    assert compiled("clear").interface.lanes == 256 // WIDTH


def test_bootstraps_may_be_forbidden_and_are_not_made_where_levels_do() -> None:
    steps = [helper.make_node("Mul", ["x", "x"], ["s0"], "m0")]
    steps += [helper.make_node("Mul", [f"s{k}", f"s{k}"], [f"s{k + 1}"], f"m{k + 1}") for k in range(99)]
    graph = import_onnx(model(steps, {"x": ("N", 4)}, ["s99"]).SerializeToString())
    options = {"input_ranges": {"x": (-1.0, 1.0)}, "precision_bits": 2, "backend": "clear"}
    with pytest.raises(OutOfLevels):
        compile_fhe(graph, bootstraps=(), **options)
    program = compile_fhe(graph, batch=1, **options)
    assert program.plan.bootstraps >= 99 // 14
    assert not program.plan.parameters.insecure
    assert program.plan.parameters.security.startswith("128-bit")
    shallow = import_onnx(model(steps[:3], {"x": ("N", 4)}, ["s2"]).SerializeToString())
    assert compile_fhe(shallow, **options).report.bootstrapping is None
    assert compile_fhe(shallow, bootstraps=(N16,), **options).report.bootstrapping is None
