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
from vortex_crypto.nn.ir import Graph, Node, Operator, Value
from vortex_crypto.nn.passes.arithmetic import AffineOp, ElementwiseOp, ProductOp, identity

MAX_FUSED_DEGREE = 16
"""Beyond it an exact polynomial is cheaper as the products it was written in."""


@dataclass(frozen=True)
class _Of:
    """expression(source), and the origins that made it; where it can be written so, also relative(base).

    `base` is a scaled and shifted `source`. A function that reads nothing but its base is not fused with the scaling:
    that belongs to the affine map before it, and max(0, x) has ranges per element where max(0, 2 x + 1) has not.
    """

    source: str
    expression: sympy.Expr
    origin: tuple[str, ...]
    base: str = ""
    relative: sympy.Expr = X


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
        expression = _result(node.op, [o.expression for o in operands], {o.source for o in operands})
        if expression is None or _degree(expression) > MAX_FUSED_DEGREE:
            return None
        bases = {o.base or _affine_name(name, o) for name, o in zip(node.inputs, operands, strict=True)}
        base = bases.pop() if len(bases) == 1 else ""
        if not base or _degree(expression) <= 1:
            return _Of(operands[0].source, expression, origin)
        relative = _result(node.op, [o.relative if o.base else X for o in operands], {base})
        return _Of(operands[0].source, expression, origin, base, relative or X)

    def _materialised(self, name: str) -> str:
        of = self.known[name]
        if of.expression == X:
            return of.source
        value = self.graph.values[name]
        if not of.base:
            op = _as_affine(of.expression, value.size, value.shape)
            return self._emit(name, op, of.source, of.origin) if op else self._function(name, of.expression, of)
        before = self.known[of.base].origin
        relative = _Of(self._materialised(of.base), of.relative, of.origin[len(before) :])
        return self._function(name, of.relative, relative)

    def _function(self, name: str, expression: sympy.Expr, of: _Of) -> str:
        """Emit f; where affine maps alone read a f + b, as f and a map that they absorb."""
        value = self.graph.values[name]
        offset, rest = expression.as_independent(X, as_Add=True)
        factor, inner = rest.as_independent(X, as_Add=False)
        absorbed = name not in self.graph.outputs and all(
            isinstance(node.op, AffineOp) for node in self.graph.consumers(name)
        )
        if not absorbed or (factor == 1 and offset == 0):
            return self._emit(name, ElementwiseOp(expression, value.shape), of.source, of.origin)
        function = f"{name}/function"
        described = Value(function, value.shape, value.dtype)
        node = Node(function, ElementwiseOp(inner, value.shape), (of.source,), (function,), " + ".join(of.origin))
        self.result.add_node(node, [described])
        scaled = AffineOp((float(factor) * identity(value.size),), np.full(value.size, float(offset)), value.shape)
        return self._emit(name, scaled, function, of.origin)

    def _emit(self, name: str, op: AffineOp | ElementwiseOp, source: str, origin: tuple[str, ...]) -> str:
        self.result.add_node(Node(name, op, (source,), (name,), " + ".join(origin)), [self.graph.values[name]])
        self.known[name] = _Of(name, X, ())
        return name


def _result(op: Operator, operands: list[sympy.Expr], sources: set[str]) -> sympy.Expr | None:
    """What an operator makes of expressions of one source; None if it does not treat all elements alike."""
    if len(sources) > 1:
        return None
    match op:
        case ElementwiseOp():
            return op.expression.subs(X, operands[0])
        case AffineOp():
            return _uniform(op, operands)
        case ProductOp():
            return operands[0] * operands[1]
    return None


def _affine_name(name: str, of: _Of) -> str:
    """The value itself, if it is a scaled and shifted source."""
    return name if of.expression != X and _degree(of.expression) <= 1 else ""


def _uniform(op: AffineOp, operands: list[sympy.Expr]) -> sympy.Expr | None:
    """The map as an expression, if it scales and shifts all elements alike."""
    if np.ptp(op.bias) != 0.0:
        return None
    total: sympy.Expr = sympy.Float(float(op.bias[0])) if op.bias[0] else sympy.Integer(0)
    for matrix, operand in zip(op.maps, operands, strict=True):
        if matrix.shape[0] != matrix.shape[1] or matrix.nnz != matrix.shape[0] or np.ptp(matrix.data) != 0.0:
            return None
        if (matrix - matrix.data[0] * identity(matrix.shape[0])).count_nonzero():
            return None
        total = total + _exact(matrix.data[0]) * operand
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
