"""Every ring kernel on every engine and code path against its definition, on random and on edge operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from vortex_crypto.arith.engine import Kernel
from vortex_crypto.arith.ring import KERNELS, RingKernels, engine
from vortex_crypto.arith.ring.embedding import split_scale
from vortex_crypto.arith.ring.kernels import Turned
from vortex_crypto.arith.ring.native import ISAS
from vortex_crypto.arith.ring.primes import ntt_primes, ntt_primes_below
from vortex_crypto.errors import ParameterRefused

SEED = bytes(range(32))
DEGREES = (8, 64, 256, 2048)
EDGES: tuple[Callable[[int], int], ...] = (
    lambda q: 0,
    lambda q: 1,
    lambda q: q - 1,
    lambda q: q // 2,
    lambda q: q // 2 + 1,
    lambda q: 1 << (q.bit_length() - 1),
)

Case = tuple[tuple[Any, ...], dict[str, Any]]


@lru_cache(maxsize=8)
def moduli(degree: int) -> tuple[int, ...]:
    """Narrow, word-sized and wide primes mixed, the widest of each path among them."""
    narrow = ntt_primes_below(50, 3, degree) + ntt_primes(30, 1, degree)
    return narrow + ntt_primes_below(61, 2, degree) + ntt_primes_below(52, 1, degree) + ntt_primes(45, 1, degree)


def path_available(isa: str) -> bool:
    try:
        engine("native").ring(8, (97,), isa=isa)
    except ParameterRefused:
        return False
    return True


PATHS = [
    pytest.param(isa, marks=pytest.mark.skipif(not path_available(isa), reason=f"this processor has no {isa}"))
    for isa in ISAS
]


@lru_cache(maxsize=32)
def rings(degree: int, isa: str) -> tuple[RingKernels, RingKernels]:
    primes = moduli(degree)
    return engine("reference").ring(degree, primes), engine("native").ring(degree, primes, isa=isa, threads=2)


class Operands:
    """Random and edge operands over all primes of one ring."""

    def __init__(self, ring: RingKernels, *, edge: int | None) -> None:
        self.ring, self.edge = ring, edge
        self.all = tuple(range(len(ring.moduli)))
        self.rng = np.random.default_rng(7)
        self.stream = 0

    def residues(self, *leading: int, basis: tuple[int, ...] | None = None) -> np.ndarray:
        basis = self.all if basis is None else basis
        shape = (*leading, len(basis), self.ring.degree)
        if self.edge is not None:
            column = np.array([[EDGES[self.edge](self.ring.moduli[i])] for i in basis], dtype=np.uint64)
            return np.broadcast_to(column, shape).copy()
        self.stream += 1
        count = int(np.prod(leading, dtype=int))
        rows = [self.ring.expand_uniform(SEED, 1000 * self.stream + i, basis) for i in range(count)]
        return np.stack(rows).reshape(shape)

    def floats(self, *leading: int) -> np.ndarray:
        edges = (0.0, 0.5, -0.5, 1.5, 2.0**-60, -(2.0**17))
        shape = (*leading, self.ring.degree)
        return self.rng.normal(size=shape) * 1e3 if self.edge is None else np.full(shape, edges[self.edge])

    def slots(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape) + 1j * self.rng.normal(size=shape)


def _pointwise(operands: int) -> Callable[[Operands], Iterator[Case]]:
    def cases(make: Operands) -> Iterator[Case]:
        yield (*(make.residues(2) for _ in range(operands)), make.all), {}
        part = (5, 0, 3)
        yield (*(make.residues(basis=part) for _ in range(operands)), part), {}
        if operands == 2:
            yield (make.residues(2), make.residues(), make.all), {}

    return cases


def _add(make: Operands) -> Iterator[Case]:
    yield from _pointwise(2)(make)
    yield (make.residues(3), make.residues(2), make.all), {}
    yield (make.residues(2), make.residues(1), make.all), {}


def _tensor(make: Operands) -> Iterator[Case]:
    yield (make.residues(2), make.residues(2), make.all), {}


def _tensor_sum(make: Operands) -> Iterator[Case]:
    two = [(make.residues(2), make.residues(2)) for _ in range(2)]
    for addend in (None, make.residues(1), make.residues(2)):
        yield (two, make.all), {"addend": addend}
    yield (two[:1] * 2, make.all), {}
    few = (0, 4)  # more products than fit one sum of any path
    yield ([(make.residues(2, basis=few), make.residues(2, basis=few))] * 20, few), {}


def _scalar(make: Operands) -> Iterator[Case]:
    for scalar in (0, 1, -1, -(7**60), list(range(len(make.all)))):
        yield (make.residues(2), scalar, make.all), {}


def _add_scalar(make: Operands) -> Iterator[Case]:
    yield from _scalar(make)
    for count in (1, 2, 3):
        yield (make.residues(3), -5, make.all), {"count": count}


def _automorphism(make: Operands) -> Iterator[Case]:
    n = make.ring.degree
    for element in (1, 3, 5, 25, 2 * n - 1, 2 * n + 5, pow(5, n // 4 + 1, 2 * n)):
        for ntt in (True, False):
            yield (make.residues(2), element, make.all), {"ntt": ntt}


def _extend(make: Operands) -> Iterator[Case]:
    for source, target in (
        ((1, 2), (0, 3, 4, 5)),
        ((4, 5, 1), (0, 2, 3, 6, 7)),
        ((0,), (1, 4)),
        ((6,), (0, 6)),
        ((3, 7), (0,)),
    ):
        for exact in (True, False):
            yield (make.residues(2, basis=source), source, target), {"exact": exact}


def _mod_down(make: Operands) -> Iterator[Case]:
    for count in (1, 2, 4):
        yield (make.residues(2), make.all, count), {}
    yield (make.residues(basis=(4, 0)), (4, 0), 1), {}
    for element in (1, 5):
        for parts in (1, 2):
            more = {"galois_element": element, "addend": make.residues(parts, basis=make.all[:-2])}
            yield (make.residues(2), make.all, 2), more


def _reduce_signed(make: Operands) -> Iterator[Case]:
    x = make.rng.integers(-(1 << 63), 1 << 63, size=(2, make.ring.degree), endpoint=False)
    x[0, :4] = (-(1 << 63), (1 << 63) - 1, 0, -1)
    yield (x, make.all), {}


def _is_reduced(make: Operands) -> Iterator[Case]:
    x = make.residues(2)
    yield (x, make.all), {}
    for limb in make.all:
        over = x.copy()
        over[1, limb, -1] = make.ring.moduli[limb]
        yield (over, make.all), {}


DIGITS, SPECIAL = ((0, 4, 2), (3, 1)), (5, 6)


def _decompose(make: Operands) -> Iterator[Case]:
    basis = sum(DIGITS, ())
    yield (make.residues(basis=basis), DIGITS, SPECIAL), {}
    yield (make.residues(basis=(0,)), ((0,),), (1,)), {}


def _key_switch_inner(make: Operands) -> Iterator[Case]:
    basis = sum(DIGITS, ()) + SPECIAL
    key_basis = (7, *reversed(basis))
    for element in (1, 5, 2 * make.ring.degree - 1):
        yield (
            (make.residues(2, basis=basis), make.residues(3, 2, basis=key_basis), basis, key_basis),
            {"galois_element": element, "addend": make.residues(1, basis=basis)},
        )

    few = (0, 4)  # more digits than fit one sum of any path
    lifted, key = make.residues(1, basis=few), make.residues(1, 2, basis=few)
    yield (np.repeat(lifted, 40, axis=0), np.repeat(key, 40, axis=0), few, few), {"galois_element": 3}


def _key_switch(make: Operands) -> Iterator[Case]:
    basis = sum(DIGITS, ())
    for element in (1, 5):
        key = make.residues(2, 2)
        operands = (make.residues(basis=basis), key, DIGITS, SPECIAL, make.all)
        yield operands, {"galois_element": element}
        for parts in (1, 2):
            yield operands, {"galois_element": element, "addend": make.residues(parts, basis=basis)}
            addend = make.residues(parts, basis=basis)
            yield operands, {"galois_element": element, "addend": addend, "drop": parts}
        yield operands, {"galois_element": element, "drop": 1}


def _weighted_sums(make: Operands) -> Iterator[Case]:
    terms = [make.residues(2) for _ in range(3)]
    w = [make.residues() for _ in range(3)]
    yield ([[w[0], None, w[1]], [None, None, None], [w[2], w[1], w[0]]], terms, make.all), {}
    degree = make.ring.degree
    repeated = [np.ascontiguousarray(w[0][:, : degree // gap]) for gap in (2, 8, degree)]
    yield ([repeated, [repeated[0], None, w[1]]], terms, make.all), {}
    for few_words in (repeated[:1], repeated[1:], w[:1]):  # many sums over the same terms, of any number of parts
        many = [[few_words[(g + b) % len(few_words)] for b in range(3)] for g in range(6)]
        for parts in (1, 2, 3):
            yield (many, [make.residues(parts) for _ in range(3)], make.all), {}
    few = (0, 4)
    weight, term = make.residues(basis=few), make.residues(1, basis=few)
    yield ([[weight] * 70], [term] * 70, few), {}
    yield from _turned_sums(make, repeated[1], w[0])


def _turned_sums(make: Operands, short: np.ndarray, long: np.ndarray) -> Iterator[Case]:
    """Terms computed on the way: with one key of a larger basis and one of the same, beside one that is there."""
    degree, key_basis = make.ring.degree, tuple(reversed(make.all))
    lifted, key = make.residues(2), make.residues(3, 2, basis=key_basis)
    terms = [
        make.residues(2),
        Turned(lifted, key, key_basis, 5, make.residues(1)),
        Turned(lifted, make.residues(2, 2), make.all, 1, make.residues(2)),
        Turned(make.residues(1), key, key_basis, 2 * degree - 1),
    ]
    yield ([[short] * 4, [short, None, short, short]] + [[short] * 4] * 5, terms, make.all), {}
    yield ([[None, long, None, None]], terms, make.all), {}
    yield ([[short, long]] * 4, terms[1:3], make.all), {}


def _fft(make: Operands) -> Iterator[Case]:
    n = make.ring.degree // 2
    while n:
        yield (make.slots(2, n),), {}
        n //= 4


def _fft_extended(make: Operands) -> Iterator[Case]:
    high = make.slots(2, make.ring.degree // 2)
    yield (np.stack([high, high * 2.0**-54], axis=-2),), {}


def _round(make: Operands) -> Iterator[Case]:
    for scale in (Fraction(1), Fraction(2) ** 40, Fraction(2) ** 100, Fraction(10**30, 7), Fraction(1, 3)):
        high = make.floats(2)
        yield (high, None, split_scale(scale), make.all), {}
        yield (high, high * 2.0**-54, split_scale(scale), make.all), {}


def _lift(make: Operands) -> Iterator[Case]:
    for basis in (make.all, (0,), (4, 5), (3, 0, 6)):
        yield (make.residues(2, basis=basis), basis), {}
    small = make.rng.integers(-(1 << 40), 1 << 40, size=make.ring.degree)
    yield (make.ring.reduce_signed(small, make.all), make.all), {}


def _uniform(make: Operands) -> Iterator[Case]:
    yield (SEED, 0, make.all), {}
    yield (SEED, (1 << 64) - 1, (4, 1)), {}


def _sampler(make: Operands) -> Iterator[Case]:
    for stream in (0, 1, 1 << 40):
        yield (SEED, stream), {}


def _sparse(make: Operands) -> Iterator[Case]:
    for weight in (1, make.ring.degree // 2):
        yield (SEED, 3, weight), {}


CASES: dict[str, Callable[[Operands], Iterator[Case]]] = {
    **dict.fromkeys(("ntt", "intt", "negate"), _pointwise(1)),
    "add": _add,
    **dict.fromkeys(("sub", "multiply"), _pointwise(2)),
    "multiply_add": _pointwise(3),
    "tensor": _tensor,
    "tensor_sum": _tensor_sum,
    "add_scalar": _add_scalar,
    "multiply_scalar": _scalar,
    "automorphism": _automorphism,
    "extend": _extend,
    "mod_down": _mod_down,
    "reduce_signed": _reduce_signed,
    "is_reduced": _is_reduced,
    "decompose": _decompose,
    "key_switch_inner": _key_switch_inner,
    "key_switch": _key_switch,
    "weighted_sums": _weighted_sums,
    **dict.fromkeys(("special_fft", "special_ifft"), _fft),
    **dict.fromkeys(("special_fft_extended", "special_ifft_extended"), _fft_extended),
    "round_to_residues": _round,
    "lift_to_floats": _lift,
    "expand_uniform": _uniform,
    **dict.fromkeys(("sample_ternary", "sample_gaussian"), _sampler),
    "sample_sparse_ternary": _sparse,
}


def assert_same(kernel: Kernel, expected: Any, got: Any) -> None:
    if isinstance(expected, tuple):
        for one, other in zip(expected, got, strict=True):
            assert_same(kernel, one, other)
        return
    expected, got = np.asarray(expected), np.asarray(got)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    if kernel.exact:
        np.testing.assert_array_equal(got, expected)
        return
    extended = kernel.name.endswith("_extended")
    difference = got - expected
    error = np.abs(difference.sum(axis=-2) if extended else difference).max()
    assert error <= 2.0 ** (-96 if extended else -48) * np.abs(expected).max()


@pytest.mark.parametrize("edge", [None, *range(len(EDGES))], ids=lambda e: "random" if e is None else f"edge{e}")
@pytest.mark.parametrize("isa", PATHS)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_engine_computes_what_the_definition_says(kernel: Kernel, isa: str, edge: int | None) -> None:
    for degree in DEGREES if edge is None else (8, 256):
        reference, native = rings(degree, isa)
        for args, options in CASES[kernel.name](Operands(reference, edge=edge)):
            expected = kernel.reference(reference, *args, **options)
            assert_same(kernel, expected, getattr(native, kernel.name)(*args, **options))


@pytest.mark.parametrize("log_degree", [12, 13, 14, 15, 16, 17])
@pytest.mark.parametrize("isa", PATHS)
def test_transforms_of_every_size(log_degree: int, isa: str) -> None:
    """Each size takes another sequence of radices; the reference is slow, so one prime of each kind."""
    degree = 1 << log_degree
    primes = ntt_primes_below(50, 1, degree) + ntt_primes_below(61, 1, degree)
    reference, native = engine("reference").ring(degree, primes), engine("native").ring(degree, primes, isa=isa)
    x = native.expand_uniform(SEED, 0, (0, 1))
    transformed = native.ntt(x, (0, 1))
    np.testing.assert_array_equal(native.intt(transformed, (0, 1)), x)
    np.testing.assert_array_equal(transformed, reference.ntt(x, (0, 1)))


@pytest.mark.parametrize("isa", PATHS)
@pytest.mark.parametrize("terms", [1, 15, 16, 1023, 1024, 1100])
def test_sums_are_right_however_many_of_the_largest_terms_they_have(terms: int, isa: str) -> None:
    reference, native = rings(64, isa)
    basis = tuple(range(len(moduli(64))))
    largest = np.stack([np.full(64, q - 1, np.uint64) for q in moduli(64)])
    arguments = ([[largest] * terms], [np.stack([largest, largest])] * terms, basis)
    assert np.array_equal(native.weighted_sums(*arguments), reference.weighted_sums(*arguments))


@pytest.mark.parametrize("isa", PATHS)
@pytest.mark.parametrize("count", [1, 2, 5, 7, 8, 12])
@pytest.mark.parametrize("exact", [True, False])
def test_wide_residues_meet_narrow_primes(count: int, isa: str, exact: bool) -> None:
    """They go in two parts each, of which 15 are summed the short way."""
    degree = 64
    primes = ntt_primes_below(61, count, degree) + ntt_primes_below(50, 3, degree) + ntt_primes(30, 1, degree)
    source, target = tuple(range(count)), tuple(range(count, count + 4))
    reference, native = engine("reference").ring(degree, primes), engine("native").ring(degree, primes, isa=isa)
    rng = np.random.default_rng(count)
    for x in (
        np.stack([rng.integers(0, primes[i], degree, dtype=np.uint64) for i in source]),
        np.stack([np.full(degree, primes[i] - 1, np.uint64) for i in source]),
        np.stack([np.full(degree, primes[i] // 2, np.uint64) for i in source]),
    ):
        wanted = reference.extend(x, source, target, exact=exact)
        assert np.array_equal(native.extend(x, source, target, exact=exact), wanted)


def test_operands_may_be_slices() -> None:
    reference, native = rings(64, "portable")
    x = Operands(reference, edge=None).residues(3)
    part = (0, 1, 2)
    np.testing.assert_array_equal(native.ntt(x[::2, :3], part), reference.ntt(x[::2, :3], part))
    reversed_last = x[..., ::-1]
    basis = tuple(range(len(reference.moduli)))
    np.testing.assert_array_equal(native.negate(reversed_last, basis), reference.negate(reversed_last, basis))


def test_results_outlive_their_ring() -> None:
    ring = engine("native").ring(64, ntt_primes(40, 2, 64))
    x = ring.expand_uniform(SEED, 0, (0, 1))
    kept = x.copy()
    y = ring.negate(x, (0, 1))
    del ring
    np.testing.assert_array_equal(x, kept)
    assert y.flags.owndata is False
    assert y.ctypes.data % 64 == 0


def test_every_kernel_has_cases_and_its_method() -> None:
    assert {kernel.name for kernel in KERNELS} == set(CASES)
    protocol = {name for name in vars(RingKernels) if not name.startswith("_")} - {"degree", "moduli"}
    assert {kernel.name for kernel in KERNELS} == protocol
