"""Arrays of linear combinations against dense integer matrices modulo r."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.zk.linear import Linear, concatenate, linear, of_wires, stack

WIRES = 6
NUMBERS = st.one_of(st.integers(-9, 9), st.sampled_from([R - 1, R // 2, 1 << 62, -(1 << 63), (1 << 64) + 1]))


def dense(x: Linear) -> Any:
    """[size, WIRES] of integers modulo r."""
    matrix = x.matrix()
    table = np.zeros((x.size, WIRES), dtype=object)
    for row in range(x.size):
        for wire, value in matrix.row(row):
            table[row, wire] = (table[row, wire] + value) % R
    return table


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...] = (2, 3)) -> Linear:
    """A sum of scaled and gathered wires, so that rows have several terms."""
    total = linear(np.zeros(shape, dtype=np.int64))
    size = int(np.prod(shape))
    for _ in range(draw(st.integers(1, 3))):
        wires = np.array(draw(st.lists(st.integers(0, WIRES - 1), min_size=size, max_size=size)))
        factors = np.array(draw(st.lists(NUMBERS, min_size=size, max_size=size)), dtype=object)
        total = total + of_wires(wires, shape) * factors.reshape(shape)
    return total


@given(arrays(), arrays(), NUMBERS)
def test_the_laws_of_a_module_hold(a: Linear, b: Linear, k: int) -> None:
    assert (dense(a + b) == (dense(a) + dense(b)) % R).all()
    assert (dense(a - b) == (dense(a) - dense(b)) % R).all()
    assert (dense(a * k) == dense(a) * k % R).all()
    constant = linear(np.array(k, dtype=object)).broadcast_to(a.shape)
    assert (dense(np.array(k, dtype=object) - a) == (dense(constant) - dense(a)) % R).all()


@given(arrays())
def test_rows_are_merged_and_sorted(a: Linear) -> None:
    assert not (a - a).wires.size
    for start, stop in zip(a.indptr[:-1], a.indptr[1:], strict=True):
        assert (np.diff(a.wires[start:stop]) > 0).all()


@given(arrays((2, 3)))
def test_shapes_behave_as_numpy_arrays_do(a: Linear) -> None:
    table = dense(a).reshape(2, 3, WIRES)
    assert (dense(a[1]) == table[1]).all()
    assert (dense(a[:, ::-1]) == table[:, ::-1].reshape(-1, WIRES)).all()
    assert (dense(a.transpose(1, 0)) == table.transpose(1, 0, 2).reshape(-1, WIRES)).all()
    assert (dense(a.sum(0)) == table.sum(0) % R).all()
    assert (dense(a.sum()) == table.sum(1) % R).all()
    assert (dense(a.reshape(1, 2, 3).broadcast_to((2, 2, 3))) == np.concatenate([dense(a)] * 2)).all()
    assert (dense(stack([a, a * 2], axis=-1)[..., 1]) == dense(a) * 2 % R).all()
    assert (dense(concatenate([a.flat, a[0]])) == np.concatenate([dense(a), table[0]])).all()


@given(arrays((4,)), st.lists(st.integers(-(1 << 62), 1 << 62), min_size=12, max_size=12))
def test_constant_matrices_apply(a: Linear, entries: list[int]) -> None:
    matrix = np.array(entries).reshape(3, 4)
    expected = matrix.astype(object) @ dense(a) % R
    assert (dense(a.apply(matrix)) == expected).all()
    assert (dense(a.apply(sp.csr_array(matrix))) == expected).all()


def test_misuse_is_refused() -> None:
    a = of_wires(np.arange(4), (4,))
    with pytest.raises(TypeError, match=r"Circuit\.mul"):
        a * a
    with pytest.raises(TypeError, match="integers; quantise"):
        a * 0.5
    with pytest.raises(ShapeMismatch):
        a.reshape(3)
    with pytest.raises(ShapeMismatch):
        a.apply(np.ones((2, 3), dtype=np.int64))
