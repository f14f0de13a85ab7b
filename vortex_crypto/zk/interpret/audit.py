"""The under-constraint audit: what could a cheating prover change without being noticed?

Four readings of one system, none of them a proof of soundness, each finding what the others miss: wires in no
constraint at all; wires that may be changed alone; directions in which several wires may move together (the Jacobian's
rank, at small sizes); and named cheats, hints that a gadget's author thinks a cheater would use.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk import hints
from vortex_crypto.zk.field import default_kernels, one, to_plain_ints
from vortex_crypto.zk.interpret.check import violated
from vortex_crypto.zk.interpret.witness import solve
from vortex_crypto.zk.linear import Linear, merge
from vortex_crypto.zk.plan import Program
from vortex_crypto.zk.r1cs import R1cs, SparseMatrix

Array = np.ndarray[Any, np.dtype[Any]]

MAX_RANK_WIRES = 1024


def free_wires(r1cs: R1cs) -> Array:
    """Private wires that no constraint mentions, ascending."""
    used = np.zeros(r1cs.n_wires, dtype=bool)
    for matrix in (r1cs.a, r1cs.b, r1cs.c):
        used[matrix.indices] = True
    used[: r1cs.n_statement] = True
    return np.flatnonzero(~used)


def unconstrained_wires(r1cs: R1cs, witness: Array, *, kernels: FieldKernels | None = None) -> Array:
    """Private wires to which a random value can be added, one wire at a time, with every constraint still holding."""
    kernels = kernels or default_kernels()
    change = 1 + secrets.randbelow(R - 1)
    moved = merge(_join([*_derivatives(r1cs, witness, kernels), _squares(r1cs, change, kernels)], r1cs))
    seen = np.zeros(r1cs.n_wires, dtype=bool)
    seen[moved.wires] = True
    seen[: r1cs.n_statement] = True
    seen[[wires[-1] for wires in r1cs.committed]] = True  # masks are free by design
    return np.flatnonzero(~seen)


def loose_wires(program: Program, witness: Array, *, kernels: FieldKernels | None = None) -> list[int]:
    """Wires that, with inputs, challenges and commitments fixed, the constraints do not fix even locally.

    They are the columns without a pivot in the Jacobian of the constraints at the witness. Committed wires count as
    fixed: what holds them is that the challenge came after them, which one challenge cannot show.

    Raises:
        InvalidInput: more than `MAX_RANK_WIRES` wires are unknown.
    """
    kernels, r1cs = kernels or default_kernels(), program.r1cs
    unknown = np.ones(r1cs.n_wires, dtype=bool)
    unknown[: r1cs.first_private] = False
    for signal in program.signals:
        unknown[signal.wires] &= not signal.given
    if unknown.sum() > MAX_RANK_WIRES:
        raise InvalidInput(f"{unknown.sum()} wires are unknown; the rank is computed up to {MAX_RANK_WIRES}")
    jacobian = merge(_join(_derivatives(r1cs, witness, kernels), r1cs))
    values = to_plain_ints(jacobian.matrix().values, kernels)
    rows: list[dict[int, int]] = [{} for _ in range(jacobian.size)]
    for row, wire, value in zip(
        np.repeat(np.arange(jacobian.size), jacobian.terms), jacobian.wires, values, strict=True
    ):
        if unknown[wire]:
            rows[row][int(wire)] = value
    pivots = _eliminate(rows)
    return [int(wire) for wire in np.flatnonzero(unknown) if int(wire) not in pivots]


def accepts(
    program: Program,
    inputs: Mapping[str, Any],
    *,
    replace: Mapping[str, hints.Function] | None = None,
    kernels: FieldKernels | None = None,
) -> bool:
    """Whether every constraint holds for what the solver, with some hints replaced, makes of the inputs."""
    witness = solve(program, inputs, replace=replace, strict=False, kernels=kernels)
    return not len(violated(program.r1cs, witness, kernels=kernels))


def _derivatives(r1cs: R1cs, witness: Array, kernels: FieldKernels) -> list[SparseMatrix]:
    """a_i·B_ij, b_i·A_ij and -C_ij, whose sum is the derivative of a_i·b_i - c_i by wire j."""
    a, b = (m.times(witness, kernels) for m in (r1cs.a, r1cs.b))
    minus = np.broadcast_to(one(-1), (r1cs.n_constraints, 4))
    return [_scale_rows(m, s, kernels) for m, s in ((r1cs.b, a), (r1cs.a, b), (r1cs.c, minus))]


def _scale_rows(matrix: SparseMatrix, factors: Array, kernels: FieldKernels) -> SparseMatrix:
    spread = np.repeat(factors, np.diff(matrix.indptr), axis=0)
    return SparseMatrix(matrix.indptr, matrix.indices, kernels.fr.mul(matrix.values, np.ascontiguousarray(spread)))


def _squares(r1cs: R1cs, change: int, kernels: FieldKernels) -> SparseMatrix:
    """change·A_ij·B_ij where both are there: the second order of a wire that meets itself."""
    keys = [np.repeat(np.arange(m.rows), np.diff(m.indptr)) * r1cs.n_wires + m.indices for m in (r1cs.a, r1cs.b)]
    both, left, right = np.intersect1d(keys[0], keys[1], return_indices=True)
    values = kernels.fr.scale(kernels.fr.mul(r1cs.a.values[left], r1cs.b.values[right]), one(change))
    indptr = np.searchsorted(both, np.arange(r1cs.n_constraints + 1) * r1cs.n_wires)
    return SparseMatrix(indptr, both % r1cs.n_wires, values)


def _join(matrices: list[SparseMatrix], r1cs: R1cs) -> Linear:
    """The sum of matrices, like terms not yet merged."""
    rows = np.concatenate([np.repeat(np.arange(m.rows), np.diff(m.indptr)) for m in matrices])
    order = np.argsort(rows, kind="stable")
    indptr = np.searchsorted(rows[order], np.arange(r1cs.n_constraints + 1)).astype(np.int64)
    wires = np.concatenate([m.indices for m in matrices])[order]
    return Linear((r1cs.n_constraints,), indptr, wires, np.concatenate([m.values for m in matrices])[order])


def _eliminate(rows: list[dict[int, int]]) -> dict[int, dict[int, int]]:
    """Pivot column -> row, by Gaussian elimination over Fr."""
    pivots: dict[int, dict[int, int]] = {}
    for row in rows:
        while row:
            column = min(row)
            if column not in pivots:
                inverse = pow(row[column], -1, R)
                pivots[column] = {k: value * inverse % R for k, value in row.items()}
                break
            factor = row[column]
            for k, value in pivots[column].items():
                left = (row.get(k, 0) - factor * value) % R
                if left:
                    row[k] = left
                else:
                    row.pop(k, None)
    return pivots
