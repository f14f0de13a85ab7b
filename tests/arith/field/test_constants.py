"""The constants: the generated header is current, and py_ecc agrees."""

from __future__ import annotations

from py_ecc import bn128 as ecc

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
