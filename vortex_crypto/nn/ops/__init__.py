"""ONNX operators, a family a file. `ROSTER` finds one by (domain, name); a new file is one more line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from vortex_crypto.nn.op import Op

_FAMILIES = (
    "activations",
    "arithmetic",
    "cast",
    "classical",
    "constant",
    "contract",
    "control",
    "conv",
    "cumulative",
    "gather",
    "linalg",
    "logic",
    "movement",
    "ngrams",
    "normalization",
    "pool",
    "quantize",
    "recurrent",
    "reduce",
    "reshape",
    "resize",
    "sampling",
    "scatter",
    "search",
    "softmax",
    "spectral",
    "transposed",
    "unary",
    "variadic",
)

ROSTER: Mapping[tuple[str, str], type[Op]] = {
    (operator.domain, operator.name): operator
    for family in _FAMILIES
    for operator in import_module(f"{__name__}.{family}").OPERATORS
}
