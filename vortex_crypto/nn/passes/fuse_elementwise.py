"""Fuse chains of elementwise operators on one value into a single expression.

Exporters write GELU as five operators and SiLU as two. Approximated one by one they would cost a polynomial and a
product each; as one expression of one symbol they are one polynomial. Uniform scalings and shifts take part, and so do
products of two expressions of the same value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy

from vortex_crypto.nn.forms import X
from vortex_crypto.nn.ir import Graph, Node
from vortex_crypto.nn.passes.arithmetic import AffineOp, ElementwiseOp, ProductOp, identity

MAX_FUSED_DEGREE = 16
"""Beyond it an exact polynomial is cheaper as the products it was written in."""


@dataclass(frozen=True)
class _Of:
    """expression(source), and the origins that made it."""

    source: str
    expression: sympy.Expr
    origin: tuple[str, ...]


def fuse_elementwise(graph: Graph) -> Graph:
    """A graph of the same meaning in which no elementwise operator reads another one's value alone."""
    return _Fusion(graph).run()


class _Fusion:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.result = graph, Graph(graph.name)
        self.known: dict[str, _Of] = {}

    def run(self) -> Graph:
        """Walk the graph once; expressions stay pending until an operator that cannot take them reads them."""
        for name in self.graph.inputs:
            self.result.add_input(self.graph.values[name])
            self.known[name] = _Of(name, X, ())
        for node in self.graph.nodes():
            fused = self._fused(node)
            if fused is None:
                inputs = tuple(self._materialised(name) for name in node.inputs)
                moved = Node(node.name, node.op, inputs, node.outputs, node.origin)
                self.result.add_node(moved, [self.graph.values[name] for name in node.outputs])
                fused = _Of(node.outputs[0], X, ())
            self.known[node.outputs[0]] = fused
        self.result.outputs = [self._materialised(name) for name in self.graph.outputs]
        return self.result

    def _fused(self, node: Node) -> _Of | None:
        operands = [self.known[name] for name in node.inputs]
        origin = tuple(dict.fromkeys([part for o in operands for part in o.origin] + [node.origin]))
        expression: sympy.Expr | None = None
        match node.op:
            case ElementwiseOp():
                expression = node.op.expression.subs(X, operands[0].expression)
            case AffineOp():
                expression = _uniform(node.op, operands)
            case ProductOp() if operands[0].source == operands[1].source:
                expression = operands[0].expression * operands[1].expression
        if expression is None or _degree(expression) > MAX_FUSED_DEGREE:
            return None
        return _Of(operands[0].source, expression, origin)

    def _materialised(self, name: str) -> str:
        of = self.known[name]
        if of.expression == X:
            return of.source
        value = self.graph.values[name]
        op = _as_affine(of.expression, value.size, value.shape) or ElementwiseOp(of.expression, value.shape)
        self.result.add_node(Node(name, op, (of.source,), (name,), " + ".join(of.origin)), [value])
        self.known[name] = _Of(name, X, ())
        return name


def _uniform(op: AffineOp, operands: list[_Of]) -> sympy.Expr | None:
    """The map as an expression of its inputs' common source, if it scales and shifts all elements alike."""
    if len({o.source for o in operands}) != 1 or np.ptp(op.bias) != 0.0:
        return None
    total: sympy.Expr = sympy.Float(float(op.bias[0])) if op.bias[0] else sympy.Integer(0)
    for matrix, operand in zip(op.maps, operands, strict=True):
        if matrix.shape[0] != matrix.shape[1] or matrix.nnz != matrix.shape[0] or np.ptp(matrix.data) != 0.0:
            return None
        if (matrix - matrix.data[0] * identity(matrix.shape[0])).count_nonzero():
            return None
        total = total + _exact(matrix.data[0]) * operand.expression
    return total


def _exact(value: float) -> sympy.Expr:
    return sympy.Integer(int(value)) if float(value).is_integer() else sympy.Float(float(value))


def _as_affine(expression: sympy.Expr, size: int, shape: tuple[int, ...]) -> AffineOp | None:
    if _degree(expression) > 1:
        return None
    line = sympy.Poly(expression, X)
    slope, offset = float(line.coeff_monomial(X)), float(line.coeff_monomial(1))
    return AffineOp((slope * identity(size),), np.full(size, offset), shape)


def _degree(expression: sympy.Expr) -> int:
    """Degree in X; 2 for what is no polynomial, which is neither affine nor too high to fuse."""
    if not expression.is_polynomial(X):
        return 2
    return int(sympy.degree(expression, X)) if expression.has(X) else 0
