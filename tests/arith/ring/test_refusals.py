"""Operands that do not fit are refused by name on every engine, and by the core itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vortex_crypto.arith import native
from vortex_crypto.arith.ring import RingKernels, engine
from vortex_crypto.arith.ring.kernels import Turned
from vortex_crypto.arith.ring.primes import ntt_primes, primitive_root
from vortex_crypto.errors import InvalidInput, ParameterRefused, ShapeMismatch

N = 64
PRIMES = ntt_primes(40, 4, N)
B = (0, 1, 2)
X = np.zeros((3, N), dtype=np.uint64)
PAIR = np.zeros((2, 3, N), dtype=np.uint64)
KEY = np.zeros((2, 2, 4, N), dtype=np.uint64)
TURNED = Turned(PAIR, KEY, (0, 1, 2, 3))
W = np.zeros(N // 2, dtype=np.complex128)
F = np.zeros(N)

REFUSED: list[tuple[str, Callable[[RingKernels], Any], type[Exception], str]] = [
    ("dtype", lambda r: r.ntt(X.astype(np.int64), B), ShapeMismatch, "uint64"),
    ("limbs", lambda r: r.ntt(X, (0, 1)), ShapeMismatch, r"\[\.\.\., 2, 64\]"),
    ("degree", lambda r: r.ntt(X[:, :32], B), ShapeMismatch, "expected"),
    ("basis", lambda r: r.ntt(X, (0, 1, 4)), ParameterRefused, "distinct positions below 4"),
    ("basis twice", lambda r: r.ntt(X, (0, 1, 1)), ParameterRefused, "distinct"),
    ("pair", lambda r: r.add(PAIR, np.zeros((3, 3, N), dtype=np.uint64), B), ShapeMismatch, "operands of shapes"),
    ("no products", lambda r: r.tensor_sum([], B), ShapeMismatch, "at least one"),
    (
        "too much dropped",
        lambda r: r.key_switch(X, KEY, ((0, 1), (2,)), (3,), (0, 1, 2, 3), drop=3),
        ShapeMismatch,
        "dropping 3",
    ),
    ("tensor", lambda r: r.tensor(X, X, B), ShapeMismatch, "3 axes"),
    ("scalars", lambda r: r.add_scalar(X, [1, 2], B), ShapeMismatch, "2 scalars for 3"),
    ("first polynomials", lambda r: r.add_scalar(PAIR, 1, B, count=3), ShapeMismatch, "the first 3 polynomials"),
    ("galois", lambda r: r.automorphism(X, 4, B), ParameterRefused, "odd"),
    ("drop all", lambda r: r.mod_down(X, B, 3), ShapeMismatch, "dropping 3 of 3"),
    ("drop none", lambda r: r.mod_down(X, B, 0), ShapeMismatch, "dropping 0"),
    (
        "addend of one",
        lambda r: r.mod_down(X, B, 1, addend=PAIR[:1, :2]),
        ShapeMismatch,
        "an addend of 1 polynomials to",
    ),
    ("integers", lambda r: r.reduce_signed(X, B), ShapeMismatch, "int64"),
    ("decompose", lambda r: r.decompose(PAIR, ((0, 1), (2,)), (3,)), ShapeMismatch, "2 axes"),
    ("key", lambda r: r.key_switch(X, KEY[:1], ((0, 1), (2,)), (3,), (0, 1, 2, 3)), ShapeMismatch, "2 digits"),
    ("key limbs", lambda r: r.key_switch_inner(PAIR, KEY[:, :, :3], B, (0, 1, 3)), ShapeMismatch, "a key of shape"),
    ("no special", lambda r: r.key_switch(X, KEY, ((0, 1), (2,)), (), (0, 1, 2, 3)), ParameterRefused, "basis"),
    (
        "addend",
        lambda r: r.key_switch_inner(PAIR, KEY, B, (0, 1, 2, 3), addend=np.stack([X] * 3)),
        ShapeMismatch,
        "an addend of 3",
    ),
    ("weights", lambda r: r.weighted_sums([[X]], [PAIR, PAIR], B), ShapeMismatch, "a weight or None"),
    ("parts of terms", lambda r: r.weighted_sums([[X, X]], [PAIR[:1], TURNED], B), ShapeMismatch, "a weight or None"),
    (
        "turned key",
        lambda r: r.weighted_sums([[X]], [replace(TURNED, key=KEY[:1])], B),
        ShapeMismatch,
        "a key of shape",
    ),
    (
        "turned element",
        lambda r: r.weighted_sums([[X]], [replace(TURNED, galois_element=2)], B),
        ParameterRefused,
        "Galois element 2",
    ),
    ("slots", lambda r: r.special_fft(W[:3]), ShapeMismatch, "3 slots"),
    ("too many slots", lambda r: r.special_fft(np.zeros(N, dtype=complex)), ShapeMismatch, "64 slots"),
    ("extended", lambda r: r.special_fft_extended(np.stack([W] * 3)), ShapeMismatch, r"2, 32\]"),
    ("parts", lambda r: r.round_to_residues(np.zeros((2, N)), F, (1.0, 0.0), B), ShapeMismatch, "high and low"),
    ("too large", lambda r: r.round_to_residues(F + 1, None, (2.0**120, 0.0), B), InvalidInput, r"2\^120"),
    ("not a number", lambda r: r.round_to_residues(F + np.nan, None, (1.0, 0.0), B), InvalidInput, "not a number"),
    ("infinite", lambda r: r.round_to_residues(F + np.inf, None, (1.0, 0.0), B), InvalidInput, "not a number"),
]


@pytest.mark.parametrize("name", ["reference", "native"])
@pytest.mark.parametrize(("call", "error", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused(name: str, call: Callable[[RingKernels], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(engine(name).ring(N, PRIMES))


def test_lift_beyond_doubles_is_refused() -> None:
    primes = ntt_primes(60, 18, N)
    for name in ("reference", "native"):
        ring = engine(name).ring(N, primes)
        basis = tuple(range(18))
        with pytest.raises(ParameterRefused, match="exceeds the range of doubles"):
            ring.lift_to_floats(np.zeros((18, N), dtype=np.uint64), basis)


def test_paths_and_threads() -> None:
    with pytest.raises(ParameterRefused, match="no code path 'mmx'"):
        engine("native").ring(N, PRIMES, isa="mmx")
    with pytest.raises(ParameterRefused, match="-1 threads"):
        engine("native").ring(N, PRIMES, threads=-1)
    assert engine("native").ring(N, PRIMES, threads=0).threads >= 1
    assert engine("native").ring(N, PRIMES, isa="portable").isa == "portable"


def test_the_core_checks_for_itself() -> None:
    """Behind the wrapper, wrong shapes still raise and never reach memory that is not theirs."""
    core = native.load().ring.Ring(N, list(PRIMES), [primitive_root(q, 2 * N) for q in PRIMES], 1, "")
    for call in (
        lambda: core.ntt(X, [0, 1], False),
        lambda: core.ntt(X, [0, 1, 7], False),
        lambda: core.ntt(X[:, :32], [0, 1, 2], False),
        lambda: core.ntt(X[:, ::-1], [0, 1, 2], False),
        lambda: core.add(PAIR, np.zeros((5, 3, N), dtype=np.uint64), [0, 1, 2]),
        lambda: core.tensor_sum([X], [PAIR], [0, 1, 2], None),
        lambda: core.tensor_sum([PAIR, PAIR], [PAIR], [0, 1, 2], None),
        lambda: core.tensor_sum([], [], [0, 1, 2], None),
        lambda: core.add_scalar(X, [1, 2], [0, 1, 2], 1),
        lambda: core.add_scalar(X, [1 << 63] * 3, [0, 1, 2], 1),
        lambda: core.automorphism(X, 2, [0, 1, 2], True),
        lambda: core.extend(X, [0, 1, 2], [], True),
        lambda: core.mod_down(X, [0, 1, 2], 3, 1, None),
        lambda: core.mod_down(X, [0, 1, 2], 1, 2, None),
        lambda: core.mod_down(X, [0, 1, 2], 1, 1, PAIR[:, :2]),
        lambda: core.decompose(PAIR, [[0, 1], [2]], [3]),
        lambda: core.key_switch_inner(X, KEY, [0, 1, 2], [0, 1, 2, 3], 1, None),
        lambda: core.key_switch_inner(PAIR, KEY[:, :, :3], [0, 1, 2], [0, 1, 3], 1, None),
        lambda: core.key_switch(X, KEY[:1], [[0, 1], [2]], [3], [0, 1, 2, 3], 1, None, 0),
        lambda: core.key_switch(X, KEY, [[0, 1], [2]], [], [0, 1, 2, 3], 1, None, 0),
        lambda: core.key_switch(X, KEY, [[0, 1], [2]], [3], [0, 1, 2, 3], 1, None, 3),
        lambda: core.weighted_sums([[X]], [X], [0, 1, 2]),
        lambda: core.weighted_sums([[X, X]], [PAIR], [0, 1, 2]),
        lambda: core.weighted_sums([[X, X]], [PAIR, PAIR[:1]], [0, 1, 2]),
        lambda: core.weighted_sums([[X]], [(PAIR, KEY, [0, 1, 2, 3], 1)], [0, 1, 2]),
        lambda: core.weighted_sums([[X]], [(PAIR, KEY, [0, 1, 2, 3], 2, None)], [0, 1, 2]),
        lambda: core.weighted_sums([[X]], [(PAIR[:0], KEY, [0, 1, 2, 3], 1, None)], [0, 1, 2]),
        lambda: core.weighted_sums([[X]], [(PAIR, KEY[:1], [0, 1, 2, 3], 1, None)], [0, 1, 2]),
        lambda: core.weighted_sums([[X]], [(PAIR, KEY, [0, 1, 2, 3], 1, np.stack([X] * 3))], [0, 1, 2]),
        lambda: core.special_fft(np.zeros(6), np.zeros(6), 3, False, False),
        lambda: core.special_fft(np.zeros(8), np.zeros(6), 4, False, False),
        lambda: core.round_to_residues(F, np.zeros((2, N)), 1.0, 0.0, [0]),
        lambda: core.expand_uniform(b"short", 0, [0]),
        lambda: core.sample_sparse_ternary(bytes(32), 0, 0, N),
        lambda: native.load().ring.Ring(12, [97], [1], 1, ""),
        lambda: native.load().ring.Ring(16, [1 << 61], [1], 1, ""),
    ):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(TypeError):
        core.ntt(X.astype(np.float64), [0, 1, 2], False)
