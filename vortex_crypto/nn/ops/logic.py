"""Comparisons, logic and bits: tables, for the operators of a family differ in f alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vortex_crypto.errors import InvalidModel
from vortex_crypto.nn.forms import Affine, Form, Unsupported, positions, selection
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import Broadcast, Unary

_REMEDY = "Do the comparison outside the encrypted part, or use a smooth gate such as Sigmoid."


class _Predicate(Broadcast):
    """A function of two tensors whose values are truth values."""

    result: ClassVar[np.dtype[Any] | None] = np.dtype(np.bool_)
    operands: ClassVar[type[np.generic]] = np.float32

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return Unsupported(f"{self.name} jumps", _REMEDY)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(
            cls(), (rng.integers(0, 2, (2, 3)).astype(cls.operands), rng.integers(0, 2, 3).astype(cls.operands))
        )


def _predicate(name: str, function: Callable[..., Array], operands: type[np.generic] = np.float32) -> type[Op]:
    members: dict[str, Any] = {
        "name": name, "function": lambda self, a, b: function(a, b), "operands": operands,
        "__doc__": f"{name}, element by element.", "__module__": __name__,
    }  # fmt: skip
    return type(name, (_Predicate,), members)


class _Bitwise(Broadcast):
    """A function of two integer tensors, bit by bit."""

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.integers(0, 99, (2, 3)), rng.integers(0, 99, 3)))


def _bitwise(name: str, function: Callable[..., Array]) -> type[Op]:
    members: dict[str, Any] = {
        "name": name, "function": lambda self, a, b: function(a, b),
        "__doc__": f"{name}, bit by bit.", "__module__": __name__,
    }  # fmt: skip
    return type(name, (_Bitwise,), members)


class Not(Unary):
    """Negation of truth values: 1 - x."""

    name: ClassVar[str] = "Not"

    def function(self, x: Array) -> Array:
        return np.logical_not(x)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        size = inputs[0].size
        return Affine({0: selection(positions((size,)), size, -1.0)}, np.ones(size))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.integers(0, 2, (2, 3)).astype(np.bool_),))


class BitwiseNot(Unary):
    """Complement of every bit."""

    name: ClassVar[str] = "BitwiseNot"

    def function(self, x: Array) -> Array:
        return np.bitwise_not(x)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.integers(-99, 99, (2, 3)),))


@dataclass(frozen=True)
class BitShift(_Bitwise):
    """Shift of unsigned integers, `direction` LEFT or RIGHT."""

    name: ClassVar[str] = "BitShift"
    direction: str = "LEFT"

    def __post_init__(self) -> None:
        if self.direction not in ("LEFT", "RIGHT"):
            raise InvalidModel(f"BitShift goes LEFT or RIGHT, not {self.direction!r}")

    def function(self, a: Array, b: Array) -> Array:
        return np.left_shift(a, b) if self.direction == "LEFT" else np.right_shift(a, b)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        a, b = rng.integers(0, 99, (2, 3)).astype(np.uint32), rng.integers(0, 9, 3).astype(np.uint32)
        yield Sample(cls("LEFT"), (a, b))
        yield Sample(cls("RIGHT"), (a, b))


@dataclass(frozen=True)
class IsInf(Op):
    """Whether elements are infinite, of the signs asked for."""

    name: ClassVar[str] = "IsInf"
    detect_negative: int = 1
    detect_positive: int = 1

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, np.dtype(np.bool_)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        positive, negative = np.isinf(x) & (x > 0), np.isinf(x) & (x < 0)
        return ((positive & bool(self.detect_positive)) | (negative & bool(self.detect_negative)),)


@dataclass(frozen=True)
class IsNaN(Op):
    """Whether elements are not numbers."""

    name: ClassVar[str] = "IsNaN"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, np.dtype(np.bool_)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (np.isnan(x),)


OPERATORS = (
    _predicate("Equal", np.equal), _predicate("Greater", np.greater), _predicate("GreaterOrEqual", np.greater_equal),
    _predicate("Less", np.less), _predicate("LessOrEqual", np.less_equal), _predicate("And", np.logical_and, np.bool_),
    _predicate("Or", np.logical_or, np.bool_), _predicate("Xor", np.logical_xor, np.bool_),
    _bitwise("BitwiseAnd", np.bitwise_and), _bitwise("BitwiseOr", np.bitwise_or),
    _bitwise("BitwiseXor", np.bitwise_xor),
    Not, BitwiseNot, BitShift, IsInf, IsNaN,
)  # fmt: skip
