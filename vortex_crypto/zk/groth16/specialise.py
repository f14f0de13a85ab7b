"""The initial key of a ceremony: powers of tau, combined as one circuit's polynomials say, with δ = 1.

The bases of commitments are [K_i]₁, for γ = 1, as in gnark's ceremony (`backend/groth16/bn254/mpcsetup`).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.encoding import encode_g1, encode_g2
from vortex_crypto.arith.field.kernels import FieldKernels, Group
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.field import is_small
from vortex_crypto.zk.groth16.keys import (
    CommitmentProvingKey,
    CommitmentVerifyingKey,
    ProvingKey,
    VerifyingKey,
    g1_bytes,
    g2_bytes,
)
from vortex_crypto.zk.groth16.relations import ONE_G1, ONE_G2, Relations
from vortex_crypto.zk.groth16.snarkjs import ptau
from vortex_crypto.zk.groth16.snarkjs.ptau import Ptau
from vortex_crypto.zk.groth16.snarkjs.zkey import Zkey
from vortex_crypto.zk.progress import Progress, silent
from vortex_crypto.zk.qap import with_statement_rows
from vortex_crypto.zk.r1cs import R1cs, SparseMatrix

Array = NDArray[Any]

_HASH_CHUNK = 1 << 14


def specialise(
    r1cs: R1cs,
    powers: Ptau,
    *,
    progress: Progress | None = None,
    kernels: FieldKernels | None = None,
    threads: int = 0,
) -> Zkey:
    """The initial key of a circuit: δ = 1, which anyone can compute, and nobody may use before contributions.

    Args:
        r1cs: the system. With commitments, γ = 1 and σ_k = 1 for each, and G is the generator.
        powers: prepared for phase 2; `check_powers` says whether they are sound.
        progress: told how far the work is.
        kernels: the engine.
        threads: for the kernels; 0 for all processors.

    Raises:
        InvalidInput: the powers are too few or not prepared.
        MalformedArtefact: a point of the powers is damaged.
    """
    k, engine, tell = r1cs.log_domain, Relations.of(kernels, threads), progress or silent
    _require_power(r1cs, powers)
    a, b = with_statement_rows(r1cs)
    g1, g2 = engine.kernels.g1, engine.kernels.g2
    tau, alpha_tau, beta_tau = (
        powers.lagrange(section, k)
        for section in (ptau.LAGRANGE_TAU_G1, ptau.LAGRANGE_ALPHA_TAU_G1, ptau.LAGRANGE_BETA_TAU_G1)
    )
    tell("C", 0.0)
    sums = _columns(engine, g1, [(a, beta_tau), (b, alpha_tau), (r1cs.c, tau)], r1cs.n_wires)
    bases = [np.ascontiguousarray(sums[wires.start : wires.stop]) for wires in r1cs.committed]
    minus_one = g2.neg(ONE_G2[None])[0]
    verifying = VerifyingKey(
        program=r1cs.digest(),
        alpha_g1=powers.points(ptau.ALPHA_TAU_G1, 0, 1)[0],
        beta_g2=powers.points(ptau.BETA_G2, 0, 1)[0],
        gamma_g2=ONE_G2,
        delta_g2=ONE_G2,
        ic=np.ascontiguousarray(sums[: r1cs.n_statement]),
        n_challenges=r1cs.n_challenges,
        commitments=tuple(CommitmentVerifyingKey(c.name, c.persistent, minus_one) for c in r1cs.commitments),
        commitment_g=ONE_G2 if r1cs.commitments else None,
        insecure=True,
    )
    tell("A", 0.4)
    a_query = _columns(engine, g1, [(a, tau)], r1cs.n_wires)
    tell("B", 0.5)
    b_g1_query = _columns(engine, g1, [(b, tau)], r1cs.n_wires)
    tell("B over G2", 0.6)
    b_g2_query = _columns(engine, g2, [(b, powers.lagrange(ptau.LAGRANGE_TAU_G2, k))], r1cs.n_wires)
    tell("H", 0.85)
    key = ProvingKey(
        verifying=verifying,
        a=a,
        b=b,
        domain=1 << k,
        beta_g1=powers.points(ptau.BETA_TAU_G1, 0, 1)[0],
        delta_g1=ONE_G1,
        a_query=a_query,
        b_g1_query=b_g1_query,
        b_g2_query=b_g2_query,
        c_query=np.ascontiguousarray(sums[r1cs.first_private :]),
        h_query=np.ascontiguousarray(powers.lagrange(ptau.LAGRANGE_TAU_G1, k + 1)[1::2]),
        commitments=tuple(CommitmentProvingKey(basis, basis) for basis in bases),
    )
    tell("hash", 0.9)
    zkey = Zkey(key, _circuit_hash(key, powers, engine))
    tell("done", 1.0)
    return zkey


def _require_power(r1cs: R1cs, powers: Ptau) -> None:
    """snarkjs's hash of a circuit reads one power past the last from 2^15 on; a file of one power more has it."""
    k = r1cs.log_domain
    if k + (1 << k > _HASH_CHUNK) > powers.power:
        raise InvalidInput(
            f"{r1cs.n_constraints} constraints need powers of tau of 2^{k + (1 << k > _HASH_CHUNK)}; "
            f"{powers.file.path} has 2^{powers.power}"
        )


