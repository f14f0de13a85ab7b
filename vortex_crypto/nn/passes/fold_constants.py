"""Evaluate every node whose inputs are all constant, and drop what no output reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx

from vortex_crypto.nn.ir import Array, Graph, Node


def fold_constants(graph: Graph) -> Graph:
    """A graph of the same meaning with constant subexpressions evaluated by their operators' `ref`."""
    wanted = _ancestors_of_outputs(graph)
    folded: dict[str, Array] = dict(graph.constants)
    kept: list[Node] = []
    for node in graph.nodes():
        if node.name not in wanted:
            continue
        if node.subgraphs or any(name and name not in folded for name in node.inputs):
            kept.append(node)
        else:
            folded.update(_evaluated(node, folded))
    return rebuilt(graph, kept, folded)


def rebuilt(graph: Graph, nodes: list[Node], constants: Mapping[str, Array]) -> Graph:
    """`graph` with these nodes alone, in this order, and those of the constants that they or the outputs read."""
    result = Graph(graph.name)
    for name in graph.inputs:
        result.add_input(graph.values[name])
    read = {name for node in nodes for name in node.inputs} | set(graph.outputs)
    for name, array in constants.items():
        if name in read:
            result.add_constant(name, array)
    for node in nodes:
        result.add_node(node, [graph.values[name] for name in node.outputs if name])
    result.outputs = list(graph.outputs)
    return result


def _evaluated(node: Node, constants: Mapping[str, Array]) -> dict[str, Array]:
    op: Any = node.op
    results = op.ref(*(constants[name] if name else None for name in node.inputs))
    return {name: array for name, array in zip(node.outputs, results, strict=False) if name}


def _ancestors_of_outputs(graph: Graph) -> set[str]:
    wanted: set[str] = set()
    for value in graph.outputs:
        node = graph.producer(value)
        if node is not None and node.name not in wanted:
            wanted |= {node.name} | nx.ancestors(graph.dag, node.name)
    return wanted
