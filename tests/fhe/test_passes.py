"""Common subexpressions, lowering, and the readings of what was lowered."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fhe import circuits
from tests.fhe.test_backends import random_circuits
from vortex_crypto.errors import InvalidGraph, OutOfLevels
from vortex_crypto.fhe.circuit import Circuit, Op
from vortex_crypto.fhe.interpret import clear
from vortex_crypto.fhe.interpret.counts import counts, totals
from vortex_crypto.fhe.interpret.keys import galois_element, keys
from vortex_crypto.fhe.interpret.levels import State, levels
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.passes.cse import cse
from vortex_crypto.fhe.passes.expand import Strategy, expand
from vortex_crypto.fhe.passes.lower import depth, inline, lower
from vortex_crypto.fhe.polynomial import divide, evaluate
from vortex_crypto.fhe.rotations import best_split, choose_steps, split, tree, walk

GOLDEN = Path(__file__).parent / "golden.json"


def lowered(circuit: Circuit, steps: tuple[int, ...] | None = None) -> Circuit:
    return cse(lower(cse(expand(circuit, Strategy(steps))))).freeze()


def ops(circuit: Circuit) -> Counter[Op]:
    return Counter(i.op for i in circuit.instructions)


@pytest.mark.parametrize("name", circuits.ROSTER)
def test_lowering_keeps_the_meaning_and_the_grammar(name: str) -> None:
    source = circuits.ROSTER[name]()
    body = lowered(source)
    states = levels(body)
    assert all(not states[w].pending and states[w].size == 2 for _, w in body.outputs)
    inputs = circuits.inputs_of(source)
    wanted, found = clear.run(source, inputs), clear.run(body, inputs)
    for output, vector in wanted.items():
        np.testing.assert_allclose(found[output], vector, atol=1e-12)


@given(random_circuits())
def test_lowering_keeps_the_meaning_of_random_circuits(source: Circuit) -> None:
    body = lowered(source)
    levels(body)
    inputs = circuits.inputs_of(source)
    wanted, found = clear.run(source, inputs), clear.run(body, inputs)
    for output, vector in wanted.items():
        np.testing.assert_allclose(found[output], vector, atol=1e-12)


@pytest.mark.parametrize("name", circuits.ROSTER)
def test_costs_are_the_recorded_ones(name: str, golden: Callable[[Path, str, Any], None]) -> None:
    free, few = lowered(circuits.ROSTER[name]()), lowered(circuits.ROSTER[name](), (1, 16))
    golden(GOLDEN, name, {"any key": totals(counts(free)), "keys 1 and 16": totals(counts(few)), "depth": depth(free)})


def test_a_matrix_vector_product_is_rescaled_once() -> None:
    rng = np.random.default_rng(0)
    circuit = Circuit(circuits.SLOTS)
    x = circuit.input("x")
    y = circuit.linear_transform([x], [[circuits.diagonals(rng, 50)]])[0]
    circuit.output("y", circuit.add_plain(y, rng.standard_normal(circuits.SLOTS)))
    assert ops(lowered(circuit))[Op.RESCALE] == 1


def test_sums_of_products_are_relinearised_once() -> None:
    circuit = Circuit(8)
    wires = [circuit.input(f"x{n}") for n in range(6)]
    total = circuit.mul(wires[0], wires[1])
    for a, b in itertools.pairwise(wires[1:]):
        total = circuit.add(total, circuit.mul(a, b))
    circuit.output("y", total)
    found = ops(lowered(circuit))
    assert (found[Op.MUL], found[Op.RELINEARIZE], found[Op.RESCALE]) == (5, 1, 1)


def test_common_subexpressions_are_written_once_and_unused_ones_not_at_all() -> None:
    circuit = Circuit(8)
    x, y = circuit.input("x"), circuit.input("y")
    circuit.mul(y, y)
    circuit.output("a", circuit.add(circuit.mul(x, y), circuit.mul(y, x)))
    circuit.output("b", circuit.mul_plain(x, 2.0))
    circuit.output("c", circuit.mul_plain(x, 2.0))
    found = ops(cse(circuit))
    assert (found[Op.MUL], found[Op.MUL_PLAIN], found[Op.INPUT]) == (1, 1, 2)


def test_numbers_and_constants_of_the_same_index_are_not_confused() -> None:
    circuit = Circuit(2)
    x = circuit.input("x")
    circuit.output("a", circuit.add(circuit.mul_plain(x, 0.0), circuit.mul_plain(x, [3.0, 4.0])))
    assert ops(cse(circuit))[Op.MUL_PLAIN] == 2


def test_a_chain_too_short_names_where_it_ends() -> None:
    circuit = Circuit(8)
    wire = circuit.input("x")
    for n in range(5):
        with circuit.origin(f"layer{n}"):
            wire = circuit.mul(wire, wire)
    circuit.output("y", wire)
    with pytest.raises(OutOfLevels, match="layer3 needs 5 levels and 3 are left"):
        lower(circuit, 3)


def test_scales_are_exact_and_canonical() -> None:
    parameters = check(ParametersLiteral(12, (40, 30, 30), (42,), 30), insecure=True)
    for level in (1, 2):
        pending = State(level, True).scale(parameters)
        assert pending / parameters.q[level] == State(level - 1).scale(parameters)
        assert abs(pending / State(level).scale(parameters) ** 2 - 1) < 2**-100


@pytest.mark.parametrize(
    ("text", "write"),
    [
        ("differ in level", lambda c, x, y: c.add(x, y)),
        ("differ in level", lambda c, x, y: c.mul(x, y)),
        ("awaits a rescale", lambda c, x, y: c.mul(c.mul(x, x), c.mul(x, x))),
        ("not relinearised", lambda c, x, y: c.rotate(c.mul(x, x), 1)),
        ("needs no rescale", lambda c, x, y: c.append(Op.RESCALE, (x,))),
        ("needs no relinearisation", lambda c, x, y: c.append(Op.RELINEARIZE, (x,))),
        ("its operand is at level 1", lambda c, x, y: c.append(Op.MUL_PLAIN, (y,), plain=2.0, level=2)),
        ("still awaits", lambda c, x, y: c.append(Op.MUL_PLAIN, (x,), plain=2.0, level=2)),
        ("an input needs a level", lambda c, x, y: c.input("z")),
    ],
)
def test_circuits_wrongly_lowered_are_refused(text: str, write: Callable[[Circuit, int, int], int]) -> None:
    circuit = Circuit(8)
    circuit.bounds.update(x=1.0, y=1.0)
    x, y = (circuit.append(Op.INPUT, (), name=name, level=level) for name, level in (("x", 2), ("y", 1)))
    circuit.output("out", write(circuit, x, y))
    with pytest.raises(InvalidGraph, match=text):
        levels(circuit)


def test_the_lowest_level_has_no_products() -> None:
    circuit = Circuit(8)
    circuit.bounds["x"] = 1.0
    x = circuit.append(Op.INPUT, (), name="x", level=0)
    with circuit.origin("fc9"):
        circuit.output("out", circuit.mul(x, x))
    with pytest.raises(OutOfLevels, match="fc9"):
        levels(circuit)


def test_keys_carry_the_highest_level_they_are_used_at() -> None:
    circuit = Circuit(8)
    x = circuit.input("x")
    square = circuit.mul(circuit.rotate(x, 1), circuit.conjugate(x))
    circuit.output("y", circuit.rotate(circuit.mul(circuit.rotate(square, 3), square), 1))
    found = keys(lowered(circuit))
    assert dict(found.rotations) == {1: 2, 3: 2}
    assert (found.relinearization, found.conjugation, len(found)) == (2, 2, 4)


def test_galois_elements_rotate_the_powers_of_the_generator() -> None:
    assert galois_element(0, 16) == 1
    assert galois_element(3, 16) == 125 % 32
    assert galois_element(-1, 16) * 5 % 32 == 1
    assert galois_element(1, 16, generator=3) == 3


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40).filter(lambda p: p[-1] != 0.0), st.integers(0, 5))
def test_division_by_a_power(p: list[float], k: int) -> None:
    n = 2 ** (len(p) - 1).bit_length() // 2
    q, r = divide(tuple(p), n)
    x = np.linspace(-1, 1, 33)
    power = evaluate((0.0,) * n + (1.0,), x)
    np.testing.assert_allclose(evaluate(q, x) * power + evaluate(r, x), evaluate(tuple(p), x), atol=1e-9)
    assert len(r) <= n


# Rotations


@given(st.sets(st.integers(0, 255), max_size=40), st.sampled_from([(1,), (1, 16), (1, -1, 32), (128, 9, 1)]))
def test_trees_reach_every_target_by_steps_with_keys(targets: set[int], steps: tuple[int, ...]) -> None:
    reached = {0}
    for node, parent, step in tree(targets, steps, 256):
        assert parent in reached
        assert (parent + step) % 256 == node
        assert step in steps
        reached.add(node)
    assert targets <= reached
    assert all(sum(walk(t, steps, 256)) % 256 == t for t in targets)


def test_a_dense_matrix_is_split_evenly() -> None:
    rng = np.random.default_rng(0)
    circuit = Circuit(256)
    x = circuit.input("x")
    dense = Diagonals(256, {k: rng.standard_normal(256) for k in range(64)})
    circuit.linear_transform([x], [[dense]])
    body: Any = circuit.instructions[-1].body
    chosen = best_split(body, 256)
    assert (len(chosen.babies[0]), len(chosen.giants[0])) == (8, 8)
    hoisted = best_split(body, 256, giant=4.0)
    assert len(hoisted.babies[0]) > len(hoisted.giants[0])
    steps = choose_steps([body], [], 256, limit=4)
    assert steps is not None
    assert len(steps) <= 4
    assert (
        sum(
            len(tree(part, steps, 256)) for s in [best_split(body, 256, steps=steps)] for part in (*s.babies, *s.giants)
        )
        < 20
    )
    centred = split(body, 256, 8, -4)
    assert all(sum(centred.parts(k, 256)) % 256 == k for k in range(256))


def test_few_rotations_have_a_key_each() -> None:
    assert choose_steps([], [3, 3, 5], 256, limit=8) is None
    crowded = choose_steps([], list(range(1, 100)), 256, limit=3)
    assert crowded is not None
    assert len(crowded) <= 3


def test_the_text_form_and_hash_tell_circuits_apart() -> None:
    a, b = circuits.network(), circuits.network()
    assert a.content_hash() == b.content_hash()
    assert "polynomial" in str(a)
    assert "# fc1" in str(a)
    changed = circuits.network()
    changed.instructions[-1] = dataclasses.replace(changed.instructions[-1], origin="other")
    assert changed.content_hash() != a.content_hash()


@pytest.mark.parametrize("name", circuits.ROSTER)
def test_native_regions_read_like_their_bodies(name: str) -> None:
    source = circuits.ROSTER[name]()
    polynomials = cse(lower(expand(source, Strategy(None, frozenset({Op.POLYNOMIAL}))))).freeze()
    written = lowered(source)
    assert keys(polynomials) == keys(written)
    inputs = circuits.inputs_of(source)
    inner = inline(polynomials)
    levels(inner)
    wanted, found = clear.run(source, inputs), clear.run(inner, inputs)
    for output, vector in wanted.items():
        np.testing.assert_allclose(found[output], vector, atol=1e-12)
    native = lower(expand(source, Strategy(None, frozenset({Op.LINEAR_TRANSFORM, Op.POLYNOMIAL})))).freeze()
    levels(native)
    assert {i.op for i in native.instructions} >= {i.op for i in source.instructions if i.body is not None}
    found = clear.run(native, inputs)
    for output, vector in wanted.items():
        np.testing.assert_allclose(found[output], vector, atol=1e-12)
