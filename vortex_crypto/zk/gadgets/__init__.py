"""Gadgets: what circuits are composed of, one file each.

Besides its functions every module has `samples()`, small circuits with inputs that must be accepted or refused, and
`cheats()`, hints by which a dishonest prover would try; the tests walk over `ROSTER` and see each refused.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

ROSTER = (
    "boolean",
    "bits",
    "comparison",
    "range",
    "lookup",
    "fixed_point",
    "relu",
    "extremum",
    "division",
    "inverse",
    "powers",
    "matmul",
    "packed",
    "convolution",
    "poseidon",
    "sponge",
    "merkle",
)
"""Every gadget's module."""


def load(name: str) -> ModuleType:
    """The module of a gadget in `ROSTER`."""
    return import_module(f"{__name__}.{name}")
