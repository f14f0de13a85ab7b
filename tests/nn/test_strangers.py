"""Models that this project had no hand in, as their users export them, compile and run as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.nn.test_compile import answers
from vortex_crypto.errors import UnsupportedOp
from vortex_crypto.nn.compile import FheProgram, compile_fhe
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.onnx_import import import_onnx

MODELS = Path(__file__).parent / "models"


def compiled(name: str, backend: str, **options: bool) -> FheProgram:
    calibration = dict(np.load(MODELS / f"{name}.npz"))
    graph = import_onnx(MODELS / f"{name}.onnx")
    return compile_fhe(graph, calibration=calibration, precision_bits=8, backend=backend, **options)


def by_onnxruntime(name: str, output: str, samples: dict[str, Array]) -> Array:
    session = onnxruntime.InferenceSession(MODELS / f"{name}.onnx", providers=["CPUExecutionProvider"])
    ((key, array),) = samples.items()
    rows = [session.run([output], {key: row[None]})[0] for row in array]
    return np.concatenate(rows)


@pytest.mark.parametrize("backend", ["clear", "tenseal"])
def test_a_scikit_learn_perceptron(backend: str) -> None:
    """Scaler, three layers, Softmax and the label look-up of a pipeline converted by skl2onnx."""
    with pytest.raises(UnsupportedOp, match=r"Softmax|ArgMax"):
        compiled("sklearn_mlp", backend)
    program = compiled("sklearn_mlp", backend, drop_tail=True)
    assert [port.name for port in program.interface.outputs] == ["add_result2"]
    samples = {"X": np.load(MODELS / "sklearn_mlp.npz")["X"][::10]}
    scores = answers(program, samples)["add_result2"]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, by_onnxruntime("sklearn_mlp", "probabilities", samples), atol=0.02)
    assert (scores.argmax(axis=1) == by_onnxruntime("sklearn_mlp", "label", samples)).all()


def test_a_pytorch_convolutional_network() -> None:
    """Conv, BatchNorm, SiLU, AvgPool, grouped Conv, Dropout, Hardswish, Linear, Sigmoid, Linear, by torch.onnx."""
    program = compiled("torch_cnn", "clear")
    samples = {"image": np.load(MODELS / "torch_cnn.npz")["image"][:16]}
    (name,) = (port.name for port in program.interface.outputs)
    found, exact = answers(program, samples)[name], by_onnxruntime("torch_cnn", name, samples)
    assert np.abs(found - exact).mean() <= 2.0**-7.5
    assert (found.argmax(axis=1) == exact.argmax(axis=1)).all()
    # SiLU comes as Sigmoid and Mul, and is one polynomial again.
    assert program.report.activations[0].origin.count("+") == 1
