"""Inverses and exact quotients in the field; one constraint each, and no witness where the divisor is zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.linear import Array, Linear, Operand, broadcast, linear


def inverse(c: Circuit, x: Operand) -> Linear:
    """1 / x; one constraint: x·v = 1, which has no solution at x = 0."""
    value = linear(x)
    ones = c.one.broadcast_to(value.shape)
    (result,) = c.hint("quotient", [ones, value], value.shape)
    c.assert_mul(value, result, ones)
    return result


def quotient(c: Circuit, a: Operand, b: Operand) -> Linear:
    """a / b; two constraints. (The one constraint b·q = a would leave q free at a = b = 0.)"""
    x, y = broadcast(linear(a), linear(b))
    return c.mul(x, inverse(c, y))


def samples() -> tuple[Sample, ...]:
    """A few elements, and zero."""

    def both(c: Circuit) -> None:
        x = c.private("x")
        c.expose("again", c.mul(inverse(c, x), 6))
        c.expose("quotient", quotient(c, x, 2))

    third, half = pow(3, -1, R), pow(2, -1, R)
    centred = half * 3 % R - R if half * 3 % R > R // 2 else half * 3 % R
    accepted = (({"x": 2}, {"again": 3, "quotient": 1}), ({"x": -6}, {"again": -1, "quotient": -3}))
    odd = (({"x": 3}, {"again": 6 * third % R, "quotient": centred}),)
    return (Sample("both", both, accepted + odd, ({"x": 0},)),)


def cheats() -> tuple[Cheat, ...]:
    """Anything but the inverse."""

    def seven(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
        return [np.full(len(inputs[0]), 7, dtype=np.int64)]

    return (
        Cheat("another inverse", "both", {"x": 2}, "quotient", seven),
        Cheat("an inverse of zero", "both", {"x": 0}, "quotient", seven),
    )
