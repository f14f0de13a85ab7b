"""From an arithmetic graph and its layouts to a CKKS circuit.

Each affine map becomes one linear transform (and its folds), each polynomial and product the opcode of that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vortex_crypto.errors import UnsupportedOp
from vortex_crypto.fhe.circuit import Circuit
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.nn.ir import Array, Graph, Node
from vortex_crypto.nn.layout import Entries, Layout, folds, place
from vortex_crypto.nn.passes.arithmetic import AffineOp, PolynomialOp, ProductOp
from vortex_crypto.nn.passes.choose_layouts import Layouts


@dataclass(frozen=True)
class Lowered:
    """A circuit, and the names of its inputs and outputs for each of the graph's, in order of their ciphertexts."""

    circuit: Circuit
    inputs: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, tuple[str, ...]]


def lower(
    graph: Graph, layouts: Layouts, slots: int, bounds: Mapping[str, float], outputs: Sequence[str] | None = None
) -> Lowered:
    """Write the graph as a circuit of `slots` slots.

    Args:
        graph: of affine maps, polynomials and products.
        layouts: of all its values.
        slots: of a ciphertext; `slots / layouts.features` samples share it.
        bounds: for each graph input, the largest absolute value it can have.
        outputs: names to give the graph's outputs under, in their order; by default their own.

    Raises:
        UnsupportedOp: an elementwise function is left in the graph.
    """
    return _Lowering(graph, layouts, slots).run(bounds, outputs or graph.outputs)


class _Lowering:
    def __init__(self, graph: Graph, layouts: Layouts, slots: int) -> None:
        self.graph, self.layouts = graph, layouts
        self.circuit, self.lanes = Circuit(slots), slots // layouts.features
        self.wires: dict[str, list[int]] = {}

    def run(self, bounds: Mapping[str, float], names: Sequence[str]) -> Lowered:
        """Write inputs, nodes and outputs."""
        inputs, outputs = dict[str, tuple[str, ...]](), dict[str, tuple[str, ...]]()
        for name in self.graph.inputs:
            inputs[name] = _labels(name, self.layouts.of[name])
            self.wires[name] = [self.circuit.input(label, bound=bounds[name]) for label in inputs[name]]
        for node in self.graph.nodes():
            with self.circuit.origin(node.origin or node.name):
                self.wires[node.outputs[0]] = self._node(node)
        for name, value in zip(names, self.graph.outputs, strict=True):
            outputs[name] = _labels(name, self.layouts.of[value])
            for label, wire in zip(outputs[name], self.wires[value], strict=True):
                self.circuit.output(label, wire)
        return Lowered(self.circuit, inputs, outputs)

    def _node(self, node: Node) -> list[int]:
        match node.op:
            case AffineOp():
                return self._affine(node, node.op)
            case PolynomialOp():
                coefficients = [float(c) for c in node.op.coefficients]
                return [self.circuit.polynomial(wire, coefficients) for wire in self.wires[node.inputs[0]]]
            case ProductOp():
                left, right = (self.wires[name] for name in node.inputs)
                return [self.circuit.mul(a, b) for a, b in zip(left, right, strict=True)]
        raise UnsupportedOp(node.origin, node.op.name, "it has no polynomial yet.", "Run the approximation pass first.")

    def _affine(self, node: Node, op: AffineOp) -> list[int]:
        target = self.layouts.of[node.outputs[0]]
        sources = [self.layouts.of[name] for name in node.inputs]
        steps = folds(sources, target)
        length = max(layout.period for layout in [*sources, target]) if steps else target.period
        wires: list[int] = []
        columns: list[dict[tuple[int, int], dict[int, Array]]] = []
        for matrix, name, source in zip(op.maps, node.inputs, sources, strict=True):
            wires += self.wires[name]
            columns.append(_diagonals(Entries.of(matrix), source, target, length))
        blocks = [
            [
                self._block(column.get((row, block)))
                for column, source in zip(columns, sources, strict=True)
                for block in range(source.blocks)
            ]
            for row in range(target.blocks)
        ]
        results = self.circuit.linear_transform(wires, blocks)
        return [
            self.circuit.add_plain(self._folded(wire, steps), self._spread(target.vector(op.bias, row)))
            for row, wire in enumerate(results)
        ]

    def _folded(self, wire: int, steps: list[int]) -> int:
        for step in steps:
            wire = self.circuit.add(wire, self.circuit.rotate(wire, step * self.lanes))
        return wire

    def _block(self, diagonals: dict[int, Array] | None) -> Diagonals | None:
        if diagonals is None:
            return None
        spread = {k * self.lanes: self._spread(values) for k, values in diagonals.items()}
        return Diagonals(self.circuit.slots, spread)

    def _spread(self, features: Array) -> Array:
        """Feature values as slot values: the same for every sample."""
        return np.repeat(features, self.lanes)


def _diagonals(
    entries: Entries, source: Layout, target: Layout, length: int
) -> dict[tuple[int, int], dict[int, Array]]:
    """For each (output ciphertext, input ciphertext), the diagonals by offset, padded with zeros to `length`."""
    found: dict[tuple[int, int], dict[int, Array]] = {}
    for row, column, offset, values in place(entries, source, target).diagonals():
        padded = np.zeros(length)
        padded[: values.size] = values
        found.setdefault((row, column), {})[offset] = padded
    return found


def _labels(name: str, layout: Layout) -> tuple[str, ...]:
    return tuple(f"{name}/{block}" for block in range(layout.blocks))
