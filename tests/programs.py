"""Small compiled programs that several test modules share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

import vortex_crypto
from vortex_crypto import Program

CIRCUITS = Path(__file__).parent.parent / "circuits"
DIGITS = CIRCUITS / "digits_mlp"


@cache
def digits(backend: str = "clear", precision_bits: float = 6.0) -> Program:
    """The digits perceptron, compiled."""
    return vortex_crypto.compile(
        DIGITS / "model.onnx",
        calibration=DIGITS / "calibration.npz",
        precision_bits=precision_bits,
        backend=backend,
        insecure=backend == "clear",
    )


def digits_samples(n: int = 3) -> np.ndarray:
    """Real inputs, float32 [n, 64]."""
    with np.load(DIGITS / "samples.npz") as samples:
        return samples["features"][:n]


def digits_scores(features: np.ndarray) -> np.ndarray:
    """What onnxruntime says, float32 [n, 10]."""
    import onnxruntime

    session = onnxruntime.InferenceSession(DIGITS / "model.onnx")
    return session.run(None, {"features": features})[0]
