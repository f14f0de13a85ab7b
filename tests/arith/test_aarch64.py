"""The native core for aarch64: cross-compiled without a warning, run by QEMU, the same bits as on other machines.

Debian's packages `g++-aarch64-linux-gnu` and `qemu-user` have what it takes.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.arith.drivers import DIGESTS, NATIVE, RING_DEGREES, X86_ONLY, digest, ring_arguments

COMPILER = shutil.which("aarch64-linux-gnu-g++")
EMULATOR = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
MISSING = " and ".join(
    name for name, at in {"aarch64-linux-gnu-g++": COMPILER, "qemu-aarch64": EMULATOR}.items() if not at
)
FLAGS = (
    "-std=c++20",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffp-contract=off",
    f"-I{NATIVE}/include",
    f"-I{NATIVE}/cpu",
)

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}")


def _built(sources: list[Path], into: Path) -> Path:
    """The program of these sources, linked statically so that it runs without the other machine's libraries."""

    def compiled(source: Path) -> str:
        made = into / f"{source.stem}.o"
        _run([str(COMPILER), *FLAGS, "-c", str(source), "-o", str(made)])
        return str(made)

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compiled, [s for s in sources if not s.stem.endswith(X86_ONLY)]))
    driver = into / "driver"
    _run([str(COMPILER), "-static", *objects, "-o", str(driver), "-pthread"])
    return driver


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_field(tmp_path: Path, golden: Callable[[Path, str, str], None]) -> None:
    names = ("cpu/field.cpp", "cpu/msm.cpp", "cpu/ntt_fr.cpp", "tests/field_driver.cpp")
    driver = _built([NATIVE / name for name in names], tmp_path)
    golden(DIGESTS, "field", digest(_run([str(EMULATOR), str(driver)])))


def test_ring(tmp_path: Path, golden: Callable[[Path, str, str], None]) -> None:
    driver = _built([*sorted(NATIVE.glob("cpu/ring*.cpp")), NATIVE / "tests" / "ring_driver.cpp"], tmp_path)
    for degree in RING_DEGREES:
        output = _run([str(EMULATOR), str(driver), *ring_arguments(degree)])
        golden(DIGESTS, f"ring {degree}", digest(output))
