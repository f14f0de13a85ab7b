"""A second opinion: the Groth16 verifier over `py_ecc`, sharing no arithmetic with the engines.

Both pairing equations of `keys` are checked each by itself, as they are written there; a second or two a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from py_ecc import optimized_bn128 as bn128

from vortex_crypto.arith.field.arrays import g1_to_ints, g2_to_ints
from vortex_crypto.errors import MalformedProof
from vortex_crypto.zk.groth16 import transcript
from vortex_crypto.zk.groth16.keys import Proof, VerifyingKey

Array = np.ndarray[Any, np.dtype[Any]]


def verify_reference(key: VerifyingKey, proof: Proof, public: Sequence[int]) -> bool:
    """Whether the proof shows the statement; raises as `verify.verify`."""
    if len(proof.commitments) != len(key.commitments) or (proof.knowledge is None) != (key.commitment_g is None):
        raise MalformedProof("the proof's commitments are not those of the key")
    a, c, b = _g1(proof.a), _g1(proof.c), _g2(proof.b)
    bound = [_g1(point) for point in proof.commitments]
    seed = transcript.seed(key, public, proof.commitments)
    statement = _sum(bound)
    values = [1, *public, *transcript.challenges(seed, key.n_challenges)]
    for point, value in zip(key.ic, values, strict=True):
        statement = bn128.add(statement, bn128.multiply(_g1(point), value))
    right = [(_g1(key.alpha_g1), _g2(key.beta_g2)), (statement, _g2(key.gamma_g2)), (c, _g2(key.delta_g2))]
    if not _is_one([(bn128.neg(a), b), *right]):
        return False
    if key.commitment_g is None or proof.knowledge is None:
        return True
    fold = transcript.fold(seed)
    pairs = [(_g1(proof.knowledge), _g2(key.commitment_g))]
    for place, (point, commitment) in enumerate(zip(bound, key.commitments, strict=True)):
        pairs.append((bn128.multiply(point, pow(fold, place, bn128.curve_order)), _g2(commitment.g_sigma_neg)))
    return _is_one(pairs)


def _sum(points: Sequence[Any]) -> Any:
    total = bn128.Z1
    for point in points:
        total = bn128.add(total, point)
    return total


def _is_one(pairs: Sequence[tuple[Any, Any]]) -> bool:
    product = bn128.FQ12.one()
    for p, q in pairs:
        product *= bn128.pairing(q, p, final_exponentiate=False)
    return bool(bn128.final_exponentiate(product) == bn128.FQ12.one())


def _g1(point: Array) -> Any:
    _reduced(point)
    (found,) = g1_to_ints(np.ascontiguousarray(point)[None])
    result = bn128.Z1 if found is None else (bn128.FQ(found[0]), bn128.FQ(found[1]), bn128.FQ.one())
    if not bn128.is_on_curve(result, bn128.b):
        raise MalformedProof("a point of G1 is not on the curve")
    return result


def _g2(point: Array) -> Any:
    _reduced(point)
    (found,) = g2_to_ints(np.ascontiguousarray(point)[None])
    result = bn128.Z2 if found is None else (bn128.FQ2(found[0]), bn128.FQ2(found[1]), bn128.FQ2.one())
    if not bn128.is_on_curve(result, bn128.b2) or not bn128.is_inf(bn128.multiply(result, bn128.curve_order)):
        raise MalformedProof("a point of G2 is not in the subgroup of order r")
    return result


def _reduced(point: Array) -> None:
    for limbs in np.ascontiguousarray(point, dtype="<u8").reshape(-1, 4):
        if int.from_bytes(limbs.tobytes(), "little") >= bn128.field_modulus:
            raise MalformedProof("a coordinate is not reduced")
