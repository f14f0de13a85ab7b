"""What a machine without CuPy or without a device is told, and that CuPy is asked for no earlier."""

from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest

from tests.gpu.cupy_double import double
from tests.gpu.emulator import COMPILER, emulator
from vortex_crypto import gpu
from vortex_crypto.arith import field, ring
from vortex_crypto.errors import InvalidInput, MissingDependency, ParameterRefused
from vortex_crypto.gpu import CupyDevice, ring_engine


def test_without_cupy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu._device.cache_clear()
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


@pytest.mark.parametrize("part", [ring, field], ids=["ring", "field"])
def test_engines_are_known_by_name_and_say_what_they_miss(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu._device.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingDependency, match=r"pip install 'vortex-crypto\[gpu\]'"):
        part.engine("cuda")
    with pytest.raises((ParameterRefused, InvalidInput), match=r"native.*cuda"):
        part.engine("rocm")


@pytest.mark.skipif(COMPILER is None, reason="no g++")
def test_engines_by_name_run_on_the_first_device(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu._device.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", double(emulator()))
    kernels = field.engine("cuda")
    one = np.array([[1, 0, 0, 0]], dtype=np.uint64)
    np.testing.assert_array_equal(kernels.fr.from_montgomery(kernels.fr.to_montgomery(one)), one)
    assert ring.engine("cuda").name == kernels.name == "cuda"
    gpu._device.cache_clear()


def test_importing_the_engine_imports_no_cupy() -> None:
    code = "import sys, vortex_crypto.gpu; sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
