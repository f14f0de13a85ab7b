"""The block emulator as a device of the CUDA engine: same kernels, launches and host code, every access checked."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.gpu import ptx
from tests.gpu.nvrtc import ARCHITECTURES, compile_file
from vortex_crypto.gpu import sources

TREE = Path(__file__).parents[2]
EMULATE = TREE / "native" / "emulate"
BUILT = TREE / "build" / "emulator"
COMPILER = shutil.which("g++")
COMMON = ("-std=c++20", "-O2", "-g1", "-fPIC", "-Wall", "-Wextra", "-ffp-contract=off", f"-I{EMULATE}")
# The hooks that -fsanitize=thread calls are the emulator's own: its runtime library is never linked. Loops that the
# compiler would turn into memcpy would go unseen.
CHECKED = ("-fsanitize=thread", "-fno-tree-loop-distribute-patterns", "-fno-toplevel-reorder", "-Wno-unknown-pragmas")
SHARED_SYMBOL = re.compile(r"^([0-9a-f]+) ([0-9a-f]+) [a-zA-Z] (?!\S*redzone)\S*$", re.MULTILINE)


class EmulatorError(AssertionError):
    """What the emulator saw: an access out of bounds, a race, a divergent barrier."""


class Resident(np.ndarray):
    """An array of the emulated device: it mixes with NumPy's no more than CuPy's arrays do."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if any(type(x) is np.ndarray and x.ndim for x in inputs):
            raise TypeError("Unsupported type numpy.ndarray beside an array of the device")
        plain = [x.view(np.ndarray) if isinstance(x, Resident) else x for x in inputs]
        result = getattr(ufunc, method)(*plain, **keywords)
        return result.view(Resident) if isinstance(result, np.ndarray) else result


