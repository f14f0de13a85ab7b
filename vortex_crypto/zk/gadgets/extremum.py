"""Maximum and its position over the last axis, k values each.

max: M is a hint; every M - x_i in [0, 2^bits) and Π (M - x_i) = 0: k range checks, k - 1 constraints. argmax: a one-hot
vector e of hints with e_i·(M - x_i) = 0; the range checks of M - x_i - Σ_{j>i} e_j make it the first maximum: k range
checks, 2k + 1 constraints. The x_i must be bounded already, so that differences do not wrap around.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.gadgets.boolean import assert_boolean
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.gadgets.range import in_signed_range
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.linear import Array, Linear


@hint("maximum")
def _maximum(kernels: FieldKernels, inputs: list[Array], *, window: int) -> Sequence[Array]:
    return [to_ints(inputs[0], kernels).reshape(-1, window).max(axis=1)]


@hint("argmax")
def _argmax(kernels: FieldKernels, inputs: list[Array], *, window: int) -> Sequence[Array]:
    """One-hot rows."""
    values = to_ints(inputs[0], kernels).reshape(-1, window)
    first = np.argmax(values, axis=1)
    return [(np.arange(window) == first[:, None]).astype(np.int64).reshape(-1)]


def maximum(c: Circuit, x: Linear, bits: int) -> Linear:
    """The greatest of each last axis, for signed values that are bounded already, |x| < 2^(bits-1)."""
    window, shape = x.shape[-1], x.shape[:-1]
    if window == 1:
        return x.reshape(*shape)
    (greatest,) = c.hint("maximum", [x], shape, window=window)
    gaps = greatest.reshape(*shape, 1) - x
    c.range(gaps, bits)
    product = gaps[..., 0]
    for k in range(1, window - 1):
        product = c.mul(product, gaps[..., k])
    c.assert_mul(product, gaps[..., window - 1], 0)
    return greatest


def argmax(c: Circuit, x: Linear, bits: int) -> Linear:
    """The position of the first greatest value of each last axis, for values bounded as for `maximum`."""
    window, shape = x.shape[-1], x.shape[:-1]
    (hot,) = c.hint("argmax", [x], x.shape, window=window)
    (greatest,) = c.hint("maximum", [x], shape, window=window)
    assert_boolean(c, hot)
    c.assert_equal(hot.sum(), 1)
    gaps = greatest.reshape(*shape, 1) - x
    c.assert_mul(hot, gaps, 0)
    after = np.tril(np.ones((window, window), dtype=np.int64), -1)  # column i sums what stands after i
    every = sp.kron(sp.eye_array(hot.size // window, dtype=np.int64), sp.csr_array(after.T), format="csr")
    before = hot.flat.apply(every).reshape(*x.shape)
    c.range(gaps - before, bits)
    return (hot * np.arange(window)).sum()


def samples() -> tuple[Sample, ...]:
    """Every triple of two-bit signed numbers."""

    def greatest(c: Circuit) -> None:
        x = c.private("x", (3,))
        in_signed_range(c, x, 3)
        c.expose("max", maximum(c, x, 3))
        c.expose("argmax", argmax(c, x, 3))

    triples = [(a, b, d) for a in range(-2, 2) for b in range(-2, 2) for d in range(-2, 2)]
    accepted = tuple(({"x": t}, {"max": max(t), "argmax": t.index(max(t))}) for t in triples)
    return (Sample("three", greatest, accepted, ({"x": (0, 4, 0)}, {"x": (-5, 0, 0)})),)


def cheats() -> tuple[Cheat, ...]:
    """A smaller value, a larger one that is not there, a later position, and positions that are no bits."""

    def smallest(kernels: FieldKernels, inputs: list[Array], *, window: int) -> Sequence[Array]:
        return [to_ints(inputs[0], kernels).reshape(-1, window).min(axis=1)]

    def above(kernels: FieldKernels, inputs: list[Array], *, window: int) -> Sequence[Array]:
        return [to_ints(inputs[0], kernels).reshape(-1, window).max(axis=1) + 1]

    def last(kernels: FieldKernels, inputs: list[Array], *, window: int) -> Sequence[Array]:
        values = to_ints(inputs[0], kernels).reshape(-1, window)
        place = window - 1 - np.argmax(values[:, ::-1], axis=1)
        return [(np.arange(window) == place[:, None]).astype(np.int64).reshape(-1)]

    def spread(kernels: FieldKernels, inputs: list[Array], *, window: int) -> Sequence[Array]:
        return [np.array([2, 0, -1], dtype=np.int64)]

    tie = {"x": (1, 0, 1)}
    return (
        Cheat("the smallest", "three", {"x": (1, 0, -1)}, "maximum", smallest),
        Cheat("one above the greatest", "three", {"x": (1, 0, -1)}, "maximum", above),
        Cheat("the later of two", "three", tie, "argmax", last),
        Cheat("a vector that is not one-hot", "three", tie, "argmax", spread),
    )
