"""The graph IR: its rules, its hash, its text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.nn.onnx_models import convolutional
from tests.nn.test_onnx_import import _branches
from vortex_crypto.errors import InvalidGraph
from vortex_crypto.nn.ir import Encrypted, Field, Graph, Node, Range, Value
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.nn.ops import ROSTER

FLOAT = np.dtype(np.float32)
ADD, RELU = ROSTER["", "Add"](), ROSTER["", "Relu"]()


def small(*, weight: float = 1.0, names: str = "xwy") -> Graph:
    """y = x + w."""
    x, w, y = names
    graph = Graph("small")
    graph.add_input(Value(x, (2, 3), FLOAT))
    graph.add_constant(w, np.full(3, weight, np.float32))
    graph.add_node(Node(f"node {y}", ADD, (x, w), (y,)), [Value(y, (2, 3), FLOAT)])
    graph.outputs.append(y)
    return graph


def test_a_sound_graph_verifies() -> None:
    small().verify()
    import_onnx(convolutional(np.random.default_rng(0))).verify()


def test_shapes_and_types_are_those_of_the_operators() -> None:
    for wrong in (Value("y", (3, 2), FLOAT), Value("y", (2, 3), np.dtype(np.float64))):
        graph = small()
        graph.values["y"] = wrong
        with pytest.raises(InvalidGraph, match=r"'node y' \(Add\) makes float32\[2, 3\]"):
            graph.verify()
    graph = small()
    graph.values["x"] = Value("x", (2, 4), FLOAT)
    with pytest.raises(InvalidGraph, match="does not take its inputs"):
        graph.verify()


def test_an_operator_has_no_more_outputs_than_it_makes() -> None:
    graph = small()
    outputs = [Value("z", (2, 3), FLOAT), Value("extra", (2, 3), FLOAT)]
    graph.add_node(Node("n", RELU, ("y",), ("z", "extra")), outputs)
    with pytest.raises(InvalidGraph, match="no output 1"):
        graph.verify()


def test_domains_do_not_mix() -> None:
    graph = small()
    graph.values["x"] = replace(graph.values["x"], domain=Encrypted())
    with pytest.raises(InvalidGraph, match="mixes domains"):
        graph.verify()
    graph.values["y"] = replace(graph.values["y"], domain=Encrypted())
    graph.verify()
    graph.values["y"] = replace(graph.values["y"], domain=Field(17))
    with pytest.raises(InvalidGraph, match="mixes domains"):
        graph.verify()


def test_names_are_defined_once_and_before_use() -> None:
    graph = small()
    with pytest.raises(InvalidGraph, match="defined twice"):
        graph.add_input(Value("y", (1,), FLOAT))
    with pytest.raises(InvalidGraph, match="nothing produces"):
        graph.add_node(Node("n", RELU, ("gone",), ("z",)), [Value("z", (1,), FLOAT)])
    with pytest.raises(InvalidGraph, match="two nodes are named"):
        graph.add_node(Node("node y", RELU, ("x",), ("z",)), [Value("z", (2, 3), FLOAT)])
    graph.outputs.append("gone")
    with pytest.raises(InvalidGraph, match="output 'gone'"):
        graph.verify()


def test_constants_are_what_they_are_declared() -> None:
    graph = small()
    graph.constants["w"] = np.zeros(3)
    with pytest.raises(InvalidGraph, match="constant 'w' is float64"):
        graph.verify()
    with pytest.raises(ValueError, match="read-only"):
        small().constants["w"][0] = 5


def test_cycles_are_found() -> None:
    graph = small()
    graph.dag.add_edge("node y", "node y")
    with pytest.raises(InvalidGraph, match="cycle"):
        graph.verify()


def test_subgraphs_are_verified() -> None:
    graph = import_onnx(_branches((2,), (2,)))
    (choice,) = graph.nodes()
    choice.subgraphs["then_branch"].values["o0"] = Value("o0", (9,), FLOAT)
    with pytest.raises(InvalidGraph):
        graph.verify()


def test_what_is_read_stays() -> None:
    graph = small()
    with pytest.raises(InvalidGraph, match="still read"):
        graph.remove_node("node y")
    with pytest.raises(InvalidGraph, match="still read"):
        graph.remove_constant("w")
    graph.outputs.clear()
    graph.remove_node("node y")
    graph.remove_constant("w")
    assert (set(graph.values), graph.consumers("x")) == ({"x"}, [])


def test_hash_counts_content_and_not_names() -> None:
    assert small().hash() == small(names="abc").hash()
    assert small().hash() != small(weight=2.0).hash()
    other = small()
    other.values["x"] = replace(other.values["x"], range=Range(0, 1))
    assert other.hash() != small().hash()
    branches = [import_onnx(_branches(*shapes)).hash() for shapes in (((2,), (2,)), ((2,), (1,)))]
    assert len(set(branches)) == 2


def test_ranges_are_intervals() -> None:
    for low, high in ((1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(InvalidGraph, match="not an interval"):
            Range(low, high)


def test_text_shows_nodes_types_attributes_and_subgraphs() -> None:
    assert small().to_text().splitlines() == [
        "graph small(x: float32[2, 3]) {",
        "  y: float32[2, 3] = Add(x, float32[3])",
        "  return y",
        "}",
    ]
    text = import_onnx(convolutional(np.random.default_rng(0))).to_text()
    assert "Conv(x, float32[4, 2, 3, 3], float32[4]) {" in text
    assert "pads=(1, 1, 1, 1)" in text
    branches = import_onnx(_branches((2,), (2,))).to_text()
    assert "    then_branch: graph choice/then_branch(x: float32[2]) {" in branches
