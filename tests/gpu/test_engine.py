"""The CUDA engine against the definitions: its kernels on the block emulator, compiled by g++ and
translated from PTX, and on a device where there is one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytest

from tests.arith.field import operands as make
from tests.arith.field.cases import cases_of, method, same
from tests.arith.ring.test_kernels import CASES, DEGREES, EDGES, Operands, assert_same, moduli
from tests.gpu.cupy_double import double
from tests.gpu.emulator import COMPILER, Emulator, Resident, emulator, translated
from tests.gpu.nvrtc import ARCHITECTURES
from vortex_crypto.arith.engine import Kernel
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.arith.field.kernels import KERNELS as FIELD_KERNELS
from vortex_crypto.arith.ring import KERNELS, RingKernels, engine
from vortex_crypto.arith.ring.primes import ntt_primes_below
from vortex_crypto.errors import MissingDependency
from vortex_crypto.gpu import groups
from vortex_crypto.gpu.cupy_device import CupyDevice
from vortex_crypto.gpu.device import Device
from vortex_crypto.gpu.field import CudaKernels
from vortex_crypto.gpu.groups import CudaGroup
from vortex_crypto.gpu.ring import CudaEngine, CudaRing


@lru_cache(maxsize=1)
def real_device() -> Device:
    try:
        return CupyDevice()
    except MissingDependency as missing:
        pytest.skip(str(missing))


@lru_cache(maxsize=1)
def behind_cupy() -> Device:
    """The class for real devices, with a stand-in for CuPy that runs kernels on the emulator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", double(emulator()))
        return CupyDevice()


DEVICES: dict[str, Callable[[], Device]] = {
    "emulator": emulator,
    **{f"ptx-{architecture}": partial(translated, architecture) for architecture in ARCHITECTURES},
    "cupy": behind_cupy,
    "cuda": real_device,
}
ON = [
    pytest.param(
        name,
        marks=pytest.mark.gpu if name == "cuda" else pytest.mark.skipif(COMPILER is None, reason="no g++"),
    )
    for name in DEVICES
    if name != "cupy"
]
# Where operands are on the device, which needs no second run of what the translated code computes.
RESIDENT = [
    pytest.param("cupy", marks=pytest.mark.skipif(COMPILER is None, reason="no g++")),
    pytest.param("cuda", marks=pytest.mark.gpu),
]
HOST_ONLY = ("special_", "sample_", "round_", "lift_", "expand_", "is_reduced")
ON_DEVICE = [kernel for kernel in KERNELS if not kernel.name.startswith(HOST_ONLY)]

