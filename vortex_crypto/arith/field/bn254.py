"""BN254 (alt_bn128): every constant derived from the curve's one parameter, and checked against itself at import.

The curve E: y² = x³ + 3 over Fq has prime order r; its sextic twist E': y² = x³ + 3/(9+u) over Fq2 = Fq[u]/(u²+1) holds
G2. Barreto and Naehrig, "Pairing-friendly elliptic curves of prime order", SAC 2005; the parameter and the generators
are those of EIP-196 and EIP-197, which also fix the tower Fq6 = Fq2[v]/(v³-(9+u)), Fq12 = Fq6[w]/(w²-v).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

Fq2: TypeAlias = tuple[int, int]
"""c0 + c1·u as (c0, c1), plain integers."""

X = 4965661367192848881
"""The BN parameter: p, r and the length of the Miller loop are polynomials in it."""

LIMBS = 4
"""64-bit limbs of an element, least significant first."""


@dataclass(frozen=True)
class PrimeField:
    """A prime field below 2^254; the Montgomery factor is R = 2^256 everywhere outside of the vector units."""

    name: str
    modulus: int

    @cached_property
    def montgomery_r(self) -> int:
        """R mod p: the Montgomery form of one."""
        return (1 << 64 * LIMBS) % self.modulus

    @cached_property
    def montgomery_r2(self) -> int:
        """R² mod p: a Montgomery product with it brings an integer into Montgomery form."""
        return self.montgomery_r**2 % self.modulus

    @cached_property
    def montgomery_r_inverse(self) -> int:
        """R⁻¹ mod p."""
        return pow(self.montgomery_r, -1, self.modulus)

    def negative_inverse(self, bits: int) -> int:
        """-p⁻¹ mod 2^bits, the factor of a Montgomery reduction by digits of `bits` bits."""
        return -pow(self.modulus, -1, 1 << bits) % (1 << bits)


P = 36 * X**4 + 36 * X**3 + 24 * X**2 + 6 * X + 1
"""The base field's prime."""

R = 36 * X**4 + 36 * X**3 + 18 * X**2 + 6 * X + 1
"""The order of G1 and G2: the scalar field's prime."""

FQ = PrimeField("fq", P)
FR = PrimeField("fr", R)

TRACE = P + 1 - R
"""The trace of Frobenius, 6X² + 1."""

ATE_LOOP = 6 * X + 2
"""The length of the optimal ate Miller loop (Vercauteren 2010)."""


def signed_digits(value: int) -> tuple[int, ...]:
    """Non-adjacent form of value >= 0, least significant digit first."""
    digits = []
    while value:
        digit = 2 - value % 4 if value % 2 else 0
        digits.append(digit)
        value = (value - digit) // 2
    return tuple(digits)


ATE_DIGITS = signed_digits(ATE_LOOP)
"""The Miller loop's digits, least significant first."""

MILLER_LINES = len(ATE_DIGITS) - 1 + sum(map(abs, ATE_DIGITS[:-1])) + 2
"""Lines of one point of G2: a tangent a digit, a chord a digit that is not zero, and two chords at the end."""

B = 3
"""E: y² = x³ + B."""

NON_RESIDUE: Fq2 = (9, 1)
"""ξ = 9 + u, neither a square nor a cube in Fq2."""

G1_GENERATOR = (1, 2)

G2_GENERATOR: tuple[Fq2, Fq2] = (
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)

G2_COFACTOR = P - 1 + TRACE
"""#E'(Fq2) / r."""

FR_GENERATOR = 5
"""The least generator of Fr's multiplicative group."""

FR_TWO_ADICITY = 28
"""2^28 divides r - 1, 2^29 does not: the largest transform."""

FR_ROOT = pow(FR_GENERATOR, (R - 1) >> FR_TWO_ADICITY, R)
"""A primitive 2^28-th root of unity, the one of snarkjs, gnark and arkworks."""

FR_COSET = FR_GENERATOR
"""The shift that moves a transform's domain off the roots of unity."""


def fr_root_of_unity(log_n: int) -> int:
    """The primitive 2^log_n-th root of unity of every transform here, for 0 <= log_n <= 28."""
    return pow(FR_ROOT, 1 << (FR_TWO_ADICITY - log_n), R)


