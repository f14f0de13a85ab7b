"""A real set-up in two phases: powers of tau that all circuits share, then contributions for one circuit.

    powers ── check_powers ── specialise ──> initial key ── contribute ──> … ── contribute ── apply_beacon ──> final key
                                                   └────────────────────── verify ───────────────────────────────┘

Each contribution multiplies δ by a secret that is forgotten at once; proofs cannot be forged unless every contributor
kept theirs. It is the protocol of Bowe, Gabizon and Miers (eprint 2017/1050) as snarkjs runs it, down to the bytes that
are hashed: either side verifies and continues the other's transcripts.

For systems with commitments, which snarkjs does not know, each contribution also multiplies the σ of every commitment
and shows so in the same way; γ stays 1, as in gnark's ceremony. [σ]₁ must never appear: with it, a commitment would no
longer be bound to its basis.

Secrets live in memory only, from the operating system's randomness until the function returns; Python cannot promise
to wipe them, so contribute on a machine that is switched off afterwards.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.kernels import FieldKernels, Group
from vortex_crypto.errors import ArtefactMismatch, InvalidInput
from vortex_crypto.zk.groth16.keys import CommitmentProvingKey, CommitmentVerifyingKey, ProvingKey
from vortex_crypto.zk.groth16.relations import ONE_G1, ONE_G2, Relations, random_weights
from vortex_crypto.zk.groth16.snarkjs.chacha import ChaCha, beacon_stream, hash_to_g2
from vortex_crypto.zk.groth16.snarkjs.contributions import (
    Contribution,
    SigmaContribution,
    sigma_transcript,
    transcript,
)
from vortex_crypto.zk.groth16.snarkjs.ptau import Ptau
from vortex_crypto.zk.groth16.snarkjs.zkey import Zkey
from vortex_crypto.zk.groth16.specialise import specialise
from vortex_crypto.zk.progress import Progress, part, silent
from vortex_crypto.zk.r1cs import R1cs

__all__ = ["apply_beacon", "contribute", "specialise", "verify"]

Array = NDArray[Any]

MIN_ITERATIONS_LOG, MAX_ITERATIONS_LOG = 10, 30
"""Of a beacon: 2^10 is snarkjs's least, and 2^30 applications of SHA-256 take about ten minutes."""


def contribute(
    zkey: Zkey,
    *,
    name: str = "",
    text: str = "",
    progress: Progress | None = None,
    kernels: FieldKernels | None = None,
    threads: int = 0,
) -> Zkey:
    """One more party's contribution, from the operating system's randomness.

    Args:
        zkey: the key so far.
        name: how the party wants to be called, at most 64 characters; it is public.
        text: anything the party wants mixed into the randomness; it stays secret.
        progress: told how far the work is.
        kernels: the engine.
        threads: for the kernels; 0 for all processors.

    Returns:
        The next key. The party should publish `contributions[-1].digest()`.
    """
    if len(name) > 64:
        raise InvalidInput(f"a contributor's name has at most 64 characters; this one has {len(name)}")
    stream = ChaCha(hashlib.blake2b(os.urandom(64) + text.encode()).digest()[:32])
    described = Contribution(*_nothing(), name=name)
    return _contributed(zkey, stream, described, Relations.of(kernels, threads), progress or silent)


