"""Writes bn254_precompiles.json: what EIP-196 and EIP-197 ask of their contracts, computed by `py_ecc.bn128`.

    python tests/vectors/bn254_precompiles.py

An empty `expected` means that the call fails. py_ecc is the implementation behind the EIPs' own tests.
"""

from __future__ import annotations

import importlib.metadata
import json
import random
from pathlib import Path
from typing import Any

from py_ecc import bn128 as ecc

P, R = ecc.field_modulus, ecc.curve_order
RNG = random.Random(254)
Case = dict[str, str]


def word(value: int) -> bytes:
    """32 bytes, big-endian."""
    return value.to_bytes(32, "big")


def g1(point: Any) -> bytes:
    """64 bytes."""
    return bytes(64) if point is None else word(int(point[0])) + word(int(point[1]))


def g2(point: Any) -> bytes:
    """128 bytes, imaginary parts first."""
    if point is None:
        return bytes(128)
    return b"".join(word(int(part)) for value in point for part in reversed(value.coeffs))


def random_g1() -> Any:
    """A point of G1."""
    return ecc.multiply(ecc.G1, RNG.randrange(1, R))


def random_g2() -> Any:
    """A point of G2."""
    return ecc.multiply(ecc.G2, RNG.randrange(1, R))


def outside_g2() -> Any:
    """A point of the twist outside of the subgroup of order r: almost any point is."""
    while True:
        x = ecc.FQ2([RNG.randrange(P), RNG.randrange(P)])
        y = square_root(x * x * x + ecc.b2)
        if y is not None and ecc.multiply((x, y), R) is not None:
            return x, y


def square_root(a: Any) -> Any:
    """In Fq2 by way of the norm, p being 3 mod 4; None where there is none, or its real part is zero."""
    a0, a1 = (int(part) for part in a.coeffs)
    norm = pow(a0 * a0 + a1 * a1, (P + 1) // 4, P)
    for root in (norm, -norm):
        x = pow((a0 + root) * pow(2, -1, P), (P + 1) // 4, P)
        if x:
            y = ecc.FQ2([x, a1 * pow(2 * x, -1, P)])
            if y * y == a:
                return y
    return None


def case(contract: str, name: str, data: bytes, expected: bytes) -> Case:
    """One call."""
    return {"contract": contract, "name": name, "input": data.hex(), "expected": expected.hex()}


def additions() -> list[Case]:
    """Contract 0x06."""
    a, b = random_g1(), random_g1()
    pairs = {
        "distinct": (a, b),
        "equal": (a, a),
        "opposite": (a, ecc.neg(a)),
        "infinity on the left": (None, a),
        "infinity on the right": (a, None),
        "both infinite": (None, None),
        "generator twice": (ecc.G1, ecc.G1),
    }
    cases = [case("add", name, g1(x) + g1(y), g1(ecc.add(x, y))) for name, (x, y) in pairs.items()]
    cases += [
        case("add", "no data", b"", bytes(64)),
        case("add", "one point, the other cut off", g1(a), g1(a)),
        case("add", "surplus bytes", g1(a) + g1(b) + bytes(range(64)), g1(ecc.add(a, b))),
        case("add", "trailing zeros cut off", (g1((ecc.FQ(0), ecc.FQ(0))))[:40], bytes(64)),
        case("add", "off the curve", word(1) + word(1) + bytes(64), b""),
        case("add", "second off the curve", g1(a) + word(0) + word(1), b""),
        case("add", "x is p", word(P) + word(0) + bytes(64), b""),
        case("add", "x not reduced", word(1 + P) + word(2) + bytes(64), b""),
        case("add", "y not reduced", word(1) + word(2 + P) + bytes(64), b""),
        case("add", "all ones", b"\xff" * 128, b""),
    ]
    return cases


def multiplications() -> list[Case]:
    """Contract 0x07."""
    a = random_g1()
    scalars = [0, 1, 2, 9, R - 1, R, R + 1, P, 1 << 128, (1 << 256) - 1, RNG.randrange(R)]
    cases = [case("multiply", f"by {k:#x}", g1(a) + word(k), g1(ecc.multiply(a, k % R))) for k in scalars]
    return [
        *cases,
        case("multiply", "infinity", bytes(64) + word(5), bytes(64)),
        case("multiply", "no scalar", g1(a), bytes(64)),
        case("multiply", "off the curve, by zero", word(1) + word(3) + word(0), b""),
        case("multiply", "not reduced", word(P + 1) + word(2) + word(1), b""),
    ]


def pairings() -> list[Case]:
    """Contract 0x08."""
    p, q, k = random_g1(), random_g2(), RNG.randrange(1, R)
    swapped = (ecc.FQ2(q[0].coeffs[::-1]), ecc.FQ2(q[1].coeffs[::-1]))
    pairs = {
        "nothing": ([], True),
        "one pair": ([(p, q)], False),
        "infinity in G1": ([(None, q)], True),
        "infinity in G2": ([(p, None)], True),
        "cancelling": ([(p, q), (ecc.neg(p), q)], True),
        "cancelling in G2": ([(p, q), (p, ecc.neg(q))], True),
        "bilinear": ([(ecc.multiply(p, k), q), (ecc.neg(p), ecc.multiply(q, k))], True),
        "not bilinear": ([(ecc.multiply(p, k), q), (ecc.neg(p), ecc.multiply(q, k + 1))], False),
        "equal": ([(p, q), (p, q)], False),
        "three": ([(p, q), (ecc.multiply(p, k), q), (ecc.neg(ecc.multiply(p, k + 1)), q)], True),
        "ten": ([(p, q), (ecc.neg(p), q)] * 5, True),
    }
    cases = [
        case("pairing", name, b"".join(g1(a) + g2(b) for a, b in data), word(int(one)))
        for name, (data, one) in pairs.items()
    ]
    whole = g1(p) + g2(q)
    bad = {
        "a byte short": whole[:-1],
        "a byte long": whole + b"\0",
        "G1 off the curve": word(1) + word(1) + g2(q),
        "G1 off the curve beside infinity": word(1) + word(1) + bytes(128),
        "G2 off the twist": g1(p) + g2(q)[:-1] + bytes([g2(q)[-1] ^ 1]),
        "G2 outside of the subgroup": g1(p) + g2(outside_g2()),
        "G2 outside of the subgroup beside infinity": bytes(64) + g2(outside_g2()),
        "real and imaginary parts swapped": g1(p) + g2(swapped),
        "G2 not reduced": g1(p) + word(int(q[0].coeffs[1]) + P) + g2(q)[32:],
    }
    return cases + [case("pairing", name, data, b"") for name, data in bad.items()]


def main() -> None:
    """Write the file."""
    document = {
        "source": "py_ecc.bn128 on the cases of EIP-196 and EIP-197",
        "version": importlib.metadata.version("py_ecc"),
        "script": "tests/vectors/bn254_precompiles.py",
        "seed": 254,
        "cases": additions() + multiplications() + pairings(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
