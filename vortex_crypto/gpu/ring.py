"""RNS rings on a CUDA device: `arith.ring.RingKernels` by the kernels of native/cuda/ring.cu.

Operands may be NumPy arrays or arrays of the device, and results are where the first operand was: a caller that keeps
its arrays on the device pays for no transfers. Sampling and encoding belong to the client; they run on the host engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from vortex_crypto.arith.ring import RingEngine, RingKernels, checks, embedding
from vortex_crypto.arith.ring.kernels import Basis, Complexes, Floats, Integers, Residues, Turned
from vortex_crypto.arith.ring.primes import primitive_root
from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.gpu.device import Device, DeviceArray, OnDevice, u32

LOG_TILE = 11
"""A block of the transform keeps 2^11 words in shared memory (`tile_size` in ring.cu)."""
_THREADS = 256


class CudaEngine:
    """Makes `CudaRing`s on one device, with rings of `host` for what stays on the processor."""

    name = "cuda"

    def __init__(self, device: Device, host: RingEngine) -> None:
        self._device, self._host = device, host

    def ring(self, degree: int, moduli: Sequence[int], *, threads: int = 1, isa: str | None = None) -> CudaRing:
        """The ring of that degree over those primes; threads and isa are for the kernels of the host."""
        return CudaRing(self._device, self._host.ring(degree, moduli, threads=threads, isa=isa))


class CudaRing(OnDevice):
    """`RingKernels` on a device."""

    def __init__(self, device: Device, host: RingKernels) -> None:
        super().__init__(device)
        self._host = host
        self._log_n = u32(host.degree.bit_length() - 1)
        self._blocks = -(-host.degree // _THREADS)
        self._primes = device.upload(np.array([_prime(q, host.degree) for q in host.moduli], dtype=np.uint64))
        tables = [_twiddles(q, host.degree) for q in host.moduli]
        self._twiddles, self._twiddles_shoup = (device.upload(np.stack(part)) for part in zip(*tables, strict=True))
        self._bases: dict[Basis, DeviceArray] = {}

    @property
    def degree(self) -> int:
        return self._host.degree

    @property
    def moduli(self) -> tuple[int, ...]:
        return self._host.moduli

    # Operands and launches.

    def _positions(self, basis: Basis) -> DeviceArray:
        """The basis on the device, uint32 [limbs]."""
        basis = tuple(basis)
        if basis not in self._bases:
            checks.basis(basis, len(self.moduli))
            self._bases[basis] = self._device.upload(np.array(basis, dtype=np.uint32))
        return self._bases[basis]

    def _in(self, x: Any, basis: Basis, name: str = "operand", ndim: int | None = None) -> DeviceArray:
        checks.basis(tuple(basis), len(self.moduli))
        checks.array(name, x, np.uint64, (len(basis), self.degree), ndim=ndim)
        return self._device.upload(x)

    def _result(self, result: DeviceArray, operand: Any) -> Residues:
        residues: Residues = self._out(result, operand)
        return residues

    def _launch(self, kernel: str, limbs: int, batch: int, *arguments: Any) -> None:
        """One thread a place; along x blocks for each leading index, which may be many, along y for each limb."""
        self._device.launch(kernel, (self._blocks * batch, limbs, 1), *arguments, self._log_n)

    def _pointwise(self, kernel: str, a: DeviceArray, basis: Basis, *arguments: Any) -> DeviceArray:
        """kernel(out, a, *arguments): out has the shape of a."""
        out = self._new(*a.shape)
        self._launch(kernel, len(basis), _batch(a), out, a, *arguments)
        return out

    def _binary(self, kernel: str, a: Any, b: Any, basis: Basis, *more: Any) -> DeviceArray:
        checks.pair(a, b)
        a, b = self._in(a, basis), self._in(b, basis)
        out, step = self._new(*a.shape), u32(b.ndim == a.ndim and a.ndim > 2)
        blocks = (self._blocks * _batch(a), len(basis), 1)
        tables = (self._positions(basis), self._primes, self._log_n, step)
        self._device.launch(kernel, blocks, out, a, b, *more, *tables)
        return out

    # Transforms and pointwise arithmetic.

    def _transform(self, x: DeviceArray, basis: Basis, *, inverse: bool) -> DeviceArray:
        """In passes over tiles that fit shared memory: strided ones first going forward, last going back."""
        log_n = int(self._log_n)
        rows = min(log_n, LOG_TILE)
        passes = [(log_n - rows, rows, 0)]
        if rows < log_n:
            passes.insert(0, (0, log_n - rows, LOG_TILE - (log_n - rows)))
        out = self._new(*x.shape)
        tables = (self._positions(basis), self._primes, self._twiddles, self._twiddles_shoup, self._log_n)
        for first, log_rows, log_columns in reversed(passes) if inverse else passes:
            grid = (_batch(x) * (self.degree >> (log_rows + log_columns)), len(basis), 1)
            shape = (u32(first), u32(log_rows), u32(log_columns))
            self._device.launch("ring_intt" if inverse else "ring_ntt", grid, out, x, *tables, *shape)
            x = out
        return out

    def ntt(self, x: Residues, basis: Basis) -> Residues:
        return self._result(self._transform(self._in(x, basis), basis, inverse=False), x)

    def intt(self, x: Residues, basis: Basis) -> Residues:
        return self._result(self._transform(self._in(x, basis), basis, inverse=True), x)

    def add(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        checks.leading(a, b)
        if b.ndim == a.ndim and b.shape[0] < a.shape[0]:
            return self._result(self._leading(self._in(a, basis), b.shape[0], lambda x: self._add(x, b, basis)), a)
        return self._result(self._add(a, b, basis), a)

    def _add(self, a: Any, b: Any, basis: Basis) -> DeviceArray:
        return self._binary("ring_add", a, b, basis)

    def _leading(self, x: DeviceArray, count: int, change: Callable[[DeviceArray], DeviceArray]) -> DeviceArray:
        """x with its first `count` polynomials changed."""
        out = self._new(*x.shape)
        out[:count] = change(x[:count])
        out[count:] = x[count:]
        return out

    def sub(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        return self._result(self._binary("ring_sub", a, b, basis), a)

    def negate(self, a: Residues, basis: Basis) -> Residues:
        x = self._in(a, basis)
        return self._result(self._pointwise("ring_negate", x, basis, self._positions(basis), self._primes), a)

    def multiply(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        return self._result(self._binary("ring_multiply", a, b, basis), a)

    def multiply_add(self, a: Residues, b: Residues, c: Residues, basis: Basis) -> Residues:
        if c.shape != a.shape:
            raise ShapeMismatch(f"a of shape {a.shape} and c of shape {c.shape}")
        return self._result(self._binary("ring_multiply_add", a, b, basis, self._in(c, basis)), a)

    def _tensor(self, a: Residues, b: Residues, basis: Basis) -> DeviceArray:
        out = self._new(3, len(basis), self.degree)
        operands = (self._in(a, basis), self._in(b, basis))
        self._launch("ring_tensor", len(basis), 1, out, *operands, self._positions(basis), self._primes)
        return out

    def tensor(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        return self.tensor_sum([(a, b)], basis)

    def tensor_sum(
        self, pairs: Sequence[tuple[Residues, Residues]], basis: Basis, *, addend: Residues | None = None
    ) -> Residues:
        checks.tensor_pairs(pairs, len(basis), self.degree)
        total = self._tensor(*pairs[0], basis)
        for a, b in pairs[1:]:
            total = self._binary("ring_add", total, self._tensor(a, b, basis), basis)
        return self._result(self._plus(total, addend, 1, basis), pairs[0][0])

    def _scalars(self, scalar: int | Sequence[int], basis: Basis) -> DeviceArray:
        """uint64 [2, limbs]: scalars and their Shoup quotients."""
        values = [scalar] * len(basis) if isinstance(scalar, int) else [int(v) for v in scalar]
        if len(values) != len(basis):
            raise ShapeMismatch(f"{len(values)} scalars for {len(basis)} limbs")
        reduced = [(v % self.moduli[i], self.moduli[i]) for v, i in zip(values, basis, strict=True)]
        rows = [[w for w, _ in reduced], [(w << 64) // q for w, q in reduced]]
        return self._device.upload(np.array(rows, dtype=np.uint64))

    def _scaled(self, x: DeviceArray, scalar: int | Sequence[int], basis: Basis) -> DeviceArray:
        tables = (self._scalars(scalar, basis), self._positions(basis), self._primes)
        return self._pointwise("ring_multiply_scalar", x, basis, *tables)

    def add_scalar(
        self, a: Residues, scalar: int | Sequence[int], basis: Basis, *, count: int | None = None
    ) -> Residues:
        x = self._in(a, basis)
        first = checks.count(count, a)
        tables = (self._scalars(scalar, basis), self._positions(basis), self._primes)

        def added(part: DeviceArray) -> DeviceArray:
            return self._pointwise("ring_add_scalar", part, basis, *tables)

        return self._result(added(x) if count is None else self._leading(x, first, added), a)

    def multiply_scalar(self, a: Residues, scalar: int | Sequence[int], basis: Basis) -> Residues:
        return self._result(self._scaled(self._in(a, basis), scalar, basis), a)

    def _element(self, galois_element: int) -> int:
        checks.galois(galois_element)
        return galois_element % (2 * self.degree)

    def _turned(self, x: DeviceArray, galois_element: int, basis: Basis) -> DeviceArray:
        return self._pointwise("ring_automorphism_ntt", x, basis, u32(galois_element))

    def automorphism(self, x: Residues, galois_element: int, basis: Basis, *, ntt: bool = True) -> Residues:
        element, operand = self._element(galois_element), self._in(x, basis)
        if ntt:
            return self._result(self._turned(operand, element, basis), x)
        inverse = u32(pow(element, -1, 2 * self.degree))
        tables = (self._positions(basis), self._primes, inverse)
        return self._result(self._pointwise("ring_automorphism", operand, basis, *tables), x)

    # Change of basis.

    def _extend(self, x: DeviceArray, source: Basis, target: Basis, *, exact: bool) -> DeviceArray:
        primes = [self.moduli[i] for i in source]
        whole = prod(primes)
        weights = [[w % self.moduli[i] for i in target] for w in (*(whole // q for q in primes), whole)]
        y = self._scaled(x, [pow(whole // q, -1, q) for q in primes], source)
        out = self._new(*x.shape[:-2], len(target), self.degree)
        tables = (
            self._device.upload(np.array(weights, dtype=np.uint64)),
            self._device.upload(np.array([1.0 / float(q) for q in primes])),
            *(self._positions(target), self._primes, u32(len(source)), u32(exact)),
        )
        self._launch("ring_extend", len(target), _batch(x), out, y, *tables)
        return out

    def extend(self, x: Residues, source: Basis, target: Basis, *, exact: bool = True) -> Residues:
        return self._result(self._extend(self._in(x, source), source, target, exact=exact), x)

    def _mod_down(self, x: DeviceArray, basis: Basis, count: int) -> DeviceArray:
        if not 1 <= count < len(basis):
            raise ShapeMismatch(f"dropping {count} of {len(basis)} limbs")
        kept, dropped = tuple(basis[:-count]), tuple(basis[-count:])
        tail = self._transform(self._device.upload(x[..., -count:, :]), dropped, inverse=True)
        lifted = self._transform(self._extend(tail, dropped, kept, exact=True), kept, inverse=False)
        whole = prod(self.moduli[i] for i in dropped)
        scalars = self._scalars([pow(whole, -1, self.moduli[i]) for i in kept], kept)
        out = self._new(*lifted.shape)
        tables = (lifted, scalars, self._positions(kept), self._primes, u32(len(basis)))
        self._launch("ring_divide", len(kept), _batch(x), out, x, *tables)
        return out

    def mod_down(
        self, x: Residues, basis: Basis, count: int, *, galois_element: int = 1, addend: Residues | None = None
    ) -> Residues:
        divided = self._mod_down(self._in(x, basis), basis, count)
        return self._result(self._plus(divided, addend, galois_element, basis[:-count]), x)

    def reduce_signed(self, x: Integers, basis: Basis) -> Residues:
        checks.array("integers", x, np.int64, (self.degree,))
        out = self._new(*x.shape[:-1], len(basis), self.degree)
        operand = self._device.upload(x)
        self._launch("ring_reduce_signed", len(basis), _batch(out), out, operand, self._positions(basis), self._primes)
        return self._result(out, x)

    # Key switching.

    def _decompose(self, x: DeviceArray, digits: Sequence[Basis], special: Basis) -> DeviceArray:
        basis = sum((tuple(digit) for digit in digits), ())
        whole = basis + tuple(special)
        coefficients = self._transform(x, basis, inverse=True)
        out, first = self._new(len(digits), len(whole), self.degree), 0
        for j, digit in enumerate(digits):
            part = coefficients[first : first + len(digit)]
            out[j] = self._extend(part, tuple(digit), whole, exact=True)
            first += len(digit)
        return self._transform(out, whole, inverse=False)

    def decompose(self, x: Residues, digits: Sequence[Basis], special: Basis) -> Residues:
        basis = sum((tuple(digit) for digit in digits), ())
        return self._result(self._decompose(self._in(x, basis, ndim=2), digits, special), x)

    def _inner(
        self, lifted: DeviceArray, key: DeviceArray, basis: Basis, key_basis: Basis, galois_element: int
    ) -> DeviceArray:
        checks.key(key.shape, basis, key_basis, lifted.shape[0])
        places = self._device.upload(np.array([key_basis.index(i) for i in basis], dtype=np.uint32))
        out = self._new(2, len(basis), self.degree)
        sizes = (u32(lifted.shape[0]), u32(len(key_basis)), u32(self._element(galois_element)))
        tables = (places, self._positions(basis), self._primes)
        self._launch("ring_key_switch_inner", len(basis), 2, out, lifted, key, *tables, *sizes)
        return out

    def _plus(self, x: DeviceArray, addend: Any, galois_element: int, basis: Basis) -> DeviceArray:
        element = self._element(galois_element)
        if addend is None:
            return x
        checks.addend(addend, len(basis), self.degree, to=x.shape[:-2])
        turned = self._turned(self._in(addend, basis), element, basis)
        count = addend.shape[0]
        x[:count] = self._binary("ring_add", x[:count], turned, basis)
        return x

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
        return self._result(self._pair(Turned(lifted, key, key_basis, galois_element, addend), basis), lifted)

    def _pair(self, t: Turned, basis: Basis) -> DeviceArray:
        operands = self._in(t.lifted, basis, "lifted digits", ndim=3), self._in(t.key, t.key_basis, "key", ndim=4)
        inner = self._inner(*operands, basis, t.key_basis, t.galois_element)
        return self._plus(inner, t.addend, t.galois_element, basis)

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
        whole = basis + tuple(special)
        lifted = self._decompose(self._in(x, basis, ndim=2), digits, special)
        inner = self._inner(lifted, self._in(key, key_basis, "key", ndim=4), whole, key_basis, galois_element)
        checks.dropped(drop, len(basis))
        if drop and addend is not None:
            checks.addend(addend, len(basis), self.degree)
            turned = self._turned(self._in(addend, basis), self._element(galois_element), basis)
            scaled = self._scaled(turned, prod(self.moduli[i] for i in special), basis)
            for part, added in zip(inner, scaled, strict=False):
                part[: len(basis)] = self._binary("ring_add", part[: len(basis)], added, basis)
        switched = self._mod_down(inner, whole, len(special) + drop)
        return self._result(self._plus(switched, None if drop else addend, galois_element, basis), x)

    def weighted_sums(
        self, weights: Sequence[Sequence[Residues | None]], terms: Sequence[Residues | Turned], basis: Basis
    ) -> Residues:
        checks.sums(weights, terms)
        operands = [
            self._pair(term, basis) if isinstance(term, Turned) else self._in(term, basis, "term", ndim=3)
            for term in terms
        ]
        result = self._device.zeros((len(weights), *operands[0].shape), np.uint64)
        tables = (self._positions(basis), self._primes)
        for total, row in zip(result, weights, strict=True):
            for weight, term in zip(row, operands, strict=True):
                if weight is not None:
                    checks.weight_of_sum(weight, self.degree, len(basis))
                    log_m = u32(weight.shape[1].bit_length() - 1)
                    arguments = (total, total, term, self._device.upload(weight), *tables, log_m)
                    self._launch("ring_accumulate", len(basis), term.shape[0], *arguments)
        return self._result(result, terms[0].lifted if isinstance(terms[0], Turned) else terms[0])

    # What stays on the host: checks of data from outside, encoding and sampling.

    def is_reduced(self, x: Residues, basis: Basis) -> bool:
        return self._host.is_reduced(self._at_home(x), basis)

    def special_fft(self, values: Complexes) -> Complexes:
        result: Complexes = self._on_host(self._host.special_fft, values)
        return result

    def special_ifft(self, values: Complexes) -> Complexes:
        result: Complexes = self._on_host(self._host.special_ifft, values)
        return result

    def special_fft_extended(self, values: Complexes) -> Complexes:
        result: Complexes = self._on_host(self._host.special_fft_extended, values)
        return result

    def special_ifft_extended(self, values: Complexes) -> Complexes:
        result: Complexes = self._on_host(self._host.special_ifft_extended, values)
        return result

    def round_to_residues(self, high: Floats, low: Floats | None, scale: tuple[float, float], basis: Basis) -> Residues:
        def rounded(high: Floats, low: Floats | None) -> Residues:
            return self._host.round_to_residues(high, low, scale, basis)

        residues: Residues = self._on_host(rounded, high, low)
        return residues

    def lift_to_floats(self, x: Residues, basis: Basis) -> tuple[Floats, Floats]:
        lifted: tuple[Floats, Floats] = self._on_host(partial(self._host.lift_to_floats, basis=basis), x)
        return lifted

    def expand_uniform(self, seed: bytes, stream: int, basis: Basis) -> Residues:
        return self._host.expand_uniform(seed, stream, basis)

    def sample_ternary(self, seed: bytes, stream: int) -> Integers:
        return self._host.sample_ternary(seed, stream)

    def sample_sparse_ternary(self, seed: bytes, stream: int, weight: int) -> Integers:
        return self._host.sample_sparse_ternary(seed, stream, weight)

    def sample_gaussian(self, seed: bytes, stream: int) -> Integers:
        return self._host.sample_gaussian(seed, stream)


def _batch(x: DeviceArray) -> int:
    """How many [limbs, N] there are."""
    return prod(x.shape[:-2])


def _prime(q: int, degree: int) -> list[int]:
    """A row of `struct Prime` in ring.cu."""
    mu, inverse = (1 << 128) // q, pow(degree, -1, q)
    radix = [pow(2, 52 * i, q) for i in range(3)]
    modulus = [q, mu >> 64, mu % (1 << 64), pow(q, -1, 1 << 64), *radix]
    quotients = [(r << bits) // q % (1 << 64) for bits in (52, 64) for r in radix]
    return [*modulus, *quotients, inverse, (inverse << 64) // q]


def _twiddles(q: int, degree: int) -> tuple[Residues, Residues]:
    """psi^brv(k) and its Shoup quotient, k < N."""
    psi, power = primitive_root(q, 2 * degree), 1
    powers = []
    for _ in range(degree):
        powers.append(power)
        power = power * psi % q
    reversal = embedding.bit_reversal(degree)
    values = np.array(powers, dtype=np.uint64)[reversal]
    return values, np.array([(w << 64) // q for w in powers], dtype=np.uint64)[reversal]
