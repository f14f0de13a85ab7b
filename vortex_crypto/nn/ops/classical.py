"""Operators of the domain ai.onnx.ml that converters of classical learners put round a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Form
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import spread

_DOMAIN = "ai.onnx.ml"


@dataclass(frozen=True)
class Scaler(Op):
    """(x - offset) scale, one offset and scale a column (or one for all), as float32."""

    name: ClassVar[str] = "Scaler"
    domain: ClassVar[str] = _DOMAIN
    offset: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        columns = inputs[0].shape[-1] if inputs[0].shape else 1
        if not {len(self.offset), len(self.scale)} <= {1, columns}:
            raise ShapeMismatch(f"{len(self.offset)} offsets and {len(self.scale)} scales for {columns} columns")
        return (Spec(inputs[0].shape, np.dtype(np.float32)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        offset, scale = np.asarray(self.offset, np.float32), np.asarray(self.scale, np.float32)
        return (((x.astype(np.float32) - offset) * scale).astype(np.float32),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        shape, scale = inputs[0].shape, np.asarray(self.scale, np.float64)
        bias = np.broadcast_to(-np.asarray(self.offset, np.float64) * scale, shape)
        return Affine({0: spread(shape, shape, scale)}, bias.ravel().astype(np.float64))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x = rng.normal(size=(2, 3)).astype(np.float32)
        yield Sample(cls((1.0, 2.0, 3.0), (0.5, 1.0, 2.0)), (x,))
        yield Sample(cls((0.5,), (2.0,)), (x,))


@dataclass(frozen=True)
class ArrayFeatureExtractor(Op):
    """The elements of x at the indices y along the last axis."""

    name: ClassVar[str] = "ArrayFeatureExtractor"
    domain: ClassVar[str] = _DOMAIN

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        lead = inputs[0].shape[:-1] if len(inputs[0].shape) > 1 else (1,)
        return (Spec((*lead, inputs[1].size), inputs[0].dtype),)

    def ref(self, x: Array, y: Array) -> tuple[Array, ...]:
        x, index = np.atleast_2d(x), np.ravel(y)
        if index.size and not 0 <= index.min() <= index.max() < x.shape[-1]:
            raise ShapeMismatch(f"the indices reach outside the {x.shape[-1]} columns")
        return (x[..., index],)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.normal(size=(2, 5)).astype(np.float32), np.array([4, 0], np.int64)), (1,))


OPERATORS: tuple[type[Op], ...] = (ArrayFeatureExtractor, Scaler)
