"""The four arithmetic forms an operator can take, shared by every cryptographic target.

Every affine operator is a sparse matrix, every activation an expression, every product of two secrets bilinear; all
else is built from those. Tensors are flattened in row-major order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


Form = Affine | Elementwise | Bilinear | Unsupported
