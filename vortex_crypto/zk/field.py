"""Scalars between people's integers and the kernels' Montgomery limbs, with a fast path for small signed integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from vortex_crypto.arith.engine import preferred
from vortex_crypto.arith.field import engine
from vortex_crypto.arith.field.arrays import decode, encode, ints_from_limbs, limbs_from_ints
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.arith.field.bn254 import R as MODULUS
from vortex_crypto.arith.field.kernels import FieldKernels

__all__ = ["MODULUS", "Scalars", "default_kernels", "from_ints", "is_small", "to_ints", "to_plain_ints", "to_small"]

Array = np.ndarray[Any, np.dtype[Any]]

_SMALL = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Scalars:
    """Elements as the kernels take them, uint64 [n, 4] in Montgomery form, in row-major order.

    For inputs of a circuit that are proved about again and again, such as a model's weights: converting them costs more
    than the rest of a small witness.
    """

    elements: Array


def default_kernels() -> FieldKernels:
    """The kernels of the engine that `arith.engine.preferred` names."""
    return _kernels(preferred())


@cache
def _kernels(name: str) -> FieldKernels:
    return engine(name)


def from_ints(values: Any, kernels: FieldKernels) -> Array:
    """Any integers, of any shape and sign, as uint64 [size, 4] in Montgomery form, in row-major order."""
    array = np.asarray(values)
    if array.dtype.kind in "bi" or (array.dtype.kind == "u" and array.dtype.itemsize < 8):
        return kernels.fr.from_int64(array.astype(np.int64).reshape(-1))
    flat = [int(value) for value in array.reshape(-1)]
    if all(-_SMALL <= value <= _SMALL for value in flat):
        return kernels.fr.from_int64(np.array(flat, dtype=np.int64))
    return kernels.fr.to_montgomery(limbs_from_ints(value % MODULUS for value in flat).reshape(-1, 4))


def to_plain_ints(elements: Array, kernels: FieldKernels) -> list[int]:
    """The integers in [0, r) of uint64 [n, 4]."""
    return ints_from_limbs(kernels.fr.from_montgomery(elements))


def to_small(elements: Array, kernels: FieldKernels) -> Array | None:
    """The elements as int64 [n], those above r/2 as negative, or None if one does not fit into 63 bits and a sign."""
    plain = kernels.fr.from_montgomery(elements)
    positive = is_small(plain)
    if positive.all():
        return plain[:, 0].astype(np.int64)
    opposite = kernels.fr.from_montgomery(kernels.fr.neg(elements))
    if not (positive | is_small(opposite)).all():
        return None
    return np.where(positive, plain[:, 0].astype(np.int64), -opposite[:, 0].astype(np.int64))


def to_ints(elements: Array, kernels: FieldKernels) -> Array:
    """The elements as centred integers: int64 [n] where all fit, Python integers in an object array otherwise."""
    small = to_small(elements, kernels)
    if small is not None:
        return small
    plain = to_plain_ints(elements, kernels)
    return np.array([value - MODULUS if value > MODULUS // 2 else value for value in plain], dtype=object)


def is_small(plain: Array) -> Array:
    """bool [n]: plain integers below 2^63."""
    small: Array = ~plain[:, 1:].any(axis=1) & (plain[:, 0] <= np.uint64(_SMALL))
    return small


def one(value: int) -> Array:
    """One element, uint64 [4], of any integer."""
    element: Array = encode(FR, [value])[0]
    return element


def as_int(element: Array) -> int:
    """The integer in [0, r) of one element, uint64 [4]."""
    return decode(FR, element)[0]
