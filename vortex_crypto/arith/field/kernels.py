"""The field kernels: what every engine offers for BN254, and the manifest by which tests walk over all of them.

Representation, the same at every kernel and in every engine:

- An element of Fr or Fq is four uint64 limbs, least significant first, holding a·2^256 mod p **in Montgomery form**,
  fully reduced to [0, p). There is one exception, named so: `to_montgomery` reads and `from_montgomery` writes *plain*
  limbs (the integers of .wtns and .r1cs files, of hashes and of people). Scalars of MSMs are in Montgomery form like
  everything else.
- A vector is uint64 [n, 4]; one element is uint64 [4].
- A point is affine. G1: uint64 [n, 2, 4], axis 1 is x, y. G2: uint64 [n, 2, 2, 4], axis 1 is x, y, axis 2 is c0, c1 of
  c0 + c1·u. Infinity is all zeros (not a point of either curve otherwise). This is the layout of .zkey and .ptau files.
- The lines of a point of G2 in Miller's loop are uint64 [MILLER_LINES, 2, 2, 4]: axis 1 is the coefficients c1 = -λ and
  c3 = λx - y of l = y_P + c1·x_P·w + c3·w³, the line of slope λ through (x, y); all zeros for infinity.
- An element of Fq12 is uint64 [2, 3, 2, 4]: the coefficient of w^i·v^j·u^k at [i, j, k].
- Arrays are C-contiguous in and freshly allocated out; inputs are never written to.

Kernels trust that elements are reduced and that points are on their curve, since checking would cost as much as the
work: whatever comes from outside passes `is_canonical` and `valid` first (module `encoding` does). Unreduced elements
give wrong values but nothing worse. Wrong shapes and dtypes raise `InvalidInput`.

`threads` counts the threads to use, 0 meaning one a processor. Nothing here runs in constant time.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.engine import Kernel
from vortex_crypto.arith.field.arrays import Array
from vortex_crypto.arith.field.bn254 import LIMBS, MILLER_LINES, PrimeField
from vortex_crypto.errors import InvalidInput

Csr = tuple[NDArray[np.int64], NDArray[np.int64], Array]
"""A sparse matrix in compressed rows: indptr, indices, values."""


def check_shape(what: str, array: NDArray[Any], shape: tuple[int | None, ...], dtype: Any = np.uint64) -> None:
    """Raise `InvalidInput` unless `array` has that dtype and shape, None standing for any length."""
    fits = array.dtype == dtype and len(array.shape) == len(shape)
    for wanted, length in zip(shape, array.shape, strict=False):
        fits = fits and wanted in (None, length)
    if not fits:
        lengths = ", ".join("n" if length is None else str(length) for length in shape)
        raise InvalidInput(
            f"{what} must be {np.dtype(dtype)} [{lengths}], and is {array.dtype} {list(array.shape)}; "
            "see vortex_crypto.arith.field.kernels for the layout"
        )


def check_csr_shapes(indptr: NDArray[np.int64], indices: NDArray[np.int64], values: NDArray[Any], x: Array) -> None:
    """Raise `InvalidInput` unless these have the shapes of a sparse matrix, of elements or int64, and a vector."""
    check_shape("indptr", indptr, (None,), np.int64)
    check_shape("indices", indices, (None,), np.int64)
    if values.dtype == np.int64:
        check_shape("values", values, (len(indices),), np.int64)
    else:
        check_shape("values", values, (len(indices), LIMBS))
    check_shape("x", x, (None, LIMBS))


def check_csr(indptr: NDArray[np.int64], indices: NDArray[np.int64], values: NDArray[Any], x: Array) -> None:
    """Raise `InvalidInput` unless these are a sparse matrix in compressed rows and a vector that fits it."""
    check_csr_shapes(indptr, indices, values, x)
    if len(indptr) == 0 or indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        raise InvalidInput(f"indptr must rise from 0 to the count of entries, {len(indices)}")
    if len(indices) and (indices.min() < 0 or indices.max() >= len(x)):
        raise InvalidInput(f"indices must be in [0, {len(x)}), the length of x")


def check_products(a: Csr, b: Csr, targets: NDArray[np.int64], x: Array) -> None:
    """Raise `InvalidInput` unless these are two matrices of as many rows as targets, and a vector that fits them."""
    check_csr(*a, x)
    check_csr(*b, x)
    check_shape("targets", targets, (len(a[0]) - 1,), np.int64)
    check_shape("indptr of b", b[0], a[0].shape, np.int64)
    if len(targets) and (targets.min() < 0 or targets.max() >= len(x)):
        raise InvalidInput(f"targets must be in [0, {len(x)}), the length of x")


def check_pairs(p: Array, q: Array) -> None:
    """Raise `InvalidInput` unless these are as many points of G1 as of G2, the latter as points or as lines."""
    check_shape("points of G1", p, (None, 2, LIMBS))
    if q.ndim == 5:
        check_shape("lines of points of G2", q, (len(p), MILLER_LINES, 2, 2, LIMBS))
    else:
        check_shape("points of G2", q, (len(p), 2, 2, LIMBS))


class VectorField(Protocol):
    """Element-wise arithmetic on vectors uint64 [n, 4] of one field; lengths must agree."""

    field: PrimeField

    def add(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        """a + b."""
        ...

    def sub(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        """a - b."""
        ...

    def neg(self, a: Array, *, threads: int = 0) -> Array:
        """-a."""
        ...

    def mul(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        """a · b."""
        ...

    def mul_add(self, a: Array, b: Array, c: Array, *, threads: int = 0) -> Array:
        """a · b + c."""
        ...

    def scale(self, a: Array, s: Array, *, threads: int = 0) -> Array:
        """s · a for one element s, uint64 [4]."""
        ...

    def inner_product(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        """Σ a_i·b_i, uint64 [4]; zero for n = 0."""
        ...

    def powers(self, base: Array, n: int, *, first: Array | None = None, threads: int = 0) -> Array:
        """first · base^i for i in [0, n), uint64 [n, 4]; `first` is one unless given; both uint64 [4]."""
        ...

    def inverse(self, a: Array, *, threads: int = 0) -> Array:
        """1 / a_i by Montgomery's trick; the inverse of zero is zero."""
        ...

    def to_montgomery(self, plain: Array, *, threads: int = 0) -> Array:
        """Montgomery form of plain integers; any 256-bit integers are accepted and reduced."""
        ...

    def from_montgomery(self, a: Array, *, threads: int = 0) -> Array:
        """The plain integers in [0, p)."""
        ...

    def from_int64(self, values: NDArray[np.int64], *, threads: int = 0) -> Array:
        """Montgomery form of signed integers int64 [n]; -1 becomes p - 1."""
        ...

    def is_canonical(self, limbs: Array, *, threads: int = 0) -> NDArray[np.bool_]:
        """bool [n]: the limbs are below p. For data from outside, in either form."""
        ...


