"""Passes over constraint systems keep the statement and shrink the system."""

from __future__ import annotations

import numpy as np

from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import default_kernels, from_ints
from vortex_crypto.zk.interpret.check import violated
from vortex_crypto.zk.interpret.witness import solve
from vortex_crypto.zk.passes.dedupe import dedupe
from vortex_crypto.zk.passes.linear_elimination import eliminate_linear
from vortex_crypto.zk.plan import Program
from vortex_crypto.zk.r1cs import R1cs, SparseMatrix


def chatty() -> Program:
    """As a careless compiler would write it: copies, sums in wires, one constraint twice."""
    c = Circuit("chatty")
    with c.origin("layer"):
        x, y = c.private("x", (4,)), c.private("y", (4,))
        total = c.wire(x + y * 3)
        shifted = c.wire(total - 7)
        product = c.mul(shifted, total)
        c.assert_mul(shifted, total, product)
        copy = c.wire(product + 0 + x)
        c.expose("z", copy - x)
    return c.finish()


INPUTS = {"x": [1, 2, 3, 4], "y": [5, 6, 7, 8]}


def test_linear_constraints_go() -> None:
    program = chatty()
    witness = solve(program, INPUTS)
    reduced = eliminate_linear(program.r1cs)
    assert reduced.r1cs.n_constraints < program.r1cs.n_constraints
    assert reduced.r1cs.n_wires == len(reduced.wires) < program.r1cs.n_wires
    assert not len(violated(reduced.r1cs, witness[reduced.wires]))
    assert reduced.r1cs.origins.counts(reduced.r1cs.n_constraints) == {"layer": reduced.r1cs.n_constraints}


def test_what_was_wrong_stays_wrong() -> None:
    program = chatty()
    reduced = eliminate_linear(dedupe(program.r1cs).r1cs)
    for name in ("x", "y", "z"):
        wire = program.signal(name).wires[1]
        witness = solve(program, INPUTS)
        witness[wire] = from_ints([99], default_kernels())[0]
        assert len(violated(program.r1cs, witness))
        assert len(violated(reduced.r1cs, witness[reduced.wires])), name


def test_public_wires_stay() -> None:
    program = chatty()
    reduced = eliminate_linear(program.r1cs)
    assert reduced.r1cs.n_public == program.r1cs.n_public
    assert (reduced.wires[: program.r1cs.n_statement] == np.arange(program.r1cs.n_statement)).all()


def test_long_definitions_stay() -> None:
    c = Circuit("long")
    x = c.private("x", (20,))
    total = c.wire(x.sum())
    c.mul(total, total)
    r1cs = c.finish().r1cs
    assert eliminate_linear(r1cs, max_terms=8).r1cs.n_constraints == 2
    assert eliminate_linear(r1cs, max_terms=20).r1cs.n_constraints == 1


def test_repeated_constraints_go() -> None:
    program = chatty()
    reduced = dedupe(program.r1cs)
    assert reduced.r1cs.n_constraints == program.r1cs.n_constraints - 4
    assert not len(violated(reduced.r1cs, solve(program, INPUTS)))
    assert dedupe(reduced.r1cs).r1cs.digest() == reduced.r1cs.digest()


def test_rows_that_read_alike_when_joined_are_two_constraints() -> None:
    """A·B = 0 twice, whose rows agree byte for byte once a separator joins them: one wire in A and two in B, and two
    and one. The author of a circuit could have had the second constraint dropped, which the first does not imply."""
    word = lambda *values: b"".join(value.to_bytes(8, "little") for value in values)  # noqa: E731
    one_in_b = (word(1, 2), bytes(24) + b"|" + word(3)[:7] + bytes(1) + word(4) + bytes(23))
    two_in_b = (word(5), bytes(24) + word(9))
    text = b"".join(one_in_b) + b"|" + b"".join(two_in_b)
    wide = (_row(text[:80], 2), _row(text[81:], 1))
    narrow = (_row(text[:40], 1), _row(text[41:], 2))
    assert text[40:41] == text[80:81] == b"|"
    a, b = (_stack([first, second]) for first, second in zip(wide, narrow, strict=True))
    nothing = _stack([(np.zeros(0, np.int64), np.zeros((0, 4), np.uint64))] * 2)
    r1cs = R1cs(a, b, nothing, n_wires=6, n_public=0)
    assert default_kernels().fr.is_canonical(np.concatenate([a.values, b.values])).all()
    assert dedupe(r1cs).r1cs.n_constraints == 2


def _row(data: bytes, terms: int) -> tuple[np.ndarray, np.ndarray]:
    values = np.frombuffer(data[8 * terms :], dtype="<u8").astype(np.uint64)
    return np.frombuffer(data[: 8 * terms], dtype="<i8").astype(np.int64), values.reshape(terms, 4)


def _stack(rows: list[tuple[np.ndarray, np.ndarray]]) -> SparseMatrix:
    indptr = np.cumsum([0, *(len(wires) for wires, _ in rows)])
    return SparseMatrix(indptr, np.concatenate([w for w, _ in rows]), np.concatenate([v for _, v in rows]))
