"""BN254: prime fields, curves, transforms, multi-scalar multiplication and pairing."""

from __future__ import annotations

from vortex_crypto.arith.field.kernels import KERNELS, FieldKernels
from vortex_crypto.errors import InvalidInput

__all__ = ["ENGINES", "KERNELS", "FieldKernels", "engine"]

ENGINES = ("reference", "native")
"""The engines `engine` knows."""


def engine(name: str) -> FieldKernels:
    """The field kernels of an engine: `reference` defines every kernel, `native` is fast.

    Raises:
        InvalidInput: there is no such engine.
        MissingDependency: `native` was asked for and the compiled core is missing.
    """
    if name == "reference":
        from vortex_crypto.arith.field.reference import ReferenceKernels

        return ReferenceKernels()
    if name == "native":
        from vortex_crypto.arith.field.native import NativeKernels

        return NativeKernels()
    raise InvalidInput(f"there is no field engine {name!r}; choose from {', '.join(ENGINES)}")
