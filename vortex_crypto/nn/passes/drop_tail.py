"""Cut a classifier's last, order-preserving operators off, when the user asks for it.

Softmax, LogSoftmax and ArgMax over the scores, and the relabelling that exporters of classical learners put behind
them, need a division or comparisons under encryption and tell the client nothing that the scores do not. The client,
who sees the scores anyway, can apply them itself.
"""

from __future__ import annotations

from vortex_crypto.errors import UnsupportedOp
from vortex_crypto.nn.ir import Graph, Node
from vortex_crypto.nn.passes.fold_constants import fold_constants

MONOTONE = frozenset({"Softmax", "LogSoftmax", "ArgMax", "Hardmax"})
_CARRIERS = frozenset(
    {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "ArrayFeatureExtractor", "ZipMap", "Gather"}
)
REMEDY = "Compile with drop_tail=True (--drop-tail): the program then returns the scores before it, of the same order."


def drop_tail(graph: Graph, *, allowed: bool) -> tuple[Graph, tuple[str, ...]]:
    """The graph whose outputs are the scores before a monotone tail, and the names of the nodes left out.

    Raises:
        UnsupportedOp: there is a tail, and `allowed` is False.
    """
    scores, dropped = list[str](), list[str]()
    for output in graph.outputs:
        value, path = _before_tail(graph, output)
        dropped += [node.name for node in path if node.name not in dropped]
        if path and not allowed:
            tail = path[-1]
            raise UnsupportedOp(
                tail.origin or tail.name, tail.op.name, "it ends the model, and compares scores.", REMEDY
            )
        if value not in scores:
            scores.append(value)
    if not dropped:
        return graph, ()
    result = _with_outputs(graph, scores)
    return result, tuple(dropped)


def _with_outputs(graph: Graph, outputs: list[str]) -> Graph:
    saved, graph.outputs = graph.outputs, outputs
    try:
        return fold_constants(graph)
    finally:
        graph.outputs = saved


def _before_tail(graph: Graph, output: str) -> tuple[str, list[Node]]:
    """The value before the last monotone operator on the way to `output`, and the nodes from the output back to it."""
    path: list[Node] = []
    cut, value, kept = output, output, 0
    while (node := graph.producer(value)) is not None and node.op.name in MONOTONE | _CARRIERS:
        variable = [name for name in node.inputs if name and name not in graph.constants]
        if len(variable) != 1:
            break
        value = variable[0]
        path.append(node)
        if node.op.name in MONOTONE:
            cut, kept = value, len(path)
    return cut, path[:kept]
