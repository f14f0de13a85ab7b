"""The plain executor: runs a graph on NumPy arrays with each operator's own meaning. The oracle for everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from vortex_crypto.errors import InvalidInput, ShapeMismatch
from vortex_crypto.nn.ir import Array, Graph, Node
from vortex_crypto.nn.op import REFUSALS

Observer = Callable[[str, Array], None]


def execute(graph: Graph, inputs: Mapping[str, Array], observer: Observer | None = None) -> dict[str, Array]:
    """The outputs of `graph` by name.

    `inputs` hold one array for each graph input, of its shape and of a type that converts to its own without changing
    kind (integers for floats, say). `observer` sees every value that is not constant as (name, array): inputs first,
    then node outputs in order; it must not change them.

    Raises:
        InvalidInput: an input is missing, unknown, or of the wrong shape or type.
    """
    arrays = {name: _checked(graph, name, inputs) for name in graph.inputs}
    if unknown := sorted(set(inputs) - set(arrays)):
        raise InvalidInput(f"{unknown[0]!r} is no input of {graph.name!r}; its inputs are {graph.inputs}")
    uses = Counter(name for node in graph.nodes() for name in node.inputs if name)
    uses.update(graph.outputs)
    for name, array in arrays.items():
        if observer is not None:
            observer(name, array)
    arrays.update(graph.constants)
    with np.errstate(all="ignore"):
        for node in graph.nodes():
            results = _run(node, arrays)
            for name, result in zip(node.outputs, results, strict=False):
                if name:
                    arrays[name] = result
                    if observer is not None:
                        observer(name, result)
            _forget(node, arrays, uses, graph)
    return {name: arrays[name] for name in graph.outputs}


def _run(node: Node, arrays: Mapping[str, Array]) -> tuple[Array, ...]:
    operands = [arrays[name] if name else None for name in node.inputs]
    bodies = {"bodies": {key: _callable(body) for key, body in node.subgraphs.items()}} if node.subgraphs else {}
    try:
        return node.op.ref(*operands, **bodies)
    except (ShapeMismatch, *REFUSALS) as error:
        raise InvalidInput(f"node {node.name!r} ({node.op.name}) cannot run on this input: {error}") from error


def _callable(body: Graph) -> Callable[..., tuple[Array, ...]]:
    def call(*arrays: Array) -> tuple[Array, ...]:
        found = execute(body, dict(zip(body.inputs, arrays, strict=True)))
        return tuple(found[name] for name in body.outputs)

    return call


def _forget(node: Node, arrays: dict[str, Array], uses: Counter[str], graph: Graph) -> None:
    """Drop what is not read again, so that a run holds only live tensors."""
    for name in filter(None, node.inputs):
        uses[name] -= 1
        if uses[name] == 0 and name not in graph.constants:
            del arrays[name]


def _checked(graph: Graph, name: str, inputs: Mapping[str, Array]) -> Array:
    value = graph.values[name]
    if name not in inputs:
        raise InvalidInput(f"input {name!r} is missing; it is {value.dtype}{list(value.shape)}")
    array = np.asarray(inputs[name])
    if array.shape != value.shape:
        raise InvalidInput(f"input {name!r} has shape {list(array.shape)}, expected {list(value.shape)}")
    if array.dtype == value.dtype:
        return array
    if array.dtype.kind not in "biuf" or not np.can_cast(array.dtype, value.dtype, "same_kind"):
        raise InvalidInput(f"input {name!r} is {array.dtype}, expected {value.dtype}")
    return array.astype(value.dtype)
