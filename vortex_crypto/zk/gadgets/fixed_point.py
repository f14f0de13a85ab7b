"""Fixed point: dividing an accumulator by 2^shift with rounding half up, for signed numbers.

y is a hint, and rem = acc + 2^(shift-1) - 2^shift·y must lie in [0, 2^shift), y + 2^(bits-1) in [0, 2^bits): no
constraint besides the two range checks. y is then unique, since 2^(bits+shift) < r.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.gadgets.range import in_signed_range
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.linear import Array, Linear, Operand, linear

_MACHINE = 61
"""Values and half steps of fewer bits add up within 63."""


@hint("round_shift")
def _round_shift(kernels: FieldKernels, inputs: list[Array], *, shift: int) -> Sequence[Array]:
    values = to_ints(inputs[0], kernels)
    if shift > _MACHINE or (values.dtype != object and np.abs(values).max(initial=0) >> _MACHINE):
        values = values.astype(object)  # machine integers would overflow
    return [round_shift(values, shift)]


def round_shift(acc: Array, shift: int) -> Array:
    """What `rescale` computes, on integers: floor(acc / 2^shift + 1/2)."""
    rounded: Array = (acc + (1 << shift - 1)) >> shift if shift else acc
    return rounded


def rescale(c: Circuit, acc: Operand, shift: int, bits: int) -> Linear:
    """round(acc / 2^shift), which must fit into `bits` bits, sign included."""
    y = rescale_unbounded(c, acc, shift, bits)
    in_signed_range(c, y, bits)
    return y


def rescale_unbounded(c: Circuit, acc: Operand, shift: int, bits: int) -> Linear:
    """As `rescale`, but that |y| < 2^(bits-1) is left to the caller, without whose range check y is not unique."""
    value = linear(acc)
    if shift < 0 or bits < 1 or bits + shift > 252:
        raise InvalidInput(f"a rescaling by 2^{shift} to {bits} bits would wrap around the field's order")
    if not shift:
        return value
    (y,) = c.hint("round_shift", [value], value.shape, shift=shift)
    c.range(value + (1 << shift - 1) - y * (1 << shift), shift)
    return y


def samples() -> tuple[Sample, ...]:
    """Every accumulator of a small width, and what falls outside."""

    def small(c: Circuit) -> None:
        c.expose("y", rescale(c, c.private("acc"), 2, 3))

    def wide(c: Circuit) -> None:
        c.expose("y", rescale(c, c.private("acc"), 20, 60))

    inside = range(-18, 14)
    accepted = tuple(({"acc": acc}, {"y": (acc + 2) >> 2}) for acc in inside)
    big = tuple(
        ({"acc": acc}, {"y": (acc + (1 << 19)) >> 20})
        for acc in (0, 1 << 70, -(1 << 70), (1 << 78) - 1, (1 << 63) - 1, 1 - (1 << 63))
    )
    return (
        Sample("small", small, accepted, tuple({"acc": acc} for acc in (-20, -19, 14, 15, 16, 1 << 40))),
        Sample("wide", wide, big, ({"acc": 1 << 80},)),
    )


def cheats() -> tuple[Cheat, ...]:
    """The neighbours of y, and the y that makes the remainder zero in the field."""

    def shifted(by: int) -> Cheat:
        def replacement(kernels: FieldKernels, inputs: list[Array], *, shift: int) -> Sequence[Array]:
            return [round_shift(to_ints(inputs[0], kernels), shift) + by]

        return Cheat(f"y off by {by}", "small", {"acc": 5}, "round_shift", replacement)

    def exact(kernels: FieldKernels, inputs: list[Array], *, shift: int) -> Sequence[Array]:
        value = (int(to_ints(inputs[0], kernels)[0]) + (1 << shift - 1)) * pow(1 << shift, -1, R) % R
        return [np.array([value], dtype=object)]

    return (shifted(1), shifted(-1), Cheat("exact quotient in the field", "small", {"acc": 5}, "round_shift", exact))
