"""The plain executor: what it asks of inputs, shows to observers, and says when an operator cannot run."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.nn.onnx_models import convolutional, model
from vortex_crypto.errors import InvalidInput
from vortex_crypto.nn.ir import Array, Graph
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.nn.plain import execute


@pytest.fixture
def graph() -> Graph:
    return import_onnx(convolutional(np.random.default_rng(0)))


def test_inputs_must_fit(graph: Graph) -> None:
    x = np.zeros((1, 2, 8, 8), np.float32)
    with pytest.raises(InvalidInput, match=r"'x' is missing; it is float32\[1, 2, 8, 8\]"):
        execute(graph, {})
    with pytest.raises(InvalidInput, match="'z' is no input"):
        execute(graph, {"x": x, "z": x})
    with pytest.raises(InvalidInput, match=r"'x' has shape \[2, 8, 8\]"):
        execute(graph, {"x": x[0]})
    with pytest.raises(InvalidInput, match="'x' is complex64"):
        execute(graph, {"x": x.astype(np.complex64)})
    with pytest.raises(InvalidInput, match="'x' is <U"):
        execute(graph, {"x": x.astype(str)})


def test_inputs_convert_within_their_kind(graph: Graph) -> None:
    x = np.arange(128).reshape(1, 2, 8, 8)
    want = execute(graph, {"x": x.astype(np.float32)})["y"]
    for dtype in (np.uint8, np.int64, np.float64):
        np.testing.assert_array_equal(execute(graph, {"x": x.astype(dtype)})["y"], want)


def test_observers_see_every_value_that_is_not_constant(graph: Graph) -> None:
    seen = dict[str, Array]()
    x = np.ones((1, 2, 8, 8), np.float32)
    y = execute(graph, {"x": x}, seen.__setitem__)["y"]
    assert set(seen) == set(graph.values) - set(graph.constants)
    assert next(iter(seen)) == "x"
    np.testing.assert_array_equal(seen["y"], y)
    for name, array in seen.items():
        assert (array.shape, array.dtype) == (graph.values[name].shape, graph.values[name].dtype)


def test_what_an_operator_cannot_do_names_the_node() -> None:
    proto = model([helper.make_node("Gather", ["x", "i"], ["y"], "pick")], {"x": (3,)}, ["y"])
    proto.graph.input.append(helper.make_tensor_value_info("i", TensorProto.INT64, (1,)))
    graph = import_onnx(proto)
    x = np.arange(3, dtype=np.float32)
    assert execute(graph, {"x": x, "i": np.array([-1])})["y"] == [2]
    with pytest.raises(InvalidInput, match=r"node 'pick' \(Gather\) cannot run on this input: an index"):
        execute(graph, {"x": x, "i": np.array([3])})


def test_an_output_may_be_an_input_or_a_constant() -> None:
    proto = model([helper.make_node("Identity", ["w"], ["k"])], {"x": (2,)}, ["x", "k"], {"w": np.ones(2, np.float32)})
    got = execute(import_onnx(proto), {"x": np.zeros(2, np.float32)})
    np.testing.assert_array_equal(got["x"], np.zeros(2))
    np.testing.assert_array_equal(got["k"], np.ones(2))
