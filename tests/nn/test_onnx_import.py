"""Import: what is bound, folded and expanded; limits, external data and errors; damaged bytes."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.nn.onnx_models import by_onnxruntime, convolutional, model
from vortex_crypto.errors import InvalidModel, ShapeMismatch, UnsupportedOp, VortexError
from vortex_crypto.nn.ir import Secrecy
from vortex_crypto.nn.onnx_file import Limits
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.nn.plain import execute

RESNET = Path(os.environ.get("VORTEX_MODELS", "models")) / "resnet20_cifar10_pre.onnx"
node = helper.make_node


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_classifier_equals_onnxruntime(rng: np.random.Generator, batch: int) -> None:
    proto = convolutional(rng)
    graph = import_onnx(proto, batch=batch)
    x = rng.normal(size=(batch, 2, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(execute(graph, {"x": x})["y"], by_onnxruntime(proto, {"x": x})[0], atol=1e-5)
    assert [n.op.name for n in graph.nodes()].count("Reshape") == 1
    assert not {"Shape", "Gather", "Concat"} & {n.op.name for n in graph.nodes()}, "shape arithmetic is not folded"


@pytest.mark.skipif(not RESNET.exists(), reason="VORTEX_MODELS names no folder with the trained network")
def test_resnet20_equals_onnxruntime(rng: np.random.Generator) -> None:
    proto, x = onnx.load(RESNET), rng.normal(size=(1, 3, 32, 32)).astype(np.float32)
    got = execute(import_onnx(RESNET), {"input": x})["output"]
    np.testing.assert_allclose(got, by_onnxruntime(proto, {"input": x})[0], atol=1e-4)


def test_inputs_are_private_and_constants_the_model_s(rng: np.random.Generator) -> None:
    graph = import_onnx(convolutional(rng))
    assert graph.values["x"].secrecy is Secrecy.PRIVATE
    assert {graph.values[name].secrecy for name in graph.constants} == {Secrecy.MODEL}
    assert graph.values["y"].secrecy is Secrecy.PRIVATE


# Shapes.


def test_dynamic_dimensions_are_bound_or_asked_for() -> None:
    proto = model([node("Relu", ["x"], ["y"])], {"x": ("N", "T", 4)}, ["y"])
    with pytest.raises(InvalidModel, match=r"dimension 1 of input 'x' is dynamic \(T\)"):
        import_onnx(proto)
    assert import_onnx(proto, inputs={"x": (2, 5, 4)}).values["y"].shape == (2, 5, 4)
    with pytest.raises(InvalidModel, match="'z' is no input"):
        import_onnx(proto, inputs={"z": (2, 5, 4)})


def test_one_symbol_is_one_size() -> None:
    proto = model([node("Add", ["a", "b"], ["y"])], {"a": ("N", 2), "b": ("N", 2)}, ["y"])
    assert import_onnx(proto, batch=5).values["y"].shape == (5, 2)


def test_a_shape_that_hangs_on_data_is_refused_unless_bound() -> None:
    proto = model([node("TopK", ["x", "k"], ["y", "i"], "best")], {"x": (5,)}, ["y"])
    proto.graph.input.append(helper.make_tensor_value_info("k", TensorProto.INT64, (1,)))
    with pytest.raises(UnsupportedOp, match=r"'best' \(TopK\).*hangs on the data of input 1 \('k'\).*constants="):
        import_onnx(proto)
    assert import_onnx(proto, constants={"k": np.array([2])}).values["y"].shape == (2,)


# Sub-graphs and functions.


def _branches(*shapes: tuple[int, ...]) -> onnx.ModelProto:
    bodies = [
        helper.make_graph(
            [node("Add", ["x", f"w{i}"], [f"o{i}"], f"add{i}")],
            f"branch{i}",
            [],
            [helper.make_tensor_value_info(f"o{i}", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.full(shape, i + 1.0, np.float32), f"w{i}")],
        )
        for i, shape in enumerate(shapes)
    ]
    proto = model(
        [node("If", ["c"], ["y"], "choice", then_branch=bodies[0], else_branch=bodies[1])], {"x": (2,)}, ["y"]
    )
    proto.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, ()))
    return proto


def test_if_captures_and_chooses() -> None:
    graph = import_onnx(_branches((2,), (2,)))
    (choice,) = graph.nodes()
    assert choice.inputs == ("c", "x")
    x = np.ones(2, np.float32)
    for condition in (True, False):
        y = execute(graph, {"x": x, "c": np.array(condition)})["y"]
        np.testing.assert_array_equal(y, x + (1 if condition else 2))


def test_if_with_a_known_condition_is_inlined() -> None:
    graph = import_onnx(_branches((2,), (3, 2)), constants={"c": np.array(False)})
    assert [n.op.name for n in graph.nodes()] == ["Add", "Identity"]
    assert graph.values["y"].shape == (3, 2)


def test_if_with_branches_of_different_shapes_is_refused() -> None:
    with pytest.raises(UnsupportedOp, match=r"'choice' \(If\).*branches give different shapes"):
        import_onnx(_branches((2,), (3, 2)))


def _loop(grow: bool) -> onnx.ModelProto:
    body = helper.make_graph(
        [
            node("Add", ["state", "step"], ["more"]),
            node("Concat", ["more", "x"], ["next"], axis=0) if grow else node("Identity", ["more"], ["next"]),
            node("ReduceSum", ["more"], ["sum"], keepdims=0),
            node("Identity", ["go"], ["again"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(np.float32(0.5).reshape(1), "step")],
    )
    return model(
        [node("Loop", ["trips", "", "x"], ["y", "sums"], "loop", body=body)],
        {"x": (2,)},
        ["y", "sums"],
        {"trips": np.array(3)},
    )


@pytest.mark.parametrize("grow", [False, True])
def test_loops_stay_nodes_or_are_unrolled(grow: bool) -> None:
    proto, x = _loop(grow), np.array([1, 2], np.float32)
    graph = import_onnx(proto)
    assert ("Loop" in {n.op.name for n in graph.nodes()}) is not grow
    got = execute(graph, {"x": x})
    for name, want in zip(("y", "sums"), by_onnxruntime(proto, {"x": x}), strict=True):
        np.testing.assert_allclose(got[name], want, rtol=1e-6)


def test_unrolling_has_a_limit() -> None:
    with pytest.raises(UnsupportedOp, match="more than 2 iterations"):
        import_onnx(_loop(True), limits=Limits(iterations=2))


def test_functions_of_the_model_are_expanded() -> None:
    body = helper.make_function(
        "own", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["t"]), node("LeakyRelu", ["t"], ["b"])],
        [helper.make_opsetid("", 21)], ["alpha"],
    )  # fmt: skip
    body.node[1].attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="alpha", type=1))
    proto = model([node("Twice", ["x"], ["y"], "twice", domain="own", alpha=0.5)], {"x": (2,)}, ["y"], functions=[body])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    graph = import_onnx(proto)
    assert [n.op.name for n in graph.nodes()] == ["Add", "LeakyRelu", "Identity"]
    np.testing.assert_array_equal(execute(graph, {"x": np.array([-1, 1], np.float32)})["y"], [-1, 2])


def test_functions_that_call_themselves_are_refused() -> None:
    body = helper.make_function(
        "own", "Again", ["a"], ["b"], [node("Again", ["a"], ["b"], domain="own")], [helper.make_opsetid("own", 1)]
    )
    proto = model([node("Again", ["x"], ["y"], domain="own")], {"x": (2,)}, ["y"], functions=[body])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    with pytest.raises(InvalidModel):
        import_onnx(proto)


# Constants.


def test_sparse_initialisers() -> None:
    proto = model([node("Add", ["x", "w"], ["y"])], {"x": (3, 4)}, ["y"])
    sparse = proto.graph.sparse_initializer.add()
    sparse.values.CopyFrom(numpy_helper.from_array(np.array([5, 7], np.float32), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([1, 6])))
    sparse.dims.extend([3, 4])
    y = execute(import_onnx(proto), {"x": np.zeros((3, 4), np.float32)})["y"]
    assert (y[0, 1], y[1, 2], y.sum()) == (5, 7, 12)


def _external(folder: Path, location: str, **entries: str) -> Path:
    weights = np.arange(6, dtype=np.float32)
    (folder / "weights.bin").write_bytes(b"\0" * 8 + weights.tobytes())
    proto = model([node("Add", ["x", "w"], ["y"])], {"x": (6,)}, ["y"], {"w": weights})
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, "offset": "8", "length": "24", **entries}.items():
        tensor.external_data.add(key=key, value=text)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data_is_read_from_the_folder(tmp_path: Path) -> None:
    graph = import_onnx(_external(tmp_path, "weights.bin"))
    np.testing.assert_array_equal(execute(graph, {"x": np.zeros(6, np.float32)})["y"], np.arange(6))


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "sub/../../secret", "", "a\\b", "gone.bin", "link"])
def test_external_data_stays_in_the_folder(tmp_path: Path, location: str) -> None:
    home = tmp_path / "model"
    home.mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 64)
    os.symlink(tmp_path / "secret", home / "link")
    with pytest.raises(InvalidModel, match="folder"):
        import_onnx(_external(home, location))


@pytest.mark.parametrize("entries", [{"offset": "-1"}, {"offset": "9"}, {"length": "12"}, {"length": "x"}])
def test_external_data_has_its_length(tmp_path: Path, entries: dict[str, str]) -> None:
    with pytest.raises(InvalidModel, match="'w'"):
        import_onnx(_external(tmp_path, "weights.bin", **entries))


def test_external_data_needs_a_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="give the model as a path"):
        import_onnx(_external(tmp_path, "weights.bin").read_bytes())


# Errors and limits.


def test_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="no file"):
        import_onnx(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(InvalidModel, match="no ONNX model"):
        import_onnx(tmp_path / "text.onnx")
    with pytest.raises(InvalidModel, match="5 bytes, more than 4"):
        import_onnx(tmp_path / "text.onnx", limits=Limits(file_bytes=4))


def test_an_unknown_operator_is_named() -> None:
    proto = model([node("Frobnicate", ["x"], ["y"], "middle")], {"x": (2,)}, ["y"])
    with pytest.raises(UnsupportedOp, match=r"node 'middle' \(Frobnicate\)"):
        import_onnx(proto)


def test_a_known_operator_that_is_not_supported_is_named() -> None:
    proto = model([node("RandomNormalLike", ["x"], ["y"], "noise")], {"x": (2,)}, ["y"])
    with pytest.raises(UnsupportedOp, match=r"node 'noise' \(RandomNormalLike\).*operators.md"):
        import_onnx(proto)


@pytest.mark.parametrize(
    ("nodes", "shapes"),
    [
        ([node("MatMul", ["a", "b"], ["y"], "here")], ((2, 3), (4, 5))),
        ([node("Add", ["a", "b"], ["y"], "here")], ((2, 3), (4,))),
        ([node("Conv", ["a", "b"], ["y"], "here")], ((1, 3, 8, 8), (4, 2, 3, 3))),
        ([node("Concat", ["a", "b"], ["y"], "here", axis=0)], ((2, 3), (2, 4))),
        ([node("Gemm", ["a", "b"], ["y"], "here")], ((2, 3), (2, 3))),
        ([node("Einsum", ["a", "b"], ["y"], "here", equation="ij,jk->iq")], ((2, 3), (3, 4))),
    ],
)
def test_operands_that_do_not_fit_name_the_node(
    nodes: list[onnx.NodeProto], shapes: tuple[tuple[int, ...], ...]
) -> None:
    proto = model(nodes, dict(zip("ab", shapes, strict=True)), ["y"])
    with pytest.raises(ShapeMismatch, match=rf"node 'here' \({nodes[0].op_type}\)"):
        import_onnx(proto)


@pytest.mark.parametrize(
    ("op_type", "extra"),
    [("Expand", [1 << 20, 1 << 20]), ("Tile", [1 << 20, 1 << 20]), ("ConstantOfShape", [1 << 40])],
)
def test_large_tensors_are_refused_before_memory_is_taken(op_type: str, extra: list[int]) -> None:
    names = ["e"] if op_type == "ConstantOfShape" else ["x", "e"]
    proto = model([node(op_type, names, ["y"], "big")], {"x": (1, 1)}, ["y"], {"e": np.array(extra)})
    with pytest.raises(InvalidModel, match=r"'big'.*more than"):
        import_onnx(proto)


def test_limits_on_nodes_constants_and_depth(rng: np.random.Generator) -> None:
    proto = convolutional(rng)
    with pytest.raises(InvalidModel, match="more than 5 nodes"):
        import_onnx(proto, limits=Limits(nodes=5))
    with pytest.raises(InvalidModel, match="constants have more than 50 elements"):
        import_onnx(proto, limits=Limits(constants=50))
    with pytest.raises(InvalidModel, match="deep"):
        import_onnx(_branches((2,), (2,)), limits=Limits(depth=0))


def test_old_opsets_are_refused() -> None:
    with pytest.raises(InvalidModel, match="opset 5"):
        import_onnx(model([node("Relu", ["x"], ["y"])], {"x": (2,)}, ["y"], opset=5))


def test_old_spellings_of_attributes_become_inputs() -> None:
    nodes = [
        node("Slice", ["x"], ["s"], starts=[0, 1], ends=[2, 9], axes=[0, 1]),
        node("Squeeze", ["s"], ["q"], axes=[0]),
        node("Clip", ["q"], ["c"], min=-0.5, max=0.5),
        node("Pad", ["c"], ["y"], pads=[1, 0, 0, 1], value=9.0),
    ]
    proto = model(nodes, {"x": (1, 3, 2)}, ["y"], opset=9)
    proto.ir_version = 4
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(1, 3, 2)
    np.testing.assert_array_equal(execute(import_onnx(proto), {"x": x})["y"], by_onnxruntime(proto, {"x": x})[0])


def test_damaged_bytes_raise_only_our_errors(rng: np.random.Generator) -> None:
    """Mutations of models with weights, sub-graphs and functions: each imports, or is refused as what it is."""
    draw, refused = random.Random(8), 0
    seeds = [convolutional(rng), _loop(True), _branches((2,), (2,))]
    for proto in seeds:
        original = proto.SerializeToString()
        for _ in range(250):
            damaged = bytearray(original)
            for _ in range(draw.choice((1, 1, 2, 8))):
                place = draw.randrange(len(damaged))
                match draw.randrange(4):
                    case 0:
                        damaged[place] = draw.randrange(256)
                    case 1:
                        damaged[place] ^= 1 << draw.randrange(8)
                    case 2:
                        del damaged[place : place + draw.randrange(1, 9)]
                    case _:
                        damaged[place:place] = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 9)))
            try:
                import_onnx(bytes(damaged), limits=Limits(elements=1 << 20, constants=1 << 20, nodes=1000))
            except VortexError:
                refused += 1
    assert refused > 300
