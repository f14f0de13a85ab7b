"""The reference engine: the living definition of every field kernel, in Python integers and `py_ecc`; slow, exact."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from py_ecc import optimized_bn128 as ecc

from vortex_crypto.arith.field import arrays
from vortex_crypto.arith.field.arrays import Array, decode, encode, ints_from_limbs, limbs_from_ints
from vortex_crypto.arith.field.bn254 import (
    ATE_DIGITS,
    B2,
    FQ,
    FR,
    FR_TWO_ADICITY,
    FROBENIUS,
    LIMBS,
    MILLER_LINES,
    Fq2,
    P,
    PrimeField,
    R,
    fq2_add,
    fq2_inverse,
    fq2_mul,
    fq2_pow,
    fq2_sub,
    fr_root_of_unity,
)
from vortex_crypto.arith.field.kernels import Csr, check_csr, check_pairs, check_products, check_shape
from vortex_crypto.errors import InvalidInput


class ReferenceField:
    """Vector kernels by Python integers."""

    def __init__(self, field: PrimeField) -> None:
        self.field = field

    def _map(self, function: Callable[..., int], *operands: Array) -> Array:
        length = operands[0].shape[0] if operands[0].ndim else None
        for operand in operands:
            check_shape("a vector of field elements", operand, (length, LIMBS))
        return encode(self.field, map(function, *(decode(self.field, operand) for operand in operands)))

    def _one(self, element: Array) -> int:
        check_shape("a field element", element, (LIMBS,))
        return decode(self.field, element)[0]

    def add(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._map(lambda x, y: x + y, a, b)

    def sub(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._map(lambda x, y: x - y, a, b)

    def neg(self, a: Array, *, threads: int = 0) -> Array:
        return self._map(lambda x: -x, a)

    def mul(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        return self._map(lambda x, y: x * y, a, b)

    def mul_add(self, a: Array, b: Array, c: Array, *, threads: int = 0) -> Array:
        return self._map(lambda x, y, z: x * y + z, a, b, c)

    def scale(self, a: Array, s: Array, *, threads: int = 0) -> Array:
        factor = self._one(s)
        return self._map(lambda x: x * factor, a)

    def inner_product(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        products = decode(self.field, self.mul(a, b))
        return encode(self.field, [sum(products)]).reshape(LIMBS)

    def powers(self, base: Array, n: int, *, first: Array | None = None, threads: int = 0) -> Array:
        if n < 0:
            raise InvalidInput(f"the count of powers must not be negative, and is {n}")
        x, start = self._one(base), 1 if first is None else self._one(first)
        return encode(self.field, (start * pow(x, i, self.field.modulus) for i in range(n)))

    def inverse(self, a: Array, *, threads: int = 0) -> Array:
        return self._map(lambda x: pow(x, -1, self.field.modulus) if x else 0, a)

    def to_montgomery(self, plain: Array, *, threads: int = 0) -> Array:
        check_shape("plain integers", plain, (None, LIMBS))
        return encode(self.field, ints_from_limbs(plain))

    def from_montgomery(self, a: Array, *, threads: int = 0) -> Array:
        check_shape("a vector of field elements", a, (None, LIMBS))
        return limbs_from_ints(decode(self.field, a))

    def from_int64(self, values: NDArray[np.int64], *, threads: int = 0) -> Array:
        check_shape("signed integers", values, (None,), np.int64)
        return encode(self.field, values.tolist())

    def is_canonical(self, limbs: Array, *, threads: int = 0) -> NDArray[np.bool_]:
        check_shape("limbs", limbs, (None, LIMBS))
        return np.array([value < self.field.modulus for value in ints_from_limbs(limbs)], dtype=np.bool_)


class ReferenceGroup:
    """G1 or G2 over `py_ecc`'s projective points, told apart by how points and coordinates are read and written."""

    def __init__(self, point: tuple[int, ...]) -> None:
        self.point = point
        self._is_g1 = len(point) == 2
        self._infinity = ecc.Z1 if self._is_g1 else ecc.Z2

    def _read(self, points: Array) -> list[Any]:
        check_shape("points", points, (None, *self.point))
        if self._is_g1:
            return [
                ecc.Z1 if p is None else (ecc.FQ(p[0]), ecc.FQ(p[1]), ecc.FQ.one()) for p in arrays.g1_to_ints(points)
            ]
        return [
            ecc.Z2 if p is None else (ecc.FQ2(p[0]), ecc.FQ2(p[1]), ecc.FQ2.one()) for p in arrays.g2_to_ints(points)
        ]

    def _write(self, points: list[Any]) -> Array:
        affine = [None if ecc.is_inf(p) else ecc.normalize(p) for p in points]
        if self._is_g1:
            return arrays.g1_from_ints([None if p is None else (int(p[0]), int(p[1])) for p in affine])
        return arrays.g2_from_ints([None if p is None else (_fq2(p[0]), _fq2(p[1])) for p in affine])

    def _scalars(self, scalars: Array, count: int | None) -> list[int]:
        check_shape("scalars", scalars, (count, LIMBS))
        return decode(FR, scalars)

    def msm(self, points: Array, scalars: Array, *, threads: int = 0) -> Array:
        ps = self._read(points)
        terms = [ecc.multiply(p, s) for p, s in zip(ps, self._scalars(scalars, len(ps)), strict=True)]
        *_, total = accumulate(terms, ecc.add, initial=self._infinity)
        return self._write([total]).reshape(self.point)

    def fixed_base(self, base: Array, scalars: Array, *, threads: int = 0) -> Array:
        check_shape("the base point", base, self.point)
        point = self._read(base[None])[0]
        return self._write([ecc.multiply(point, s) for s in self._scalars(scalars, None)])

    def multiply(self, points: Array, scalars: Array, *, threads: int = 0) -> Array:
        ps = self._read(points)
        return self._write([ecc.multiply(p, s) for p, s in zip(ps, self._scalars(scalars, len(ps)), strict=True)])

    def add(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        left, right = self._read(a), self._read(b)
        check_shape("points", b, a.shape)
        return self._write([ecc.add(p, q) for p, q in zip(left, right, strict=True)])

    def neg(self, a: Array, *, threads: int = 0) -> Array:
        return self._write([ecc.neg(p) for p in self._read(a)])

    def valid(self, points: Array, *, threads: int = 0) -> NDArray[np.bool_]:
        ps = self._read(points)
        below = ReferenceField(FQ).is_canonical(points.reshape(-1, LIMBS))
        reduced = below.reshape(len(ps), int(np.prod(self.point)) // LIMBS).all(axis=1)
        b = ecc.b if self._is_g1 else ecc.b2
        inside = [ecc.is_on_curve(p, b) and ecc.is_inf(ecc.multiply(p, R)) for p in ps]
        return reduced & np.array(inside, dtype=np.bool_)

    def lift_x(self, x: Array, larger: NDArray[np.bool_], *, threads: int = 0) -> tuple[Array, NDArray[np.bool_]]:
        check_shape("abscissae", x, (None, *self.point[1:]))
        check_shape("sign flags", larger, (x.shape[0],), np.bool_)
        flat = decode(FQ, x)
        if self._is_g1:
            g1 = [_lift_g1(c, bool(flag)) for c, flag in zip(flat, larger, strict=True)]
            return arrays.g1_from_ints(g1), np.array([p is not None for p in g1], dtype=np.bool_)
        g2 = [_lift_g2(c, bool(flag)) for c, flag in zip(zip(flat[::2], flat[1::2], strict=True), larger, strict=True)]
        return arrays.g2_from_ints(g2), np.array([p is not None for p in g2], dtype=np.bool_)


class ReferenceKernels:
    """All field kernels, by definition rather than by algorithm."""

    name = "reference"

    def __init__(self) -> None:
        self.fr, self.fq = ReferenceField(FR), ReferenceField(FQ)
        self.g1, self.g2 = ReferenceGroup((2, LIMBS)), ReferenceGroup((2, 2, LIMBS))

    def ntt(self, values: Array, *, inverse: bool = False, coset: Array | None = None, threads: int = 0) -> Array:
        check_shape("values", values, (None, LIMBS))
        n, shift = len(values), 1 if coset is None else self.fr._one(coset)
        if n == 0 or n & (n - 1) or n > 1 << FR_TWO_ADICITY:
            raise InvalidInput(f"a transform needs 2^k values with k <= {FR_TWO_ADICITY}, and was given {n}")
        if not shift:
            raise InvalidInput("the coset's shift must not be zero")
        root = fr_root_of_unity(n.bit_length() - 1)
        a = decode(FR, values)
        if not inverse:
            return encode(FR, _transform([c * pow(shift, j, R) % R for j, c in enumerate(a)], root))
        back, n_inverse = pow(shift, -1, R), pow(n, -1, R)
        out = _transform(a, pow(root, -1, R))
        return encode(FR, (c * n_inverse * pow(back, j, R) for j, c in enumerate(out)))

    def csr_times_vector(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int64], values: Array, x: Array, *, threads: int = 0
    ) -> Array:
        check_csr(indptr, indices, values, x)
        v, vector = decode(FR, values), decode(FR, x)
        rows = zip(indptr[:-1].tolist(), indptr[1:].tolist(), strict=True)
        return encode(FR, (sum(v[k] * vector[indices[k]] for k in range(start, end)) for start, end in rows))

    def csr_int64_times_vector(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int64], values: NDArray[np.int64], x: Array, *,
        threads: int = 0,
    ) -> Array:  # fmt: skip
        return self.csr_times_vector(indptr, indices, self.fr.from_int64(values), x)

    def products_in_order(self, a: Csr, b: Csr, targets: NDArray[np.int64], x: Array, *, threads: int = 0) -> Array:
        check_products(a, b, targets, x)
        out = x.copy()
        for i, target in enumerate(targets.tolist()):
            rows = []
            for indptr, indices, values in (a, b):
                start, stop = int(indptr[i]), int(indptr[i + 1])
                ends = np.array([0, stop - start], dtype=np.int64)
                rows.append(self.csr_times_vector(ends, indices[start:stop], values[start:stop], out))
            out[target] = self.fr.mul(*rows)[0]
        return out

    def prepare_g2(self, q: Array, *, threads: int = 0) -> Array:
        check_shape("points of G2", q, (None, 2, 2, LIMBS))
        flat = [c for point in arrays.g2_to_ints(q) for line in _lines(point) for pair in line for c in pair]
        return encode(FQ, flat).reshape(len(q), MILLER_LINES, 2, 2, LIMBS)

    def pairing_product(self, p: Array, q: Array, *, threads: int = 0) -> Array:
        check_pairs(p, q)
        product = ecc.FQ12.one()
        if q.ndim == 5:
            for point, lines in zip(arrays.g1_to_ints(p), q, strict=True):
                product *= _miller_loop(point or (0, 0), decode(FQ, lines))
        else:
            for a, b in zip(self.g1._read(p), self.g2._read(q), strict=True):
                product *= ecc.pairing(b, a, final_exponentiate=False)
        return fq12_from_polynomial([int(c) for c in ecc.final_exponentiate(product).coeffs])

    def pairing_check(self, p: Array, q: Array, *, threads: int = 0) -> bool:
        one = fq12_from_polynomial([1] + [0] * 11)
        return bool((self.pairing_product(p, q) == one).all())


