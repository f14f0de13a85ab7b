"""Convolutions are found in the matrices they have become, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal
import scipy.sparse as sp

from tests.nn.graphs import graph_of, shared
from vortex_crypto.nn.compile_zk import ZkProgram, compile_zk
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs
from vortex_crypto.nn.sharing import SharedConvolution, as_convolution
from vortex_crypto.zk.groth16.prove import fresh_mask
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.interpret.check import violated
from vortex_crypto.zk.interpret.cost import cost
from vortex_crypto.zk.interpret.witness import outputs, solve

CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 6, 7), (3, 2, 3, 3), {}),
    "padded": ((2, 6, 7), (3, 2, 3, 3), {"pads": [1, 1, 1, 1]}),
    "strided": ((1, 9, 8), (2, 1, 5, 5), {"strides": [2, 2], "pads": [2, 2, 2, 2]}),
    "uneven": ((2, 9, 8), (2, 2, 3, 2), {"strides": [3, 1], "pads": [0, 1, 2, 0]}),
    "dilated": ((1, 8, 8), (2, 1, 3, 3), {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    "by channel": ((3, 6, 6), (3, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    "one by one": ((3, 4, 4), (2, 3, 1, 1), {"strides": [2, 2]}),
}


def matrix_of(
    size: tuple[int, ...], kernel: Array, attributes: dict[str, Any]
) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """The matrix of an ONNX Conv, and the shapes it maps between."""
    graph = graph_of([("Conv", ["x", "k"], "y", attributes)], {"x": (1, *size)}, ["y"], {"k": kernel})
    (node,) = graph.nodes()
    op: Any = node.op
    form = op.form(Inputs.of(graph, node))
    return sp.csr_array(form.maps[0]).astype(np.int64), (1, *size), graph.values["y"].shape


def evaluated(found: SharedConvolution, x: Array) -> Array:
    """The outputs by way of phases, kernels and the part of the full convolution."""
    images = np.append(x.ravel(), 0)[found.inputs()]
    kernels = np.append(found.kernel.ravel(), 0)[found.kernels()]
    full = np.stack(
        [sum(scipy.signal.correlate2d(i, k, "full") for i, k in zip(images, kernel, strict=True)) for kernel in kernels]
    )
    crop = found.crop()
    assert crop is not None
    return full[:, crop[0], crop[1]].ravel()


@pytest.mark.parametrize("name", CASES)
def test_a_convolution_is_found_and_computes_the_same(name: str) -> None:
    size, shape, attributes = CASES[name]
    rng = np.random.default_rng(3)
    kernel = rng.integers(1, 9, shape) * rng.choice([-1, 1], shape)
    matrix, source, target = matrix_of(size, kernel.astype(np.float32), attributes)
    found = as_convolution(matrix, source, target)
    assert found is not None
    assert np.count_nonzero(found.kernel) == kernel.size
    x = rng.integers(-50, 50, size)
    assert np.array_equal(evaluated(found, x), matrix @ x.ravel())
    if name == "by channel":
        assert found.blocks.sum() == kernel.size  # what is not connected is not committed


def test_what_is_no_convolution_is_not_taken_for_one() -> None:
    rng = np.random.default_rng(4)
    matrix, source, target = matrix_of((2, 6, 6), rng.integers(1, 9, (3, 2, 3, 3)).astype(np.float32), {})
    assert as_convolution(matrix, source, target) is not None
    changed = matrix.copy()
    changed.data[7] += 1
    assert as_convolution(changed, source, target) is None
    missing = matrix.copy()
    missing.data[7] = 0
    missing.eliminate_zeros()
    assert as_convolution(missing, source, target) is None
    assert as_convolution(matrix, source[1:], target) is None
    assert as_convolution(matrix, source, (1, 48, 1, 1)) is None
    assert as_convolution(matrix * 0, source, target) is None or matrix.nnz
    dense = sp.csr_array(rng.integers(1, 9, (4 * 9, 2 * 36)))
    assert as_convolution(dense, (1, 2, 6, 6), (1, 4, 3, 3)) is None


def test_border_rules_that_vary_are_left_packed() -> None:
    """An average over fewer places at the border is no convolution, though its matrix looks like one inside."""
    steps: list[Any] = [("AveragePool", ["x"], "y", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})]
    graph = graph_of(steps, {"x": (1, 1, 6, 6)}, ["y"])
    (node,) = graph.nodes()
    op: Any = node.op
    matrix = sp.csr_array((op.form(Inputs.of(graph, node)).maps[0] * 360).astype(np.int64))
    assert as_convolution(matrix, (1, 1, 6, 6), (1, 1, 6, 6)) is None


@pytest.fixture(scope="module")
def program() -> ZkProgram:
    graph = shared(np.random.default_rng(6))
    data = {"x": np.random.default_rng(5).uniform(-1, 1, (64, *graph.values["x"].shape))}
    return compile_zk(graph, calibration=data, weights="private")


def test_each_weight_is_committed_once(program: ZkProgram) -> None:
    """Two convolutions of 4·2·3·3 and 4·4·3·3 weights, the second summed with a shortcut that is packed."""
    sizes = {name.rpartition("/")[2]: len(values) for name, values in program.weights.items() if name.startswith("r1")}
    assert sizes == {"kernel0": 4 * 2 * 3 * 3, "bias": 4}
    mixed = {name.rpartition("/")[2] for name in program.weights if name.startswith("r2")}
    assert mixed == {"kernel0", "weights"}
    counts = cost(program.program.r1cs).by_origin
    convolved, relu = (2 * 196 - 2) + (72 - 2) + (4 * 256 - 1) + 3, 2 * 4 * 196
    assert counts["c1"] == convolved + relu


def test_another_kernel_is_another_model(program: ZkProgram) -> None:
    key, mask = setup(program.program.r1cs), fresh_mask()
    published = {"weights": program.commitment(key, mask)}
    x = {"x": np.random.default_rng(9).uniform(-1, 1, (1, 2, 14, 14))}
    receipt = program.prove(key, x, masks={"weights": mask})
    quantised = program.network.quantise(x)
    reference = program.network.outputs_of({"x": quantised["x"].reshape(1, -1)})
    assert np.array_equal(receipt.outputs["y"], program.network.restore(reference)["y"][0])
    assert program.interface.verify(key.verifying, receipt.proof, receipt.public, expected=published)
    (name,) = (name for name in program.weights if name == "r1/kernel0")
    weights = dict(program.weights)
    weights[name] = weights[name].copy()
    weights[name][5] += 1
    other = type(program)(program.program, program.network, weights, program.visibility)
    proven = other.prove(key, x, masks={"weights": mask})
    assert verify(key.verifying, proven.proof, proven.public)
    assert not program.interface.verify(key.verifying, proven.proof, proven.public, expected=published)


def test_field_elements_for_weights_still_give_one_output_or_none(program: ZkProgram) -> None:
    """A commitment to kernels that are no small integers fixes a function even so: there are no slots to choose."""
    x = {"x": program.network.quantise({"x": np.full((1, 2, 14, 14), 0.25)})["x"].reshape(-1)}
    honest = solve(program.program, {**x, **program.weights})
    expected = outputs(program.program, honest)["y"]
    strange = {name: values * 1 for name, values in program.weights.items()}
    strange["r1/kernel0"] = strange["r1/kernel0"] + (1 << 200)
    witness = solve(program.program, {**x, **strange}, strict=False)
    assert len(violated(program.program.r1cs, witness))  # its accumulators are beyond every range
    assert not len(violated(program.program.r1cs, honest))
    assert expected.size
