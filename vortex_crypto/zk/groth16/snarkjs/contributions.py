"""Contributions to phase 2 of a ceremony, as section 10 of a .zkey records them, and the hashes that chain them.

The scheme is that of S. Bowe, A. Gabizon and I. Miers, "Scalable multi-party computation for zk-SNARK parameters in the
random beacon model" (eprint 2017/1050), as snarkjs writes it. A contribution multiplies δ by a secret x and shows
s, x·s in G1 and x·S in G2, where S comes from hashing the transcript so far with s and x·s.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import FQ
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.groth16.keys import g1_bytes, g2_bytes
from vortex_crypto.zk.groth16.snarkjs.binary import Fields, SectionFile

Array = NDArray[Any]

SECTION = 10
HASH_BYTES = 64
MAX_CONTRIBUTIONS = 1 << 16
CONTRIBUTION, BEACON = 0, 1
_NAME, _ITERATIONS, _BEACON = 1, 2, 3


@dataclass(frozen=True, eq=False)
class SigmaContribution:
    """The part of a contribution that changes the σ of one commitment; .zkey files have none.

    Attributes:
        sigma_after: uint64 [2, 2, 4], [σ]₂ after it. [σ]₁ is never shown.
        g1_s, g1_sx: uint64 [2, 4], a random point and x times it.
        g2_spx: uint64 [2, 2, 4], x times the point that `sigma_transcript` hashes to.
    """

    sigma_after: Array
    g1_s: Array
    g1_sx: Array
    g2_spx: Array

    def public_key(self) -> bytes:
        """What the hashes take in."""
        return g2_bytes(self.sigma_after) + g1_bytes(self.g1_s) + g1_bytes(self.g1_sx) + g2_bytes(self.g2_spx)


@dataclass(frozen=True, eq=False)
class Contribution:
    """One party's step.

    Attributes:
        delta_after: uint64 [2, 4], [δ]₁ after it.
        g1_s, g1_sx: uint64 [2, 4], a random point and x times it.
        g2_spx: uint64 [2, 2, 4], x times the point that `transcript` hashes to.
        transcript: 64 bytes, the hash of everything before and of g1_s and g1_sx.
        name: what the party calls itself.
        beacon: the public value of a random beacon, which anyone can repeat; empty for a party's own randomness.
        iterations_log: log2 of how many times SHA-256 was applied to the beacon.
        sigmas: for systems with commitments, one part for each.
    """

    delta_after: Array
    g1_s: Array
    g1_sx: Array
    g2_spx: Array
    transcript: bytes
    name: str = ""
    beacon: bytes = b""
    iterations_log: int = 0
    sigmas: tuple[SigmaContribution, ...] = ()

    def public_key(self) -> bytes:
        """What the hashes take in."""
        points = g1_bytes(self.delta_after) + g1_bytes(self.g1_s) + g1_bytes(self.g1_sx) + g2_bytes(self.g2_spx)
        return points + self.transcript + b"".join(sigma.public_key() for sigma in self.sigmas)

    def digest(self) -> str:
        """The hash (hex) that snarkjs prints for the party to publish."""
        return hashlib.blake2b(self.public_key()).hexdigest()


def transcript(circuit_hash: bytes, before: Sequence[Contribution], g1_s: Array, g1_sx: Array) -> bytes:
    """The hash that a new contribution is bound to."""
    hasher = hashlib.blake2b(circuit_hash)
    for contribution in before:
        hasher.update(contribution.public_key())
    hasher.update(g1_bytes(g1_s) + g1_bytes(g1_sx))
    return hasher.digest()


def sigma_transcript(transcript: bytes, place: int, g1_s: Array, g1_sx: Array) -> bytes:
    """The hash that the part for one commitment is bound to, within the contribution of that transcript."""
    return hashlib.blake2b(transcript + b"sigma" + struct.pack(">I", place) + g1_bytes(g1_s) + g1_bytes(g1_sx)).digest()


def read_contributions(file: SectionFile) -> tuple[bytes, tuple[Contribution, ...]]:
    """The circuit's hash and the contributions of a .zkey; points are reduced, and not otherwise checked."""
    fields = Fields(file, SECTION)
    circuit_hash, count = fields.take(HASH_BYTES), fields.u32()
    if count > MAX_CONTRIBUTIONS:
        raise file.refuse(SECTION, f"announces {count} contributions; at most {MAX_CONTRIBUTIONS} are read")
    contributions = tuple(_read(file, fields) for _ in range(count))
    fields.end()
    return circuit_hash, contributions


def write_contributions(circuit_hash: bytes, contributions: Sequence[Contribution]) -> bytes:
    """The bytes of section 10."""
    records = b"".join(map(_write, contributions))
    return circuit_hash + struct.pack("<I", len(contributions)) + records


def _read(file: SectionFile, fields: Fields) -> Contribution:
    def point(*shape: int) -> Array:
        raw = np.frombuffer(fields.take(8 * int(np.prod(shape))), np.uint8)
        return file.limbs(SECTION, raw, shape[:-1], modulus=FQ.modulus)

    delta_after, g1_s, g1_sx, g2_spx = point(2, 4), point(2, 4), point(2, 4), point(2, 2, 4)
    digest, kind, size = fields.take(HASH_BYTES), fields.u32(), fields.u32()
    parameters = _parameters(file, fields.take(size))
    beacon = parameters.get(_BEACON, b"")
    iterations = parameters.get(_ITERATIONS, b"\0")[0]
    if kind not in (CONTRIBUTION, BEACON) or (kind == BEACON) != bool(beacon):
        raise file.refuse(SECTION, f"a contribution of kind {kind} does not fit its parameters")
    name = parameters.get(_NAME, b"").decode("utf-8", errors="replace")
    return Contribution(delta_after, g1_s, g1_sx, g2_spx, digest, name, beacon, iterations)


def _parameters(file: SectionFile, data: bytes) -> dict[int, bytes]:
    """Tagged values in rising order of tags: a name and a beacon with their lengths, the iterations as one byte."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        tag = data[at]
        start = at + 1 if tag == _ITERATIONS else at + 2
        end = start + (1 if tag == _ITERATIONS else data[at + 1] if at + 1 < len(data) else 0)
        if tag not in (_NAME, _ITERATIONS, _BEACON) or tag <= max(found, default=0) or end > len(data):
            raise file.refuse(SECTION, "a contribution's parameters cannot be parsed")
        found[tag] = data[start:end]
        at = end
    return found


def _write(contribution: Contribution) -> bytes:
    points = (contribution.delta_after, contribution.g1_s, contribution.g1_sx, contribution.g2_spx)
    name, beacon = contribution.name.encode(), contribution.beacon
    if len(name) > 255 or len(beacon) > 255:
        raise InvalidInput("a contribution's name and its beacon take at most 255 bytes each")
    parameters = bytes((_NAME, len(name))) + name if name else b""
    if beacon:
        parameters += bytes((_ITERATIONS, contribution.iterations_log, _BEACON, len(beacon))) + beacon
    head = b"".join(np.ascontiguousarray(p, dtype="<u8").tobytes() for p in points) + contribution.transcript
    return head + struct.pack("<II", BEACON if beacon else CONTRIBUTION, len(parameters)) + parameters
