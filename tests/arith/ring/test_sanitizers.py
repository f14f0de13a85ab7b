"""The ring's C++ under AddressSanitizer with UndefinedBehaviorSanitizer, and under ThreadSanitizer."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.arith.drivers import DIGESTS, NATIVE, RING_DEGREES, digest, ring_arguments

SOURCES = [*sorted(NATIVE.glob("cpu/ring*.cpp")), NATIVE / "tests" / "ring_driver.cpp"]
FLAGS = {
    "_avx2": ["-DVX_ISA=avx2", "-mavx2", "-mbmi2", "-mfma"],
    "_ifma": [
        "-DVX_ISA=ifma",
        *(f"-mavx512{part}" for part in ("f", "dq", "vl", "bw", "ifma", "vbmi")),
        "-mbmi2",
        "-mfma",
        "-w",
    ],
}
COMPILER = shutil.which("c++") or shutil.which("g++")
X86 = platform.machine() in ("x86_64", "AMD64")


def _compile(source: Path, sanitizer: str, into: Path) -> Path:
    made = into / f"{source.stem}.o"
    flags = next((flags for suffix, flags in FLAGS.items() if source.stem.endswith(suffix)), [])
    command = [
        *(str(COMPILER), "-std=c++20", "-O1", "-g1", "-ffp-contract=off", *flags),
        *(f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", f"-I{NATIVE}/include", f"-I{NATIVE}/cpu"),
        *("-c", str(source), "-o", str(made)),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return made


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_every_kernel_is_clean(sanitizer: str, tmp_path: Path, golden: Callable[[Path, str, str], None]) -> None:
    sources = [s for s in SOURCES if X86 or not s.stem.endswith(tuple(FLAGS))]
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda source: _compile(source, sanitizer, tmp_path), sources))
    driver = tmp_path / "driver"
    link = [str(COMPILER), f"-fsanitize={sanitizer}", *map(str, objects), "-o", str(driver), "-pthread"]
    subprocess.run(link, check=True, capture_output=True, text=True)
    for degree in RING_DEGREES:
        command = [str(driver), *ring_arguments(degree)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "portable: ok" in run.stdout
        golden(DIGESTS, f"ring {degree}", digest(run.stdout))
