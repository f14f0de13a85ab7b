"""The client's side of an encrypted program: what goes in, what comes out, and where each element sits.

It holds no weights. A client makes keys and ciphertexts from it alone, so everything read from bytes is checked before
it is used: a hostile server could otherwise make the client allocate, or read past its own data.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vortex_crypto.container import Artefact
from vortex_crypto.errors import GarbledAnswer, InvalidInput, MalformedArtefact
from vortex_crypto.fhe.backends import GARBLED, Needs, backend
from vortex_crypto.fhe.params import Parameters, ParametersLiteral, check
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.layout import Layout

MAX_ELEMENTS = 1 << 26
MAX_BLOCKS = 1 << 12
MAX_PORTS = 1 << 10
KIND = "fhe-client"

Count = Field(ge=1, le=MAX_ELEMENTS)
DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
Dtype = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"
]


def sample_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A declared shape without its batch axis, a leading 1."""
    return shape[1:] if shape[:1] == (1,) else shape


def flat_samples(name: str, shape: tuple[int, ...], array: Array) -> Array:
    """One sample of the declared shape, or several along a first axis, as float64 (batch, size).

    Raises:
        InvalidInput: another shape, or something that is no finite real number.
    """
    array, one = np.asarray(array), sample_shape(shape)
    if not (array.shape in (shape, one) or array.shape[1:] == one) or array.size == 0:
        raise InvalidInput(
            f"input {name!r} takes arrays of shape {list(shape)}, or [batch, {', '.join(map(str, one))}]; "
            f"this one has shape {list(array.shape)}"
        )
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_) or np.iscomplexobj(array):
        raise InvalidInput(f"input {name!r} takes real numbers, not {array.dtype}")
    flat: Array = array.astype(np.float64).reshape(-1, int(np.prod(shape, dtype=np.int64)))
    if not np.isfinite(flat).all():
        raise InvalidInput(f"input {name!r} holds infinities or NaN")
    return flat


class Port(BaseModel):
    """One tensor that goes in or comes out.

    Attributes:
        name: of the ONNX input or output.
        shape: of one sample, as the model declares it; a leading axis of 1 is the batch.
        dtype: of the tensor in the model.
        period: features after which a ciphertext's content repeats.
        ciphertexts: names of the ciphertexts that hold it, in order.
        low, high: what the elements of an input may be, beyond which the polynomials mean nothing; what those of an
            output can be, beyond which they are garbled. None if unknown.
        padding: what stands in features of an output that no element sits in; None if unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(max_length=1 << 10)
    shape: tuple[int, ...] = Field(max_length=16)
    dtype: Dtype
    period: int = Count
    ciphertexts: tuple[str, ...] = Field(min_length=1, max_length=MAX_BLOCKS)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    padding: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _consistent(self) -> Port:
        if any(not 1 <= n <= MAX_ELEMENTS for n in self.shape) or self.size > MAX_ELEMENTS:
            raise ValueError(f"{self.name!r} has shape {list(self.shape)}")
        if self.period & (self.period - 1):
            raise ValueError(f"{self.name!r} repeats after {self.period} features, which is no power of two")
        return self

    @property
    def size(self) -> int:
        """Elements of one sample."""
        total = 1
        for n in self.shape:
            total *= n
        return total

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape without its batch axis."""
        return sample_shape(self.shape)

    def samples(self, array: Array) -> Array:
        """An array of one sample, or of several along a first axis, as float64 (batch, size).

        Raises:
            InvalidInput: another shape, no number, or an element outside `low`..`high`.
        """
        flat = flat_samples(self.name, self.shape, array)
        self._check_range(flat)
        return flat

    def _check_range(self, flat: Array) -> None:
        if self.low is None or self.high is None:
            return
        outside = np.argwhere((flat < self.low) | (flat > self.high))
        if len(outside):
            sample, element = outside[0]
            raise InvalidInput(
                f"input {self.name!r}: element {self.index(element)} of sample {sample} is "
                f"{flat[sample, element]:.6g} (and {len(outside) - 1} more are outside); the program was compiled for "
                f"{self.low:.6g} to {self.high:.6g}, and means nothing beyond. Scale the data as the network was "
                "trained on, or compile with calibration data or input_ranges that cover it"
            )

    def index(self, element: int) -> list[int]:
        """Where an element of one sample is, from its flat index."""
        return [int(n) for n in np.unravel_index(element, self.sample_shape)] if self.sample_shape else []


