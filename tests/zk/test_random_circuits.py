"""Random circuits against Python integers: what the builder, the solver, the discharge and the checker agree on."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import MODULUS, default_kernels, to_plain_ints
from vortex_crypto.zk.interpret.audit import accepts
from vortex_crypto.zk.interpret.check import check
from vortex_crypto.zk.interpret.witness import outputs, solve
from vortex_crypto.zk.linear import Linear
from vortex_crypto.zk.passes.dedupe import dedupe
from vortex_crypto.zk.passes.linear_elimination import eliminate_linear
from vortex_crypto.zk.plan import Program

SIZE = 3
VALUES = st.one_of(st.integers(-5, 5), st.sampled_from([MODULUS - 1, MODULUS // 2, 1 << 128, -(1 << 63)]))
KINDS = ["add", "sub", "mul", "scale", "wire", "reverse"]
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "sub", "mul", "scale", "wire", "reverse"]), st.integers(0, 99), st.integers(0, 99)
    ),
    min_size=1,
    max_size=12,
)


def apply(c: Circuit, operation: str, x: Linear, y: Linear, factor: int) -> Linear:
    made = {
        "add": lambda: x + y,
        "sub": lambda: x - y,
        "mul": lambda: c.mul(x, y),
        "scale": lambda: x * (factor - 50),
        "wire": lambda: c.wire(x),
        "reverse": lambda: x[::-1],
    }
    return made[operation]()


def on_integers(operation: str, x: Any, y: Any, factor: int) -> Any:
    made = {
        "add": lambda: x + y,
        "sub": lambda: x - y,
        "mul": lambda: x * y,
        "scale": lambda: x * (factor - 50),
        "wire": lambda: x,
        "reverse": lambda: x[::-1],
    }
    return made[operation]() % MODULUS


@settings(max_examples=60)
@given(OPERATIONS, st.lists(VALUES, min_size=2 * SIZE, max_size=2 * SIZE))
def test_circuits_compute_what_integers_do(operations: list[tuple[str, int, int]], given: list[int]) -> None:
    c = Circuit()
    circuit = [c.private("a", (SIZE,)), c.public("b", (SIZE,))]
    values = [np.array(given[:SIZE], dtype=object) % MODULUS, np.array(given[SIZE:], dtype=object) % MODULUS]
    for operation, i, j in operations:
        left, right = i % len(circuit), j % len(circuit)
        circuit.append(apply(c, operation, circuit[left], circuit[right], j))
        values.append(on_integers(operation, values[left], values[right], j))
    c.expose("result", circuit[-1])
    program = c.finish()
    witness = solve(program, {"a": given[:SIZE], "b": given[SIZE:]})
    check(program.r1cs, witness)
    found = witness[program.signal("result").wires]
    assert to_plain_ints(found, default_kernels()) == values[-1].tolist()
    assert Program.from_artefact(program.to_artefact()).hash() == program.hash()
    reduced = eliminate_linear(dedupe(program.r1cs).r1cs)
    check(reduced.r1cs, witness[reduced.wires])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 70)), min_size=1, max_size=4),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_ranges_hold_however_they_are_discharged(requests: list[tuple[int, int]], committed: bool, rng: Any) -> None:
    """`committed` makes LogUp free of its overhead, so that both ways and all limb sizes are seen."""
    c = Circuit()
    honest: dict[str, list[int]] = {}
    for k, (n, bits) in enumerate(requests):
        c.range(c.private(f"x{k}", (n,)), bits)
        honest[f"x{k}"] = [rng.choice([0, 1, (1 << bits) - 1, rng.randrange(1 << bits)]) for _ in range(n)]
    if committed:
        c.later(lambda: c.assert_equal(c.mul(c.challenge(), 1), c.challenge()))
    program = c.finish()
    check(program.r1cs, solve(program, honest))
    place = rng.randrange(len(requests))
    n, bits = requests[place]
    bad = list(honest[f"x{place}"])
    bad[rng.randrange(n)] = rng.choice([1 << bits, -1, (1 << bits) + 1, MODULUS // 2, pow(2, -1, MODULUS)])
    assert not accepts(program, {**honest, f"x{place}": bad})


def test_outputs_are_centred() -> None:
    c = Circuit()
    c.expose("y", c.private("x") - 5)
    program = c.finish()
    assert outputs(program, solve(program, {"x": 2}))["y"] == -3
