"""What the scikit-learn training scripts share: dense layers written as ONNX, and the sample files beside them.

Needs scikit-learn (the `bench` extra).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Layer = tuple[NDArray[np.float64], NDArray[np.float64], str]


def write(folder: Path, layers: Sequence[Layer], *, output: str) -> None:
    """`model.onnx` of dense layers on the input `features` [batch, n].

    A layer is a weight [inputs, outputs], a bias [outputs], and the name of an activation operator or "".
    """
    nodes, weights, current = [], [], "features"
    for i, (weight, bias, activation) in enumerate(layers, start=1):
        weights.append(numpy_helper.from_array(weight.astype(np.float32), f"dense{i}.weight"))
        weights.append(numpy_helper.from_array(bias.astype(np.float32), f"dense{i}.bias"))
        last = i == len(layers)
        made = output if last and not activation else f"dense{i}"
        nodes.append(helper.make_node("Gemm", [current, weights[-2].name, weights[-1].name], [made], name=f"dense{i}"))
        current = made
        if activation:
            made = output if last else f"dense{i}/{activation.lower()}"
            nodes.append(helper.make_node(activation, [current], [made], name=f"dense{i}/{activation.lower()}"))
            current = made
    graph = helper.make_graph(
        nodes,
        folder.name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", layers[0][0].shape[0]])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", layers[-1][0].shape[1]])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / "model.onnx")


def samples(
    folder: Path, train: NDArray[np.float64], test: NDArray[np.float64], labels: NDArray[np.int64], n: int = 16
) -> None:
    """`samples.npz`: the first `n` test rows with their labels; `calibration.npz`: up to 256 training rows."""
    np.savez_compressed(folder / "samples.npz", features=test[:n].astype(np.float32), label=labels[:n].astype(np.uint8))
    np.savez_compressed(folder / "calibration.npz", features=train[:256].astype(np.float32))
