"""Integer networks as the parts of an artefact: a msgpack-able description, and named arrays beside it.

Unpacking trusts nothing: it raises one of `GARBLED` on what it cannot use, which the reader of the artefact turns into
`MalformedArtefact`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from vortex_crypto.nn.integer import (
    IntegerAffine,
    IntegerExtremum,
    IntegerInput,
    IntegerLayer,
    IntegerNetwork,
    IntegerProduct,
    IntegerTable,
)
from vortex_crypto.nn.ir import Array

GARBLED = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""What parsing a description of the wrong form may raise."""


def pack_input(prefix: str, port: IntegerInput, arrays: dict[str, Array]) -> list[Any]:
    """An input; its arrays go into `arrays`, their names beginning with `prefix`."""
    arrays |= {f"{prefix}/fractions": port.fractions, f"{prefix}/low": port.low, f"{prefix}/bits": port.bits}
    return [port.name, list(port.shape)]


def unpack_input(prefix: str, packed: Sequence[Any], arrays: Mapping[str, Array]) -> IntegerInput:
    """The inverse of `pack_input`."""
    name, shape = packed
    parts = [arrays[f"{prefix}/{part}"] for part in ("fractions", "low", "bits")]
    size = int(np.prod([int(n) for n in shape]))
    if any(part.dtype != np.int64 or part.shape != (size,) for part in parts):
        raise ValueError(f"{prefix} does not have {size} elements")
    if (
        (np.abs(parts[0]) > 1000).any()
        or (parts[2] < 1).any()
        or (parts[2] > 61).any()
        or (abs(parts[1]) > 1 << 61).any()
    ):
        raise ValueError(f"{prefix} has a range beyond 61 bits")
    return IntegerInput(str(name), tuple(map(int, shape)), *parts)


def pack_network(network: IntegerNetwork, arrays: dict[str, Array]) -> dict[str, Any]:
    """A network; its arrays go into `arrays`."""
    layers = [_pack_layer(f"layer{i}", layer, arrays) for i, layer in enumerate(network.layers)]
    return {
        "name": network.name,
        "inputs": [pack_input(f"input{i}", port, arrays) for i, port in enumerate(network.inputs)],
        "layers": layers,
        "outputs": {name: list(shape) for name, shape in network.outputs.items()},
        "values": dict(network.output_values),
        "shapes": {name: list(shape) for name, shape in network.shapes.items()},
    }


def _pack_layer(prefix: str, layer: IntegerLayer, arrays: dict[str, Array]) -> dict[str, Any]:
    scalars = {k: v for k, v in vars(layer).items() if isinstance(v, (str, int, bool))}
    packed: dict[str, Any] = {"kind": type(layer).__name__, "inputs": list(layer.inputs), **scalars}
    if isinstance(layer, IntegerAffine):
        arrays[f"{prefix}/bias"] = layer.bias
        packed["shapes"] = [list(m.shape) for m in layer.maps]
        for k, m in enumerate(layer.maps):
            indptr, indices = m.indptr.astype(np.int64), m.indices.astype(np.int64)
            arrays |= {
                f"{prefix}/map{k}/indptr": indptr,
                f"{prefix}/map{k}/indices": indices,
                f"{prefix}/map{k}/data": m.data,
            }
    if isinstance(layer, IntegerTable):
        arrays[f"{prefix}/values"] = layer.values
    if isinstance(layer, IntegerExtremum):
        arrays[f"{prefix}/windows"] = layer.windows
    return packed


def _unpack_layer(prefix: str, packed: Mapping[str, Any], arrays: Mapping[str, Array]) -> IntegerLayer:
    fields: dict[str, Any] = {k: v for k, v in packed.items() if k not in ("kind", "inputs", "shapes")}
    fields["inputs"] = tuple(map(str, packed["inputs"]))
    if any(type(fields[name]) is not int or abs(fields[name]) > 1000 for name in ("shift", "fraction", "bits")):
        raise ValueError(f"{prefix} has no sensible shift, fraction or bits")
    if not 0 <= fields["shift"] < 62 or not 0 < fields["bits"] <= 64:
        raise ValueError(f"{prefix} has no sensible shift, fraction or bits")
    if packed["kind"] == "IntegerAffine":
        fields["bias"] = arrays[f"{prefix}/bias"]
        fields["maps"] = tuple(
            _unpack_map(f"{prefix}/map{k}", shape, arrays) for k, shape in enumerate(packed["shapes"])
        )
        return IntegerAffine(**fields)
    if packed["kind"] == "IntegerProduct":
        return IntegerProduct(**fields)
    if packed["kind"] == "IntegerTable":
        return IntegerTable(**fields, values=arrays[f"{prefix}/values"])
    if packed["kind"] == "IntegerExtremum":
        return IntegerExtremum(**fields, windows=arrays[f"{prefix}/windows"])
    raise ValueError(f"unknown layer {packed['kind']!r}")


