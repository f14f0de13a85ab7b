"""A CUDA device through CuPy. The one module that imports cupy, and only when a device is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vortex_crypto.errors import MissingDependency
from vortex_crypto.gpu import sources
from vortex_crypto.gpu.device import DeviceArray, Grid


class CupyDevice:
    """`Device` number `index` of this machine. Kernels run on CuPy's current stream, so calls follow one another.

    Raises:
        MissingDependency: CuPy is not installed, or it finds no driver or no such device.
    """

    def __init__(self, index: int = 0) -> None:
        try:
            import cupy
        except ImportError as error:
            raise MissingDependency(
                "the CUDA engine needs CuPy; install it with: pip install 'vortex-crypto[gpu]'"
            ) from error
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise MissingDependency(f"the CUDA engine needs an NVIDIA GPU with its driver: {error}") from error
        if not 0 <= index < count:
            raise MissingDependency(f"there is no CUDA device {index}; this machine has {count}")
        self._cupy, self._index = cupy, index
        self._functions: dict[str, Callable[..., None]] = {}

    def _function(self, kernel: str) -> Callable[..., None]:
        """The kernel, ready to be launched; the first of a file has CuPy compile it, or take it from its cache."""
        if kernel not in self._functions:
            file = sources.kernels()[kernel].file
            module = self._cupy.RawModule(code=sources.text(file), options=sources.options())
            for name, source in sources.kernels().items():
                if source.file == file:
                    self._functions[name] = module.get_function(name)
        return self._functions[kernel]

    @property
    def name(self) -> str:
        return str(self._cupy.cuda.runtime.getDeviceProperties(self._index)["name"].decode())

    def owns(self, array: Any) -> bool:
        return isinstance(array, self._cupy.ndarray)

    def upload(self, array: NDArray[Any] | DeviceArray) -> DeviceArray:
        with self._cupy.cuda.Device(self._index):
            return self._cupy.ascontiguousarray(self._cupy.asarray(array))

    def download(self, array: DeviceArray) -> NDArray[Any]:
        with self._cupy.cuda.Device(self._index):
            result: NDArray[Any] = self._cupy.asnumpy(array)
        return result

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        with self._cupy.cuda.Device(self._index):
            return self._cupy.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        with self._cupy.cuda.Device(self._index):
            return self._cupy.zeros(shape, dtype)

    def order(self, keys: DeviceArray) -> DeviceArray:
        with self._cupy.cuda.Device(self._index):
            places = self._cupy.flatnonzero(keys)
            return places[self._cupy.argsort(keys[places])]

    def running_sums(self, counts: DeviceArray) -> DeviceArray:
        with self._cupy.cuda.Device(self._index):
            return self._cupy.cumsum(counts)

    def launch(self, kernel: str, grid: Grid, *arguments: DeviceArray | np.uint32 | np.uint64) -> None:
        if 0 in grid:
            return
        with self._cupy.cuda.Device(self._index):
            self._function(kernel)(grid, (sources.kernels()[kernel].threads, 1, 1), arguments)