FIELD_ON_DEVICE = [
    k
    for k in FIELD_KERNELS
    if k.name.startswith(("fr.", "fq.", "ntt", "csr")) or k.name.endswith(("msm", "fixed_base"))
]
# Of those that the host computes, one of each signature.
FIELD_ON_HOST = [
    k for k in FIELD_KERNELS if k.name in ("g1.multiply", "g1.valid", "g1.lift_x", "products_in_order", "pairing_check")
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


@lru_cache(maxsize=64)
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


class Recorder:
    """An emulator that notes its launches, and runs them or not."""

    def __init__(self, device: Emulator, *, runs: bool) -> None:
        self._device, self._runs = device, runs
        self.launches: list[tuple[str, tuple[int, int, int], tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return self._device.empty(shape, dtype) if self._runs else self._device.zeros(shape, dtype)

    def launch(self, kernel: str, grid: tuple[int, int, int], *arguments: Any) -> None:
        self.launches.append((kernel, grid, arguments))
        if self._runs:
            self._device.launch(kernel, grid, *arguments)

    def last(self, kernel: str) -> tuple[Any, ...]:
        return next(arguments for name, _, arguments in reversed(self.launches) if name == kernel)


@pytest.mark.skipif(COMPILER is None, reason="no g++")
def test_leading_axes_may_be_longer_than_a_grid_is_high() -> None:
    degree, rows = 1024, 70_000
    reference = engine("reference").ring(degree, moduli(degree)[:1])
    device = Recorder(emulator(), runs=False)
    ring = CudaRing(device, reference)
    x = np.zeros((rows, 1, degree), dtype=np.uint64).view(Resident)
    for result in (ring.ntt(x, (0,)), ring.intt(x, (0,)), ring.add(x, x, (0,)), ring.automorphism(x, 5, (0,))):
        assert result.shape == x.shape
    for kernel, grid, _ in device.launches:
        assert grid[0] >= rows, kernel
        assert grid[0] < 1 << 31, kernel
        assert grid[1:] == (1, 1), kernel


@pytest.mark.skipif(COMPILER is None, reason="no g++")
@pytest.mark.parametrize(
    ("values", "bits", "runs"),
    [
        ([7] * 71, 3, [3, 1]),  # one bucket of 71 points: three runs of at most 32, then one
        ([-3, 3, 0, 0] * 10, 2, [1]),
        ([0] * 40 + [200] * 3, 8, [2]),
    ],
)
def test_sums_follow_the_scalars_and_no_thread_adds_more_than_a_run(
    values: list[int], bits: int, runs: list[int]
) -> None:
    device = Recorder(emulator(), runs=True)
    group = CudaGroup(device, make.REFERENCE.g1, "g1")
    points, scalars = make.g1_points(len(values), 1), make.REFERENCE.fr.from_int64(np.array(values))
    np.testing.assert_array_equal(group.msm(points, scalars), make.REFERENCE.g1.msm(points, scalars))
    c, windows = (int(value) for value in device.last("msm_digits")[5:7])
    assert (windows - 1) * c <= bits < windows * c
    made = [len(arguments[0]) for kernel, _, arguments in device.launches if kernel in ("g1_gather", "g1_fold")]
    assert made[: len(runs)] == runs


@pytest.mark.skipif(COMPILER is None, reason="no g++")
def test_sums_longer_than_fits_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MAX_POINTS", 4)
    group = CudaGroup(emulator(), make.REFERENCE.g1, "g1")
    points, scalars = make.g1_points(9, 1), make.scalars(9, 9)
    np.testing.assert_array_equal(group.msm(points, scalars), make.REFERENCE.g1.msm(points, scalars))


@pytest.mark.parametrize("device", RESIDENT)
@pytest.mark.parametrize("kernel", FIELD_ON_DEVICE + FIELD_ON_HOST, ids=lambda kernel: kernel.name)
def test_field_kernels_leave_results_where_operands_are(kernel: Kernel, device: str) -> None:
    target = DEVICES[device]()
    engine = CudaKernels(target, make.REFERENCE)
    args, keywords, wanted = field_calls(kernel)[min(2, len(field_calls(kernel)) - 1)]
    got = method(engine, kernel.name)(*_uploaded(target, args), **keywords)
    if kernel.name != "pairing_check":
        assert all(map(target.owns, got)) if isinstance(got, tuple) else target.owns(got)
    assert same(_downloaded(target, got), wanted)


@pytest.mark.parametrize("device", RESIDENT)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_ring_kernels_leave_results_where_operands_are(kernel: Kernel, device: str) -> None:
    target = DEVICES[device]()
    reference, ring = rings(device, DEGREES[0])
    args, options = next(iter(CASES[kernel.name](Operands(reference, edge=None))))
    expected = kernel.reference(reference, *args, **options)
    got = getattr(ring, kernel.name)(*_uploaded(target, args), **options)
    if kernel.name in {k.name for k in ON_DEVICE}:
        assert target.owns(got)
    assert_same(kernel, expected, _downloaded(target, got))


def _uploaded(device: Device, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return device.upload(value)
    return type(value)(_uploaded(device, part) for part in value) if isinstance(value, (tuple, list)) else value


def _downloaded(device: Device, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_downloaded(device, part) for part in value)
    return device.download(value) if device.owns(value) else value
