""".r1cs files, version 1: the constraint systems circom writes (iden3's "R1CS binary format")."""

from __future__ import annotations

import os
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import FR, LIMBS
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16.snarkjs.binary import Fields, SectionFile, open_sections, prime_field, write_sections
from vortex_crypto.zk.r1cs import R1cs, SparseMatrix

Array = NDArray[Any]

MAGIC = b"r1cs"
HEADER, CONSTRAINTS, LABELS, GATES, GATE_USES = 1, 2, 3, 4, 5
NAMES = {
    HEADER: "header",
    CONSTRAINTS: "constraints",
    LABELS: "wire labels",
    GATES: "custom gates",
    GATE_USES: "custom gates used",
}
_TERM = 9  # words: a wire and eight words of value


def read_r1cs(path: str | os.PathLike[str], *, kernels: FieldKernels | None = None, threads: int = 0) -> R1cs:
    """The constraint system of a .r1cs file over BN254; outputs and inputs become the public wires, in that order.

    Raises:
        MalformedArtefact: the file is damaged, over another field, or uses custom gates.
    """
    file = open_sections(path, MAGIC, (1,), NAMES)
    header = Fields(file, HEADER)
    header.modulus(FR.modulus)
    n_wires, outputs, inputs, _private, _labels = (*(header.u32() for _ in range(4)), header.u64())
    n_constraints = header.u32()
    header.end()
    if n_wires < 1 or outputs + inputs >= n_wires:
        raise file.refuse(HEADER, f"counts {outputs} outputs and {inputs} inputs among {n_wires} wires")
    if len(file.sections.get(GATE_USES, b"")) > 4:
        raise file.refuse(GATE_USES, "is not empty, and Groth16 has no custom gates; compile the circuit without them")
    a, b, c = _matrices(file, n_constraints, n_wires, kernels or default_kernels(), threads)
    return R1cs(a, b, c, n_wires, outputs + inputs)


def write_r1cs(
    path: str | os.PathLike[str], r1cs: R1cs, *, kernels: FieldKernels | None = None, threads: int = 0
) -> None:
    """Write a constraint system without commitments; its public wires are written as inputs, and labels are wires.

    Raises:
        InvalidInput: it has commitments, which the format cannot express.
    """
    if r1cs.commitments or r1cs.n_challenges:
        raise InvalidInput("a constraint system with commitments cannot be written as .r1cs, which knows none")
    header = prime_field(FR.modulus) + struct.pack(
        "<IIIIQI", r1cs.n_wires, 0, r1cs.n_public, 0, r1cs.n_wires, r1cs.n_constraints
    )
    labels = np.arange(r1cs.n_wires, dtype=np.uint64)
    words = _words(r1cs, kernels or default_kernels(), threads)
    write_sections(path, MAGIC, 1, [(HEADER, [header]), (CONSTRAINTS, [words]), (LABELS, [labels])])


def _matrices(
    file: SectionFile, n_constraints: int, n_wires: int, kernels: FieldKernels, threads: int
) -> tuple[SparseMatrix, SparseMatrix, SparseMatrix]:
    words = file.words(CONSTRAINTS)
    if 3 * n_constraints > len(words):
        raise file.refuse(CONSTRAINTS, f"is too short for the {n_constraints} constraints that the header announces")
    heads = _heads(file, words, 3 * n_constraints)
    counts = words[heads].astype(np.int64)
    is_term = np.ones(len(words), dtype=np.bool_)
    is_term[heads] = False
    terms = words[is_term].reshape(-1, _TERM)
    wires = terms[:, 0].astype(np.int64)
    if len(wires) and int(wires.max()) >= n_wires:
        raise file.refuse(CONSTRAINTS, f"names wire {int(wires.max())} of {n_wires}")
    raw = np.ascontiguousarray(terms[:, 1:]).reshape(-1).view(np.uint8)
    plain = file.limbs(CONSTRAINTS, raw, (len(wires),), modulus=FR.modulus)
    values = kernels.fr.to_montgomery(plain, threads=threads)
    which = np.repeat(np.arange(3 * n_constraints) % 3, counts)
    return (
        _matrix(0, which, counts, wires, values),
        _matrix(1, which, counts, wires, values),
        _matrix(2, which, counts, wires, values),
    )


def _heads(file: SectionFile, words: Array, count: int) -> Array:
    """Where each linear combination begins: its word holds the number of terms that follow."""
    view, total, at = words.data, len(words), 0
    heads = np.empty(count, dtype=np.int64)
    for i in range(count):
        if at >= total:
            raise file.refuse(CONSTRAINTS, f"is truncated in constraint {i // 3}")
        heads[i] = at
        at += 1 + _TERM * view[at]
    if at != total:
        raise file.refuse(CONSTRAINTS, f"its terms fill {4 * at} bytes, and it has {4 * total}")
    return heads


def _matrix(index: int, which: Array, counts: Array, wires: Array, values: Array) -> SparseMatrix:
    mine = which == index
    indptr = np.concatenate(([0], np.cumsum(counts[index::3]))).astype(np.int64)
    return SparseMatrix(indptr, wires[mine], values[mine])


def _words(r1cs: R1cs, kernels: FieldKernels, threads: int) -> Array:
    """The constraints section as uint32 words: for each of A, B, C of each constraint a count and its terms."""
    matrices = (r1cs.a, r1cs.b, r1cs.c)
    counts = np.stack([np.diff(m.indptr) for m in matrices], axis=1).reshape(-1)
    starts = np.concatenate(([0], np.cumsum(1 + _TERM * counts)))
    words = np.empty(int(starts[-1]), dtype=np.uint32)
    words[starts[:-1]] = counts
    for index, matrix in enumerate(matrices):
        lengths = np.diff(matrix.indptr)
        within = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
        at = np.repeat(starts[index:-1:3] + 1, lengths) + _TERM * within
        words[at] = matrix.indices
        plain = kernels.fr.from_montgomery(np.ascontiguousarray(matrix.values), threads=threads)
        limbs = plain.astype("<u8", copy=False).view("<u4").reshape(-1, 2 * LIMBS)
        for word in range(2 * LIMBS):
            words[at + 1 + word] = limbs[:, word]
    return words
