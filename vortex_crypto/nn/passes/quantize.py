"""From real arithmetic to integers: exponents chosen by an error budget, ranges proved by interval arithmetic.

Rounding to multiples of 2^-f is an error of deviation 2^-f/√12. For y = W x + b, with y of calibrated size |y| and p
bits of precision asked:

    inputs:   2^-f_x · max_i ‖W_i‖ / √12 <= 2^-p·|y|      (each feature by its own column where inputs are tables)
    weights:  2^-F · max over samples of ‖2^f_x·x‖ / √12 <= 2^-p·|y|,  W' = round(W·2^(F - f_x)), accumulator exponent F
    outputs:  2^-f_y <= 2^-p·|y|

A value takes the greatest exponent that any of its readers asks for. Widths follow from the inputs' integer ranges, not
from calibration, so that every input in range has a proof.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import sympy

from vortex_crypto.errors import UnsupportedOp
from vortex_crypto.nn.forms import X
from vortex_crypto.nn.integer import (
    ACCUMULATOR_BITS,
    IntegerAffine,
    IntegerExtremum,
    IntegerInput,
    IntegerLayer,
    IntegerNetwork,
    IntegerProduct,
    IntegerTable,
    round_shift,
)
from vortex_crypto.nn.ir import Array, Graph, Node
from vortex_crypto.nn.passes.arithmetic import (
    AffineOp,
    ElementwiseOp,
    ExtremumOp,
    ProductOp,
    evaluate,
    extrema,
    function_of,
)

TABLE_BITS = 12
"""Functions other than ReLU become tables of at most so many entries."""
TABLE_MARGIN = 0.5
"""Part of the calibrated width by which a table reaches beyond it on either side; further out it is clipped."""
_SPREAD = 40
"""Exponents of two features of one input differ by no more than this."""
_DEVIATION = 0.5 * math.log2(12)


def quantize(
    graph: Graph,
    samples: Mapping[str, Array],
    input_ranges: Mapping[str, tuple[float, float]],
    *,
    precision_bits: float,
) -> IntegerNetwork:
    """The integer network of an arithmetic graph (affine maps, products, functions).

    Args:
        graph: after `arithmetize` and `compose_affine`; one sample, not a batch.
        samples: calibration data, (samples, *shape) for each input.
        input_ranges: an interval for each input; inputs saturate at its ends, or, if they are tables of features, at
            those of each feature's calibrated range made three times as wide.
        precision_bits: p above.

    Raises:
        UnsupportedOp: a function without a table, or an accumulator beyond `ACCUMULATOR_BITS`.
    """
    return _Quantizer(graph, samples, input_ranges, precision_bits).run()


@dataclass(frozen=True)
class _Bounds:
    """Integers low[e] .. high[e], as int64."""

    low: Array
    high: Array

    @property
    def bits(self) -> int:
        """The least B with |value| < 2^(B-1) for all."""
        return max(abs(int(self.low.min())), abs(int(self.high.max()))).bit_length() + 1


class _Quantizer:
    def __init__(
        self, graph: Graph, samples: Mapping[str, Array], ranges: Mapping[str, tuple[float, float]], precision: float
    ) -> None:
        self.graph, self.ranges, self.precision = graph, ranges, precision
        self.values = evaluate(graph, samples)
        self.nodes = list(graph.nodes())
        self.relu = {n.outputs[0]: linear for n in self.nodes if (linear := _relu_of(n.op)) is not None}
        self.needed: dict[str, Array] = {}
        self.exponents: dict[str, Array] = {}
        self.bounds: dict[str, _Bounds] = {}
        self.alias: dict[str, str] = {}
        self.layers: list[IntegerLayer] = []

    def run(self) -> IntegerNetwork:
        """Exponents from the outputs backward, integers from the inputs forward."""
        for name in self.graph.outputs:
            self._need(name, self.precision - self._log_size(name))
        for node in reversed(self.nodes):
            self._demand(node)
        inputs = tuple(self._input(name) for name in self.graph.inputs)
        for node in self.nodes:
            self._convert(node)
        for name in self.graph.outputs:
            self._materialise(name)
        shapes = {name: self.graph.values[name].shape for name in self.graph.outputs}
        values = {name: self._resolved(name) for name in self.graph.outputs}
        alias = {made: name for name, made in self.alias.items()}
        made = {layer.name: self.graph.values[alias.get(layer.name, layer.name)].shape for layer in self.layers}
        return IntegerNetwork(self.graph.name, inputs, tuple(self.layers), shapes, values, made)

    # Backward: what exponents the readers need

    def _log_size(self, name: str) -> float:
        return math.log2(max(float(np.abs(self.values[name]).max()), 1e-9))

    def _need(self, name: str, exponent: Array | float) -> None:
        wanted = np.broadcast_to(np.asarray(exponent, dtype=np.float64), self.graph.values[name].size)
        self.needed[name] = np.maximum(self.needed[name], wanted) if name in self.needed else wanted

    def _demand(self, node: Node) -> None:
        output, op = node.outputs[0], node.op
        size = self._log_size(output)
        if isinstance(op, AffineOp):
            for matrix, name in zip(op.maps, node.inputs, strict=True):
                self._need(name, self._affine_need(matrix, name) + self.precision - size - _DEVIATION)
        elif isinstance(op, ProductOp):
            for name, other in zip(node.inputs, reversed(node.inputs), strict=True):
                self._need(name, self.precision - size + self._log_size(other) - _DEVIATION)
        elif isinstance(op, ExtremumOp):
            name = node.inputs[0]
            self._need(name, self.precision - self._log_size(name) if op.position else self.needed[output].max())
        elif output in self.relu:
            factor = abs(self.relu[output][0])
            self._need(node.inputs[0], float(self.needed[output].max()) + math.log2(factor))
        else:
            self._need(node.inputs[0], self._table_exponent(node.inputs[0]) + 2)

    def _affine_need(self, matrix: Any, name: str) -> Array | float:
        """log2 of the gain from the input's rounding error to the output's, by element for tables of features."""
        if name in self.graph.inputs and self._is_table(name):
            greatest = np.maximum(abs(sp.csc_array(matrix)).max(axis=0).toarray().reshape(-1), 1e-30)
            gains: Array = np.log2(greatest * math.sqrt(matrix.shape[1]))
            return gains
        norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).max())
        return math.log2(max(float(norms), 1e-30))

    def _is_table(self, name: str) -> bool:
        """Features of different kinds, each of which may have its own exponent: only affine maps can take that."""
        flat = sum(length > 1 for length in self.graph.values[name].shape) <= 1
        return flat and all(isinstance(node.op, AffineOp) for node in self.graph.consumers(name))

    def _table_exponent(self, name: str) -> int:
        low, high = self._table_hull(name)
        return math.floor(math.log2(((1 << TABLE_BITS) - 2) / max(high - low, 1e-9)))

    def _table_hull(self, name: str) -> tuple[float, float]:
        low, high = float(self.values[name].min()), float(self.values[name].max())
        return low - TABLE_MARGIN * (high - low), high + TABLE_MARGIN * (high - low)

    # Forward: integers

    def _input(self, name: str) -> IntegerInput:
        value = self.graph.values[name]
        wanted = np.ceil(self.needed.get(name, np.zeros(value.size)))
        fractions = np.maximum(wanted, wanted.max() - _SPREAD).astype(np.int64)
        low, high = (np.full(value.size, end) for end in self.ranges[name])
        if self._is_table(name):
            seen = self.values[name]
            least, most = seen.min(axis=0), seen.max(axis=0)
            margin = np.where(most > least, most - least, np.inf)  # of a feature that never moved nothing is known
            low, high = np.maximum(low, least - margin), np.minimum(high, most + margin)
        else:
            fractions = np.full(value.size, fractions.max())
        integers = np.floor(np.ldexp(low, fractions)).astype(np.int64)
        span = np.ceil(np.ldexp(high, fractions)).astype(np.int64) - integers
        bits = np.array([max(int(s), 1).bit_length() for s in span], dtype=np.int64)
        self.exponents[name] = fractions
        self.bounds[name] = _Bounds(integers, integers + (np.int64(1) << bits) - 1)
        return IntegerInput(name, value.shape, fractions, integers, bits)

    def _convert(self, node: Node) -> None:
        output, op = node.outputs[0], node.op
        if isinstance(op, AffineOp):
            reader = self._only_relu(output)
            if reader is None:
                self._affine(node, op, output, (1.0, 0.0), relu=False)
            else:
                self._affine(node, op, reader, self.relu[reader], relu=True)
        elif isinstance(op, ProductOp):
            self._product(node)
        elif output in self.relu:
            if output not in self.exponents:
                self._lone_relu(node)
        elif isinstance(op, ElementwiseOp):
            self._table(node, op)
        elif isinstance(op, ExtremumOp):
            self._extremum(node, op)
        else:
            raise UnsupportedOp(node.origin or node.name, op.name, "a circuit of integers has no such operator.")

    def _only_relu(self, output: str) -> str | None:
        """The ReLU that alone reads this value."""
        readers = self.graph.consumers(output)
        if len(readers) != 1 or output in self.graph.outputs or readers[0].outputs[0] not in self.relu:
            return None
        return readers[0].outputs[0]

    def _lone_relu(self, node: Node) -> None:
        size = self.graph.values[node.inputs[0]].size
        identity = AffineOp((sp.csr_array(sp.eye_array(size)),), np.zeros(size), (size,))
        self._affine(node, identity, node.outputs[0], self.relu[node.outputs[0]], relu=True)

    def _affine(self, node: Node, op: AffineOp, output: str, outer: tuple[float, float], *, relu: bool) -> None:
        """scale·(Σ maps @ x + bias) + offset, rounded to the exponent that the readers of `output` need."""
        scale, offset = outer
        fraction = math.ceil(float(self.needed[output].max()))
        norms = [np.ldexp(self.values[name], self.exponents[name]) for name in node.inputs]
        norm = max(float(np.sqrt((x**2).sum(axis=1)).max()) for x in norms)
        asked = math.log2(max(norm * abs(scale), 1e-30)) + self.precision - self._log_size(output) - _DEVIATION
        exponent = max(math.ceil(asked), fraction)
        maps = tuple(
            _rounded_map(matrix * scale, exponent, self.exponents[name])
            for matrix, name in zip(op.maps, node.inputs, strict=True)
        )
        bias = np.floor(np.ldexp(scale * op.bias + offset, exponent) + 0.5)
        label = node.origin or node.name
        accumulator = self._accumulated(label, maps, bias, [self.bounds[name] for name in node.inputs])
        shift = exponent - fraction
        rounded = _Bounds(round_shift(accumulator.low, shift), round_shift(accumulator.high, shift))
        self.layers.append(
            IntegerAffine(
                output, label, node.inputs, maps, bias.astype(np.int64), shift, fraction, rounded.bits,
                accumulator.bits, relu,
            )
        )  # fmt: skip
        self._define(
            output, fraction, _Bounds(np.maximum(rounded.low, 0), np.maximum(rounded.high, 0)) if relu else rounded
        )

    def _accumulated(self, label: str, maps: tuple[Any, ...], bias: Array, operands: list[_Bounds]) -> _Bounds:
        """Interval arithmetic in floating point first, so that nothing overflows before it is refused."""
        reach = np.abs(bias)
        for matrix, x in zip(maps, operands, strict=True):
            reach = reach + abs(matrix).astype(np.float64) @ np.maximum(np.abs(x.low), np.abs(x.high)).astype(
                np.float64
            )
        if float(reach.max(initial=0)) >= 2.0 ** (ACCUMULATOR_BITS - 2):
            raise UnsupportedOp(
                label, "Affine", f"an accumulator would need more than {ACCUMULATOR_BITS} bits.",
                "Ask for fewer precision bits, or give narrower input ranges.",
            )  # fmt: skip
        low = high = bias.astype(np.int64)
        for matrix, x in zip(maps, operands, strict=True):
            positive, negative = matrix.maximum(0), matrix.minimum(0)
            low = low + positive @ x.low + negative @ x.high
            high = high + positive @ x.high + negative @ x.low
        return _Bounds(low, high)

    def _product(self, node: Node) -> None:
        output = node.outputs[0]
        fraction = math.ceil(float(self.needed[output].max()))
        a, b = (self.bounds[name] for name in node.inputs)
        exponent = sum(int(self.exponents[name].max()) for name in node.inputs)
        shift = max(exponent - fraction, 0)
        if any(len(set(self.exponents[name].tolist())) > 1 for name in node.inputs):
            raise UnsupportedOp(node.origin, "Mul", "a product of raw features has no common exponent.")
        if a.bits + b.bits > ACCUMULATOR_BITS:
            raise UnsupportedOp(node.origin, "Mul", f"a product would need more than {ACCUMULATOR_BITS} bits.")
        corners = np.stack([x * y for x in (a.low, a.high) for y in (b.low, b.high)])
        bounds = _Bounds(round_shift(corners.min(axis=0), shift), round_shift(corners.max(axis=0), shift))
        inputs = (node.inputs[0], node.inputs[1])
        self.layers.append(IntegerProduct(output, node.origin, inputs, shift, exponent - shift, bounds.bits))
        self._define(output, exponent - shift, bounds)

    def _table(self, node: Node, op: ElementwiseOp) -> None:
        output, name = node.outputs[0], node.inputs[0]
        exponent = int(self.exponents[name].max())
        step = min(self._table_exponent(name), exponent)
        low, high = self._table_hull(name)
        first, last = math.floor(low * 2.0**step), math.ceil(high * 2.0**step)
        fraction = math.ceil(float(self.needed[output].max()))
        points = np.ldexp(np.arange(first, last + 1, dtype=np.float64), -step)
        exact = np.ldexp(function_of(op.expression)(points), fraction)
        if not np.isfinite(exact).all():
            raise UnsupportedOp(
                node.origin, str(op.expression), f"it is not finite on all of [{low:.3g}, {high:.3g}].",
                "Clip its input in the model.",
            )  # fmt: skip
        if np.abs(exact).max() >= 2.0 ** (ACCUMULATOR_BITS - 2):
            raise UnsupportedOp(
                node.origin, str(op.expression), f"its values would need more than {ACCUMULATOR_BITS} bits.",
                "Clip its input in the model, or ask for fewer precision bits.",
            )  # fmt: skip
        entries = np.floor(exact + 0.5).astype(np.int64)
        shift = exponent - step
        x = self.bounds[name]
        bits = _Bounds(round_shift(x.low, shift), round_shift(x.high, shift)).bits
        self.layers.append(IntegerTable(output, node.origin, (name,), shift, first, entries, fraction, bits))
        size = self.graph.values[output].size
        self._define(output, fraction, _Bounds(np.full(size, entries.min()), np.full(size, entries.max())))

    def _extremum(self, node: Node, op: ExtremumOp) -> None:
        """Exact: a maximum keeps its operand's exponent, a position has none."""
        output, name = node.outputs[0], node.inputs[0]
        x, label = self.bounds[name], node.origin or node.name
        fraction = 0 if op.position else int(self.exponents[name].max())
        self.layers.append(IntegerExtremum(output, label, (name,), op.windows, op.position, fraction, x.bits))
        if op.position:
            last = np.full(len(op.windows), op.windows.shape[1] - 1, dtype=np.int64)
            self._define(output, 0, _Bounds(np.zeros_like(last), last))
            return
        lowest = np.iinfo(np.int64).min
        low, high = (extrema(end[None], op.windows, lowest, position=False)[0] for end in (x.low, x.high))
        self._define(output, fraction, _Bounds(low, high))

    def _materialise(self, name: str) -> None:
        """An output that is an input itself becomes a layer, so that it has one exponent."""
        if name in self.graph.inputs:
            size = self.graph.values[name].size
            identity = AffineOp((sp.csr_array(sp.eye_array(size)),), np.zeros(size), (size,))
            node = Node(f"{name}/copy", identity, (name,), (name,), name)
            alias = f"{name}/copy"
            self.needed[alias], self.values[alias] = self.needed[name], self.values[name]
            self._affine(node, identity, alias, (1.0, 0.0), relu=False)
            self.alias[name] = alias

    def _resolved(self, name: str) -> str:
        return self.alias.get(name, name)

    def _define(self, name: str, fraction: int, bounds: _Bounds) -> None:
        self.exponents[name] = np.full(len(bounds.low), fraction, dtype=np.int64)
        self.bounds[name] = bounds


def _rounded_map(matrix: Any, exponent: int, fractions: Array) -> Any:
    columns = sp.csr_array(matrix)
    scaled = np.floor(np.ldexp(columns.data, exponent - fractions[columns.indices]) + 0.5)
    if np.abs(scaled).max(initial=0) >= 2.0**ACCUMULATOR_BITS:
        raise UnsupportedOp("weights", "Affine", f"a weight would need more than {ACCUMULATOR_BITS} bits.")
    rounded = sp.csr_array((scaled.astype(np.int64), columns.indices, columns.indptr), shape=columns.shape)
    rounded.eliminate_zeros()
    return rounded


def _relu_of(op: Any) -> tuple[float, float] | None:
    """(a, b) if the operator is max(a·x + b, 0)."""
    if not isinstance(op, ElementwiseOp) or not isinstance(op.expression, sympy.Max):
        return None
    rest = [argument for argument in op.expression.args if argument != 0]
    if len(rest) != 1 or len(op.expression.args) != 2:
        return None
    slope = sympy.diff(rest[0], X)
    if slope.free_symbols or slope == 0:
        return None
    return float(slope), float(rest[0].subs(X, 0))
