"""What every engine is made of: a small set of kernels, each with a definition.

An engine is an object that offers the kernels of one part of arithmetic (`arith.ring`, `arith.field`). The engine
named `reference` is the definition: slow, exact, in NumPy and Python integers. Any other engine must return the same
bits (floating-point kernels: the same values within the error their row states). `KERNELS` of each part lists its
kernels, and one test walks engines x kernels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from vortex_crypto.arith import native
from vortex_crypto.errors import MissingDependency

Part = Literal["ring", "field"]
VARIABLE = "VORTEX_ENGINE"
"""The environment variable that names the engine of a process."""
_CHOSEN: ContextVar[str | None] = ContextVar("engine", default=None)
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


@contextmanager
def using(name: str | None) -> Iterator[None]:
    """Have everything inside that is given no engine compute on this one; None leaves what was chosen outside.

    Of this thread alone. Objects that outlive a call (clients, servers) keep the engine they were made on.
    """
    token = _CHOSEN.set(name or _CHOSEN.get())
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def chosen() -> str | None:
    """The engine of the innermost `using`."""
    return _CHOSEN.get()


def preferred() -> str:
    """What computes where no engine is given: what was chosen by `using`, else by the environment (`VORTEX_ENGINE`),
    else "native", and "reference" where the compiled core was never built.
    """
    return _CHOSEN.get() or os.environ.get(VARIABLE) or _compiled()


@cache
def _compiled() -> str:
    try:
        native.load()
    except MissingDependency:
        return "reference"
    return "native"


def register(part: Part, name: str, make: Callable[[], Any]) -> None:
    """Let `arith.<part>.engine(name)` return what `make()` does, for engines that this package must not import.

    Whoever puts the program together calls it (`vortex_crypto.api` does for "cuda"). `make` is called when the engine
    is asked for, and raises MissingDependency where it cannot run.
    """
    _MAKERS[part, name] = make


def registered(part: Part) -> dict[str, Callable[[], Any]]:
    """The engines of that part that were registered, by name."""
    return {name: make for (of, name), make in _MAKERS.items() if of == part}
