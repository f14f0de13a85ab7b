"""Rank-1 constraint systems as matrices: constraint i says (A w)_i * (B w)_i = (C w)_i over the scalar field of BN254.

The wire vector w is ordered as snarkjs orders it: the constant 1, the public wires (outputs before inputs), then, where
there are commitments, one wire for each Fiat-Shamir challenge and the committed wires of each commitment in turn, then
all other private wires.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vortex_crypto.arith.field.arrays import decode, encode
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.arith.field.kernels import FieldKernels

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class SparseMatrix:
    """A sparse matrix over Fr in compressed rows; a column may appear twice in a row, and its values then add up.

    Attributes:
        indptr: int64 [rows + 1].
        indices: int64 [nnz], the columns (wires).
        values: uint64 [nnz, 4], little-endian limbs in Montgomery form, as the kernels of `arith.field` take them.
    """

    indptr: Array
    indices: Array
    values: Array

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return len(self.indices)

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return int(self.indptr.nbytes + self.indices.nbytes + self.values.nbytes)

    @classmethod
    def from_rows(cls, rows: Sequence[Iterable[tuple[int, int]]]) -> SparseMatrix:
        """From one sequence of (wire, plain value) a row; for tests and small foreign files."""
        terms = [list(row) for row in rows]
        flat = [term for row in terms for term in row]
        indptr = np.cumsum([0, *map(len, terms)], dtype=np.int64)
        values = encode(FR, (value for _, value in flat)).reshape(-1, 4)
        return cls(indptr, np.array([wire for wire, _ in flat], dtype=np.int64), values)

    def row(self, index: int) -> list[tuple[int, int]]:
        """Row `index` as (wire, plain value) pairs; for messages and tests."""
        span = slice(int(self.indptr[index]), int(self.indptr[index + 1]))
        return list(zip(map(int, self.indices[span]), decode(FR, self.values[span]), strict=True))

    def slice(self, start: int, stop: int) -> SparseMatrix:
        """Rows [start, stop), sharing memory."""
        low, high = int(self.indptr[start]), int(self.indptr[stop])
        return SparseMatrix(self.indptr[start : stop + 1] - low, self.indices[low:high], self.values[low:high])

    def times(self, vector: Array, kernels: FieldKernels, *, threads: int = 0) -> Array:
        """This matrix times a vector uint64 [columns, 4]: uint64 [rows, 4]."""
        return kernels.csr_times_vector(self.indptr, self.indices, self.values, vector, threads=threads)


@dataclass(frozen=True)
class Commitment:
    """A run of consecutive private wires that one Pedersen commitment binds before the challenges are drawn.

    Attributes:
        name: what it commits to, such as "weights"; unique within the system.
        n_wires: how many wires, the mask included.
        persistent: the commitment is the same group element in every proof. Its mask, the last wire of the run, then
            takes a random value that its owner keeps; else the mask is fresh in every proof.
    """

    name: str
    n_wires: int
    persistent: bool


@dataclass(frozen=True)
class Origins:
    """Where each constraint comes from, run-length encoded: run k covers starts[k] <= constraint < starts[k + 1]."""

    names: tuple[str, ...] = ()
    starts: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def of(self, constraint: int) -> str:
        """The origin of a constraint; empty when unknown (a foreign file)."""
        run = int(np.searchsorted(self.starts, constraint, side="right")) - 1
        return self.names[run] if 0 <= run < len(self.names) else ""

    def counts(self, constraints: int) -> dict[str, int]:
        """Constraints per origin, in order of first appearance."""
        ends = np.append(self.starts[1:], constraints)
        totals: dict[str, int] = {}
        for name, start, end in zip(self.names, self.starts, ends, strict=True):
            totals[name] = totals.get(name, 0) + int(end - start)
        return totals


@dataclass(frozen=True)
class R1cs:
    """A constraint system, complete and frozen.

    Attributes:
        a, b, c: the three matrices, with as many rows as there are constraints.
        n_wires: wires, the constant included.
        n_public: public wires 1 .. n_public, the constant and the challenges not counted.
        n_challenges: challenge wires n_public + 1 .. n_public + n_challenges; none without commitments.
        commitments: in the order of their wires, which begin after the challenges.
        reading: digest of how verifiers read the public values, or empty; opaque here, and bound by `digest`.
    """

    a: SparseMatrix
    b: SparseMatrix
    c: SparseMatrix
    n_wires: int
    n_public: int
    n_challenges: int = 0
    commitments: tuple[Commitment, ...] = ()
    origins: Origins = Origins()
    reading: str = ""

    @property
    def n_constraints(self) -> int:
        """Number of constraints."""
        return self.a.rows

    @property
    def n_statement(self) -> int:
        """Wires the verifier knows: the constant, the public wires and the challenges."""
        return 1 + self.n_public + self.n_challenges

    @property
    def log_domain(self) -> int:
        """log2 of the QAP's domain: constraints, and one row for each statement wire, as snarkjs adds them."""
        return (self.n_constraints + self.n_statement - 1).bit_length()

    @property
    def committed(self) -> tuple[range, ...]:
        """The wires of each commitment; the last one of each is its mask."""
        ends = itertools.accumulate((c.n_wires for c in self.commitments), initial=self.n_statement)
        return tuple(range(start, stop) for start, stop in itertools.pairwise(ends))

    @property
    def first_private(self) -> int:
        """The first wire that no commitment holds and no verifier knows."""
        return self.n_statement + sum(c.n_wires for c in self.commitments)

    def digest(self) -> str:
        """SHA-256 (hex) of everything but the origins: what keys and proofs name."""
        return read_as(self.circuit_digest, self.reading)

    @cached_property
    def circuit_digest(self) -> str:
        """SHA-256 (hex) of the constraints and commitments alone."""
        hasher = hashlib.sha256(f"r1cs {self.n_wires} {self.n_public} {self.n_challenges}".encode())
        for matrix in (self.a, self.b, self.c):
            for array, dtype in ((matrix.indptr, "<i8"), (matrix.indices, "<i8"), (matrix.values, "<u8")):
                hasher.update(len(array).to_bytes(8, "little"))
                hasher.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
        for commitment in self.commitments:
            hasher.update(f"commitment {commitment.name!r} {commitment.n_wires} {commitment.persistent}".encode())
        return hasher.hexdigest()


def read_as(circuit: str, reading: str) -> str:
    """The digest of a constraint system whose public values are read in one way: that of the system itself if empty."""
    return hashlib.sha256(f"r1cs {circuit} read as {reading}".encode()).hexdigest() if reading else circuit
