"""The field's C++ under AddressSanitizer with UndefinedBehaviorSanitizer, and under ThreadSanitizer."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.arith.drivers import DIGESTS, NATIVE, digest

X86 = platform.machine() in ("x86_64", "AMD64")
SOURCES = {
    "cpu/field.cpp": (),
    "cpu/msm.cpp": (),
    "cpu/ntt_fr.cpp": (),
    "tests/field_driver.cpp": (),
}
X86_SOURCES = {
    "cpu/isa_x86.cpp": (),
    "cpu/field_avx2.cpp": ("-DVX_ISA=avx2", "-mavx2", "-mbmi2", "-madx"),
    "cpu/field_ifma.cpp": (
        *("-DVX_ISA=ifma", "-mbmi2", "-madx", "-w"),
        *(f"-mavx512{part}" for part in ("f", "dq", "vl", "bw", "ifma", "vbmi", "vbmi2")),
    ),
}
COMPILER = shutil.which("c++") or shutil.which("g++")


def _compile(source: str, flags: tuple[str, ...], sanitizer: str, into: Path) -> Path:
    made = into / f"{Path(source).stem}.o"
    command = [
        *(str(COMPILER), "-std=c++20", "-O1", "-g1", *flags, f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"),
        *(f"-I{NATIVE}/include", f"-I{NATIVE}/cpu", "-c", str(NATIVE / source), "-o", str(made)),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return made


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_every_kernel_is_clean(sanitizer: str, tmp_path: Path, golden: Callable[[Path, str, str], None]) -> None:
    sources = SOURCES | X86_SOURCES if X86 else SOURCES
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda item: _compile(*item, sanitizer, tmp_path), sources.items()))
    driver = tmp_path / "driver"
    link = [str(COMPILER), f"-fsanitize={sanitizer}", *map(str, objects), "-o", str(driver), "-pthread"]
    subprocess.run(link, check=True, capture_output=True, text=True)
    run = subprocess.run([str(driver)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "ok" in run.stdout
    golden(DIGESTS, "field", digest(run.stdout))
