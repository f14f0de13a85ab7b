"""A ceremony as its parties type it, on a network small enough for the powers of the test vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.cli.test_zk_commands import vortex
from vortex_crypto.errors import ArtefactMismatch, InvalidInput

POWERS = Path(__file__).parent.parent / "zk/formats/vectors/powers.ptau"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.zk and the first key."""
    folder = tmp_path_factory.mktemp("ceremony")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "half"], ["y"], name="scale")],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(np.array([[0.5]], np.float32), "half")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, folder / "tiny.onnx")
    vortex("compile", folder / "tiny.onnx", "--zk", "--range", "x=0:1", "--precision", 3, "-o", folder / "tiny.zk")
    vortex("ceremony", "begin", folder / "tiny.zk", "--ptau", POWERS, "-o", folder / "0.zkey")
    return folder


@pytest.mark.parametrize("suffix", ["zkey", "step"])
def test_parties_in_turn_make_a_key_that_is_not_insecure(begun: Path, tmp_path: Path, suffix: str):
    first, last, keys = tmp_path / f"1.{suffix}", tmp_path / f"2.{suffix}", tmp_path / "keys"
    vortex("ceremony", "contribute", begun / "0.zkey", "-o", first, "--name", "Ada")
    vortex("ceremony", "beacon", first, "-o", last, "--value", "00ff")
    facts = vortex("ceremony", "finish", begun / "tiny.zk", last, "--ptau", POWERS, "-o", keys)
    assert facts["insecure"] is False
    assert [party.split(":")[0] for party in facts["parties"]] == ["Ada", "beacon"]
    np.save(tmp_path / "x.npy", np.array([[0.5]]))
    vortex("prove", begun / "tiny.zk", tmp_path / "x.npy", "--keys", keys, "-o", tmp_path / "x.proof")
    verified = vortex("verify", tmp_path / "x.proof", "--public", keys / "public")
    assert (verified["valid"], verified["insecure_setup"]) == (True, False)
    assert verified["outputs"]["y"] == [[0.25]]


def test_a_key_without_contributions_is_refused(begun: Path, tmp_path: Path):
    with pytest.raises(ArtefactMismatch, match="nobody has contributed"):
        vortex("ceremony", "finish", begun / "tiny.zk", begun / "0.zkey", "--ptau", POWERS, "-o", tmp_path / "keys")
    assert not (tmp_path / "keys").exists()


def test_a_beacon_is_hexadecimal(begun: Path, tmp_path: Path):
    with pytest.raises(InvalidInput, match="hexadecimal"):
        vortex("ceremony", "beacon", begun / "0.zkey", "-o", tmp_path / "x.zkey", "--value", "soon")


def test_models_can_be_drawn(begun: Path, tmp_path: Path):
    facts = vortex("inspect", begun / "tiny.onnx", "--picture", tmp_path / "tiny.html")
    assert facts["picture"].endswith("tiny.html")
    assert "scale" in (tmp_path / "tiny.html").read_text()
    with pytest.raises(InvalidInput, match="html"):
        vortex("inspect", begun / "tiny.onnx", "--picture", tmp_path / "tiny.bmp")
