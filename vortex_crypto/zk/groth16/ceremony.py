"""A real set-up in two phases: powers of tau that all circuits share, then contributions for one circuit.

    powers ── check_powers ── specialise ──> initial key ── contribute ──> … ── contribute ── apply_beacon ──> final key
                                                   └────────────────────── verify ───────────────────────────────┘

Each contribution multiplies δ by a secret that is forgotten at once; proofs cannot be forged unless every contributor
kept theirs. It is the protocol of Bowe, Gabizon and Miers (eprint 2017/1050) as snarkjs runs it, down to the bytes that
are hashed: either side verifies and continues the other's transcripts. For plain systems; those with commitments need
more trapdoors than the protocol has.

Secrets live in memory only, from the operating system's randomness until the function returns; Python cannot promise
to wipe them, so contribute on a machine that is switched off afterwards.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import encode
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.arith.field.encoding import encode_g1, encode_g2
from vortex_crypto.arith.field.kernels import FieldKernels, Group
from vortex_crypto.errors import ArtefactMismatch, InvalidInput
from vortex_crypto.zk.groth16.keys import ProvingKey, VerifyingKey, g1_bytes, g2_bytes
from vortex_crypto.zk.groth16.relations import ONE_G1, ONE_G2, Relations, random_weights
from vortex_crypto.zk.groth16.snarkjs import ptau
from vortex_crypto.zk.groth16.snarkjs.chacha import ChaCha, beacon_stream, hash_to_g2
from vortex_crypto.zk.groth16.snarkjs.contributions import Contribution, transcript
from vortex_crypto.zk.groth16.snarkjs.ptau import Ptau
from vortex_crypto.zk.groth16.snarkjs.zkey import Zkey
from vortex_crypto.zk.qap import with_statement_rows
from vortex_crypto.zk.r1cs import R1cs, SparseMatrix

Array = NDArray[Any]

MIN_ITERATIONS_LOG, MAX_ITERATIONS_LOG = 10, 30
"""Of a beacon: 2^10 is snarkjs's least, and 2^30 applications of SHA-256 take about ten minutes."""

_HASH_CHUNK = 1 << 14


def specialise(r1cs: R1cs, powers: Ptau, *, kernels: FieldKernels | None = None, threads: int = 0) -> Zkey:
    """The initial key of a circuit: δ = 1, which anyone can compute, and nobody may use before contributions.

    Args:
        r1cs: the system, without commitments.
        powers: prepared for phase 2; `check_powers` says whether they are sound.
        kernels: the engine.
        threads: for the kernels; 0 for all processors.

    Raises:
        InvalidInput: the system has commitments, or the powers are too few or not prepared.
        MalformedArtefact: a point of the powers is damaged.
    """
    if r1cs.commitments:
        raise InvalidInput("a ceremony makes keys without commitments; this system has some")
    k, engine = r1cs.log_domain, Relations.of(kernels, threads)
    _require_power(r1cs, powers)
    a, b = with_statement_rows(r1cs)
    g1, g2 = engine.kernels.g1, engine.kernels.g2
    tau, alpha_tau, beta_tau = (
        powers.lagrange(section, k)
        for section in (ptau.LAGRANGE_TAU_G1, ptau.LAGRANGE_ALPHA_TAU_G1, ptau.LAGRANGE_BETA_TAU_G1)
    )
    statement = r1cs.n_statement
    sums = _columns(engine, g1, [(a, beta_tau), (b, alpha_tau), (r1cs.c, tau)], r1cs.n_wires)
    beta_g2 = powers.points(ptau.BETA_G2, 0, 1)[0]
    verifying = VerifyingKey(
        program=r1cs.digest(),
        alpha_g1=powers.points(ptau.ALPHA_TAU_G1, 0, 1)[0],
        beta_g2=beta_g2,
        gamma_g2=ONE_G2,
        delta_g2=ONE_G2,
        ic=sums[:statement],
        insecure=True,
    )
    key = ProvingKey(
        verifying=verifying,
        a=a,
        b=b,
        domain=1 << k,
        beta_g1=powers.points(ptau.BETA_TAU_G1, 0, 1)[0],
        delta_g1=ONE_G1,
        a_query=_columns(engine, g1, [(a, tau)], r1cs.n_wires),
        b_g1_query=_columns(engine, g1, [(b, tau)], r1cs.n_wires),
        b_g2_query=_columns(engine, g2, [(b, powers.lagrange(ptau.LAGRANGE_TAU_G2, k))], r1cs.n_wires),
        c_query=np.ascontiguousarray(sums[statement:]),
        h_query=np.ascontiguousarray(powers.lagrange(ptau.LAGRANGE_TAU_G1, k + 1)[1::2]),
    )
    return Zkey(key, _circuit_hash(key, powers, engine))


