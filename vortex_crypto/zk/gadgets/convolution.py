"""Two-dimensional convolution as a product of polynomials, checked at one random point.

With X_c(a, b) = Σ x[c, i, j]·a^i·b^j and the kernels turned around, W_oc(a, b), the full convolution satisfies
Y_o(a, b) = Σ_c X_c(a, b)·W_oc(a, b). A third point e joins the outputs: Σ_o e^o·Y_o = Σ_c X_c·Σ_o e^o·W_oc.
X, W and the full Y are committed before a, b, e are drawn. By Horner's rule it costs about |X| + |W| + |Y| + channels
constraints, where |Y| = outputs·(H + kh - 1)·(W + kw - 1); after H. Lee and others, "vCNN" (ia.cr/2020/584). A wrong Y
passes with probability at most (total degree)/r.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.signal

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.gadgets.matmul import horner
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.linear import Array, Linear


@hint("convolution")
def _convolution(kernels: FieldKernels, inputs: list[Array], *, x: list[int], w: list[int]) -> Sequence[Array]:
    """The full convolution, with the kernels turned around, as ONNX's Conv correlates."""
    image, kernel = (to_ints(v, kernels).reshape(s) for v, s in zip(inputs, (x, w), strict=True))
    channels, height, width = x
    outputs, _, kh, kw = w
    dtype = _dtype(image, kernel)
    kernel = kernel.astype(dtype)
    flat: Array = image.reshape(channels, -1).astype(dtype)
    full: Array = np.zeros((outputs, height + kh - 1, width + kw - 1), dtype=dtype)
    for i in range(kh):
        for j in range(kw):
            tap = kernel[:, :, kh - 1 - i, kw - 1 - j] @ flat
            full[:, i : i + height, j : j + width] += tap.reshape(outputs, height, width)
    return [full.reshape(-1)]


def _dtype(image: Array, kernel: Array) -> type:
    if image.dtype == object or kernel.dtype == object:
        return object
    bound = int(np.abs(image).max()) * int(np.abs(kernel).max()) * kernel[0].size
    return np.int64 if bound < 1 << 62 else object


def cost(x: tuple[int, ...], w: tuple[int, ...]) -> int:
    """Constraints of `convolution` for shapes [C, H, W] and [O, C, kh, kw]."""
    (channels, height, width), (outputs, _, kh, kw) = x, w
    full = outputs * (height + kh - 1) * (width + kw - 1)
    return (channels * height * width - channels) + (outputs * channels * kh * kw - channels) + full - 1 + channels + 1


def convolution(c: Circuit, x: Linear, w: Linear) -> Linear:
    """x [C, H, W] correlated with w [O, C, kh, kw] where they overlap fully: [O, H - kh + 1, W - kw + 1].

    Padding is the caller's, or a wider part of `full_convolution`. Strides are slices of the result, or, at less cost,
    phases of x and w as further channels.
    """
    kh, kw = w.shape[2:]
    return full_convolution(c, x, w)[:, kh - 1 : x.shape[1], kw - 1 : x.shape[2]]


def full_convolution(c: Circuit, x: Linear, w: Linear) -> Linear:
    """x [C, H, W] correlated with w [O, C, kh, kw] where they overlap at all: [O, H + kh - 1, W + kw - 1]."""
    if len(x.shape) != 3 or len(w.shape) != 4 or x.shape[0] != w.shape[1]:
        raise ShapeMismatch(f"an image of shape {x.shape} and kernels of shape {w.shape} do not convolve")
    kh, kw = w.shape[2:]
    shape = (w.shape[0], x.shape[1] + kh - 1, x.shape[2] + kw - 1)
    (full,) = c.hint("convolution", [x, w], shape, x=list(x.shape), w=list(w.shape))
    for tensor in (x, w, full):
        c.commit(tensor)

    def build() -> None:
        images = _evaluate(c, x)
        turned = w[:, :, ::-1, ::-1]
        kernels = horner(c, c.challenge(2), _slices(_evaluate(c, turned)))
        results = horner(c, c.challenge(2), _slices(_evaluate(c, full)))
        c.assert_equal(c.mul(images, kernels).sum(), results)

    c.later(build)
    return full


def _evaluate(c: Circuit, x: Linear) -> Linear:
    """Σ_ij x[..., i, j]·a^i·b^j."""
    columns = horner(c, c.challenge(1), [x[..., j] for j in range(x.shape[-1])])
    return horner(c, c.challenge(0), [columns[..., i] for i in range(x.shape[-2])])


def _slices(x: Linear) -> list[Linear]:
    return [x[i] for i in range(x.shape[0])]


def samples() -> tuple[Sample, ...]:
    """Two channels, three kernels of 2 by 3."""
    rng = np.random.default_rng(3)
    x, w = rng.integers(-9, 9, (2, 4, 5)), rng.integers(-9, 9, (3, 2, 2, 3))
    y = np.stack([sum(scipy.signal.correlate2d(x[c], kernel[c], "valid") for c in range(2)) for kernel in w])

    def build(c: Circuit) -> None:
        c.expose("y", convolution(c, c.private("x", (2, 4, 5)), c.private("w", (3, 2, 2, 3))))

    return (Sample("small", build, (({"x": x, "w": w}, {"y": y}), ({"x": x * 0, "w": w}, {"y": y * 0}))),)


def cheats() -> tuple[Cheat, ...]:
    """One result changed, and the channels of the results exchanged."""
    inputs = samples()[0].accepted[0][0]

    def changed(kernels: FieldKernels, given: list[Array], *, x: list[int], w: list[int]) -> Sequence[Array]:
        values = np.array(_convolution(kernels, given, x=x, w=w)[0])
        values[12] += 1
        return [values]

    def exchanged(kernels: FieldKernels, given: list[Array], *, x: list[int], w: list[int]) -> Sequence[Array]:
        values = np.array(_convolution(kernels, given, x=x, w=w)[0]).reshape(w[0], -1)
        return [values[::-1].reshape(-1)]

    return (
        Cheat("one result changed", "small", inputs, "convolution", changed),
        Cheat("channels exchanged", "small", inputs, "convolution", exchanged),
    )