def fq2_add(a: Fq2, b: Fq2) -> Fq2:
    """a + b."""
    return (a[0] + b[0]) % P, (a[1] + b[1]) % P


def fq2_sub(a: Fq2, b: Fq2) -> Fq2:
    """a - b."""
    return (a[0] - b[0]) % P, (a[1] - b[1]) % P


def fq2_mul(a: Fq2, b: Fq2) -> Fq2:
    """a · b."""
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def fq2_inverse(a: Fq2) -> Fq2:
    """1 / a for a != 0."""
    norm = pow(a[0] * a[0] + a[1] * a[1], -1, P)
    return a[0] * norm % P, -a[1] * norm % P


def fq2_pow(a: Fq2, exponent: int) -> Fq2:
    """a to the power `exponent` >= 0."""
    result: Fq2 = (1, 0)
    for bit in bin(exponent)[2:]:
        result = fq2_mul(result, result)
        if bit == "1":
            result = fq2_mul(result, a)
    return result


B2: Fq2 = fq2_mul((B, 0), fq2_inverse(NON_RESIDUE))
"""E': y² = x³ + B2."""

FROBENIUS: tuple[Fq2, ...] = tuple(fq2_pow(NON_RESIDUE, i * (P - 1) // 6) for i in range(6))
"""ξ^(i(p-1)/6): the p-power Frobenius multiplies the coefficient of w^i, conjugated, by the i-th of these."""


CUBE_ROOT = pow(3, 2 * (P - 1) // 3, P)
"""β, a primitive cube root of one in Fq: (x, y) -> (βx, y) is an endomorphism of E."""

G1_EIGENVALUE = 36 * X**3 + 18 * X**2 + 6 * X + 1
"""What that endomorphism multiplies points of G1 by: a primitive cube root of one in Fr."""

G2_EIGENVALUE = TRACE - 1
"""What the untwist-Frobenius-twist endomorphism of E' multiplies points of G2 by: p modulo r."""

G1_LATTICE = ((6 * X**2 + 4 * X + 1, 2 * X + 1), (-2 * X - 1, 6 * X**2 + 2 * X))
"""A basis of the (a, b) with a + b·G1_EIGENVALUE = 0 modulo r, of determinant r."""


def g1_multiply_affine(point: tuple[int, int], scalar: int) -> tuple[int, int] | None:
    """scalar · point by doubling and adding in affine coordinates; None is infinity. For deriving constants."""
    result: tuple[int, int] | None = None
    for bit in bin(scalar)[2:]:
        result = _add(result, result)
        if bit == "1":
            result = _add(result, point)
    return result


def _add(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = 3 * a[0] ** 2 * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _check() -> None:
    """The constants hold together; a failure here is a damaged file."""
    x2, y2 = G2_GENERATOR
    cube = fq2_mul(fq2_mul(x2, x2), x2)
    facts = {
        "the primes are those of a BN curve": P.bit_length() == 254 and R.bit_length() == 254,
        "p and r pass Fermat's test": all(pow(base, n - 1, n) == 1 for n in (P, R) for base in (2, 3, 5, 7, 11)),
        "the G1 generator is on E": (G1_GENERATOR[1] ** 2 - G1_GENERATOR[0] ** 3 - B) % P == 0,
        "the G2 generator is on the twist": fq2_mul(y2, y2) == fq2_add(cube, B2),
        "the G1 generator has order r": g1_multiply_affine(G1_GENERATOR, R) is None,
        "the endomorphism of E multiplies by its eigenvalue": g1_multiply_affine(G1_GENERATOR, G1_EIGENVALUE)
        == (CUBE_ROOT * G1_GENERATOR[0] % P, G1_GENERATOR[1]),
        "short vectors of its lattice vanish": not any((a + b * G1_EIGENVALUE) % R for a, b in G1_LATTICE),
        "the root of unity has order 2^28": pow(FR_ROOT, 1 << 27, R) == R - 1,
        "the two-adicity is 28": (R - 1) % (1 << 29) == 1 << 28,
        "ξ is neither square nor cube": all(fq2_pow(NON_RESIDUE, (P * P - 1) // k) != (1, 0) for k in (2, 3)),
    }
    broken = [fact for fact, holds in facts.items() if not holds]
    if broken:
        raise ArithmeticError(f"BN254 constants are damaged: not true that {broken[0]}")


_check()
