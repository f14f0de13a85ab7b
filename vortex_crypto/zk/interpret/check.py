"""Satisfaction: does a witness fulfil every constraint, and if not, which is the first it breaks, by origin."""

from __future__ import annotations

from typing import Any

import numpy as np

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput, Unsatisfied
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.r1cs import R1cs

Array = np.ndarray[Any, np.dtype[Any]]


def violated(r1cs: R1cs, witness: Array, *, kernels: FieldKernels | None = None, threads: int = 0) -> Array:
    """The numbers of all constraints that the witness, uint64 [n_wires, 4] in Montgomery form, breaks."""
    kernels = kernels or default_kernels()
    if witness.shape != (r1cs.n_wires, 4):
        raise InvalidInput(f"a witness of {r1cs.n_wires} wires is expected, not an array of shape {witness.shape}")
    a, b, c = (m.times(witness, kernels, threads=threads) for m in (r1cs.a, r1cs.b, r1cs.c))
    broken = np.flatnonzero((kernels.fr.mul(a, b, threads=threads) != c).any(axis=1))
    if not (witness[0] == kernels.fr.from_int64(np.ones(1, dtype=np.int64))[0]).all():
        raise InvalidInput("wire 0 of a witness must hold the constant one")
    return broken


def check(r1cs: R1cs, witness: Array, *, kernels: FieldKernels | None = None, threads: int = 0) -> None:
    """Nothing, if the witness is good.

    Raises:
        Unsatisfied: it is not; the message names the first broken constraint and its origin.
        InvalidInput: the witness has another size, or its first wire is not one.
    """
    broken = violated(r1cs, witness, kernels=kernels, threads=threads)
    if len(broken):
        first = int(broken[0])
        place = r1cs.origins.of(first) or "a system without origins"
        raise Unsatisfied(f"constraint {first} of {place} does not hold ({len(broken)} of {r1cs.n_constraints} broken)")
