"""Fourier transforms: DFT, STFT, MelWeightMatrix. The last dimension holds real and imaginary parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Form, Unsupported, sparse
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import LEGACY, Inputs, Op, Sample, Spec, dtype_of
from vortex_crypto.nn.ops.base import normalize_axis, wide


def _complex(x: Array) -> Array:
    return x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]


def _real(x: Array) -> Array:
    return np.stack([x.real, x.imag], axis=-1)


@dataclass(frozen=True)
class DFT(Op):
    """The discrete Fourier transform along `axis`, or its inverse; half of it, if `onesided`."""

    name: ClassVar[str] = "DFT"
    static: ClassVar[tuple[int, ...]] = (1, 2)
    inverse: int = 0
    onesided: int = 0
    axis: int = field(default=-2, metadata=LEGACY)

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any], opset: int, outputs: int = 1) -> tuple[Self, dict[int, Array]]:
        return super().from_onnx({"axis": 1, **attributes} if opset < 20 else attributes, opset, outputs)

    def _frame(self, shape: tuple[int, ...], length: Array | None, axis: Array | None) -> tuple[int, int]:
        along = normalize_axis(self.axis if axis is None else int(np.ravel(axis)[0]), len(shape))
        if len(shape) < 2 or along == len(shape) - 1 or shape[-1] not in (1, 2):
            raise ShapeMismatch(f"shape {list(shape)} has no complex numbers along axis {along}")
        half = bool(self.inverse and self.onesided)
        count = (2 * (shape[along] - 1) if half else shape[along]) if length is None else int(np.ravel(length)[0])
        if count < 1:
            raise ShapeMismatch(f"a transform of length {count}")
        return along, count

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        shape = inputs[0].shape
        along, count = self._frame(shape, inputs.constant(1), inputs.constant(2))
        half = bool(self.onesided and not self.inverse)
        kept, last = (count // 2 + 1 if half else count), 1 if self.onesided and self.inverse else 2
        return (Spec((*shape[:along], kept, *shape[along + 1 : -1], last), inputs[0].dtype),)

    def ref(self, x: Array, length: Array | None = None, axis: Array | None = None) -> tuple[Array, ...]:
        along, count = self._frame(x.shape, length, axis)
        signal = _complex(wide(x))
        if self.inverse:
            if self.onesided:
                return (np.fft.irfft(signal, count, along)[..., None].astype(x.dtype),)
            return (_real(np.fft.ifft(signal, count, along)).astype(x.dtype),)
        spectrum = np.fft.fft(signal, count, along)
        if self.onesided:
            spectrum = np.take(spectrum, np.arange(count // 2 + 1), along)
        return (_real(spectrum).astype(x.dtype),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        if inputs[0].size > 4096:
            return Unsupported("a Fourier transform of this size is too large a matrix", "Transform before encryption.")
        unit = np.eye(inputs[0].size).reshape(-1, *inputs[0].shape)
        columns = [self.ref(u, inputs.constant(1), inputs.constant(2))[0].ravel() for u in unit]
        matrix = np.stack(columns, axis=1) if columns else np.zeros((0, 0))
        rows, places = np.nonzero(np.abs(matrix) > 1e-12)
        return Affine({0: sparse(rows, places, matrix[rows, places], matrix.shape)}, np.zeros(matrix.shape[0]))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        yield Sample(cls(), (rng.normal(size=(1, 6, 2)).astype(np.float32), None, np.array(1)), (2,))
        yield Sample(cls(onesided=1), (rng.normal(size=(1, 6, 1)).astype(np.float32), None, np.array(1)), (2,))
        yield Sample(cls(inverse=1), (rng.normal(size=(1, 6, 2)).astype(np.float32), np.array(8), np.array(1)), (1, 2))


@dataclass(frozen=True)
class STFT(Op):
    """Fourier transforms of windows `frame_step` apart."""

    name: ClassVar[str] = "STFT"
    static: ClassVar[tuple[int, ...]] = (1, 3)
    onesided: int = 1

    def ref(
        self, signal: Array, frame_step: Array, window: Array | None = None, frame_length: Array | None = None
    ) -> tuple[Array, ...]:
        step = int(np.ravel(frame_step)[0])
        if frame_length is None and window is None:
            raise ShapeMismatch("neither a window nor a frame length is given")
        length = int(np.ravel(frame_length)[0]) if frame_length is not None else np.asarray(window).shape[0]
        if step < 1 or not 1 <= length <= signal.shape[1] or (window is not None and window.shape != (length,)):
            raise ShapeMismatch(f"frames of {length} every {step} do not fit a signal of {signal.shape[1]}")
        starts = np.arange(0, signal.shape[1] - length + 1, step)
        frames = _complex(wide(signal))[:, starts[:, None] + np.arange(length)]
        spectrum = np.fft.fft(frames * (1 if window is None else wide(window)), length, -1)
        kept = spectrum[..., : length // 2 + 1] if self.onesided else spectrum
        return (_real(kept).astype(signal.dtype),)


@dataclass(frozen=True)
class MelWeightMatrix(Op):
    """The matrix from a linear spectrum to the mel scale, float [dft_length / 2 + 1, num_mel_bins]."""

    name: ClassVar[str] = "MelWeightMatrix"
    static: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4)
    output_datatype: int = 1

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        bins, length = (int(np.ravel(np.asarray(inputs.constant(k)))[0]) for k in range(2))
        if bins < 1 or length < 1:
            raise ShapeMismatch(f"{bins} mel bins of a transform of length {length}")
        return (Spec((length // 2 + 1, bins), dtype_of(self.output_datatype)),)

    def ref(self, bins: Array, length: Array, rate: Array, low: Array, high: Array) -> tuple[Array, ...]:
        count, size = int(np.ravel(bins)[0]), int(np.ravel(length)[0])
        mels = 2595 * np.log10(1 + np.array([np.ravel(low)[0], np.ravel(high)[0]], np.float64) / 700)
        steps = mels[0] + np.arange(count + 2) * (mels[1] - mels[0]) / (count + 2)
        edges = ((size + 1) * (700 * (10 ** (steps / 2595) - 1)) // float(np.ravel(rate)[0])).astype(np.int64)
        places = np.arange(size // 2 + 1)[:, None]
        lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
        rise = np.where(center == lower, places == center, (places - lower) / np.maximum(center - lower, 1))
        fall = (upper - places) / np.maximum(upper - center, 1)
        y = np.where(
            (places >= lower) & (places <= center), rise, np.where((places > center) & (places < upper), fall, 0)
        )
        return (y.astype(dtype_of(self.output_datatype)),)


OPERATORS = (DFT, STFT, MelWeightMatrix)
