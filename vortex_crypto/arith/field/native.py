"""The CPU engine: the field kernels of the compiled core, on the best instruction set the processor has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import Array, encode
from vortex_crypto.arith.field.bn254 import FQ, FR, FR_TWO_ADICITY, LIMBS, PrimeField, fr_root_of_unity
from vortex_crypto.arith.field.kernels import Csr, check_csr_shapes, check_pairs, check_shape
from vortex_crypto.arith.native import load
from vortex_crypto.errors import InvalidInput


def instruction_sets() -> tuple[str, ...]:
    """Instruction sets of this processor that the compiled core has loops for, the best last: portable, avx2, ifma."""
    return tuple(load().field.available())


def _vector(what: str, array: Array, length: int | None = None) -> Array:
    check_shape(what, array, (length, LIMBS))
    return np.ascontiguousarray(array)


@cache
def _root_of_unity(log_n: int) -> Array:
    root: Array = encode(FR, [fr_root_of_unity(log_n)])[0]
    return root


class NativeField:
    """Vector kernels in C++."""

    def __init__(self, engine: Any, field: PrimeField) -> None:
        self.field = field
        self._native = load().field.Vectors(engine, field.name)
        self._one = encode(field, [1])[0]

    def _map(self, kernel: Callable[..., Array], threads: int, *operands: Array) -> Array:
        length = len(operands[0]) if operands[0].ndim else None
        return kernel(*(_vector("a vector of field elements", a, length) for a in operands), threads)

    def _element(self, element: Array) -> Array:
        check_shape("a field element", element, (LIMBS,))
        return np.ascontiguousarray(element)

    def add(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.add, threads, a, b)

    def sub(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.sub, threads, a, b)

    def neg(self, a: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.neg, threads, a)

    def mul(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.mul, threads, a, b)

    def mul_add(self, a: Array, b: Array, c: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.mul_add, threads, a, b, c)

    def scale(self, a: Array, s: Array, *, threads: int = 0) -> Array:
        vector: Array = self._native.scale(_vector("a vector of field elements", a), self._element(s), threads)
        return vector

    def inner_product(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.inner_product, threads, a, b)

    def powers(self, base: Array, n: int, *, first: Array | None = None, threads: int = 0) -> Array:
        if n < 0:
            raise InvalidInput(f"the count of powers must not be negative, and is {n}")
        start = self._one if first is None else self._element(first)
        vector: Array = self._native.powers(self._element(base), n, start, threads)
        return vector

    def inverse(self, a: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.inverse, threads, a)

    def to_montgomery(self, plain: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.to_montgomery, threads, plain)

    def from_montgomery(self, a: Array, *, threads: int = 0) -> Array:
        return self._map(self._native.from_montgomery, threads, a)

    def from_int64(self, values: NDArray[np.int64], *, threads: int = 0) -> Array:
        check_shape("signed integers", values, (None,), np.int64)
        vector: Array = self._native.from_int64(np.ascontiguousarray(values), threads)
        return vector

    def is_canonical(self, limbs: Array, *, threads: int = 0) -> NDArray[np.bool_]:
        flags: NDArray[np.bool_] = self._native.is_canonical(_vector("limbs", limbs), threads)
        return flags


class NativeGroup:
    """Kernels of G1 or G2 in C++."""

    def __init__(self, engine: Any, group: str, point: tuple[int, ...]) -> None:
        self.point = point
        self._native = load().field.Group(engine, group)

    def _points(self, points: Array, length: int | None = None) -> Array:
        check_shape("points", points, (length, *self.point))
        return np.ascontiguousarray(points)

    def msm(self, points: Array, scalars: Array, *, threads: int = 0) -> Array:
        ps = self._points(points)
        point: Array = self._native.msm(ps, _vector("scalars", scalars, len(ps)), threads)
        return point

    def fixed_base(self, base: Array, scalars: Array, *, threads: int = 0) -> Array:
        check_shape("the base point", base, self.point)
        points: Array = self._native.fixed_base(np.ascontiguousarray(base), _vector("scalars", scalars), threads)
        return points

    def multiply(self, points: Array, scalars: Array, *, threads: int = 0) -> Array:
        ps = self._points(points)
        products: Array = self._native.multiply(ps, _vector("scalars", scalars, len(ps)), threads)
        return products

    def add(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        left = self._points(a)
        sums: Array = self._native.add(left, self._points(b, len(left)), threads)
        return sums

    def neg(self, a: Array, *, threads: int = 0) -> Array:
        points: Array = self._native.neg(self._points(a), threads)
        return points

    def valid(self, points: Array, *, threads: int = 0) -> NDArray[np.bool_]:
        flags: NDArray[np.bool_] = self._native.valid(self._points(points), threads)
        return flags

    def lift_x(self, x: Array, larger: NDArray[np.bool_], *, threads: int = 0) -> tuple[Array, NDArray[np.bool_]]:
        check_shape("abscissae", x, (None, *self.point[1:]))
        check_shape("sign flags", larger, (len(x),), np.bool_)
        points, found = self._native.lift_x(np.ascontiguousarray(x), np.ascontiguousarray(larger), threads)
        return points, found


class NativeKernels:
    """All field kernels in C++.

    Args:
        isa: the instruction set; the best one of this processor unless given (tests give each in turn).

    Raises:
        InvalidInput: the processor lacks that instruction set.
        MissingDependency: the compiled core is missing.
    """

    def __init__(self, isa: str | None = None) -> None:
        have = instruction_sets()
        if isa is not None and isa not in have:
            raise InvalidInput(f"this processor has no instruction set {isa!r}; it has {', '.join(have)}")
        self.isa = isa or have[-1]
        self.name = f"native-{self.isa}"
        self._native: Any = load().field
        self._engine = self._native.Engine(self.isa)
        self.fr, self.fq = NativeField(self._engine, FR), NativeField(self._engine, FQ)
        self.g1 = NativeGroup(self._engine, "g1", (2, LIMBS))
        self.g2 = NativeGroup(self._engine, "g2", (2, 2, LIMBS))
        self._one = encode(FR, [1])[0]

    def ntt(self, values: Array, *, inverse: bool = False, coset: Array | None = None, threads: int = 0) -> Array:
        vector, n = _vector("values", values), len(values)
        if n == 0 or n & (n - 1) or n > 1 << FR_TWO_ADICITY:
            raise InvalidInput(f"a transform needs 2^k values with k <= {FR_TWO_ADICITY}, and was given {n}")
        if coset is not None:
            check_shape("the coset's shift", coset, (LIMBS,))
            if not coset.any():
                raise InvalidInput("the coset's shift must not be zero")
        root = _root_of_unity(n.bit_length() - 1)
        shift = self._one if coset is None else np.ascontiguousarray(coset)
        out: Array = self._native.ntt(self._engine, vector, root, shift, coset is not None, inverse, threads)
        return out

    def csr_times_vector(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int64], values: Array, x: Array, *, threads: int = 0
    ) -> Array:
        check_csr_shapes(indptr, indices, values, x)
        return self._checked(self._native.csr, (indptr, indices, values, x), threads)

    def csr_int64_times_vector(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int64], values: NDArray[np.int64], x: Array, *,
        threads: int = 0,
    ) -> Array:  # fmt: skip
        check_shape("values", values, (None,), np.int64)
        check_csr_shapes(indptr, indices, values, x)
        return self._checked(self._native.csr_int64, (indptr, indices, values, x), threads)

    def products_in_order(self, a: Csr, b: Csr, targets: NDArray[np.int64], x: Array, *, threads: int = 0) -> Array:
        for matrix in (a, b):
            check_csr_shapes(*matrix, x)
        check_shape("targets", targets, (None,), np.int64)
        return self._checked(self._native.products_in_order, (*a, *b, targets, x))

    def _checked(self, kernel: Callable[..., Array], arrays: Sequence[NDArray[Any]], *threads: int) -> Array:
        """A kernel that looks at the indices itself, which is faster than NumPy is."""
        try:
            return kernel(self._engine, *(np.ascontiguousarray(array) for array in arrays), *threads)
        except ValueError as error:
            raise InvalidInput(str(error)) from None

    def prepare_g2(self, q: Array, *, threads: int = 0) -> Array:
        check_shape("points of G2", q, (None, 2, 2, LIMBS))
        lines: Array = self._native.prepare_g2(self._engine, np.ascontiguousarray(q), threads)
        return lines

    def pairing_product(self, p: Array, q: Array, *, threads: int = 0) -> Array:
        check_pairs(p, q)
        product = self._native.pairing_product if q.ndim == 5 else self._native.pairing_product_of_points
        value: Array = product(self._engine, np.ascontiguousarray(p), np.ascontiguousarray(q), threads)
        return value

    def pairing_check(self, p: Array, q: Array, *, threads: int = 0) -> bool:
        one = np.zeros((2, 3, 2, LIMBS), dtype=np.uint64)
        one[0, 0, 0] = self.fq._one
        return bool((self.pairing_product(p, q, threads=threads) == one).all())
