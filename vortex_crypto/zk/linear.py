"""Arrays of linear combinations of wires: what circuits are written in, and what costs no constraint.

An array of n combinations is a sparse matrix of n rows over the wires. Coefficients are int64 as long as they fit, and
scalars in Montgomery form otherwise. Sums, differences, constant factors, reshaping, indexing and constant matrices
stay linear; only `Circuit.mul` makes wires.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.zk.field import default_kernels, from_ints
from vortex_crypto.zk.r1cs import SparseMatrix

Array = np.ndarray[Any, np.dtype[Any]]

_LIMIT = 1 << 62


@dataclass(frozen=True, eq=False)
class Linear:
    """An array of linear combinations; wire 0 is the constant one.

    Attributes:
        shape: the array's shape, rows in row-major order.
        indptr: int64 [size + 1].
        wires: int64 [terms], ascending and without repetition within a row.
        coefficients: int64 [terms], or uint64 [terms, 4] in Montgomery form; never zero.
    """

    shape: tuple[int, ...]
    indptr: Array
    wires: Array
    coefficients: Array

    __array_ufunc__ = None  # numpy operands defer to the methods here

    @property
    def size(self) -> int:
        """Number of combinations."""
        return len(self.indptr) - 1

    @property
    def terms(self) -> Array:
        """int64 [size]: terms of each combination."""
        counts: Array = np.diff(self.indptr)
        return counts

    @cached_property
    def is_wires(self) -> bool:
        """Every combination is one wire, with coefficient one, other than the constant."""
        if len(self.wires) != self.size or (self.terms != 1).any() or (self.wires == 0).any():
            return False
        return self.coefficients.ndim == 1 and bool((self.coefficients == 1).all())

    @property
    def flat(self) -> Linear:
        """The same combinations in one dimension."""
        return self.reshape(self.size)

    def matrix(self) -> SparseMatrix:
        """The combinations as rows of a matrix over Fr."""
        return SparseMatrix(self.indptr, self.wires, _to_field(self.coefficients))

    def reshape(self, *shape: int) -> Linear:
        """The same combinations in another shape; one length may be -1."""
        if -1 in shape:
            shape = tuple(self.size // -math.prod(shape) if length == -1 else length for length in shape)
        if math.prod(shape) != self.size:
            raise ShapeMismatch(f"{self.size} combinations do not fit the shape {shape}")
        return Linear(tuple(shape), self.indptr, self.wires, self.coefficients)

    def __getitem__(self, key: Any) -> Linear:
        index = np.arange(self.size).reshape(self.shape)[key]
        return gather(self, index.reshape(-1)).reshape(*index.shape)

    def transpose(self, *axes: int) -> Linear:
        """Axes permuted as by numpy."""
        index = np.arange(self.size).reshape(self.shape).transpose(*axes)
        return gather(self, index.reshape(-1)).reshape(*index.shape)

    def broadcast_to(self, shape: tuple[int, ...]) -> Linear:
        """Repeated along new or unit axes as by numpy."""
        if shape == self.shape:
            return self
        index = np.broadcast_to(np.arange(self.size).reshape(self.shape), shape)
        return gather(self, index.reshape(-1)).reshape(*shape)

    def __add__(self, other: Operand) -> Linear:
        left, right = broadcast(self, linear(other))
        return merge(_regroup(_interleave(left, right), 2)).reshape(*left.shape)

    def __radd__(self, other: Operand) -> Linear:
        return self + other

    def __neg__(self) -> Linear:
        return self * -1

    def __sub__(self, other: Operand) -> Linear:
        return self + -linear(other)

    def __rsub__(self, other: Operand) -> Linear:
        return linear(other) + -self

    def __mul__(self, factor: Any) -> Linear:
        """Each combination times a constant: an integer or an array of integers (object dtype beyond 64 bits)."""
        if isinstance(factor, Linear):
            raise TypeError("two linear combinations multiply by Circuit.mul, which costs a constraint each")
        factor = np.asarray(factor)
        shape = np.broadcast_shapes(self.shape, factor.shape)
        return _scale(self.broadcast_to(shape), np.broadcast_to(factor, shape).reshape(-1))

    def __rmul__(self, factor: Any) -> Linear:
        return self.__mul__(factor)

    def sum(self, axis: int = -1) -> Linear:
        """Sums along one axis."""
        axis %= len(self.shape)
        kept = [i for i in range(len(self.shape)) if i != axis]
        moved = self.transpose(*kept, axis)
        return merge(_regroup(moved.flat, self.shape[axis])).reshape(*(self.shape[i] for i in kept))

    def apply(self, matrix: Any) -> Linear:
        """matrix @ self for a constant matrix of integers (dense or SciPy sparse) and a one-dimensional array."""
        constant = sp.csr_array(matrix)
        if self.shape != (constant.shape[1],):
            raise ShapeMismatch(f"a constant matrix {constant.shape} meets an array of shape {self.shape}")
        scaled = _scale(gather(self, constant.indices), np.asarray(constant.data))
        grouped = Linear((constant.shape[0],), scaled.indptr[constant.indptr], scaled.wires, scaled.coefficients)
        return merge(grouped)


Operand = Linear | int | Array


def linear(value: Operand) -> Linear:
    """A constant as combinations of wire 0; a Linear as it is."""
    if isinstance(value, Linear):
        return value
    array = np.asarray(value)
    size = array.size
    ones = Linear(array.shape, np.arange(size + 1), np.zeros(size, dtype=np.int64), np.ones(size, dtype=np.int64))
    return _scale(ones, array.reshape(-1))


def of_wires(wires: Array, shape: tuple[int, ...]) -> Linear:
    """One wire a combination."""
    return Linear(shape, np.arange(len(wires) + 1), wires, np.ones(len(wires), dtype=np.int64))


def broadcast(*operands: Linear) -> tuple[Linear, ...]:
    """All brought to one shape, as by numpy."""
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    return tuple(operand.broadcast_to(shape) for operand in operands)


def concatenate(parts: Sequence[Linear]) -> Linear:
    """All combinations one after another, in one dimension."""
    ends = np.cumsum([0, *(len(part.wires) for part in parts)])
    heads = [part.indptr[:-1] + start for part, start in zip(parts, ends, strict=False)]
    indptr = np.concatenate([*heads, ends[-1:]]).astype(np.int64)
    wires = np.concatenate([part.wires for part in parts]) if parts else np.zeros(0, dtype=np.int64)
    return Linear((len(indptr) - 1,), indptr, wires, _concatenate([part.coefficients for part in parts]))


def stack(parts: Sequence[Linear], axis: int = 0) -> Linear:
    """Arrays of one shape along a new axis."""
    shape = (len(parts), *parts[0].shape)
    order = np.moveaxis(np.arange(math.prod(shape)).reshape(shape), 0, axis)
    return gather(concatenate(parts), order.reshape(-1)).reshape(*order.shape)


def _to_field(coefficients: Array) -> Array:
    return coefficients if coefficients.ndim == 2 else default_kernels().fr.from_int64(coefficients)


def _concatenate(parts: Sequence[Array]) -> Array:
    if any(part.ndim == 2 for part in parts):
        parts = [_to_field(part) for part in parts]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def gather(x: Linear, rows: Array) -> Linear:
    """The combinations of these numbers, in that order, in one dimension."""
    if x.is_wires:
        return Linear((len(rows),), np.arange(len(rows) + 1), x.wires[rows], x.coefficients[rows])
    counts = x.terms[rows]
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    source = np.arange(indptr[-1]) + np.repeat(x.indptr[rows] - indptr[:-1], counts)
    return Linear((len(rows),), indptr, x.wires[source], x.coefficients[source])


def _interleave(a: Linear, b: Linear) -> Linear:
    order = np.arange(2 * a.size).reshape(2, -1).T.reshape(-1)
    return gather(concatenate([a, b]), order)


def _regroup(x: Linear, group: int) -> Linear:
    """Every `group` consecutive combinations added, like terms not yet merged."""
    indptr = x.indptr[::group] if group else np.zeros(1, dtype=np.int64)
    return Linear((len(indptr) - 1,), indptr, x.wires, x.coefficients)


def _scale(x: Linear, factors: Array) -> Linear:
    """Row i times factors[i]."""
    if factors.dtype.kind in "fc":
        raise TypeError("constants of a circuit are integers; quantise first")
    spread = np.repeat(factors, x.terms)
    if factors.dtype.kind in "bi" and x.coefficients.ndim == 1 and _bound(x.coefficients) * _bound(factors) < _LIMIT:
        products = x.coefficients * spread.astype(np.int64)
        nonzero = products != 0
    else:
        kernels = default_kernels()
        distinct, inverse = np.unique(spread, return_inverse=True)
        products = kernels.fr.mul(_to_field(x.coefficients), from_ints(distinct, kernels)[inverse])
        nonzero = products.any(axis=1)
    return _drop(Linear(x.shape, x.indptr, x.wires, products), nonzero)


def _drop(x: Linear, keep: Any) -> Linear:
    if keep.all():
        return x
    before = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)
    return Linear(x.shape, before[x.indptr], x.wires[keep], x.coefficients[keep])


def _bound(values: Array) -> int:
    return max(abs(int(values.min())), abs(int(values.max()))) if len(values) else 0


def merge(x: Linear) -> Linear:
    """Like terms added, wires ascending within each row, zeros dropped."""
    if not len(x.wires):
        return x
    key = np.repeat(np.arange(x.size), x.terms) * (int(x.wires.max()) + 1) + x.wires
    if (key[1:] > key[:-1]).all():
        return x
    order = np.argsort(key, kind="stable")
    key, wires, coefficients = key[order], x.wires[order], x.coefficients[order]
    first = np.concatenate([[True], key[1:] != key[:-1]])
    starts = np.flatnonzero(first)
    before = np.concatenate([[0], np.cumsum(first)]).astype(np.int64)
    if len(starts) != len(key):
        wires, coefficients = wires[starts], _add_runs(coefficients, starts)
    merged = Linear(x.shape, before[x.indptr], wires, coefficients)
    return _drop(merged, np.any(coefficients.reshape(len(coefficients), -1), axis=1))


def _add_runs(coefficients: Array, starts: Array) -> Array:
    """Sums of the runs that begin at `starts`."""
    lengths = np.diff(np.append(starts, len(coefficients)))
    if coefficients.ndim == 1 and _bound(coefficients) * int(lengths.max()) < _LIMIT:
        sums: Array = np.add.reduceat(coefficients, starts)
        return sums
    values, kernels = _to_field(coefficients), default_kernels()
    totals = values[starts]
    for offset in range(1, int(lengths.max())):
        runs = np.flatnonzero(lengths > offset)
        totals[runs] = kernels.fr.add(totals[runs], values[starts[runs] + offset])
    return totals
