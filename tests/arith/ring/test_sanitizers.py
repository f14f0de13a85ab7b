"""The ring's C++ under AddressSanitizer with UndefinedBehaviorSanitizer, and under ThreadSanitizer."""

from __future__ import annotations

import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vortex_crypto.arith.ring.primes import ntt_primes_below, primitive_root

NATIVE = Path(__file__).parents[3] / "native"
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
def test_every_kernel_is_clean(sanitizer: str, tmp_path: Path) -> None:
    sources = [s for s in SOURCES if X86 or not s.stem.endswith(tuple(FLAGS))]
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda source: _compile(source, sanitizer, tmp_path), sources))
    driver = tmp_path / "driver"
    link = [str(COMPILER), f"-fsanitize={sanitizer}", *map(str, objects), "-o", str(driver), "-pthread"]
    subprocess.run(link, check=True, capture_output=True, text=True)
    for degree in (8, 256, 2048):
        primes = ntt_primes_below(50, 3, degree) + ntt_primes_below(61, 2, degree)
        arguments = [str(v) for q in primes for v in (q, primitive_root(q, 2 * degree))]
        run = subprocess.run([str(driver), str(degree), *arguments], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "portable: ok" in run.stdout
