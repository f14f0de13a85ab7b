"""The circuit computes what the polynomial graph does, for every layout and number of ciphertexts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nn import graphs
from tests.nn.test_passes import STAGES, through
from vortex_crypto.errors import UnsupportedOp
from vortex_crypto.fhe.circuit import Op
from vortex_crypto.fhe.interpret import clear
from vortex_crypto.nn.interface import spread_samples
from vortex_crypto.nn.ir import Array, Graph
from vortex_crypto.nn.lower import lower
from vortex_crypto.nn.passes.approximate import approximate
from vortex_crypto.nn.passes.arithmetic import evaluate
from vortex_crypto.nn.passes.choose_layouts import choose_layouts
from vortex_crypto.nn.passes.compose_affine import compose_affine
from vortex_crypto.nn.passes.ranges import ranges


def polynomial(graph: Graph, samples: Array) -> Graph:
    """The graph with coarse polynomials: the lowering is under test, not they."""
    graph = through(graph, STAGES)
    given = {"x": samples}
    known = ranges(graph, evaluate(graph, given), {"x": (-6.0, 6.0)})
    return compose_affine(approximate(graph, known, given, target=0.1)[0])


def lowered_run(graph: Graph, slots: int, samples: Array) -> Array:
    """Outputs (batch, size) of the circuit of `slots` slots in the clear; all lanes are filled."""
    layouts = choose_layouts(graph, slots)
    lanes = slots // layouts.features
    lowered = lower(graph, layouts, slots, {"x": 6.0})
    lowered.circuit.freeze()
    vectors = {
        label: spread_samples(samples[:lanes], layouts.of["x"], block, features=layouts.features, lanes=lanes)
        for block, label in enumerate(lowered.inputs["x"])
    }
    results = clear.run(lowered.circuit, vectors)
    target = layouts.of[graph.outputs[0]]
    block, feature = np.divmod(target.positions, target.period)
    labels = next(iter(lowered.outputs.values()))
    return np.stack([results[label].reshape(layouts.features, lanes) for label in labels])[block, feature].T


NETWORKS = {
    "perceptron": graphs.perceptron(np.random.default_rng(1), (20, 17, 9, 3), "Tanh"),
    "widening": graphs.perceptron(np.random.default_rng(2), (4, 30, 5), "Sigmoid"),
    "strided": graphs.convolutional(np.random.default_rng(3)),
    "valid": graphs.convolutional(np.random.default_rng(4), stride=1, pads=0, channels=2),
    "residual": graphs.residual(np.random.default_rng(5)),
    "gated": graphs.gated(np.random.default_rng(6)),
}


@pytest.mark.parametrize("slots", [64, 512, 4096])
@pytest.mark.parametrize("name", NETWORKS)
def test_circuit_is_the_graph(name: str, slots: int) -> None:
    """64 slots spread most of these tensors over several ciphertexts; 4096 hold many samples in one."""
    size = NETWORKS[name].values["x"].size
    samples = np.random.default_rng(0).normal(size=(100, size))
    graph = polynomial(NETWORKS[name], samples)
    found = lowered_run(graph, slots, samples)
    expected = evaluate(graph, {"x": samples})[graph.outputs[0]][: len(found)]
    for row, sample in enumerate(found):
        np.testing.assert_allclose(sample, expected[row % len(expected)], atol=1e-8)


@settings(max_examples=15)
@given(
    st.lists(st.integers(1, 24), min_size=2, max_size=4),
    st.sampled_from(["Tanh", "Softplus", "LeakyRelu"]),
    st.sampled_from([16, 32, 256]),
    st.integers(0, 2**32 - 1),
)
def test_random_networks(sizes: list[int], activation: str, slots: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(20, sizes[0]))
    graph = polynomial(graphs.perceptron(rng, sizes, activation), samples)
    found = lowered_run(graph, slots, samples)
    expected = evaluate(graph, {"x": samples})[graph.outputs[0]]
    for row, sample in enumerate(found):
        np.testing.assert_allclose(sample, expected[row % len(samples)], atol=1e-8)


def test_instructions_name_their_layer() -> None:
    samples = np.random.default_rng(0).normal(size=(50, 20))
    graph = polynomial(NETWORKS["perceptron"], samples)
    circuit = lower(graph, choose_layouts(graph, 64), 64, {"x": 6.0}).circuit
    assert {i.origin for i in circuit.instructions if i.op is Op.POLYNOMIAL} == {"a0", "a1"}
    assert all(i.origin for i in circuit.instructions if i.op is not Op.INPUT)


def test_a_narrow_layer_folds_and_leaves_nothing_behind() -> None:
    """20 -> 3: four diagonals on a period of 32, three folds, and the scores repeated: no partial sums in any slot."""
    graph = through(graphs.perceptron(np.random.default_rng(0), (20, 3)), STAGES)
    layouts = choose_layouts(graph, 64)
    assert layouts.of[graph.outputs[0]].period == 4
    circuit = lower(graph, layouts, 64, {"x": 6.0}).circuit
    kinds = [i.op for i in circuit.instructions]
    assert kinds.count(Op.ROTATE) == 3
    x = np.random.default_rng(1).normal(size=(1, 20))
    vector = spread_samples(x, layouts.of["x"], 0, features=layouts.features, lanes=64 // layouts.features)
    (y,) = clear.run(circuit, {"x/0": vector}).values()
    expected = layouts.of[graph.outputs[0]].vector(evaluate(graph, {"x": x})[graph.outputs[0]][0], 0)
    np.testing.assert_allclose(y.reshape(-1, 64 // layouts.features)[:, 0], np.tile(expected, 8), atol=1e-12)


def test_layouts_agree_round_products() -> None:
    samples = np.random.default_rng(0).normal(size=(50, 6))
    graph = polynomial(NETWORKS["gated"], samples)
    layouts = choose_layouts(graph, 64)
    product = next(node for node in graph.nodes() if node.op.name == "Product")
    assert len({layouts.of[name] for name in (*product.inputs, *product.outputs)}) == 1


def test_functions_must_be_polynomials_first() -> None:
    graph = through(NETWORKS["perceptron"], STAGES)
    with pytest.raises(UnsupportedOp, match="no polynomial yet"):
        lower(graph, choose_layouts(graph, 64), 64, {"x": 1.0})
