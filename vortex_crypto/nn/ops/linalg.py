"""Determinants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import wide


@dataclass(frozen=True)
class Det(Op):
    """The determinant of each matrix."""

    name: ClassVar[str] = "Det"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = inputs[0].shape
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ShapeMismatch(f"shape {list(shape)} is not that of square matrices")
        return (Spec(shape[:-2], inputs[0].dtype),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (np.asarray(np.linalg.det(wide(x))).astype(x.dtype),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.normal(size=(2, 3, 3)).astype(np.float32),))


OPERATORS = (Det,)