def _unpack_map(prefix: str, shape: Sequence[int], arrays: Mapping[str, Array]) -> Any:
    data, indices, indptr = (arrays[f"{prefix}/{part}"] for part in ("data", "indices", "indptr"))
    if any(part.dtype != np.int64 or part.ndim != 1 for part in (data, indices, indptr)):
        raise ValueError(f"{prefix} is not a sparse matrix of int64")
    matrix = sp.csr_array((data, indices, indptr), shape=(int(shape[0]), int(shape[1])))
    matrix.check_format(full_check=True)
    return matrix


def unpack_network(packed: Mapping[str, Any], arrays: Mapping[str, Array]) -> IntegerNetwork:
    """The inverse of `pack_network`."""
    inputs = tuple(unpack_input(f"input{i}", p, arrays) for i, p in enumerate(packed["inputs"]))
    layers = tuple(_unpack_layer(f"layer{i}", p, arrays) for i, p in enumerate(packed["layers"]))
    outputs = {str(name): tuple(map(int, shape)) for name, shape in packed["outputs"].items()}
    values = {str(name): str(value) for name, value in packed["values"].items()}
    sizes = {port.name: len(port.low) for port in inputs}
    for layer in layers:
        sizes[layer.name] = _size(layer, [sizes[name] for name in layer.inputs])
    made = {layer.name for layer in layers}
    if set(outputs) != set(values) or not set(values.values()) <= made:
        raise ValueError("an output is a value that no layer makes")
    if any(int(np.prod(shape)) != sizes[values[name]] for name, shape in outputs.items()):
        raise ValueError("an output's shape does not fit its value")
    shapes = {str(name): tuple(map(int, shape)) for name, shape in packed["shapes"].items()}
    if set(shapes) != made or any(int(np.prod(shape)) != sizes[name] for name, shape in shapes.items()):
        raise ValueError("a value's shape does not fit it")
    return IntegerNetwork(str(packed["name"]), inputs, layers, outputs, values, shapes)


def _size(layer: IntegerLayer, operands: Sequence[int]) -> int:
    """The size of what a layer makes, its parts and operands having been found to fit one another."""
    if isinstance(layer, IntegerAffine):
        if layer.bias.dtype != np.int64 or layer.bias.ndim != 1 or len(layer.maps) != len(operands) or not operands:
            raise ValueError(f"layer {layer.name!r} has no bias, or not as many maps as inputs")
        if any(m.shape != (len(layer.bias), n) for m, n in zip(layer.maps, operands, strict=True)):
            raise ValueError(f"layer {layer.name!r} has a map of another shape")
        return len(layer.bias)
    if isinstance(layer, IntegerProduct):
        if len(operands) != 2 or operands[0] != operands[1]:
            raise ValueError(f"layer {layer.name!r} multiplies values of different sizes")
        return operands[0]
    if isinstance(layer, IntegerExtremum):
        return _windows(layer, operands)
    if layer.values.dtype != np.int64 or layer.values.ndim != 1 or not len(layer.values) or len(operands) != 1:
        raise ValueError(f"layer {layer.name!r} has no table")
    return operands[0]


def _windows(layer: IntegerExtremum, operands: Sequence[int]) -> int:
    windows, (size,) = layer.windows, operands
    if windows.dtype != np.int64 or windows.ndim != 2 or not windows.size or layer.shift:
        raise ValueError(f"layer {layer.name!r} has no windows, or a shift")
    if windows.min() < -1 or windows.max() >= size or (windows < 0).all(axis=1).any():
        raise ValueError(f"layer {layer.name!r} has a window outside of its operand, or an empty one")
    if layer.position and windows.min() < 0:
        raise ValueError(f"layer {layer.name!r} asks for positions in windows with gaps")
    return len(windows)
