"""Small graphs for the tests of passes and compilation, built from ONNX's own helper."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from vortex_crypto.nn.ir import Array, Graph
from vortex_crypto.nn.onnx_import import import_onnx

Step = tuple[str, list[str], str, dict[str, object]]


def graph_of(
    steps: Sequence[Step],
    inputs: Mapping[str, Sequence[int]],
    outputs: Sequence[str],
    constants: Mapping[str, Array] | None = None,
) -> Graph:
    """A graph of (operator, inputs, output, attributes) steps, named after their outputs."""
    nodes = [helper.make_node(op, args, [out], name=out, **attributes) for op, args, out, attributes in steps]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None]) for n in outputs],
            [numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )
    return import_onnx(model.SerializeToString())


def perceptron(rng: np.random.Generator, sizes: Sequence[int], activation: str = "Relu") -> Graph:
    """A dense network x -> y with the activation between layers."""
    steps: list[Step] = []
    constants: dict[str, Array] = {}
    current = "x"
    for k, (wide, narrow) in enumerate(itertools.pairwise(sizes)):
        constants[f"w{k}"] = (rng.normal(size=(wide, narrow)) / np.sqrt(wide)).astype(np.float32)
        constants[f"b{k}"] = (0.1 * rng.normal(size=narrow)).astype(np.float32)
        last = k == len(sizes) - 2
        steps.append(("Gemm", [current, f"w{k}", f"b{k}"], "y" if last else f"h{k}", {}))
        if not last:
            steps.append((activation, [f"h{k}"], f"a{k}", {}))
        current = f"a{k}"
    return graph_of(steps, {"x": (1, sizes[0])}, ["y"], constants)


def convolutional(rng: np.random.Generator, *, stride: int = 2, pads: int = 2, channels: int = 4) -> Graph:
    """Conv, activation, Conv, average pooling, activation, dense: x [1, 1, 12, 12] -> y [1, 3]."""
    side = (12 + 2 * pads - 3) // stride + 1
    pooled = side // 2
    constants = {
        "k1": (rng.normal(size=(channels, 1, 3, 3)) / 3).astype(np.float32),
        "k2": (rng.normal(size=(6, channels, 3, 3)) / 6).astype(np.float32),
        "w": (rng.normal(size=(6 * pooled * pooled, 3)) / 5).astype(np.float32),
    }
    steps: list[Step] = [
        ("Conv", ["x", "k1"], "c1", {"strides": [stride, stride], "pads": [pads] * 4}),
        ("Gelu", ["c1"], "g1", {}),
        ("Conv", ["g1", "k2"], "c2", {"pads": [1, 1, 1, 1]}),
        ("AveragePool", ["c2"], "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Gelu", ["p"], "g2", {}),
        ("Flatten", ["g2"], "f", {}),
        ("MatMul", ["f", "w"], "y", {}),
    ]
    return graph_of(steps, {"x": (1, 1, 12, 12)}, ["y"], constants)


def pooled(rng: np.random.Generator, tail: str = "") -> Graph:
    """Conv, ReLU, MaxPool with padding, Conv, MaxPool, ReLU, dense, and perhaps ArgMax: x [1, 1, 8, 8] -> y."""
    constants = {
        "k1": (rng.normal(size=(3, 1, 3, 3)) / 3).astype(np.float32),
        "b1": (0.2 * rng.normal(size=3)).astype(np.float32),
        "k2": (rng.normal(size=(4, 3, 3, 3)) / 5).astype(np.float32),
        "w": (rng.normal(size=(16, 3)) / 4).astype(np.float32),
    }
    steps: list[Step] = [
        ("Conv", ["x", "k1", "b1"], "c1", {"pads": [1, 1, 1, 1]}),
        ("Relu", ["c1"], "r1", {}),
        ("MaxPool", ["r1"], "m1", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("Conv", ["m1", "k2"], "c2", {"pads": [1, 1, 1, 1]}),
        ("MaxPool", ["c2"], "m2", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Relu", ["m2"], "r2", {}),
        ("Flatten", ["r2"], "f", {}),
        ("MatMul", ["f", "w"], "scores" if tail else "y", {}),
    ]
    if tail:
        steps.append((tail, ["scores"], "y", {"axis": 1}))
    return graph_of(steps, {"x": (1, 1, 8, 8)}, ["y"], constants)


def shared(rng: np.random.Generator) -> Graph:
    """Two convolutions large enough to share weights, the second with a masked shortcut: x [1, 2, 14, 14] -> y."""
    constants = {
        "k1": (rng.normal(size=(4, 2, 3, 3)) / 4).astype(np.float32),
        "b1": (0.1 * rng.normal(size=4)).astype(np.float32),
        "k2": (rng.normal(size=(4, 4, 3, 3)) / 6).astype(np.float32),
        "k3": rng.normal(size=(4, 2, 1, 1)).astype(np.float32),
        "mask": rng.uniform(0.5, 1.5, (1, 1, 14, 14)).astype(np.float32),
    }
    steps: list[Step] = [
        ("Conv", ["x", "k1", "b1"], "c1", {"pads": [1, 1, 1, 1]}),
        ("Relu", ["c1"], "r1", {}),
        ("Conv", ["r1", "k2"], "c2", {"pads": [1, 1, 1, 1]}),
        ("Conv", ["x", "k3"], "c3", {}),
        ("Mul", ["c3", "mask"], "m3", {}),
        ("Add", ["c2", "m3"], "s", {}),
        ("Relu", ["s"], "r2", {}),
        ("GlobalAveragePool", ["r2"], "y", {}),
    ]
    return graph_of(steps, {"x": (1, 2, 14, 14)}, ["y"], constants)


def residual(rng: np.random.Generator) -> Graph:
    """A residual block with batch normalisation and a strided shortcut: x [1, 2, 8, 8] -> y [1, 4, 4, 4]."""
    constants = {
        "k1": (rng.normal(size=(4, 2, 3, 3)) / 4).astype(np.float32),
        "k2": (rng.normal(size=(4, 4, 3, 3)) / 6).astype(np.float32),
        "k3": (rng.normal(size=(4, 2, 1, 1)) / 2).astype(np.float32),
        **{f"n{i}": rng.uniform(0.5, 1.5, 4).astype(np.float32) for i in range(4)},
    }
    steps: list[Step] = [
        ("Conv", ["x", "k1"], "c1", {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("BatchNormalization", ["c1", "n0", "n1", "n2", "n3"], "b1", {}),
        ("Tanh", ["b1"], "t1", {}),
        ("Conv", ["t1", "k2"], "c2", {"pads": [1, 1, 1, 1]}),
        ("Conv", ["x", "k3"], "c3", {"strides": [2, 2]}),
        ("Add", ["c2", "c3"], "s", {}),
        ("Tanh", ["s"], "y", {}),
    ]
    return graph_of(steps, {"x": (1, 2, 8, 8)}, ["y"], constants)


def exported_gelu(size: int = 5) -> Graph:
    """GELU as exporters before opset 20 write it: Div, Erf, Add, Mul, Mul."""
    constants = {"r": np.float32(np.sqrt(2)), "one": np.float32(1), "half": np.float32(0.5)}
    steps: list[Step] = [
        ("Div", ["x", "r"], "d", {}),
        ("Erf", ["d"], "e", {}),
        ("Add", ["e", "one"], "a", {}),
        ("Mul", ["x", "a"], "m", {}),
        ("Mul", ["m", "half"], "y", {}),
    ]
    return graph_of(steps, {"x": (1, size)}, ["y"], constants)


def gated(rng: np.random.Generator) -> Graph:
    """x times a sigmoid of a dense map of x, as in squeeze-and-excitation: a product, and layouts that must agree."""
    constants = {"w": (rng.normal(size=(6, 6)) / 3).astype(np.float32), "v": rng.normal(size=(6, 2)).astype(np.float32)}
    steps: list[Step] = [
        ("MatMul", ["x", "w"], "h", {}),
        ("Sigmoid", ["h"], "g", {}),
        ("Mul", ["x", "g"], "p", {}),
        ("MatMul", ["p", "v"], "y", {}),
    ]
    return graph_of(steps, {"x": (1, 6)}, ["y"], constants)
