"""Merge affine maps that follow one another into one sparse map, across sums and forks.

Each value is carried as a sum of sparse maps of values that must exist (inputs, and results of nonlinear operators).
BatchNorm, pooling, padding, reshaping and residual sums vanish this way, and an affine map costs one level whatever
went into it. A composition that would be much denser than its parts is not made: that level is cheaper than its
rotations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from vortex_crypto.nn.forms import Sparse
from vortex_crypto.nn.ir import Array, Graph, Node, Value
from vortex_crypto.nn.passes.arithmetic import AffineOp, identity, is_identity

MAX_GROWTH = 4
"""How many times the entries of its two parts a composition may have."""


@dataclass(frozen=True)
class _Linear:
    """sum of terms[v] @ v + bias."""

    terms: dict[str, Sparse]
    bias: Array
    origin: tuple[str, ...] = field(default=())

    def trivial(self) -> str | None:
        """The one value this is, unchanged."""
        if len(self.terms) != 1 or self.bias.any():
            return None
        name, matrix = next(iter(self.terms.items()))
        return name if is_identity(matrix) else None


def compose_affine(graph: Graph) -> Graph:
    """A graph of the same meaning in which an affine operator reads another one's value only where merging grows."""
    return _Composition(graph).run()


class _Composition:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.result = graph, Graph(graph.name)
        self.linear: dict[str, _Linear] = {}

    def run(self) -> Graph:
        """Walk the graph once; maps stay pending until a nonlinear operator, or an output, reads them."""
        for name in self.graph.inputs:
            self.result.add_input(self.graph.values[name])
            self.linear[name] = self._itself(name)
        for node in self.graph.nodes():
            output = node.outputs[0]
            if isinstance(node.op, AffineOp):
                self.linear[output] = self._combined(node, node.op)
            else:
                inputs = tuple(self._materialised(name) for name in node.inputs)
                self.result.add_node(
                    Node(node.name, node.op, inputs, node.outputs, node.origin), [self.graph.values[output]]
                )
                self.linear[output] = self._itself(output)
        self.result.outputs = [self._materialised(name) for name in self.graph.outputs]
        return self.result

    def _itself(self, name: str) -> _Linear:
        size = self.graph.values[name].size
        return _Linear({name: identity(size)}, np.zeros(size))

    def _combined(self, node: Node, op: AffineOp) -> _Linear:
        terms: dict[str, Sparse] = {}
        bias, origin = np.array(op.bias, dtype=np.float64), list[str]()
        for matrix, name in zip(op.maps, node.inputs, strict=True):
            inner, products = self._operand(name, matrix)
            bias = bias + matrix @ inner.bias
            origin += inner.origin
            for source, product in products.items():
                terms[source] = sp.csr_array(terms[source] + product) if source in terms else product
        return _Linear(_pruned(terms), bias, tuple(dict.fromkeys([*origin, node.origin])))

    def _operand(self, name: str, matrix: Sparse) -> tuple[_Linear, dict[str, Sparse]]:
        """What the matrix reads, and its products with the terms of that."""
        inner = self.linear[name]
        products = {source: sp.csr_array(matrix @ part) for source, part in inner.terms.items()}
        grown = sum(product.nnz for product in products.values())
        if grown > MAX_GROWTH * (matrix.nnz + sum(part.nnz for part in inner.terms.values())):
            self._materialised(name)
            inner, products = self.linear[name], {name: sp.csr_array(matrix, copy=True)}
        return inner, products

    def _materialised(self, name: str) -> str:
        linear = self.linear[name]
        existing = linear.trivial()
        if existing is not None:
            return existing
        value = self.graph.values[name]
        op = AffineOp(tuple(linear.terms.values()), linear.bias, value.shape)
        node = Node(name, op, tuple(linear.terms), (name,), " + ".join(linear.origin))
        self.result.add_node(node, [Value(name, value.shape, value.dtype, range=value.range)])
        self.linear[name] = self._itself(name)
        return name


def _pruned(terms: dict[str, Sparse]) -> dict[str, Sparse]:
    for matrix in terms.values():
        matrix.eliminate_zeros()
        matrix.sort_indices()
    kept = {name: matrix for name, matrix in terms.items() if matrix.nnz}
    return kept or dict(list(terms.items())[:1])
