"""From constraints to polynomials: the quadratic arithmetic program at one secret point.

The domain is the group of m-th roots of unity, ω its generator, m = 2^log_domain. After the rows of the constraints, A
has one row for each statement wire that holds this wire alone (as in snarkjs), which makes their columns linearly
independent. L_j is the Lagrange basis: A_i(τ) = Σ_rows A[row, i]·L_row(τ).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vortex_crypto.arith.field.bn254 import R, fr_root_of_unity
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.zk.field import one
from vortex_crypto.zk.r1cs import R1cs, SparseMatrix

Array = np.ndarray[Any, np.dtype[Any]]


def with_statement_rows(r1cs: R1cs) -> tuple[SparseMatrix, SparseMatrix]:
    """A and B with the rows of the statement wires appended; those of B are empty, and so are those of C."""
    wires, a, b = r1cs.n_statement, r1cs.a, r1cs.b
    ones = np.broadcast_to(one(1), (wires, 4))
    a_rows = SparseMatrix(
        np.concatenate([a.indptr, a.nnz + np.arange(1, wires + 1)]),
        np.concatenate([a.indices, np.arange(wires)]),
        np.concatenate([a.values, ones]),
    )
    return a_rows, SparseMatrix(np.concatenate([b.indptr, np.full(wires, b.nnz)]), b.indices, b.values)


def lagrange(log_m: int, tau: int, kernels: FieldKernels, *, odd: bool = False, threads: int = 0) -> Array:
    """L_0(τ) .. L_{m-1}(τ), uint64 [m, 4]; with `odd`, the L_{2i+1}(τ) of the domain of 2m points instead.

    L_j(τ) = (τ^n - 1)/n · w/(τ - w) with w = ω_n^j over a domain of n points; τ must not be one of them.
    """
    m, n = 1 << log_m, 2 << log_m if odd else 1 << log_m
    first = fr_root_of_unity(log_m + 1) if odd else 1
    points = kernels.fr.powers(one(fr_root_of_unity(log_m)), m, first=one(first), threads=threads)
    factor = (pow(tau, n, R) - 1) * pow(n, -1, R) % R
    distances = kernels.fr.sub(np.ascontiguousarray(np.broadcast_to(one(tau), (m, 4))), points, threads=threads)
    inverses = kernels.fr.inverse(distances, threads=threads)
    del distances
    quotients = kernels.fr.mul(points, inverses, threads=threads)
    return kernels.fr.scale(quotients, one(factor), threads=threads)


def columns_at(matrix: SparseMatrix, basis: Array, columns: int, kernels: FieldKernels, *, threads: int = 0) -> Array:
    """Σ_rows matrix[row, i]·basis[row] for each column i: uint64 [columns, 4]."""
    transposed = transpose(matrix, columns)
    return transposed.times(basis, kernels, threads=threads)


def transpose(matrix: SparseMatrix, columns: int) -> SparseMatrix:
    """The same entries by columns."""
    order = np.argsort(matrix.indices, kind="stable")
    counts = np.bincount(matrix.indices, minlength=columns)
    rows = np.repeat(np.arange(matrix.rows), np.diff(matrix.indptr))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return SparseMatrix(indptr, rows[order], matrix.values[order])
