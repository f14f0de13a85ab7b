"""Gadgets at the greatest width they allow, where values modulo r begin to have second names: those are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.discharge import Table
from vortex_crypto.zk.field import MODULUS, to_ints
from vortex_crypto.zk.gadgets.bits import from_bits, to_bits
from vortex_crypto.zk.gadgets.comparison import less_than
from vortex_crypto.zk.gadgets.division import divide, divide_constant
from vortex_crypto.zk.gadgets.extremum import argmax, maximum
from vortex_crypto.zk.gadgets.fixed_point import rescale
from vortex_crypto.zk.gadgets.packed import rows_per_element
from vortex_crypto.zk.gadgets.range import in_interval, in_signed_range
from vortex_crypto.zk.gadgets.relu import relu, rescale_relu
from vortex_crypto.zk.interpret.audit import accepts
from vortex_crypto.zk.interpret.witness import outputs, solve
from vortex_crypto.zk.plan import Program

Build = Callable[[Circuit, Any], Any]
HIGH = 1 << 251

WIDEST: dict[str, tuple[Build, dict[int, int], tuple[int, ...]]] = {
    "bits": (
        lambda c, x: from_bits(to_bits(c, x, 252)),
        {0: 0, (1 << 252) - 1: (1 << 252) - 1},
        (1 << 252, -1, -(1 << 252)),
    ),
    "relu": (
        lambda c, x: relu(c, x, 252),
        {HIGH - 1: HIGH - 1, -HIGH + 1: 0, 0: 0},
        (HIGH, -HIGH, MODULUS // 2, -(MODULUS // 2)),
    ),
    "rescale": (
        lambda c, x: rescale(c, x, 120, 132),
        {(HIGH - (1 << 119)) - 1: (1 << 131) - 1, -HIGH - (1 << 119): -(1 << 131)},
        (HIGH - (1 << 119), -HIGH - (1 << 119) - 1, MODULUS // 2),
    ),
    "rescale and relu": (
        lambda c, x: rescale_relu(c, x, 200, 52),
        {5 << 200: 5, -(5 << 200): 0, 0: 0},
        (1 << 251, -(1 << 252), MODULUS // 2),
    ),
    "signed range": (
        lambda c, x: in_signed_range(c, x, 252) or x,
        {HIGH - 1: HIGH - 1, -HIGH: -HIGH},
        (HIGH, -HIGH - 1),
    ),
    "interval": (
        lambda c, x: in_interval(c, x, -5, HIGH) or x,
        {-5: -5, HIGH: HIGH},
        (-6, HIGH + 1, (1 << 252), MODULUS // 2),
    ),
    "less": (
        lambda c, x: less_than(c, x, (1 << 251) - 1, 251),
        {0: 1, (1 << 251) - 1: 0, (1 << 251) - 2: 1},
        (1 << 251, -1, MODULUS // 2),
    ),
    "division by a constant": (
        lambda c, x: divide_constant(c, x, 5, 249),
        {5 << 240: 1 << 240, -1: -1, (5 << 248) - 1: (1 << 248) - 1},
        (5 << 248, (-5 << 248) - 1, pow(5, -1, MODULUS)),
    ),
    "division": (
        lambda c, x: divide(c, x, 3, 125)[0],
        {(1 << 125) - 1: ((1 << 125) - 1) // 3, 0: 0},
        (1 << 125, -1, pow(3, -1, MODULUS)),
    ),
}
"""What is built around an input, outputs by accepted inputs, and refused inputs."""


def program(name: str) -> Program:
    c = Circuit(name)
    c.expose("y", WIDEST[name][0](c, c.private("x")))
    return c.finish()


def limbs_of_another_name(turns: int) -> Callable[..., Sequence[Any]]:
    """The limbs of value + turns·r, the highest taking all that is left."""

    def limbs(kernels: Any, inputs: list[Any], *, sizes: list[int]) -> Sequence[Any]:
        values = [int(v) % MODULUS + turns * MODULUS for v in to_ints(inputs[0], kernels)]
        shifts = np.cumsum(sizes)[:-1].tolist()
        rows = [[v >> s & (1 << size) - 1 for s, size in zip(shifts, sizes[1:], strict=True)] for v in values]
        for row, value in zip(rows, values, strict=True):
            row[-1] = value >> shifts[-1]
        return [np.array(rows, dtype=object).reshape(-1)]

    return limbs


@pytest.mark.parametrize("name", WIDEST)
def test_the_edges_are_exact_and_nothing_is_beyond_them(name: str) -> None:
    made, (_, accepted, refused) = program(name), WIDEST[name]
    for x, y in accepted.items():
        assert int(outputs(made, solve(made, {"x": x}))["y"]) == y
    for x in refused:
        assert not accepts(made, {"x": x}), x


@pytest.mark.parametrize("name", WIDEST)
def test_a_second_name_modulo_r_has_no_witness(name: str) -> None:
    made, (_, accepted, refused) = program(name), WIDEST[name]
    for turns in (1, -1, 2):
        for x in (*accepted, *refused):
            assert not accepts(made, {"x": x}, replace={"limbs": limbs_of_another_name(turns)}), (turns, x)


def test_extrema_compare_as_far_as_their_operands_reach() -> None:
    c, edge = Circuit("extrema"), (1 << 60) - 1
    x = c.private("x", (3,))
    in_signed_range(c, x, 61)
    c.expose("max", maximum(c, x, 61))
    c.expose("argmax", argmax(c, x, 61))
    made = c.finish()
    for values in ((edge, -edge, 0), (-edge - 1, -edge, edge), (-edge, edge, edge)):
        found = outputs(made, solve(made, {"x": values}))
        assert found["max"] == max(values)
        assert found["argmax"] == values.index(max(values))


@pytest.mark.parametrize(
    "build",
    [
        lambda c, x: to_bits(c, x, 253),
        lambda c, x: relu(c, x, 253),
        lambda c, x: rescale(c, x, 121, 132),
        lambda c, x: rescale_relu(c, x, 201, 52),
        lambda c, x: in_signed_range(c, x, 253),
        lambda c, x: in_interval(c, x, 0, 1 << 252),
        lambda c, x: less_than(c, x, 1, 252),
        lambda c, x: divide_constant(c, x, 5, 250),
        lambda c, x: divide(c, x, 3, 126),
        lambda c, x: c.range(x, 253),
        lambda c, x: rows_per_element(253),
        lambda c, x: Table("wide", (np.array([0, MODULUS], dtype=object), np.array([0, 1]))),
    ],
)
def test_wider_gadgets_are_not_built(build: Build) -> None:
    c = Circuit("too wide")
    with pytest.raises(InvalidInput):
        build(c, c.private("x"))
