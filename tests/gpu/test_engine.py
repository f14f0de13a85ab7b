"""The CUDA engine against the definitions: its kernels on the block emulator, compiled by g++ and
translated from PTX, and on a device where there is one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytest

from tests.arith.field import operands as make
from tests.arith.field.cases import cases_of, method, same
from tests.arith.ring.test_kernels import CASES, DEGREES, EDGES, Operands, assert_same, moduli
from tests.gpu.emulator import COMPILER, emulator, translated
from tests.gpu.nvrtc import ARCHITECTURES
from vortex_crypto.arith.engine import Kernel
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.arith.field.kernels import KERNELS as FIELD_KERNELS
from vortex_crypto.arith.ring import KERNELS, RingKernels, engine
from vortex_crypto.arith.ring.primes import ntt_primes_below
from vortex_crypto.errors import MissingDependency
from vortex_crypto.gpu.cupy_device import CupyDevice
from vortex_crypto.gpu.device import Device
from vortex_crypto.gpu.field import CudaKernels
from vortex_crypto.gpu.ring import CudaEngine


@lru_cache(maxsize=1)
def real_device() -> Device:
    try:
        return CupyDevice()
    except MissingDependency as missing:
        pytest.skip(str(missing))


DEVICES: dict[str, Callable[[], Device]] = {
    "emulator": emulator,
    **{f"ptx-{architecture}": partial(translated, architecture) for architecture in ARCHITECTURES},
    "cuda": real_device,
}
ON = [
    pytest.param(
        name,
        marks=pytest.mark.gpu if name == "cuda" else pytest.mark.skipif(COMPILER is None, reason="no g++"),
    )
    for name in DEVICES
]
HOST_ONLY = ("special_", "sample_", "round_", "lift_", "expand_", "is_reduced")
ON_DEVICE = [kernel for kernel in KERNELS if not kernel.name.startswith(HOST_ONLY)]

FIELD_ON_DEVICE = [
    k
    for k in FIELD_KERNELS
    if k.name.startswith(("fr.", "fq.", "ntt", "csr")) or k.name.endswith(("msm", "fixed_base"))
]


@lru_cache(maxsize=32)
def rings(device: str, degree: int) -> tuple[RingKernels, RingKernels]:
    reference = engine("reference")
    return reference.ring(degree, moduli(degree)), CudaEngine(DEVICES[device](), reference).ring(degree, moduli(degree))


@pytest.mark.parametrize("device", ON)
@pytest.mark.parametrize("edge", [None, *range(len(EDGES))], ids=lambda e: "random" if e is None else f"edge{e}")
@pytest.mark.parametrize("kernel", ON_DEVICE, ids=lambda kernel: kernel.name)
def test_ring_kernels_compute_what_the_definition_says(kernel: Kernel, edge: int | None, device: str) -> None:
    for degree in DEGREES[:2] if edge is None else DEGREES[:1]:
        reference, ring = rings(device, degree)
        for args, options in CASES[kernel.name](Operands(reference, edge=edge)):
            expected = kernel.reference(reference, *args, **options)
            assert_same(kernel, expected, getattr(ring, kernel.name)(*args, **options))


@pytest.mark.parametrize("device", ON)
@pytest.mark.parametrize("log_degree", [10, 11, 12, 13, 14, 15, 16, 17])
def test_transforms_of_every_size(log_degree: int, device: str) -> None:
    """Every decomposition into passes; one wide prime, and one narrow one where it is cheap."""
    degree = 1 << log_degree
    primes = ntt_primes_below(61, 1, degree) + (ntt_primes_below(50, 1, degree) if log_degree <= 13 else ())
    basis = tuple(range(len(primes)))
    reference = engine("reference")
    definition, ring = reference.ring(degree, primes), CudaEngine(DEVICES[device](), reference).ring(degree, primes)
    x = definition.expand_uniform(bytes(range(32)), 0, basis)
    transformed = ring.ntt(x, basis)
    np.testing.assert_array_equal(transformed, definition.ntt(x, basis))
    np.testing.assert_array_equal(ring.intt(transformed, basis), x)


@lru_cache(maxsize=1)
def field_calls(kernel: Kernel) -> list[tuple[Any, Any, Any]]:
    """Arguments, keywords and what the definition makes of them, computed once for all devices."""
    return [
        (args, keywords, kernel.reference(make.REFERENCE, *args, **keywords)) for args, keywords in cases_of(kernel)
    ]


@pytest.mark.parametrize("device", ON)
@pytest.mark.parametrize("kernel", FIELD_ON_DEVICE, ids=lambda kernel: kernel.name)
def test_field_kernels_compute_what_the_definition_says(kernel: Kernel, device: str) -> None:
    engine = CudaKernels(DEVICES[device](), make.REFERENCE)
    for number, (args, keywords, wanted) in enumerate(field_calls(kernel)):
        got = method(engine, kernel.name)(*args, **keywords)
        assert same(got, wanted), f"{kernel.name}, case {number}"


@pytest.mark.parametrize("device", ON)
@pytest.mark.parametrize("log_n", [10, 11, 12])
def test_field_transforms_of_more_than_one_pass(log_n: int, device: str) -> None:
    engine = CudaKernels(DEVICES[device](), make.REFERENCE)
    values, coset = make.elements(FR, 1 << log_n), make.elements(FR, 40, 3)[-1]
    transformed = engine.ntt(values, coset=coset)
    np.testing.assert_array_equal(transformed, make.REFERENCE.ntt(values, coset=coset))
    np.testing.assert_array_equal(engine.ntt(transformed, coset=coset, inverse=True), values)
