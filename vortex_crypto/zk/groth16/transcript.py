"""Fiat-Shamir for Groth16 with commitments: SHA-256, so that a contract computes the same with a precompile.

    seed        = SHA-256(TAG ‖ verifying key's digest ‖ public values ‖ D_1 ‖ … ‖ D_K)
    scalar(t,j) = (SHA-256(seed ‖ t ‖ j ‖ 0) ‖ SHA-256(seed ‖ t ‖ j ‖ 1)) mod r

Field elements are 32 bytes, most significant first; a point is its x and then its y, and an element c0 + c1·u of the
quadratic extension is c1 and then c0, as in the Ethereum precompiles; t and j are single bytes. Five
hundred and twelve bits make the reduction's bias 2^-258. Everything a challenge should depend on is in the seed: the
key (and with it the circuit), the public values, and every committed wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.groth16.keys import Proof, VerifyingKey, g1_bytes, g2_bytes

Array = np.ndarray[Any, np.dtype[Any]]

TAG = b"vortex-crypto groth16 transcript 1"
CHALLENGE, FOLD, MERGE = 1, 2, 3


def seed(verifying: VerifyingKey, public: Sequence[int], commitments: Array) -> bytes:
    """The digest that binds key, public values and commitments.

    Args:
        verifying: the verifying key.
        public: `verifying.n_public` integers in [0, r).
        commitments: uint64 [K, 2, 4].

    Raises:
        InvalidInput: the counts do not fit the key, or a public value is not in [0, r).
    """
    if len(public) != verifying.n_public or len(commitments) != len(verifying.commitments):
        raise InvalidInput(
            f"the key takes {verifying.n_public} public values and {len(verifying.commitments)} commitments; "
            f"{len(public)} and {len(commitments)} are given"
        )
    if any(not 0 <= value < R for value in public):
        raise InvalidInput("a public value is not in [0, r)")
    values = b"".join(int(value).to_bytes(32, "big") for value in public)
    return hashlib.sha256(TAG + verifying.digest + values + g1_bytes(commitments)).digest()


def challenges(seed: bytes, count: int) -> list[int]:
    """The values of the challenge wires, at most 256."""
    return [_scalar(seed, CHALLENGE, j) for j in range(count)]


def fold(seed: bytes) -> int:
    """f of P = Σ_k f^k·σ_k·D_k, which joins the proofs of knowledge into one."""
    return _scalar(seed, FOLD, 0)


def merge(seed: bytes, proof: Proof) -> int:
    """The factor by which a verifier multiplies the second pairing equation to check both as one product."""
    if proof.knowledge is None:
        raise InvalidInput("a plain proof has one pairing equation and nothing to merge")
    points = g1_bytes(proof.a) + g2_bytes(proof.b) + g1_bytes(proof.c) + g1_bytes(proof.knowledge)
    return _scalar(hashlib.sha256(seed + points).digest(), MERGE, 0)


def _scalar(seed: bytes, kind: int, index: int) -> int:
    halves = (hashlib.sha256(seed + bytes((kind, index, half))).digest() for half in (0, 1))
    return int.from_bytes(b"".join(halves), "big") % R
