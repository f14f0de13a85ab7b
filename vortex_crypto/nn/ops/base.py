"""What families of operators share: elementwise of one input, broadcast of many, movement of data."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import sympy

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Elementwise, Form, Sparse, Unsupported, positions, selection
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec

NARROW = frozenset({"float16", "bfloat16"})
"""Float types whose arithmetic is done in float32 and rounded once, as runtimes do."""


def wide(x: Array) -> Array:
    """`x`, in float32 if its type is narrower than that and a float's."""
    return x.astype(np.float32) if x.dtype.name in NARROW or x.dtype.name.startswith("float8") else x


def broadcast(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The common shape under ONNX (that is, NumPy) multidirectional broadcasting."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ShapeMismatch(f"shapes {', '.join(map(str, shapes))} do not broadcast") from error


def normalize_axis(axis: int, rank: int) -> int:
    """`axis` counted from the front.

    Raises:
        ShapeMismatch: an axis the tensor does not have.
    """
    if not -rank <= axis < rank:
        raise ShapeMismatch(f"axis {axis} does not exist in a tensor of {rank} dimensions")
    return int(axis) % rank


def normalize_axes(axes: Any, rank: int) -> tuple[int, ...]:
    """All `axes` counted from the front, in the order given.

    Raises:
        ShapeMismatch: an axis that does not exist, or stands twice.
    """
    found = tuple(normalize_axis(int(axis), rank) for axis in np.asarray(axes, np.int64).ravel())
    if len(set(found)) != len(found):
        raise ShapeMismatch(f"axes {list(found)} repeat one")
    return found


def scalar(array: Array | None) -> float | None:
    """The one value of a constant all of whose elements are equal; None otherwise."""
    if array is None or array.size == 0:
        return None
    flat = np.asarray(array, np.float64).ravel()
    return float(flat[0]) if np.all(flat == flat[0]) and np.isfinite(flat[0]) else None


def exact(value: float) -> sympy.Expr:
    """A number of an expression: an integer or the float itself."""
    return sympy.Integer(int(value)) if float(value).is_integer() else sympy.Float(value, 17)


def not_constant(what: str) -> Unsupported:
    """The refusal for an operand that the form needs to know."""
    return Unsupported(f"{what} is not a constant", "Make it an initialiser of the model.")


@dataclass(frozen=True)
class Unary(Op, abc.ABC):
    """y = f(x), element by element, of the type of x."""

    domain_of_samples: ClassVar[tuple[float, float]] = (0.1, 0.9)

    @abc.abstractmethod
    def function(self, x: Array) -> Array:
        """f on arrays of at least float32."""

    def expression(self) -> sympy.Expr | Unsupported:
        """f as an expression in `forms.X`."""
        return Unsupported(f"{self.name} is no smooth or piecewise function of real numbers", "Leave it in the clear.")

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (np.asarray(self.function(wide(x))).astype(x.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        found = self.expression()
        return found if isinstance(found, Unsupported) else Elementwise(found)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.uniform(*cls.domain_of_samples, (2, 3)).astype(np.float32),))


@dataclass(frozen=True)
class Broadcast(Op, abc.ABC):
    """y = f(a, b), element by element, broadcast both ways."""

    result: ClassVar[np.dtype[Any] | None] = None
    """Type of the output where it is not the inputs'."""

    @abc.abstractmethod
    def function(self, a: Array, b: Array) -> Array:
        """f on arrays that broadcast."""

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        require_same_dtype(inputs, 2)
        return (Spec(broadcast([inputs[0].shape, inputs[1].shape]), self.result or inputs[0].dtype),)

    def ref(self, a: Array, b: Array) -> tuple[Array, ...]:
        return (np.asarray(self.function(a, b)).astype(self.result or a.dtype, copy=False),)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        a, b = rng.uniform(1, 2, (2, 3)).astype(np.float32), rng.uniform(1, 2, 3).astype(np.float32)
        yield Sample(cls(), (a, b))
        yield Sample(cls(), (a, b), (1,))
        yield Sample(cls(), (b, a), (0,))


def require_same_dtype(inputs: Inputs, count: int) -> None:
    """Refuse operands of different types among the first `count` inputs."""
    found = sorted({str(inputs[i].dtype) for i in range(count)})
    if len(found) > 1:
        raise ShapeMismatch(f"operands have different types: {', '.join(found)}")


def spread(shape: tuple[int, ...], target: tuple[int, ...], scale: Array | float = 1.0) -> Sparse:
    """The matrix that broadcasts a tensor of `shape` to `target` and multiplies it by `scale` (broadcast to it too)."""
    index = np.broadcast_to(positions(shape), target)
    return selection(index, int(np.prod(shape, dtype=np.int64)), np.broadcast_to(scale, target))


def linear_in(inputs: Inputs, shape: tuple[int, ...], scales: Sequence[Array | float], bias: Array | float = 0) -> Form:
    """sum_k scales[k] * x_k + bias with broadcasting, where constants among the x_k join the bias."""
    total = np.broadcast_to(np.asarray(bias, np.float64), shape).copy()
    maps = {}
    for k, scale in enumerate(scales):
        constant = inputs.constant(k)
        if constant is None:
            maps[k] = spread(inputs[k].shape, shape, scale)
        else:
            total += np.asarray(constant, np.float64) * scale
    return Affine(maps, total.ravel())


@dataclass(frozen=True)
class Movement(Op):
    """An operator that only moves elements (copies, drops, reorders) or puts constants between them.

    Its affine map is read off its own meaning: `ref` runs on numbered elements instead of values.
    """

    data: ClassVar[tuple[int, ...] | None] = (0,)
    """Positions of the inputs whose elements move (None: all); the others decide how."""

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        data = tuple(range(len(inputs))) if self.data is None else self.data
        parameters = [i for i in range(len(inputs)) if i not in data and inputs.has(i)]
        if unknown := [i for i in parameters if inputs.constant(i) is None]:
            return not_constant(f"input {unknown[0]} of {self.name}")
        return moved(inputs, [i for i in data if inputs.has(i)], lambda *a: self.ref(*a)[output])


def moved(inputs: Inputs, data: Sequence[int], move: Callable[..., Array]) -> Affine:
    """The affine map of `move`, which takes all inputs and only moves the elements of those at `data`.

    Element e of input k is numbered start_k + e from 1 on; 0 is what `move` itself fills in, zero.
    """
    starts, numbered, start = dict[int, int](), [*inputs.constants], 1
    for k in data:
        starts[k] = start
        numbered[k] = positions(inputs[k].shape) + start
        start += inputs[k].size
    numbers = np.asarray(move(*numbered)).ravel()
    bias, maps = np.zeros(numbers.size), {}
    for k in data:
        mine = np.where((numbers >= starts[k]) & (numbers < starts[k] + inputs[k].size), numbers - starts[k], -1)
        constant = inputs.constant(k)
        if constant is None:
            maps[k] = selection(mine, inputs[k].size)
        else:
            bias += np.where(mine >= 0, np.asarray(constant, np.float64).ravel()[mine] if constant.size else 0, 0)
    return Affine(maps, bias)
