"""The compiler of the device, from the wheels nvidia-cuda-nvrtc and cuda-bindings: works without a GPU."""

from __future__ import annotations

import fcntl
import json
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from vortex_crypto.gpu import sources

BUILT = Path(__file__).parents[2] / "build" / "nvrtc"
ARCHITECTURES = ("sm_80", "sm_90")
_ENTRY = re.compile(
    r"Compiling entry function '(\w+)' for '\w+'\n[^\n]*\n"
    r"ptxas[^\n]*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\n"
    r"ptxas[^\n]*Used (\d+) registers([^\n]*)"
)


@dataclass(frozen=True)
class Compiled:
    """What NVRTC made of one file for one architecture, and what ptxas said of each kernel."""

    ptx: str
    cubin_bytes: int
    usage: dict[str, dict[str, int]]


@lru_cache(maxsize=16)
def compile_file(file: str, architecture: str) -> Compiled:
    """Compile one of `sources.FILES`, once for equal sources; skips the test where the wheels are missing."""
    nvrtc = pytest.importorskip(
        "cuda.bindings.nvrtc", reason="the wheels cuda-bindings and nvidia-cuda-nvrtc are missing"
    )
    made = BUILT / f"{Path(file).stem}.{architecture}.{sources.digest()}.{version('nvidia-cuda-nvrtc')}.json"
    BUILT.mkdir(parents=True, exist_ok=True)
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_text(json.dumps(asdict(_compile(nvrtc, file, architecture))))
    return Compiled(**json.loads(made.read_text()))


def _compile(nvrtc: Any, file: str, architecture: str) -> Compiled:
    _, program = nvrtc.nvrtcCreateProgram(sources.text(file).encode(), file.encode(), 0, [], [])
    options = [f"--gpu-architecture={architecture}", "--ptxas-options=-v", *sources.options()]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    log = _fetch(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log
    assert "warning" not in log, log
    ptx = _fetch(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program)
    _, cubin_bytes = nvrtc.nvrtcGetCUBINSize(program)
    return Compiled(ptx, cubin_bytes, {m[1]: _usage(m) for m in _ENTRY.finditer(log)})


def _usage(found: re.Match[str]) -> dict[str, int]:
    shared = re.search(r"(\d+) bytes smem", found[6])
    spilled = int(found[3]) + int(found[4])
    numbers = {"registers": int(found[5]), "stack_bytes": int(found[2]), "spill_bytes": spilled}
    return {**numbers, "shared_bytes": int(shared[1]) if shared else 0}


def _fetch(size_of: Any, get: Any, program: Any) -> str:
    _, size = size_of(program)
    text = b" " * size
    get(program, text)
    return text.decode().rstrip("\0")
