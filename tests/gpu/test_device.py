"""What a machine without CuPy or without a device is told, and that CuPy is asked for no earlier."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from vortex_crypto.errors import MissingDependency
from vortex_crypto.gpu import CupyDevice, ring_engine


def test_without_cupy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingDependency, match=r"pip install 'vortex-crypto\[gpu\]'"):
        ring_engine()


def test_without_a_driver_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class CUDARuntimeError(RuntimeError):
        pass

    def count() -> int:
        raise CUDARuntimeError("cudaErrorInsufficientDriver")

    runtime = types.SimpleNamespace(CUDARuntimeError=CUDARuntimeError, getDeviceCount=count)
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime)))
    with pytest.raises(MissingDependency, match="NVIDIA GPU with its driver: cudaErrorInsufficientDriver"):
        CupyDevice()
    runtime.getDeviceCount = lambda: 1
    with pytest.raises(MissingDependency, match="no CUDA device 3; this machine has 1"):
        CupyDevice(3)


def test_importing_the_engine_imports_no_cupy() -> None:
    code = "import sys, vortex_crypto.gpu; sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
