"""What the CUDA engine asks of a device: memory, launches, and sorting.

Two kinds implement it: the real one (`cupy_device`) and, in the tests, the block emulator, so that the engine's own
code, launch shapes included, runs where there is no GPU.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

DeviceArray: TypeAlias = Any
"""An array in the device's memory: offers shape, dtype, ndim, reshape and slices as NumPy arrays do."""

Grid: TypeAlias = tuple[int, int, int]


class Device(Protocol):
    """One device."""

    @property
    def name(self) -> str:
        """For people: the model, or which emulator."""

    def owns(self, array: Any) -> bool:
        """Whether it is an array of the device; results for such operands stay on the device."""

    def upload(self, array: NDArray[Any] | DeviceArray) -> DeviceArray:
        """The array, C-contiguous, on the device; itself if it is there already."""

    def download(self, array: DeviceArray) -> NDArray[Any]:
        """A NumPy array with what the device's array holds."""

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """A new C-contiguous array, its contents undefined."""

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """A new C-contiguous array of zeros."""

    def argsort(self, keys: DeviceArray) -> DeviceArray:
        """int64 [n]: the order that sorts uint32 keys [n]; equal keys in any order."""

    def launch(self, kernel: str, grid: Grid, *arguments: DeviceArray | np.uint32 | np.uint64) -> None:
        """Runs a kernel of `sources.kernels()` on that many blocks; nothing for an empty grid.

        Array arguments are C-contiguous arrays of the device; the others have the exact type of the parameter.
        """
