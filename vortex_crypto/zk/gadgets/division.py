"""Integer division with remainder, q = floor(a / d) and 0 <= rest < d: for constant and for private divisors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.gadgets.range import in_interval, in_signed_range
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.linear import Array, Linear, Operand, broadcast, linear


@hint("floor_divide")
def _floor_divide(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
    """floor(a / b), zero where b is zero."""
    a, b = (to_ints(x, kernels).astype(object) for x in inputs)
    return [np.array([x // y if y else 0 for x, y in zip(a, b, strict=True)], dtype=object)]


def divide_constant(c: Circuit, a: Operand, divisor: int, bits: int) -> Linear:
    """floor(a / divisor), which must fit into `bits` bits, sign included; up to three range checks."""
    if divisor < 1 or bits + divisor.bit_length() > 252:
        raise InvalidInput(f"a division by {divisor} to {bits} bits would wrap around the field's order, or by zero")
    value = linear(a)
    if divisor == 1:
        return value
    (quotient,) = c.hint("floor_divide", [value, linear(np.full(value.shape, divisor))], value.shape)
    in_interval(c, value - quotient * divisor, 0, divisor - 1)
    in_signed_range(c, quotient, bits)
    return quotient


def divide(c: Circuit, a: Operand, b: Operand, bits: int) -> tuple[Linear, Linear]:
    """(floor(a / b), remainder) for a, b in [0, 2^bits), which is checked; b = 0 has no witness.

    One constraint and five range checks.
    """
    if not 0 < bits <= 125:
        raise InvalidInput(f"a division of {bits}-bit numbers; the product of quotient and divisor allows 125 bits")
    x, y = broadcast(linear(a), linear(b))
    c.range(x, bits)
    c.range(y, bits)
    (quotient,) = c.hint("floor_divide", [x, y], x.shape)
    rest = x - c.mul(quotient, y)
    for value in (quotient, rest, y - 1 - rest):
        c.range(value, bits)
    return quotient, rest


def samples() -> tuple[Sample, ...]:
    """Every small division, and division by nothing."""

    def constant(c: Circuit) -> None:
        c.expose("q", divide_constant(c, c.private("a"), 5, 4))

    def private(c: Circuit) -> None:
        quotient, rest = divide(c, c.private("a"), c.private("b"), 3)
        c.expose("q", quotient)
        c.expose("rest", rest)

    fives = tuple(({"a": a}, {"q": a // 5}) for a in range(-40, 40))
    pairs = tuple(({"a": a, "b": b}, {"q": a // b, "rest": a % b}) for a in range(8) for b in range(1, 8))
    outside = ({"a": 5, "b": 0}, {"a": 0, "b": 0}, {"a": 8, "b": 3}, {"a": -1, "b": 1}, {"a": 1, "b": -1})
    return (
        Sample("constant", constant, fives, tuple({"a": a} for a in (-50, -41, 40, 41, 1 << 40))),
        Sample("private", private, pairs, outside),
    )


def cheats() -> tuple[Cheat, ...]:
    """Quotients off by one, and the exact quotient in the field."""

    def one_less(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
        a, b = (to_ints(x, kernels) for x in inputs)
        return [a // b - 1]

    def in_field(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
        a, b = (int(to_ints(x, kernels)[0]) for x in inputs)
        return [np.array([a * pow(b, -1, R) % R], dtype=object)]

    return (
        Cheat("remainder of at least the divisor", "constant", {"a": 13}, "floor_divide", one_less),
        Cheat("exact quotient of a constant divisor", "constant", {"a": 13}, "floor_divide", in_field),
        Cheat("remainder of at least a private divisor", "private", {"a": 7, "b": 2}, "floor_divide", one_less),
        Cheat("exact quotient of a private divisor", "private", {"a": 7, "b": 2}, "floor_divide", in_field),
    )
