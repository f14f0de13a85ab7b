"""The Groth16 verifier: one pairing product a proof, or one for many proofs of one key.

Both equations of `keys` are checked as one product, the second raised to a factor that the whole proof determines.
A proof that is well-formed and wrong gives False; anything malformed raises.
"""

from __future__ import annotations

import operator
import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput, MalformedProof
from vortex_crypto.zk.field import default_kernels, from_ints
from vortex_crypto.zk.groth16 import transcript
from vortex_crypto.zk.groth16.keys import Proof, VerifyingKey

Array = np.ndarray[Any, np.dtype[Any]]


def verify(
    key: VerifyingKey,
    proof: Proof,
    public: Sequence[int],
    *,
    expected: dict[str, Array] | None = None,
    kernels: FieldKernels | None = None,
) -> bool:
    """Whether the proof shows the statement.

    Args:
        key: the verifying key.
        proof: the proof.
        public: the public values, integers in [0, r), in the order of the key.
        expected: the points, uint64 [2, 4], that persistent commitments must equal, by name: what their owners
            published. A persistent commitment that is not named here may be to anything.
        kernels: the engine.

    Raises:
        InvalidInput: too few or too many public values, one that is not an integer in [0, r), an unknown commitment's
            name, or no proofs.
        MalformedProof: a point is not in its group, or the count of commitments is not the key's.
    """
    return verify_batch(key, [proof], [public], expected=expected, kernels=kernels)


def verify_batch(
    key: VerifyingKey,
    proofs: Sequence[Proof],
    publics: Sequence[Sequence[int]],
    *,
    expected: dict[str, Array] | None = None,
    kernels: FieldKernels | None = None,
) -> bool:
    """Whether every proof shows its statement, in one product of pairings; as `verify`.

    Each proof's equation is raised to a random 128-bit power, so a wrong proof passes with probability 2^-128.
    """
    kernels = kernels or default_kernels()
    if not proofs or len(proofs) != len(publics):
        raise InvalidInput(f"{len(proofs)} proofs and {len(publics)} lists of public values are given")
    statements = [_integers(public) for public in publics]
    for proof in proofs:
        check_points(key, proof, kernels)
    seeds = [transcript.seed(key, public, p.commitments) for p, public in zip(proofs, statements, strict=True)]
    if not all(_expected(key, proof, expected or {}) for proof in proofs):
        return False
    weights = [1] if len(proofs) == 1 else [1 + secrets.randbelow(1 << 128) for _ in proofs]
    left = kernels.g1.neg(np.stack([proof.a for proof in proofs]))
    if len(proofs) > 1:
        left = kernels.g1.multiply(left, from_ints(np.array(weights, dtype=object), kernels))
    fixed = _fixed_sides(key, proofs, statements, seeds, weights, kernels)
    lines = kernels.prepare_g2(np.stack([proof.b for proof in proofs]))
    return kernels.pairing_check(np.stack([*left, *fixed]), np.concatenate([lines, key.fixed_lines(kernels)]))


def check_points(key: VerifyingKey, proof: Proof, kernels: FieldKernels) -> None:
    """Nothing, if every point of the proof is in its group.

    Raises:
        MalformedProof: one is not, or a part is missing or too many.
    """
    extra = [] if proof.knowledge is None else [proof.knowledge]
    if len(proof.commitments) != len(key.commitments) or len(extra) != bool(key.commitments):
        raise MalformedProof(
            f"the proof has {len(proof.commitments)} commitments and {len(extra)} proofs of knowledge; "
            f"the key asks for {len(key.commitments)} and {int(bool(key.commitments))}"
        )
    if proof.b.shape != (2, 2, 4) or any(p.shape != (2, 4) for p in (proof.a, proof.c, *proof.commitments, *extra)):
        raise MalformedProof("a point of the proof has another shape than those of its group")
    points = np.stack([proof.a, proof.c, *proof.commitments, *extra])
    names = ["A", "C", *(f"commitment {c.name!r}" for c in key.commitments), "the proof of knowledge"]
    for name, valid in zip(names, kernels.g1.valid(points), strict=False):
        if not valid:
            raise MalformedProof(f"{name} is not a point of the curve with reduced coordinates")
    if not kernels.g2.valid(np.ascontiguousarray(proof.b)[None])[0]:
        raise MalformedProof("B is not a point of the subgroup of order r with reduced coordinates")


