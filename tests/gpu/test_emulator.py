"""The emulator must see what it is for: planted mistakes, each beside the kernel without it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.gpu.emulator import COMPILER, Emulator, EmulatorError, Resident, emulate_source

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no g++")

KERNELS = """
#include <device.hpp>
#include "vortex/config.hpp"
using namespace vx;

// Reverses each run of 64 words through shared memory.
#define REVERSE(name, BARRIER, SIZE, LAST)                      \\
    VX_KERNEL(64) name(u64* out, const u64* x) {                \\
        __shared__ u64 tile[SIZE];                              \\
        const u64 at = (u64)blockIdx.x * 64 + threadIdx.x;      \\
        tile[threadIdx.x] = x[at];                              \\
        BARRIER;                                                \\
        out[at] = tile[LAST - threadIdx.x];                     \\
    }
REVERSE(reverse, __syncthreads(), 64, 63)
REVERSE(missing_barrier, , 64, 63)
REVERSE(shared_too_small, __syncthreads(), 63, 63)
REVERSE(shared_one_off, __syncthreads(), 64, 64)
REVERSE(one_thread_waits, if (threadIdx.x == 5) __syncthreads(), 64, 63)

VX_KERNEL(64) shift(u64* out, const u64* x, u32 by) {
    const u64 at = (u64)blockIdx.x * 64 + threadIdx.x;
    out[at] = x[at + by];
}
VX_KERNEL(64) write_to_one_place(u64* out, const u64* x) { out[blockIdx.x] = x[threadIdx.x]; }
VX_KERNEL(64) block_to_block(u64* out, u64* x) {
    if (threadIdx.x == 0) x[blockIdx.x] = 1;
    if (threadIdx.x == 1) out[blockIdx.x] = x[blockIdx.x ^ 1];
}
VX_KERNEL(64) unwritten(u64* out, const u64*) {
    __shared__ u64 values[64];
    if (threadIdx.x != 7) values[threadIdx.x] = 0;
    __syncthreads();
    out[(u64)blockIdx.x * 64 + threadIdx.x] = values[threadIdx.x];
}
VX_KERNEL(64) two_barriers(u64*, const u64*) {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
}
"""
NAMES = ("reverse", "missing_barrier", "shared_too_small", "shared_one_off", "one_thread_waits", "shift")
NAMES += ("write_to_one_place", "block_to_block", "unwritten", "two_barriers")


@pytest.fixture(scope="module")
def device() -> Emulator:
    return emulate_source(KERNELS, dict.fromkeys(NAMES, 64))


def operands() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(128, dtype=np.uint64).view(Resident), np.arange(128, dtype=np.uint64).view(Resident)


def test_a_right_kernel_runs(device: Emulator) -> None:
    out, x = operands()
    wanted = np.arange(128, dtype=np.uint64)
    device.launch("reverse", (2, 1, 1), out, x)
    np.testing.assert_array_equal(device.download(out), wanted.reshape(2, 64)[:, ::-1].reshape(-1))
    device.launch("shift", (2, 1, 1), out, x, np.uint32(0))
    np.testing.assert_array_equal(device.download(out), wanted)


@pytest.mark.parametrize(
    ("kernel", "seen"),
    [
        ("missing_barrier", "race|never written"),
        ("shared_too_small", "out of bounds: writes 8 bytes at offset 504 of shared array"),
        ("shared_one_off", "out of bounds: reads 8 bytes at offset 512 of shared array"),
        ("one_thread_waits", "race|never written|divergent"),
        ("write_to_one_place", "race: writes what another thread writes"),
        ("block_to_block", "race: "),
        ("unwritten", "thread 7: reads shared array .* at offset 56, never written"),
        ("two_barriers", "divergent barrier"),
    ],
)
def test_planted_mistakes_are_seen(device: Emulator, kernel: str, seen: str) -> None:
    with pytest.raises(EmulatorError, match=seen):
        device.launch(kernel, (2, 1, 1), *operands())


def test_an_index_one_off_is_seen(device: Emulator) -> None:
    with pytest.raises(
        EmulatorError, match=r"block \(1, 0, 0\), thread 63: out of bounds: reads 8 bytes at offset 1024"
    ):
        device.launch("shift", (2, 1, 1), *operands(), np.uint32(1))


def test_it_works_on_after_a_failure(device: Emulator) -> None:
    for _ in range(3):
        with pytest.raises(EmulatorError):
            device.launch("missing_barrier", (1, 1, 1), *operands())
        test_a_right_kernel_runs(device)


def test_arrays_of_the_host_and_grids_beyond_the_limits_are_refused(device: Emulator) -> None:
    out, x = operands()
    with pytest.raises(AssertionError, match="an array of the host"):
        device.launch("reverse", (2, 1, 1), out, x.view(np.ndarray))
    with pytest.raises(AssertionError, match="grid"):
        device.launch("reverse", (1, 1 << 16, 1), out, x)
    with pytest.raises(TypeError, match="beside an array of the device"):
        x + np.arange(128, dtype=np.uint64)


def test_names_and_counts_of_arguments_are_checked(device: Emulator) -> None:
    with pytest.raises(EmulatorError, match="another number of arguments"):
        device.launch("reverse", (1, 1, 1), operands()[0])
