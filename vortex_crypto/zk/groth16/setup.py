"""Development set-up: one party draws every trapdoor, forgets it, and marks the keys as insecure.

Whoever runs this could keep the trapdoors and forge proofs, so its keys serve tests, benchmarks and development; for
anything else run the ceremony (module `ceremony`). The trapdoors are drawn from the operating system and never written.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np

from vortex_crypto.arith.field.arrays import g1_from_ints, g2_from_ints
from vortex_crypto.arith.field.bn254 import FR_TWO_ADICITY, G1_GENERATOR, G2_GENERATOR, R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.field import default_kernels, one
from vortex_crypto.zk.groth16.keys import CommitmentProvingKey, CommitmentVerifyingKey, ProvingKey, VerifyingKey
from vortex_crypto.zk.progress import Progress, silent
from vortex_crypto.zk.qap import columns_at, lagrange, with_statement_rows
from vortex_crypto.zk.r1cs import R1cs, SparseMatrix

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class _Trapdoor:
    """The toxic waste; `repr` must not show it."""

    tau: int
    alpha: int
    beta: int
    gamma: int
    delta: int
    g: int
    sigmas: tuple[int, ...]

    def __repr__(self) -> str:
        return "_Trapdoor(hidden)"


def setup(
    r1cs: R1cs, *, progress: Progress | None = None, threads: int = 0, kernels: FieldKernels | None = None
) -> ProvingKey:
    """Keys for a constraint system, marked insecure.

    Args:
        r1cs: the system.
        progress: told how far the work is.
        threads: threads for the kernels, 0 for one a processor.
        kernels: the engine.

    Raises:
        InvalidInput: the system is too large for the field's roots of unity.
    """
    kernels = kernels or default_kernels()
    tell = progress or silent
    if r1cs.log_domain >= FR_TWO_ADICITY:
        raise InvalidInput(f"{r1cs.n_constraints} constraints need a domain beyond 2^{FR_TWO_ADICITY - 1}")
    secret = _draw(r1cs)
    tell("polynomials", 0.0)
    a, b = with_statement_rows(r1cs)
    columns = _columns(r1cs, a, b, secret, kernels, threads)
    tell("points", 0.2)
    return _points(r1cs, (a, b), columns, secret, _Generators(kernels, threads), tell)


def _draw(r1cs: R1cs) -> _Trapdoor:
    def element() -> int:
        return 1 + secrets.randbelow(R - 1)

    tau = element()
    while pow(tau, 2 << r1cs.log_domain, R) == 1:
        tau = element()
    gamma = element() if r1cs.commitments else 1  # snarkjs fixes γ = 1, and plain keys are to be its keys
    sigmas = tuple(element() for _ in r1cs.commitments)
    return _Trapdoor(tau, element(), element(), gamma, element(), element(), sigmas)


def _columns(
    r1cs: R1cs, a: SparseMatrix, b: SparseMatrix, secret: _Trapdoor, kernels: FieldKernels, threads: int
) -> tuple[Array, Array, Array]:
    """A_i(τ), B_i(τ) and K_i = β·A_i(τ) + α·B_i(τ) + C_i(τ), uint64 [n_wires, 4] each."""
    fr = kernels.fr
    basis = lagrange(r1cs.log_domain, secret.tau, kernels, threads=threads)
    u, v, w = (columns_at(m, basis[: m.rows], r1cs.n_wires, kernels, threads=threads) for m in (a, b, r1cs.c))
    k = fr.add(fr.scale(u, one(secret.beta)), fr.scale(v, one(secret.alpha)))
    return u, v, fr.add(k, w)


@dataclass(frozen=True)
class _Generators:
    """Multiples of the two generators."""

    kernels: FieldKernels
    threads: int

    def g1(self, scalars: Array) -> Array:
        """[s]₁ of every scalar: uint64 [n, 4] to [n, 2, 4]."""
        generator = g1_from_ints([G1_GENERATOR])[0]
        return self.kernels.g1.fixed_base(generator, np.ascontiguousarray(scalars), threads=self.threads)

    def g2(self, scalars: Array) -> Array:
        """[s]₂ of every scalar: uint64 [n, 4] to [n, 2, 2, 4]."""
        generator = g2_from_ints([G2_GENERATOR])[0]
        return self.kernels.g2.fixed_base(generator, np.ascontiguousarray(scalars), threads=self.threads)


def _column(*scalars: int) -> Array:
    return np.stack([one(scalar % R) for scalar in scalars])


def _verifying(r1cs: R1cs, k: Array, secret: _Trapdoor, times: _Generators) -> VerifyingKey:
    sigmas = (-sigma * secret.g for sigma in secret.sigmas)
    fixed = times.g2(_column(secret.beta, secret.gamma, secret.delta, secret.g, *sigmas))
    statement = times.kernels.fr.scale(np.ascontiguousarray(k[: r1cs.n_statement]), one(pow(secret.gamma, -1, R)))
    return VerifyingKey(
        program=r1cs.digest(),
        alpha_g1=times.g1(_column(secret.alpha))[0],
        beta_g2=fixed[0],
        gamma_g2=fixed[1],
        delta_g2=fixed[2],
        ic=times.g1(statement),
        n_challenges=r1cs.n_challenges,
        commitments=tuple(
            CommitmentVerifyingKey(each.name, each.persistent, point)
            for each, point in zip(r1cs.commitments, fixed[4:], strict=True)
        ),
        commitment_g=fixed[3] if r1cs.commitments else None,
        insecure=True,
    )


def _commitments(r1cs: R1cs, k: Array, secret: _Trapdoor, times: _Generators) -> tuple[CommitmentProvingKey, ...]:
    fr, per_gamma = times.kernels.fr, one(pow(secret.gamma, -1, R))
    keys = []
    for wires, sigma in zip(r1cs.committed, secret.sigmas, strict=True):
        basis = fr.scale(np.ascontiguousarray(k[wires.start : wires.stop]), per_gamma)
        keys.append(CommitmentProvingKey(times.g1(basis), times.g1(fr.scale(basis, one(sigma)))))
    return tuple(keys)


def _points(
    r1cs: R1cs,
    rows: tuple[SparseMatrix, SparseMatrix],
    columns: tuple[Array, Array, Array],
    secret: _Trapdoor,
    times: _Generators,
    tell: Progress,
) -> ProvingKey:
    fr, (u, v, k) = times.kernels.fr, columns
    per_delta = one(pow(secret.delta, -1, R))
    verifying, commitments = _verifying(r1cs, k, secret, times), _commitments(r1cs, k, secret, times)
    beta, delta = times.g1(_column(secret.beta, secret.delta))
    tell("A and B", 0.3)
    a_query, b_g1_query = times.g1(u), times.g1(v)
    tell("B over G2", 0.5)
    b_g2_query = times.g2(v)
    tell("C and H", 0.8)
    c_query = times.g1(fr.scale(np.ascontiguousarray(k[r1cs.first_private :]), per_delta))
    odd = lagrange(r1cs.log_domain, secret.tau, times.kernels, odd=True, threads=times.threads)
    h_query = times.g1(fr.scale(odd, per_delta))
    tell("done", 1.0)
    return ProvingKey(
        verifying=verifying,
        a=rows[0],
        b=rows[1],
        domain=1 << r1cs.log_domain,
        beta_g1=beta,
        delta_g1=delta,
        a_query=a_query,
        b_g1_query=b_g1_query,
        b_g2_query=b_g2_query,
        c_query=c_query,
        h_query=h_query,
        commitments=commitments,
    )
