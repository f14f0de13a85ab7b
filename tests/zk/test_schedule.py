"""What is shared and chained when a circuit is frozen: the same witness, with less work."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp

from vortex_crypto.errors import InvalidInput, MalformedArtefact
from vortex_crypto.zk.circuit import AUXILIARY, Circuit
from vortex_crypto.zk.field import MODULUS, Scalars, default_kernels, from_ints
from vortex_crypto.zk.interpret.check import check
from vortex_crypto.zk.interpret.witness import outputs, solve
from vortex_crypto.zk.plan import Chain, Evaluate, Expect, Hint, Product, Program

ROWS, TERMS = 40, 60
RNG = np.random.default_rng(11)
WEIGHTS = RNG.integers(-99, 100, (ROWS, TERMS))
X = RNG.integers(0, 256, TERMS)
MASKS = {AUXILIARY: 5}
"""So that two solutions of one program are the same."""


def dense() -> Program:
    """A layer whose accumulators are read by a hint, a check, limbs, a table and a quotient, with either sign."""
    c = Circuit("dense")
    accumulator = c.public("x", (TERMS,)).apply(WEIGHTS)
    shifted = accumulator + 7
    c.range(shifted + (1 << 21), 22)
    c.range((1 << 21) - accumulator, 22)
    c.expose("y", accumulator)
    return c.finish()


def without_sharing(program: Program) -> Program:
    """The same program with every shared combination written out again."""
    scratch = [step for step in program.steps if isinstance(step, Evaluate)]
    rows = [s.values[i : i + 1] for s in scratch for i in range(s.values.size)]
    n = program.r1cs.n_wires

    def written_out(x):  # type: ignore[no-untyped-def]
        keep = x.wires < n
        matrix = sp.csr_array((x.coefficients, x.wires, x.indptr), (x.size, n + len(rows)))
        table = sp.vstack([sp.csr_array((r.coefficients, r.wires, r.indptr), (1, n)) for r in rows])
        whole = (matrix[:, :n] + matrix[:, n:] @ table).tocsr() if not keep.all() else matrix
        return dataclasses.replace(
            x, indptr=whole.indptr.astype(np.int64), wires=whole.indices.astype(np.int64), coefficients=whole.data
        )

    steps = []
    for step in program.steps:
        if isinstance(step, Hint):
            step = dataclasses.replace(
                step, inputs=tuple(written_out(x) if x.coefficients.ndim == 1 else x for x in step.inputs)
            )
        if isinstance(step, Expect):
            step = dataclasses.replace(step, values=written_out(step.values))
        if not isinstance(step, Evaluate):
            steps.append(step)
    return dataclasses.replace(program, steps=tuple(steps))


def terms_read(program: Program) -> int:
    """Terms that the hints and checks of a program evaluate."""
    read = [x for step in program.steps if isinstance(step, Hint) for x in step.inputs]
    read += [step.values for step in program.steps if isinstance(step, Expect | Evaluate)]
    return sum(len(x.wires) for x in read)


def test_long_combinations_are_evaluated_once() -> None:
    program = dense()
    plain = without_sharing(program)
    assert program.n_scratch == ROWS
    assert plain.n_scratch == 0
    nonzero = int(np.count_nonzero(WEIGHTS))
    assert terms_read(plain) > 6 * nonzero
    assert terms_read(program) < terms_read(plain) - 5 * nonzero
    witness = solve(program, {"x": X}, masks=MASKS)
    assert (witness == solve(plain, {"x": X}, masks=MASKS)).all()
    assert len(witness) == program.r1cs.n_wires
    check(program.r1cs, witness)
    assert (outputs(program, witness)["y"] == WEIGHTS @ X).all()


def test_rows_that_only_begin_alike_are_not_mixed_up() -> None:
    other = WEIGHTS.copy()
    other[:, TERMS // 2 :] = RNG.integers(-99, 100, (ROWS, TERMS - TERMS // 2))
    c = Circuit("alike")
    x = c.public("x", (TERMS,))
    for matrix in (WEIGHTS, other, -WEIGHTS):
        c.range(x.apply(matrix) + (1 << 21), 22)
    program = c.finish()
    witness = solve(program, {"x": X}, masks=MASKS)
    assert (witness == solve(without_sharing(program), {"x": X}, masks=MASKS)).all()
    check(program.r1cs, witness)


def test_short_and_wide_combinations_stay_as_they_are() -> None:
    c = Circuit("short")
    x = c.public("x", (TERMS,))
    c.range(x[:2].sum(), 20)
    c.range(x.sum() * (1 << 70), 100)
    assert not any(isinstance(step, Evaluate) for step in c.finish().steps)


def test_runs_of_products_become_one_step() -> None:
    c = Circuit("powers")
    x = c.private("x")
    for _ in range(50):
        x = c.mul(x, x + 1)
    c.expose("y", x)
    program = c.finish()
    assert [type(step) for step in program.steps] == [Chain]
    value = 3
    for _ in range(50):
        value = value * (value + 1) % MODULUS
    witness = solve(program, {"x": 3})
    check(program.r1cs, witness)
    assert outputs(program, witness)["y"] % MODULUS == value


def test_large_products_stay_apart() -> None:
    c = Circuit("squares")
    x = c.private("x", (3000,))
    c.mul(c.mul(x, x), x)
    assert [type(step) for step in c.finish().steps] == [Product, Product]


def test_stored_programs_keep_what_is_shared() -> None:
    program = dense()
    again = Program.from_artefact(program.to_artefact())
    assert [type(step) for step in again.steps] == [type(step) for step in program.steps]
    assert (solve(again, {"x": X}, masks=MASKS) == solve(program, {"x": X}, masks=MASKS)).all()


@pytest.mark.parametrize("change", ["written", "order", "beyond"])
def test_scratch_wires_from_outside_are_checked(change: str) -> None:
    program = dense()
    artefact = program.to_artefact()
    arrays = dict(artefact.arrays)
    at = next(k for k, step in enumerate(program.steps) if isinstance(step, Evaluate))
    signal = next(name for name in arrays if name.startswith("signal"))
    if change == "written":
        arrays[signal] = np.full_like(arrays[signal], program.r1cs.n_wires)
    elif change == "order":
        arrays[f"step{at}/wires"] = arrays[f"step{at}/wires"][::-1].copy()
    else:
        wires = arrays[f"step{at}/values/wires"]
        arrays[f"step{at}/values/wires"] = np.full_like(wires, program.r1cs.n_wires + program.n_scratch)
    with pytest.raises(MalformedArtefact):
        Program.from_artefact(dataclasses.replace(artefact, arrays=arrays))


def test_inputs_may_be_ready_for_the_kernels() -> None:
    program, elements = dense(), from_ints(X, default_kernels())
    assert (solve(program, {"x": Scalars(elements)}, masks=MASKS) == solve(program, {"x": X}, masks=MASKS)).all()
    unreduced = np.full_like(elements, np.uint64(2**64 - 1))
    for wrong in (elements[1:], unreduced, elements.astype(np.int64)):
        with pytest.raises(InvalidInput, match="reduced elements"):
            solve(program, {"x": Scalars(wrong)})
