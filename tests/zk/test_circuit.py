"""The builder, the solver, the checker, counts, audits, and programs as artefacts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vortex_crypto.errors import InvalidInput, MalformedArtefact, ShapeMismatch, Unsatisfied
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.discharge import COMMITMENT_COST, Table, choose
from vortex_crypto.zk.field import MODULUS, default_kernels, from_ints
from vortex_crypto.zk.interpret.audit import free_wires, loose_wires, unconstrained_wires
from vortex_crypto.zk.interpret.check import check, violated
from vortex_crypto.zk.interpret.cost import by_layer, cost
from vortex_crypto.zk.interpret.witness import outputs, public_values, solve
from vortex_crypto.zk.plan import Program


def squares() -> Program:
    c = Circuit("squares")
    with c.origin("square"):
        x = c.private("x", (3,))
        c.expose("y", c.mul(x, x) + c.public("b"))
    return c.finish()


def everything() -> Program:
    """Every opcode at once."""
    c = Circuit("everything")
    with c.origin("first"):
        w, x = c.private("w", (4,), commitment="weights"), c.public("x", (4,))
        y = c.mul(w, x)
        c.range(y, 12)
    with c.origin("second"):
        parity = Table("parity", (np.arange(16), np.arange(16) % 2))
        bits = c.private("bits", (4,))
        c.lookup(parity, w, bits)
        c.assert_equal(c.mul(bits, bits), bits)
    c.expose("sum", y.sum())
    return c.finish()


INPUTS = {"w": [1, 2, 3, 15], "x": [5, 6, 7, 8], "bits": [1, 0, 1, 1]}


def test_wires_stand_in_the_order_of_snarkjs() -> None:
    program = everything()
    r = program.r1cs
    assert sorted(program.signal("x").wires.tolist() + program.signal("sum").wires.tolist()) == [1, 2, 3, 4, 5]
    assert (r.n_public, r.n_challenges) == (5, 2)
    assert [c.name for c in r.commitments] == ["weights", "auxiliary"]
    assert [c.persistent for c in r.commitments] == [True, False]
    assert set(program.signal("w").wires.tolist()) == set(r.committed[0][:-1])
    assert r.committed[0].start == 1 + 5 + 2
    assert r.committed[1].stop == r.first_private


def test_solving_and_checking() -> None:
    program = everything()
    witness = solve(program, INPUTS)
    check(program.r1cs, witness)
    assert outputs(program, witness)["sum"] == 5 + 12 + 21 + 120
    assert public_values(program, witness) == [5, 6, 7, 8, 158]


@pytest.mark.parametrize("change", [{"w": [1, 2, 3, 14]}, {"bits": [0, 0, 1, 1]}, {"w": [1, 2, 3, 16]}])
def test_other_inputs_break_a_constraint(change: dict[str, list[int]]) -> None:
    program = everything()
    with pytest.raises(Unsatisfied, match="parity"):
        check(program.r1cs, solve(program, {**INPUTS, **change}))


def test_the_first_broken_constraint_is_named_by_origin() -> None:
    program = squares()
    witness = solve(program, {"x": [1, 2, 3], "b": 4})
    witness[program.signal("y").wires[1]] = from_ints([9], default_kernels())[0]
    with pytest.raises(Unsatisfied, match=r"constraint 4 of square does not hold \(1 of 6 broken\)"):
        check(program.r1cs, witness)
    with pytest.raises(InvalidInput, match="wires"):
        violated(program.r1cs, witness[1:])
    witness[0] = 0
    with pytest.raises(InvalidInput, match="constant one"):
        check(program.r1cs, witness)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": [1, 2, 3]}, r"takes the inputs \['b', 'x'\]"),
        ({"x": [1, 2, 3], "b": 1, "z": 2}, "takes the inputs"),
        ({"x": [1, 2], "b": 1}, r"shape \(2,\); \(3,\) is expected"),
        ({"x": [0.5, 1, 2], "b": 1}, "must hold integers"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        solve(squares(), inputs)


def test_misuse_of_the_builder_is_refused() -> None:
    c = Circuit()
    x = c.private("x", (2,))
    with pytest.raises(InvalidInput, match="named 'x'"):
        c.public("x")
    with pytest.raises(InvalidInput, match="only inside"):
        c.challenge()
    with pytest.raises(InvalidInput, match="between 1 and 252"):
        c.range(x, 253)
    with pytest.raises(ShapeMismatch, match="2 columns"):
        c.lookup(Table("t", (np.arange(2), np.arange(2))), x)
    with pytest.raises(InvalidInput, match="no row twice"):
        Table("t", (np.array([1, 1]),))
    for late in (lambda: c.range(c.challenge(), 3), lambda: c.expose("y", c.challenge()), lambda: c.private("z")):
        c.later(late)
        with pytest.raises(InvalidInput, match="before the challenges"):
            c.finish()
        c._later.clear()


def test_constants_multiply_for_free() -> None:
    c = Circuit()
    x = c.private("x", (3,))
    c.expose("y", c.mul(x, np.array([2, 0, -3])))
    assert c.finish().r1cs.n_constraints == 3


def test_counts_add_up() -> None:
    found = cost(everything().r1cs)
    assert sum(found.by_origin.values()) == found.constraints == sum(by_layer(found).values())
    assert found.by_origin["first"] == 4
    assert by_layer(found)["first"] >= 4


@pytest.mark.parametrize("bits", [1, 2, 7, 8, 13, 16, 24, 32, 64])
@pytest.mark.parametrize("n", [1, 100, 10_000, 1_000_000])
def test_range_checks_cost_no_more_than_published(n: int, bits: int) -> None:
    """gnark: the table, a constraint a limb, one more for a partial limb, one to recompose, one for the sum."""
    published = min(
        2**limb + n * (-(-bits // limb) + (bits % limb > 0) + 1) + 1 for limb in range(2, 18) if limb <= max(bits, 2)
    )
    chosen = choose([(n, bits)])
    assert chosen.constraints <= min(published + COMMITMENT_COST, n * (bits + 1))


def test_a_million_constraints_are_small() -> None:
    c = Circuit()
    x = c.private("x", (100_000,))
    c.mul(x, x + 1)
    r = c.finish().r1cs
    size = r.a.nbytes + r.b.nbytes + r.c.nbytes
    assert size <= 200 * r.n_constraints


def test_the_audit_finds_what_is_loose() -> None:
    c = Circuit()
    x = c.private("x")
    (free,) = c.hint("quotient", [x, x], ())
    (loose,) = c.hint("quotient", [x, x], (2,))
    c.assert_equal(loose.sum(), 2)
    program = c.finish()
    witness = solve(program, {"x": 3})
    check(program.r1cs, witness)
    assert len(free_wires(program.r1cs)) == 2  # the hint's, and x, which nothing uses
    assert set(free_wires(program.r1cs)) == set(unconstrained_wires(program.r1cs, witness))
    assert len(loose_wires(program, witness)) == 2  # the free one, and one of the two that only have a sum
    assert free.size == 1


def test_programs_survive_as_artefacts() -> None:
    program = everything()
    again = Program.from_artefact(program.to_artefact())
    assert again.hash() == program.hash()
    check(again.r1cs, solve(again, INPUTS))
    assert again.r1cs.origins.of(0) == program.r1cs.origins.of(0) == "first"


def test_altered_programs_are_refused() -> None:
    artefact = everything().to_artefact()
    arrays = dict(artefact.arrays)
    far = np.array(arrays["a/indices"])
    far[0] = 1 << 40
    with pytest.raises(MalformedArtefact, match="sparse matrix"):
        Program.from_artefact(dataclasses.replace(artefact, arrays={**arrays, "a/indices": far}))
    with pytest.raises(MalformedArtefact, match="lacks"):
        Program.from_artefact(
            dataclasses.replace(artefact, arrays={k: v for k, v in arrays.items() if k != "b/values"})
        )
    wires = {k: np.full_like(v, 10**6) if k.endswith("/wires") else v for k, v in arrays.items()}
    with pytest.raises(MalformedArtefact, match="does not exist"):
        Program.from_artefact(dataclasses.replace(artefact, arrays=wires))
    with pytest.raises(MalformedArtefact, match="lacks or garbles"):
        Program.from_artefact(dataclasses.replace(artefact, meta={**artefact.meta, "steps": [["dance"]]}))


def test_inputs_are_taken_modulo_r() -> None:
    program = squares()
    witness = solve(program, {"x": np.array([-1, MODULUS + 2, 3], dtype=object), "b": 0})
    assert public_values(program, witness) == [1, 4, 9, 0] or public_values(program, witness) == [0, 1, 4, 9]