def contribute(
    zkey: Zkey, *, name: str = "", text: str = "", kernels: FieldKernels | None = None, threads: int = 0
) -> Zkey:
    """One more party's contribution, from the operating system's randomness.

    Args:
        zkey: the key so far.
        name: how the party wants to be called, at most 64 characters; it is public.
        text: anything the party wants mixed into the randomness; it stays secret.
        kernels: the engine.
        threads: for the kernels; 0 for all processors.

    Returns:
        The next key. The party should publish `contributions[-1].digest()`.
    """
    if len(name) > 64:
        raise InvalidInput(f"a contributor's name has at most 64 characters; this one has {len(name)}")
    stream = ChaCha(hashlib.blake2b(os.urandom(64) + text.encode()).digest()[:32])
    return _contributed(zkey, stream, Contribution(*_nothing(), name=name), Relations.of(kernels, threads))


def apply_beacon(
    zkey: Zkey,
    beacon: bytes,
    iterations_log: int,
    *,
    name: str = "",
    kernels: FieldKernels | None = None,
    threads: int = 0,
) -> Zkey:
    """The last contribution: from a public value that nobody could know before, so that the last party had no choice.

    Args:
        zkey: the key so far.
        beacon: the value, 1 to 255 bytes, announced in advance: say, the hash of a block yet to be mined.
        iterations_log: SHA-256 is applied 2^iterations_log times, 10 to 30.
        name: what to call it, at most 64 characters.
        kernels: the engine.
        threads: for the kernels; 0 for all processors.

    Raises:
        InvalidInput: the beacon or the count of iterations is out of range.
    """
    if not 1 <= len(beacon) <= 255 or not MIN_ITERATIONS_LOG <= iterations_log <= MAX_ITERATIONS_LOG or len(name) > 64:
        raise InvalidInput(
            "a beacon has 1 to 255 bytes, a name of at most 64 characters, and "
            f"2^{MIN_ITERATIONS_LOG} to 2^{MAX_ITERATIONS_LOG} iterations"
        )
    described = Contribution(*_nothing(), name=name, beacon=beacon, iterations_log=iterations_log)
    return _contributed(zkey, beacon_stream(beacon, iterations_log), described, Relations.of(kernels, threads))


def verify(
    zkey: Zkey, r1cs: R1cs, powers: Ptau, *, kernels: FieldKernels | None = None, threads: int = 0
) -> ProvingKey:
    """Check that a key is the one of this circuit and these powers, changed by nothing but its contributions.

    The initial key is computed anew. That the powers are sound is for `check_powers` to say, and that a contributor was
    honest is for nobody: look for names and digests you trust in `zkey.contributions`.

    Returns:
        The key, marked as belonging to the circuit and as secure.

    Raises:
        ArtefactMismatch: it is not; the text says which part, or which contribution, does not fit.
        InvalidInput: the system has commitments, or the powers are too few or not prepared.
    """
    engine = Relations.of(kernels, threads)
    initial = specialise(r1cs, powers, kernels=engine.kernels, threads=threads)
    if zkey.circuit_hash != initial.circuit_hash:
        raise ArtefactMismatch("the key was begun for another circuit or with other powers of tau")
    _check_unchanged(zkey.key, initial.key)
    if not zkey.contributions:
        raise ArtefactMismatch("nobody has contributed to the key, so everybody can forge its proofs")
    delta_g1 = _check_chain(zkey, engine)
    _check_delta(zkey.key, initial.key, delta_g1, engine)
    verifying = replace(zkey.key.verifying, program=r1cs.digest(), insecure=False)
    return replace(zkey.key, verifying=verifying)