def _columns(engine: Relations, group: Group, terms: Sequence[tuple[SparseMatrix, Array]], columns: int) -> Array:
    """Σ over terms and rows of matrix[row, column]·points[row], one point a column."""
    wires = np.concatenate([matrix.indices for matrix, _ in terms])
    rows = [np.repeat(np.arange(matrix.rows), np.diff(matrix.indptr)) for matrix, _ in terms]
    bases = np.concatenate([points[row] for row, (_, points) in zip(rows, terms, strict=True)])
    values = np.concatenate([matrix.values for matrix, _ in terms])
    order = np.argsort(wires, kind="stable")
    return _sums(engine, group, _scaled(engine, group, bases[order], values[order]), wires[order], columns)


def _scaled(engine: Relations, group: Group, points: Array, values: Array) -> Array:
    """values_i · points_i. Most values of a circuit, or their opposites, are small, and most of those are one."""
    fr, threads = engine.kernels.fr, engine.threads
    plain = fr.from_montgomery(values, threads=threads)
    opposite = fr.from_montgomery(fr.neg(values, threads=threads), threads=threads)
    positive, negative = is_small(plain), is_small(opposite)
    scaled: Array = np.array(points)
    scaled[negative] = group.neg(points[negative], threads=threads)
    small, large = positive | negative, ~(positive | negative)
    sizes = np.where(positive, plain[:, 0], opposite[:, 0])[small]
    scaled[small] = _multiples(engine, group, scaled[small], sizes)
    scaled[large] = group.multiply(points[large], values[large], threads=threads)
    return scaled


def _multiples(engine: Relations, group: Group, points: Array, sizes: Array) -> Array:
    """sizes_i · points_i for uint64 sizes, by doubling and adding all of them together."""
    total = np.zeros_like(points)
    for bit in range(int(sizes.max(initial=0)).bit_length() - 1, -1, -1):
        begun = np.flatnonzero(sizes >> np.uint64(bit + 1)) if bit < 63 else np.zeros(0, np.int64)
        total[begun] = group.add(total[begun], total[begun], threads=engine.threads)
        now = np.flatnonzero(sizes >> np.uint64(bit) & np.uint64(1))
        total[now] = group.add(total[now], points[now], threads=engine.threads)
    return total


def _sums(engine: Relations, group: Group, points: Array, keys: Array, count: int) -> Array:
    """The sum of the points of each key, keys rising: neighbours are added in pairs until every key has one point."""
    while len(keys) > 1 and (keys[1:] == keys[:-1]).any():
        first = np.searchsorted(keys, keys)
        left = (np.arange(len(keys)) - first) % 2 == 0
        paired = left & np.append(keys[1:] == keys[:-1], False)
        at = np.flatnonzero(paired)
        points[at] = group.add(points[at], points[at + 1], threads=engine.threads)
        points, keys = points[left], keys[left]
    result = np.zeros((count, *group.point), dtype=np.uint64)
    result[keys] = points
    return result


def _circuit_hash(key: ProvingKey, powers: Ptau, engine: Relations) -> bytes:
    """BLAKE2b of everything in the initial key, in the order in which snarkjs makes it; commitments follow."""
    kernels, verifying = engine.kernels, key.verifying
    hasher = hashlib.blake2b(g1_bytes(verifying.alpha_g1) + g1_bytes(key.beta_g1) + g2_bytes(verifying.beta_g2))
    hasher.update(g2_bytes(verifying.gamma_g2) + g1_bytes(key.delta_g1) + g2_bytes(verifying.delta_g2))

    def absorb(count: int, data: Array) -> None:
        hasher.update(struct.pack(">I", count) + data.tobytes())

    absorb(len(verifying.ic), encode_g1(kernels, verifying.ic))
    absorb(key.domain - 1, encode_g1(kernels, _vanishing(key.domain, powers, engine)))
    for points in (key.c_query, key.a_query, key.b_g1_query):
        absorb(len(points), encode_g1(kernels, points))
    absorb(len(key.b_g2_query), encode_g2(kernels, key.b_g2_query))
    for described, commitment in zip(verifying.commitments, key.commitments, strict=True):
        hasher.update(f"{verifying.n_challenges} {described.name!r} {described.persistent}".encode())
        absorb(len(commitment.basis), encode_g1(kernels, commitment.basis))
    return hasher.digest()


def _vanishing(domain: int, powers: Ptau, engine: Relations) -> Array:
    """[τ^i·(τ^domain - 1)]₁ for i < domain - 1; snarkjs rounds the count up to whole chunks."""
    count = domain - 1 if domain <= _HASH_CHUNK else domain
    high = powers.points(ptau.TAU_G1, domain, domain + count)
    low = powers.points(ptau.TAU_G1, 0, count)
    g1 = engine.kernels.g1
    return g1.add(high, g1.neg(low, threads=engine.threads), threads=engine.threads)
