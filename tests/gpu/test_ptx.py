"""Translated code is judged as compiled code is, and what the translator does not know it refuses."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.gpu import ptx
from tests.gpu.emulator import (
    COMPILER,
    Emulator,
    EmulatorError,
    Resident,
    compile_library,
    translated,
    translation_unit,
)
from tests.gpu.nvrtc import compile_file

ENTRY = ".visible .entry twice(\n\t.param .u64 twice_param_0\n)\n{\n\t.reg .b64 %rd<3>;\n\t@\n\tret;\n}\n"


def test_an_instruction_becomes_a_statement() -> None:
    assert "rd2 = ((uint64_t)rd1) + ((uint64_t)rd1);" in ptx.translate(ENTRY.replace("@", "add.s64 %rd2, %rd1, %rd1;"))


@pytest.mark.parametrize("line", ["ex2.approx.f32 %f1, %f2;", "vadd4.u32.u32.u32 %rd2, %rd1, %rd1;", ".reg .b128 %q;"])
def test_unknown_instructions_are_refused(line: str) -> None:
    with pytest.raises((ptx.UnknownPtx, KeyError)):
        ptx.translate(ENTRY.replace("@", line))


@pytest.mark.skipif(COMPILER is None, reason="no g++")
def test_bounds_are_judged() -> None:
    a = np.ones((9, 4), dtype=np.uint64).view(Resident)
    with pytest.raises(EmulatorError, match=r"fr_add, block .* thread 9: out of bounds: reads 8 bytes at offset 288"):
        translated("sm_90").launch(
            "fr_add", (1, 1, 1), np.empty((10, 4), dtype=np.uint64).view(Resident), a, a.copy(), np.uint64(10)
        )


@pytest.mark.skipif(COMPILER is None, reason="no g++")
def test_barriers_taken_out_of_the_ptx_are_missed() -> None:
    text = compile_file("ring.cu", "sm_90").ptx
    kernel = next(
        part for part in re.split(r"(?=\.visible \.entry)", text) if part.startswith(".visible .entry ring_ntt(")
    )
    unit = ptx.PRELUDE + ptx.translate(re.sub(r"bar\.sync[^;]*;", "", kernel))
    library = compile_library(translation_unit([unit], ["ring_ntt"]), ("-O1", "-w", "-fno-toplevel-reorder"))
    broken = Emulator(library, {"ring_ntt": 256}, "broken")
    x, basis = np.zeros((1, 2048), dtype=np.uint64), np.zeros(1, dtype=np.uint32)
    primes, twiddles = np.full((1, 15), 97, dtype=np.uint64), np.zeros((1, 2048), dtype=np.uint64)
    x, basis, primes, twiddles = (array.view(Resident) for array in (x, basis, primes, twiddles))
    shape = tuple(np.uint32(v) for v in (11, 0, 11, 0))
    with pytest.raises(EmulatorError, match=r"race|never written"):
        broken.launch("ring_ntt", (1, 1, 1), x, x, basis, primes, twiddles, twiddles, *shape)
