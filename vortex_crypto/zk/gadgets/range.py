"""Range checks: powers of two by `Circuit.range`, any interval by two of them.

`finish` discharges all of a circuit's range checks together (module `discharge`): one constraint a bit where they are
few, and with LogUp about one constraint a limb plus the tables where they are many.
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
from vortex_crypto.zk.linear import Array, Operand, linear


def in_signed_range(c: Circuit, x: Operand, bits: int) -> None:
    """-2^(bits-1) <= x < 2^(bits-1)."""
    c.range(linear(x) + (1 << bits - 1), bits)


def in_interval(c: Circuit, x: Operand, low: int, high: int) -> None:
    """low <= x <= high: one range check where high - low + 1 is a power of two, two otherwise."""
    span = high - low
    if span <= 0:
        raise InvalidInput(f"[{low}, {high}] is not an interval of at least two integers")
    value, bits = linear(x), span.bit_length()
    c.range(value - low, bits)
    if span + 1 != 1 << bits:
        c.range(high - value, bits)


def samples() -> tuple[Sample, ...]:
    """Small ranges by bits; many values by LogUp, with limbs of one and of several sizes."""

    def few(c: Circuit) -> None:
        x = c.private("x")
        c.range(x, 3)

    def interval(c: Circuit) -> None:
        x = c.private("x")
        in_interval(c, x, -2, 3)
        in_signed_range(c, x, 8)

    def many(c: Circuit) -> None:
        c.range(c.private("x", (200,)), 8)
        c.range(c.private("y", (100,)), 21)

    x, y = np.arange(200), np.arange(100) * 20_000
    x[0], y[0], y[1] = 255, (1 << 21) - 1, 0
    refused = [{"x": np.where(np.arange(200) == k, bad, x), "y": y} for k, bad in ((0, 256), (199, -1), (5, 1 << 61))]
    refused += [{"x": x, "y": np.where(np.arange(100) == k, bad, y)} for k, bad in ((0, 1 << 21), (99, -1))]
    return (
        Sample("few", few, tuple(({"x": v}, {}) for v in range(8)), tuple({"x": v} for v in (-1, 8, 9, 1 << 62))),
        Sample(
            "interval",
            interval,
            tuple(({"x": v}, {}) for v in range(-2, 4)),
            tuple({"x": v} for v in (-4, -3, 4, 5, 6)),
        ),
        Sample("many", many, (({"x": x, "y": y}, {}),), tuple(refused)),
    )


def cheats() -> tuple[Cheat, ...]:
    """Values out of range, helped by counts, limbs and inverses made to fit."""
    (_, _, many) = samples()
    honest = dict(many.accepted[0][0])
    outside = {**honest, "x": np.where(np.arange(200) == 7, 256, honest["x"])}
    wide = {**honest, "y": np.where(np.arange(100) == 7, (1 << 21) + 3, honest["y"])}

    def generous(kernels: FieldKernels, inputs: list[Array], *, size: int) -> Sequence[Array]:
        values = to_ints(np.concatenate(inputs), kernels)
        return [np.bincount((values % size).astype(np.int64), minlength=size)]

    def large_top(kernels: FieldKernels, inputs: list[Array], *, sizes: list[int]) -> Sequence[Array]:
        values = to_ints(inputs[0], kernels).astype(object)
        shifts = np.cumsum(sizes)[:-1]
        columns = [(values >> int(s)) % (1 << size) for s, size in zip(shifts[:-1], sizes[1:-1], strict=True)]
        return [np.stack([*columns, values >> int(shifts[-1])], axis=-1).reshape(-1)]

    def fractional_top(kernels: FieldKernels, inputs: list[Array], *, sizes: list[int]) -> Sequence[Array]:
        values = to_ints(inputs[0], kernels).astype(object)
        top = values * pow(1 << int(np.cumsum(sizes)[-2]), -1, R) % R
        zeros = [np.zeros(len(values), dtype=object)] * (len(sizes) - 2)
        return [np.stack([*zeros, top], axis=-1).reshape(-1)]

    def zero_quotients(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
        return [np.zeros(len(inputs[0]), dtype=np.int64)]

    return (
        Cheat("counts that look away", "many", outside, "counts", generous),
        Cheat("oversized top limb", "many", wide, "limbs", large_top),
        Cheat("top limb with a denominator", "many", wide, "limbs", fractional_top),
        Cheat("no inverses", "many", outside, "quotient", zero_quotients),
    )
