"""BN254: prime fields, curves, transforms, multi-scalar multiplication and pairing."""

from __future__ import annotations

from vortex_crypto.arith.engine import registered
from vortex_crypto.arith.field.kernels import KERNELS, FieldKernels
from vortex_crypto.errors import InvalidInput

__all__ = ["ENGINES", "KERNELS", "FieldKernels", "engine"]

ENGINES = ("reference", "native")
"""The engines of this package; others may be registered (`arith.engine.register`)."""


def engine(name: str) -> FieldKernels:
    """The field kernels of an engine: `reference` defines every kernel, `native` is fast, `cuda` runs on a GPU.

    Raises:
        InvalidInput: there is no such engine.
        MissingDependency: `native` was asked for and the compiled core is missing, or `cuda` and CuPy or the GPU is.
    """
    if name == "reference":
        from vortex_crypto.arith.field.reference import ReferenceKernels

        return ReferenceKernels()
    if name == "native":
        from vortex_crypto.arith.field.native import NativeKernels

        return NativeKernels()
    others = registered("field")
    if name not in others:
        raise InvalidInput(f"there is no field engine {name!r}; choose from {', '.join([*ENGINES, *others])}")
    kernels: FieldKernels = others[name]()
    return kernels
