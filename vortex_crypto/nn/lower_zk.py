"""From an integer network to a circuit: every layer through the gadgets, nothing through an executor.

Public weights are constants: an affine map is then free, and a layer costs its roundings and its ReLU. Private weights
are under the persistent commitment `WEIGHTS`: those of convolutions each once (gadget `convolution`) where that is
cheaper, the others packed, several rows in one scalar (gadget `packed`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from vortex_crypto.nn.integer import (
    IntegerAffine,
    IntegerExtremum,
    IntegerInput,
    IntegerLayer,
    IntegerNetwork,
    IntegerProduct,
    IntegerTable,
)
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.sharing import SharedConvolution, as_convolution
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.discharge import COMMITMENT_COST, Table
from vortex_crypto.zk.gadgets.convolution import cost as convolution_cost
from vortex_crypto.zk.gadgets.convolution import full_convolution
from vortex_crypto.zk.gadgets.extremum import argmax, maximum
from vortex_crypto.zk.gadgets.fixed_point import rescale, rescale_unbounded
from vortex_crypto.zk.gadgets.lookup import apply_table
from vortex_crypto.zk.gadgets.packed import rows_per_element, unpack
from vortex_crypto.zk.gadgets.relu import relu, rescale_relu
from vortex_crypto.zk.gadgets.sponge import pack, sponge
from vortex_crypto.zk.linear import Linear, concatenate, linear
from vortex_crypto.zk.plan import Program

WEIGHTS = "weights"
"""Name of the persistent commitment to private weights."""
DIGEST = "digest of the inputs"
"""Name of the public value that stands for hashed inputs."""


@dataclass(frozen=True, eq=False)
class LoweredZk:
    """A circuit's program, and the packed private weights it takes besides the network's inputs."""

    program: Program
    weights: Mapping[str, Array]


def lower_zk(
    network: IntegerNetwork, *, private_weights: bool, inputs: Literal["public", "private", "hashed"]
) -> LoweredZk:
    """The circuit of a network: its inputs, public, private, or private under a public digest, and its public outputs.

    Inputs that are not public are range-checked in the circuit; public ones are the verifier's to check, who sees them.
    """
    return _Lowering(network, private_weights, inputs).run()


class _Lowering:
    def __init__(self, network: IntegerNetwork, private_weights: bool, inputs: str) -> None:
        self.network, self.private_weights, self.inputs = network, private_weights, inputs
        self.circuit = Circuit(network.name)
        self.values: dict[str, Linear] = {}
        self.weights: dict[str, Array] = {}

    def run(self) -> LoweredZk:
        c = self.circuit
        for port in self.network.inputs:
            with c.origin(port.name):
                self.values[port.name] = self._input(port)
        if self.inputs == "hashed":
            with c.origin(DIGEST):
                c.expose(DIGEST, self._digest())
        for layer in self.network.layers:
            with c.origin(layer.origin or layer.name):
                self.values[layer.name] = self._layer(layer)
        for name, value in self.network.output_values.items():
            with c.origin(name):
                c.expose(name, self.values[value])
        return LoweredZk(c.finish(), self.weights)

    def _input(self, port: IntegerInput) -> Linear:
        size = len(port.low)
        if self.inputs == "public":
            return self.circuit.public(port.name, (size,))
        x = self.circuit.private(port.name, (size,))
        for bits in np.unique(port.bits):
            chosen = np.flatnonzero(port.bits == bits)
            self.circuit.range(x[chosen] - port.low[chosen], int(bits))
        return x

    def _digest(self) -> Linear:
        ports = self.network.inputs
        low, bits = (np.concatenate(parts) for parts in zip(*((p.low, p.bits) for p in ports), strict=True))
        return sponge(self.circuit, pack(concatenate([self.values[p.name] for p in ports]), low, bits))

    def _layer(self, layer: IntegerLayer) -> Linear:
        match layer:
            case IntegerAffine():
                return self._affine(layer)
            case IntegerProduct():
                return self._product(layer)
            case IntegerTable():
                return self._table(layer)
            case IntegerExtremum():
                return self._extremum(layer)

    def _affine(self, layer: IntegerAffine) -> Linear:
        if self.private_weights:
            accumulator = self._private(layer)
        else:
            accumulator = sum(
                (self.values[name].apply(m) for m, name in zip(layer.maps, layer.inputs, strict=True)),
                start=self.circuit.one.broadcast_to(layer.bias.shape) * layer.bias,
            )
        if layer.relu:
            return rescale_relu(self.circuit, accumulator, layer.shift, layer.bits)
        return rescale(self.circuit, accumulator, layer.shift, layer.bits)

    def _private(self, layer: IntegerAffine) -> Linear:
        """Accumulators from committed weights: each once in convolutions where that is cheaper, the rest packed."""
        shared, rest = list[tuple[str, SharedConvolution]](), list[tuple[str, Any]]()
        for name, matrix in zip(layer.inputs, layer.maps, strict=True):
            found = as_convolution(matrix, self._shape(name), self._shape(layer.name))
            if found is None or _cost_of(found) + COMMITMENT_COST >= self._packed_cost(layer, matrix):
                rest.append((name, matrix))
            else:
                shared.append((name, found))
        parts = [self._convolution(f"{layer.name}/kernel{k}", *pair) for k, pair in enumerate(shared)]
        if rest:
            return self._packed(layer, rest, sum(parts[1:], start=parts[0]) if parts else None)
        return sum(parts, start=self._bias(layer))

    def _shape(self, name: str) -> tuple[int, ...]:
        ports = {port.name: port.shape for port in self.network.inputs}
        return ports[name] if name in ports else self.network.shapes[name]

    def _committed(self, name: str, values: Array) -> Linear:
        self.weights[name] = values
        return self.circuit.private(name, (len(values),), commitment=WEIGHTS)

    def _convolution(self, name: str, source: str, shared: SharedConvolution) -> Linear:
        """The outputs, flat; each weight is one wire."""
        nothing = linear(np.zeros(1, dtype=np.int64))  # what index -1 takes
        places = np.flatnonzero(shared.blocks)
        order = np.full(shared.kernel.size + 1, -1, dtype=np.int64)
        order[places] = np.arange(len(places))
        wires = self._committed(name, shared.kernel.reshape(-1)[places].astype(object))
        kernels = concatenate([wires, nothing])[order[shared.kernels()]]
        images = concatenate([self.values[source].flat, nothing])[shared.inputs()]
        rows, columns = shared.crop() or (slice(0), slice(0))
        return full_convolution(self.circuit, images, kernels)[:, rows, columns].flat

    def _bias(self, layer: IntegerAffine) -> Linear:
        """One wire a channel where that is enough."""
        channels = layer.bias.reshape(self._shape(layer.name)[1], -1)
        if (channels == channels[:, :1]).all():
            wires = self._committed(f"{layer.name}/bias", channels[:, 0].astype(object))
            return wires[np.repeat(np.arange(len(channels)), channels.shape[1])]
        return self._committed(f"{layer.name}/bias", layer.bias.astype(object))

    def _packed_cost(self, layer: IntegerAffine, matrix: Any) -> int:
        """Constraints of a map alone, packed: one for each column that any row of a group uses."""
        count = rows_per_element(_slot_bits(layer))
        groups = sp.csr_array(matrix).tocoo()
        return len(np.unique(groups.row // count * np.int64(matrix.shape[1]) + groups.col))

    def _packed(self, layer: IntegerAffine, maps: Sequence[tuple[str, Any]], more: Linear | None) -> Linear:
        """Accumulators from packed weights, and `more` of each; the rescaling after it bounds each slot."""
        c, slot_bits = self.circuit, _slot_bits(layer)
        count, rows = rows_per_element(slot_bits), len(layer.bias)
        x = concatenate([self.values[name] for name, _ in maps])
        matrix = sp.csr_array(sp.hstack([matrix for _, matrix in maps]))
        groups = [range(start, min(start + count, rows)) for start in range(0, rows, count)]
        packed = [
            _pack(matrix[group.start : group.stop], layer.bias[group.start : group.stop], slot_bits) for group in groups
        ]
        wires = self._committed(f"{layer.name}/weights", np.concatenate([values for _, values in packed]))
        sums, at = [], 0
        for group, (columns, values) in zip(groups, packed, strict=True):
            weights, bias = wires[at : at + len(columns)], wires[at + len(columns)]
            at += len(values)
            total = c.mul(weights, x[columns]).sum() + bias
            if more is not None:
                slots = np.array([1 << slot_bits * row for row in range(len(group))], dtype=object)
                total = total + (more[group.start : group.stop] * slots).sum()
            sums.append(total.reshape(1))
        return unpack(c, concatenate(sums), rows, slot_bits)

    def _product(self, layer: IntegerProduct) -> Linear:
        left, right = (self.values[name] for name in layer.inputs)
        return rescale(self.circuit, self.circuit.mul(left, right), layer.shift, layer.bits)

    def _table(self, layer: IntegerTable) -> Linear:
        """Round, clip by two ReLUs where the value may leave the table, and look up."""
        c, x = self.circuit, self.values[layer.inputs[0]]
        last = layer.low + len(layer.values) - 1
        index = rescale_unbounded(c, x, layer.shift, layer.bits)
        reach = 1 << layer.bits - 1
        if -reach < layer.low or reach > last:
            bits = max(layer.bits, max(abs(layer.low), abs(last)).bit_length() + 1) + 1
            index = relu(c, index - layer.low, bits) - relu(c, index - last, bits) + layer.low
        table = Table(f"{layer.name}", (np.arange(layer.low, last + 1), layer.values))
        return apply_table(c, table, index)

    def _extremum(self, layer: IntegerExtremum) -> Linear:
        """Windows of one size together; operands are bounded by the layer, or the range check, that made them."""
        x, taps = self.values[layer.inputs[0]], (layer.windows >= 0).sum(axis=1)
        parts, rows = [], []
        for count in np.unique(taps):
            chosen = np.flatnonzero(taps == count)
            windows = layer.windows[chosen]
            operands = x[windows[windows >= 0].reshape(-1, count)]
            take = argmax if layer.position else maximum
            parts.append(take(self.circuit, operands, layer.bits))
            rows.append(chosen)
        return concatenate(parts)[np.argsort(np.concatenate(rows))]


def _slot_bits(layer: IntegerAffine) -> int:
    return max(layer.accumulator_bits, layer.shift + layer.bits) + 1


def _cost_of(shared: SharedConvolution) -> int:
    return convolution_cost(shared.inputs().shape, shared.kernels().shape)


def _pack(matrix: Any, bias: Array, slot_bits: int) -> tuple[Array, Array]:
    """The columns that any of these rows uses, and their packed weights with the packed bias last."""
    columns = np.unique(matrix.indices)
    slots = [1 << slot_bits * row for row in range(matrix.shape[0])]
    packed = np.zeros(len(columns) + 1, dtype=object)
    dense = matrix[:, columns].toarray()
    for row, slot in enumerate(slots):
        packed[:-1] += dense[row].astype(object) * slot
        packed[-1] += int(bias[row]) * slot
    return columns, packed
