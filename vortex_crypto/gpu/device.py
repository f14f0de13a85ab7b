"""What the CUDA engine asks of a device: memory, launches, and sorting.

Two kinds implement it: the real one (`cupy_device`) and, in the tests, the block emulator, so that the engine's own
code, launch shapes included, runs where there is no GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

DeviceArray: TypeAlias = Any
"""An array in the device's memory: offers shape, dtype, ndim, reshape and slices as NumPy arrays do."""

Grid: TypeAlias = tuple[int, int, int]
"""Blocks along x, up to 2^31 - 1, and along y and z, up to 65,535 each."""

u32, u64 = np.uint32, np.uint64


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

    def order(self, keys: DeviceArray) -> DeviceArray:
        """int64 [m]: the order that sorts those of uint32 keys [n] that are not zero; equal keys in any order."""

    def running_sums(self, counts: DeviceArray) -> DeviceArray:
        """uint64 [n]: the sums of uint64 counts[: i + 1]."""

    def launch(self, kernel: str, grid: Grid, *arguments: DeviceArray | np.uint32 | np.uint64) -> None:
        """Runs a kernel of `sources.kernels()` on that many blocks; nothing for an empty grid.

        Array arguments are C-contiguous arrays of the device; the others have the exact type of the parameter.
        """


class OnDevice:
    """What the classes of an engine do with their device."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def _out(self, result: DeviceArray, operand: Any) -> Any:
        """The result where the operand was."""
        return result if self._device.owns(operand) else self._device.download(result)

    def _at_home(self, operand: Any) -> Any:
        """The operand in the memory of the host."""
        return self._device.download(operand) if self._device.owns(operand) else operand

    def _on_host(self, kernel: Callable[..., Any], *operands: Any) -> Any:
        """What a kernel of the host makes of them, where the first operand was."""
        result = kernel(*map(self._at_home, operands))
        if not self._device.owns(operands[0]):
            return result
        return tuple(map(self._device.upload, result)) if isinstance(result, tuple) else self._device.upload(result)

    def _new(self, *shape: int) -> DeviceArray:
        return self._device.empty(shape, np.uint64)

    def _each(self, kernel: str, count: int, *arguments: Any, threads: int = 256) -> None:
        """One thread for each of `count` elements."""
        self._device.launch(kernel, (-(-count // threads), 1, 1), *arguments)
