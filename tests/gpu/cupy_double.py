"""A stand-in for CuPy: the part that `vortex_crypto.gpu.cupy_device` uses, as strict as CuPy, over the block emulator.

It is there so that the host's side of a real device runs where there is none: which calls are made, in which order, and
with arguments of which types. CuPy passes a NumPy scalar by its own width and an array by its address, and looks no
further; here both are held against the parameters of the kernel's source.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.gpu.emulator import Emulator, Resident

_PARAMETERS = r"VX_KERNEL\((\d+)\)\s+{name}\((.*?)\)\s*\{{"
_SCALARS = {"u32": np.uint32, "u64": np.uint64}


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


class RawModule:
    def __init__(self, *, code: str, options: tuple[str, ...], emulator: Emulator) -> None:
        assert isinstance(options, tuple)
        assert all(isinstance(option, str) for option in options)
        self._code, self._emulator = code, emulator

    def get_function(self, name: str) -> Any:
        found = re.search(_PARAMETERS.format(name=name), self._code, re.DOTALL)
        assert found is not None, f"the module has no kernel {name}"
        threads, parameters = int(found[1]), [parameter.split() for parameter in found[2].split(",")]

        def launch(grid: tuple[int, int, int], block: tuple[int, int, int], arguments: tuple[Any, ...]) -> None:
            assert all(type(extent) is int for extent in (*grid, *block)), f"{name}: {grid}, {block}"
            assert block == (threads, 1, 1)
            assert type(arguments) is tuple
            assert len(arguments) == len(parameters), f"{name} takes {len(parameters)} arguments"
            for argument, parameter in zip(arguments, parameters, strict=True):
                wanted = Resident if "*" in "".join(parameter) else _SCALARS[parameter[0]]
                assert type(argument) is wanted, f"{name}: {type(argument)} for {' '.join(parameter)}"
            self._emulator.launch(name, grid, *arguments)

        return launch


def double(emulator: Emulator) -> SimpleNamespace:
    """A module to put in the place of `cupy`."""

    def device(index: int) -> AbstractContextManager[None]:
        assert index == 0
        return nullcontext()

    def on_device(function: Any) -> Any:
        def call(array: Any) -> Any:
            assert type(array) is Resident, "CuPy's functions take CuPy's arrays"
            return np.asarray(function(array.view(np.ndarray))).view(Resident)

        return call

    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda index: {"name": b"a stand-in", "major": 9},
    )
    return SimpleNamespace(
        ndarray=Resident,
        cuda=SimpleNamespace(Device=device, runtime=runtime),
        RawModule=lambda **keywords: RawModule(**keywords, emulator=emulator),
        asarray=lambda array: array if type(array) is Resident else np.array(array).view(Resident),
        ascontiguousarray=lambda array: emulator.upload(array),
        asnumpy=emulator.download,
        empty=emulator.empty,
        zeros=emulator.zeros,
        flatnonzero=on_device(np.flatnonzero),
        argsort=on_device(np.argsort),
        cumsum=on_device(np.cumsum),
    )
