"""Integer networks: what a quantised network computes, bit for bit, and what circuits reproduce.

A tensor x is held as integers near x·2^f with one exponent f a tensor, or one an element for inputs. Layers are exact
integer arithmetic: an affine map or a product into an accumulator, rounding half up by 2^shift, then perhaps a ReLU or
a table. Every bound is proved from the inputs' ranges when the network is made: no accumulator ever leaves 62 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from vortex_crypto.errors import InvalidInput
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.passes.arithmetic import extrema

Sparse = sp.csr_array[Any, tuple[int, int]]

ACCUMULATOR_BITS = 62


@dataclass(frozen=True, eq=False)
class IntegerInput:
    """Element e of the tensor is round(x·2^fractions[e]), saturated to low[e] .. low[e] + 2^bits[e] - 1; int64 each."""

    name: str
    shape: tuple[int, ...]
    fractions: Array
    low: Array
    bits: Array

    def quantise(self, values: Array) -> Array:
        """Real numbers of the tensor's shape, or of (samples, *shape), as int64 [..., size].

        Raises:
            InvalidInput: another shape, or infinities or NaN.
        """
        array = np.asarray(values, dtype=np.float64)
        if array.shape != self.shape and array.shape[1:] != self.shape:
            raise InvalidInput(f"input {self.name!r} has shape {list(array.shape)}, expected {list(self.shape)}")
        if not np.isfinite(array).all():
            raise InvalidInput(f"input {self.name!r} holds infinities or NaN")
        flat = array.reshape(*array.shape[: array.ndim - len(self.shape)], -1)
        high = self.low + (np.int64(1) << self.bits) - 1
        return np.clip(np.floor(np.ldexp(flat, self.fractions) + 0.5), self.low, high).astype(np.int64)

    def restore(self, values: Array) -> Array:
        """The real numbers that integers [..., size] stand for."""
        return np.ldexp(values.astype(np.float64), -self.fractions)


@dataclass(frozen=True, eq=False)
class IntegerAffine:
    """y = round((Σ_k maps[k] @ x_k + bias) / 2^shift), then max(y, 0) if `relu`.

    Attributes:
        name: of the value it makes.
        origin: the ONNX nodes it comes from.
        inputs: names of the x_k.
        maps: int64, (size, x_k.size).
        bias: int64 [size].
        shift, fraction: the value's exponent is `fraction` after the shift.
        bits: the rounded y satisfies |y| < 2^(bits-1), by interval arithmetic.
        accumulator_bits: the same for what is rounded.
        relu: whether a ReLU follows.
    """

    name: str
    origin: str
    inputs: tuple[str, ...]
    maps: tuple[Sparse, ...]
    bias: Array
    shift: int
    fraction: int
    bits: int
    accumulator_bits: int
    relu: bool

    def run(self, *operands: Array) -> Array:
        """On int64 arrays [samples, size]."""
        total = np.broadcast_to(self.bias, (operands[0].shape[0], self.bias.size)).copy()
        for matrix, x in zip(self.maps, operands, strict=True):
            total += (matrix @ x.T).T
        rounded = round_shift(total, self.shift)
        return np.maximum(rounded, 0) if self.relu else rounded


@dataclass(frozen=True, eq=False)
class IntegerProduct:
    """y = round(x_0·x_1 / 2^shift), element by element; other attributes as for `IntegerAffine`."""

    name: str
    origin: str
    inputs: tuple[str, str]
    shift: int
    fraction: int
    bits: int

    def run(self, *operands: Array) -> Array:
        """On int64 arrays [samples, size]."""
        return round_shift(operands[0] * operands[1], self.shift)


@dataclass(frozen=True, eq=False)
class IntegerTable:
    """y = values[clip(round(x / 2^shift), low, low + len(values) - 1) - low]: any function of one variable.

    `bits` bounds the rounded x before it is clipped: |x| < 2^(bits-1).
    """

    name: str
    origin: str
    inputs: tuple[str]
    shift: int
    low: int
    values: Array
    fraction: int
    bits: int

    def run(self, *operands: Array) -> Array:
        """On int64 arrays [samples, size]."""
        index = np.clip(round_shift(operands[0], self.shift), self.low, self.low + len(self.values) - 1)
        found: Array = self.values[index - self.low]
        return found


@dataclass(frozen=True, eq=False)
class IntegerExtremum:
    """y[i] = max of x[windows[i]], or its first position there; `windows` int64 [size, k], -1 for no element.

    `bits` bounds the operand: |x| < 2^(bits-1). Nothing is rounded: `shift` is 0.
    """

    name: str
    origin: str
    inputs: tuple[str]
    windows: Array
    position: bool
    fraction: int
    bits: int
    shift: int = 0

    def run(self, *operands: Array) -> Array:
        """On int64 arrays [samples, size]."""
        return extrema(operands[0], self.windows, np.iinfo(np.int64).min, position=self.position)


IntegerLayer = IntegerAffine | IntegerProduct | IntegerTable | IntegerExtremum


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Inputs, layers in order, which values are the outputs, with their shapes and exponents, and all shapes."""

    name: str
    inputs: tuple[IntegerInput, ...]
    layers: tuple[IntegerLayer, ...]
    outputs: Mapping[str, tuple[int, ...]]
    output_values: Mapping[str, str]
    """Output name -> name of the value."""
    shapes: Mapping[str, tuple[int, ...]]
    """The tensor's shape of every value that a layer makes."""

    def fraction(self, output: str) -> int:
        """The exponent of an output."""
        return next(layer.fraction for layer in self.layers if layer.name == self.output_values[output])

    def quantise(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Real inputs as integers, flattened; raises `InvalidInput` when one is missing, unknown or does not fit."""
        names = [port.name for port in self.inputs]
        if set(names) != set(inputs):
            raise InvalidInput(f"{self.name} takes the inputs {names}, and {sorted(inputs)} are given")
        return {port.name: port.quantise(inputs[port.name]) for port in self.inputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value, from integer inputs [samples, size]: int64 [samples, size] each."""
        values = dict(inputs)
        for layer in self.layers:
            values[layer.name] = layer.run(*(values[name] for name in layer.inputs))
        return values

    def outputs_of(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The integer reference: outputs from integer inputs [samples, size]."""
        values = self.run(inputs)
        return {name: values[value] for name, value in self.output_values.items()}

    def restore(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        """Integer outputs as real numbers, in the outputs' shapes (with a leading axis of samples, if there is one)."""
        restored = {}
        for name, values in outputs.items():
            real = np.ldexp(np.asarray(values).astype(np.float64), -self.fraction(name))
            restored[name] = real.reshape((*real.shape[: real.ndim - 1], *self.outputs[name]))
        return restored


def round_shift(values: Array, shift: int) -> Array:
    """floor(values / 2^shift + 1/2)."""
    rounded: Array = (values + (1 << shift - 1)) >> shift if shift else values
    return rounded
