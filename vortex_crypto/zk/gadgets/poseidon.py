"""Poseidon over BN254's scalar field, with circomlib's parameters, so that hashes agree with circom circuits.

L. Grassi and others, "Poseidon: a new hash function for zero-knowledge proof systems" (USENIX Security 2021): width t,
S-box x^5, 8 full and R_P partial rounds; constants and matrix from the Grain generator of the paper's appendix E. Three
constraints an S-box: 3·(8·t + R_P), which is 243 for two inputs. The other state elements stay linear combinations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.gadgets.powers import power
from vortex_crypto.zk.linear import Linear, linear, stack

FULL_ROUNDS = 8
PARTIAL_ROUNDS = (56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68)
"""R_P for t = 2 .. 17."""


@dataclass(frozen=True)
class Parameters:
    """Round constants, row by row, and the matrix that mixes the state."""

    constants: tuple[tuple[int, ...], ...]
    matrix: tuple[tuple[int, ...], ...]


@cache
def parameters(width: int) -> Parameters:
    """For a state of `width` = 2 .. 17 elements."""
    if not 2 <= width <= len(PARTIAL_ROUNDS) + 1:
        raise InvalidInput(f"a Poseidon state of {width} elements; 2 to 17, so 1 to 16 inputs, are defined")
    rounds = FULL_ROUNDS + PARTIAL_ROUNDS[width - 2]
    bits = _grain(width, rounds - FULL_ROUNDS)
    flat: list[int] = []
    while len(flat) < rounds * width:
        value = _element(bits)
        if value < R:
            flat.append(value)
    points = [_element(bits) % R for _ in range(2 * width)]
    matrix = tuple(tuple(pow(x + y, -1, R) for y in points[width:]) for x in points[:width])
    return Parameters(tuple(tuple(flat[i : i + width]) for i in range(0, len(flat), width)), matrix)


def _grain(width: int, partial: int) -> Iterator[int]:
    """The self-shrinking Grain LFSR of 80 bits, seeded by the parameters."""
    fields = ((1, 2), (0, 4), (254, 12), (width, 12), (FULL_ROUNDS, 10), (partial, 10), ((1 << 30) - 1, 30))
    state = [int(bit) for value, size in fields for bit in f"{value:0{size}b}"]

    def step() -> int:
        new = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0]
        state.pop(0)
        state.append(new)
        return new

    for _ in range(160):
        step()
    while True:
        keep, bit = step(), step()
        if keep:
            yield bit


def _element(bits: Iterator[int]) -> int:
    value = 0
    for _ in range(254):
        value = value << 1 | next(bits)
    return value


def poseidon_int(inputs: Sequence[int]) -> int:
    """The hash of 1 to 16 integers, outside of any circuit: the definition."""
    return permute_ints([0, *(int(x) % R for x in inputs)], parameters(len(inputs) + 1))[0]


def permute_ints(state: Sequence[int], p: Parameters) -> list[int]:
    """The permutation of a state of integers in [0, r)."""
    found = list(state)
    for number, constants in enumerate(p.constants):
        found = [x + k for x, k in zip(found, constants, strict=True)]
        full = _is_full(number, len(p.constants))
        found = [pow(x, 5, R) if full or i == 0 else x for i, x in enumerate(found)]
        found = [sum(m * x for m, x in zip(row, found, strict=True)) % R for row in p.matrix]
    return found


def poseidon(c: Circuit, inputs: Linear) -> Linear:
    """The hash over the last axis, of 1 to 16 elements; all hashes of an array at once."""
    p = parameters(inputs.shape[-1] + 1)
    zeros = linear(np.zeros(inputs.shape[:-1], dtype=np.int64))
    return permute(c, [zeros, *(inputs[..., i] for i in range(inputs.shape[-1]))], p)[0]


def permute(c: Circuit, state: Sequence[Linear], p: Parameters) -> list[Linear]:
    """The permutation of a state of arrays of one shape, all of an array at once."""
    found, shape = list(state), state[0].shape
    for number, constants in enumerate(p.constants):
        found = [x + np.full(shape, k, dtype=object) for x, k in zip(found, constants, strict=True)]
        full = _is_full(number, len(p.constants))
        found = [power(c, x, 5) if full or i == 0 else x for i, x in enumerate(found)]
        whole = stack(found, axis=-1)
        found = [(whole * np.array(row, dtype=object)).sum() for row in p.matrix]
    return found


def _is_full(number: int, rounds: int) -> bool:
    return number < FULL_ROUNDS // 2 or number >= rounds - FULL_ROUNDS // 2


def samples() -> tuple[Sample, ...]:
    """One and two inputs, the latter against circomlib's published vector."""

    def hashed(count: int) -> Sample:
        def build(c: Circuit) -> None:
            c.expose("hash", poseidon(c, c.private("x", (count,))))

        cases = [tuple(range(1, count + 1)), (0,) * count, (-1,) * count]
        return Sample(f"{count} inputs", build, tuple(({"x": x}, {"hash": _centred(poseidon_int(x))}) for x in cases))

    return (hashed(1), hashed(2))


def _centred(value: int) -> int:
    return value - R if value > R // 2 else value


def cheats() -> tuple[Cheat, ...]:
    """None: the gadget has no hint."""
    return ()
