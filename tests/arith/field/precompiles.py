"""The contracts of EIP-196 and EIP-197 on an engine: bytes in, bytes out, `MalformedProof` where the EVM call fails."""

from __future__ import annotations

import numpy as np

from vortex_crypto.arith.field.encoding import decode_g1, decode_g2, encode_g1, limbs_from_bytes
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import MalformedProof


def _points(data: bytes, size: int) -> np.ndarray:
    return np.frombuffer(data.ljust(size, b"\0")[:size], dtype=np.uint8)


def add(engine: FieldKernels, data: bytes) -> bytes:
    """Contract 0x06: missing bytes count as zeros, surplus ones are ignored."""
    points = decode_g1(engine, _points(data, 128).reshape(2, 64))
    return encode_g1(engine, engine.g1.add(points[:1], points[1:])).tobytes()


def multiply(engine: FieldKernels, data: bytes) -> bytes:
    """Contract 0x07: the scalar is any 256-bit integer."""
    padded = _points(data, 96)
    scalar = engine.fr.to_montgomery(limbs_from_bytes(padded[64:].reshape(1, 32)))
    return encode_g1(engine, engine.g1.multiply(decode_g1(engine, padded[:64].reshape(1, 64)), scalar)).tobytes()


def pairing(engine: FieldKernels, data: bytes) -> bytes:
    """Contract 0x08."""
    if len(data) % 192:
        raise MalformedProof(f"pairs take 192 bytes each, and there are {len(data)}")
    pairs = np.frombuffer(data, dtype=np.uint8).reshape(-1, 192)
    g1 = decode_g1(engine, np.ascontiguousarray(pairs[:, :64]))
    g2 = decode_g2(engine, np.ascontiguousarray(pairs[:, 64:]))
    return int(engine.pairing_check(g1, g2)).to_bytes(32, "big")


CONTRACTS = {"add": add, "multiply": multiply, "pairing": pairing}
