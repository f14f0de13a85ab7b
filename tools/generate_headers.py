"""Write native/include/vortex/bn254.hpp from `vortex_crypto.arith.field.bn254`; a test regenerates and compares.

python -m tools.generate_headers [--check]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vortex_crypto.arith.field import bn254 as c

HEADER = Path(__file__).parent.parent / "native" / "include" / "vortex" / "bn254.hpp"
WORD = 1 << 64


def words(value: int, count: int = c.LIMBS) -> list[int]:
    """`count` 64-bit limbs, least significant first."""
    return [value >> 64 * i & (WORD - 1) for i in range(count)]


def montgomery(value: int) -> list[int]:
    """The limbs of a base-field element in Montgomery form."""
    return words(value * c.FQ.montgomery_r % c.P)


def table(name: str, comment: str, limbs: Sequence[int]) -> Iterator[str]:
    """A constant as a function of the limb's index, which host and device compilers both fold."""
    values = ", ".join(f"0x{limb:016x}u" for limb in limbs)
    yield f"// {comment}"
    yield f"VX_FN constexpr u64 {name}(int i) {{"
    yield f"    constexpr u64 limbs[{len(limbs)}] = {{{values}}};"
    yield "    return limbs[i];"
    yield "}"


def modulus(name: str, field: c.PrimeField) -> Iterator[str]:
    """The traits class of a prime field."""
    yield f"struct {name} {{"
    rows = [
        ("p", "The prime.", words(field.modulus)),
        ("one", "2^256 mod p: one in Montgomery form.", words(field.montgomery_r)),
        ("r2", "2^512 mod p: brings an integer into Montgomery form.", words(field.montgomery_r2)),
    ]
    for row in rows:
        for line in table(*row):
            yield "    " + line.replace("VX_FN", "static VX_FN")
    yield "    // -1/p mod 2^64."
    yield f"    static constexpr u64 inv = 0x{field.negative_inverse(64):016x}u;"
    yield "};"


def fq2(value: c.Fq2) -> list[int]:
    """Eight limbs of c0 + c1·u in Montgomery form."""
    return montgomery(value[0]) + montgomery(value[1])


def lines() -> Iterator[str]:
    """The header."""
    yield "// Constants of BN254. DO NOT EDIT: tools/generate_headers.py writes it from arith/field/bn254.py."
    yield "#pragma once"
    yield '#include "vortex/config.hpp"'
    yield ""
    yield "namespace vx {"
    yield "inline namespace VX_ISA {"
    yield "namespace bn254 {"
    yield ""
    yield "// Base field."
    yield from modulus("FqModulus", c.FQ)
    yield "// Scalar field, the order of the groups."
    yield from modulus("FrModulus", c.FR)
    yield f"constexpr int two_adicity = {c.FR_TWO_ADICITY};"
    yield from table(
        "fr_root",
        "A primitive 2^28-th root of unity of Fr, Montgomery form.",
        words(c.FR_ROOT * c.FR.montgomery_r % c.R),
    )
    yield f"constexpr u64 x = {c.X}u;  // the BN parameter"
    yield "// Everything below over Fq is in Montgomery form, elements of Fq2 as c0 then c1."
    yield from table("b1", "E: y^2 = x^3 + b.", montgomery(c.B))
    yield from table("b2", "The twist: y^2 = x^3 + b2.", fq2(c.B2))
    yield from table("half", "1/2.", montgomery(pow(2, -1, c.P)))
    yield from table("minus_half_of_p", "(p-1)/2, a plain integer.", words((c.P - 1) // 2))
    frobenius = [limb for value in c.FROBENIUS for limb in fq2(value)]
    yield from table("frobenius", "(9+u)^(i(p-1)/6) for i = 0..5, eight limbs each.", frobenius)
    yield from table("cube_root", "β = 1^(1/3): (x, y) -> (βx, y) multiplies points of G1.", montgomery(c.CUBE_ROOT))
    minus, last = c.G1_LATTICE[1]
    for name, comment, value in (
        ("g1_split_first", "floor(2^320·(6x^2+2x)/r), a plain integer.", (last << 320) // c.R),
        ("g1_split_second", "floor(2^320·(2x+1)/r), a plain integer.", (-minus << 320) // c.R),
        ("g2_split", "floor(2^320/6x^2), a plain integer.", (1 << 320) // c.G2_EIGENVALUE),
    ):
        yield from table(name, comment, words(value))
    digits = c.ATE_DIGITS
    yield "// 6x+2 in non-adjacent form, least significant digit first."
    yield f"constexpr int ate_length = {len(digits)};"
    yield f"constexpr int miller_lines = {c.MILLER_LINES};  // of one point of G2"
    yield "VX_FN constexpr int ate_digit(int i) {"
    yield f"    constexpr signed char digits[{len(digits)}] = {{{', '.join(map(str, digits))}}};"
    yield "    return digits[i];"
    yield "}"
    yield ""
    yield "}  // namespace bn254"
    yield "}  // namespace VX_ISA"
    yield "}  // namespace vx"


def header() -> str:
    """The header's text."""
    return "\n".join(lines()) + "\n"


def main() -> int:
    """Write the header, or with `--check` say whether it is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing; exit with 1 on a difference")
    if parser.parse_args().check:
        return 0 if HEADER.read_text() == header() else 1
    HEADER.write_text(header())
    return 0


if __name__ == "__main__":
    sys.exit(main())
