"""ONNX models for tests, built by hand, and onnxruntime's answers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import CODES

Shape = Sequence[int | str]


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    initializers: Mapping[str, Array] | None = None,
    opset: int = 21,
    **more: object,
) -> onnx.ModelProto:
    """A model of float inputs; outputs are declared without shape."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10, **more)


def value(name: str, array: Array) -> onnx.ValueInfoProto:
    """The declaration of a value like `array`."""
    return helper.make_tensor_value_info(name, CODES[array.dtype], array.shape)


def by_onnxruntime(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    """The outputs by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feeds)))


def convolutional(rng: np.random.Generator) -> onnx.ModelProto:
    """Every kind of layer a small image classifier has, with shape arithmetic as exporters write it."""

    def draw(*shape: int) -> Array:
        return (rng.normal(size=shape) / 3).astype(np.float32)

    node = helper.make_node
    return model(
        [
            node("Conv", ["x", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
            node("BatchNormalization", ["c1", "s", "b", "m", "v"], ["n1"], "bn1"),
            node("Relu", ["n1"], ["r1"], "relu1"),
            node("AveragePool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", ["p1", "w2"], ["c2"], "conv2", group=2, auto_pad="SAME_UPPER", strides=[2, 2]),
            node("HardSwish", ["c2"], ["r2"], "swish"),
            node("MaxPool", ["r2"], ["p2"], "pool2", kernel_shape=[2, 2], strides=[1, 1]),
            node("Shape", ["p2"], ["shape"], "shape"),
            node("Gather", ["shape", "zero"], ["n"], "gather", axis=0),
            node("Concat", ["n", "minus"], ["target"], "concat", axis=0),
            node("Reshape", ["p2", "target"], ["flat"], "reshape"),
            node("Gemm", ["flat", "w3", "b3"], ["g"], "gemm", transB=1),
            node("LayerNormalization", ["g", "ls", "lb"], ["l"], "norm"),
            node("Softmax", ["l"], ["y"], "softmax"),
        ],
        {"x": ("N", 2, 8, 8)},
        ["y"],
        {
            "w1": draw(4, 2, 3, 3), "b1": draw(4), "s": np.abs(draw(4)), "b": draw(4), "m": draw(4),
            "v": np.abs(draw(4)) + 1, "w2": draw(6, 2, 3, 3), "zero": np.array([0]), "minus": np.array([-1]),
            "w3": draw(5, 6), "b3": draw(5), "ls": draw(5), "lb": draw(5),
        },
    )  # fmt: skip
