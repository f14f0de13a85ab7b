"""Rows of the field kernels for `benchmarks.kernels`, beside mcl (herumi; wheel `mclbn256`) where it is installed.

That wheel's curve is Fp254BNb, another BN curve of 254 bits; its parameter is sparser, which favours mcl's pairing.
Figures of peers that are no wheels (gnark-crypto, rapidsnark) stand in docs/kernels.md, with the machine they were
taken on: a ratio to those is no measurement of this run and is never printed here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.harness import Row, compare, note
from vortex_crypto.arith.field.arrays import Array, encode, g1_from_ints, g2_from_ints
from vortex_crypto.arith.field.bn254 import FR, G1_GENERATOR, G2_GENERATOR
from vortex_crypto.arith.field.native import NativeKernels, instruction_sets

PEER = "mcl on Fp254BNb (mclbn256)"
MCL_LARGEST_SUM = 1 << 16
Peer = tuple[str, Callable[[], Any]] | None


def rows(*, quick: bool = False) -> Iterator[Row]:
    """Every field row: all instruction sets at one thread, the best set at two."""
    sets = instruction_sets()
    for isa in reversed(sets):
        yield from _rows(NativeKernels(isa), 1, quick)
    yield from _rows(NativeKernels(sets[-1]), 2, quick)


def _rows(kernels: NativeKernels, threads: int, quick: bool) -> Iterator[Row]:
    facts = {"threads": threads, "isa": kernels.isa}
    yield from _vectors(kernels, facts, quick)
    yield from _sums(kernels, facts, quick)
    yield from _pairing(kernels, facts)


def random_elements(kernels: NativeKernels, n: int, seed: int = 1) -> Array:
    """n elements of Fr."""
    limbs = np.random.default_rng(seed).integers(0, 2**64, (n, 4), dtype=np.uint64)
    return kernels.fr.to_montgomery(limbs)


def _vectors(kernels: NativeKernels, facts: dict[str, Any], quick: bool) -> Iterator[Row]:
    threads = facts["threads"]
    for n in (1 << 12, 1 << 16):  # in the second-level cache, and out of it; a call as users make it, result included
        a, b = random_elements(kernels, n, 1), random_elements(kernels, n, 2)
        row = compare("fr_mul", n, lambda a=a, b=b: kernels.fr.mul(a, b, threads=threads), None, **facts)
        yield {**row, "nanoseconds_each": 1e9 * row["seconds"] / n}
    for log_n in (12, 16) if quick else (12, 14, 16, 18, 20):
        values = random_elements(kernels, 1 << log_n)
        yield compare("ntt_fr", 1 << log_n, lambda values=values: kernels.ntt(values, threads=threads), None, **facts)


def _sums(kernels: NativeKernels, facts: dict[str, Any], quick: bool) -> Iterator[Row]:
    threads, largest = facts["threads"], 1 << (16 if quick else 18)
    scalars = random_elements(kernels, largest, 3)
    generator = g1_from_ints([G1_GENERATOR])[0]
    points = kernels.g1.fixed_base(generator, random_elements(kernels, largest, 4))
    for n in (1 << log_n for log_n in (12, 14, 16, 18) if 1 << log_n <= largest):
        ours = lambda n=n: kernels.g1.msm(points[:n], scalars[:n], threads=threads)  # noqa: E731
        yield compare("msm_g1", n, ours, _mcl_sum("G1", n) if threads == 1 else None, **facts)
    for n, bits in ((n, bits) for n in (1 << 16, 1 << 18) if n <= largest for bits in (8, 16, 32)):
        integers = np.random.default_rng(bits).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), n)
        small = kernels.fr.from_int64(integers)
        ours = lambda n=n, small=small: kernels.g1.msm(points[:n], small, threads=threads)  # noqa: E731
        yield compare("msm_g1_small", n, ours, None, bits=bits, **facts)
    n = 1 << (12 if quick else 16)
    twist = kernels.g2.fixed_base(g2_from_ints([G2_GENERATOR])[0], random_elements(kernels, n, 5))
    ours = lambda: kernels.g2.msm(twist, scalars[:n], threads=threads)  # noqa: E731
    yield compare("msm_g2", n, ours, _mcl_sum("G2", n) if threads == 1 else None, **facts)


def _pairing(kernels: NativeKernels, facts: dict[str, Any]) -> Iterator[Row]:
    """A check of four pairs, from the points and with their lines prepared, as those of a verifying key are."""
    four = encode(FR, [3, 5, 7, 11])
    p = kernels.g1.fixed_base(g1_from_ints([G1_GENERATOR])[0], four)
    q = kernels.g2.fixed_base(g2_from_ints([G2_GENERATOR])[0], four)
    ours = lambda: kernels.pairing_check(p, q, threads=facts["threads"])  # noqa: E731
    yield compare("pairing_product", 4, ours, _mcl_pairing() if facts["threads"] == 1 else None, **facts)
    lines = kernels.prepare_g2(q)
    ours = lambda: kernels.pairing_check(p, lines, threads=facts["threads"])  # noqa: E731
    yield compare("pairing_product_prepared", 4, ours, None, **facts)


def _mcl_sum(group: str, n: int) -> Peer:
    """mcl's sum of n multiples with full-width scalars."""
    mcl = _mcl()
    if mcl is None:
        return None
    if n > MCL_LARGEST_SUM:
        note(f"mcl's sums of more than {MCL_LARGEST_SUM} points overflow its stack: no peer beside {n}")
        return None
    kind = getattr(mcl, group)
    points, scalars, total = (kind * n)(), (mcl.Fr * n)(), kind()
    step = kind.base_point()
    for i in range(n):
        points[i] = step.normalize()
        step = step + step
    for scalar in scalars:
        scalar.randomize()
    add_up = getattr(getattr(mcl.mclbn256, "lib", mcl.mclbn256), f"mclBn{group}_mulVec")

    def run() -> None:
        add_up(ctypes.byref(total), points, scalars, ctypes.c_size_t(n))

    return PEER, run


def _mcl_pairing() -> Peer:
    mcl = _mcl()
    if mcl is None:
        return None
    p, q = mcl.G1.base_point().normalize(), mcl.G2.base_point().normalize()
    ps, qs, out = (mcl.G1 * 4)(p, p, p, p), (mcl.G2 * 4)(q, q, q, q), mcl.GT()
    library = getattr(mcl.mclbn256, "lib", mcl.mclbn256)

    def run() -> None:
        library.mclBn_millerLoopVec(ctypes.byref(out), ps, qs, ctypes.c_size_t(4))
        library.mclBn_finalExp(ctypes.byref(out), ctypes.byref(out))

    return PEER, run


def _mcl() -> Any:
    try:
        import mclbn256
    except ImportError:
        note("mclbn256 is not installed: no peer beside the sums and the pairing")
        return None
    return mclbn256
