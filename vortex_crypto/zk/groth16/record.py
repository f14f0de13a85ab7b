"""A ceremony under way as an artefact: the key so far and its contributions, commitments included.

What a .zkey is to plain systems, this is to those with commitments, which .zkey files cannot hold; plain ones fit too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import LIMBS
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.container import Artefact
from vortex_crypto.errors import MalformedArtefact
from vortex_crypto.zk.groth16 import serialize
from vortex_crypto.zk.groth16.snarkjs.contributions import (
    HASH_BYTES,
    MAX_CONTRIBUTIONS,
    Contribution,
    SigmaContribution,
)
from vortex_crypto.zk.groth16.snarkjs.zkey import Zkey

Array = NDArray[Any]

KIND = "zk-ceremony"
_G1, _G2 = "contributions.g1", "contributions.g2"
_FIELDS = {"name": str, "beacon": bytes, "iterations_log": int, "transcript": bytes}


def ceremony_to_artefact(zkey: Zkey) -> Artefact:
    """The key and its contributions as an artefact of kind `zk-ceremony`, insecure as long as it is not verified."""
    key = serialize.proving_key_to_artefact(zkey.key)
    count, commitments = len(zkey.contributions), len(zkey.key.commitments)
    g1 = np.zeros((count, 3 + 2 * commitments, 2, LIMBS), dtype=np.uint64)
    g2 = np.zeros((count, 1 + 2 * commitments, 2, 2, LIMBS), dtype=np.uint64)
    for index, contribution in enumerate(zkey.contributions):
        g1[index, :3] = contribution.delta_after, contribution.g1_s, contribution.g1_sx
        g2[index, 0] = contribution.g2_spx
        for place, sigma in enumerate(contribution.sigmas):
            g1[index, 3 + 2 * place : 5 + 2 * place] = sigma.g1_s, sigma.g1_sx
            g2[index, 1 + 2 * place : 3 + 2 * place] = sigma.sigma_after, sigma.g2_spx
    described = [{name: getattr(contribution, name) for name in _FIELDS} for contribution in zkey.contributions]
    meta = {**key.meta, "circuit_hash": zkey.circuit_hash, "contributions": described}
    return Artefact(KIND, key.program, meta, {**key.arrays, _G1: g1, _G2: g2}, insecure=True)


def ceremony_from_artefact(artefact: Artefact, *, kernels: FieldKernels | None = None) -> Zkey:
    """The ceremony of an artefact; whether its contributions are true is for `ceremony.verify` to say.

    Raises:
        MalformedArtefact: it is of another kind, arrays do not fit together, or a point of the verifying key is not
            valid.
    """
    artefact.expect(kind=KIND)
    meta, arrays = dict(artefact.meta), dict(artefact.arrays)
    circuit_hash, described = meta.pop("circuit_hash", None), meta.pop("contributions", None)
    if not isinstance(circuit_hash, bytes) or len(circuit_hash) != HASH_BYTES or not isinstance(described, list):
        raise MalformedArtefact("this zk-ceremony: the circuit's hash or the list of contributions is missing")
    if len(described) > MAX_CONTRIBUTIONS:
        raise MalformedArtefact(f"this zk-ceremony: at most {MAX_CONTRIBUTIONS} contributions are read")
    g1, g2 = arrays.pop(_G1, None), arrays.pop(_G2, None)
    within = replace(artefact, kind=serialize.PROVING, meta=meta, arrays=arrays)
    key = serialize.proving_key_from_artefact(within, kernels=kernels)
    count, commitments = len(described), len(key.commitments)
    g1 = _points(_G1, g1, (count, 3 + 2 * commitments, 2, LIMBS))
    g2 = _points(_G2, g2, (count, 1 + 2 * commitments, 2, 2, LIMBS))
    contributions = (_contribution(item, index, g1[index], g2[index]) for index, item in enumerate(described))
    return Zkey(key, circuit_hash, tuple(contributions))


def _points(name: str, points: Array | None, shape: tuple[int, ...]) -> Array:
    if points is None or points.shape != shape or points.dtype != np.uint64:
        raise MalformedArtefact(f"this zk-ceremony: {name!r} should be uint64 {list(shape)}")
    return points


def _contribution(item: Any, index: int, g1: Array, g2: Array) -> Contribution:
    fine = isinstance(item, dict) and {name: type(value) for name, value in item.items()} == _FIELDS
    if not fine or not 0 <= item["iterations_log"] < 64 or len(item["transcript"]) != HASH_BYTES:
        raise MalformedArtefact(f"this zk-ceremony: contribution {index + 1} is not of the known form")
    if len(item["name"]) > 255 or len(item["beacon"]) > 255:
        raise MalformedArtefact(f"this zk-ceremony: contribution {index + 1} has a name or a beacon of over 255 bytes")
    parts = zip(g2[1::2], g1[3::2], g1[4::2], g2[2::2], strict=True)
    sigmas = tuple(SigmaContribution(*part) for part in parts)
    return Contribution(g1[0], g1[1], g1[2], g2[0], sigmas=sigmas, **item)
