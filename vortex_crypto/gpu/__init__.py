"""The CUDA engine: the kernels of `arith` on a GPU.

`arith.ring.engine("cuda")` and `arith.field.engine("cuda")` are these on the first device:

    from vortex_crypto.gpu import field_engine, ring_engine
    ring = ring_engine().ring(2**15, moduli)         # arith.ring.RingKernels
    kernels = field_engine()                         # arith.field.FieldKernels

Kernels are compiled on the machine with the device, by NVRTC, the first time one of their file is launched; CuPy keeps
what it compiled.
"""

from __future__ import annotations

from functools import lru_cache

from vortex_crypto.arith import field as _field
from vortex_crypto.arith import ring as _ring
from vortex_crypto.gpu.cupy_device import CupyDevice
from vortex_crypto.gpu.field import CudaKernels
from vortex_crypto.gpu.ring import CudaEngine

__all__ = ["CudaEngine", "CudaKernels", "CupyDevice", "field_engine", "ring_engine"]


@lru_cache(maxsize=16)
def _device(index: int) -> CupyDevice:
    """One object for each device, so that its modules are loaded once."""
    return CupyDevice(index)


def ring_engine(index: int = 0, *, host: str = "native") -> CudaEngine:
    """The ring engine of CUDA device `index`; what stays on the processor is done by the engine named `host`.

    Raises:
        MissingDependency: there is no CuPy, no driver or no such device.
    """
    return CudaEngine(_device(index), _ring.engine(host))


def field_engine(index: int = 0, *, host: str = "native") -> CudaKernels:
    """The field kernels on CUDA device `index`; what stays on the processor is done by the engine named `host`.

    Raises:
        MissingDependency: there is no CuPy, no driver or no such device.
    """
    return CudaKernels(_device(index), _field.engine(host))
