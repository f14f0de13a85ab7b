"""G1 and G2 on a CUDA device: `arith.field.Group` by the kernels of native/cuda/msm*.cu.

On the device: sums of multiples of many points, and many multiples of one point. Checks of data from outside and
operations on single points run on the host's engine.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import Array, encode
from vortex_crypto.arith.field.bn254 import FR, LIMBS
from vortex_crypto.arith.field.kernels import Group, check_shape
from vortex_crypto.gpu.device import Device, DeviceArray, OnDevice, u32, u64

RUN = 32
"""Sums of more points or sums than this are cut into runs, a thread each, however uneven the buckets."""
LOG_CHUNK = 4
"""A thread of the bucket reduction takes 2^4 buckets."""
MAX_POINTS = 1 << 22
"""Longer sums are made in parts of this many points, which bounds the memory of digits and their order."""


class CudaGroup(OnDevice):
    """`Group` on a device: `msm` and `fixed_base`; the rest on the host. `threads` means nothing on the device."""

    def __init__(self, device: Device, host: Group, prefix: str) -> None:
        super().__init__(device)
        self.point = host.point
        self._host, self._prefix = host, prefix

    def _sums(self, count: int) -> DeviceArray:
        """Room for points in Jacobian coordinates."""
        return self._new(count, 3, *self.point[1:])

    def _points(self, kernel: str, count: int, *arguments: DeviceArray | np.uint32 | np.uint64) -> None:
        """One thread for each of `count` points."""
        self._each(f"{self._prefix}_{kernel}", count, *arguments, threads=128)

    def _magnitudes(self, scalars: Array) -> tuple[DeviceArray, DeviceArray, int]:
        """|s| as plain limbs for s in (-r/2, r/2], uint8 flags of the negative ones, and the longest in bits."""
        n = len(scalars)
        blocks = min(-(-n // 256), 256)
        plain, negative = self._new(n, LIMBS), self._device.empty((n,), np.uint8)
        longest = self._device.empty((blocks,), np.uint32)
        operand = self._device.upload(scalars)
        self._device.launch("msm_scalars", (blocks, 1, 1), plain, negative, longest, operand, u64(n))
        return plain, negative, int(self._device.download(longest).max())

    def _folded(self, sums: DeviceArray, starts: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """One sum for each segment of `sums` that is not empty, segments beginning at `starts`; and where each is."""
        while True:
            runs = self._runs(starts)
            count = self._last(runs)
            if count == len(sums):
                return sums, starts
            out = self._sums(count)
            self._points("fold", count, out, sums, starts, runs, u64(len(starts) - 1), u32(RUN))
            sums, starts = out, runs

    def _runs(self, starts: DeviceArray) -> DeviceArray:
        """Where the runs of each segment begin, uint64 [segments + 1]."""
        counts, count = self._new(len(starts)), len(starts) - 1
        self._each("msm_runs", len(starts), counts, starts, u64(count), u32(RUN))
        return self._device.running_sums(counts)

    def _last(self, array: DeviceArray) -> int:
        return int(self._device.download(array[-1:])[0])

    def msm(self, points: Array, scalars: Array, *, threads: int = 0) -> Array:
        """Pippenger with signed digits of c bits: digits, sort by bucket, bucket sums, window sums, combination.

        There are as many windows as the longest scalar or its negative needs, and digits of zero cost no addition.
        Buckets are summed in runs of at most `RUN` points and those sums again: equal scalars cost no more than others.
        """
        n = len(scalars)
        check_shape("scalars", scalars, (None, LIMBS))
        check_shape("points", points, (n, *self.point))
        if n > MAX_POINTS:
            cuts = range(0, n, MAX_POINTS)
            parts = [self._msm(points[i : i + MAX_POINTS], scalars[i : i + MAX_POINTS]) for i in cuts]
            whole = np.stack([self._device.download(part) for part in parts])
            longer: Array = self._out(self._msm(whole, encode(FR, [1] * len(parts))), points)
            return longer
        result: Array = self._out(self._msm(points, scalars), points)
        return result

    def _msm(self, points: Array, scalars: Array) -> DeviceArray:
        n = len(scalars)
        magnitudes, signs, bits = self._magnitudes(scalars) if n else (None, None, 0)
        if bits == 0:
            return self._device.zeros(self.point, np.uint64)
        c = min(range(2, 17), key=lambda c: -(-(bits + 1) // c) * (n + 5 * (1 << (c - 1))))
        windows, half = -(-(bits + 1) // c), 1 << (c - 1)
        slots = self._device.empty((windows * n,), np.uint32)
        negative = self._device.empty((windows * n,), np.uint8)
        self._each("msm_digits", n, slots, negative, magnitudes, signs, u64(n), u32(c), u32(windows))
        order, starts, count = self._device.order(slots), self._new(windows * half + 1), windows * half
        self._each("msm_starts", count + 1, starts, slots, order, u64(len(order)), u64(count))
        runs = self._runs(starts)
        sums = self._sums(self._last(runs))
        tables = (self._device.upload(points), order, negative, starts, runs, u64(n), u64(count), u32(RUN))
        self._points("gather", len(sums), sums, *tables)
        sums, places = self._folded(sums, runs)
        return self._combined(sums, places, windows, c)

    def _combined(self, sums: DeviceArray, places: DeviceArray, windows: int, c: int) -> DeviceArray:
        """Bucket reduction and window combination."""
        log_chunk = min(LOG_CHUNK, c - 1)
        chunks = 1 << (c - 1 - log_chunk)
        parts, out = self._sums(windows * chunks), self._new(*self.point)
        self._points("reduce", windows * chunks, parts, sums, places, u64(windows * chunks), u32(c), u32(log_chunk))
        starts = self._device.upload(np.arange(windows + 1, dtype=np.uint64) * u64(chunks))
        whole, _ = self._folded(parts, starts)
        self._device.launch(f"{self._prefix}_combine", (1, 1, 1), out, whole, u32(windows), u32(c))
        return out

    def _affine(self, sums: DeviceArray) -> DeviceArray:
        n, out = len(sums), self._new(len(sums), *self.point)
        denominators, inverses = self._new(n, LIMBS), self._new(n, LIMBS)
        self._each(f"{self._prefix}_denominators", n, denominators, sums, u64(n))
        self._each("fq_inverse", -(-n // 16), inverses, denominators, u64(n), threads=64)
        self._points("to_affine", n, out, sums, inverses, u64(n))
        return out

    def fixed_base(self, base: Array, scalars: Array, *, threads: int = 0) -> Array:
        """A table of the multiples d·2^(cw) of the base, d <= 2^(c-1), and an addition a window for each scalar."""
        check_shape("the base", base, self.point)
        check_shape("scalars", scalars, (None, LIMBS))
        n = len(scalars)
        magnitudes, signs, bits = self._magnitudes(scalars) if n else (None, None, 0)
        if bits == 0:
            result: Array = self._out(self._device.zeros((n, *self.point), np.uint64), base)
            return result
        c = min(range(2, 13), key=lambda c: -(-(bits + 1) // c) * (n + 2 * c * (1 << (c - 1))))
        windows = -(-(bits + 1) // c)
        powers, multiples, out = self._sums(windows), self._sums(windows << (c - 1)), self._sums(n)
        operand = self._device.upload(base)
        self._device.launch(f"{self._prefix}_powers", (1, 1, 1), powers, operand, u32(windows), u32(c))
        self._points("multiples", len(multiples), multiples, powers, u64(len(multiples)), u32(c))
        table = self._affine(multiples)
        self._points("look_up", n, out, table, magnitudes, signs, u64(n), u32(c), u32(windows))
        result = self._out(self._affine(out), base)
        return result

    def multiply(self, points: Array, scalars: Array, *, threads: int = 0) -> Array:
        result: Array = self._on_host(partial(self._host.multiply, threads=threads), points, scalars)
        return result

    def add(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        result: Array = self._on_host(partial(self._host.add, threads=threads), a, b)
        return result

    def neg(self, a: Array, *, threads: int = 0) -> Array:
        result: Array = self._on_host(partial(self._host.neg, threads=threads), a)
        return result

    def valid(self, points: Array, *, threads: int = 0) -> NDArray[np.bool_]:
        flags: NDArray[np.bool_] = self._on_host(partial(self._host.valid, threads=threads), points)
        return flags

    def lift_x(self, x: Array, larger: NDArray[np.bool_], *, threads: int = 0) -> tuple[Array, NDArray[np.bool_]]:
        lifted: tuple[Array, NDArray[np.bool_]] = self._on_host(partial(self._host.lift_x, threads=threads), x, larger)
        return lifted