def _nothing() -> tuple[Array, Array, Array, Array, bytes]:
    return np.zeros_like(ONE_G1), np.zeros_like(ONE_G1), np.zeros_like(ONE_G1), np.zeros_like(ONE_G2), b""


def _contributed(zkey: Zkey, stream: ChaCha, described: Contribution, engine: Relations) -> Zkey:
    kernels, key = engine.kernels, zkey.key
    secret = stream.scalar()
    g1_s = stream.g1(kernels)

    def times(group: Group, points: Array, scalar: Array) -> Array:
        scalars = np.ascontiguousarray(np.broadcast_to(scalar, (len(points), 4)))
        return group.multiply(points, scalars, threads=engine.threads)

    g1_sx, delta_g1 = times(kernels.g1, np.stack([g1_s, key.delta_g1]), secret)
    bound = transcript(zkey.circuit_hash, zkey.contributions, g1_s, g1_sx)
    g2_spx, delta_g2 = times(kernels.g2, np.stack([hash_to_g2(bound, kernels), key.verifying.delta_g2]), secret)
    inverse = kernels.fr.inverse(secret[None])[0]
    changed = replace(
        key,
        verifying=replace(key.verifying, delta_g2=delta_g2, insecure=False),
        delta_g1=delta_g1,
        c_query=times(kernels.g1, key.c_query, inverse),
        h_query=times(kernels.g1, key.h_query, inverse),
    )
    contribution = replace(described, delta_after=delta_g1, g1_s=g1_s, g1_sx=g1_sx, g2_spx=g2_spx, transcript=bound)
    return Zkey(changed, zkey.circuit_hash, (*zkey.contributions, contribution))


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
    """values_i · points_i; most values of a circuit are one or minus one."""
    one, minus_one = encode(FR, [1, -1])
    ones, minus = (values == one).all(axis=1), (values == minus_one).all(axis=1)
    scaled: Array = np.array(points)
    if minus.any():
        scaled[minus] = group.neg(np.ascontiguousarray(points[minus]), threads=engine.threads)
    rest = ~(ones | minus)
    if rest.any():
        scaled[rest] = group.multiply(
            np.ascontiguousarray(points[rest]), np.ascontiguousarray(values[rest]), threads=engine.threads
        )
    return scaled


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
    """BLAKE2b of everything in the initial key, in the order in which snarkjs makes it."""
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
    return hasher.digest()


def _vanishing(domain: int, powers: Ptau, engine: Relations) -> Array:
    """[τ^i·(τ^domain - 1)]₁ for i < domain - 1; snarkjs rounds the count up to whole chunks."""
    count = domain - 1 if domain <= _HASH_CHUNK else domain
    high = powers.points(ptau.TAU_G1, domain, domain + count)
    low = powers.points(ptau.TAU_G1, 0, count)
    g1 = engine.kernels.g1
    return g1.add(high, g1.neg(low, threads=engine.threads), threads=engine.threads)


