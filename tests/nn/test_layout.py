"""Layouts are injective, and a matrix between any two of them, written as diagonals, is still that matrix."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.layout import Entries, Grid, Layout, folds, image_shape, place, power_of_two, row_major

FEATURES = 64


@st.composite
def layouts(draw: st.DrawFn, size: int) -> Layout:
    """Any injective map into one or two ciphertexts."""
    period = draw(st.sampled_from([p for p in (8, 16, 32, 64) if p >= size] or [FEATURES]))
    blocks = 1 if period < FEATURES else draw(st.integers(-(-size // FEATURES), 2))
    seed = draw(st.integers(0, 2**32 - 1))
    places = np.random.default_rng(seed).permutation(blocks * period)[:size]
    return Layout(places, period)


def content(layout: Layout, values: Array) -> list[Array]:
    return [np.tile(layout.vector(values, b), FEATURES // layout.period) for b in range(layout.blocks)]


def applied(entries: Entries, source: Layout, target: Layout, x: Array) -> list[Array]:
    """The map as the circuit runs it: diagonals on rotated ciphertexts, then the folds."""
    inputs = content(source, x)
    outputs = [np.zeros(FEATURES) for _ in range(target.blocks)]
    for row, column, offset, diagonal in place(entries, source, target).diagonals():
        outputs[row] += np.tile(diagonal, FEATURES // diagonal.size) * np.roll(inputs[column], -offset)
    for step in folds([source], target):
        outputs = [y + np.roll(y, -step) for y in outputs]
    return outputs


@given(st.data(), st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 1), st.integers(0, 2**32 - 1))
def test_diagonals_are_the_matrix(data: st.DataObject, rows: int, cols: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = sp.csr_array(sp.random_array((rows, cols), density=density, rng=rng))
    source, target = data.draw(layouts(cols)), data.draw(layouts(rows))
    x = rng.normal(size=cols)
    found = applied(Entries.of(matrix), source, target, x)
    # Every slot is checked, not the target's alone: nothing may be left over where no element sits.
    for ours, expected in zip(found, content(target, matrix @ x), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-12)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 6), st.integers(1, 6))
def test_grids_are_injective(gap: int, channels: int, height: int, width: int) -> None:
    grid = Grid(gap, height * gap + 1, width * gap + 2)
    places = grid.positions((channels, height, width))
    assert places is not None
    assert np.unique(places).size == places.size
    assert places.max() < -(-channels // gap**2) * grid.rows * grid.pitch
    neighbours = places.reshape(channels, height, width)
    assert (np.diff(neighbours, axis=2) == gap).all()
    assert (np.diff(neighbours, axis=1) == gap * grid.pitch).all()


def test_a_grid_that_is_too_small_says_so() -> None:
    assert Grid(2, 8, 8).positions((1, 5, 4)) is None
    assert Grid(2, 8, 8).positions((1, 4, 5)) is None


def test_a_strided_convolution_on_the_gap_grid_has_few_diagonals() -> None:
    """28x28 -> 4x14x14, 5x5, stride 2: (5 + 1)^2 offsets for a 2 x 2 gap, against thousands row by row."""
    rows, cols = [], []
    for channel, y, x, dy, dx in np.ndindex(4, 12, 12, 5, 5):
        rows.append(channel * 144 + y * 12 + x)
        cols.append((2 * y + dy) * 28 + 2 * x + dx)
    entries = Entries(np.array(rows), np.array(cols), np.ones(len(rows)))
    source = row_major(784, 1024, (1, 28, 28))
    assert source.grid is not None
    places = Grid(2, 28, 28).positions((4, 12, 12))
    assert places is not None
    multiplexed, compact = Layout(places, 1024), row_major(576, 1024)
    assert np.unique(place(entries, source, multiplexed).offsets).size == 36
    assert np.unique(place(entries, source, compact).offsets).size > 500


def test_shifting_is_cyclic_within_a_ciphertext() -> None:
    layout = Layout(np.array([0, 63, 64, 127]), 64).shifted(2)
    assert layout.positions.tolist() == [2, 1, 66, 65]
    assert layout.blocks == 2


def test_powers_and_images() -> None:
    assert [power_of_two(n) for n in (1, 2, 3, 784, 1024)] == [1, 2, 4, 1024, 1024]
    assert image_shape((1, 3, 8, 9)) == (3, 8, 9)
    assert image_shape((1, 10)) is None


@pytest.mark.parametrize(("wide", "narrow", "expected"), [(64, 8, [32, 16, 8]), (8, 64, []), (16, 16, [])])
def test_folds_halve_down_to_the_target(wide: int, narrow: int, expected: list[int]) -> None:
    assert folds([row_major(4, wide)], row_major(4, narrow)) == expected
