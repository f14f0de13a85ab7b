"""Expanded circuits give what the regions mean, with the depth and the rotations promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vortex_crypto.errors import InvalidGraph, InvalidInput, MissingKey
from vortex_crypto.fhe import polynomial
from vortex_crypto.fhe.circuit import Circuit, Op
from vortex_crypto.fhe.interpret import clear
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.passes.expand import Strategy, expand
from vortex_crypto.fhe.rotations import walk

SLOTS = 64


def depth_of(circuit: Circuit) -> int:
    depth: dict[int, int] = {}
    for i in circuit.instructions:
        below = max((depth[w] for w in i.args), default=0)
        depth[i.outs[0]] = below + (i.op in (Op.MUL, Op.MUL_PLAIN))
    return max(depth[wire] for _, wire in circuit.outputs)


@pytest.mark.parametrize("degree", range(1, 130))
@pytest.mark.parametrize("parity", ["full", "odd", "even", "power"])
def test_polynomial_has_the_least_depth_and_the_right_value(degree: int, parity: str) -> None:
    rng = np.random.default_rng(degree)
    coefficients = rng.standard_normal(degree + 1)
    if parity == "odd":
        coefficients[(degree + 1) % 2 :: 2] *= 0
    if parity == "even":
        coefficients[1::2] = 0
    if parity == "power":
        coefficients[:-1] = 0
    coefficients[-1] = 1.5
    circuit = Circuit(SLOTS)
    circuit.output("y", circuit.polynomial(circuit.input("x"), coefficients.tolist()))
    body = expand(circuit.freeze())
    body.verify()
    x = np.linspace(-1, 1, SLOTS)
    assert depth_of(body) == (degree).bit_length() == polynomial.depth(degree)
    wanted = np.polynomial.chebyshev.chebval(x, coefficients)
    np.testing.assert_allclose(clear.run(body, {"x": x})["y"], wanted, atol=1e-10)
    np.testing.assert_allclose(clear.run(circuit, {"x": x})["y"], wanted, atol=1e-10)


def random_diagonals(rng: np.random.Generator, count: int) -> Diagonals:
    offsets = rng.choice(np.arange(-SLOTS // 2, SLOTS // 2), count, replace=False)
    return Diagonals(SLOTS, {int(k): rng.standard_normal(rng.choice([1, 8, SLOTS])) for k in offsets})


@given(st.integers(0, 2**32), st.sampled_from([None, (1,), (1, 8), (1, 8, -1, -8), (16, 3, 1)]))
def test_transforms_equal_their_matrices(seed: int, steps: tuple[int, ...] | None) -> None:
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 4, 2)
    blocks = [
        [random_diagonals(rng, int(rng.integers(0, 30))) if rng.random() < 0.8 else None for _ in range(shape[1])]
        for _ in range(shape[0])
    ]
    circuit = Circuit(SLOTS)
    xs = [circuit.input(f"x{j}") for j in range(shape[1])]
    for i, y in enumerate(circuit.linear_transform(xs, blocks)):
        circuit.output(f"y{i}", y)
    inputs = {f"x{j}": rng.standard_normal(SLOTS) for j in range(shape[1])}
    given_back = clear.run(expand(circuit.freeze(), Strategy(steps)), inputs)
    for i, row in enumerate(blocks):
        wanted = sum((b.dense() @ inputs[f"x{j}"] for j, b in enumerate(row) if b is not None), np.zeros(SLOTS))
        np.testing.assert_allclose(given_back[f"y{i}"], wanted, atol=1e-10)
        applied = sum((b.apply(inputs[f"x{j}"]) for j, b in enumerate(row) if b is not None), np.zeros(SLOTS))
        np.testing.assert_allclose(applied, wanted, atol=1e-10)


def test_only_the_steps_with_keys_are_used() -> None:
    rng = np.random.default_rng(1)
    circuit = Circuit(SLOTS)
    x = circuit.input("x")
    y = circuit.linear_transform([x], [[random_diagonals(rng, 40)]])[0]
    circuit.output("y", circuit.rotate(y, 13))
    used = {i.step for i in expand(circuit, Strategy((1, 8))).instructions if i.op is Op.ROTATE}
    assert used <= {1, 8}
    with pytest.raises(MissingKey, match="rotation by 13"):
        walk(13, (2, 4), SLOTS)


def test_transforms_made_of_rotations_cost_no_level() -> None:
    circuit = Circuit(SLOTS)
    x, z = circuit.input("x"), circuit.input("z")
    blocks = [[Diagonals(SLOTS, {3: np.ones(SLOTS)}), Diagonals(SLOTS, {0: -np.ones(1)})]]
    circuit.output("y", circuit.linear_transform([x, z], blocks)[0])
    assert [i.op.name for i in circuit.instructions] == ["INPUT", "INPUT", "ROTATE", "SUB"]


def test_a_zero_row_gives_zeros() -> None:
    circuit = Circuit(SLOTS)
    x = circuit.input("x")
    zero, y = circuit.linear_transform([x], [[None], [Diagonals(SLOTS, {1: np.full(1, 2.0)})]])
    circuit.output("zero", zero)
    circuit.output("y", y)
    values = clear.run(expand(circuit.freeze()), {"x": np.arange(SLOTS) / SLOTS})
    assert not values["zero"].any()
    np.testing.assert_allclose(values["y"], 2 * np.roll(np.arange(SLOTS) / SLOTS, -1))


def test_triplets_add_up_and_are_checked() -> None:
    rows, cols, values = [0, 5, 5, 63], [1, 2, 2, 0], [1.0, 2.0, 3.0, 4.0]
    matrix = np.zeros((SLOTS, SLOTS))
    np.add.at(matrix, (rows, cols), values)
    np.testing.assert_array_equal(Diagonals.from_triplets(SLOTS, rows, cols, values).dense(), matrix)
    with pytest.raises(InvalidInput, match="outside the 64 slots"):
        Diagonals.from_triplets(SLOTS, [64], [0], [1.0])


def test_constants_are_stored_once_and_at_their_period() -> None:
    circuit = Circuit(SLOTS)
    x = circuit.input("x")
    lane = np.arange(8.0)
    a = circuit.mul_plain(x, np.tile(lane, 8))
    b = circuit.add_plain(a, lane)
    circuit.output("y", circuit.add_plain(b, np.full(SLOTS, 2.5)))
    assert [c.shape for c in circuit.constants] == [(8,)]
    assert [i.plain for i in circuit.instructions][-1] == 2.5


def test_the_grammar_is_enforced() -> None:
    circuit = Circuit(SLOTS)
    x = circuit.input("x")
    with pytest.raises(InvalidGraph, match="wire 9"):
        circuit.add(x, 9)
    with pytest.raises(InvalidInput, match="does not fit 64 slots"), circuit.origin("fc"):
        circuit.mul_plain(x, np.ones(3))
    with pytest.raises(InvalidInput, match="not finite"):
        circuit.mul_plain(x, np.asarray([np.nan, 1.0]))
    with pytest.raises(InvalidGraph, match="no outputs"):
        circuit.freeze()
    circuit.output("y", x)
    circuit.freeze()
    with pytest.raises(InvalidGraph, match="frozen"):
        circuit.negate(x)
