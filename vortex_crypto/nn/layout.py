"""Where the elements of a tensor sit in ciphertexts, and the diagonals of an affine map between two such places.

A ciphertext of S slots holds n features of S / n = `lanes` samples: feature f of sample b is in slot f * lanes + b,
so a rotation by k * lanes moves every sample's features by k, cyclically in n. A layout is an injective map from
elements to features, periodic with a power of two: what is in feature f is also in f + period. All other features are
zero. Permuting rows and columns of a matrix is free, so a layout costs nothing; a good one gives the matrices few
diagonals.

The gap layouts are the multiplexed ones of Lee et al. (ia.cr/2021/1688) as single-shot convolutions use them (Orion,
arXiv 2311.03470): the result of a strided convolution stays on the grid of its input, channels fill the gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vortex_crypto.nn.forms import Sparse
from vortex_crypto.nn.ir import Array

_MARKS = 1 << 26
"""Integers below it are told apart by marks rather than by sorting."""


@dataclass(frozen=True)
class Grid:
    """Channels of images on planes of `rows` x `pitch` features: neighbours are `gap` apart, gap^2 channels a plane."""

    gap: int
    rows: int
    pitch: int

    def positions(self, shape: tuple[int, int, int]) -> Array | None:
        """Features of a (channels, height, width) tensor's elements in row-major order; None if it does not fit."""
        _, height, width = shape
        if height * self.gap > self.rows or width * self.gap > self.pitch:
            return None
        channel, y, x = np.indices(shape).reshape(3, -1)
        plane, within = np.divmod(channel, self.gap**2)
        row = y * self.gap + within // self.gap
        return np.asarray(plane * self.rows * self.pitch + row * self.pitch + x * self.gap + within % self.gap)


@dataclass(frozen=True, eq=False)
class Layout:
    """Element e is feature positions[e] % period of ciphertext positions[e] // period, repeated with that period.

    Attributes:
        positions: int64 of shape (size,), injective.
        period: features after which the content repeats, a power of two that divides those of a ciphertext.
        grid: how the positions came about, when they are an image's.
        name: for reports.
    """

    positions: Array
    period: int
    grid: Grid | None = None
    name: str = "row-major"

    @property
    def blocks(self) -> int:
        """Ciphertexts it takes."""
        return int(self.positions.max(initial=0)) // self.period + 1

    def shifted(self, steps: int) -> Layout:
        """The layout with every element `steps` features further on, cyclically within its ciphertext."""
        block, feature = np.divmod(self.positions, self.period)
        positions = block * self.period + (feature + steps) % self.period
        return Layout(positions, self.period, self.grid, self.name)

    def vector(self, values: Array, block: int) -> Array:
        """The content [period] of ciphertext `block` when the elements have these values."""
        content = np.zeros(self.period)
        mine = self.positions // self.period == block
        content[self.positions[mine] % self.period] = np.asarray(values)[mine]
        return content


def power_of_two(size: int) -> int:
    """The smallest power of two that is at least `size`."""
    return 1 << max(size - 1, 0).bit_length()


def row_major(size: int, period: int, shape: tuple[int, ...] = ()) -> Layout:
    """Elements one after the other; the grid is noted when the shape is that of images."""
    image = image_shape(shape)
    grid = Grid(1, image[1], image[2]) if image is not None else None
    return Layout(np.arange(size, dtype=np.int64), period, grid)


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(channels, height, width) of a tensor whose last two axes are spatial; leading axes count as channels."""
    if len(shape) < 3:
        return None
    return int(np.prod(shape[:-2], dtype=np.int64)), shape[-2], shape[-1]


@dataclass(frozen=True)
class Entries:
    """An affine map's entries as triplets of flat indices."""

    rows: Array
    cols: Array
    values: Array

    @classmethod
    def of(cls, matrix: Sparse) -> Entries:
        """The entries of a sparse matrix."""
        triplets = matrix.tocoo()
        row, col = triplets.coords
        return cls(row.astype(np.int64), col.astype(np.int64), triplets.data)


@dataclass(frozen=True)
class Placed:
    """An affine map's entries in features: entry j multiplies feature slots[j] + offsets[j] of input ciphertext
    sources[j] and adds to feature slots[j] of output ciphertext targets[j]; `length` is the period of the diagonals."""

    targets: Array
    sources: Array
    slots: Array
    offsets: Array
    values: Array
    length: int

    def diagonals(self) -> Iterator[tuple[int, int, int, Array]]:
        """(output ciphertext, input ciphertext, offset, diagonal [length]) for every non-zero diagonal."""
        if not self.values.size:
            return
        blocks, length = int(self.sources.max()) + 1, int(self.offsets.max()) + 1
        keys = (self.targets * blocks + self.sources) * length + self.offsets
        present = distinct(keys)
        places = np.searchsorted(present, keys) * self.length + self.slots
        table = np.bincount(places, self.values, present.size * self.length).reshape(-1, self.length)
        for key, diagonal in zip(present.tolist(), table, strict=True):
            pair, offset = divmod(key, length)
            yield *divmod(pair, blocks), offset, diagonal


def distinct(keys: Array) -> Array:
    """The distinct values of non-negative integers, ascending; by marking them where that is the faster way."""
    if not keys.size:
        return keys
    top = int(keys.max()) + 1
    if top > _MARKS:
        return np.unique(keys)
    seen = np.zeros(top, dtype=np.bool_)
    seen[keys] = True
    return np.flatnonzero(seen)


def place(entries: Entries, source: Layout, target: Layout) -> Placed:
    """Entries of a map from `source` to `target` as slots and offsets.

    When the target's period is the smaller one, its rows are spread over the source's period so that only `period`
    offsets occur, and the caller folds: adds the rotations by period, 2 period, ... up to the source's period. As both
    are cyclic, the folded result is the target's content everywhere and nothing else is left in any slot.
    """
    # Periods are powers of two: shifts and masks, where a division of every entry would take most of the compilation.
    block_out, slot = (part[entries.rows] for part in _split(target))
    block_in, column = (part[entries.cols] for part in _split(source))
    offset = (column - slot) & (min(source.period, target.period) - 1)
    if source.period > target.period:
        slot = (column - offset) & (source.period - 1)
    return Placed(block_out, block_in, slot, offset, entries.values, max(source.period, target.period))


def _split(layout: Layout) -> tuple[Array, Array]:
    """(ciphertext, feature) of every element."""
    return layout.positions >> (layout.period.bit_length() - 1), layout.positions & (layout.period - 1)


def folds(sources: list[Layout], target: Layout) -> list[int]:
    """Features to rotate by, and add, after a map into `target`: the longest first."""
    widest = max(layout.period for layout in sources)
    steps = []
    while widest > target.period:
        widest //= 2
        steps.append(widest)
    return steps
