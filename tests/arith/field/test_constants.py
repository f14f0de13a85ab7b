"""The constants: the generated header is current, and py_ecc agrees."""

from __future__ import annotations

import math

from py_ecc import bn128 as ecc
from sympy.ntheory import sqrt_mod

from tests.arith.field.operands import COFACTOR_PRIMES
from tools.generate_headers import HEADER, header
from vortex_crypto.arith.field import bn254 as c


def test_the_header_is_what_the_constants_give() -> None:
    assert HEADER.read_text() == header(), "run `python -m tools.generate_headers`"


def test_py_ecc_has_the_same_constants() -> None:
    assert (ecc.field_modulus, ecc.curve_order) == (c.P, c.R)
    assert c.ATE_LOOP == 6 * c.X + 2
    assert tuple(int(v) for v in ecc.G1) == c.G1_GENERATOR
    assert tuple((int(v.coeffs[0]), int(v.coeffs[1])) for v in ecc.G2) == c.G2_GENERATOR
    assert (int(ecc.b2.coeffs[0]), int(ecc.b2.coeffs[1])) == c.B2


def test_no_step_of_the_membership_test_of_g2_is_exceptional() -> None:
    """[x+1]Q + ψ([x]Q) + ψ²([x]Q) = ψ³([2x]Q) by additions for points neither equal nor opposite nor infinite.

    On the points of prime order n, ψ multiplies by a root of m² - tm + p. A step that is exceptional for some point of
    the twist is so for its part of each prime order, and for none of these is one.
    """
    assert math.prod(COFACTOR_PRIMES) == c.G2_COFACTOR
    for order in (*COFACTOR_PRIMES, c.R):
        assert pow(7, order - 1, order) == 1
        steps, at = [], 1
        for digit in c.signed_digits(c.X)[-2::-1]:
            steps += [(at, 0), (2 * at, 1)] if digit else [(at, 0)]
            at = 2 * at + digit
        assert at == c.X
        for root in sqrt_mod(c.TRACE**2 - 4 * c.P, order, all_roots=True):
            psi, total = (c.TRACE + root) * pow(2, -1, order) % order, c.X
            for other in (1, psi * c.X, psi**2 * c.X):
                steps.append((total, other))
                total += other
            steps += [(total, 0), (2 * c.X, 0)]
            assert ((total - 2 * psi**3 * c.X) % order == 0) == (order == c.R and psi == c.G2_EIGENVALUE)
        assert not any((a - b) % order == 0 or (a + b) % order == 0 for a, b in steps)
