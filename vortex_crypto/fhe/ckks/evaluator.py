"""Computing on ciphertexts, with exact scales.

Every sum is of equal scales and every scale is a known rational, so nothing is lost to "the scale is about 2^40". A
product has the product of its factors' scales and awaits its rescale; `rescale` divides by the level's prime and lands
on the canonical scale below when its operand was canonical. The evaluator holds public keys alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from vortex_crypto.arith.ring.kernels import Residues
from vortex_crypto.errors import OutOfLevels
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext, Plaintext, same_scale
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encoder import Encoder
from vortex_crypto.fhe.ckks.switching import EvaluationKeys, SwitchingKey
from vortex_crypto.fhe.params import rounded_scale


@dataclass(frozen=True, eq=False)
class Hoisted:
    """A ciphertext with its second part decomposed once, to be turned many times."""

    ciphertext: Ciphertext
    lifted: Residues


class Evaluator:
    """The operations of the scheme on one context.

    Args:
        context: the parameters and engine.
        keys: the evaluation keys; without them there is no relinearisation and no rotation.
    """

    def __init__(self, context: Context, keys: EvaluationKeys | None = None) -> None:
        self.context = context
        self.keys = keys or EvaluationKeys()
        self.encoder = Encoder(context)
        self._monomials: dict[int, Residues] = {}

    # Sums

    def add(self, a: Ciphertext, b: Ciphertext) -> Ciphertext:
        """a + b, at the lower of their levels.

        Raises:
            ValueError: the scales differ.
        """
        a, b = self._aligned(a, b)
        if len(a.parts) < len(b.parts):
            a, b = b, a
        return Ciphertext(self.context.ring.add(a.parts, b.parts, self.context.basis(a.level)), a.scale)

    def sub(self, a: Ciphertext, b: Ciphertext) -> Ciphertext:
        """a - b, at the lower of their levels.

        Raises:
            ValueError: the scales differ.
        """
        a, b = self._aligned(a, b)
        basis, ring = self.context.basis(a.level), self.context.ring
        if len(a.parts) != len(b.parts):
            return self.add(a, self.negate(b))
        return Ciphertext(ring.sub(a.parts, b.parts, basis), a.scale)

    def negate(self, a: Ciphertext) -> Ciphertext:
        return Ciphertext(self.context.ring.negate(a.parts, self.context.basis(a.level)), a.scale)

    def add_plain(self, a: Ciphertext, values: complex | ArrayLike) -> Ciphertext:
        """a + values, encoded at the scale of a; a number goes to every slot.

        Raises:
            InvalidInput: the values cannot be encoded.
        """
        basis, ring = self.context.basis(a.level), self.context.ring
        number = _number(values)
        if number is not None and number.imag == 0:
            total = ring.add_scalar(a.parts, round(Fraction(number.real) * a.scale), basis, count=1)
        else:
            total = ring.add(a.parts, self._plain(self.encoder.encode(values, a.scale, basis))[None], basis)
        return Ciphertext(total, a.scale)

    # Products

    def mul(self, a: Ciphertext, b: Ciphertext) -> Ciphertext:
        """a * b: three parts, the product of the scales, at the lower level; awaits `relinearize` and `rescale`.

        Raises:
            ValueError: an operand has three parts.
        """
        if len(a.parts) != 2 or len(b.parts) != 2:
            raise ValueError("a ciphertext of three parts is relinearised before it is multiplied")
        level = min(a.level, b.level)
        first, second = a.at_level(level), b.at_level(level)
        parts = self.context.ring.tensor(first.parts, second.parts, self.context.basis(level))
        return Ciphertext(parts, rounded_scale(a.scale * b.scale))

    def square(self, a: Ciphertext) -> Ciphertext:
        """a * a, as `mul`."""
        return self.mul(a, a)

    def relinearize(self, a: Ciphertext) -> Ciphertext:
        """Two parts that decrypt as the three did.

        Raises:
            MissingKey: no relinearisation key serves this level.
        """
        if len(a.parts) == 2:
            return a
        key = self.keys.for_product(a.level)
        return Ciphertext(self._switched(a.parts[2], key, a.level, addend=a.parts[:2]), a.scale)

    def relinearize_rescale(self, a: Ciphertext) -> Ciphertext:
        """`rescale(relinearize(a))` with one division and one rounding in place of two.

        Raises:
            MissingKey: no relinearisation key serves this level.
            OutOfLevels: a is at level 0.
        """
        if len(a.parts) == 2 or a.level == 0:
            return self.rescale(a)
        key = self.keys.for_product(a.level)
        parts = self._switched(a.parts[2], key, a.level, addend=a.parts[:2], drop=1)
        return Ciphertext(parts, rounded_scale(a.scale / self.context.modulus(a.level)))

    def mul_plain(self, a: Ciphertext, values: complex | ArrayLike, scale: Fraction | None = None) -> Ciphertext:
        """a * values at the exact scale `scale`, by default the one whose rescale is canonical; awaits `rescale`.

        A number is multiplied as an integer constant; a vector is encoded at scale / a.scale.

        Raises:
            OutOfLevels: a is at level 0 and no scale was given.
            InvalidInput: the values cannot be encoded.
        """
        wanted = self._pending(a) if scale is None else scale
        number = _number(values)
        if number is not None:
            return self.mul_constant(a, number, wanted)
        return self.mul_plaintext(a, self.encoder.encode(values, wanted / a.scale, self.context.basis(a.level)), wanted)

    def mul_plaintext(self, a: Ciphertext, plain: Plaintext, scale: Fraction | None = None) -> Ciphertext:
        """a times an encoded vector that has the basis of a."""
        product = self.context.ring.multiply(a.parts, self._plain(plain), self.context.basis(a.level))
        return Ciphertext(product, rounded_scale(a.scale * plain.scale) if scale is None else scale)

    def mul_constant(self, a: Ciphertext, value: complex, scale: Fraction) -> Ciphertext:
        """a * value read at `scale`: each part of the number becomes an integer, it times scale / a.scale."""
        ratio = scale / a.scale
        product = self._times(a, round(Fraction(complex(value).real) * ratio))
        if complex(value).imag:
            turned = self.multiply_by_i(self._times(a, round(Fraction(complex(value).imag) * ratio)))
            product = self.add(product, turned)
        return Ciphertext(product.parts, scale)

    def combine(
        self, operands: Sequence[Ciphertext], rows: Sequence[tuple[Sequence[float], Fraction]]
    ) -> list[Ciphertext]:
        """sum_j values[j] * operands[j] read at `scale` for each (values, scale) of the rows, in one pass over memory.

        The ciphertexts have one level and equally many parts, and scales of their own.
        """
        basis = self.context.basis(operands[0].level)
        moduli = [self.context.moduli[position] for position in basis]
        weights: list[list[Residues | None]] = []
        for values, scale in rows:
            numbers = [round(Fraction(v) * (scale / a.scale)) for v, a in zip(values, operands, strict=True)]
            weights.append([np.array([[number % q] for q in moduli], np.uint64) for number in numbers])
        parts = self.context.ring.weighted_sums(weights, [a.parts for a in operands], basis)
        return [Ciphertext(each, scale) for each, (_, scale) in zip(parts, rows, strict=True)]

    def mul_integer(self, a: Ciphertext, value: int) -> Ciphertext:
        """a * value at the same scale: exact, costs no level, multiplies the noise too."""
        return self._times(a, value)

    def multiply_by_i(self, a: Ciphertext) -> Ciphertext:
        """i * a: the product with X^(N/2), exact and free of noise."""
        basis = self.context.basis(a.level)
        return Ciphertext(self.context.ring.multiply(a.parts, self._monomial(a.level), basis), a.scale)

    # Levels and scales

    def rescale(self, a: Ciphertext) -> Ciphertext:
        """Divide by the level's prime, message scale included.

        Raises:
            OutOfLevels: a is at level 0.
        """
        if a.level == 0:
            raise OutOfLevels("a rescale", 1, 0)
        parts = self.context.ring.mod_down(a.parts, self.context.basis(a.level), 1)
        return Ciphertext(parts, rounded_scale(a.scale / self.context.modulus(a.level)))

    def drop_level(self, a: Ciphertext, level: int) -> Ciphertext:
        """The same message at a lower level and its canonical scale.

        Raises:
            OutOfLevels: the level is above that of a.
        """
        if level > a.level:
            raise OutOfLevels("a drop of levels", level, a.level)
        if same_scale(a.scale, self.context.scale(level)):
            return a.at_level(level)
        if level == a.level:
            raise OutOfLevels("a correction of scale", 1, 0)
        above = a.at_level(level + 1)
        return self.rescale(self.mul_constant(above, 1, self.context.parameters.pending_scale(level + 1)))

    # Automorphisms

    def rotate(self, a: Ciphertext, step: int) -> Ciphertext:
        """y[i] = x[(i + step) mod slots].

        Raises:
            MissingKey: no Galois key for that step serves this level.
        """
        return a if step % self.context.slots == 0 else self.automorphism(a, self.context.galois_element(step))

    def conjugate(self, a: Ciphertext) -> Ciphertext:
        """Every slot conjugated.

        Raises:
            MissingKey: no key for conjugation serves this level.
        """
        return self.automorphism(a, self.context.conjugation)

    def automorphism(self, a: Ciphertext, element: int) -> Ciphertext:
        """m(X) to m(X^element).

        Raises:
            MissingKey: no key for the element serves this level.
        """
        key = self.keys.for_galois(element, a.level)
        parts = _two(a).parts
        return Ciphertext(self._switched(parts[1], key, a.level, element, addend=parts[:1]), a.scale)

    def hoist(self, a: Ciphertext) -> Hoisted:
        """Decompose once, for any number of `rotate_hoisted`."""
        context = self.context
        return Hoisted(a, context.ring.decompose(_two(a).parts[1], context.digits(a.level), context.special))

    def rotate_hoisted(self, hoisted: Hoisted, step: int) -> Ciphertext:
        """`rotate`, without the decomposition.

        Raises:
            MissingKey: no Galois key for that step serves this level.
        """
        if step % self.context.slots == 0:
            return hoisted.ciphertext
        element, level = self.context.galois_element(step), hoisted.ciphertext.level
        context, turned = self.context, self.inner(hoisted.lifted, self.keys.for_galois(element, level), level, element)
        parts = context.ring.mod_down(
            turned,
            context.extended(level),
            len(context.special),
            galois_element=element,
            addend=hoisted.ciphertext.parts[:1],
        )
        return Ciphertext(parts, hoisted.ciphertext.scale)

    def inner_sum(self, a: Ciphertext, count: int, step: int = 1) -> Ciphertext:
        """y[i] = sum over j < count of x[i + j step], count a power of two, by rotations of step, 2 step, 4 step, ...

        Raises:
            MissingKey: the key of one of these rotations is missing.
        """
        total, turn = a, step
        while turn < count * step:
            total = self.add(total, self.rotate(total, turn))
            turn *= 2
        return total

    # The extended basis, for linear transforms and bootstrapping

    def inner(
        self, lifted: Residues, key: SwitchingKey, level: int, element: int = 1, *, addend: Residues | None = None
    ) -> Residues:
        """Key switching without its division by the special primes: [2, level + 1 + special, N].

        `addend`, [1, level + 1 + special, N], is turned and added to the first part in the same pass.
        """
        context = self.context
        return context.ring.key_switch_inner(
            lifted,
            key.rows,
            context.extended(level),
            context.extended(key.level),
            galois_element=element,
            addend=addend,
        )

    def mod_down_special(self, x: Residues, level: int) -> Residues:
        """Divide by the special primes: extended basis to the basis of the level."""
        return self.context.ring.mod_down(x, self.context.extended(level), len(self.context.special))

    def switch_key(self, a: Ciphertext, key: SwitchingKey) -> Ciphertext:
        """The same message under the key's target secret."""
        parts = _two(a).parts
        return Ciphertext(self._switched(parts[1], key, a.level, addend=parts[:1]), a.scale)

    def _switched(
        self, x: Residues, key: SwitchingKey, level: int, element: int = 1, *, addend: Residues, drop: int = 0
    ) -> Residues:
        context = self.context
        return context.ring.key_switch(
            x,
            key.rows,
            context.digits(level),
            context.special,
            context.extended(key.level),
            galois_element=element,
            addend=addend,
            drop=drop,
        )

    def _aligned(self, a: Ciphertext, b: Ciphertext) -> tuple[Ciphertext, Ciphertext]:
        if not same_scale(a.scale, b.scale):
            raise ValueError(
                f"a sum of scales {float(a.scale):.10g} and {float(b.scale):.10g}; rescale or drop levels first"
            )
        level = min(a.level, b.level)
        return a.at_level(level), b.at_level(level)

    def _times(self, a: Ciphertext, value: int) -> Ciphertext:
        return Ciphertext(self.context.ring.multiply_scalar(a.parts, value, self.context.basis(a.level)), a.scale)

    def _plain(self, plain: Plaintext) -> Residues:
        return plain.expanded(self.context.parameters.ring_degree)

    def _pending(self, a: Ciphertext) -> Fraction:
        if a.level == 0:
            raise OutOfLevels("a product with a plaintext", 1, 0)
        return self.context.parameters.pending_scale(a.level)

    def _monomial(self, level: int) -> Residues:
        """X^(N/2) at that level, made once."""
        if level not in self._monomials:
            basis, degree = self.context.basis(level), self.context.parameters.ring_degree
            monomial = np.zeros(degree, dtype=np.int64)
            monomial[degree // 2] = 1
            self._monomials[level] = self.context.ring.ntt(self.context.ring.reduce_signed(monomial, basis), basis)
        return self._monomials[level]


def _number(values: complex | ArrayLike) -> complex | None:
    return complex(values) if isinstance(values, int | float | complex | np.number) else None


def _two(a: Ciphertext) -> Ciphertext:
    if len(a.parts) != 2:
        raise ValueError("a ciphertext of three parts is relinearised before it is turned")
    return a
