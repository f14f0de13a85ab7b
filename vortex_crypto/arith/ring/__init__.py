"""Residue rings Z_q[X]/(X^N+1): number-theoretic transforms and RNS arithmetic for CKKS."""

from __future__ import annotations

from vortex_crypto.arith.ring.kernels import RingEngine, RingKernels
from vortex_crypto.arith.ring.manifest import KERNELS
from vortex_crypto.arith.ring.native import NativeEngine
from vortex_crypto.arith.ring.reference import ReferenceEngine
from vortex_crypto.errors import ParameterRefused

__all__ = ["KERNELS", "RingEngine", "RingKernels", "engine"]


def engine(name: str) -> RingEngine:
    """The ring engine "reference" or "native".

    Raises:
        ParameterRefused: no engine of that name.
        MissingDependency: the compiled core was never built.
    """
    if name == "reference":
        return ReferenceEngine()
    if name == "native":
        return NativeEngine()
    raise ParameterRefused("engine", f"no ring engine {name!r}; there are 'reference' and 'native'")
