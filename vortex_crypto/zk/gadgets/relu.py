"""ReLU, alone and fused with a rescaling: two constraints and one range check, or two of them.

s is a bit and t = s·y; the range check of 2t - y = |y| to bits - 1 bits forces s to be y's sign, and bounds y. At y = 0
both signs give t = 0. Fused: the rescaled y need not be range-checked by itself.
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
from vortex_crypto.zk.gadgets.fixed_point import rescale_unbounded
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.linear import Array, Linear, Operand, linear


@hint("sign")
def _sign(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
    """One where the value is not negative."""
    return [(to_ints(inputs[0], kernels) >= 0).astype(np.int64)]


def relu(c: Circuit, y: Operand, bits: int) -> Linear:
    """max(y, 0); y must satisfy |y| < 2^(bits-1), and is thereby checked to."""
    if not 1 < bits <= 252:
        raise InvalidInput(f"a ReLU of {bits}-bit numbers; 2 to 252 bits can be told apart")
    value = linear(y)
    (sign,) = c.hint("sign", [value], value.shape)
    assert_boolean(c, sign)
    result = c.mul(sign, value)
    c.range(result * 2 - value, bits - 1)
    return result


def rescale_relu(c: Circuit, acc: Operand, shift: int, bits: int) -> Linear:
    """max(round(acc / 2^shift), 0), the rounded value of at most `bits` bits, sign included."""
    return relu(c, rescale_unbounded(c, acc, shift, bits), bits)


def samples() -> tuple[Sample, ...]:
    """Every value of four bits, and every accumulator of a small fused gadget."""

    def alone(c: Circuit) -> None:
        c.expose("t", relu(c, c.private("y"), 4))

    def fused(c: Circuit) -> None:
        c.expose("t", rescale_relu(c, c.private("acc"), 2, 4))

    values = tuple(({"y": y}, {"t": max(y, 0)}) for y in range(-7, 8))
    accs = tuple(({"acc": acc}, {"t": max(acc + 2 >> 2, 0)}) for acc in range(-30, 30))
    return (
        Sample("alone", alone, values, tuple({"y": y} for y in (-9, -8, 8, 9, 1 << 50))),
        Sample("fused", fused, accs, tuple({"acc": acc} for acc in (-40, -31, 30, 31, 1 << 50))),
    )


def cheats() -> tuple[Cheat, ...]:
    """The other sign, a sign that is no bit, and a rescaling off by one."""

    def other(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
        return [(to_ints(inputs[0], kernels) < 0).astype(np.int64)]

    def fractional(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
        value = 3 * pow(int(to_ints(inputs[0], kernels)[0]), -1, R) % R  # t = 3 for any y
        return [np.array([value], dtype=object)]

    def off(kernels: FieldKernels, inputs: list[Array], *, shift: int) -> Sequence[Array]:
        return [(to_ints(inputs[0], kernels) >> shift) + 2]

    return (
        Cheat("negative passes", "alone", {"y": -3}, "sign", other),
        Cheat("positive is dropped", "alone", {"y": 3}, "sign", other),
        Cheat("any output by a sign that is no bit", "alone", {"y": -2}, "sign", fractional),
        Cheat("rescaling off by one", "fused", {"acc": 4}, "round_shift", off),
        Cheat("negative passes when fused", "fused", {"acc": -9}, "sign", other),
    )