def _expected(key: VerifyingKey, proof: Proof, expected: dict[str, Array]) -> bool:
    names = [c.name for c in key.commitments if c.persistent]
    unknown = sorted(set(expected) - set(names))
    if unknown:
        raise InvalidInput(f"the key has no persistent commitment {unknown}; it has {names}")
    points = {c.name: point for c, point in zip(key.commitments, proof.commitments, strict=True)}
    return all(np.array_equal(points[name], value) for name, value in expected.items())


def _integers(public: Sequence[int]) -> list[int]:
    """Python's integers, in which sums cannot overflow; numpy's are taken, and anything else is refused."""
    try:
        return [operator.index(value) for value in public]
    except TypeError as error:
        raise InvalidInput(f"public values must be integers ({error})") from error


_SHORT = 1 << 48
"""Scalars below it make a sum of points cheap."""
_FEW = 16
"""Full-width scalars up to this count cost less one by one than in a common sum."""


def _sum(points: Array, values: Sequence[int], kernels: FieldKernels) -> Array:
    """Σ values_i·points_i, values in [0, r), points uint64 [n, 2, 4]; few long scalars among short ones stay cheap."""
    long = [place for place, value in enumerate(values) if _SHORT <= value <= R - _SHORT]
    if len(long) > _FEW:
        return kernels.g1.msm(points, from_ints(np.array(values, dtype=object), kernels))
    short = np.ones(len(values), dtype=bool)
    short[long] = False
    # Values just below r as the negatives they stand for, so that all of these are machine integers.
    small = [value if value < _SHORT else value - R for value in values if value < _SHORT or value > R - _SHORT]
    if not long:
        return (
            points[0] if small == [1] else kernels.g1.msm(points, from_ints(np.array(small, dtype=np.int64), kernels))
        )
    scaled = kernels.g1.multiply(points[long], from_ints(np.array([values[k] for k in long], dtype=object), kernels))
    if not small and len(long) == 1:
        only: Array = scaled[0]
        return only
    scalars = np.array([*small, *(1 for _ in long)], dtype=np.int64)
    return kernels.g1.msm(np.concatenate([points[short], scaled]), from_ints(scalars, kernels))


def _fixed_sides(
    key: VerifyingKey,
    proofs: Sequence[Proof],
    publics: Sequence[Sequence[int]],
    seeds: Sequence[bytes],
    weights: Sequence[int],
    kernels: FieldKernels,
) -> list[Array]:
    """The points of G1 paired with those of `VerifyingKey.fixed_lines`: sums over all proofs.

    e(Σρ·α, β) · e(Σρ·(IC + ΣD), γ) · e(Σρ·C, δ) · Π_k e(Σρμ·f^k·D_k, -σ_k·G) · e(Σρμ·P, G)

    which Π e(-ρ·A, B) completes; the sign is on A, so that a single proof's scalars are its public values as they are.
    """
    terms = [[1, *p, *transcript.challenges(s, key.n_challenges)] for p, s in zip(publics, seeds, strict=True)]
    if len(proofs) == 1:
        (ic,) = terms
    else:
        ic = [
            sum(w * value for w, value in zip(weights, column, strict=True)) % R for column in zip(*terms, strict=True)
        ]
    bound = [point for proof in proofs for point in proof.commitments]
    repeated = [weight for weight, proof in zip(weights, proofs, strict=True) for _ in proof.commitments]
    statement = _sum(np.concatenate([key.ic, *(p[None] for p in bound)]), [*ic, *repeated], kernels)
    total = _sum(np.stack([proof.c for proof in proofs]), weights, kernels)
    alpha = _sum(key.alpha_g1[None], [sum(weights)], kernels)
    sides = [alpha, statement, total]
    if key.commitment_g is None:
        return sides
    merged = [w * transcript.merge(s, p) % R for w, s, p in zip(weights, seeds, proofs, strict=True)]
    folds = [transcript.fold(seed) for seed in seeds]
    for place in range(len(key.commitments)):
        factors = [m * pow(f, place, R) % R for m, f in zip(merged, folds, strict=True)]
        points = np.stack([proof.commitments[place] for proof in proofs])
        sides.append(_sum(points, factors, kernels))
    knowledge = np.stack([p.knowledge for p in proofs if p.knowledge is not None])
    return [*sides, _sum(knowledge, merged, kernels)]
