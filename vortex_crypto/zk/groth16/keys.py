"""Keys and proofs of Groth16 over BN254, plain or with Pedersen commitments.

J. Groth, "On the size of pairing-based non-interactive arguments" (EUROCRYPT 2016); the commitments are those of
BSB22 (A. Bagherzandi and others, as in gnark) with one σ each. In the letters of the paper, with QAP polynomials
A_i, B_i, C_i of wire i, K_i = β·A_i(τ) + α·B_i(τ) + C_i(τ), and [x]₁, [x]₂ for x times a generator:

    A = α + Σ w_i·A_i(τ) + r·δ          C = Σ_private w_i·K_i/δ + h(τ)·Z(τ)/δ + s·A + r·B - r·s·δ
    B = β + Σ w_i·B_i(τ) + s·δ          D_k = Σ_committed(k) w_i·[K_i/γ]₁,  P = Σ_k f^k·σ_k·D_k
    e(A, B) = e([α]₁, [β]₂) · e(Σ_public w_i·[K_i/γ]₁ + Σ_k D_k, [γ]₂) · e(C, [δ]₂)
    e(P, G) · Π_k e(f^k·D_k, -σ_k·G) = 1

where f and the challenges come from `transcript`. Points are in the layout of the field kernels, which is also that of
.zkey files: affine coordinates in Montgomery form, uint64 [2, 4] in G1 and [2, 2, 4] in G2, all zero for infinity.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vortex_crypto.arith.field.arrays import decode
from vortex_crypto.arith.field.bn254 import FQ
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.zk.r1cs import SparseMatrix

Array = np.ndarray[Any, np.dtype[Any]]


def g1_bytes(points: Array) -> bytes:
    """Points uint64 [..., 2, 4] as EIP-196 writes them: x and then y, 32 bytes each, most significant byte first.

    For the few points of verifying keys and proofs; `arith.field.encoding` does many at once.
    """
    return b"".join(value.to_bytes(32, "big") for value in decode(FQ, points))


def g2_bytes(points: Array) -> bytes:
    """Points uint64 [..., 2, 2, 4] as EIP-197 writes them: x and then y, each c1 and then c0 of c0 + c1·u."""
    return g1_bytes(points[..., ::-1, :])


@dataclass(frozen=True, eq=False)
class CommitmentVerifyingKey:
    """What a verifier needs of one commitment: its name, its kind and [-σ·G]₂."""

    name: str
    persistent: bool
    g_sigma_neg: Array


@dataclass(frozen=True, eq=False)
class VerifyingKey:
    """What a verifier needs.

    Attributes:
        program: hex digest of the constraint system and of how its public values are read, `R1cs.digest()`; empty when
            unknown (a foreign key).
        alpha_g1, beta_g2, gamma_g2, delta_g2: the four fixed points.
        ic: uint64 [1 + n_public + n_challenges, 2, 4]: [K_i/γ]₁ of the one, the public values and the challenges.
        n_challenges: how many of the last entries of `ic` are challenges.
        commitments: in the order of `R1cs.commitments`.
        commitment_g: uint64 [2, 2, 4], the random base G of the proofs of knowledge; None without commitments.
        insecure: made by one party, who could forge proofs; not for use beyond development.
    """

    program: str
    alpha_g1: Array
    beta_g2: Array
    gamma_g2: Array
    delta_g2: Array
    ic: Array
    n_challenges: int = 0
    commitments: tuple[CommitmentVerifyingKey, ...] = ()
    commitment_g: Array | None = None
    insecure: bool = True

    @property
    def n_public(self) -> int:
        """Public values a verifier is given."""
        return len(self.ic) - 1 - self.n_challenges

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the program and all that the verification equation depends on; the transcript begins with it."""
        counts = [self.n_public, self.n_challenges, len(self.commitments)]
        hasher = hashlib.sha256(b"vortex-crypto groth16 verifying key 2" + np.array(counts, ">u8").tobytes())
        hasher.update(hashlib.sha256(self.program.encode()).digest())
        hasher.update(g1_bytes(self.alpha_g1) + g1_bytes(self.ic))
        hasher.update(b"".join(map(g2_bytes, (self.beta_g2, self.gamma_g2, self.delta_g2))))
        if self.commitment_g is not None:
            hasher.update(g2_bytes(self.commitment_g))
            hasher.update(b"".join(g2_bytes(key.g_sigma_neg) for key in self.commitments))
        hasher.update(repr([(key.name, key.persistent) for key in self.commitments]).encode())
        return hasher.digest()

    def fixed_lines(self, kernels: FieldKernels) -> Array:
        """The lines of β, γ, δ and, with commitments, of each -σ_k·G and of G, for the pairings of every proof.

        Prepared at the first call with an engine and kept, some 11 KiB a point.
        """
        if kernels.name not in self._lines:
            points = [self.beta_g2, self.gamma_g2, self.delta_g2, *(key.g_sigma_neg for key in self.commitments)]
            base = [] if self.commitment_g is None else [self.commitment_g]
            self._lines[kernels.name] = kernels.prepare_g2(np.stack([*points, *base]))
        return self._lines[kernels.name]

    @cached_property
    def _lines(self) -> dict[str, Array]:
        return {}


