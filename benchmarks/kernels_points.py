"""Rows of points and of sparse matrices for `benchmarks.kernels_field`: multiples, checks, decompression, sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.harness import Row
from vortex_crypto.arith.field.arrays import Array, g1_from_ints, g2_from_ints
from vortex_crypto.arith.field.bn254 import G1_GENERATOR, G2_GENERATOR
from vortex_crypto.arith.field.native import NativeKernels

POINTS = 1 << 10
Call = Callable[[int], Any]
Timed = Callable[..., Iterator[Row]]


def rows(kernels: NativeKernels, timed: Timed) -> Iterator[Row]:
    """Both groups, each row for POINTS points, then sparse products, whose n is the count of entries."""
    for name, n, call in (*_points(kernels), *_sparse(kernels)):
        yield from timed(name, n, call)


def _points(kernels: NativeKernels) -> Iterator[tuple[str, int, Call]]:
    scalars, larger = _elements(kernels, POINTS, 6), np.arange(POINTS) % 2 == 0
    bases = {"g1": g1_from_ints([G1_GENERATOR])[0], "g2": g2_from_ints([G2_GENERATOR])[0]}
    for label, group in (("g1", kernels.g1), ("g2", kernels.g2)):
        points = group.fixed_base(bases[label], _elements(kernels, POINTS, 7))
        x = np.ascontiguousarray(points[:, 0])
        calls: dict[str, Call] = {
            "multiply": lambda threads, g=group, p=points: g.multiply(p, scalars, threads=threads),
            "valid": lambda threads, g=group, p=points: g.valid(p, threads=threads),
            "lift_x": lambda threads, g=group, x=x: g.lift_x(x, larger, threads=threads),
            "decompress": lambda threads, g=group, x=x: g.valid(
                g.lift_x(x, larger, threads=threads)[0], threads=threads
            ),
        }
        yield from ((f"{kernel}_{label}", POINTS, call) for kernel, call in calls.items())


def _sparse(kernels: NativeKernels) -> Iterator[tuple[str, int, Call]]:
    """Rows of six small integers."""
    count, width = 1 << 14, 6
    rng = np.random.default_rng(8)
    indptr = np.arange(0, count * width + 1, width, dtype=np.int64)
    indices, x = rng.integers(0, count, count * width), _elements(kernels, count, 9)
    values = rng.integers(-128, 128, len(indices))
    product = kernels.csr_int64_times_vector
    yield (
        "csr_int64_times_vector",
        len(values),
        lambda threads: product(indptr, indices, values, x, threads=threads),
    )


def _elements(kernels: NativeKernels, n: int, seed: int) -> Array:
    return kernels.fr.to_montgomery(np.random.default_rng(seed).integers(0, 2**64, (n, 4), dtype=np.uint64))
