"""The operators of `ai.onnx.ml` that scikit-learn's linear models and networks export to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import InvalidModel, ShapeMismatch, UnsupportedOp
from vortex_crypto.nn.forms import Affine, Form, Unsupported, selection
from vortex_crypto.nn.ir import Array, Inputs, Spec
from vortex_crypto.nn.op import Build, Composite, Op, Sample
from vortex_crypto.nn.ops.arithmetic import Add
from vortex_crypto.nn.ops.base import Movement
from vortex_crypto.nn.ops.cast import Cast
from vortex_crypto.nn.ops.contract import MatMul
from vortex_crypto.nn.ops.gather import Gather, check_indices
from vortex_crypto.nn.ops.reduce import ArgMax
from vortex_crypto.nn.ops.softmax import Softmax
from vortex_crypto.nn.ops.unary import Sigmoid

ML = "ai.onnx.ml"
_FLOAT = np.dtype(np.float32)


def _row(values: tuple[float, ...] | None, default: float) -> Array:
    return np.asarray(values or (default,), np.float32)


@dataclass(frozen=True)
class ArrayFeatureExtractor(Movement):
    """The entries of x at `indices` of its last dimension."""

    name: ClassVar[str] = "ArrayFeatureExtractor"
    domain: ClassVar[str] = ML

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = inputs[0].shape if len(inputs[0].shape) > 1 else (1, *inputs[0].shape)
        return (Spec((*shape[:-1], inputs[1].size), inputs[0].dtype),)

    def ref(self, x: Array, indices: Array) -> tuple[Array, ...]:
        check_indices(indices, x.shape[-1])
        return (np.atleast_2d(x)[..., indices.ravel()],)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.normal(size=(2, 3)).astype(np.float32), np.array([[2, 0]])), (1,))


@dataclass(frozen=True)
class Binarizer(Op):
    """1 where x is above the threshold, 0 elsewhere."""

    name: ClassVar[str] = "Binarizer"
    domain: ClassVar[str] = ML
    threshold: float = 0.0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return ((x > self.threshold).astype(x.dtype),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return Unsupported("Binarizer jumps", "Binarise before encryption.")

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(0.25), (rng.normal(size=(2, 3)).astype(np.float32),))


@dataclass(frozen=True)
class Scaler(Op):
    """(x - offset) * scale, of float32."""

    name: ClassVar[str] = "Scaler"
    domain: ClassVar[str] = ML
    offset: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = inputs[0].shape
        for row in (_row(self.offset, 0), _row(self.scale, 1)):
            if row.size not in (1, *shape[-1:]):
                raise ShapeMismatch(f"{row.size} offsets or scales do not fit shape {list(shape)}")
        return (Spec(shape, _FLOAT),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return ((x.astype(_FLOAT) - _row(self.offset, 0)) * _row(self.scale, 1),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        shape, size = inputs[0].shape, inputs[0].size
        scale = np.broadcast_to(_row(self.scale, 1).astype(np.float64), shape).ravel()
        offset = np.broadcast_to(_row(self.offset, 0).astype(np.float64), shape).ravel()
        return Affine({0: selection(np.arange(size), size, scale)}, -offset * scale)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls((0.5, 0.25, 1.0), (2.0, 0.5, 4.0)), (rng.normal(size=(2, 3)).astype(np.float32),))


@dataclass(frozen=True)
class Normalizer(Op):
    """Rows over their norm: MAX, L1 or L2."""

    name: ClassVar[str] = "Normalizer"
    domain: ClassVar[str] = ML
    norm: str = "MAX"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, _FLOAT),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        x = x.astype(_FLOAT)
        if self.norm == "MAX":
            size = x.max(axis=-1, keepdims=True)
        elif self.norm in ("L1", "L2"):
            size = np.linalg.norm(x, int(self.norm[1]), axis=-1, keepdims=True)
        else:
            raise InvalidModel(f"Normalizer knows MAX, L1 and L2, not {self.norm!r}")
        return (np.where(size == 0, x, x / np.where(size == 0, 1, size)),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return Unsupported("Normalizer divides by its input", "Normalise before encryption or after decryption.")

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for norm in ("MAX", "L1", "L2"):
            yield Sample(cls(norm), (rng.uniform(0.5, 1, (2, 3)).astype(np.float32),))


@dataclass(frozen=True)
class ZipMap(Movement):
    """Columns named by classes. Tensors have no names, so it is the identity: column k belongs to the k-th class."""

    name: ClassVar[str] = "ZipMap"
    domain: ClassVar[str] = ML
    ignored: ClassVar[frozenset[str]] = frozenset({"classlabels_int64s", "classlabels_strings"})

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        return (Spec(inputs[0].shape, inputs[0].dtype),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        return (x,)


_POST: dict[str, tuple[Op, ...]] = {"NONE": (), "LOGISTIC": (Sigmoid(),), "SOFTMAX": (Softmax(),)}


def _post(build: Build, value: str, transform: str, name: str) -> str:
    if transform not in _POST:
        raise UnsupportedOp("", name, f"its post_transform {transform!r} is not supported.")
    for op in _POST[transform]:
        value = build(op, value)
    return value


@dataclass(frozen=True)
class LinearRegressor(Composite):
    """x W^T + intercepts."""

    name: ClassVar[str] = "LinearRegressor"
    domain: ClassVar[str] = ML
    coefficients: tuple[float, ...] = ()
    intercepts: tuple[float, ...] | None = None
    post_transform: str = "NONE"
    targets: int = 1

    def expand(self, build: Build, *inputs: str) -> tuple[str, ...]:
        weights = np.asarray(self.coefficients, np.float32).reshape(self.targets, -1)
        value = build(MatMul(), build(Cast(1), inputs[0]), weights.T)
        value = build(Add(), value, _row(self.intercepts, 0))
        return (_post(build, value, self.post_transform, self.name),)


@dataclass(frozen=True)
class LinearClassifier(Composite):
    """The class of the largest score, and the scores x W^T + intercepts, transformed."""

    name: ClassVar[str] = "LinearClassifier"
    domain: ClassVar[str] = ML
    ignored: ClassVar[frozenset[str]] = frozenset({"multi_class"})
    classlabels_ints: tuple[int, ...] = ()
    classlabels_strings: tuple[str, ...] = ()
    coefficients: tuple[float, ...] = ()
    intercepts: tuple[float, ...] | None = None
    post_transform: str = "NONE"

    def expand(self, build: Build, *inputs: str) -> tuple[str, ...]:
        classes = len(self.classlabels_ints) or len(self.classlabels_strings)
        rows = len(self.intercepts or ()) or classes
        if self.classlabels_strings or rows != classes or not classes:
            raise UnsupportedOp("", self.name, "its labels are strings, or not one for each row of coefficients.",
                                "Train with integer labels 0, 1, 2 ...")  # fmt: skip
        weights = np.asarray(self.coefficients, np.float32).reshape(classes, -1)
        linear = build(MatMul(), build(Cast(1), inputs[0]), weights.T)
        scores = build(Add(), linear, _row(self.intercepts, 0))
        label = build(ArgMax(axis=1, keepdims=0), scores)
        if self.classlabels_ints != tuple(range(classes)):
            label = build(Gather(), np.asarray(self.classlabels_ints, np.int64), label)
        return label, _post(build, scores, self.post_transform, self.name)


OPERATORS = (ArrayFeatureExtractor, Binarizer, Scaler, Normalizer, ZipMap, LinearRegressor, LinearClassifier)