def _check_unchanged(key: ProvingKey, initial: ProvingKey) -> None:
    pairs = {
        "alpha": (key.verifying.alpha_g1, initial.verifying.alpha_g1),
        "beta in G1": (key.beta_g1, initial.beta_g1),
        "beta in G2": (key.verifying.beta_g2, initial.verifying.beta_g2),
        "gamma": (key.verifying.gamma_g2, initial.verifying.gamma_g2),
        "IC": (key.verifying.ic, initial.verifying.ic),
        "A": (key.a_query, initial.a_query),
        "B in G1": (key.b_g1_query, initial.b_g1_query),
        "B in G2": (key.b_g2_query, initial.b_g2_query),
    }
    for name, left, right in (("A", key.a, initial.a), ("B", key.b, initial.b)):
        pairs[f"the rows of {name}"] = (left.indptr, right.indptr)
        pairs[f"the wires of {name}"] = (left.indices, right.indices)
        pairs[f"the coefficients of {name}"] = (left.values, right.values)
    for name, (theirs, ours) in pairs.items():
        if not np.array_equal(theirs, ours):
            raise ArtefactMismatch(f"{name} of the key is not that of the circuit and its powers of tau")


def _check_chain(zkey: Zkey, engine: Relations) -> Array:
    """Follow the contributions from δ = 1; returns [δ]₁ after the last."""
    kernels = engine.kernels
    delta: Array = ONE_G1
    for index, contribution in enumerate(zkey.contributions):
        label = f"contribution {index + 1} ({contribution.name or 'unnamed'})"
        points = np.stack([contribution.delta_after, contribution.g1_s, contribution.g1_sx])
        if not (kernels.g1.valid(points).all() and kernels.g2.valid(contribution.g2_spx[None]).all()):
            raise ArtefactMismatch(f"{label}: a point is not in its group")
        expected = transcript(zkey.circuit_hash, zkey.contributions[:index], contribution.g1_s, contribution.g1_sx)
        if contribution.transcript != expected:
            raise ArtefactMismatch(f"{label}: its transcript is not that of the contributions before it")
        target = hash_to_g2(contribution.transcript, kernels)
        if not engine.same_ratio(contribution.g1_s, contribution.g1_sx, target, contribution.g2_spx):
            raise ArtefactMismatch(f"{label}: its proof of knowledge does not hold")
        if not engine.same_ratio(delta, contribution.delta_after, target, contribution.g2_spx):
            raise ArtefactMismatch(f"{label}: it changed delta by another factor than it shows")
        if contribution.beacon:
            _check_beacon(contribution, label, kernels)
        delta = contribution.delta_after
    return delta


def _check_beacon(contribution: Contribution, label: str, kernels: FieldKernels) -> None:
    if contribution.iterations_log > MAX_ITERATIONS_LOG:
        raise ArtefactMismatch(
            f"{label}: 2^{contribution.iterations_log} iterations cannot be repeated; up to 2^{MAX_ITERATIONS_LOG} are"
        )
    stream = beacon_stream(contribution.beacon, contribution.iterations_log)
    secret, g1_s = stream.scalar(), stream.g1(kernels)
    g1_sx = kernels.g1.multiply(g1_s[None], secret[None])[0]
    if not (np.array_equal(g1_s, contribution.g1_s) and np.array_equal(g1_sx, contribution.g1_sx)):
        raise ArtefactMismatch(f"{label}: it does not follow from its beacon")


def _check_delta(key: ProvingKey, initial: ProvingKey, delta_g1: Array, engine: Relations) -> None:
    delta_g2 = key.verifying.delta_g2
    if not np.array_equal(key.delta_g1, delta_g1):
        raise ArtefactMismatch("delta in G1 is not that of the last contribution")
    if not engine.same_ratio(ONE_G1, delta_g1, ONE_G2, delta_g2):
        raise ArtefactMismatch("delta in G2 is not that of the last contribution")
    g1 = engine.kernels.g1
    for name, points, before in (("C", key.c_query, initial.c_query), ("H", key.h_query, initial.h_query)):
        if points.shape != before.shape or not g1.valid(points, threads=engine.threads).all():
            raise ArtefactMismatch(f"{name} of the key has another size, or a point that is not on the curve")
        weights = random_weights(len(points))
        after = engine.combine(g1, points, weights)
        start = engine.combine(g1, before, weights)
        if (after.any() or start.any()) and not engine.same_ratio(after, start, ONE_G2, delta_g2):
            raise ArtefactMismatch(f"{name} of the key is not divided by delta")
