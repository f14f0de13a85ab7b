"""The reference engine of RNS rings: the definition of every kernel of `kernels.RingKernels`, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.ring import checks, embedding, modular
from vortex_crypto.arith.ring import stream as chacha
from vortex_crypto.arith.ring.kernels import Basis, Complexes, Floats, Integers, Residues, Turned
from vortex_crypto.arith.ring.primes import primitive_root
from vortex_crypto.errors import InvalidInput, ShapeMismatch


class ReferenceEngine:
    """Makes `ReferenceRing`s; threads and code paths mean nothing here."""

    name = "reference"

    def ring(self, degree: int, moduli: Sequence[int], *, threads: int = 1, isa: str | None = None) -> ReferenceRing:
        """The ring of that degree over those primes."""
        return ReferenceRing(degree, moduli)


class ReferenceRing:
    """`RingKernels` by definition."""

    def __init__(self, degree: int, moduli: Sequence[int]) -> None:
        self._moduli = checks.ring(degree, moduli)
        self._degree = degree

    @property
    def degree(self) -> int:
        return self._degree

    @property
    def moduli(self) -> tuple[int, ...]:
        return self._moduli

    def _q(self, basis: Basis, axes: int = 1) -> modular.U64:
        checks.basis(basis, len(self._moduli))
        return modular.column([self._moduli[i] for i in basis], axes)

    def _check(self, x: Residues, basis: Basis, name: str = "operand", ndim: int | None = None) -> modular.U64:
        q = self._q(basis)
        checks.array(name, x, np.uint64, (len(basis), self._degree), ndim=ndim)
        return q

    @cached_property
    def _twiddles(self) -> Residues:
        """psi^brv(k), k < N, for every prime: [primes, N]."""
        return np.stack([_root_powers(q, self._degree) for q in self._moduli])

    def ntt(self, x: Residues, basis: Basis) -> Residues:
        """Cooley-Tukey butterflies, blocks of N, N/2, .., 2 (Longa, Naehrig 2016, algorithm 1)."""
        self._check(x, basis)
        q, n = self._q(basis, 2), self._degree
        twiddles = self._twiddles[list(basis)]
        blocks = 1
        while blocks < n:
            pairs = x.reshape(*x.shape[:-1], blocks, 2, n // (2 * blocks))
            u = pairs[..., 0, :]
            v = modular.mul(pairs[..., 1, :], twiddles[:, blocks : 2 * blocks, None], q)
            x = np.stack([modular.add(u, v, q), modular.sub(u, v, q)], axis=-2).reshape(x.shape)
            blocks *= 2
        return x

    def intt(self, x: Residues, basis: Basis) -> Residues:
        """Gentleman-Sande butterflies that undo those of `ntt`, then a division by N."""
        self._check(x, basis)
        q, n = self._q(basis, 2), self._degree
        twiddles = self._twiddles[list(basis)]
        blocks = n // 2
        while blocks:
            pairs = x.reshape(*x.shape[:-1], blocks, 2, n // (2 * blocks))
            u, v = pairs[..., 0, :], pairs[..., 1, :]
            # The inverse of psi^brv(blocks + i) is -psi^brv(2 blocks - 1 - i).
            turned = modular.mul(modular.sub(v, u, q), twiddles[:, blocks : 2 * blocks, None][:, ::-1], q)
            x = np.stack([modular.add(u, v, q), turned], axis=-2).reshape(x.shape)
            blocks //= 2
        inverse = modular.column([pow(n, -1, self._moduli[i]) for i in basis])
        return modular.mul(x, inverse, self._q(basis))

    def add(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        q = self._check(a, basis)
        self._check(b, basis)
        checks.leading(a, b)
        if b.ndim == a.ndim and len(b) < len(a):
            return np.concatenate([modular.add(a[: len(b)], b, q), a[len(b) :]])
        return modular.add(a, b, q)

    def sub(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        q = self._check(a, basis)
        self._check(b, basis)
        checks.pair(a, b)
        return modular.sub(a, b, q)

    def negate(self, a: Residues, basis: Basis) -> Residues:
        q = self._check(a, basis)
        return modular.sub(np.zeros_like(a), a, q)

    def multiply(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        q = self._check(a, basis)
        self._check(b, basis)
        checks.pair(a, b)
        return modular.mul(a, np.broadcast_to(b, a.shape), q)

    def multiply_add(self, a: Residues, b: Residues, c: Residues, basis: Basis) -> Residues:
        return self.add(self.multiply(a, b, basis), c, basis)

    def tensor(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        for operand in (a, b):
            self._check(operand, basis, ndim=3)
            checks.array("a pair", operand, np.uint64, (2, len(basis), self._degree))
        middle = self.multiply_add(a[0], b[1], self.multiply(a[1], b[0], basis), basis)
        return np.stack([self.multiply(a[0], b[0], basis), middle, self.multiply(a[1], b[1], basis)])

    def tensor_sum(
        self, pairs: Sequence[tuple[Residues, Residues]], basis: Basis, *, addend: Residues | None = None
    ) -> Residues:
        checks.tensor_pairs(pairs, len(basis), self._degree)
        total = self.tensor(*pairs[0], basis)
        for a, b in pairs[1:]:
            total = self.add(total, self.tensor(a, b, basis), basis)
        return self._plus(total, addend, 1, basis)

    def _scalars(self, scalar: int | Sequence[int], basis: Basis) -> modular.U64:
        values = [scalar] * len(basis) if isinstance(scalar, int) else list(scalar)
        if len(values) != len(basis):
            raise ShapeMismatch(f"{len(values)} scalars for {len(basis)} limbs")
        return modular.column([int(v) % self._moduli[i] for v, i in zip(values, basis, strict=True)])

    def add_scalar(
        self, a: Residues, scalar: int | Sequence[int], basis: Basis, *, count: int | None = None
    ) -> Residues:
        q = self._check(a, basis)
        first = checks.count(count, a)
        total = modular.add(a, self._scalars(scalar, basis), q)
        return total if count is None else np.concatenate([total[:first], a[first:]])

    def multiply_scalar(self, a: Residues, scalar: int | Sequence[int], basis: Basis) -> Residues:
        q = self._check(a, basis)
        return modular.mul(a, self._scalars(scalar, basis), q)

    def automorphism(self, x: Residues, galois_element: int, basis: Basis, *, ntt: bool = True) -> Residues:
        q = self._check(x, basis)
        checks.galois(galois_element)
        element = galois_element % (2 * self._degree)
        if ntt:
            return x[..., galois_places(self._degree, element)]
        place = np.arange(self._degree) * element % (2 * self._degree)
        result = np.empty_like(x)
        result[..., place % self._degree] = np.where(place < self._degree, x, modular.sub(np.zeros_like(x), x, q))
        return result

    def extend(self, x: Residues, source: Basis, target: Basis, *, exact: bool = True) -> Residues:
        q = self._check(x, source)
        p = self._q(target)
        from_primes, to_primes = [self._moduli[i] for i in source], [self._moduli[i] for i in target]
        whole = prod(from_primes)
        y = modular.mul(x, modular.column([pow(whole // a, -1, a) for a in from_primes]), q)
        result = np.zeros((*x.shape[:-2], len(target), self._degree), dtype=np.uint64)
        overflow = np.zeros((*x.shape[:-2], self._degree))
        for i, a in enumerate(from_primes):
            weight = modular.column([whole // a % b for b in to_primes])
            result = modular.add(result, modular.mul(weight, y[..., i : i + 1, :] % p, p), p)
            overflow = overflow + y[..., i, :].astype(np.float64) * (1.0 / float(a))
        if exact:
            v = np.rint(overflow).astype(np.uint64)[..., None, :]
            result = modular.sub(result, modular.mul(modular.column([whole % b for b in to_primes]), v % p, p), p)
        return result

    def mod_down(
        self, x: Residues, basis: Basis, count: int, *, galois_element: int = 1, addend: Residues | None = None
    ) -> Residues:
        self._check(x, basis)
        if not 1 <= count < len(basis):
            raise ShapeMismatch(f"dropping {count} of {len(basis)} limbs")
        kept, dropped = basis[:-count], basis[-count:]
        tail = self.intt(x[..., -count:, :], dropped)
        lifted = self.ntt(self.extend(tail, dropped, kept), kept)
        whole = prod(self._moduli[i] for i in dropped)
        inverse = [pow(whole, -1, self._moduli[i]) for i in kept]
        divided = self.multiply_scalar(self.sub(x[..., :-count, :], lifted, kept), inverse, kept)
        return self._plus(divided, addend, galois_element, kept)

    def reduce_signed(self, x: Integers, basis: Basis) -> Residues:
        q = self._q(basis)
        checks.array("integers", x, np.int64, (self._degree,))
        # |x| as uint64, so that -2^63 is right too.
        magnitude = np.where(x < 0, np.uint64(0) - x.view(np.uint64), x.view(np.uint64))[..., None, :] % q
        return np.where((x < 0)[..., None, :], modular.sub(np.zeros_like(magnitude), magnitude, q), magnitude)

    def is_reduced(self, x: Residues, basis: Basis) -> bool:
        q = self._check(x, basis)
        return bool((x < q).all())

    def decompose(self, x: Residues, digits: Sequence[Basis], special: Basis) -> Residues:
        basis = sum((tuple(digit) for digit in digits), ())
        self._check(x, basis, ndim=2)
        coefficients = self.intt(x, basis)
        lifted, first = [], 0
        for digit in digits:
            part = coefficients[first : first + len(digit)]
            lifted.append(self.ntt(self.extend(part, tuple(digit), basis + tuple(special)), basis + tuple(special)))
            first += len(digit)
        return np.stack(lifted)

    def key_switch_inner(
        self,
        lifted: Residues,
        key: Residues,
        basis: Basis,
        key_basis: Basis,
        *,
        galois_element: int = 1,
        addend: Residues | None = None,
    ) -> Residues:
        self._check(lifted, basis, "lifted digits", ndim=3)
        self._check(key, key_basis, "key", ndim=4)
        checks.key(key.shape, basis, key_basis, lifted.shape[0])
        limbs = [key_basis.index(i) for i in basis]
        turned = self.automorphism(lifted, galois_element, basis)
        total = np.zeros((2, len(basis), self._degree), dtype=np.uint64)
        for j in range(lifted.shape[0]):
            total = self.add(total, self.multiply(key[j][:, limbs], turned[j], basis), basis)
        return self._plus(total, addend, galois_element, basis)

    def _plus(self, x: Residues, addend: Residues | None, galois_element: int, basis: Basis) -> Residues:
        checks.galois(galois_element)
        if addend is None:
            return x
        checks.addend(addend, len(basis), self._degree, to=x.shape[:-2])
        return self.add(x, self.automorphism(addend, galois_element, basis), basis)

    def key_switch(
        self,
        x: Residues,
        key: Residues,
        digits: Sequence[Basis],
        special: Basis,
        key_basis: Basis,
        *,
        galois_element: int = 1,
        addend: Residues | None = None,
        drop: int = 0,
    ) -> Residues:
        self._q(special)
        basis = sum((tuple(digit) for digit in digits), ()) + tuple(special)
        lifted = self.decompose(x, digits, special)
        inner = self.key_switch_inner(lifted, key, basis, key_basis, galois_element=galois_element)
        low = basis[: -len(special)]
        checks.dropped(drop, len(low))
        if drop and addend is not None:
            checks.addend(addend, len(low), self._degree)
            whole = prod(self._moduli[i] for i in special)
            scaled = self.multiply_scalar(addend, whole, low)
            zeros = np.zeros((len(addend), len(special), self._degree), dtype=np.uint64)
            inner = self._plus(inner, np.concatenate([scaled, zeros], axis=1), galois_element, basis)
        switched = self.mod_down(inner, basis, len(special) + drop)
        return self._plus(switched, None if drop else addend, galois_element, low)

    def weighted_sums(
        self, weights: Sequence[Sequence[Residues | None]], terms: Sequence[Residues | Turned], basis: Basis
    ) -> Residues:
        checks.sums(weights, terms)
        pairs = [self._pair(term, basis) if isinstance(term, Turned) else term for term in terms]
        for term in pairs:
            self._check(term, basis, "term", ndim=3)
        result = np.zeros((len(weights), *pairs[0].shape), dtype=np.uint64)
        for g, row in enumerate(weights):
            for weight, term in zip(row, pairs, strict=True):
                if weight is not None:
                    checks.weight_of_sum(weight, self._degree, len(basis))
                    whole = np.repeat(weight, self._degree // weight.shape[1], axis=1)
                    result[g] = self.multiply_add(term, whole, result[g], basis)
        return result

    def _pair(self, t: Turned, basis: Basis) -> Residues:
        options: dict[str, Any] = {"galois_element": t.galois_element, "addend": t.addend}
        return self.key_switch_inner(t.lifted, t.key, basis, t.key_basis, **options)

    def special_fft(self, values: Complexes) -> Complexes:
        checks.complexes(values, self._degree, extended=False)
        return embedding.special_fft(values)

    def special_ifft(self, values: Complexes) -> Complexes:
        checks.complexes(values, self._degree, extended=False)
        return embedding.special_ifft(values)

    def special_fft_extended(self, values: Complexes) -> Complexes:
        checks.complexes(values, self._degree, extended=True)
        return embedding.special_fft_extended(values)

    def special_ifft_extended(self, values: Complexes) -> Complexes:
        checks.complexes(values, self._degree, extended=True)
        return embedding.special_ifft_extended(values)

    def round_to_residues(self, high: Floats, low: Floats | None, scale: tuple[float, float], basis: Basis) -> Residues:
        q = self._q(basis)
        checks.floats(high, low, self._degree)
        whole, rest = embedding.rounded_product(high, low, scale)
        if not (np.abs(whole) < 2.0**embedding.MAX_LOG_MAGNITUDE).all():
            raise InvalidInput(checks.TOO_LARGE)
        return modular.add(embedding.integral_residues(whole, q), embedding.integral_residues(rest, q), q)

    def lift_to_floats(self, x: Residues, basis: Basis) -> tuple[Floats, Floats]:
        self._check(x, basis)
        primes = [self._moduli[i] for i in basis]
        whole = prod(primes)
        checks.liftable(primes)
        total = np.zeros((*x.shape[:-2], self._degree), dtype=object)
        for i, a in enumerate(primes):
            total = total + x[..., i, :].astype(object) * (whole // a * pow(whole // a, -1, a))
        total = total % whole
        centred = np.where(total > whole // 2, total - whole, total)
        high = centred.astype(np.float64)
        return high, (centred - _integers(high)).astype(np.float64)

    def expand_uniform(self, seed: bytes, stream: int, basis: Basis) -> Residues:
        self._q(basis)
        checks.seed(seed, stream)
        return np.stack([chacha.uniform(seed, stream, i, self._moduli[i], self._degree) for i in basis])

    def sample_ternary(self, seed: bytes, stream: int) -> Integers:
        checks.seed(seed, stream)
        return chacha.ternary(seed, stream, self._degree)

    def sample_sparse_ternary(self, seed: bytes, stream: int, weight: int) -> Integers:
        checks.seed(seed, stream)
        checks.weight(weight, self._degree)
        return chacha.sparse_ternary(seed, stream, self._degree, weight)

    def sample_gaussian(self, seed: bytes, stream: int) -> Integers:
        checks.seed(seed, stream)
        return chacha.gaussian(seed, stream, self._degree)


def _integers(values: Floats) -> NDArray[np.object_]:
    """Integral doubles as Python integers."""
    return np.array([int(v) for v in values.reshape(-1)], dtype=object).reshape(values.shape)


@lru_cache(maxsize=256)
def _root_powers(modulus: int, degree: int) -> Residues:
    """psi^brv(k), k < N."""
    psi = primitive_root(modulus, 2 * degree)
    powers = np.empty(degree, dtype=np.uint64)
    value = 1
    for k in range(degree):
        powers[k] = value
        value = value * psi % modulus
    return powers[embedding.bit_reversal(degree)]


@lru_cache(maxsize=1024)
def galois_places(degree: int, galois_element: int) -> NDArray[np.int64]:
    """Where place j of phi_g(p) in NTT form comes from: brv((g (2 brv(j) + 1) mod 2N - 1) / 2)."""
    reversal = embedding.bit_reversal(degree)
    exponent = galois_element * (2 * reversal + 1) % (2 * degree)
    return reversal[(exponent - 1) // 2]
