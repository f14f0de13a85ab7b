"""Matrices as generalised diagonals (Halevi-Shoup, ia.cr/2014/106).

diag_k[i] = M[i, (i + k) mod slots], so that M x = sum_k diag_k * rotate(x, k).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vortex_crypto.errors import InvalidInput

Vector = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Diagonals:
    """A slots x slots matrix by its non-zero diagonals: y[i] = sum_k vectors[k][i] * x[(i + k) mod slots].

    Attributes:
        slots: the matrix's side.
        vectors: entries by offset in [0, slots) (negative ones given are taken modulo `slots`), float64 or complex128;
            a vector's length divides `slots`, and a shorter one repeats.
    """

    slots: int
    vectors: Mapping[int, Vector] = field(repr=False)

    def __post_init__(self) -> None:
        kept: dict[int, Vector] = {}
        for k, values in self.vectors.items():
            vector = np.atleast_1d(np.asarray(values))
            vector = vector.astype(np.complex128 if np.iscomplexobj(vector) else np.float64, copy=False)
            if vector.ndim != 1 or not vector.size or self.slots % vector.size:
                raise InvalidInput(f"diagonal {k} has shape {vector.shape}, which does not fit {self.slots} slots")
            if vector.any():
                key = int(k) % self.slots
                if key in kept:
                    raise InvalidInput(f"diagonals {k} and {key} are the same modulo {self.slots}")
                kept[key] = vector
        object.__setattr__(self, "vectors", kept)

    @classmethod
    def from_triplets(cls, slots: int, rows: ArrayLike, cols: ArrayLike, values: ArrayLike) -> Diagonals:
        """From entries M[rows[n], cols[n]] += values[n], each of shape [entries]; M is never written out.

        Raises:
            InvalidInput: a row or column is outside [0, slots).
        """
        row, col, value = np.asarray(rows), np.asarray(cols), np.asarray(values)
        if not row.shape == col.shape == value.shape or row.ndim != 1:
            raise InvalidInput(f"triplets have shapes {row.shape}, {col.shape} and {value.shape}")
        if row.size and (min(row.min(), col.min()) < 0 or max(row.max(), col.max()) >= slots):
            raise InvalidInput(f"triplets name rows or columns outside the {slots} slots")
        offset = (col - row) % slots
        present, place = np.unique(offset, return_inverse=True)
        table = np.zeros((present.size, slots), np.complex128 if np.iscomplexobj(value) else np.float64)
        np.add.at(table, (place, row), value)
        return cls(slots, {int(k): table[n] for n, k in enumerate(present)})

    def apply(self, x: Vector) -> Vector:
        """The product with a vector of shape [slots]."""
        total = np.zeros(self.slots, np.result_type(x, np.float64))
        for k, vector in self.vectors.items():
            total = total + np.tile(vector, self.slots // vector.size) * np.roll(x, -k)
        return total

    def dense(self) -> Vector:
        """The matrix written out, shape [slots, slots]; for tests and small cases."""
        matrix = np.zeros((self.slots, self.slots), np.result_type(np.float64, *self.vectors.values()))
        rows = np.arange(self.slots)
        for k, vector in self.vectors.items():
            matrix[rows, (rows + k) % self.slots] = np.tile(vector, self.slots // vector.size)
        return matrix
