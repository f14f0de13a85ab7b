"""Multiply what is shallow first: a chain of products as a tree of least depth.

((a b) c) d takes three levels, (a b) (c d) two. Factors are joined like Huffman's, the two shallowest at a time, which
is optimal for the depth of a product of factors at different levels.
"""

from __future__ import annotations

import heapq
from collections import Counter

from vortex_crypto.nn.ir import Graph, Node, Value
from vortex_crypto.nn.passes.arithmetic import PolynomialOp, ProductOp


def balance_products(graph: Graph) -> Graph:
    """A graph of the same meaning whose products of many factors are as shallow as can be."""
    reads = Counter(name for node in graph.nodes() for name in node.inputs)
    reads.update(graph.outputs)
    result, level = Graph(graph.name), dict.fromkeys(graph.inputs, 0)
    for name in graph.inputs:
        result.add_input(graph.values[name])
    for node in graph.nodes():
        if isinstance(node.op, ProductOp):
            if not _joins(graph, node, reads):
                _add_tree(graph, result, node, _factors(graph, node, reads), level)
            continue
        taken = node.op.depth if isinstance(node.op, PolynomialOp) else 1
        level[node.outputs[0]] = taken + max(level[name] for name in node.inputs)
        result.add_node(node, [graph.values[node.outputs[0]]])
    result.outputs = list(graph.outputs)
    return result


def _joins(graph: Graph, node: Node, reads: Counter[str]) -> bool:
    """Whether the product is nothing but a factor of one other product."""
    output = node.outputs[0]
    return reads[output] == 1 and any(isinstance(reader.op, ProductOp) for reader in graph.consumers(output))


def _factors(graph: Graph, node: Node, reads: Counter[str]) -> list[str]:
    found: list[str] = []
    for name in node.inputs:
        producer = graph.producer(name)
        if producer is not None and isinstance(producer.op, ProductOp) and _joins(graph, producer, reads):
            found += _factors(graph, producer, reads)
        else:
            found.append(name)
    return found


def _add_tree(graph: Graph, result: Graph, node: Node, factors: list[str], level: dict[str, int]) -> None:
    """Products of the two shallowest until one is left, which takes the node's name."""
    value = graph.values[node.outputs[0]]
    heap = [(level[name], number, name) for number, name in enumerate(factors)]
    heapq.heapify(heap)
    for step in range(len(factors) - 1):
        (_, _, left), (deeper, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        name = node.name if not heap else f"{node.name}/factor{step}"
        output = value.name if not heap else name
        made = Node(name, ProductOp(value.shape), (left, right), (output,), node.origin)
        result.add_node(made, [value if not heap else Value(output, value.shape, value.dtype)])
        level[output] = deeper + 1
        heapq.heappush(heap, (deeper + 1, len(factors) + step, output))
