"""One template: every engine and instruction set, every kernel of the manifest, random and edge operands."""

from __future__ import annotations

import inspect
import zlib
from typing import Any

import numpy as np
import pytest

from tests.arith.field import operands as make
from tests.arith.field.cases import cases_of, method, same
from vortex_crypto.arith.engine import Kernel
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.arith.field.kernels import KERNELS
from vortex_crypto.arith.field.native import NativeKernels, instruction_sets
from vortex_crypto.errors import InvalidInput

ENGINES = {isa: NativeKernels(isa) for isa in instruction_sets()}


@pytest.mark.parametrize("engine", [make.REFERENCE, *ENGINES.values()], ids=lambda engine: engine.name)
def test_products_refuse_what_does_not_fit(engine: Any) -> None:
    x, one, row = make.elements(FR, 3), make.elements(FR, 1), np.array([0, 1])
    good, wide = (row, np.array([2]), one), (row, np.array([3]), one)
    empty = (np.array([0]), np.zeros(0, dtype=np.int64), one[:0])
    target = np.array([1])
    assert engine.products_in_order(good, good, target, x).shape == x.shape
    for a, b, targets in (
        (wide, good, target), (good, wide, target), (empty, good, target), (good, empty, target),
        (good, good, np.array([3])), (good, good, np.array([-1])), (good, good, np.array([0, 1])),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            engine.products_in_order(a, b, targets, x)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_every_engine_agrees_with_the_definition(kernel: Kernel) -> None:
    for number, (args, keywords) in enumerate(cases_of(kernel)):
        before = [zlib.crc32(a.tobytes()) for a in args if isinstance(a, np.ndarray)]
        wanted = kernel.reference(make.REFERENCE, *args, **keywords)
        for isa, engine in ENGINES.items():
            for threads in (1, 2):
                got = method(engine, kernel.name)(*args, **keywords, threads=threads)
                assert same(got, wanted), f"{kernel.name} on {isa}, case {number}, {threads} threads"
        assert before == [zlib.crc32(a.tobytes()) for a in args if isinstance(a, np.ndarray)], (
            "an operand was written to"
        )


@pytest.mark.parametrize("engine", [make.REFERENCE, *ENGINES.values()], ids=lambda engine: engine.name)
def test_the_manifest_lists_what_engines_have(engine: Any) -> None:
    for kernel in KERNELS:
        assert "threads" in inspect.signature(method(engine, kernel.name)).parameters
    for part in ("fr", "g1"):
        public = {name for name, _ in inspect.getmembers(getattr(engine, part), callable) if not name.startswith("_")}
        assert public == {kernel.name.split(".")[1] for kernel in KERNELS if kernel.name.startswith(part)}
