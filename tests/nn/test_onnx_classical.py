"""Linear models as scikit-learn's converter writes them: the same answers as onnxruntime's."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.nn.onnx_models import by_onnxruntime
from vortex_crypto.errors import UnsupportedOp
from vortex_crypto.nn.forms import Affine, Elementwise
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.nn.op import Inputs
from vortex_crypto.nn.plain import execute

ML = "ai.onnx.ml"
WEIGHTS = [0.5, -1.0, 2.0, 0.25, 1.5, -0.75]


def model(nodes: list[onnx.NodeProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 3))
    graph = helper.make_graph(nodes, "linear", [x], outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(ML, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def tensor(name: str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, None)


def classifier(**attributes: object) -> onnx.ModelProto:
    labels = tensor("label", TensorProto.INT64)
    given = {"coefficients": WEIGHTS, "intercepts": [0.1, -0.2], **attributes}
    node = helper.make_node("LinearClassifier", ["s"], ["label", "scores"], domain=ML, **given)
    scaler = helper.make_node("Scaler", ["x"], ["s"], domain=ML, offset=[0.5, 0.0, -1.0], scale=[2.0, 1.0, 0.5])
    return model([scaler, node], [labels, tensor("scores")])


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("labels", [[0, 1], [7, 3]])
def test_a_scaled_classifier(transform: str, labels: list[int]) -> None:
    proto = classifier(post_transform=transform, classlabels_ints=labels)
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    label, scores = by_onnxruntime(proto, {"x": x})
    got = execute(import_onnx(proto, batch=6), {"x": x})
    np.testing.assert_array_equal(got["label"], label)
    np.testing.assert_allclose(got["scores"], scores, atol=1e-5)


def test_scores_are_affine_and_elementwise() -> None:
    graph = import_onnx(classifier(post_transform="LOGISTIC", classlabels_ints=[0, 1]))
    forms = [node.op.form(Inputs.of(graph, node)) for node in graph.nodes() if node.op.name != "ArgMax"]
    assert {type(form) for form in forms} == {Affine, Elementwise}


def test_labels_that_are_strings_are_refused() -> None:
    with pytest.raises(UnsupportedOp, match="integer labels"):
        import_onnx(classifier(classlabels_strings=["no", "yes"]))


@pytest.mark.parametrize("transform", ["NONE", "SOFTMAX"])
def test_a_regressor_of_two_targets(transform: str) -> None:
    node = helper.make_node(
        "LinearRegressor", ["x"], ["y"], domain=ML, coefficients=WEIGHTS, intercepts=[0.1, -0.2], targets=2,
        post_transform=transform,
    )  # fmt: skip
    proto = model([node], [tensor("y")])
    x = np.random.default_rng(0).normal(size=(1, 3)).astype(np.float32)
    np.testing.assert_allclose(
        execute(import_onnx(proto), {"x": x})["y"], by_onnxruntime(proto, {"x": x})[0], atol=1e-5
    )


def test_probabilities_by_class_are_columns() -> None:
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"]),
        helper.make_node("ZipMap", ["p"], ["y"], domain=ML, classlabels_int64s=[3, 5, 9]),
    ]
    element = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, ()))
    output = helper.make_value_info("y", helper.make_sequence_type_proto(element))
    proto = model(nodes, [output])
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    rows = by_onnxruntime(proto, {"x": x})[0]
    got = execute(import_onnx(proto, batch=2), {"x": x})["y"]
    np.testing.assert_allclose(got, [[row[k] for k in (3, 5, 9)] for row in rows], atol=1e-6)
