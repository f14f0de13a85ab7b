"""Field kernels on BN254, beside mcl and gnark-crypto where they are installed.

`python -m benchmarks.kernels_field [--json] [--quick] [--isa portable avx2]`. gnark-crypto is timed where `GNARK_BENCH`
names programs built from `benchmarks/peers/gnark`; it and mcl run without AVX-512 (see `benchmarks/peers/bn254.py`).
`benchmarks.kernels` prints these rows too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks import kernels_points
from benchmarks.harness import Row, compare, machine, parser, share, show
from benchmarks.peers.bn254 import Bn254Peers, bn254_peers
from vortex_crypto.arith.field.arrays import Array, encode, g1_from_ints, g2_from_ints
from vortex_crypto.arith.field.bn254 import FR, G1_GENERATOR, G2_GENERATOR
from vortex_crypto.arith.field.native import NativeKernels, instruction_sets

OURS = ("csr_times_vector", "fixed_base_g1", "fixed_base_g2")
"""What is timed of no peer."""
Timed = Callable[..., Iterator[Row]]
"""Rows of a kernel: its name and size, ours as a function of threads, and `bits` where its scalars are short."""


def rows(*, quick: bool = False, isas: tuple[str, ...] = ()) -> Iterator[Row]:
    """Every field row: those instruction sets, or all, beside the peers at one thread, the best set at two as well."""
    sets = instruction_sets()
    with bn254_peers() as peers:
        for isa in isas or reversed(sets):
            yield from _rows(NativeKernels(isa), quick, peers, share_too=isa == sets[-1])


def _rows(kernels: NativeKernels, quick: bool, peers: Bn254Peers, *, share_too: bool) -> Iterator[Row]:
    def timed_beside(peers: Bn254Peers) -> Timed:
        def timed(name: str, n: int, ours: Callable[[int], Any], bits: int = 0) -> Iterator[Row]:
            facts = {"isa": kernels.isa, "bits": bits} if bits else {"isa": kernels.isa}
            alone = [compare(name, n, lambda: ours(1), None)] if name in OURS else None
            for row in alone or peers.beside(name, n, lambda: ours(1), bits=bits):
                yield {**row, "threads": 1, **facts}
            if share_too:
                yield share(name, n, lambda: ours(1), lambda: ours(2), **facts)

        return timed

    timed = timed_beside(peers)
    yield from _vectors(kernels, timed, quick)
    yield from _sums(kernels, timed, quick)
    yield from _pairing(kernels, timed)
    yield from kernels_points.rows(kernels, timed_beside(peers.without_programs()))


def random_elements(kernels: NativeKernels, n: int, seed: int = 1) -> Array:
    """n elements of Fr."""
    limbs = np.random.default_rng(seed).integers(0, 2**64, (n, 4), dtype=np.uint64)
    return kernels.fr.to_montgomery(limbs)


def _vectors(kernels: NativeKernels, timed: Timed, quick: bool) -> Iterator[Row]:
    for n in (1 << 12, 1 << 16):  # in the second-level cache, and out of it; a call as users make it, result included
        a, b = random_elements(kernels, n, 1), random_elements(kernels, n, 2)
        for row in timed("fr_mul", n, lambda threads, a=a, b=b: kernels.fr.mul(a, b, threads=threads)):
            yield {**row, "nanoseconds_each": 1e9 * row["seconds"] / n}
    for log_n in (12, 16) if quick else (12, 14, 16, 18, 20):
        values = random_elements(kernels, 1 << log_n)
        yield from timed("ntt_fr", 1 << log_n, lambda threads, v=values: kernels.ntt(v, threads=threads))
    n, each = 1 << (12 if quick else 16), 8  # rows, and entries of a row
    indptr, indices = np.arange(n + 1) * each, np.random.default_rng(6).integers(0, n, n * each)
    entries, x = random_elements(kernels, n * each, 7), random_elements(kernels, n, 8)
    product = lambda threads: kernels.csr_times_vector(indptr, indices, entries, x, threads=threads)  # noqa: E731
    yield from timed("csr_times_vector", n, product)


def _sums(kernels: NativeKernels, timed: Timed, quick: bool) -> Iterator[Row]:
    largest = 1 << (16 if quick else 18)
    scalars = random_elements(kernels, largest, 3)
    generator = g1_from_ints([G1_GENERATOR])[0]
    points = kernels.g1.fixed_base(generator, random_elements(kernels, largest, 4))
    for n in (1 << log_n for log_n in (12, 14, 16, 18) if 1 << log_n <= largest):
        ours = lambda threads, n=n: kernels.g1.msm(points[:n], scalars[:n], threads=threads)  # noqa: E731
        yield from timed("msm_g1", n, ours)
    for n, bits in ((n, bits) for n in (1 << 16, 1 << 18) if n <= largest for bits in (8, 16, 32)):
        integers = np.random.default_rng(bits).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), n)
        small = kernels.fr.from_int64(integers)
        ours = lambda threads, n=n, s=small: kernels.g1.msm(points[:n], s, threads=threads)  # noqa: E731
        yield from timed("msm_g1_small", n, ours, bits=bits)
    n = 1 << (12 if quick else 16)
    other = g2_from_ints([G2_GENERATOR])[0]
    twist = kernels.g2.fixed_base(other, random_elements(kernels, n, 5))
    ours = lambda threads: kernels.g2.msm(twist, scalars[:n], threads=threads)  # noqa: E731
    yield from timed("msm_g2", n, ours)
    n = 1 << (12 if quick else 14)
    ours = lambda threads: kernels.g1.fixed_base(generator, scalars[:n], threads=threads)  # noqa: E731
    yield from timed("fixed_base_g1", n, ours)
    ours = lambda threads: kernels.g2.fixed_base(other, scalars[:n], threads=threads)  # noqa: E731
    yield from timed("fixed_base_g2", n, ours)


def _pairing(kernels: NativeKernels, timed: Timed) -> Iterator[Row]:
    """Checks of 4, 16 and 64 pairs, from the points and with their lines prepared, as those of a verifying key are."""
    for n in (4, 16, 64):
        factors = encode(FR, range(3, 3 + n))
        p = kernels.g1.fixed_base(g1_from_ints([G1_GENERATOR])[0], factors)
        q = kernels.g2.fixed_base(g2_from_ints([G2_GENERATOR])[0], factors)
        ours = lambda threads, p=p, q=q: kernels.pairing_check(p, q, threads=threads)  # noqa: E731
        yield from timed("pairing_product", n, ours)
        lines = kernels.prepare_g2(q)
        ours = lambda threads, p=p, q=lines: kernels.pairing_check(p, q, threads=threads)  # noqa: E731
        yield from timed("pairing_product_prepared", n, ours)


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--quick", action="store_true", help="small sizes only")
    arguments.add_argument("--isa", nargs="+", choices=instruction_sets(), default=[], help="only these")
    options = arguments.parse_args()

    def all_rows() -> Iterator[Row]:
        yield machine("mclbn256")
        yield from rows(quick=options.quick, isas=tuple(options.isa))

    show(all_rows(), as_json=options.json, title="Field kernels")


if __name__ == "__main__":
    main()
