"""Resize and Upsample: along every axis a small matrix, so the whole is affine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from vortex_crypto.errors import InvalidModel, ShapeMismatch, UnsupportedOp
from vortex_crypto.nn.forms import Affine, Form
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import LEGACY, Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import normalize_axes

_NEAREST: Mapping[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def cubic(t: Array, a: float) -> Array:
    """The cubic convolution kernel of Keys (1981), https://doi.org/10.1109/TASSP.1981.1163711."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


@dataclass(frozen=True)
class _Axis:
    """One resized axis: sizes, scale, and the part of the input that is shown."""

    size: int
    out: int
    scale: float
    roi: tuple[float, float]


@dataclass(frozen=True)
class Resize(Op):
    """x sampled at other places along `axes`; `sizes` or `scales` give how many."""

    name: ClassVar[str] = "Resize"
    static: ClassVar[tuple[int, ...]] = (1, 2, 3)
    antialias: int = 0
    axes: tuple[int, ...] | None = None
    coordinate_transformation_mode: str = "half_pixel"
    cubic_coeff_a: float = -0.75
    exclude_outside: int = 0
    extrapolation_value: float = 0.0
    keep_aspect_ratio_policy: str = "stretch"
    mode: str = "nearest"
    nearest_mode: str = "round_prefer_floor"
    scales_first: bool = field(default=False, metadata=LEGACY)

    @classmethod
    def from_onnx(cls, attributes: Mapping[str, Any], opset: int, outputs: int = 1) -> tuple[Self, dict[int, Array]]:
        if opset >= 11:
            return super().from_onnx(attributes, opset, outputs)
        old = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", "scales_first": True}
        return super().from_onnx({**attributes, **old}, opset, outputs)

    def __post_init__(self) -> None:
        if self.mode not in ("nearest", "linear", "cubic") or self.nearest_mode not in _NEAREST:
            raise InvalidModel(f"Resize has no mode {self.mode!r}, {self.nearest_mode!r}")

    def _axes(
        self, shape: tuple[int, ...], roi: Array | None, scales: Array | None, sizes: Array | None
    ) -> dict[int, _Axis]:
        axes = normalize_axes(range(len(shape)) if self.axes is None else self.axes, len(shape))
        given = sizes if sizes is not None and sizes.size else scales
        if given is None or given.size != len(axes):
            raise ShapeMismatch(f"scales or sizes are not given for each of {len(axes)} axes")
        if given is sizes:
            factors = [int(s) / shape[a] for a, s in zip(axes, given, strict=True)]
            outs = [int(s) for s in given]
            if self.keep_aspect_ratio_policy != "stretch":
                factor = (min if self.keep_aspect_ratio_policy == "not_larger" else max)(factors)
                factors = [factor] * len(axes)
                outs = [int(factor * shape[a] + 0.5) for a in axes]
        else:
            factors = [float(s) for s in given]
            outs = [int(f * shape[a]) for a, f in zip(axes, factors, strict=True)]
        if min(factors) <= 0 or min(outs) < 0:
            raise ShapeMismatch(f"scales {factors} are not positive")
        crop = self.coordinate_transformation_mode == "tf_crop_and_resize" and roi is not None and roi.size
        ends = [
            (float(roi[i]), float(roi[i + len(axes)])) if crop and roi is not None else (0.0, 1.0)
            for i in range(len(axes))
        ]
        return {a: _Axis(shape[a], o, f, e) for a, o, f, e in zip(axes, outs, factors, ends, strict=True)}

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        axes = self._axes(inputs[0].shape, *self._parameters(inputs.constants[1:]))
        return (Spec(tuple(axes[i].out if i in axes else d for i, d in enumerate(inputs[0].shape)), inputs[0].dtype),)

    def _parameters(self, given: Sequence[Array | None]) -> tuple[Array | None, Array | None, Array | None]:
        roi, scales, sizes = (*(() if not self.scales_first else (None,)), *given, None, None, None)[:3]
        return roi, scales, sizes

    def _coordinates(self, axis: _Axis) -> Array:
        """Where in the input each output element is sampled."""
        y, width = np.arange(axis.out, dtype=np.float64), axis.scale * axis.size
        mode = self.coordinate_transformation_mode
        low, high = axis.roi
        if mode == "align_corners":
            return y * (axis.size - 1) / (width - 1) if width != 1 else np.zeros(axis.out)
        if mode == "asymmetric":
            return y / axis.scale
        if mode == "tf_crop_and_resize":
            step = y / (width - 1) if width != 1 else np.full(axis.out, 0.5)
            return (step * (high - low) + low) * (axis.size - 1)
        if mode == "pytorch_half_pixel" and width == 1:
            return np.full(axis.out, -0.5)
        if mode in ("half_pixel", "pytorch_half_pixel"):
            return (y + 0.5) / axis.scale - 0.5
        if mode == "half_pixel_symmetric":
            return axis.size / 2 * (1 - axis.out / width) + (y + 0.5) / axis.scale - 0.5
        raise InvalidModel(f"Resize has no coordinate_transformation_mode {mode!r}")

    def matrix(self, axis: _Axis) -> tuple[Array, Array]:
        """[out, size] weights along one axis, and which outputs lie outside of the input altogether."""
        x = self._coordinates(axis)
        outside = (x < 0) | (x > axis.size - 1)
        if self.coordinate_transformation_mode != "tf_crop_and_resize":
            outside[:] = False
        weights = np.zeros((axis.out, axis.size))
        if self.mode == "nearest":
            taps = _NEAREST[self.nearest_mode](x)[:, None]
            coefficients = np.ones((axis.out, 1))
        else:
            shrink = min(axis.scale, 1.0) if self.antialias else 1.0
            reach = int(np.ceil((1 if self.mode == "linear" else 2) / shrink))
            taps = np.floor(x)[:, None] + np.arange(1 - reach, reach + 1)
            t = (taps - x[:, None]) * shrink
            coefficients = np.clip(1 - np.abs(t), 0, 1) if self.mode == "linear" else cubic(t, self.cubic_coeff_a)
            if self.exclude_outside:
                coefficients = np.where((taps < 0) | (taps >= axis.size), 0, coefficients)
            if self.exclude_outside or self.antialias:
                total = coefficients.sum(axis=1, keepdims=True)
                coefficients = coefficients / np.where(total == 0, 1, total)
        places = np.clip(taps, 0, axis.size - 1).astype(np.int64)
        np.add.at(weights, (np.arange(axis.out)[:, None], places), coefficients)
        weights[outside] = 0
        return weights, outside

    @staticmethod
    def _unchanged(axis: _Axis) -> bool:
        return axis.out == axis.size and isclose(axis.scale, 1.0) and axis.roi == (0.0, 1.0)

    def ref(self, x: Array, *parameters: Array | None) -> tuple[Array, ...]:
        y: Array = x.astype(np.float64)
        outside = np.zeros((1,) * x.ndim, np.bool_)
        for i, axis in self._axes(x.shape, *self._parameters(parameters)).items():
            if not self._unchanged(axis):
                weights, beyond = self.matrix(axis)
                y = np.moveaxis(np.tensordot(weights, y, (1, i)), 0, i)
                outside = outside | beyond.reshape([-1 if k == i else 1 for k in range(x.ndim)])
        y = np.where(outside, self.extrapolation_value, y)
        if x.dtype.kind in "iu":
            limits = np.iinfo(x.dtype)
            y = np.clip(np.round(y), limits.min, limits.max)
        return (y.astype(x.dtype),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        shape = inputs[0].shape
        axes = self._axes(shape, *self._parameters(inputs.constants[1:]))
        total: Any = sp.eye_array(1, format="csr")
        outside = np.zeros(1, np.bool_)
        for i, d in enumerate(shape):
            plain = i not in axes or self._unchanged(axes[i])
            weights, beyond = (np.eye(d), np.zeros(d, np.bool_)) if plain else self.matrix(axes[i])
            total = sp.kron(total, sp.csr_array(weights), format="csr")
            outside = (outside[:, None] | beyond).ravel()
        keep = sp.diags_array((~outside).astype(np.float64))
        return Affine({0: sp.csr_array(keep @ total)}, outside * float(self.extrapolation_value))

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x, scales = rng.normal(size=(1, 1, 4, 5)).astype(np.float32), np.array([1, 1, 2, 0.6], np.float32)
        sizes = np.array([1, 1, 7, 3])
        yield Sample(cls(), (x, None, scales), (2,))
        yield Sample(cls(mode="linear", coordinate_transformation_mode="align_corners"), (x, None, None, sizes), (3,))
        yield Sample(cls(mode="cubic"), (x, None, None, sizes), (3,))


@dataclass(frozen=True)
class Upsample(Op):
    """Resize as opset 9 had it: from the upper left corner, nearest towards it or linear."""

    name: ClassVar[str] = "Upsample"
    static: ClassVar[tuple[int, ...]] = (1,)
    moved: ClassVar[Mapping[str, int]] = {"scales": 1}
    mode: str = "nearest"

    def _resize(self) -> Resize:
        if self.mode not in ("nearest", "linear"):
            raise UnsupportedOp("", self.name, f"it has no mode {self.mode!r}.")
        return Resize.from_onnx({"mode": self.mode}, 10)[0]

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        self.require_static(inputs)
        return self._resize().infer(inputs)

    def ref(self, x: Array, scales: Array) -> tuple[Array, ...]:
        return self._resize().ref(x, scales)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        return self._resize().form(inputs)


OPERATORS = (Resize, Upsample)
