"""Zero tests and comparisons.

x = 0: with a hint v = 1/x, the two constraints x·v = 1 - z and x·z = 0 force z. a < b: for a, b in [0, 2^n), n <= 251,
a - b + 2^n = 2^n·t + rest with t a bit and rest in [0, 2^n), and t = 0 exactly when a < b. Both operands are
range-checked first, unless the caller says that they are already: without that, r itself would pass for a small number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.gadgets.boolean import assert_boolean
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.linear import Array, Linear, Operand, broadcast, linear


def is_zero(c: Circuit, x: Operand) -> Linear:
    """One where the value is zero, else zero; two constraints."""
    value = linear(x)
    (inverse,) = c.hint("quotient", [c.one.broadcast_to(value.shape), value], value.shape)
    zero = 1 - c.mul(value, inverse)
    c.assert_mul(value, zero, 0)
    return zero


def is_equal(c: Circuit, a: Operand, b: Operand) -> Linear:
    """One where a = b, else zero; two constraints."""
    return is_zero(c, linear(a) - linear(b))


@hint("carry")
def _carry(kernels: FieldKernels, inputs: list[Array], *, bits: int) -> Sequence[Array]:
    return [(to_ints(inputs[0], kernels) >> bits) & 1]


def less_than(c: Circuit, a: Operand, b: Operand, bits: int, *, checked: bool = False) -> Linear:
    """One where a < b, else zero, for a, b in [0, 2^bits).

    `checked` says that both operands are range-checked to `bits` elsewhere; one constraint and one range check then,
    three range checks otherwise.
    """
    if not 0 < bits <= 251:
        raise InvalidInput(f"a comparison of {bits}-bit numbers; 1 to 251 bits can be compared")
    x, y = broadcast(linear(a), linear(b))
    if not checked:
        c.range(x, bits)
        c.range(y, bits)
    shifted = x - y + (1 << bits)
    (carry,) = c.hint("carry", [shifted], shifted.shape, bits=bits)
    assert_boolean(c, carry)
    c.range(shifted - carry * (1 << bits), bits)
    return 1 - carry


def samples() -> tuple[Sample, ...]:
    """Zero tests, and every comparison of two-bit numbers, and of wide ones at the edges."""

    def zero(c: Circuit) -> None:
        x = c.private("x", (2,))
        c.expose("zero", is_zero(c, x))
        c.expose("equal", is_equal(c, x[0], x[1]))

    def less(c: Circuit, bits: int) -> None:
        c.expose("less", less_than(c, c.private("a"), c.private("b"), bits))

    zeros = tuple(
        ({"x": [a, b]}, {"zero": [int(a == 0), int(b == 0)], "equal": int(a == b)})
        for a, b in ((0, 0), (0, 5), (-3, -3))
    )
    top = (1 << 100) - 1
    pairs = tuple(({"a": a, "b": b}, {"less": int(a < b)}) for a in range(4) for b in range(4))
    wide = tuple(({"a": a, "b": b}, {"less": int(a < b)}) for a, b in ((0, top), (top, 0), (top, top), (top - 1, top)))
    outside = ({"a": -1, "b": 0}, {"a": 0, "b": 4}, {"a": 5, "b": 1}, {"a": 0, "b": -1})
    return (
        Sample("zero", zero, zeros),
        Sample("less", lambda c: less(c, 2), pairs, outside),
        Sample("wide", lambda c: less(c, 100), wide, ({"a": -1, "b": 1},)),
    )


def cheats() -> tuple[Cheat, ...]:
    """A false inverse, a flipped carry, and a carry that is no bit."""

    def nothing(kernels: FieldKernels, inputs: Sequence[Array]) -> list[Array]:
        return [np.zeros(len(inputs[0]), dtype=np.int64)]

    def flipped(kernels: FieldKernels, inputs: Sequence[Array], *, bits: int) -> list[Array]:
        return [1 - ((to_ints(inputs[0], kernels) >> bits) & 1)]

    def fraction(kernels: FieldKernels, inputs: Sequence[Array], *, bits: int) -> list[Array]:
        value = int(to_ints(inputs[0], kernels)[0]) * pow(1 << bits, -1, R) % R
        return [np.array([value], dtype=object)]

    return (
        Cheat("no inverse", "zero", {"x": [3, 4]}, "quotient", nothing),
        Cheat("flipped carry", "less", {"a": 1, "b": 2}, "carry", flipped),
        Cheat("flipped carry when not less", "less", {"a": 2, "b": 2}, "carry", flipped),
        Cheat("carry that is no bit", "less", {"a": 1, "b": 2}, "carry", fraction),
    )
