"""Each pass keeps the meaning of the graph, and does what it is for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy

from tests.nn import graphs
from vortex_crypto.errors import InvalidInput, ParameterRefused, UnsupportedOp
from vortex_crypto.nn.compile import depth_of
from vortex_crypto.nn.forms import X
from vortex_crypto.nn.ir import Array, Graph
from vortex_crypto.nn.passes import approximate as approximation
from vortex_crypto.nn.passes.approximate import approximate
from vortex_crypto.nn.passes.arithmetic import AffineOp, ElementwiseOp, PolynomialOp, ProductOp, evaluate
from vortex_crypto.nn.passes.arithmetize import arithmetize
from vortex_crypto.nn.passes.balance_products import balance_products
from vortex_crypto.nn.passes.compose_affine import compose_affine
from vortex_crypto.nn.passes.drop_tail import drop_tail
from vortex_crypto.nn.passes.fold_constants import fold_constants
from vortex_crypto.nn.passes.fuse_elementwise import fuse_elementwise
from vortex_crypto.nn.passes.ranges import input_intervals, interval_bounds, ranges
from vortex_crypto.nn.plain import execute

RNG = np.random.default_rng(7)
GRAPHS: dict[str, Graph] = {
    "perceptron": graphs.perceptron(RNG, (6, 5, 4, 3)),
    "convolutional": graphs.convolutional(RNG),
    "residual": graphs.residual(RNG),
    "exported_gelu": graphs.exported_gelu(),
    "gated": graphs.gated(RNG),
}
STAGES: tuple[Callable[[Graph], Graph], ...] = (fold_constants, arithmetize, fuse_elementwise, compose_affine)


def samples_of(graph: Graph, count: int = 80) -> dict[str, Array]:
    return {n: np.random.default_rng(3).normal(size=(count, *graph.values[n].shape[1:])) for n in graph.inputs}


def through(graph: Graph, stages: tuple[Callable[[Graph], Graph], ...] = STAGES) -> Graph:
    for stage in stages:
        graph = stage(graph)
        graph.verify()
    return graph


def kinds(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes()]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("upto", range(1, len(STAGES) + 1), ids=lambda n: STAGES[n - 1].__name__)
def test_pass_keeps_the_meaning(name: str, upto: int) -> None:
    graph = GRAPHS[name]
    passed = through(graph, STAGES[:upto])
    for sample in samples_of(graph, 3)["x"]:
        one = sample[None].astype(np.float32)
        expected = execute(graph, {"x": one})[graph.outputs[0]]
        found = execute(passed, {"x": one})[passed.outputs[0]]
        np.testing.assert_allclose(found.ravel(), expected.ravel(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", GRAPHS)
def test_evaluate_is_execute_on_a_batch(name: str) -> None:
    graph = through(GRAPHS[name])
    samples = samples_of(graph, 4)
    batch = evaluate(graph, samples)[graph.outputs[0]]
    for row, sample in zip(batch, samples["x"], strict=True):
        np.testing.assert_allclose(execute(graph, {"x": sample[None]})[graph.outputs[0]].ravel(), row, atol=1e-12)


def test_what_is_left_after_composition() -> None:
    assert kinds(through(GRAPHS["perceptron"])) == ["Affine", "Elementwise", "Affine", "Elementwise", "Affine"]
    assert kinds(through(GRAPHS["convolutional"])) == ["Affine", "Elementwise"] * 2 + ["Affine"]
    # Batch normalisation, the shortcut's convolution and the sum all vanish into two maps.
    assert kinds(through(GRAPHS["residual"])) == ["Affine", "Elementwise", "Affine", "Elementwise"]
    assert kinds(through(GRAPHS["exported_gelu"])) == ["Elementwise"]
    assert kinds(through(GRAPHS["gated"])) == ["Affine", "Elementwise", "Product", "Affine"]


def test_an_exported_gelu_becomes_one_expression() -> None:
    node = next(through(GRAPHS["exported_gelu"]).nodes())
    assert isinstance(node.op, ElementwiseOp)
    gelu = X * (1 + sympy.erf(X / sympy.sqrt(2))) / 2
    difference = sympy.lambdify(X, node.op.expression - gelu, ["scipy", "numpy"])(np.linspace(-4, 4, 101))
    assert np.abs(difference).max() < 1e-6
    assert node.origin == "d + e + a + m + y"


def test_scalings_round_a_relu_stay_affine_maps() -> None:
    constants = {"two": np.float32(2), "one": np.float32(1)}
    steps: list[graphs.Step] = [
        ("Mul", ["x", "two"], "m", {}),
        ("Add", ["m", "one"], "a", {}),
        ("Relu", ["a"], "r", {}),
        ("Mul", ["r", "two"], "d", {}),
        ("MatMul", ["d", "w"], "y", {}),
    ]
    constants["w"] = np.float32([[1, 2], [3, 4], [5, 7]])
    graph = through(graphs.graph_of(steps, {"x": (1, 3)}, ["y"], constants))
    assert kinds(graph) == ["Affine", "Elementwise", "Affine"]
    function = list(graph.nodes())[1].op
    assert isinstance(function, ElementwiseOp)
    assert function.expression == sympy.Max(0, X)


def test_a_composition_that_would_grow_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    narrow = {"a": rng.normal(size=(40, 2)).astype(np.float32), "b": rng.normal(size=(2, 40)).astype(np.float32)}
    steps: list[graphs.Step] = [("MatMul", ["x", "a"], "h", {}), ("MatMul", ["h", "b"], "y", {})]
    graph = through(graphs.graph_of(steps, {"x": (1, 40)}, ["y"], narrow))
    assert kinds(graph) == ["Affine", "Affine"]


def test_constants_are_folded_and_dead_nodes_dropped() -> None:
    steps: list[graphs.Step] = [
        ("Mul", ["c", "c"], "cc", {}),
        ("Add", ["x", "cc"], "y", {}),
        ("Exp", ["x"], "unused", {}),
    ]
    graph = fold_constants(graphs.graph_of(steps, {"x": (1, 3)}, ["y"], {"c": np.float32([1, 2, 3])}))
    assert kinds(graph) == ["Add"]
    assert len(graph.constants) == 1


@pytest.mark.parametrize("tail", ["Softmax", "LogSoftmax", "ArgMax"])
def test_a_tail_is_refused_and_dropped_on_request(tail: str) -> None:
    steps: list[graphs.Step] = [("Relu", ["x"], "scores", {}), (tail, ["scores"], "last", {"axis": 1})]
    graph = graphs.graph_of(steps, {"x": (1, 3)}, ["last"])
    with pytest.raises(UnsupportedOp, match=rf"'last' \({tail}\).*drop_tail=True"):
        drop_tail(graph, allowed=False)
    dropped, names = drop_tail(graph, allowed=True)
    assert dropped.outputs == ["scores"]
    assert names == ("last",)
    assert graph.outputs == ["last"]


def test_a_softmax_inside_is_no_tail() -> None:
    steps: list[graphs.Step] = [("Softmax", ["x"], "s", {"axis": 1}), ("Relu", ["s"], "y", {})]
    graph = graphs.graph_of(steps, {"x": (1, 3)}, ["y"])
    assert drop_tail(graph, allowed=False) == (graph, ())
    with pytest.raises(UnsupportedOp, match="'s'"):
        arithmetize(graph)


def test_unsupported_operators_are_named() -> None:
    steps: list[graphs.Step] = [("ReduceMax", ["x"], "y", {})]
    with pytest.raises(UnsupportedOp) as refused:
        arithmetize(graphs.graph_of(steps, {"x": (1, 3)}, ["y"]))
    assert "'y'" in str(refused.value)
    assert "ReduceMax" in str(refused.value)


@pytest.mark.parametrize("name", GRAPHS)
def test_interval_bounds_hold_every_value(name: str) -> None:
    graph = through(GRAPHS[name])
    rng = np.random.default_rng(1)
    inside = rng.uniform(-0.7, 1.3, (200, graph.values["x"].size))
    corners = rng.choice([-0.7, 1.3], (200, graph.values["x"].size))
    bounds = interval_bounds(graph, {"x": (-0.7, 1.3)})
    for value, seen in evaluate(graph, {"x": np.concatenate([inside, corners])}).items():
        assert (seen >= bounds[value].low - 1e-9).all(), value
        assert (seen <= bounds[value].high + 1e-9).all(), value


def test_used_ranges_lie_between_what_was_seen_and_what_is_possible() -> None:
    graph = through(GRAPHS["perceptron"])
    seen = evaluate(graph, samples_of(graph, 300))
    known = ranges(graph, seen, {"x": (-6.0, 6.0)})
    for name, value in known.items():
        assert (value.used.low <= seen[name].min(axis=0) + 1e-12).all()
        assert (value.used.high >= seen[name].max(axis=0) - 1e-12).all()
        assert (value.used.low >= value.bound.low - 1e-12).all()
        assert graph.values[name].range is not None


def test_input_ranges_are_asked_for() -> None:
    graph = GRAPHS["perceptron"]
    with pytest.raises(InvalidInput, match=r"calibration=.*input_ranges="):
        input_intervals(graph, None, None)
    with pytest.raises(InvalidInput, match="not an interval"):
        input_intervals(graph, None, {"x": (1.0, 0.0)})
    with pytest.raises(InvalidInput, match="'z'"):
        input_intervals(graph, None, {"z": (0.0, 1.0)})
    assert input_intervals(graph, {"x": np.array([0.0, 1.0])}, None) == {"x": (-0.25, 1.25)}


def prepared(name: str) -> tuple[Graph, dict[str, Array], dict[str, object]]:
    graph = through(GRAPHS[name])
    samples = {k: v.reshape(len(v), -1) for k, v in samples_of(graph, 200).items()}
    return graph, samples, ranges(graph, evaluate(graph, samples), {"x": (-6.0, 6.0)})  # type: ignore[return-value]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("target", [2.0**-5, 2.0**-9])
def test_approximation_meets_its_target(name: str, target: float) -> None:
    graph, samples, known = prepared(name)
    polynomial, records = approximate(graph, known, samples, target=target)  # type: ignore[arg-type]
    polynomial = compose_affine(polynomial)
    polynomial.verify()
    exact, found = evaluate(graph, samples)[graph.outputs[0]], evaluate(polynomial, samples)[polynomial.outputs[0]]
    assert np.abs(exact - found).mean() <= target
    assert all(record.degree < 2**record.depth for record in records)
    assert set(kinds(polynomial)) <= {"Affine", "Polynomial", "Product"}


def test_changes_of_variable_cost_no_node() -> None:
    graph, samples, known = prepared("perceptron")
    polynomial, _ = approximate(graph, known, samples, target=2.0**-6)  # type: ignore[arg-type]
    assert kinds(compose_affine(polynomial)) == ["Affine", "Polynomial", "Affine", "Polynomial", "Affine"]


def test_polynomials_are_exact() -> None:
    steps: list[graphs.Step] = [
        ("MatMul", ["x", "w"], "h", {}),
        ("Pow", ["h", "three"], "p", {}),
        ("Neg", ["p"], "y", {}),
    ]
    constants = {"w": np.float32([[1, 2], [0.5, -1]]), "three": np.float32(3)}
    graph = through(graphs.graph_of(steps, {"x": (1, 2)}, ["y"], constants))
    samples = {"x": np.random.default_rng(0).uniform(-2, 2, (50, 2))}
    known = ranges(graph, None, {"x": (-2.0, 2.0)})
    polynomial, (record,) = approximate(graph, known, samples, target=2.0**-40)
    assert record.exact
    assert (record.degree, record.depth) == (3, 2)
    exact, found = evaluate(graph, samples)[graph.outputs[0]], evaluate(polynomial, samples)[polynomial.outputs[0]]
    np.testing.assert_allclose(found, exact, atol=1e-9)


def test_a_square_needs_neither_a_range_nor_a_level_more() -> None:
    graph = through(graphs.graph_of([("Mul", ["x", "x"], "y", {})], {"x": (1, 4)}, ["y"]))
    known = ranges(graph, None, {"x": (-3.0, 5.0)})
    polynomial, _ = approximate(graph, known, {"x": np.ones((1, 4))}, target=1e-9)
    assert kinds(compose_affine(polynomial)) == ["Polynomial"]


def test_every_relu_has_a_range_of_its_own() -> None:
    graph, samples, known = prepared("perceptron")
    _, records = approximate(graph, known, samples, target=2.0**-6)  # type: ignore[arg-type]
    assert records[0].radius.size == 5
    assert np.ptp(records[0].radius) > 0


def test_a_pole_in_the_range_is_refused() -> None:
    graph = through(graphs.graph_of([("Reciprocal", ["x"], "y", {})], {"x": (1, 2)}, ["y"]))
    known = ranges(graph, None, {"x": (-1.0, 1.0)})
    with pytest.raises(UnsupportedOp, match="not finite everywhere"):
        approximate(graph, known, {"x": np.ones((1, 2))}, target=1e-3)


def test_precision_out_of_reach_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximation, "MAX_DEPTH", 5)  # the tenth takes a hundred times as long to be too coarse
    graph, samples, known = prepared("perceptron")
    with pytest.raises(ParameterRefused, match=r"degree 31 for .*fewer bits") as refused:
        approximate(graph, known, samples, target=2.0**-40)  # type: ignore[arg-type]
    assert refused.value.reason == "precision"


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_products_of_many_factors_are_balanced(count: int) -> None:
    """((a b) c) d ... as exporters write it, in ceil(log2) levels."""
    names = [f"x{k}" for k in range(count)]
    steps: list[graphs.Step] = []
    for k in range(1, count):
        steps.append(("Mul", [names[0] if k == 1 else f"p{k - 1}", names[k]], f"p{k}", {}))
    graph = arithmetize(graphs.graph_of(steps, dict.fromkeys(names, (1, 3)), [f"p{count - 1}"]))
    balanced = balance_products(graph)
    balanced.verify()
    samples = {name: np.random.default_rng(k).normal(size=(4, 3)) for k, name in enumerate(names)}
    np.testing.assert_allclose(
        evaluate(balanced, samples)[balanced.outputs[0]], evaluate(graph, samples)[graph.outputs[0]]
    )
    assert depth_of(graph) == count - 1
    assert depth_of(balanced) == (count - 1).bit_length()


def test_deep_factors_are_multiplied_last_and_shared_products_stay() -> None:
    steps: list[graphs.Step] = [
        ("MatMul", ["a", "w"], "h", {}),
        ("Mul", ["h", "b"], "p", {}),
        ("Mul", ["p", "c"], "q", {}),
        ("Mul", ["b", "c"], "shared", {}),
        ("Mul", ["shared", "a"], "r", {}),
        ("Mul", ["q", "shared"], "s", {}),
    ]
    shapes = dict.fromkeys("abc", (1, 2))
    graph = arithmetize(graphs.graph_of(steps, shapes, ["s", "r"], {"w": np.float32([[1, 2], [3, 4]])}))
    balanced = balance_products(graph)
    samples = {name: np.random.default_rng(k).normal(size=(4, 2)) for k, name in enumerate("abc")}
    for output in ("s", "r"):
        np.testing.assert_allclose(evaluate(balanced, samples)[output], evaluate(graph, samples)[output])
    assert (depth_of(graph), depth_of(balanced)) == (4, 3)
    assert kinds(balanced).count("Product") == kinds(graph).count("Product")


def test_fingerprints_tell_operators_apart() -> None:
    graph = through(GRAPHS["gated"])
    ops = [node.op for node in graph.nodes()]
    assert len({op.fingerprint() for op in ops}) == len(ops)
    assert {type(op) for op in ops} == {AffineOp, ElementwiseOp, ProductOp}
    assert (
        PolynomialOp(np.array([1.0, 2.0]), (1,)).fingerprint() != PolynomialOp(np.array([1.0, 3.0]), (1,)).fingerprint()
    )
