"""What every engine is made of: a small set of kernels, each with a definition.

An engine is an object that offers the kernels of one part of arithmetic (`arith.ring`, `arith.field`). The engine
named `reference` is the definition: slow, exact, in NumPy and Python integers. Any other engine must return the same
bits (floating-point kernels: the same values within the error their row states). `KERNELS` of each part lists its
kernels, and one test walks engines x kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Part = Literal["ring", "field"]
_MAKERS: dict[tuple[Part, str], Callable[[], Any]] = {}


@dataclass(frozen=True)
class Kernel:
    """One row of a manifest.

    Attributes:
        name: the method of the engine's protocol.
        signature: shapes and dtypes of operands and result, in one line.
        ranges: what the operands may hold and what the result holds.
        reference: the function that defines it; its first argument is the reference engine's object.
        exact: the result is the same bit for bit in every engine (floating-point kernels are not).
    """

    name: str
    signature: str
    ranges: str
    reference: Callable[..., Any]
    exact: bool = True


def register(part: Part, name: str, make: Callable[[], Any]) -> None:
    """Let `arith.<part>.engine(name)` return what `make()` does, for engines that this package must not import.

    Whoever puts the program together calls it (`vortex_crypto.api` does for "cuda"). `make` is called when the engine
    is asked for, and raises MissingDependency where it cannot run.
    """
    _MAKERS[part, name] = make


def registered(part: Part) -> dict[str, Callable[[], Any]]:
    """The engines of that part that were registered, by name."""
    return {name: make for (of, name), make in _MAKERS.items() if of == part}
