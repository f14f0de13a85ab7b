"""Residue rings Z_q[X]/(X^N+1): number-theoretic transforms and RNS arithmetic for CKKS."""

from __future__ import annotations

from vortex_crypto.arith.engine import registered
from vortex_crypto.arith.ring.kernels import RingEngine, RingKernels
from vortex_crypto.arith.ring.manifest import KERNELS
from vortex_crypto.arith.ring.native import NativeEngine
from vortex_crypto.arith.ring.reference import ReferenceEngine
from vortex_crypto.errors import ParameterRefused

__all__ = ["KERNELS", "RingEngine", "RingKernels", "engine"]


def engine(name: str) -> RingEngine:
    """The ring engine "reference", "native" or "cuda".

    Raises:
        ParameterRefused: no engine of that name.
        MissingDependency: the compiled core was never built, or CuPy or the GPU is missing for "cuda".
    """
    if name == "reference":
        return ReferenceEngine()
    if name == "native":
        return NativeEngine()
    others = registered("ring")
    if name not in others:
        names = ", ".join(map(repr, ("reference", "native", *others)))
        raise ParameterRefused("engine", f"no ring engine {name!r}; choose from {names}")
    made: RingEngine = others[name]()
    return made
