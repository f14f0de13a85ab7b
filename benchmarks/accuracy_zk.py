"""What quantising for proofs costs in answers: `python -m benchmarks.accuracy --zk`, row `accuracy_zk`.

Every image is solved in the circuit: `exact` counts the witnesses that satisfy every constraint and hold the outputs of
the integer network bit for bit. `right` of the `n` answers are those of the labels, `float_right` of onnxruntime's, and
`points` is the difference in per cent of `n`; `seconds` is the median for the witness of an image, on one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks import harness
from vortex_crypto.nn.compile_zk import ZkProgram, compile_zk
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.zk.interpret.check import violated
from vortex_crypto.zk.interpret.witness import outputs, solve

Array = np.ndarray[Any, np.dtype[Any]]
WEIGHTS: tuple[Literal["public", "private"], ...] = ("public", "private")


def zk_rows(
    folder: Path, images: Array, labels: Array, reference: Array, precision_bits: float
) -> Iterator[harness.Row]:
    """A row for public weights, and one for private ones, of the circuit in `folder`."""
    graph = import_onnx(folder / "model.onnx", batch=1)
    calibration = dict(np.load(folder / "calibration.npz"))
    float_right = int((classes(reference) == labels).sum())
    for weights in WEIGHTS:
        start = time.perf_counter()
        program = compile_zk(graph, calibration=calibration, weights=weights, precision_bits=precision_bits)
        compiled = time.perf_counter() - start
        found, exact, seconds = solved(program, images)
        right = int((classes(found) == labels).sum())
        yield {
            "name": "accuracy_zk",
            "n": len(images),
            "circuit": folder.name,
            "weights": weights,
            "exact": exact,
            "agree": int((classes(found) == classes(reference)).sum()),
            "right": right,
            "float_right": float_right,
            "points": 100 * (right - float_right) / len(images),
            "seconds": statistics.median(seconds),
            "compile_seconds": compiled,
            "constraints": program.program.r1cs.n_constraints,
        }


def solved(program: ZkProgram, images: Array) -> tuple[Array, int, list[float]]:
    """Real scores of all images by their witnesses, how many of these are exact and satisfied, and seconds for each."""
    (port,) = program.network.inputs
    (name,) = program.network.outputs
    expected = program.network.outputs_of(program.network.quantise({port.name: images.reshape(-1, *port.shape)}))[name]
    scores, exact, seconds = [], 0, []
    for image, integers in zip(images, expected, strict=True):
        given = program.given({port.name: image.reshape(port.shape)})
        start = time.perf_counter()
        witness = solve(program.program, given, threads=1)
        seconds.append(time.perf_counter() - start)
        found = outputs(program.program, witness)
        same = np.array_equal(found[name], integers) and not len(violated(program.program.r1cs, witness))
        exact += same
        scores.append(program.network.restore({name: found[name]})[name])
    return np.stack(scores).reshape(len(images), -1), exact, seconds


def classes(scores: Array) -> Array:
    """The class each row of scores names: the highest, or of a single score the side of one half it is on."""
    return np.asarray(scores.argmax(axis=1) if scores.shape[1] > 1 else scores[:, 0] > 0.5)
