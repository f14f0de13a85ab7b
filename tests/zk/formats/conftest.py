"""Files that snarkjs 0.7.6 and circom2 0.2.23 made of the circuit `multiplier`; tests/foreign/make_vectors.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.zk.field import default_kernels

VECTORS = Path(__file__).parent / "vectors"


@pytest.fixture(scope="session")
def kernels() -> FieldKernels:
    return default_kernels()


@pytest.fixture(scope="session")
def vector() -> Callable[[str], Path]:
    return lambda name: VECTORS / name
