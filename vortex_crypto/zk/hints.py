"""Hints: named functions that compute wires outside of the constraints, while a witness is solved.

A hint promises nothing: whatever it returns, the constraints around it must force the one right answer. So hints are
total: on values they were not made for they return something rather than raise, and the constraints refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.zk.field import MODULUS, to_ints

Array = np.ndarray[Any, np.dtype[Any]]

Function = Callable[..., Sequence[Array]]
"""(kernels, inputs: list of uint64 [n, 4] in Montgomery form, **parameters) -> for each output either the same form,
or integers (int64, or an object array of Python integers)."""

HINTS: dict[str, Function] = {}


def hint(name: str) -> Callable[[Function], Function]:
    """Register a hint under the name by which circuits and stored programs call it."""

    def register(function: Function) -> Function:
        if name in HINTS:
            raise ValueError(f"two hints are named {name!r}")
        HINTS[name] = function
        return function

    return register


@hint("limbs")
def limbs(kernels: FieldKernels, inputs: list[Array], *, sizes: list[int]) -> Sequence[Array]:
    """All limbs of x but the lowest, which stays a linear combination: int [n * (len(sizes) - 1)], row by row."""
    values = to_ints(inputs[0], kernels)
    if values.dtype == object:
        values = values % MODULUS
    shifts = np.cumsum(sizes)[:-1]
    columns = [(values >> int(s)) & ((1 << size) - 1) for s, size in zip(shifts, sizes[1:], strict=True)]
    return [np.stack(columns, axis=-1).reshape(-1)]


@hint("counts")
def counts(kernels: FieldKernels, inputs: list[Array], *, size: int) -> Sequence[Array]:
    """How often each integer of [0, size) occurs among the inputs."""
    values = to_ints(np.concatenate(inputs), kernels)
    inside = values[(values >= 0) & (values < size)].astype(np.int64)
    return [np.bincount(inside, minlength=size).astype(np.int64)]


@hint("row_counts")
def row_counts(kernels: FieldKernels, inputs: list[Array], *, columns: int) -> Sequence[Array]:
    """How often each row of a table occurs among the queries; the table's columns come first, then the queries'."""
    table = list(zip(*(to_ints(column, kernels).tolist() for column in inputs[:columns]), strict=True))
    tally = dict.fromkeys(table, 0)
    for start in range(columns, len(inputs), columns):
        for row in zip(*(to_ints(x, kernels).tolist() for x in inputs[start : start + columns]), strict=True):
            if row in tally:
                tally[row] += 1
    return [np.array([tally[row] for row in table], dtype=np.int64)]


@hint("quotient")
def quotient(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
    """a / b, zero where b is zero."""
    a, b = inputs
    return [kernels.fr.mul(a, kernels.fr.inverse(b))]
