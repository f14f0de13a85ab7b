"""Many values under one digest: small integers packed into scalars, and a sponge of Poseidon over those.

The sponge (G. Bertoni and others, "Sponge functions", 2007) permutes n scalars as `poseidon` does, at width rate + 1
with rate = min(16, n). Its capacity is one scalar, state[0], which begins as n. Blocks of `rate` scalars, the last one
filled up with zeros, are added to state[1:] before each permutation; the digest is state[1] after the last. Collisions
take about 2^126 evaluations. A permutation costs 3·(8·t + R_P) constraints: 612 for sixteen scalars.

Integers of [low, low + 2^bits) are packed side by side, as many as fit into 252 bits: packing costs nothing, and is
injective only where each has been range-checked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.gadgets.poseidon import parameters, permute, permute_ints
from vortex_crypto.zk.gadgets.range import in_signed_range
from vortex_crypto.zk.linear import Array, Linear, concatenate, linear

RATE = 16
PACKED_BITS = 252


def runs(bits: Sequence[int]) -> list[range]:
    """Which consecutive integers share a scalar, filled in order."""
    found, start, used = list[range](), 0, 0
    for place, size in enumerate(bits):
        if not 0 < size <= PACKED_BITS:
            raise InvalidInput(f"an integer of {size} bits; scalars hold 1 to {PACKED_BITS}")
        if used + size > PACKED_BITS:
            found.append(range(start, place))
            start, used = place, 0
        used += size
    return [*found, range(start, len(bits))]


def pack(values: Linear, low: Array, bits: Array) -> Linear:
    """Scalars that hold integers of [low, low + 2^bits), which the caller must have range-checked; no constraint."""
    found = []
    for run in runs(bits.tolist()):
        part = slice(run.start, run.stop)
        found.append(((values[part] - low[part]) * _places(bits[part])).sum().reshape(1))
    return concatenate(found)


def pack_ints(values: Sequence[int], low: Array, bits: Array) -> list[int]:
    """The scalars that `pack` gives, outside of any circuit.

    Raises:
        InvalidInput: an integer is out of its range.
    """
    shifted = [int(value) - least for value, least in zip(values, low.tolist(), strict=True)]
    if any(not 0 <= value < 1 << size for value, size in zip(shifted, bits.tolist(), strict=True)):
        raise InvalidInput("an integer to be packed is out of its range")
    return [
        sum(v * p for v, p in zip(shifted[r.start : r.stop], _places(bits[r.start : r.stop]), strict=True))
        for r in runs(bits.tolist())
    ]


def _places(bits: Array) -> Array:
    shifts = np.cumsum([0, *bits[:-1].tolist()]).tolist()
    return np.array([1 << shift for shift in shifts], dtype=object)


def sponge(c: Circuit, scalars: Linear) -> Linear:
    """The digest of a vector of scalars."""
    count, rate = scalars.size, min(RATE, scalars.size)
    p = parameters(rate + 1)
    state = [linear(count), *(linear(0) for _ in range(rate))]
    for start in range(0, count, rate):
        block = scalars[start : start + rate]
        state[1 : 1 + block.size] = [state[1 + i] + block[i] for i in range(block.size)]
        state = permute(c, state, p)
    return state[1]


def sponge_ints(scalars: Sequence[int]) -> int:
    """The digest of integers in [0, r), outside of any circuit: the definition."""
    rate = min(RATE, len(scalars))
    p = parameters(rate + 1)
    state = [len(scalars)] + [0] * rate
    for start in range(0, len(scalars), rate):
        block = scalars[start : start + rate]
        state[1 : 1 + len(block)] = [(s + x) % R for s, x in zip(state[1:], block, strict=False)]
        state = permute_ints(state, p)
    return state[1]


def samples() -> tuple[Sample, ...]:
    """One block, two blocks, and signed bytes packed 31 to a scalar."""

    def absorbed(count: int) -> Sample:
        def build(c: Circuit) -> None:
            c.expose("digest", sponge(c, c.private("x", (count,))))

        cases = (tuple(range(count)), (-1,) * count)
        return Sample(
            f"{count} scalars",
            build,
            tuple(({"x": x}, {"digest": _centred(sponge_ints([v % R for v in x]))}) for x in cases),
        )

    low, bits = np.full(40, -128), np.full(40, 8)

    def packed(c: Circuit) -> None:
        x = c.private("x", (40,))
        in_signed_range(c, x, 8)
        c.expose("digest", sponge(c, pack(x, low, bits)))

    signed = np.arange(40) * 6 - 120
    digest = _centred(sponge_ints(pack_ints(signed.tolist(), low, bits)))
    borrowed = signed.copy()
    borrowed[3:5] += (256, -1)  # packs to the same scalars
    refused = ({"x": borrowed}, {"x": np.where(np.arange(40) == 39, 128, signed)})
    return (absorbed(3), absorbed(18), Sample("packed", packed, (({"x": signed}, {"digest": digest}),), refused))


def _centred(value: int) -> int:
    return value - R if value > R // 2 else value


def cheats() -> tuple[Cheat, ...]:
    """None: the gadget has no hint."""
    return ()
