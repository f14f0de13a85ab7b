"""What a gadget shows of itself to the tests: samples to accept and refuse, and cheats to refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.hints import Function

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Sample:
    """A small circuit around a gadget.

    Attributes:
        name: unique within the gadget.
        build: declares inputs, applies the gadget, exposes outputs.
        accepted: pairs of inputs and the outputs they must give.
        refused: inputs for which no witness may exist.
    """

    name: str
    build: Callable[[Circuit], None]
    accepted: tuple[tuple[Values, Values], ...]
    refused: tuple[Values, ...] = ()


@dataclass(frozen=True)
class Cheat:
    """A dishonest hint: `sample` with `inputs`, every use of the hint `hint` replaced, must be refused."""

    name: str
    sample: str
    inputs: Values
    hint: str
    replacement: Function
