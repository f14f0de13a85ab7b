"""Removing linear constraints by substituting the wires they define.

A constraint is linear where A's or B's row is constant. If it mentions a private wire that no commitment holds, that
wire is a combination of the others, and constraint and wire both go. What comes from this package's builder is mostly
free of such constraints; circom's output is not.
"""

from __future__ import annotations

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.zk.field import default_kernels, from_ints, to_plain_ints
from vortex_crypto.zk.passes.dedupe import select_rows
from vortex_crypto.zk.passes.reduction import Reduction
from vortex_crypto.zk.r1cs import Array, R1cs, SparseMatrix

Terms = dict[int, int]
"""Wire -> plain coefficient, never zero."""


def eliminate_linear(r1cs: R1cs, *, max_terms: int = 8) -> Reduction:
    """Requires: any system. Ensures: the same statement with fewer constraints and wires, or the same system.

    Args:
        r1cs: the system.
        max_terms: wires defined by more terms than this stay, since each use of them would take all the terms.
    """
    rows = _Rows(r1cs)
    definitions: dict[int, Terms] = {}
    users: dict[int, set[int]] = {}
    keep = np.ones(r1cs.n_constraints, dtype=bool)
    for index in rows.linear():
        terms = _substitute(rows.linear_terms(index), definitions)
        wire = max((w for w in terms if w >= r1cs.first_private), default=None)
        if not terms:
            keep[index] = False
        elif wire is not None and len(terms) - 1 <= max_terms:
            factor = -pow(terms.pop(wire), -1, R) % R
            definition = {w: value * factor % R for w, value in terms.items()}
            affected = {known: definitions[known] for known in users.pop(wire, ())}
            fresh = {known: _substitute(old, {wire: definition}) for known, old in affected.items()}
            for known, new in (fresh | {wire: definition}).items():
                definitions[known] = new
                for mentioned in new:
                    users.setdefault(mentioned, set()).add(known)
            keep[index] = False
    return _rebuild(select_rows(r1cs, keep), definitions)


class _Rows:
    """The rows of a system as Python integers."""

    def __init__(self, r1cs: R1cs) -> None:
        self._matrices = (r1cs.a, r1cs.b, r1cs.c)
        self._constant = [self._only_constant(matrix) for matrix in self._matrices]

    def linear(self) -> list[int]:
        """Constraints whose A or B is constant."""
        return [int(i) for i in np.flatnonzero(self._constant[0] | self._constant[1])]

    def linear_terms(self, index: int) -> Terms:
        """The terms of a linear constraint, whose sum must be zero."""
        a, b, c = (_as_terms(matrix.row(index)) for matrix in self._matrices)
        factor, other = (a.get(0, 0), b) if self._constant[0][index] else (b.get(0, 0), a)
        return _add({w: value * factor % R for w, value in other.items()}, c, -1)

    @staticmethod
    def _only_constant(matrix: SparseMatrix) -> Array:
        others = np.concatenate([[0], np.cumsum(matrix.indices != 0)])
        constant: Array = others[matrix.indptr[1:]] == others[matrix.indptr[:-1]]
        return constant


def _as_terms(row: list[tuple[int, int]]) -> Terms:
    terms: Terms = {}
    for wire, value in row:
        terms = _add(terms, {wire: value}, 1)
    return terms


def _add(left: Terms, right: Terms, factor: int) -> Terms:
    total = dict(left)
    for wire, value in right.items():
        total[wire] = (total.get(wire, 0) + factor * value) % R
    return {wire: value for wire, value in total.items() if value}


def _substitute(terms: Terms, definitions: dict[int, Terms]) -> Terms:
    """Definitions mention no defined wire, so one round suffices."""
    result = {wire: value for wire, value in terms.items() if wire not in definitions}
    for wire, value in terms.items():
        if wire in definitions:
            result = _add(result, definitions[wire], value)
    return result


def _rebuild(r1cs: R1cs, definitions: dict[int, Terms]) -> Reduction:
    gone = np.zeros(r1cs.n_wires, dtype=bool)
    gone[list(definitions)] = True
    wires = np.flatnonzero(~gone)
    number = np.cumsum(~gone) - 1
    a, b, c = (_rewrite(matrix, gone, number, definitions) for matrix in (r1cs.a, r1cs.b, r1cs.c))
    reduced = R1cs(a, b, c, len(wires), r1cs.n_public, r1cs.n_challenges, r1cs.commitments, r1cs.origins, r1cs.reading)
    return Reduction(reduced, wires)


def _rewrite(matrix: SparseMatrix, gone: Array, number: Array, definitions: dict[int, Terms]) -> SparseMatrix:
    """Rows that mention a removed wire are written anew; the others keep their entries."""
    hits = np.concatenate([[0], np.cumsum(gone[matrix.indices])])
    touched = np.flatnonzero(hits[matrix.indptr[1:]] > hits[matrix.indptr[:-1]])
    kernels = default_kernels()
    indices, values = [], []
    counts, at = np.diff(matrix.indptr).copy(), 0
    for row in touched:
        start, stop = int(matrix.indptr[row]), int(matrix.indptr[row + 1])
        plain = to_plain_ints(matrix.values[start:stop], kernels)
        known = _as_terms(list(zip(map(int, matrix.indices[start:stop]), plain, strict=True)))
        terms = sorted(_substitute(known, definitions).items())
        indices += [matrix.indices[at:start], np.array([wire for wire, _ in terms], dtype=np.int64)]
        fresh = from_ints(np.array([value for _, value in terms], dtype=object), kernels).reshape(-1, 4)
        values += [matrix.values[at:start], fresh]
        counts[row], at = len(terms), stop
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    joined = np.concatenate([*indices, matrix.indices[at:]])
    return SparseMatrix(indptr, number[joined], np.concatenate([*values, matrix.values[at:]]))
