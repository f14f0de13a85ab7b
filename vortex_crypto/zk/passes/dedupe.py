"""Removing constraints that say exactly what an earlier one says."""

from __future__ import annotations

import numpy as np

from vortex_crypto.zk.passes.reduction import Reduction
from vortex_crypto.zk.r1cs import Array, Origins, R1cs, SparseMatrix


def dedupe(r1cs: R1cs) -> Reduction:
    """Requires and keeps: any system. Ensures: no two constraints have the same three rows; all wires stay."""
    seen: set[tuple[bytes, ...]] = set()
    keep = np.ones(r1cs.n_constraints, dtype=bool)
    for index in range(r1cs.n_constraints):
        # A tuple: joined by any separator, rows of one constraint could be made to read as those of another.
        key = tuple(_row_bytes(matrix, index) for matrix in (r1cs.a, r1cs.b, r1cs.c))
        keep[index] = key not in seen
        seen.add(key)
    return Reduction(select_rows(r1cs, keep), np.arange(r1cs.n_wires))


def select_rows(r1cs: R1cs, keep: Array) -> R1cs:
    """The system of the constraints where `keep`, bool [n_constraints], holds."""
    a, b, c = (_select(matrix, keep) for matrix in (r1cs.a, r1cs.b, r1cs.c))
    before = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)
    origins = Origins(r1cs.origins.names, before[r1cs.origins.starts])
    return R1cs(a, b, c, r1cs.n_wires, r1cs.n_public, r1cs.n_challenges, r1cs.commitments, origins, r1cs.reading)


def _select(matrix: SparseMatrix, keep: Array) -> SparseMatrix:
    counts = np.diff(matrix.indptr)
    entries = np.repeat(keep, counts)
    indptr = np.concatenate([[0], np.cumsum(counts[keep])]).astype(np.int64)
    return SparseMatrix(indptr, matrix.indices[entries], matrix.values[entries])


def _row_bytes(matrix: SparseMatrix, index: int) -> bytes:
    start, stop = int(matrix.indptr[index]), int(matrix.indptr[index + 1])
    order = np.argsort(matrix.indices[start:stop], kind="stable") + start
    return matrix.indices[order].tobytes() + matrix.values[order].tobytes()