@dataclass(frozen=True, eq=False)
class CommitmentProvingKey:
    """Bases of one commitment: uint64 [wires, 2, 4], [K_i/γ]₁ and [σ·K_i/γ]₁."""

    basis: Array
    basis_sigma: Array


@dataclass(frozen=True, eq=False)
class ProvingKey:
    """What a prover needs; the arrays may be read-only memory maps.

    Attributes:
        verifying: the verifying key that belongs to it.
        a, b: the rows of A and B, those after the constraints included that bind the statement's wires; the rest of the
            domain is zero, and C·w is (A·w) ∘ (B·w). The values are in Montgomery form, unlike those of an `R1cs`.
        domain: points of the evaluation domain, a power of two.
        beta_g1, delta_g1: uint64 [2, 4].
        a_query, b_g1_query: uint64 [n_wires, 2, 4], [A_i(τ)]₁ and [B_i(τ)]₁.
        b_g2_query: uint64 [n_wires, 2, 2, 4], [B_i(τ)]₂.
        commitments: bases, in the order of their wires, which begin after the challenges.
        c_query: uint64 [n_private, 2, 4], [K_i/δ]₁ of the wires from `R1cs.first_private` on.
        h_query: uint64 [domain, 2, 4] in snarkjs's convention: with ω of order 2·domain and L_j its Lagrange basis,
            [L_{2i+1}(τ)/δ]₁; the scalars are those of A·B - C at the odd powers ω^{2i+1}.
    """

    verifying: VerifyingKey
    a: SparseMatrix
    b: SparseMatrix
    domain: int
    beta_g1: Array
    delta_g1: Array
    a_query: Array
    b_g1_query: Array
    b_g2_query: Array
    c_query: Array
    h_query: Array
    commitments: tuple[CommitmentProvingKey, ...] = ()

    @property
    def n_wires(self) -> int:
        """Wires, the constant one included."""
        return len(self.a_query)

    @property
    def first_committed(self) -> int:
        """The first wire that no verifier knows; those of the commitments begin here."""
        return len(self.verifying.ic)

    @property
    def first_private(self) -> int:
        """The first wire of `c_query`."""
        return self.n_wires - len(self.c_query)


@dataclass(frozen=True, eq=False)
class Proof:
    """A proof: 128 bytes when plain and compressed, and 32·(commitments + 1) more with commitments.

    Attributes:
        a, c: uint64 [2, 4].
        b: uint64 [2, 2, 4].
        commitments: uint64 [k, 2, 4], D_k in the order of the key.
        knowledge: uint64 [2, 4], the folded proof of knowledge P; None without commitments.
    """

    a: Array
    b: Array
    c: Array
    commitments: Array
    knowledge: Array | None = None