class Emulator:
    """`vortex_crypto.gpu.device.Device` on the processor."""

    def __init__(self, library: Path, threads: dict[str, int], name: str) -> None:
        self._library = ctypes.CDLL(str(library))
        self._threads, self.name = threads, name
        base = ctypes.addressof(ctypes.c_char.in_dll(self._library, "vx_kernels")) - _offset(library, "vx_kernels")
        self._shared = [(base + at, size, 4) for at, size in _shared_arrays(library)]

    def owns(self, array: Any) -> bool:
        return isinstance(array, Resident)

    def upload(self, array: Any) -> Any:
        return np.array(array, order="C", copy=None if self.owns(array) else True).view(Resident)

    def download(self, array: Any) -> Any:
        assert self.owns(array), "what is downloaded is on the device"
        return np.array(array.view(np.ndarray), order="C")

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Filled with ones, so that a place no thread writes shows."""
        ones = np.frombuffer(b"\xff" * (int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype)
        return ones.reshape(shape).copy().view(Resident)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.zeros(shape, dtype).view(Resident)

    def order(self, keys: Any) -> Any:
        """Equal keys in reverse, since nobody may count on their order."""
        plain = keys.view(np.ndarray)
        places = np.flatnonzero(plain)[::-1]
        return places[np.argsort(plain[places], kind="stable")].view(Resident)

    def running_sums(self, counts: Any) -> Any:
        return np.cumsum(counts.view(np.ndarray), dtype=np.uint64).view(Resident)

    def launch(self, kernel: str, grid: tuple[int, int, int], *arguments: Any) -> None:
        assert grid[0] < 1 << 31, f"{kernel}: a grid of {grid}"
        assert max(grid[1:]) < 1 << 16, f"{kernel}: a grid of {grid}"
        if 0 in grid:
            return
        slots, arrays = [], []
        for value in arguments:
            if isinstance(value, np.ndarray):
                assert self.owns(value), f"{kernel} is given an array of the host"
                assert value.flags.c_contiguous, f"{kernel} is given an array that is not contiguous"
                arrays.append((value.ctypes.data, value.nbytes, min(value.itemsize, 4)))
                slots.append(ctypes.c_uint64(value.ctypes.data))
            else:
                slots.append({np.uint32: ctypes.c_uint32, np.uint64: ctypes.c_uint64}[type(value)](int(value)))
        pointers = (ctypes.c_void_p * len(slots))(*(ctypes.addressof(slot) for slot in slots))
        text = ctypes.create_string_buffer(600)
        failed = self._library.vx_launch(
            *(kernel.encode(), (ctypes.c_uint32 * 4)(*grid, self._threads[kernel]), pointers, len(slots)),
            *(*_regions(sorted(set(arrays))), *_regions(self._shared), text, ctypes.c_size_t(len(text))),
        )
        if failed:
            raise EmulatorError(text.value.decode())


def _regions(regions: Sequence[tuple[int, int, int]]) -> tuple[Any, Any, Any, int]:
    n = len(regions)
    begins, sizes, granules = ([region[k] for region in regions] for k in range(3))
    numbers = ctypes.c_size_t * n
    return (ctypes.c_void_p * n)(*begins), numbers(*sizes), numbers(*granules), n


def _symbols(library: Path) -> str:
    return subprocess.run(["nm", "-S", str(library)], check=True, capture_output=True, text=True).stdout


def _offset(library: Path, symbol: str) -> int:
    found = re.search(rf"^([0-9a-f]+) [0-9a-f]+ \w {symbol}$", _symbols(library), re.MULTILINE)
    assert found is not None
    return int(found[1], 16)


def _shared_arrays(library: Path) -> list[tuple[int, int]]:
    """Offset and size of every array in the section of shared memory."""
    symbols = _symbols(library)
    edges = [re.search(rf"^([0-9a-f]+) \w __{edge}_vx_shared$", symbols, re.MULTILINE) for edge in ("start", "stop")]
    if None in edges:
        return []
    start, stop = (int(edge[1], 16) for edge in edges if edge)
    arrays = {(int(m[1], 16), int(m[2], 16)) for m in SHARED_SYMBOL.finditer(symbols)}
    return sorted((at, size) for at, size in arrays if start <= at < stop and size)


def compile_library(unit: str, flags: Sequence[str]) -> Path:
    """The shared library of that translation unit and the emulator, made once for equal sources."""
    assert COMPILER is not None
    emulator = EMULATE / "emulator.cpp"
    parts = [unit, *flags, sources.digest(), *(p.read_text() for p in sorted(EMULATE.glob("*")))]
    made = BUILT / f"{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}.so"
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            source, kernels, runtime = (made.with_suffix(suffix) for suffix in (".cpp", ".kernels.o", ".emulator.o"))
            source.write_text(unit)
            _run(COMPILER, *COMMON, *flags, "-c", str(source), "-o", str(kernels))
            _run(COMPILER, *COMMON, "-c", str(emulator), "-o", str(runtime))
            _run(
                COMPILER, "-shared", "-Wl,-Bsymbolic", str(kernels), str(runtime), "-o", str(made.with_suffix(".part"))
            )
            made.with_suffix(".part").rename(made)
    return made


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"


def translation_unit(includes: Sequence[str], kernels: Sequence[str]) -> str:
    """The kernels and their table."""
    rows = ",\n    ".join(f"VX_ROW({name})" for name in kernels)
    table = f'extern "C" const vx::emulate::Kernel vx_kernels[] = {{\n    {rows},\n    {{nullptr, nullptr, 0}}\n}};\n'
    return "\n".join(includes) + "\n" + table


def emulate_source(source: str, kernels: dict[str, int]) -> Emulator:
    """Kernels given as the text of a .cu file, with the threads of their blocks."""
    flags = (*CHECKED, *(f"-I{sources.root() / folder}" for folder in ("include", "cuda")))
    library = compile_library(translation_unit([source], list(kernels)), flags)
    return Emulator(library, kernels, "block emulator")


@lru_cache(maxsize=1)
def emulator() -> Emulator:
    """The engine's own kernels, compiled by g++."""
    text = "\n".join(sources.text(file) for file in sources.FILES)
    return emulate_source(text, {kernel.name: kernel.threads for kernel in sources.kernels().values()})


@lru_cache(maxsize=len(ARCHITECTURES))
def translated(architecture: str) -> Emulator:
    """The engine's kernels, compiled to PTX for that architecture and from there to C++."""
    texts = [ptx.translate(compile_file(file, architecture).ptx) for file in sources.FILES]
    unit = ptx.PRELUDE + "".join(
        f"namespace file_{i} {{\n{text}\n}}\nusing namespace file_{i};\n" for i, text in enumerate(texts)
    )
    kernels = {kernel.name: kernel.threads for kernel in sources.kernels().values()}
    library = compile_library(translation_unit([unit], list(kernels)), ("-O1", "-w", "-fno-toplevel-reorder"))
    return Emulator(library, kernels, f"block emulator, from PTX of {architecture}")
