"""Binary decomposition: x = Σ 2^i·b_i with every b_i a bit, the lowest a linear combination: n constraints for n bits.

At most 252 bits: 2^254 is above r, so that decompositions into 254 bits are not unique (the aliasing of circom's
`Num2Bits(254)`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.discharge import split
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.gadgets.boolean import assert_boolean
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.linear import Array, Linear, Operand, linear, stack


def to_bits(c: Circuit, x: Operand, bits: int) -> Linear:
    """The bits of each value, lowest first, along a new last axis; the value is thereby in [0, 2^bits)."""
    if not 0 < bits <= 252:
        raise InvalidInput(f"a decomposition into {bits} bits; 1 to 252 are unique")
    values = linear(x)
    found = stack(split(c, values.flat, [1] * bits), axis=-1)
    assert_boolean(c, found)
    return found.reshape(*values.shape, bits)


def from_bits(bits: Linear) -> Linear:
    """Σ 2^i·b_i along the last axis; no constraint."""
    return (bits * np.array([1 << i for i in range(bits.shape[-1])], dtype=object)).sum(-1)


def samples() -> tuple[Sample, ...]:
    """Every value of three bits, the edges of eight, and values that have no such decomposition."""

    def three(c: Circuit) -> None:
        c.expose("bits", to_bits(c, c.private("x"), 3))

    def wide(c: Circuit) -> None:
        bits = to_bits(c, c.private("x"), 70)
        c.expose("x_again", from_bits(bits))

    exhaustive = tuple(({"x": x}, {"bits": [x >> i & 1 for i in range(3)]}) for x in range(8))
    large = (0, 1, (1 << 70) - 1, 0x123456789ABCDEF01)
    return (
        Sample("three", three, exhaustive, tuple({"x": x} for x in (-1, 8, 9, 1 << 60))),
        Sample("wide", wide, tuple(({"x": x}, {"x_again": x}) for x in large), ({"x": 1 << 70}, {"x": -1})),
    )


def cheats() -> tuple[Cheat, ...]:
    """The top bit takes all of x, which only its booleanity refuses; and a bit shifted by the field's order."""

    def top_takes_all(kernels: FieldKernels, inputs: Sequence[Array], *, sizes: list[int]) -> list[Array]:
        top = int(to_ints(inputs[0], kernels)[0]) * pow(1 << len(sizes) - 1, -1, R) % R
        return [np.array([0] * (len(sizes) - 2) + [top], dtype=object)]

    def bits_of_r_plus_x(kernels: FieldKernels, inputs: Sequence[Array], *, sizes: list[int]) -> list[Array]:
        alias = int(to_ints(inputs[0], kernels)[0]) + R
        return [np.array([alias >> i & 1 for i in range(1, len(sizes))], dtype=object)]

    return (
        Cheat("top bit takes all", "three", {"x": 5}, "limbs", top_takes_all),
        Cheat("bits of x + r", "wide", {"x": 5}, "limbs", bits_of_r_plus_x),
    )
