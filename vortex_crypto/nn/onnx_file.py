"""ONNX files: bytes, limits, external data, tensors and attributes as NumPy arrays.

Files are untrusted: sizes are checked before memory is taken, external data stays in the model's folder, and nothing
is unpickled or executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.checker
import onnx.numpy_helper
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from vortex_crypto.errors import InvalidModel
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import DTYPES, REFUSALS, dtype_of


@dataclass(frozen=True)
class Limits:
    """What a model may ask for; a larger one is refused before memory is taken."""

    file_bytes: int = 2 << 30
    nodes: int = 100_000
    elements: int = 1 << 28
    """of one tensor"""
    constants: int = 1 << 30
    """elements of all constants together"""
    depth: int = 16
    """of sub-graphs and functions in one another"""
    iterations: int = 1024
    """of a loop that is unrolled"""


def domain_of(name: str) -> str:
    return "" if name == "ai.onnx" else name


def read_model(model: str | Path | bytes | onnx.ModelProto, limits: Limits) -> tuple[onnx.ModelProto, Path | None]:
    if isinstance(model, onnx.ModelProto):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        return copy, None
    folder = None
    if isinstance(model, str | Path):
        path = Path(model)
        if not path.is_file():
            raise InvalidModel(f"there is no file {str(path)!r}")
        if path.stat().st_size > limits.file_bytes:
            raise InvalidModel(f"{str(path)!r} has {path.stat().st_size} bytes, more than {limits.file_bytes}")
        model, folder = path.read_bytes(), path.parent
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(model)
    except (DecodeError, RuntimeError) as error:
        raise InvalidModel(f"this is no ONNX model: {error}") from error
    if not proto.opset_import or not proto.HasField("graph"):
        raise InvalidModel("this is no ONNX model: it has no graph or names no opset")
    return proto, folder


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """`graph` and all graphs inside its nodes."""
    waiting = [graph]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += [a.g for node in found.node for a in node.attribute if a.HasField("g")]


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _graphs(proto.graph):
        yield from graph.initializer
        yield from (a.t for node in graph.node for a in node.attribute if a.HasField("t"))
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)


def load_external(proto: onnx.ModelProto, folder: Path | None, limits: Limits) -> None:
    """Check the sizes of all tensors, and put the bytes of those kept in other files into the model."""
    total = 0
    for tensor in _tensors(proto):
        size = checked_size(tensor.name, tensor.dims, limits)
        total += size
        if total > limits.constants:
            raise InvalidModel(f"the model's constants have more than {limits.constants} elements")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.raw_data = _external_bytes(tensor, size, folder)
            del tensor.external_data[:]
            tensor.data_location = onnx.TensorProto.DEFAULT


def checked_size(name: str, dims: Sequence[int], limits: Limits) -> int:
    if any(d < 0 for d in dims) or len(dims) > 64:
        raise InvalidModel(f"tensor {name!r} has the impossible shape {list(dims)[:65]}")
    size = prod(int(d) for d in dims)
    if size > limits.elements:
        raise InvalidModel(f"tensor {name!r} of shape {list(dims)} has more than {limits.elements} elements")
    return size


def _external_bytes(tensor: onnx.TensorProto, size: int, folder: Path | None) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise InvalidModel(f"tensor {tensor.name!r} lies in {location!r}; give the model as a path to read it")
    relative = Path(location)
    if not location or "\0" in location or relative.is_absolute() or ".." in relative.parts or "\\" in location:
        raise InvalidModel(f"tensor {tensor.name!r} lies in {location!r}, outside of the model's folder")
    home = folder.resolve()
    path = (home / relative).resolve()
    if not path.is_relative_to(home) or not path.is_file():
        raise InvalidModel(f"tensor {tensor.name!r} lies in {location!r}, which is no file of the model's folder")
    bits = {"int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4_e2m1fn": 4}
    dtype = dtype_of(tensor.data_type)
    wanted = -(-size * bits.get(dtype.name, dtype.itemsize * 8) // 8)
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", wanted))
    except ValueError as error:
        raise InvalidModel(f"tensor {tensor.name!r} has an offset or length that is no number") from error
    if offset < 0 or length != wanted or offset + length > path.stat().st_size:
        raise InvalidModel(
            f"tensor {tensor.name!r} needs {wanted} bytes at {offset} of {location!r}; they are not there"
        )
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _check_text(proto: onnx.ModelProto) -> None:
    """Refuse names that are no UTF-8: protobuf hands them over as bytes."""
    waiting: list[Any] = [proto]
    while waiting:
        for description, held in waiting.pop().ListFields():
            if description.type == description.TYPE_MESSAGE:
                waiting += [held] if hasattr(held, "ListFields") else held
            elif description.type == description.TYPE_STRING and not _is_text(held):
                raise InvalidModel(f"the model is damaged: a field {description.name!r} is no text")


def _is_text(held: Any) -> bool:
    return isinstance(held, str) or (not isinstance(held, bytes) and all(isinstance(text, str) for text in held))


_LEFT_TO_IMPORT = ("No Op registered", "No opset import", "Field 'shape' of 'type' is required")
"""What the importer says better, with the node's name, or does not mind: exporters leave out shapes of outputs."""


def check(proto: onnx.ModelProto) -> None:
    """Text that is text; structure and attribute types by ONNX's own checker.

    Raises:
        InvalidModel: what is wrong.
    """
    _check_text(proto)
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        text = str(error)
        if not any(known in text for known in _LEFT_TO_IMPORT):
            raise InvalidModel(f"the model is not valid ONNX: {text.strip()}") from error
    except (ValueError, RuntimeError) as error:
        raise InvalidModel(f"the model cannot be checked: {error}") from error


def array_of(tensor: onnx.TensorProto) -> Array:
    if tensor.data_type not in DTYPES:
        raise InvalidModel(f"tensor {tensor.name!r} holds elements of type {tensor.data_type}, which are no numbers")
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except REFUSALS as error:
        raise InvalidModel(f"tensor {tensor.name!r} is damaged: {error}") from error


def dense_of(sparse: onnx.SparseTensorProto, limits: Limits) -> Array:
    size = checked_size(sparse.values.name, sparse.dims, limits)
    values, places = array_of(sparse.values), array_of(sparse.indices)
    if places.ndim == 2:
        places = np.ravel_multi_index(tuple(places.T), tuple(sparse.dims))
    if places.size != values.size or np.any((places < 0) | (places >= size)):
        raise InvalidModel(f"sparse tensor {sparse.values.name!r} has indices outside of its shape")
    dense = np.zeros(size, values.dtype)
    dense[places] = values
    return dense.reshape(tuple(sparse.dims))


def attribute_value(attribute: onnx.AttributeProto) -> Any:
    kind = attribute.type
    if kind == onnx.AttributeProto.TENSOR:
        return array_of(attribute.t)
    if kind == onnx.AttributeProto.SPARSE_TENSOR:
        return dense_of(attribute.sparse_tensor, Limits())
    if kind in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
        return None
    try:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, str | int | float):
            return value
        return tuple(v.decode() if isinstance(v, bytes) else v for v in value)
    except (ValueError, TypeError) as error:
        raise InvalidModel(f"attribute {attribute.name!r} is damaged: {error}") from error