def _lines(q: arrays.G2Affine) -> list[tuple[Fq2, Fq2]]:
    """c1 = -λ and c3 = λx - y of every line of Miller's loop for 6x + 2, and of the two chords at its end."""
    if q is None:
        return [((0, 0), (0, 0))] * MILLER_LINES
    lines: list[tuple[Fq2, Fq2]] = []

    def through(a: tuple[Fq2, Fq2], b: tuple[Fq2, Fq2] | None) -> tuple[Fq2, Fq2]:
        """The sum of a and b, or 2a, having noted the line that gives it."""
        if b is None:
            xx = fq2_mul(a[0], a[0])
            slope = fq2_mul(fq2_mul((3, 0), xx), fq2_inverse(fq2_add(a[1], a[1])))
        else:
            slope = fq2_mul(fq2_sub(b[1], a[1]), fq2_inverse(fq2_sub(b[0], a[0])))
        lines.append((fq2_sub((0, 0), slope), fq2_sub(fq2_mul(slope, a[0]), a[1])))
        x = fq2_sub(fq2_sub(fq2_mul(slope, slope), a[0]), (b or a)[0])
        return x, fq2_sub(fq2_mul(slope, fq2_sub(a[0], x)), a[1])

    at, minus = q, (q[0], fq2_sub((0, 0), q[1]))
    for digit in ATE_DIGITS[-2::-1]:
        at = through(at, None)
        if digit:
            at = through(at, q if digit > 0 else minus)
    once = _frobenius(q)
    twice = _frobenius(once)
    through(through(at, once), (twice[0], fq2_sub((0, 0), twice[1])))
    return lines


