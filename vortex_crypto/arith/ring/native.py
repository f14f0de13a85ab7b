"""The native engine of RNS rings: `kernels.RingKernels` over the compiled core.

Shapes and dtypes are checked here, where errors can name things; the core checks again what its memory safety needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith import native
from vortex_crypto.arith.ring import checks, embedding
from vortex_crypto.arith.ring import stream as chacha
from vortex_crypto.arith.ring.kernels import Basis, Complexes, Floats, Integers, Residues, Turned
from vortex_crypto.arith.ring.primes import primitive_root
from vortex_crypto.errors import InvalidInput, ParameterRefused, ShapeMismatch

ISAS = ("portable", "avx2", "ifma")
"""Code paths, from the one every machine has to the fastest."""


class NativeEngine:
    """Makes `NativeRing`s."""

    name = "native"

    def ring(self, degree: int, moduli: Sequence[int], *, threads: int = 1, isa: str | None = None) -> NativeRing:
        """The ring of that degree over those primes."""
        return NativeRing(degree, moduli, threads=threads, isa=isa)


class NativeRing:
    """`RingKernels` in C++; kernels release the interpreter's lock."""

    def __init__(self, degree: int, moduli: Sequence[int], *, threads: int, isa: str | None) -> None:
        self._moduli = checks.ring(degree, moduli)
        self._degree = degree
        if isa is not None and isa not in ISAS:
            raise ParameterRefused("isa", f"no code path {isa!r}; there are {', '.join(ISAS)}")
        if threads < 0:
            raise ParameterRefused("threads", f"{threads} threads: 0 (all processors) or more is expected")
        core = native.load().ring
        roots = [primitive_root(q, 2 * degree) for q in self._moduli]
        try:
            self._core = core.Ring(degree, list(self._moduli), roots, threads, isa or "")
        except ValueError as error:
            raise ParameterRefused("isa", str(error)) from error

    @property
    def degree(self) -> int:
        return self._degree

    @property
    def moduli(self) -> tuple[int, ...]:
        return self._moduli

    @property
    def threads(self) -> int:
        """Processors that a kernel may use."""
        return int(self._core.threads)

    @property
    def isa(self) -> str:
        """The code path in use."""
        return str(self._core.isa)

    def _in(self, x: Residues, basis: Basis, name: str = "operand", ndim: int | None = None) -> Residues:
        checks.basis(basis, len(self._moduli))
        checks.array(name, x, np.uint64, (len(basis), self._degree), ndim=ndim)
        return _rows(x)

    def _pair(self, a: Residues, b: Residues, basis: Basis) -> tuple[Residues, Residues]:
        checked = self._in(a, basis), self._in(b, basis)
        checks.pair(a, b)
        return checked

    def ntt(self, x: Residues, basis: Basis) -> Residues:
        return _residues(self._core.ntt(self._in(x, basis), basis, False))

    def intt(self, x: Residues, basis: Basis) -> Residues:
        return _residues(self._core.ntt(self._in(x, basis), basis, True))

    def add(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        checked = self._in(a, basis), self._in(b, basis)
        checks.leading(a, b)
        return _residues(self._core.add(*checked, basis))

    def sub(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        return _residues(self._core.sub(*self._pair(a, b, basis), basis))

    def negate(self, a: Residues, basis: Basis) -> Residues:
        return _residues(self._core.negate(self._in(a, basis), basis))

    def multiply(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        return _residues(self._core.multiply(*self._pair(a, b, basis), basis))

    def multiply_add(self, a: Residues, b: Residues, c: Residues, basis: Basis) -> Residues:
        checks.pair(a, c)
        return _residues(self._core.multiply_add(*self._pair(a, b, basis), self._in(c, basis), basis))

    def tensor(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        return self.tensor_sum([(a, b)], basis)

    def tensor_sum(
        self, pairs: Sequence[tuple[Residues, Residues]], basis: Basis, *, addend: Residues | None = None
    ) -> Residues:
        checks.tensor_pairs(pairs, len(basis), self._degree)
        first, second = [self._in(a, basis) for a, _ in pairs], [self._in(b, basis) for _, b in pairs]
        return _residues(self._core.tensor_sum(first, second, basis, self._addend(addend, basis)))

    def _scalars(self, scalar: int | Sequence[int], basis: Basis) -> list[int]:
        values = [scalar] * len(basis) if isinstance(scalar, int) else list(scalar)
        if len(values) != len(basis):
            raise ShapeMismatch(f"{len(values)} scalars for {len(basis)} limbs")
        return [int(v) % self._moduli[i] for v, i in zip(values, basis, strict=True)]

    def add_scalar(
        self, a: Residues, scalar: int | Sequence[int], basis: Basis, *, count: int | None = None
    ) -> Residues:
        operand = self._in(a, basis)
        first = checks.count(count, a)
        return _residues(self._core.add_scalar(operand, self._scalars(scalar, basis), basis, first))

    def multiply_scalar(self, a: Residues, scalar: int | Sequence[int], basis: Basis) -> Residues:
        return _residues(self._core.multiply_scalar(self._in(a, basis), self._scalars(scalar, basis), basis))

    def _element(self, galois_element: int) -> int:
        checks.galois(galois_element)
        return galois_element % (2 * self._degree)

    def automorphism(self, x: Residues, galois_element: int, basis: Basis, *, ntt: bool = True) -> Residues:
        return _residues(self._core.automorphism(self._in(x, basis), self._element(galois_element), basis, ntt))

    def extend(self, x: Residues, source: Basis, target: Basis, *, exact: bool = True) -> Residues:
        checks.basis(target, len(self._moduli))
        return _residues(self._core.extend(self._in(x, source), source, target, exact))

    def mod_down(
        self, x: Residues, basis: Basis, count: int, *, galois_element: int = 1, addend: Residues | None = None
    ) -> Residues:
        if not 1 <= count < len(basis):
            raise ShapeMismatch(f"dropping {count} of {len(basis)} limbs")
        operand, element = self._in(x, basis), self._element(galois_element)
        added = self._addend(addend, basis[:-count], to=x.shape[:-2])
        return _residues(self._core.mod_down(operand, basis, count, element, added))

    def reduce_signed(self, x: Integers, basis: Basis) -> Residues:
        checks.basis(basis, len(self._moduli))
        checks.array("integers", x, np.int64, (self._degree,))
        return _residues(self._core.reduce_signed(_rows(x), basis))

    def is_reduced(self, x: Residues, basis: Basis) -> bool:
        return bool(self._core.is_reduced(self._in(x, basis), basis))

    def decompose(self, x: Residues, digits: Sequence[Basis], special: Basis) -> Residues:
        basis = sum((tuple(digit) for digit in digits), ())
        checks.basis(basis + tuple(special), len(self._moduli))
        return _residues(self._core.decompose(self._in(x, basis, ndim=2), list(digits), special))

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
        turned = self._turned(Turned(lifted, key, key_basis, galois_element, addend), basis)
        operand, checked, _, element, added = turned
        return _residues(self._core.key_switch_inner(operand, checked, basis, key_basis, element, added))

    def _turned(self, t: Turned, basis: Basis) -> tuple[Residues, Residues, Basis, int, Residues | None]:
        operand = self._in(t.lifted, basis, "lifted digits", ndim=3)
        key = self._key(t.key, basis, t.key_basis, t.lifted.shape[0])
        return operand, key, t.key_basis, self._element(t.galois_element), self._addend(t.addend, basis)

    def _addend(self, addend: Residues | None, basis: Basis, *, to: tuple[int, ...] = (2,)) -> Residues | None:
        if addend is None:
            return None
        checks.addend(addend, len(basis), self._degree, to=to)
        return _rows(addend)

    def _key(self, key: Residues, basis: Basis, key_basis: Basis, digits: int) -> Residues:
        checked = self._in(key, key_basis, "key", ndim=4)
        checks.key(key.shape, basis, key_basis, digits)
        return checked

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
        basis = sum((tuple(digit) for digit in digits), ())
        checks.basis(basis + tuple(special), len(self._moduli))
        checks.basis(special, len(self._moduli))
        operand = self._in(x, basis, ndim=2)
        checked = self._key(key, basis + tuple(special), key_basis, len(digits))
        element = self._element(galois_element)
        added = self._addend(addend, basis)
        checks.dropped(drop, len(basis))
        arguments = (operand, checked, list(digits), special, key_basis, element, added, drop)
        return _residues(self._core.key_switch(*arguments))

    def weighted_sums(
        self, weights: Sequence[Sequence[Residues | None]], terms: Sequence[Residues | Turned], basis: Basis
    ) -> Residues:
        checks.sums(weights, terms)
        checked = [
            self._turned(term, basis) if isinstance(term, Turned) else self._in(term, basis, "term", ndim=3)
            for term in terms
        ]
        rows = [[None if w is None else self._weight(w, basis) for w in row] for row in weights]
        return _residues(self._core.weighted_sums(rows, checked, basis))

    def _weight(self, weight: Residues, basis: Basis) -> Residues:
        checks.weight_of_sum(weight, self._degree, len(basis))
        return np.ascontiguousarray(weight)

    def special_fft(self, values: Complexes) -> Complexes:
        return self._fft(values, inverse=False, extended=False)

    def special_ifft(self, values: Complexes) -> Complexes:
        return self._fft(values, inverse=True, extended=False)

    def special_fft_extended(self, values: Complexes) -> Complexes:
        return self._fft(values, inverse=False, extended=True)

    def special_ifft_extended(self, values: Complexes) -> Complexes:
        return self._fft(values, inverse=True, extended=True)

    def _fft(self, values: Complexes, *, inverse: bool, extended: bool) -> Complexes:
        checks.complexes(values, self._degree, extended=extended)
        n = values.shape[-1]
        roots = _split_roots(n, extended)
        flat = np.ascontiguousarray(values).view(np.float64)
        if extended:
            flat = flat.reshape(*values.shape[:-2], 4 * n)
        result = self._core.special_fft(flat, roots, n, inverse, extended)
        return np.asarray(result).view(np.complex128).reshape(values.shape)

    def round_to_residues(self, high: Floats, low: Floats | None, scale: tuple[float, float], basis: Basis) -> Residues:
        checks.basis(basis, len(self._moduli))
        checks.floats(high, low, self._degree)
        rows = None if low is None else _rows(low)
        result = self._core.round_to_residues(_rows(high), rows, float(scale[0]), float(scale[1]), basis)
        if result is None:
            raise InvalidInput(checks.TOO_LARGE)
        return _residues(result)

    def lift_to_floats(self, x: Residues, basis: Basis) -> tuple[Floats, Floats]:
        operand = self._in(x, basis)
        checks.liftable([self._moduli[i] for i in basis])
        high, low = self._core.lift_to_floats(operand, basis)
        return high, low

    def expand_uniform(self, seed: bytes, stream: int, basis: Basis) -> Residues:
        checks.basis(basis, len(self._moduli))
        checks.seed(seed, stream)
        return _residues(self._core.expand_uniform(seed, stream, basis))

    def sample_ternary(self, seed: bytes, stream: int) -> Integers:
        checks.seed(seed, stream)
        return np.asarray(self._core.sample_ternary(seed, stream, chacha.TERNARY_WORD))

    def sample_sparse_ternary(self, seed: bytes, stream: int, weight: int) -> Integers:
        checks.seed(seed, stream)
        checks.weight(weight, self._degree)
        return np.asarray(self._core.sample_sparse_ternary(seed, stream, chacha.SPARSE_WORD, weight))

    def sample_gaussian(self, seed: bytes, stream: int) -> Integers:
        checks.seed(seed, stream)
        thresholds = list(chacha.gaussian_thresholds())
        return np.asarray(self._core.sample_gaussian(seed, stream, chacha.GAUSSIAN_WORD, thresholds))


@lru_cache(maxsize=64)
def _split_roots(slots: int, extended: bool) -> Floats:
    """The embedding's roots with their parts apart: float64 [2 * slots], or with their low parts [4 * slots]."""
    table = embedding.roots_extended(slots) if extended else embedding.roots(slots)[None]
    return np.ascontiguousarray(np.stack([table.real, table.imag], axis=1)).reshape(-1)


def _rows(x: NDArray[Any]) -> NDArray[Any]:
    """x with its last axis contiguous; slices along the others cost the core nothing."""
    return x if x.strides[-1] == x.itemsize else np.ascontiguousarray(x)


def _residues(x: Any) -> Residues:
    result: Residues = x
    return result
