"""Choose where every tensor sits, by counting the rotations its neighbours' matrices would need.

Values that must share a layout (what goes into and comes out of a polynomial, the factors and the result of a product)
form a class. Classes are decided in the order of the graph; a beam keeps the cheapest few assignments, because the
layout that makes one matrix cheap can make the next one dear.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np

from vortex_crypto.errors import InvalidInput
from vortex_crypto.nn.ir import Array, Graph, Node
from vortex_crypto.nn.layout import (
    Entries,
    Grid,
    Layout,
    Placed,
    distinct,
    folds,
    image_shape,
    place,
    power_of_two,
    row_major,
)
from vortex_crypto.nn.passes.arithmetic import AffineOp

BEAM = 3
_PRODUCT_COST = 0.03
"""A product by a plaintext against one rotation, as SEAL runs them."""


@dataclass(frozen=True)
class Layouts:
    """The layout of every value, features of a ciphertext, and the rotations counted for the affine maps."""

    of: Mapping[str, Layout]
    features: int
    rotations: float


def choose_layouts(graph: Graph, slots: int, *, progress: Callable[[float], None] = lambda done: None) -> Layouts:
    """Layouts for all values of an arithmetic graph in ciphertexts of `slots` slots; `progress`: the fraction done."""
    return _Search(graph, slots).run(progress)


@dataclass(frozen=True)
class _State:
    cost: float
    layouts: Mapping[int, Layout]


class _Search:
    def __init__(self, graph: Graph, slots: int) -> None:
        self.graph, self.slots = graph, slots
        self.classes, self.class_of = _classes(graph)
        self.features = min(power_of_two(max(graph.values[members[0]].size for members in self.classes)), slots)
        self.affine = [node for node in graph.nodes() if isinstance(node.op, AffineOp)]
        self.entries = {
            (node.name, k): Entries.of(matrix)
            for node in self.affine
            for k, matrix in enumerate(node.op.maps)  # type: ignore[attr-defined]
        }
        self.placed_cost = functools.cache(self._map_cost)

    def run(self, progress: Callable[[float], None]) -> Layouts:
        """Decide class by class."""
        states = [_State(0.0, {})]
        for number in range(len(self.classes)):
            progress(number / len(self.classes))
            grown = [extended for state in states for extended in self._extensions(state, number)]
            if not grown:
                raise InvalidInput(f"{self.classes[number][0]}: no layout fits ciphertexts of {self.slots} slots")
            states = sorted(grown, key=lambda state: state.cost)[:BEAM]
        best = states[0]
        chosen = {name: best.layouts[number] for name, number in self.class_of.items()}
        return Layouts(chosen, self.features, best.cost)

    def _extensions(self, state: _State, number: int) -> Iterator[_State]:
        """The state with each candidate for a class; a map is counted when the last of its classes is decided."""
        producers = [node for node in self._producers(number) if self._decided(state, node.inputs)]
        touching = [
            n for n in self.affine if number in self._touched(n) and self._touched(n) <= {*state.layouts, number}
        ]
        for candidate in self._candidates(state, number):
            shifted = candidate
            if len(producers) == 1:
                shifted = candidate.shifted(self._start(state, producers[0], candidate))
            layouts = {**state.layouts, number: shifted}
            cost = sum(
                self.placed_cost(
                    node.name,
                    tuple(layouts[self.class_of[name]] for name in node.inputs),
                    layouts[self.class_of[node.outputs[0]]],
                )
                for node in touching
            )
            yield _State(state.cost + cost, layouts)

    def _touched(self, node: Node) -> set[int]:
        return {self.class_of[name] for name in (*node.inputs, node.outputs[0])}

    def _producers(self, number: int) -> list[Node]:
        """The affine nodes that make values of a class."""
        return [node for node in self.affine if self.class_of[node.outputs[0]] == number]

    def _decided(self, state: _State, names: tuple[str, ...]) -> bool:
        return all(self.class_of[name] in state.layouts for name in names)

    def _sources(self, state: _State, node: Node) -> tuple[Layout, ...]:
        decided = (state.layouts.get(self.class_of[name]) for name in node.inputs)
        return tuple(layout for layout in decided if layout is not None)

    def _candidates(self, state: _State, number: int) -> Iterator[Layout]:
        members = [self.graph.values[name] for name in self.classes[number]]
        images = dict.fromkeys(filter(None, (image_shape(value.shape) for value in members)))
        size, shape = members[0].size, next((v.shape for v in members if image_shape(v.shape)), ())
        for period in dict.fromkeys((min(power_of_two(size), self.features), self.features)):
            yield row_major(size, period, shape)
        seen = [layout for node in self._producers(number) for layout in self._sources(state, node)]
        for image in images:
            for grid in dict.fromkeys(g for layout in seen if layout.grid for g in _grids(layout.grid, image)):
                positions = grid.positions(image)
                if positions is None:
                    continue
                extent = power_of_two(int(positions.max(initial=0)) + 1)
                if extent <= self.features or self.features == self.slots:
                    yield Layout(positions, min(extent, self.features), grid, f"gap {grid.gap}")

    def _start(self, state: _State, node: Node, target: Layout) -> int:
        """The offset after the largest cyclic gap of offsets: shifted by it, they begin at 0."""
        sources = self._sources(state, node)
        if len({min(layout.period, target.period) for layout in sources}) != 1:
            return 0
        modulus = min(sources[0].period, target.period)
        parts = [place(self.entries[node.name, k], layout, target).offsets for k, layout in enumerate(sources)]
        offsets = distinct(np.concatenate(parts))
        if not offsets.size:
            return 0
        gaps = np.diff(np.append(offsets, offsets[0] + modulus))
        return int(offsets[(int(np.argmax(gaps)) + 1) % offsets.size])

    def _map_cost(self, node: str, sources: tuple[Layout, ...], target: Layout) -> float:
        placed = [place(self.entries[node, k], layout, target) for k, layout in enumerate(sources)]
        return transform_cost(placed) + len(folds(list(sources), target))


def transform_cost(placed: list[Placed]) -> float:
    """Rotations (and products, weighted) of the best baby-step giant-step split of one transform."""
    targets, sources, offsets = _diagonals(placed)
    if not offsets.size:
        return 0.0
    splits = (_rotations(targets, sources, offsets, 1 << k) for k in range(int(offsets.max() + 1).bit_length() + 1))
    return float(min(splits) + _PRODUCT_COST * offsets.size)


def _diagonals(placed: list[Placed]) -> tuple[Array, Array, Array]:
    """(output ciphertext, input ciphertext, offset) of every diagonal that is not zero; inputs are numbered through."""
    parts, first = [], 0
    for p in placed:
        blocks, length = int(p.sources.max(initial=0)) + 1, int(p.offsets.max(initial=0)) + 1
        present = distinct((p.targets * blocks + p.sources) * length + p.offsets)
        pair, offset = np.divmod(present, length)
        target, source = np.divmod(pair, blocks)
        parts.append(np.stack([target, source + first, offset]))
        first += blocks
    targets, sources, offsets = np.concatenate(parts, axis=1)
    return targets, sources, offsets


def _rotations(targets: Array, sources: Array, offsets: Array, babies: int) -> int:
    giant, baby = np.divmod(offsets, babies)
    return _count(targets, giant) + _count(sources, baby)


def _count(ciphertexts: Array, steps: Array) -> int:
    """How many ciphertexts are rotated by how many steps other than 0."""
    moved = steps != 0
    return int(distinct(ciphertexts[moved] * (int(steps.max()) + 1) + steps[moved]).size)


def _grids(source: Grid, image: tuple[int, int, int]) -> Iterator[Grid]:
    """The grids a convolution or pooling of any stride can leave its result on."""
    _, height, width = image
    largest = min(source.rows // max(height, 1), source.pitch // max(width, 1))
    for gap in range(source.gap, largest + 1, source.gap):
        yield Grid(gap, source.rows, source.pitch)


def _classes(graph: Graph) -> tuple[list[list[str]], dict[str, int]]:
    """Values that share a layout, in the order of the graph, and the class of each value."""
    together: nx.Graph[str] = nx.Graph()
    order: list[str] = [*graph.inputs]
    together.add_nodes_from(graph.inputs)
    for node in graph.nodes():
        order.append(node.outputs[0])
        together.add_node(node.outputs[0])
        if not isinstance(node.op, AffineOp):
            together.add_edges_from((name, node.outputs[0]) for name in node.inputs)
    rank = {name: i for i, name in enumerate(order)}
    components = [sorted(c, key=rank.__getitem__) for c in nx.connected_components(together)]
    components.sort(key=lambda members: rank[members[0]])
    return components, {name: i for i, members in enumerate(components) for name in members}
