"""The CUDA engine: the kernels of `arith` on a GPU, injected where an engine is asked for.

    from vortex_crypto.gpu import ring_engine
    ring = ring_engine().ring(2**15, moduli)         # arith.ring.RingKernels
    kernels = field_engine()                         # arith.field.FieldKernels

Kernels are compiled on the machine with the device, by NVRTC, the first time; CuPy keeps what it compiled.
"""

from __future__ import annotations

from vortex_crypto.arith import field as _field
from vortex_crypto.arith import ring as _ring
from vortex_crypto.gpu.cupy_device import CupyDevice
from vortex_crypto.gpu.field import CudaKernels
from vortex_crypto.gpu.ring import CudaEngine

__all__ = ["CudaEngine", "CudaKernels", "CupyDevice", "field_engine", "ring_engine"]


def ring_engine(index: int = 0, *, host: str = "native") -> CudaEngine:
    """The ring engine of CUDA device `index`; what stays on the processor is done by the engine named `host`.

    Raises:
        MissingDependency: there is no CuPy, no driver or no such device.
    """
    return CudaEngine(CupyDevice(index), _ring.engine(host))


def field_engine(index: int = 0, *, host: str = "native") -> CudaKernels:
    """The field kernels on CUDA device `index`; what stays on the processor is done by the engine named `host`.

    Raises:
        MissingDependency: there is no CuPy, no driver or no such device.
    """
    return CudaKernels(CupyDevice(index), _field.engine(host))
