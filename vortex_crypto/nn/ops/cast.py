"""Cast and its kin: conversions between element types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from vortex_crypto.nn.forms import Affine, Form, Unsupported, selection
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec, dtype_of


def _is_float(dtype: np.dtype[Any]) -> bool:
    return np.issubdtype(dtype, np.floating) or dtype.name.startswith(("float", "bfloat"))


def convert(x: Array, dtype: np.dtype[Any], saturate: bool = True, round_mode: str = "up") -> Array:
    """`x` in another element type; what is too large for an eight-bit float saturates or is none."""
    if dtype.name == "float8_e8m0fnu":
        return _to_exponent(x, saturate, round_mode)
    if not dtype.name.startswith("float8") or not saturate:
        with np.errstate(all="ignore"):
            return x.astype(dtype)
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
    wide = x.astype(np.float32)
    return np.where(np.isnan(wide), wide, np.clip(wide, -largest, largest)).astype(dtype)


def _to_exponent(x: Array, saturate: bool, round_mode: str) -> Array:
    """The power of two at, above or nearest to |x|, as an exponent of eight bits (255: not a number)."""
    bits = x.astype(np.float32).view(np.uint32)
    exponent, fraction = (bits >> 23 & 0xFF).astype(np.int64), bits & 0x7FFFFF
    if round_mode == "nearest":
        up = (fraction > 0x400000) | ((fraction == 0x400000) & (exponent > 0))
    else:
        up = (fraction > 0) & (round_mode == "up")
    up &= exponent < (0xFE if saturate else 0xFF)
    return np.asarray((exponent + up).astype(np.uint8).view(ml_dtypes.float8_e8m0fnu))


def _form(inputs: Inputs, dtype: np.dtype[Any]) -> Form:
    if not _is_float(dtype) and _is_float(inputs[0].dtype):
        return Unsupported("a cast to integers jumps", "Keep the tensor in floating point.")
    if dtype.itemsize < 2 and _is_float(dtype):
        return Unsupported("a cast to so few bits jumps", "Keep the tensor in float16 or wider.")
    size = inputs[0].size
    return Affine({0: selection(np.arange(size), size)}, np.zeros(size))


@dataclass(frozen=True)
class Cast(Op):
    """x in the element type `to`."""

    name: ClassVar[str] = "Cast"
    to: int = 1
    saturate: int = 1
    round_mode: str = "up"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, dtype_of(self.to)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (convert(x, dtype_of(self.to), bool(self.saturate), self.round_mode),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return _form(inputs, dtype_of(self.to))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(11), (rng.normal(size=(2, 3)).astype(np.float32),))


@dataclass(frozen=True)
class CastLike(Op):
    """x in the element type of the second input."""

    name: ClassVar[str] = "CastLike"
    saturate: int = 1
    round_mode: str = "up"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[1].dtype),)

    def ref(self, x: Array, like: Array) -> tuple[Array, ...]:
        return (convert(x, like.dtype, bool(self.saturate), self.round_mode),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return _form(inputs, inputs[1].dtype)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.normal(size=(2, 3)).astype(np.float32), np.zeros(1)), (1,))


@dataclass(frozen=True)
class BitCast(Op):
    """The same bits read as the element type `to` of the same width."""

    name: ClassVar[str] = "BitCast"
    to: int = 1

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (np.ascontiguousarray(x).view(dtype_of(self.to)).reshape(x.shape),)


OPERATORS = (Cast, CastLike, BitCast)
