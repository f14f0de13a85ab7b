"""Replace every operator by its arithmetic form: affine maps, functions, products remain, and extrema where allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vortex_crypto.errors import UnsupportedOp
from vortex_crypto.nn.forms import Affine, Bilinear, Elementwise, Extremum, Form, Unsupported
from vortex_crypto.nn.ir import Graph, Node, Value
from vortex_crypto.nn.op import Inputs
from vortex_crypto.nn.passes.arithmetic import (
    AffineOp,
    ArithmeticOp,
    ElementwiseOp,
    ExtremumOp,
    ProductOp,
    identity,
    is_identity,
)

_FLOAT = np.dtype(np.float64)


def arithmetize(graph: Graph, *, comparisons: bool = False) -> Graph:
    """The graph in arithmetic forms; values keep their names and shapes, dtypes become float64.

    Args:
        graph: after constants are folded.
        comparisons: whether the target can compare secrets, and so take a maximum.

    Raises:
        UnsupportedOp: an operator without a form; the message names the node and what can be done.
    """
    result = Graph(graph.name)
    for name in graph.inputs:
        result.add_input(Value(name, graph.values[name].shape, _FLOAT))
    for node in graph.nodes():
        if node.subgraphs:
            raise UnsupportedOp(
                _label(node), node.op.name, "control flow has no arithmetic form.", "Export it unrolled."
            )
        for index, output in enumerate(node.outputs):
            if output and _is_read(graph, output):
                _Emitter(graph, result, node, output).emit(_allowed(_form(graph, node, index), comparisons))
    for name in graph.outputs:
        if name in graph.constants:
            raise UnsupportedOp(
                name, "output", "this output hangs on no input.", "Leave it out of the model's outputs."
            )
    result.outputs = list(graph.outputs)
    return result


class _Emitter:
    """Adds the nodes of one form to a graph."""

    def __init__(self, source: Graph, result: Graph, node: Node, output: str) -> None:
        self.result, self.node, self.output = result, node, output
        self.shape = source.values[output].shape

    def emit(self, form: Form) -> None:
        """Add the form's nodes; the last one's value carries the output's name."""
        match form:
            case Affine():
                positions = sorted(form.maps)
                maps = tuple(form.maps[k] for k in positions)
                self._add(
                    AffineOp(maps, np.asarray(form.bias, np.float64), self.shape), self._names(positions), self.output
                )
            case Elementwise():
                self._add(ElementwiseOp(form.expression, self.shape), self._names([form.arg]), self.output)
            case Bilinear():
                self._product(form)
            case Extremum():
                self._extremum(form)
            case Unsupported():
                raise UnsupportedOp(_label(self.node), self.node.op.name, form.reason, form.remedy)

    def _extremum(self, form: Extremum) -> None:
        (source,) = self._names([form.arg])
        if not form.least:
            self._add(ExtremumOp(form.windows, form.position, self.shape), [source], self.output)
            return
        value = self.result.values[source]
        negated = AffineOp((-identity(value.size),), np.zeros(value.size), value.shape)
        name = self._add(negated, [source], f"{self.output}/negated")
        if form.position:
            self._add(ExtremumOp(form.windows, True, self.shape), [name], self.output)
            return
        inner = self._add(ExtremumOp(form.windows, False, self.shape), [name], f"{self.output}/greatest")
        size = len(form.windows)
        self._add(AffineOp((-identity(size),), np.zeros(size), self.shape), [inner], self.output)

    def _product(self, form: Bilinear) -> None:
        factors = [
            self._mapped(name, matrix, f"{self.output}/{side}")
            for name, matrix, side in zip(
                self._names([form.a, form.b]), (form.left, form.right), ("left", "right"), strict=True
            )
        ]
        size = form.left.shape[0]
        if is_identity(form.total):
            self._add(ProductOp(self.shape), factors, self.output)
            return
        inner = self._add(ProductOp((size,)), factors, f"{self.output}/product")
        self._add(AffineOp((form.total,), np.zeros(form.total.shape[0]), self.shape), [inner], self.output)

    def _mapped(self, name: str, matrix: Any, output: str) -> str:
        if is_identity(matrix):
            return name
        shape = (matrix.shape[0],)
        return self._add(AffineOp((matrix,), np.zeros(matrix.shape[0]), shape), [name], output)

    def _names(self, positions: list[int]) -> list[str]:
        return [self.node.inputs[k] for k in positions]

    def _add(self, op: ArithmeticOp, inputs: list[str], output: str) -> str:
        origin = _label(self.node)
        self.result.add_node(Node(output, op, tuple(inputs), (output,), origin), [Value(output, op.shape, _FLOAT)])
        return output


def _allowed(form: Form, comparisons: bool) -> Form:
    return form.otherwise if isinstance(form, Extremum) and not comparisons else form


def _form(graph: Graph, node: Node, index: int) -> Form:
    op: Any = node.op
    form: Callable[..., Form] = op.form
    return form(Inputs.of(graph, node), output=index)


def _is_read(graph: Graph, value: str) -> bool:
    return value in graph.outputs or bool(graph.consumers(value))


def _label(node: Node) -> str:
    return node.origin or node.name
