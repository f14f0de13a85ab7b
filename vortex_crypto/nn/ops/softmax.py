"""Softmax, LogSoftmax, Hardmax. Before opset 13 they saw a matrix: the dimensions before `axis`, and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, Self

import numpy as np

from vortex_crypto.nn.forms import Form, Unsupported
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import LEGACY, Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import normalize_axis


@dataclass(frozen=True)
class _Along(Op):
    """A function of vectors along `axis`; `matrix` flattens as opsets before 13 did."""

    axis: int = -1
    matrix: bool = field(default=False, metadata=LEGACY)

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any], opset: int, outputs: int = 1) -> tuple[Self, dict[int, Array]]:
        op, slots = super().from_onnx(attributes, opset, outputs)
        return (cls(attributes.get("axis", 1), True) if opset < 13 else op), slots

    @staticmethod
    def function(x: Array, axis: int) -> Array:
        """The function along `axis`."""
        raise TypeError

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        normalize_axis(self.axis, len(inputs[0].shape))
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        # In the type of x at every step, as ONNX's own function body has it; the node tests hold us to the last bit.
        axis = normalize_axis(self.axis, x.ndim)
        if self.matrix:
            flat = x.reshape(prod(x.shape[:axis]), -1)
            return (self.function(flat, 1).reshape(x.shape).astype(x.dtype, copy=False),)
        return (self.function(x, axis).astype(x.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return Unsupported(
            f"{self.name} divides by a sum of exponentials",
            "End the model at the logits, which whoever reads the outputs can apply it to (at its end: --drop-tail); "
            "a proof may end with ArgMax.",
        )

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.normal(size=(2, 3, 4)).astype(np.float32),))
        yield Sample(cls(1), (rng.normal(size=(2, 3, 4)).astype(np.float32),))


def softmax(x: Array, axis: int) -> Array:
    """exp(x) over its sum along `axis`, shifted so as not to overflow."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


class Softmax(_Along):
    """exp(x) / sum exp(x)."""

    name: ClassVar[str] = "Softmax"
    function = staticmethod(softmax)


class LogSoftmax(_Along):
    """x - log sum exp(x)."""

    name: ClassVar[str] = "LogSoftmax"

    @staticmethod
    def function(x: Array, axis: int) -> Array:
        shifted = x - x.max(axis=axis, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


class Hardmax(_Along):
    """1 at the first largest element, 0 elsewhere."""

    name: ClassVar[str] = "Hardmax"

    @staticmethod
    def function(x: Array, axis: int) -> Array:
        places = np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        return np.asarray(places == np.expand_dims(x.argmax(axis=axis), axis), x.dtype)


OPERATORS = (Softmax, LogSoftmax, Hardmax)
