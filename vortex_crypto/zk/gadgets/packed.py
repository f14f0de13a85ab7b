"""Matrix times vector with several rows in one field element: about k·m/P constraints instead of k·m.

P rows of small integers travel in one scalar, w_j = Σ_p 2^(T·p)·W_pj; then Σ_j w_j·x_j = Σ_p 2^(T·p)·acc_p holds the P
accumulators in slots of T bits, T·P <= 252. The slots are unique once every |acc_p| < 2^(T-1) is checked. A private
model is committed to in this packed form. A packed weight that is no packing of small integers is still one fixed
element, so that a commitment still fixes the function that is proved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.arrays import ints_from_limbs
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput, ShapeMismatch
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import one
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.gadgets.range import in_signed_range
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.linear import Array, Linear, concatenate

FIELD_BITS = 252


def rows_per_element(slot_bits: int) -> int:
    """P: how many slots of T bits fit."""
    if not 1 < slot_bits <= FIELD_BITS:
        raise InvalidInput(f"slots of {slot_bits} bits; 2 to {FIELD_BITS} fit into a scalar")
    return FIELD_BITS // slot_bits


def pack_rows(weights: Array, slot_bits: int) -> Array:
    """The integers W [m, k] as packed ones [ceil(m / P), k], of object dtype."""
    count = rows_per_element(slot_bits)
    padded = np.zeros((-(-len(weights) // count) * count, weights.shape[1]), dtype=object)
    padded[: len(weights)] = weights
    slots = np.array([1 << slot_bits * p for p in range(count)], dtype=object)
    packed: Array = (padded.reshape(-1, count, weights.shape[1]) * slots[:, None]).sum(axis=1)
    return packed


@hint("slots")
def _slots(kernels: FieldKernels, inputs: list[Array], *, slot_bits: int, count: int) -> Sequence[Array]:
    """The signed slots of each value but the lowest, which stays a linear combination."""
    half = 1 << slot_bits - 1
    # With half a slot added to each slot none borrows from the next, and their bits can be read off.
    lift = np.broadcast_to(one(sum(half << slot_bits * p for p in range(count))), inputs[0].shape)
    plain = kernels.fr.from_montgomery(kernels.fr.add(inputs[0], np.ascontiguousarray(lift)))
    return [np.stack([_bits(plain, slot_bits * p, slot_bits) - half for p in range(1, count)], axis=-1).reshape(-1)]


def _bits(plain: Array, start: int, bits: int) -> Array:
    """Bits [start, start + bits) of plain integers: int64, or of object dtype where they are too many for it."""
    if bits > 62:
        return np.array([value >> start & (1 << bits) - 1 for value in ints_from_limbs(plain)], dtype=object)
    limb, shift = divmod(start, 64)
    value = plain[:, limb] >> np.uint64(shift)
    if shift + bits > 64 and limb < 3:
        value = value | plain[:, limb + 1] << np.uint64(64 - shift)
    return (value & np.uint64((1 << bits) - 1)).astype(np.int64)


def packed_matvec(c: Circuit, packed: Linear, x: Linear, rows: int, slot_bits: int, *, bounded: bool = True) -> Linear:
    """W·x, [rows], from packed weights [groups, k] and x [k].

    With `bounded` every accumulator is range-checked to `slot_bits`. Without, the caller must check all of them, to no
    more than `slot_bits` bits with the sign: what a rescaling to B bits by 2^s does if s + B <= slot_bits.
    """
    groups, count = packed.shape[0], rows_per_element(slot_bits)
    if x.shape != packed.shape[1:] or not (groups - 1) * count < rows <= groups * count:
        raise ShapeMismatch(f"{rows} rows packed as {packed.shape} do not fit a vector of shape {x.shape}")
    accumulators = unpack(c, c.mul(packed, x.reshape(1, -1)).sum(), rows, slot_bits)
    if bounded:
        in_signed_range(c, accumulators, slot_bits)
    return accumulators


def unpack(c: Circuit, packed: Linear, rows: int, slot_bits: int) -> Linear:
    """The signed slots of packed scalars, [rows], only the last of which may be partly filled.

    Unique only once the caller bounds each to `slot_bits` bits.
    """
    count = rows_per_element(slot_bits)
    full, rest = divmod(rows, count)
    parts = [_unpack_each(c, packed[:full], count, slot_bits)] if full else []
    return concatenate([*parts, _unpack_each(c, packed[full:], rest, slot_bits)] if rest else parts)


def _unpack_each(c: Circuit, packed: Linear, count: int, slot_bits: int) -> Linear:
    """`count` slots of each scalar, one scalar after another."""
    if count == 1:
        return packed
    (upper,) = c.hint("slots", [packed], (packed.size, count - 1), slot_bits=slot_bits, count=count)
    weights = np.array([1 << slot_bits * p for p in range(1, count)], dtype=object)
    lowest = packed - (upper * weights).sum(axis=1)
    order = np.arange(packed.size * (count - 1)).reshape(packed.size, count - 1) + packed.size
    order = np.concatenate([np.arange(packed.size)[:, None], order], axis=1)
    return concatenate([lowest, upper.flat])[order.reshape(-1)]


def samples() -> tuple[Sample, ...]:
    """Ten rows in slots of 40 bits, so that the second group is half empty."""
    rng = np.random.default_rng(7)
    weights, x = rng.integers(-128, 128, (10, 5)), rng.integers(-99, 99, 5)

    def build(c: Circuit) -> None:
        packed = c.private("w", (2, 5), commitment="weights")
        c.expose("y", packed_matvec(c, packed, c.private("x", (5,)), 10, 40))

    accepted = (
        ({"w": pack_rows(weights, 40), "x": x}, {"y": weights @ x}),
        ({"w": pack_rows(weights * 0, 40), "x": x}, {"y": weights @ x * 0}),
    )
    large = pack_rows(weights, 40) * 0
    large[0, 0] = 1 << 245
    return (Sample("ten", build, accepted, ({"w": large, "x": x},)),)


def cheats() -> tuple[Cheat, ...]:
    """One slot borrows from the next; all is left to the lowest slot."""
    inputs = samples()[0].accepted[0][0]

    def borrow(kernels: FieldKernels, given: list[Array], *, slot_bits: int, count: int) -> Sequence[Array]:
        values = _slots(kernels, given, slot_bits=slot_bits, count=count)[0]
        values[0] += 1
        return [values]

    def nothing(kernels: FieldKernels, given: list[Array], *, slot_bits: int, count: int) -> Sequence[Array]:
        return [np.zeros(count - 1, dtype=np.int64)]

    return (
        Cheat("a slot borrows", "ten", inputs, "slots", borrow),
        Cheat("all in the lowest slot", "ten", inputs, "slots", nothing),
    )
