"""Chebyshev polynomials of ciphertexts: Paterson-Stockmeyer with exact scales.

p = q T_n + r is split until what is left is a linear combination of few powers. Scales are settled from the result
backwards: a sum that shall have scale D at its level asks its quotient for the scale D q / scale(T_n), and each
coefficient is rounded at just the scale that makes its term fit, so all additions are of equal scales however the
powers' own scales came out (Bossuat et al., ia.cr/2020/1203, section 3). Products that are added share one
relinearisation, which divides by the level's prime as well; combinations of the same powers share their reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from vortex_crypto.errors import OutOfLevels
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.params import rounded_scale
from vortex_crypto.fhe.polynomial import Coefficients, depth, divide

_NEGLIGIBLE = 2.0**-100
_ODD_GIANTS = (3, 5, 7)
"""Besides powers of two, splitting tries these multiples of them: they cost a product and save relinearisations."""


@dataclass
class Sum:
    """constant + sum of terms[j] T_j + sum of quotient * T_n over products, all added before one rescale."""

    constant: float = 0.0
    terms: dict[int, float] = field(default_factory=dict)
    products: list[tuple[int, Sum]] = field(default_factory=list)

    def nodes(self) -> Iterator[Sum]:
        """This sum and all that it is made of."""
        yield self
        for _, quotient in self.products:
            yield from quotient.nodes()

    def powers(self) -> set[int]:
        """The n of every T_n read, with those that make them."""
        wanted = {n for node in self.nodes() for n in (*node.terms, *(n for n, _ in node.products))}
        found: set[int] = set()
        while wanted:
            n = wanted.pop()
            found.add(n)
            if n > 1:
                a, b = factors(n)
                wanted |= {a, b, a - b} - {0} - found
        return found

    def cost(self) -> tuple[int, int, int]:
        """Relinearisations, products of ciphertexts besides those that make the powers, and other rescales."""
        made, nodes = len(self.powers() - {1}), list(self.nodes())
        summed = sum(bool(node.products) for node in nodes)
        return made + summed, sum(len(node.products) for node in nodes), len(nodes) - summed


def factors(n: int) -> tuple[int, int]:
    """a >= b with a + b = n > 1 that make T_n = 2 T_a T_b - T_{a-b} in ceil(log2 n) levels."""
    half = 1 << ((n - 1).bit_length() - 1)
    return half, n - half


@lru_cache(maxsize=64)
def schedule(coefficients: Coefficients) -> Sum:
    """The split with the fewest relinearisations."""
    levels, degree = depth(len(coefficients) - 1), len(coefficients) - 1
    tried: list[Sum] = []
    for s in range(max(1, levels // 2 - 1), levels // 2 + 2):  # combinations about as long as the root of the degree
        odd = [m << j for j in range(s, levels) for m in _ODD_GIANTS if m << j < degree]
        for count in range(3):
            tried += [_split(coefficients, levels, s, frozenset(extra)) for extra in combinations(odd, count)]
    return min(tried, key=lambda each: (each.cost(), len(each.powers())))


def _split(p: Coefficients, levels: int, s: int, odd: frozenset[int]) -> Sum:
    """p as a sum that ends `levels` levels below x: combinations shorter than 2^s, giants powers of two or `odd`."""
    terms = {j: c for j, c in enumerate(p) if j and abs(c) > _NEGLIGIBLE}
    if len(p) <= 1 << s and all((j - 1).bit_length() < levels for j in terms):
        return Sum(p[0], terms)
    degree = len(p) - 1
    reachable = [n for n in odd if n <= degree and (n - 1).bit_length() < levels]
    n = max(1 << (degree.bit_length() - 1), *reachable, 1)
    quotient, remainder = divide(p, n)
    result = _split(remainder, levels, s, odd)
    if len(quotient) == 1:
        result.terms[n] = quotient[0]
    else:
        result.products.append((n, _split(quotient, levels - 1, s, odd)))
    return result


def chebyshev(
    evaluator: Evaluator, x: Ciphertext, coefficients: Sequence[float], *, scale: Fraction | None = None
) -> Ciphertext:
    """sum_k coefficients[k] T_k(x) for slots of x in [-1, 1], depth(degree) levels below x.

    Args:
        evaluator: with a relinearisation key.
        x: two parts.
        coefficients: real.
        scale: that of the result; by default the canonical scale of its level.

    Raises:
        OutOfLevels: x has too few levels.
        MissingKey: there is no relinearisation key for the level of x.
    """
    p = tuple(float(c) for c in coefficients)
    while len(p) > 1 and abs(p[-1]) <= _NEGLIGIBLE:
        p = p[:-1]
    levels = depth(len(p) - 1)
    if x.level < levels:
        raise OutOfLevels(f"a polynomial of degree {len(p) - 1}", levels, x.level)
    level = x.level - levels + 1
    wanted = evaluator.context.scale(level - 1) if scale is None else scale
    machine = _Machine(evaluator, x)
    return Ciphertext(machine.result(schedule(p), level, wanted).parts, wanted)


def double_product(evaluator: Evaluator, a: Ciphertext, b: Ciphertext, less: Ciphertext | float) -> Ciphertext:
    """2 a b - less, relinearised and rescaled, at the lower of their levels.

    Raises:
        MissingKey: there is no relinearisation key for that level.
        OutOfLevels: an operand is at level 0.
    """
    level = min(a.level, b.level)
    scale = rounded_scale(a.scale * b.scale)
    basis = evaluator.context.basis(level)
    addend = None
    if isinstance(less, Ciphertext):
        addend = evaluator.mul_constant(less.at_level(level), -1, scale).parts
    pair = (a.at_level(level).parts, b.at_level(level).parts)
    parts = evaluator.context.ring.tensor_sum([pair, pair], basis, addend=addend)
    made = evaluator.relinearize_rescale(Ciphertext(parts, scale))
    return made if isinstance(less, Ciphertext) else _plus(evaluator, made, -less)


def _plus(evaluator: Evaluator, a: Ciphertext, constant: float) -> Ciphertext:
    """a + constant in place: a is a result that nobody else has."""
    number = round(Fraction(constant) * a.scale)
    a.parts[0] = evaluator.context.ring.add_scalar(a.parts[0], number, evaluator.context.basis(a.level))
    return a


_Wanted = tuple[Sum, Fraction]


class _Machine:
    """One polynomial's powers and sums."""

    def __init__(self, evaluator: Evaluator, x: Ciphertext) -> None:
        self.evaluator = evaluator
        self.powers = {1: x}
        self.asked: dict[tuple[int, ...], list[_Wanted]] = {}
        self.combinations: dict[int, Ciphertext] = {}

    def power(self, n: int) -> Ciphertext:
        """T_n, ceil(log2 n) levels below x, at whatever scale its products gave."""
        if n not in self.powers:
            a, b = factors(n)
            less = self.power(a - b) if a > b else 1.0
            self.powers[n] = double_product(self.evaluator, self.power(a), self.power(b), less)
        return self.powers[n]

    def result(self, node: Sum, level: int, scale: Fraction) -> Ciphertext:
        """The sum's value, one level below `level` and at that scale."""
        total = rounded_scale(scale * self.evaluator.context.modulus(level))
        self._ask(node, level, total)
        return self._value(node, level, total)

    def _above(self, n: int, level: int, scale: Fraction) -> Fraction:
        """The scale that a quotient must have, not yet rescaled, for its product with T_n to have `scale`."""
        return rounded_scale(scale * self.evaluator.context.modulus(level + 1) / self.power(n).scale)

    def _ask(self, node: Sum, level: int, scale: Fraction) -> None:
        """Note which combinations will be wanted, and at which scales; those of the same powers are made at once."""
        if node.terms:
            self.asked.setdefault((level, *sorted(node.terms)), []).append((node, scale))
        for n, quotient in node.products:
            self._ask(quotient, level + 1, self._above(n, level, scale))

    def _combination(self, node: Sum, level: int) -> Ciphertext:
        """A sum's linear combination of powers, not yet rescaled."""
        if id(node) not in self.combinations:
            wanted = self.asked.pop((level, *sorted(node.terms)))
            operands = [self.power(j).at_level(level) for j in sorted(node.terms)]
            rows = [([each.terms[j] for j in sorted(node.terms)], scale) for each, scale in wanted]
            made = self.evaluator.combine(operands, rows)
            self.combinations |= {id(each): one for (each, _), one in zip(wanted, made, strict=True)}
        return self.combinations.pop(id(node))

    def _value(self, node: Sum, level: int, scale: Fraction) -> Ciphertext:
        """The sum's value for a total of that scale at that level, rescaled."""
        ev = self.evaluator
        pairs = []
        for n, quotient in node.products:
            value = self._value(quotient, level + 1, self._above(n, level, scale))
            pairs.append((value.parts, self.power(n).at_level(level).parts))
        combined = self._combination(node, level) if node.terms else None
        if pairs:
            addend = None if combined is None else combined.parts
            parts = ev.context.ring.tensor_sum(pairs, ev.context.basis(level), addend=addend)
            total = ev.relinearize_rescale(Ciphertext(parts, scale))
        else:
            total = ev.rescale(combined or ev.mul_constant(self.power(1).at_level(level), 0, scale))
        return _plus(ev, total, node.constant)