class Group(Protocol):
    """G1 or G2. `point` below stands for the trailing axes: (2, 4) in G1, (2, 2, 4) in G2."""

    point: tuple[int, ...]

    def msm(self, points: Array, scalars: Array, *, threads: int = 0) -> Array:
        """Σ scalars_i · points_i: uint64 [n, *point], uint64 [n, 4] -> uint64 [*point]; infinity for n = 0.

        Fast when scalars, or their negatives, are small.
        """
        ...

    def fixed_base(self, base: Array, scalars: Array, *, threads: int = 0) -> Array:
        """scalars_i · base for one point: uint64 [*point], uint64 [n, 4] -> uint64 [n, *point]."""
        ...

    def multiply(self, points: Array, scalars: Array, *, threads: int = 0) -> Array:
        """scalars_i · points_i: uint64 [n, *point], uint64 [n, 4] -> uint64 [n, *point]."""
        ...

    def add(self, a: Array, b: Array, *, threads: int = 0) -> Array:
        """a_i + b_i: uint64 [n, *point] each, in and out; equal, opposite and infinite points included."""
        ...

    def neg(self, a: Array, *, threads: int = 0) -> Array:
        """-a_i: uint64 [n, *point] in and out."""
        ...

    def valid(self, points: Array, *, threads: int = 0) -> NDArray[np.bool_]:
        """bool [n]: coordinates reduced, and the point infinity or on the curve and in the subgroup of order r."""
        ...

    def lift_x(self, x: Array, larger: NDArray[np.bool_], *, threads: int = 0) -> tuple[Array, NDArray[np.bool_]]:
        """Points with the given abscissae: x uint64 [n, *point[1:]], larger bool [n] -> (uint64 [n, *point], bool [n]).

        `larger` picks the y whose plain integer is above (p-1)/2; in G2 c1 decides, and c0 where c1 is zero. The flags
        say where x is an abscissa of the curve; elsewhere the point is infinity. Subgroup membership is not checked.
        """
        ...