def _frobenius(point: tuple[Fq2, Fq2]) -> tuple[Fq2, Fq2]:
    (x0, x1), (y0, y1) = point
    return fq2_mul((x0, -x1 % P), FROBENIUS[2]), fq2_mul((y0, -y1 % P), FROBENIUS[3])


def _miller_loop(p: tuple[int, int], flat: list[int]) -> Any:
    """Miller's loop with prepared lines; one for infinity on either side."""
    (x, y), value, at = p, ecc.FQ12.one(), iter(range(0, len(flat), 4))
    if p == (0, 0) or not any(flat):
        return value

    def line() -> Any:
        c = flat[(start := next(at)) : start + 4]
        coefficients = [y, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        coefficients[1], coefficients[7] = (c[0] - 9 * c[1]) * x % P, c[1] * x % P
        coefficients[3], coefficients[9] = (c[2] - 9 * c[3]) % P, c[3]
        return ecc.FQ12(coefficients)

    for digit in ATE_DIGITS[-2::-1]:
        value = value * value * line()
        if digit:
            value = value * line()
    return value * line() * line()


def fq12_from_polynomial(coefficients: list[int]) -> Array:
    """uint64 [2, 3, 2, 4] of `py_ecc`'s Σ c_k·w^k modulo w^12 - 18w^6 + 82, in which u = w^6 - 9."""
    tower = []
    for i in range(2):
        for j in range(3):
            low, high = coefficients[i + 2 * j], coefficients[i + 2 * j + 6]
            tower += [low + 9 * high, high]
    return encode(FQ, tower).reshape(2, 3, 2, LIMBS)


def _transform(a: list[int], root: int) -> list[int]:
    """Σ_j a_j·root^(ij), by the even and odd halves (Cooley and Tukey 1965)."""
    if len(a) == 1:
        return a
    even, odd = _transform(a[::2], root * root % R), _transform(a[1::2], root * root % R)
    twiddled = [value * pow(root, i, R) for i, value in enumerate(odd)]
    return [(e + t) % R for e, t in zip(even, twiddled, strict=True)] + [
        (e - t) % R for e, t in zip(even, twiddled, strict=True)
    ]


def _fq2(value: Any) -> Fq2:
    return int(value.coeffs[0]), int(value.coeffs[1])


def _is_larger(y: Fq2) -> bool:
    return (y[1] or y[0]) > (P - 1) // 2


def _sqrt_fq(a: int) -> int | None:
    root = pow(a, (P + 1) // 4, P)
    return root if root * root % P == a % P else None


def _sqrt_fq2(a: Fq2) -> Fq2 | None:
    """Adj and Rodríguez-Henríquez 2012, algorithm 9, for p = 3 mod 4."""
    if a == (0, 0):
        return a
    a1 = fq2_pow(a, (P - 3) // 4)
    x0 = fq2_mul(a1, a)
    alpha = fq2_mul(a1, x0)
    b = (0, 1) if alpha == (P - 1, 0) else fq2_pow(fq2_add((1, 0), alpha), (P - 1) // 2)
    root = fq2_mul(b, x0)
    return root if fq2_mul(root, root) == a else None


def _lift_g1(x: int, larger: bool) -> arrays.G1Affine:
    y = _sqrt_fq((x**3 + 3) % P)
    if y is None:
        return None
    return x, y if _is_larger((y, 0)) == larger else -y % P


def _lift_g2(x: Fq2, larger: bool) -> arrays.G2Affine:
    y = _sqrt_fq2(fq2_add(fq2_mul(fq2_mul(x, x), x), B2))
    if y is None:
        return None
    return x, y if _is_larger(y) == larger else (-y[0] % P, -y[1] % P)
