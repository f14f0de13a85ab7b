"""What the trained circuits cost is written beside them, `circuits/NAME/golden.json`, and changes on purpose only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vortex_crypto.nn.compile import compile_fhe
from vortex_crypto.nn.onnx_import import import_onnx

CIRCUITS = Path(__file__).parents[2] / "circuits"
NAMES = sorted(path.parent.name for path in CIRCUITS.glob("*/model.onnx"))


@pytest.mark.parametrize("name", NAMES)
def test_costs_are_the_recorded_ones(name: str, golden: Callable[[Path, str, Any], None]) -> None:
    """Structure alone: a polynomial's degree may differ by one between numerical libraries, its depth does not."""
    folder = CIRCUITS / name
    calibration = dict(np.load(folder / "calibration.npz"))
    report = compile_fhe(
        import_onnx(folder / "model.onnx"), calibration=calibration, precision_bits=10, backend="clear"
    ).report
    golden(
        folder / "golden.json",
        "fhe at 10 bits",
        {
            "ring degree": report.parameters.ring_degree,
            "levels": report.parameters.levels,
            "samples a ciphertext": report.batch,
            "rotations": report.operations.get("rotate", 0),
            "rotation keys": report.rotation_keys,
            "polynomial depths": [activation.depth for activation in report.activations],
            "layouts": [f"{t.layout}, period {t.period}, {t.ciphertexts} ciphertexts" for t in report.tensors],
        },
    )
    assert report.precision_bits >= 10