class FieldKernels(Protocol):
    """An engine for BN254. `fr` and `fq` hold the vector kernels, `g1` and `g2` those of the groups."""

    name: str

    @property
    def fr(self) -> VectorField: ...
    @property
    def fq(self) -> VectorField: ...
    @property
    def g1(self) -> Group: ...
    @property
    def g2(self) -> Group: ...

    def ntt(self, values: Array, *, inverse: bool = False, coset: Array | None = None, threads: int = 0) -> Array:
        """Number-theoretic transform over Fr of n = 2^k values, k <= 28, in natural order in and out.

        out_i = Σ_j a_j·(g·ω^i)^j with ω = `bn254.fr_root_of_unity(k)` and g = `coset` (uint64 [4], non-zero), 1 unless
        given. `inverse=True` undoes the transform of the same `coset`.
        """
        ...

    def csr_times_vector(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int64], values: Array, x: Array, *, threads: int = 0
    ) -> Array:
        """Sparse matrix times vector over Fr: out_i = Σ_{k in [indptr_i, indptr_i+1)} values_k · x[indices_k].

        indptr int64 [rows + 1] rising from 0 to nnz, indices int64 [nnz] in [0, len(x)), values uint64 [nnz, 4],
        x uint64 [columns, 4] -> uint64 [rows, 4].
        """
        ...

    def csr_int64_times_vector(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int64], values: NDArray[np.int64], x: Array, *,
        threads: int = 0,
    ) -> Array:  # fmt: skip
        """`csr_times_vector` with signed integers int64 [nnz] for values, any of 64 bits: several times as fast."""
        ...

    def products_in_order(self, a: Csr, b: Csr, targets: NDArray[np.int64], x: Array, *, threads: int = 0) -> Array:
        """A copy of x in which x[targets_i] = (A·x)_i·(B·x)_i over Fr, row by row, each seeing what earlier ones made.

        a and b are the (indptr, indices, values) of matrices as `csr_times_vector` takes them, of as many rows as
        targets int64 [rows], each in [0, len(x)). For chains of dependent constraints; one thread does it, whatever
        `threads` says.
        """
        ...

    def prepare_g2(self, q: Array, *, threads: int = 0) -> Array:
        """The lines of points of G2, for pairings that use them again: [n, 2, 2, 4] -> [n, MILLER_LINES, 2, 2, 4].

        A point takes 11 KiB. Lines of several calls may be concatenated: those of a verifying key with a proof's.
        """
        ...

    def pairing_product(self, p: Array, q: Array, *, threads: int = 0) -> Array:
        """Π e(p_i, q_i) of the optimal ate pairing, the final exponent being (p^12-1)/r: uint64 [2, 3, 2, 4].

        p uint64 [n, 2, 4] in G1, q uint64 [n, 2, 2, 4] in G2 or what `prepare_g2` made of such; pairs with infinity
        count as one, and so does n = 0.
        """
        ...

    def pairing_check(self, p: Array, q: Array, *, threads: int = 0) -> bool:
        """Whether `pairing_product(p, q)` is one."""
        ...


def _kernel(name: str, signature: str, ranges: str) -> Kernel:
    def reference(engine: FieldKernels, *args: Any, **keywords: Any) -> Any:
        return attrgetter(name)(engine)(*args, **keywords)

    return Kernel(name, signature, ranges, reference)


_VECTOR = [
    ("add", "a[n], b[n] -> [n]"),
    ("sub", "a[n], b[n] -> [n]"),
    ("neg", "a[n] -> [n]"),
    ("mul", "a[n], b[n] -> [n]"),
    ("mul_add", "a[n], b[n], c[n] -> [n]"),
    ("scale", "a[n], s[] -> [n]"),
    ("inner_product", "a[n], b[n] -> []"),
    ("powers", "base[], n -> [n]"),
    ("inverse", "a[n] -> [n]"),
    ("to_montgomery", "plain[n] -> [n]"),
    ("from_montgomery", "a[n] -> plain[n]"),
    ("from_int64", "int64[n] -> [n]"),
    ("is_canonical", "limbs[n] -> bool[n]"),
]
_GROUP = [
    ("msm", "points[n], fr[n] -> point"),
    ("fixed_base", "point, fr[n] -> points[n]"),
    ("multiply", "points[n], fr[n] -> points[n]"),
    ("add", "points[n], points[n] -> points[n]"),
    ("neg", "points[n] -> points[n]"),
    ("valid", "points[n] -> bool[n]"),
    ("lift_x", "coordinate[n], bool[n] -> points[n], bool[n]"),
]
_ANY = "any limbs"
_REDUCED = "elements in [0, p), out the same"

KERNELS: tuple[Kernel, ...] = (
    *(
        _kernel(f"{field}.{name}", signature, _ANY if name in ("to_montgomery", "is_canonical") else _REDUCED)
        for field in ("fr", "fq")
        for name, signature in _VECTOR
    ),
    *(
        _kernel(f"{group}.{name}", signature, _ANY if name == "valid" else "points on the curve, out the same")
        for group in ("g1", "g2")
        for name, signature in _GROUP
    ),
    _kernel("ntt", "fr[2^k] -> fr[2^k], k <= 28", _REDUCED),
    _kernel("csr_times_vector", "indptr[rows+1], indices[nnz], fr[nnz], fr[columns] -> fr[rows]", _REDUCED),
    _kernel("csr_int64_times_vector", "indptr[rows+1], indices[nnz], int64[nnz], fr[columns] -> fr[rows]", _REDUCED),
    _kernel("products_in_order", "csr[rows], csr[rows], targets[rows], fr[columns] -> fr[columns]", _REDUCED),
    _kernel("prepare_g2", "g2[n] -> lines[n]", "points in the subgroup of order r"),
    _kernel("pairing_product", "g1[n], g2[n] or lines[n] -> fq12", "points in the subgroup of order r"),
    _kernel("pairing_check", "g1[n], g2[n] or lines[n] -> bool", "points in the subgroup of order r"),
)
"""Every kernel an engine must have, named by its attribute path; the reference engine defines each."""
