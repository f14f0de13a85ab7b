"""`Op`: what every ONNX operator tells the compiler, in one place an operator.

An operator is a frozen dataclass whose fields are its ONNX attributes, at the newest opset's meaning. Attributes that
later opsets made inputs (`axes`, `pads`, `min` ...) are inputs here; `from_onnx` turns the old spelling into the new.
Semantics: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import ml_dtypes
import numpy as np

from vortex_crypto.errors import InvalidModel, UnsupportedOp
from vortex_crypto.nn.forms import Form, Unsupported
from vortex_crypto.nn.ir import Array, Inputs, Spec

DTYPES: Mapping[int, np.dtype[Any]] = {
    code: np.dtype(kind)
    for code, kind in {
        1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
        10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64, 14: np.complex64, 15: np.complex128,
        16: ml_dtypes.bfloat16, 17: ml_dtypes.float8_e4m3fn, 18: ml_dtypes.float8_e4m3fnuz, 19: ml_dtypes.float8_e5m2,
        20: ml_dtypes.float8_e5m2fnuz, 21: ml_dtypes.uint4, 22: ml_dtypes.int4, 23: ml_dtypes.float4_e2m1fn,
        24: ml_dtypes.float8_e8m0fnu, 25: ml_dtypes.uint2, 26: ml_dtypes.int2,
    }.items()
}  # fmt: skip
"""NumPy dtype of each ONNX `TensorProto.DataType` code that tensors may have here (strings have none)."""

__all__ = ["CODES", "DTYPES", "LEGACY", "REFUSALS", "Build", "Composite", "Inputs", "Op", "Sample", "Spec", "dtype_of"]

CODES: Mapping[np.dtype[Any], int] = {dtype: code for code, dtype in DTYPES.items()}
"""The inverse of `DTYPES`."""


LEGACY: Mapping[str, bool] = {"onnx": False}
"""Metadata of a field that is no attribute: it holds what an old opset meant."""


def dtype_of(code: int) -> np.dtype[Any]:
    """NumPy dtype of an ONNX type code.

    Raises:
        InvalidModel: a code that is unknown, or that of strings.
    """
    if code not in DTYPES:
        raise InvalidModel(f"tensor element type {code} is not a number type of ONNX")
    return DTYPES[code]


@dataclass(frozen=True)
class Sample:
    """One use of an operator for the test templates: inputs at the positions `constant` are known when compiling."""

    op: Op
    inputs: tuple[Array | None, ...]
    constant: tuple[int, ...] = field(default=())


@dataclass(frozen=True)
class Op:
    """Base of all operators.

    `name` and `domain` are ONNX's; `static` the inputs that decide output shapes, hence must be constants; `moved` the
    attributes of old opsets that are inputs now, with their positions.
    """

    name: ClassVar[str] = ""
    domain: ClassVar[str] = ""
    converts_domain: ClassVar[bool] = False
    static: ClassVar[tuple[int, ...]] = ()
    moved: ClassVar[Mapping[str, int]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset()
    """Attributes that change nothing here: hints to other runtimes, or training's."""

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any], opset: int, outputs: int = 1) -> tuple[Self, dict[int, Array]]:
        """The operator for ONNX `attributes` at `opset`, and the inputs that stood among the attributes then.

        Raises:
            InvalidModel: an attribute that the operator does not have.
        """
        del opset, outputs
        slots = {slot: np.asarray(attributes[key]) for key, slot in cls.moved.items() if key in attributes}
        names = {f.name for f in fields(cls)}
        if unknown := set(attributes) - names - set(cls.moved) - cls.ignored:
            raise InvalidModel(f"{cls.name} has no attribute {sorted(unknown)[0]!r}")
        return cls(**{key: value for key, value in attributes.items() if key in names}), slots

    def attributes(self) -> dict[str, Any]:
        """The ONNX attributes, those that are unset left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("onnx", True)}
        return {key: value for key, value in values.items() if value is not None}

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        """Shapes and dtypes of the outputs.

        The default asks the meaning itself: it runs `ref` on zeros, which is right wherever shapes do not hang on data.
        Operators that can make large outputs of small inputs override it, so that limits are checked before memory is.

        Raises:
            ShapeMismatch: inputs that do not fit the operator.
            UnsupportedOp: a shape that would hang on data.
        """
        self.require_static(inputs)
        arrays = [
            np.zeros(value.shape, value.dtype) if value is not None and constant is None else constant
            for value, constant in zip(inputs.values, inputs.constants, strict=True)
        ]
        with np.errstate(all="ignore"):
            return tuple(Spec(array.shape, array.dtype) for array in self.ref(*arrays))

    def ref(self, *arrays: Any, **_: Any) -> tuple[Array, ...]:
        """The meaning of the operator on NumPy arrays (None for an omitted input): all outputs it can have."""
        raise UnsupportedOp("", self.name, "the operator has no meaning of its own.")

    def known(self, inputs: Inputs) -> tuple[Array, ...] | None:
        """The outputs, where they can be computed when compiling: by default, when all inputs are constant."""
        if inputs.variable:
            return None
        with np.errstate(all="ignore"):
            return self.ref(*inputs.constants)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        """The arithmetic form of output `output`, for the given constants."""
        del inputs, output
        return Unsupported(f"{self.name} has no arithmetic form", "Run this layer outside the encrypted part.")

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        """Uses that the test templates check, besides ONNX's own node tests."""
        del rng
        yield from ()

    def fingerprint(self) -> str:
        """Name and attributes as text."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        inner = ",".join(f"{key}={_text(value)}" for key, value in sorted(values.items()) if value is not None)
        return f"{self.domain}{'::' if self.domain else ''}{self.name}({inner})"

    def require_static(self, inputs: Inputs) -> None:
        """Refuse inputs that would make shapes hang on data."""
        for index in self.static:
            if inputs.has(index) and inputs.constant(index) is None:
                raise UnsupportedOp(
                    "",
                    self.name,
                    f"its output shape hangs on the data of input {index} ({inputs[index].name!r}).",
                    "Make that input a constant of the model, or bind it with import_onnx(..., constants=...).",
                )


REFUSALS = (ValueError, IndexError, TypeError, ArithmeticError, LookupError, AttributeError, MemoryError)
"""What NumPy and Python raise for operands that do not fit an operator."""

Build = Callable[..., str]
"""`build(op, *operands)` adds a node and gives its first output; operands are values by name, or arrays."""


@dataclass(frozen=True)
class Composite(Op, abc.ABC):
    """An operator that is others put together: it never stands in a graph."""

    @abc.abstractmethod
    def expand(self, build: Build, *inputs: str) -> tuple[str, ...]:
        """Add the others; the values of all outputs."""


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}:{hashlib.sha256(value.tobytes()).hexdigest()}"
    return repr(value)
