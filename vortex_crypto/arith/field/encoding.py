"""Points as bytes: the uncompressed form of EIP-196/197 and a compressed one, both big-endian, both checked when read.

- G1 uncompressed, 64 bytes: x ‖ y. Infinity is all zeros.
- G2 uncompressed, 128 bytes: x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0, the imaginary part first as in EIP-197. Infinity is all zeros.
- Compressed, 32 and 64 bytes: the abscissa as above. The two highest bits of the first byte are free, p being below
  2^254: 0x80 says that y is the larger of the two roots (y > (p-1)/2; in G2 c1 decides, and c0 where c1 is zero), 0x40
  says infinity, all else then being zero. These are the flags of snarkjs and ffjavascript.

Every value has exactly one encoding: reading refuses coordinates that are not reduced and flags that mean nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import Array
from vortex_crypto.arith.field.bn254 import FQ, LIMBS
from vortex_crypto.arith.field.kernels import FieldKernels, Group
from vortex_crypto.errors import MalformedProof

LARGER, INFINITY = 0x80, 0x40

_HALF = np.array([((FQ.modulus - 1) // 2 >> 64 * i) & (1 << 64) - 1 for i in range(LIMBS)], dtype=np.uint64)


def limbs_to_bytes(plain: Array) -> NDArray[np.uint8]:
    """uint64 [..., 4] plain integers -> uint8 [..., 32], big-endian."""
    big = np.ascontiguousarray(plain[..., ::-1]).astype(">u8")
    return big.view(np.uint8).reshape(*plain.shape[:-1], 8 * LIMBS)


def limbs_from_bytes(data: NDArray[np.uint8]) -> Array:
    """uint8 [..., 32], big-endian -> uint64 [..., 4] plain integers."""
    words = np.ascontiguousarray(data).view(">u8").reshape(*data.shape[:-1], LIMBS)
    return np.ascontiguousarray(words[..., ::-1].astype(np.uint64))


def encode_g1(kernels: FieldKernels, points: Array, *, compressed: bool = False) -> NDArray[np.uint8]:
    """uint64 [n, 2, 4] -> uint8 [n, 64], or [n, 32] compressed."""
    return _encode(kernels, points, compressed)


def encode_g2(kernels: FieldKernels, points: Array, *, compressed: bool = False) -> NDArray[np.uint8]:
    """uint64 [n, 2, 2, 4] -> uint8 [n, 128], or [n, 64] compressed."""
    return _encode(kernels, points, compressed)


def decode_g1(kernels: FieldKernels, data: NDArray[np.uint8], *, compressed: bool = False) -> Array:
    """uint8 [n, 64], or [n, 32] compressed -> uint64 [n, 2, 4], every point checked.

    Raises:
        MalformedProof: a coordinate is not reduced, a flag is wrong, or a point is not on the curve.
    """
    return _decode(kernels, kernels.g1, data, compressed)


def decode_g2(kernels: FieldKernels, data: NDArray[np.uint8], *, compressed: bool = False) -> Array:
    """uint8 [n, 128], or [n, 64] compressed -> uint64 [n, 2, 2, 4], every point checked.

    Raises:
        MalformedProof: as `decode_g1`, or a point is on the twist but outside of the subgroup of order r.
    """
    return _decode(kernels, kernels.g2, data, compressed)


def _encode(kernels: FieldKernels, points: Array, compressed: bool) -> NDArray[np.uint8]:
    n, degree = len(points), points.ndim - 2
    plain = kernels.fq.from_montgomery(np.ascontiguousarray(points).reshape(-1, LIMBS)).reshape(n, 2, degree, LIMBS)
    if not compressed:
        return limbs_to_bytes(plain[:, :, ::-1]).reshape(n, 2 * degree * 8 * LIMBS)
    data = limbs_to_bytes(plain[:, 0, ::-1]).reshape(n, degree * 8 * LIMBS)
    infinite = ~plain.any(axis=(1, 2, 3))
    data[:, 0] |= np.where(_larger(plain[:, 1]), LARGER, 0).astype(np.uint8)
    data[:, 0] |= np.where(infinite, INFINITY, 0).astype(np.uint8)
    return data


def _decode(kernels: FieldKernels, group: Group, data: NDArray[np.uint8], compressed: bool) -> Array:
    coordinates = int(np.prod(group.point)) // LIMBS
    size = 8 * LIMBS * coordinates // (2 if compressed else 1)
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != size:
        raise MalformedProof(f"points take uint8 [n, {size}], not {data.dtype} {list(data.shape)}")
    points = _decompress(kernels, group, data) if compressed else _read(kernels, data, coordinates // 2)
    points = points.reshape(len(data), *group.point)
    _refuse(~group.valid(points), "is not on the curve, or not in the subgroup of order r")
    return points


def _decompress(kernels: FieldKernels, group: Group, data: NDArray[np.uint8]) -> Array:
    flags, x_bytes = data[:, 0] & (LARGER | INFINITY), data.copy()
    x_bytes[:, 0] &= 0xFF ^ (LARGER | INFINITY)
    infinite = flags & INFINITY != 0
    _refuse(
        np.logical_and(infinite, (flags != INFINITY) | x_bytes.any(axis=1)),
        "is marked as infinity and holds other bits",
    )
    degree = int(np.prod(group.point)) // (2 * LIMBS)
    x = _read(kernels, x_bytes, degree).reshape(len(data), *group.point[1:])
    points, found = group.lift_x(x, flags & LARGER != 0)
    _refuse(~found & ~infinite, "has no point of the curve at its abscissa")
    points[infinite] = 0
    return points


def _read(kernels: FieldKernels, data: NDArray[np.uint8], degree: int) -> Array:
    """Big-endian coordinates of `degree` parts, the imaginary part first -> Montgomery form [n, k, degree, 4]."""
    n, count = len(data), data.shape[1] // (8 * LIMBS * degree)
    plain = limbs_from_bytes(data.reshape(n, count, degree, 8 * LIMBS)[:, :, ::-1])
    flat = plain.reshape(-1, LIMBS)
    reduced = kernels.fq.is_canonical(flat).reshape(n, count * degree)
    _refuse(np.asarray((~reduced).any(axis=1)), "has a coordinate that is not below p")
    return kernels.fq.to_montgomery(flat).reshape(n, count, degree, LIMBS)


def _refuse(bad: NDArray[np.bool_], what: str) -> None:
    if bad.any():
        raise MalformedProof(f"point {int(np.argmax(bad))} {what}")


def _larger(y: Array) -> NDArray[np.bool_]:
    """y plain uint64 [n, k, 4] -> whether its deciding coordinate, the last that is not zero, is above (p-1)/2."""
    deciding = y[:, -1]
    if y.shape[1] == 2:
        deciding = np.where(y[:, 1].any(axis=1, keepdims=True), y[:, 1], y[:, 0])
    above = np.zeros(len(y), dtype=np.bool_)
    for limb in range(LIMBS):  # from the least significant limb, a higher one overrules
        above = np.where(deciding[:, limb] == _HALF[limb], above, deciding[:, limb] > _HALF[limb])
    return above