class _Meta(BaseModel):
    """The metadata of a "fhe-client" artefact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: str = Field(max_length=64)
    features: int = Count
    parameters: dict[str, Any]
    needs: dict[str, Any]
    inputs: tuple[Port, ...] = Field(min_length=1, max_length=MAX_PORTS)
    outputs: tuple[Port, ...] = Field(min_length=1, max_length=MAX_PORTS)


@dataclass(frozen=True, eq=False)
class Interface:
    """What a client knows of a program.

    Attributes:
        program: content hash (hex) of the plan it belongs to.
        backend: name of the back end that runs it.
        features: of one sample in a ciphertext; a power of two.
        parameters: CKKS parameters.
        needs: what the client's keys must cover.
        inputs, outputs: the tensors.
        layouts: of each port's elements, in the order inputs, outputs.
    """

    program: str
    backend: str
    features: int
    parameters: Parameters
    needs: Needs
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layouts: tuple[Layout, ...] = field(repr=False)

    @property
    def lanes(self) -> int:
        """Samples that share a ciphertext."""
        return self.needs.slots // self.features

    @property
    def insecure(self) -> bool:
        """Whether what it makes carries the mark: parameters below 128 bits, or a back end that hides nothing."""
        return self.parameters.insecure or not backend(self.backend).capabilities.protects

    @property
    def security(self) -> str:
        """The judgement in words."""
        if not backend(self.backend).capabilities.protects:
            return f"INSECURE: the back end {self.backend} simulates encryption and hides nothing"
        return self.parameters.security

    def pack(self, data: Mapping[str, Array]) -> list[Array]:
        """Slot vectors, float64 [slots], to encrypt: those of each input in order.

        Args:
            data: for each input one sample, or up to `lanes` along a first axis; fewer than `lanes` are repeated.

        Raises:
            InvalidInput: an input is missing, unknown, of another shape, out of range, or too many samples.
        """
        if unknown := sorted(set(data) - {port.name for port in self.inputs}):
            raise InvalidInput(f"there is no input {unknown[0]!r}; the inputs are {[p.name for p in self.inputs]}")
        if missing := [port.name for port in self.inputs if port.name not in data]:
            raise InvalidInput(f"input {missing[0]!r} is missing; the inputs are {[p.name for p in self.inputs]}")
        samples = [port.samples(data[port.name]) for port in self.inputs]
        counts = {len(array) for array in samples}
        if len(counts) > 1 or max(counts) > self.lanes:
            raise InvalidInput(f"a ciphertext takes 1 to {self.lanes} samples, the same for all inputs, not {counts}")
        vectors: list[Array] = []
        for array, port, layout in zip(samples, self.inputs, self.layouts, strict=False):
            vectors += [
                spread_samples(array, layout, block, features=self.features, lanes=self.lanes)
                for block in range(len(port.ciphertexts))
            ]
        return vectors

    def unpack(self, vectors: Sequence[Array], *, batch: int = 1) -> dict[str, Array]:
        """Output tensors from decrypted slot vectors, those of each output in order (`nn.answer` says if they can be).

        Args:
            vectors: real or complex, [slots] each.
            batch: number of samples that were packed.

        Returns:
            name -> array of the model's dtype, of the declared shape when it has no batch axis and `batch` is 1, else
            with a first axis of length `batch`.

        Raises:
            InvalidInput: another number of vectors, or of slots.
            GarbledAnswer: a number is beyond what the dtype holds.
        """
        results = dict[str, Array]()
        for port, layout, lanes in self.decrypted(vectors, batch=batch):
            block, feature = np.divmod(layout.positions, layout.period)
            flat = lanes[block, feature, :batch].T
            shape = port.shape if batch == 1 else (batch, *port.sample_shape)
            results[port.name] = _cast(flat.reshape(shape), np.dtype(port.dtype))
            if not np.isfinite(results[port.name]).all():
                raise GarbledAnswer(f"output {port.name!r} has numbers beyond {port.dtype}; {GARBLED}")
        return results

    def decrypted(self, vectors: Sequence[Array], *, batch: int) -> Iterator[tuple[Port, Layout, Array]]:
        """Each output with its layout and its ciphertexts' real parts, [ciphertexts, features, lanes].

        Raises:
            InvalidInput: another number of vectors, or of slots.
        """
        expected = sum(len(port.ciphertexts) for port in self.outputs)
        if not 1 <= batch <= self.lanes:
            raise InvalidInput(f"a batch has 1 to {self.lanes} samples, not {batch}")
        if len(vectors) != expected:
            raise InvalidInput(f"{expected} vectors make the outputs, not {len(vectors)}")
        if any(np.shape(vector) != (self.needs.slots,) for vector in vectors):
            raise InvalidInput(f"a decrypted vector has {self.needs.slots} slots")
        waiting = iter(vectors)
        for port, layout in zip(self.outputs, self.layouts[len(self.inputs) :], strict=True):
            mine = [np.real(vector) for vector in itertools.islice(waiting, len(port.ciphertexts))]
            yield port, layout, np.stack(mine).reshape(-1, self.features, self.lanes)

    def to_artefact(self) -> Artefact:
        """The interface as a "fhe-client" artefact."""
        meta = {
            "backend": self.backend,
            "features": self.features,
            "parameters": self.parameters.literal.to_meta(),
            "needs": self.needs.to_meta(),
            "inputs": [port.model_dump(mode="json") for port in self.inputs],
            "outputs": [port.model_dump(mode="json") for port in self.outputs],
        }
        arrays = {f"layout/{k}": layout.positions for k, layout in enumerate(self.layouts)}
        return Artefact(KIND, self.program, meta, arrays, self.insecure)

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> Interface:
        """The inverse of `to_artefact`, for bytes from outside.

        Raises:
            MalformedArtefact: what is given is no interface; the text says why.
            ParameterRefused: its parameters cannot work, or are insecure and not marked so.
        """
        artefact.expect(kind=KIND)
        try:
            meta = _Meta.model_validate_json(json.dumps(artefact.meta))
        except (ValidationError, TypeError, ValueError) as error:
            raise MalformedArtefact(f"the client's interface cannot be read: {error}") from error
        parameters = check(ParametersLiteral.from_meta(meta.parameters), insecure=artefact.insecure)
        needs = Needs.from_meta(meta.needs)
        if meta.features & (meta.features - 1) or not meta.features <= needs.slots <= parameters.slots:
            raise MalformedArtefact(f"{meta.features} features do not fit ciphertexts of {needs.slots} slots")
        if needs.program != artefact.program:
            raise MalformedArtefact("the client's needs are those of another program")
        ports = meta.inputs + meta.outputs
        layouts = tuple(_layout(artefact, k, port, meta.features) for k, port in enumerate(ports))
        return cls(artefact.program, meta.backend, meta.features, parameters, needs, meta.inputs, meta.outputs, layouts)


def spread_samples(samples: Array, layout: Layout, block: int, *, features: int, lanes: int) -> Array:
    """The slot vector, float64 [features * lanes], of ciphertext `block` for samples (batch, size), batch <= lanes.

    Fewer samples than lanes are repeated, so that no slot tells how many there were.
    """
    content = np.zeros((len(samples), layout.period))
    mine = layout.positions // layout.period == block
    content[:, layout.positions[mine] % layout.period] = samples[:, mine]
    whole = np.tile(content, (1, features // layout.period))[np.arange(lanes) % len(samples)]
    return np.ascontiguousarray(whole.T).reshape(-1)


def _layout(artefact: Artefact, number: int, port: Port, features: int) -> Layout:
    positions = artefact.arrays.get(f"layout/{number}")
    if positions is None or positions.shape != (port.size,) or positions.dtype != np.int64:
        raise MalformedArtefact(f"the layout of {port.name!r} is missing, or not {port.size} positions")
    if port.period > features:
        raise MalformedArtefact(f"{port.name!r} repeats after {port.period} features of {features}")
    layout = Layout(positions, port.period)
    inside = positions.min() >= 0 and layout.blocks == len(port.ciphertexts)
    if not inside or np.unique(positions).size != port.size:
        raise MalformedArtefact(
            f"the layout of {port.name!r} puts elements outside its ciphertexts, or two in one place"
        )
    return layout


def _cast(values: Array, dtype: np.dtype[Any]) -> Array:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    with np.errstate(over="ignore"):  # the caller refuses infinities
        return values.astype(dtype)
