"""The CUDA sources: where they are, what they define, and how NVRTC compiles them.

The headers of `native/include` are shared with the CPU engine; the files of `native/cuda` hold the kernels. A wheel
carries both as data of this package, an editable checkout reads them from the tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from vortex_crypto.errors import MissingDependency

FILES = ("ring.cu", "field.cu", "msm.cu", "msm_g1.cu", "msm_g2.cu")
"""The translation units, each a module of its own on the device."""

_KERNEL = re.compile(r"^VX_KERNEL\((\d+)\)\s+(\w+)\(", re.MULTILINE)
_LIST = re.compile(
    r"^#define VX_NAME\(kernel\) (\w+_)##kernel\n(#define .*\n)#include <(\w+\.inc)>\n(#undef .*\n)#undef VX_NAME\n",
    re.MULTILINE,
)
_NAME = re.compile(r"\bVX_NAME\((\w+)\)")


@dataclass(frozen=True)
class KernelSource:
    """A kernel: its name, the file that defines it and the threads of its blocks."""

    name: str
    file: str
    threads: int


@lru_cache(maxsize=1)
def root() -> Path:
    """The folder with `include` and `cuda` in it.

    Raises:
        MissingDependency: neither the package nor a checkout around it has the sources.
    """
    here = Path(__file__).parent
    for folder in (here / "sources", here.parents[1] / "native"):
        if (folder / "cuda" / FILES[0]).exists():
            return folder
    raise MissingDependency(f"the CUDA sources are missing beside {here}; install vortex-crypto again")


def text(file: str) -> str:
    """The source of one of `FILES`, with each list of kernels (`.inc`) where it is included, and their names made."""

    def included(found: re.Match[str]) -> str:
        prefix, meaning, kernels, forgotten = found.groups()
        named = _NAME.sub(rf"{prefix}\1", (root() / "cuda" / kernels).read_text())
        return f"{meaning}{named}{forgotten}"

    return _LIST.sub(included, (root() / "cuda" / file).read_text())


@lru_cache(maxsize=1)
def kernels() -> dict[str, KernelSource]:
    """Every kernel by name."""
    found = (KernelSource(m[2], file, int(m[1])) for file in FILES for m in _KERNEL.finditer(text(file)))
    return {kernel.name: kernel for kernel in found}


@lru_cache(maxsize=1)
def digest() -> str:
    """A hash of every source and header.

    CuPy's cache of compiled kernels does not look into included headers; options it does see, so this is one.
    """
    total = sha256()
    for path in sorted([*root().glob("include/**/*.hpp"), *root().glob("cuda/*")]):
        data = path.read_bytes()
        total.update(f"{path.relative_to(root())}:{len(data)}:".encode() + data)
    return total.hexdigest()[:32]


def options() -> tuple[str, ...]:
    """What NVRTC is told. Sums of doubles must round as on every other engine, so products are not fused in."""
    return (
        *("--std=c++17", "--fmad=false"),
        *(f"-I{root() / 'include'}", f"-I{root() / 'cuda'}"),
        f"-DVX_SOURCES={digest()}",
    )
