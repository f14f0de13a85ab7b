"""The quadratic arithmetic program against its definition in Python integers."""

from __future__ import annotations

import numpy as np

from tests.zk.test_circuit import INPUTS, everything
from vortex_crypto.arith.field.bn254 import R, fr_root_of_unity
from vortex_crypto.zk.field import default_kernels, to_plain_ints
from vortex_crypto.zk.groth16.prove import quotient
from vortex_crypto.zk.interpret.witness import solve
from vortex_crypto.zk.qap import columns_at, lagrange, transpose, with_statement_rows

K = default_kernels()
TAU = 0x1234567890ABCDEF1234567890ABCDEF


def inverse(value: int) -> int:
    return pow(value, -1, R)


def lagrange_by_definition(log_n: int, j: int) -> int:
    points = [pow(fr_root_of_unity(log_n), i, R) for i in range(1 << log_n)]
    value = 1
    for i, point in enumerate(points):
        if i != j:
            value = value * (TAU - point) * inverse(points[j] - point) % R
    return value


def test_the_lagrange_basis_is_that_of_the_domain() -> None:
    assert to_plain_ints(lagrange(3, TAU, K), K) == [lagrange_by_definition(3, j) for j in range(8)]
    odd = [lagrange_by_definition(4, j) for j in range(1, 16, 2)]
    assert to_plain_ints(lagrange(3, TAU, K, odd=True), K) == odd


def test_columns_are_sums_over_rows() -> None:
    r1cs = everything().r1cs
    a, b = with_statement_rows(r1cs)
    assert a.rows == b.rows == r1cs.n_constraints + r1cs.n_statement <= 1 << r1cs.log_domain
    assert [a.row(r1cs.n_constraints + i) for i in range(r1cs.n_statement)] == [
        [(i, 1)] for i in range(r1cs.n_statement)
    ]
    assert b.nnz == r1cs.b.nnz
    basis = lagrange(r1cs.log_domain, TAU, K)
    found = to_plain_ints(columns_at(a, basis[: a.rows], r1cs.n_wires, K), K)
    values = to_plain_ints(basis, K)
    expected = [0] * r1cs.n_wires
    for row in range(a.rows):
        for wire, value in a.row(row):
            expected[wire] = (expected[wire] + value * values[row]) % R
    assert found == expected


def test_a_good_witness_makes_the_polynomials_divisible() -> None:
    """A(τ)·B(τ) - C(τ) = h(τ)·Z(τ), with h·Z interpolated from the odd points alone."""
    program = everything()
    r1cs, witness = program.r1cs, solve(program, INPUTS)
    a, b = with_statement_rows(r1cs)
    basis = lagrange(r1cs.log_domain, TAU, K)
    at_tau = []
    for matrix in (a, b, r1cs.c):
        columns = columns_at(matrix, basis[: matrix.rows], r1cs.n_wires, K)
        at_tau.append(to_plain_ints(K.fr.inner_product(columns, witness)[None], K)[0])
    scalars = quotient(a, b, 1 << r1cs.log_domain, witness, K)
    odd = lagrange(r1cs.log_domain, TAU, K, odd=True)
    (remainder,) = to_plain_ints(K.fr.inner_product(odd, scalars)[None], K)
    assert (at_tau[0] * at_tau[1] - at_tau[2] - remainder) % R == 0


def test_transposing_twice_is_nothing() -> None:
    r1cs = everything().r1cs
    again = transpose(transpose(r1cs.a, r1cs.n_wires), r1cs.a.rows)
    assert np.array_equal(again.indptr, r1cs.a.indptr)
    assert [sorted(again.row(i)) for i in range(again.rows)] == [sorted(r1cs.a.row(i)) for i in range(again.rows)]
