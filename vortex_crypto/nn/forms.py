"""The five arithmetic forms an operator can take, shared by every cryptographic target.

Every affine operator is a sparse matrix, every activation an expression, every product of two secrets bilinear; all
else is built from those. What compares is an extremum, which circuits of proofs can check and encrypted programs
cannot evaluate. Tensors are flattened in row-major order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import sympy

from vortex_crypto.nn.ir import Array

X = sympy.Symbol("x", real=True)
"""The one free symbol of an `Elementwise` expression."""

Sparse = sp.csr_array[Any, tuple[int, int]]


@dataclass(frozen=True)
class Affine:
    """y = sum_k maps[k] @ x_k + bias, where k numbers the node's inputs that are not constant.

    `maps[k]` has shape (y.size, x_k.size), float64; `bias` has shape (y.size,).
    """

    maps: Mapping[int, Sparse]
    bias: Array


@dataclass(frozen=True)
class Elementwise:
    """y = expression(x) for every element of input `arg`; `expression` has no free symbol but `X`."""

    expression: sympy.Expr
    arg: int = 0


@dataclass(frozen=True)
class Bilinear:
    """y = total @ ((left @ a) * (right @ b)): a product of the two inputs `a` and `b` that are not constant."""

    a: int
    b: int
    left: Sparse
    right: Sparse
    total: Sparse


@dataclass(frozen=True)
class Unsupported:
    """No arithmetic form: why, and what the user can do."""

    reason: str
    remedy: str = ""


@dataclass(frozen=True)
class Extremum:
    """y[i] = the greatest (`least`: smallest) of x[windows[i]], x being input `arg`, or where in the window it stands.

    `windows` is int64 [y.size, k], and -1 in it stands for no element; each row has an element, and all of them where
    `position` asks for places. Of equals the first counts. `otherwise` is what targets that cannot compare say.
    """

    windows: Array
    otherwise: Unsupported
    position: bool = False
    least: bool = False
    arg: int = 0


Form = Affine | Elementwise | Bilinear | Extremum | Unsupported


def sparse(rows: Array, columns: Array, values: Array, shape: tuple[int, int]) -> Sparse:
    """The matrix with `values` at (`rows`, `columns`); repeated places add up, all arrays broadcast together."""
    rows, columns, values = np.broadcast_arrays(rows, columns, np.asarray(values, np.float64))
    entries = (values.ravel(), (rows.ravel(), columns.ravel()))
    return sp.csr_array(sp.coo_array(entries, shape=shape))


def selection(index: Array, columns: int, scale: Array | float = 1.0) -> Sparse:
    """The matrix S with (S x)[i] = scale[i] * x[index[i]], and 0 where index[i] is negative; `index` is flattened."""
    flat = np.asarray(index, np.int64).ravel()
    factors = np.broadcast_to(np.asarray(scale, np.float64), np.shape(index)).ravel()
    kept = flat >= 0
    indptr = np.concatenate([[0], np.cumsum(kept)])
    return sp.csr_array((factors[kept], flat[kept], indptr), shape=(flat.size, columns))


def positions(shape: tuple[int, ...]) -> Array:
    """Row-major positions 0, 1, 2 ... in a tensor of that shape."""
    return np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64).reshape(shape)


def spread_channels(values: Array, shape: tuple[int, ...]) -> Array:
    """One value a channel (axis 1), repeated over a tensor of `shape` and flattened; float64."""
    column = np.asarray(values, np.float64).reshape(-1, *(1,) * (len(shape) - 2))
    return np.broadcast_to(column, shape).ravel()
