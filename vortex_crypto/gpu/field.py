"""BN254 on a CUDA device: `arith.field.FieldKernels` by the kernels of native/cuda/field.cu and msm.cu.

On the device: vectors over Fr and Fq, the transform, sparse products, and sums and multiples of points in both groups
(module `groups`). The rest, pairings among it, runs on the host's engine. As for rings, results are where the first
operand was.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import Array, encode
from vortex_crypto.arith.field.bn254 import FQ, FR, LIMBS, PrimeField, fr_root_of_unity
from vortex_crypto.arith.field.kernels import Csr, FieldKernels, Group, VectorField, check_csr, check_shape
from vortex_crypto.errors import InvalidInput
from vortex_crypto.gpu.device import Device, DeviceArray, OnDevice, u32, u64
from vortex_crypto.gpu.groups import CudaGroup

LOG_TILE = 10
"""A block of the transform keeps 2^10 elements in shared memory (`fr_tile` in field.cu)."""
MAX_LOG_N = 28
RUN = 16
"""How many elements a thread inverts, or makes powers of, one after another."""


class CudaVectors(OnDevice):
    """`VectorField` on a device; `threads` means nothing here."""

    def __init__(self, device: Device, field: PrimeField) -> None:
        super().__init__(device)
        self.field = field
        self._prefix = "fr" if field is FR else "fq"

    def _map(self, kernel: str, *operands: Array, extra: tuple[Any, ...] = ()) -> DeviceArray:
        n = len(operands[0])
        for operand in operands:
            check_shape("a vector", operand, (n, LIMBS))
        out = self._new(n, LIMBS)
        uploaded = [self._device.upload(operand) for operand in operands]
        self._each(f"{self._prefix}_{kernel}", n, out, *uploaded, u64(n), *extra)
        return out

    def _element(self, element: Array) -> DeviceArray:
        check_shape("an element", element, (LIMBS,))
        return self._device.upload(element)

    def add(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._home(self._map("add", a, b), a)

    def sub(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._home(self._map("sub", a, b), a)

    def neg(self, a: Array, *, threads: int = 0) -> Array:
        return self._home(self._map("neg", a), a)

    def mul(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._home(self._map("mul", a, b, extra=(u64(1),)), a)

    def mul_add(self, a: Array, b: Array, c: Array, *, threads: int = 0) -> Array:
        return self._home(self._map("mul_add", a, b, c), a)

    def scale(self, a: Array, s: Array, *, threads: int = 0) -> Array:
        check_shape("a vector", a, (None, LIMBS))
        n, out = len(a), self._new(len(a), LIMBS)
        self._each(f"{self._prefix}_mul", n, out, self._device.upload(a), self._element(s), u64(n), u64(0))
        return self._home(out, a)

    def inner_product(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        products = self._map("mul", a, b, extra=(u64(1),))
        blocks = min(max(len(a) // 256, 1), 256)
        parts, total = self._new(blocks, LIMBS), self._new(1, LIMBS)
        self._device.launch(f"{self._prefix}_sum", (blocks, 1, 1), parts, products, u64(len(a)))
        self._device.launch(f"{self._prefix}_sum", (1, 1, 1), total, parts, u64(blocks))
        return self._home(total.reshape(LIMBS), a)

    def powers(self, base: Array, n: int, *, first: Array | None = None, threads: int = 0) -> Array:
        if n < 0:
            raise InvalidInput(f"{n} powers; a count of at least 0 is expected")
        start, out = encode(self.field, [1])[0] if first is None else first, self._new(n, LIMBS)
        self._each(f"{self._prefix}_powers", -(-n // RUN), out, self._element(base), self._element(start), u64(n))
        return self._home(out, base)

    def inverse(self, a: Array, *, threads: int = 0) -> Array:
        check_shape("a vector", a, (None, LIMBS))
        n, out = len(a), self._new(len(a), LIMBS)
        self._each(f"{self._prefix}_inverse", -(-n // RUN), out, self._device.upload(a), u64(n), threads=64)
        return self._home(out, a)

    def to_montgomery(self, plain: Array, *, threads: int = 0) -> Array:
        return self._home(self._map("to_montgomery", plain), plain)

    def from_montgomery(self, a: Array, *, threads: int = 0) -> Array:
        return self._home(self._map("from_montgomery", a), a)

    def from_int64(self, values: NDArray[np.int64], *, threads: int = 0) -> Array:
        check_shape("integers", values, (None,), np.int64)
        n, out = len(values), self._new(len(values), LIMBS)
        self._each(f"{self._prefix}_from_int64", n, out, self._device.upload(values), u64(n))
        return self._home(out, values)

    def is_canonical(self, limbs: Array, *, threads: int = 0) -> NDArray[np.bool_]:
        check_shape("limbs", limbs, (None, LIMBS))
        n, out = len(limbs), self._device.empty((len(limbs),), np.bool_)
        self._each(f"{self._prefix}_is_canonical", n, out, self._device.upload(limbs), u64(n))
        flags: NDArray[np.bool_] = self._out(out, limbs)
        return flags

    def _home(self, result: DeviceArray, operand: Any) -> Array:
        array: Array = self._out(result, operand)
        return array


class CudaKernels(OnDevice):
    """`FieldKernels` on a device, with the kernels of `host` for what stays on the processor."""

    name = "cuda"

    def __init__(self, device: Device, host: FieldKernels) -> None:
        super().__init__(device)
        self._host = host
        self._fr, self._fq = CudaVectors(device, FR), CudaVectors(device, FQ)
        self._g1, self._g2 = CudaGroup(device, host.g1, "g1"), CudaGroup(device, host.g2, "g2")
        self._twiddles: dict[tuple[int, bool], DeviceArray] = {}

    @property
    def fr(self) -> VectorField:
        return self._fr

    @property
    def fq(self) -> VectorField:
        return self._fq

    @property
    def g1(self) -> Group:
        return self._g1

    @property
    def g2(self) -> Group:
        return self._g2

    def _table(self, log_n: int, *, inverse: bool) -> DeviceArray:
        """omega^brv(i), i < n/2, or those of 1/omega; kept, n/2 elements for each size used."""
        if (log_n, inverse) not in self._twiddles:
            root = fr_root_of_unity(log_n)
            base = self._device.upload(encode(FR, [pow(root, -1, FR.modulus) if inverse else root])[0])
            half = 1 << (log_n - 1)
            straight, table = self._new(half, LIMBS), self._new(half, LIMBS)
            one = self._device.upload(encode(FR, [1])[0])
            self._each("fr_powers", -(-half // RUN), straight, base, one, u64(half))
            self._each("fr_bit_reverse", half, table, straight, u32(log_n - 1))
            self._twiddles[log_n, inverse] = table
        return self._twiddles[log_n, inverse]

    def _scaled(self, x: DeviceArray, first: int, base: int) -> DeviceArray:
        """first · base^i · x_i."""
        start, ratio = (self._device.upload(element) for element in encode(FR, [first, base]))
        n, out = len(x), self._new(*x.shape)
        if base == 1:
            self._each("fr_mul", n, out, x, start, u64(n), u64(0))
            return out
        powers = self._new(*x.shape)
        self._each("fr_powers", -(-n // RUN), powers, ratio, start, u64(n))
        self._each("fr_mul", n, out, x, powers, u64(n), u64(1))
        return out

    def _passes(self, kernel: str, x: DeviceArray, log_n: int) -> DeviceArray:
        inverse = kernel == "fr_intt"
        starts = [0, *range((log_n - 1) % LOG_TILE + 1, log_n, LOG_TILE)]
        passes = list(zip(starts, [*starts[1:], log_n], strict=True))
        table, out = self._table(log_n, inverse=inverse), self._new(*x.shape)
        for first, end in reversed(passes) if inverse else passes:
            rows = end - first
            columns = min(LOG_TILE - rows, log_n - end)
            shape = (u32(log_n), u32(first), u32(rows), u32(columns))
            self._device.launch(kernel, (1 << (log_n - rows - columns), 1, 1), out, x, table, *shape)
            x = out
        return out

    def _reversed(self, x: DeviceArray, log_n: int) -> DeviceArray:
        out = self._new(*x.shape)
        self._each("fr_bit_reverse", len(x), out, x, u32(log_n))
        return out

    def ntt(self, values: Array, *, inverse: bool = False, coset: Array | None = None, threads: int = 0) -> Array:
        check_shape("values", values, (None, LIMBS))
        n = len(values)
        log_n = n.bit_length() - 1
        if n != 1 << max(log_n, 0) or log_n > MAX_LOG_N:
            raise InvalidInput(f"a transform of {n} values; the length must be a power of two up to 2^{MAX_LOG_N}")
        shift = 1 if coset is None else self._decode(coset)
        if shift == 0:
            raise InvalidInput("the shift of a coset must not be zero")
        x = self._device.upload(values)
        if inverse:
            y = self._passes("fr_intt", self._reversed(x, log_n), log_n) if log_n else x
            x = self._scaled(y, pow(n, -1, FR.modulus), pow(shift, -1, FR.modulus))
        else:
            x = self._scaled(x, 1, shift) if shift != 1 or log_n == 0 else x
            x = self._reversed(self._passes("fr_ntt", x, log_n), log_n) if log_n else x
        result: Array = self._out(x, values)
        return result

    def _decode(self, element: Array) -> int:
        check_shape("coset", element, (LIMBS,))
        limbs = self._device.download(element) if self._device.owns(element) else element
        value = sum(int(limb) << (64 * i) for i, limb in enumerate(limbs))
        return value * FR.montgomery_r_inverse % FR.modulus

    def csr_times_vector(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int64], values: Array, x: Array, *, threads: int = 0
    ) -> Array:
        check_csr(indptr, indices, values, x)
        rows, out = len(indptr) - 1, self._new(len(indptr) - 1, LIMBS)
        operands = [self._device.upload(array) for array in (indptr, indices, values, x)]
        self._each("fr_csr", rows, out, *operands, u64(rows))
        result: Array = self._out(out, indptr)
        return result

    def csr_int64_times_vector(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int64], values: NDArray[np.int64], x: Array, *,
        threads: int = 0,
    ) -> Array:  # fmt: skip
        return self.csr_times_vector(indptr, indices, self.fr.from_int64(values), x, threads=threads)

    def products_in_order(self, a: Csr, b: Csr, targets: NDArray[np.int64], x: Array, *, threads: int = 0) -> Array:
        def products(x: Array, *rest: Any) -> Array:
            return self._host.products_in_order(rest[:3], rest[3:6], rest[6], x, threads=threads)

        result: Array = self._on_host(products, x, *a, *b, targets)
        return result

    def prepare_g2(self, q: Array, *, threads: int = 0) -> Array:
        lines: Array = self._on_host(partial(self._host.prepare_g2, threads=threads), q)
        return lines

    def pairing_product(self, p: Array, q: Array, *, threads: int = 0) -> Array:
        product: Array = self._on_host(partial(self._host.pairing_product, threads=threads), p, q)
        return product

    def pairing_check(self, p: Array, q: Array, *, threads: int = 0) -> bool:
        return self._host.pairing_check(*map(self._at_home, (p, q)), threads=threads)
