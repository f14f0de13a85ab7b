"""The special Fourier transform of the encoder as a product of few sparse matrices of diagonals.

z = S_n ... S_4 S_2 w', with w' the folded coefficients in bit-reversed order and S_m the butterflies of length m: each
has diagonals at 0 and +-m/2 alone, so k adjacent stages multiplied together have fewer than 2^(k+1). The bit reversal
is left out: what happens between the two transforms of bootstrapping is done slot by slot (Chen, Chillotti, Song,
ia.cr/2018/1043; Han, Hhan, Cheon, ia.cr/2018/1073).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.ring.embedding import roots

Matrix = dict[int, NDArray[np.complex128]]
"""Diagonals by offset: y[i] = sum over k of matrix[k][i] * x[(i + k) mod n]."""


def to_slots(slots: int, factors: int) -> list[Matrix]:
    """Factors of w' -> z, in the order they are applied."""
    return _grouped([_stage(slots, 1 << k) for k in range(slots.bit_length() - 1)], factors)


def to_coefficients(slots: int, factors: int) -> list[Matrix]:
    """Factors of z -> w', in the order they are applied."""
    return _grouped([_inverse_stage(slots, 1 << k) for k in reversed(range(slots.bit_length() - 1))], factors)


def compose(second: Matrix, first: Matrix) -> Matrix:
    """The matrix of `first` and then `second`."""
    slots = len(next(iter(first.values())))
    result: Matrix = {}
    for a, left in second.items():
        for b, right in first.items():
            _accumulate(result, (a + b) % slots, left * np.roll(right, -a))
    return {k: v for k, v in result.items() if np.abs(v).max() > 1e-12}


def scaled(matrix: Matrix, factor: complex) -> Matrix:
    """The matrix times a number."""
    return {k: v * factor for k, v in matrix.items()}


def split_result(matrix: Matrix) -> Matrix:
    """From n to 2n slots: x, repeated, to (Ax, -iAx), whose real parts are Re Ax and Im Ax."""
    return {k: np.concatenate([v, -1j * v]) for k, v in matrix.items()}


def joined_operand(matrix: Matrix) -> Matrix:
    """From 2n slots (a, b) to two halves whose sum is A(a + ib): the matrix of (a, b) -> (a, ib), then A."""
    result: Matrix = {}
    for k, v in matrix.items():
        places = np.arange(2 * len(v))
        result[k] = np.tile(v, 2) * np.where((places + k) % (2 * len(v)) < len(v), 1, 1j)
    return result


def scaled_result(matrix: Matrix, factors: NDArray[Any]) -> Matrix:
    """The matrix, and then each slot times its factor; `factors` repeats itself."""
    return {k: v * np.resize(factors, len(v)) for k, v in matrix.items()}


def multiply(matrix: Matrix, x: NDArray[Any]) -> NDArray[np.complex128]:
    """The matrix times a vector, in the clear."""
    total = np.zeros(len(x), dtype=np.complex128)
    for k, v in matrix.items():
        total += v * np.roll(x, -k)
    return total


def _grouped(stages: list[Matrix], factors: int) -> list[Matrix]:
    groups = []
    for chunk in np.array_split(np.arange(len(stages)), factors):
        total = stages[chunk[0]]
        for index in chunk[1:]:
            total = compose(stages[index], total)
        groups.append(total)
    return groups


def _stage(slots: int, half: int) -> Matrix:
    """(u, v) -> (u + wv, u - wv)."""
    twiddles = np.tile(np.concatenate([np.zeros(half), roots(slots)[half : 2 * half]]), slots // (2 * half))
    upper = np.arange(slots) % (2 * half) < half
    matrix: Matrix = {}
    _accumulate(matrix, 0, np.where(upper, 1, -twiddles))
    _accumulate(matrix, half, np.where(upper, np.roll(twiddles, -half), 0))
    _accumulate(matrix, slots - half, np.where(upper, 0, 1) + 0j)
    return matrix


def _inverse_stage(slots: int, half: int) -> Matrix:
    """(a, b) -> ((a + b) / 2, (a - b) / 2w)."""
    inverses = np.tile(np.concatenate([np.zeros(half), roots(slots)[half : 2 * half].conj()]), slots // (2 * half))
    upper = np.arange(slots) % (2 * half) < half
    matrix: Matrix = {}
    _accumulate(matrix, 0, np.where(upper, 0.5, -0.5 * inverses))
    _accumulate(matrix, half, np.where(upper, 0.5, 0) + 0j)
    _accumulate(matrix, slots - half, np.where(upper, 0, 0.5 * inverses))
    return matrix


def _accumulate(matrix: Matrix, offset: int, values: NDArray[Any]) -> None:
    matrix[offset] = matrix[offset] + values if offset in matrix else values.astype(np.complex128)