def apply_beacon(
    zkey: Zkey,
    beacon: bytes,
    iterations_log: int,
    *,
    name: str = "",
    progress: Progress | None = None,
    kernels: FieldKernels | None = None,
    threads: int = 0,
) -> Zkey:
    """The last contribution: from a public value that nobody could know before, so that the last party had no choice.

    Args:
        zkey: the key so far.
        beacon: the value, 1 to 255 bytes, announced in advance: say, the hash of a block yet to be mined.
        iterations_log: SHA-256 is applied 2^iterations_log times, 10 to 30.
        name: what to call it, at most 64 characters.
        progress: told how far the work is.
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
    tell = progress or silent
    stream = beacon_stream(beacon, iterations_log, part(tell, 0.0, 0.5))
    return _contributed(zkey, stream, described, Relations.of(kernels, threads), part(tell, 0.5, 1.0))


def verify(
    zkey: Zkey,
    r1cs: R1cs,
    powers: Ptau,
    *,
    progress: Progress | None = None,
    kernels: FieldKernels | None = None,
    threads: int = 0,
) -> ProvingKey:
    """Check that a key is the one of this circuit and these powers, changed by nothing but its contributions.

    The initial key is computed anew. That the powers are sound is for `check_powers` to say, and that a contributor was
    honest is for nobody: look for names and digests you trust in `zkey.contributions`. `progress` is told how far the
    work is.

    Returns:
        The key, marked as belonging to the circuit and as secure.

    Raises:
        ArtefactMismatch: it is not; the text says which part, or which contribution, does not fit.
        InvalidInput: the powers are too few or not prepared.
    """
    engine, tell = Relations.of(kernels, threads), progress or silent
    initial = specialise(r1cs, powers, progress=part(tell, 0.0, 0.7), kernels=engine.kernels, threads=threads)
    if zkey.circuit_hash != initial.circuit_hash:
        raise ArtefactMismatch("the key was begun for another circuit or with other powers of tau")
    _check_unchanged(zkey.key, initial.key)
    if not zkey.contributions:
        raise ArtefactMismatch("nobody has contributed to the key, so everybody can forge its proofs")
    delta_g1, sigmas = _check_chain(zkey, engine, part(tell, 0.7, 0.85))
    tell("delta", 0.85)
    _check_delta(zkey.key, initial.key, delta_g1, engine)
    tell("sigmas", 0.95)
    _check_sigmas(zkey.key, sigmas, engine)
    tell("done", 1.0)
    verifying = replace(zkey.key.verifying, program=r1cs.digest(), insecure=False)
    return replace(zkey.key, verifying=verifying)


def _nothing() -> tuple[Array, Array, Array, Array, bytes]:
    return np.zeros_like(ONE_G1), np.zeros_like(ONE_G1), np.zeros_like(ONE_G1), np.zeros_like(ONE_G2), b""


def _times(engine: Relations, group: Group, points: Array, scalar: Array) -> Array:
    """scalar · points_i."""
    scalars = np.ascontiguousarray(np.broadcast_to(scalar, (len(points), 4)))
    return group.multiply(points, scalars, threads=engine.threads)


def _contributed(zkey: Zkey, stream: ChaCha, described: Contribution, engine: Relations, tell: Progress) -> Zkey:
    kernels, key = engine.kernels, zkey.key
    secret = stream.scalar()
    g1_s = stream.g1(kernels)
    times = partial(_times, engine)
    g1_sx, delta_g1 = times(kernels.g1, np.stack([g1_s, key.delta_g1]), secret)
    bound = transcript(zkey.circuit_hash, zkey.contributions, g1_s, g1_sx)
    g2_spx, delta_g2 = times(kernels.g2, np.stack([hash_to_g2(bound, kernels), key.verifying.delta_g2]), secret)
    inverse = kernels.fr.inverse(secret[None])[0]
    tell("commitments", 0.0)
    steps = [_contribute_sigma(key, place, bound, stream, engine) for place in range(len(key.commitments))]
    described_sigmas = tuple(step[2] for step in steps)
    tell("C", 0.2)
    c_query = times(kernels.g1, key.c_query, inverse)
    tell("H", 0.6)
    h_query = times(kernels.g1, key.h_query, inverse)
    changed = replace(
        key,
        verifying=replace(key.verifying, delta_g2=delta_g2, commitments=described_sigmas, insecure=False),
        commitments=tuple(step[1] for step in steps),
        delta_g1=delta_g1,
        c_query=c_query,
        h_query=h_query,
    )
    contribution = replace(
        described,
        delta_after=delta_g1,
        g1_s=g1_s,
        g1_sx=g1_sx,
        g2_spx=g2_spx,
        transcript=bound,
        sigmas=tuple(step[0] for step in steps),
    )
    tell("done", 1.0)
    return Zkey(changed, zkey.circuit_hash, (*zkey.contributions, contribution))


def _contribute_sigma(
    key: ProvingKey, place: int, bound: bytes, stream: ChaCha, engine: Relations
) -> tuple[SigmaContribution, CommitmentProvingKey, CommitmentVerifyingKey]:
    kernels, commitment, described = engine.kernels, key.commitments[place], key.verifying.commitments[place]
    secret = stream.scalar()
    g1_s = stream.g1(kernels)
    g1_sx = _times(engine, kernels.g1, g1_s[None], secret)[0]
    target = hash_to_g2(sigma_transcript(bound, place, g1_s, g1_sx), kernels)
    g2_spx, g_sigma_neg = _times(engine, kernels.g2, np.stack([target, described.g_sigma_neg]), secret)
    shown = SigmaContribution(kernels.g2.neg(g_sigma_neg[None])[0], g1_s, g1_sx, g2_spx)
    basis_sigma = _times(engine, kernels.g1, commitment.basis_sigma, secret)
    return shown, replace(commitment, basis_sigma=basis_sigma), replace(described, g_sigma_neg=g_sigma_neg)


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
    if key.verifying.commitment_g is not None and initial.verifying.commitment_g is not None:
        pairs["G"] = (key.verifying.commitment_g, initial.verifying.commitment_g)
    for place, (one, other) in enumerate(zip(key.commitments, initial.commitments, strict=False)):
        pairs[f"the basis of commitment {place + 1}"] = (one.basis, other.basis)
    if _form(key) != _form(initial):
        raise ArtefactMismatch("the key has not the statement, the commitments or the domain of the circuit")
    for name, (theirs, ours) in pairs.items():
        if not np.array_equal(theirs, ours):
            raise ArtefactMismatch(f"{name} of the key is not that of the circuit and its powers of tau")


def _form(key: ProvingKey) -> tuple[object, ...]:
    described = [(k.name, k.persistent) for k in key.verifying.commitments]
    described.append(("G", key.verifying.commitment_g is not None))
    return key.domain, key.n_wires, key.verifying.n_challenges, described, len(key.commitments)


def _check_chain(zkey: Zkey, engine: Relations, tell: Progress) -> tuple[Array, list[Array]]:
    """Follow the contributions from δ = 1 and σ_k = 1; returns [δ]₁ and each [σ_k]₂ after the last."""
    kernels = engine.kernels
    delta: Array = ONE_G1
    sigmas: list[Array] = [ONE_G2] * len(zkey.key.commitments)
    for index, contribution in enumerate(zkey.contributions):
        label = f"contribution {index + 1} ({contribution.name or 'unnamed'})"
        share = part(tell, index / len(zkey.contributions), (index + 1) / len(zkey.contributions))
        share("contributions", 0.0)
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
        sigmas = _check_sigma_steps(contribution, sigmas, label, engine)
        if contribution.beacon:
            _check_beacon(contribution, label, kernels, share)
        delta = contribution.delta_after
    return delta, sigmas


def _check_sigma_steps(
    contribution: Contribution, before: Sequence[Array], label: str, engine: Relations
) -> list[Array]:
    kernels = engine.kernels
    if len(contribution.sigmas) != len(before):
        raise ArtefactMismatch(f"{label}: it has {len(contribution.sigmas)} parts for {len(before)} commitments")
    for place, (sigma, previous) in enumerate(zip(contribution.sigmas, before, strict=True)):
        g1, g2 = np.stack([sigma.g1_s, sigma.g1_sx]), np.stack([sigma.sigma_after, sigma.g2_spx])
        if not (kernels.g1.valid(g1).all() and kernels.g2.valid(g2).all()):
            raise ArtefactMismatch(f"{label}: a point for commitment {place + 1} is not in its group")
        target = hash_to_g2(sigma_transcript(contribution.transcript, place, sigma.g1_s, sigma.g1_sx), kernels)
        if not engine.same_ratio(sigma.g1_s, sigma.g1_sx, target, sigma.g2_spx):
            raise ArtefactMismatch(f"{label}: its proof of knowledge for commitment {place + 1} does not hold")
        if not engine.same_ratio(sigma.g1_s, sigma.g1_sx, previous, sigma.sigma_after):
            raise ArtefactMismatch(f"{label}: it changed sigma {place + 1} by another factor than it shows")
    return [sigma.sigma_after for sigma in contribution.sigmas]


def _check_beacon(contribution: Contribution, label: str, kernels: FieldKernels, tell: Progress) -> None:
    if contribution.iterations_log > MAX_ITERATIONS_LOG:
        raise ArtefactMismatch(
            f"{label}: 2^{contribution.iterations_log} iterations cannot be repeated; up to 2^{MAX_ITERATIONS_LOG} are"
        )
    stream = beacon_stream(contribution.beacon, contribution.iterations_log, tell)
    parts = [(contribution.g1_s, contribution.g1_sx), *((part.g1_s, part.g1_sx) for part in contribution.sigmas)]
    for shown_s, shown_sx in parts:
        secret, g1_s = stream.scalar(), stream.g1(kernels)
        g1_sx = kernels.g1.multiply(g1_s[None], secret[None])[0]
        if not (np.array_equal(g1_s, shown_s) and np.array_equal(g1_sx, shown_sx)):
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


def _check_sigmas(key: ProvingKey, sigmas: Sequence[Array], engine: Relations) -> None:
    g1, g2 = engine.kernels.g1, engine.kernels.g2
    for place, (commitment, sigma) in enumerate(zip(key.commitments, sigmas, strict=True)):
        if not np.array_equal(key.verifying.commitments[place].g_sigma_neg, g2.neg(sigma[None])[0]):
            raise ArtefactMismatch(f"sigma {place + 1} of the key is not that of the last contribution")
        basis, basis_sigma = commitment.basis, commitment.basis_sigma
        if basis.shape != basis_sigma.shape or not g1.valid(basis_sigma, threads=engine.threads).all():
            raise ArtefactMismatch(f"the basis of commitment {place + 1} has another size, or a point off the curve")
        weights = random_weights(len(basis))
        combined = engine.combine(g1, basis, weights), engine.combine(g1, basis_sigma, weights)
        if not engine.same_ratio(*combined, ONE_G2, sigma):
            raise ArtefactMismatch(f"the basis of commitment {place + 1} is not multiplied by its sigma")
