"""RNN, GRU, LSTM: cells run along a sequence, forwards, backwards or both."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import scipy.special

from vortex_crypto.errors import InvalidModel, ShapeMismatch
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec

Activation = Callable[[Array], Array]

_ACTIVATIONS: dict[str, tuple[Callable[..., Array], tuple[float, ...]]] = {
    "relu": (lambda x: np.maximum(x, 0), ()),
    "tanh": (np.tanh, ()),
    "sigmoid": (scipy.special.expit, ()),
    "softsign": (lambda x: x / (1 + np.abs(x)), ()),
    "softplus": (lambda x: np.logaddexp(x, 0), ()),
    "leakyrelu": (lambda x, a: np.where(x < 0, a * x, x), (0.01,)),
    "thresholdedrelu": (lambda x, a: np.where(x > a, x, 0), (1.0,)),
    "elu": (lambda x, a: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))), (1.0,)),
    "affine": (lambda x, a, b: a * x + b, (1.0, 0.0)),
    "scaledtanh": (lambda x, a, b: a * np.tanh(b * x), (1.0, 1.0)),
    "hardsigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), (0.2, 0.5)),
}
"""Function and default parameters (alpha, beta) of each activation."""


@dataclass(frozen=True)
class _Recurrent(Op, abc.ABC):
    """What the three share. Inputs: X, W, R, B, sequence_lens, initial_h and the cell's own."""

    defaults: ClassVar[tuple[str, ...]] = ("Tanh",)
    gates: ClassVar[int] = 1
    activation_alpha: tuple[float, ...] | None = None
    activation_beta: tuple[float, ...] | None = None
    activations: tuple[str, ...] | None = None
    clip: float | None = None
    direction: str = "forward"
    hidden_size: int | None = None
    layout: int = 0

    def __post_init__(self) -> None:
        if self.direction not in ("forward", "reverse", "bidirectional"):
            raise InvalidModel(f"{self.name} runs forward, reverse or bidirectional, not {self.direction!r}")
        named = self.activations or ()
        if unknown := [a for a in named if a.lower() not in _ACTIVATIONS]:
            raise InvalidModel(f"{self.name} has no activation {unknown[0]!r}")
        if named and len(named) != len(self.defaults) * self.directions:
            raise InvalidModel(f"{self.name} needs {len(self.defaults) * self.directions} activations")

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.direction == "bidirectional" else 1

    def functions(self) -> list[Activation]:
        """The activations of all directions, their parameters filled in."""
        alphas, betas = iter(self.activation_alpha or ()), iter(self.activation_beta or ())
        found = list[Activation]()
        for name in self.activations or self.defaults * self.directions:
            function, defaults = _ACTIVATIONS[name.lower()]
            given = tuple(next(values, default) for values, default in zip((alphas, betas), defaults, strict=False))
            found.append(partial(_apply, function, given))
        return found

    def limit(self, x: Array) -> Array:
        """`x` clipped, if the operator clips what goes into activations."""
        return x if self.clip is None else np.clip(x, -self.clip, self.clip)

    @abc.abstractmethod
    def step(
        self, x: Array, state: tuple[Array, ...], r: Array, b: Array, f: list[Activation], p: Array | None
    ) -> tuple[Array, ...]:
        """The next state (hidden first) from x W^T, the state, and recurrence weights."""

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        x, w, r = inputs[0].shape, inputs[1].shape, inputs[2].shape
        if len(x) != 3 or len(w) != 3 or len(r) != 3 or w[0] != self.directions or r[0] != self.directions:
            raise ShapeMismatch(f"weights of shapes {list(w)}, {list(r)} do not fit an input of shape {list(x)}")
        hidden = r[2]
        if w[1:] != (self.gates * hidden, x[2]) or r[1] != self.gates * hidden:
            raise ShapeMismatch(f"weights of shapes {list(w)}, {list(r)} do not fit an input of shape {list(x)}")
        length, batch = (x[1], x[0]) if self.layout else (x[0], x[1])
        whole = (batch, length, w[0], hidden) if self.layout else (length, w[0], batch, hidden)
        last = (batch, w[0], hidden) if self.layout else (w[0], batch, hidden)
        states = 2 if isinstance(self, LSTM) else 1
        return (Spec(whole, inputs[0].dtype), *(Spec(last, inputs[0].dtype),) * states)

    def run(
        self, x: Array, w: Array, r: Array, b: Array | None, lengths: Array | None,
        initial: tuple[Array | None, ...], p: Array | None = None,
    ) -> tuple[Array, ...]:  # fmt: skip
        """All outputs: the hidden state at every step, then the last state."""
        if self.layout:
            x = x.swapaxes(0, 1)
            initial = tuple(None if s is None else s.swapaxes(0, 1) for s in initial)
        steps, batch, hidden = x.shape[0], x.shape[1], r.shape[2]
        lengths = np.full(batch, steps) if lengths is None else lengths.astype(np.int64)
        bias = np.zeros((w.shape[0], 2 * self.gates * hidden), x.dtype) if b is None else b
        functions = self.functions()
        outputs, lasts = [], []
        for d in range(w.shape[0]):
            state = tuple(np.zeros((batch, hidden), x.dtype) if s is None else s[d] for s in initial)
            mine = functions[d * len(self.defaults) : (d + 1) * len(self.defaults)]
            backward = d == 1 or self.direction == "reverse"
            y = np.zeros((steps, batch, hidden), x.dtype)
            for t in range(steps):
                at = np.where(backward, lengths - 1 - t, t)
                live = (t < lengths)[:, None]
                now = x[np.maximum(at, 0), np.arange(batch)] @ w[d].T
                after = self.step(now, state, r[d], bias[d], mine, None if p is None else p[d])
                state = tuple(np.where(live, new, old).astype(x.dtype) for new, old in zip(after, state, strict=True))
                rows = np.flatnonzero(live)
                y[at[rows], rows] = state[0][rows]
            outputs.append(y)
            lasts.append(state)
        whole = np.stack(outputs, axis=1)  # [steps, directions, batch, hidden]
        ends = [np.stack(column) for column in zip(*lasts, strict=True)]
        if self.layout:
            whole, ends = whole.transpose(2, 0, 1, 3), [e.swapaxes(0, 1) for e in ends]
        return (whole, *ends)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        def draw(*shape: int) -> Array:
            return rng.normal(size=shape).astype(np.float32)

        g = cls.gates
        for direction, d in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
            op = cls(direction=direction, hidden_size=4)
            yield Sample(op, (draw(5, 2, 3), draw(d, 4 * g, 3), draw(d, 4 * g, 4), draw(d, 8 * g)))


def _apply(function: Callable[..., Array], parameters: tuple[float, ...], x: Array) -> Array:
    return np.asarray(function(x, *parameters))


@dataclass(frozen=True)
class RNN(_Recurrent):
    """h' = f(x W^T + h R^T + b)."""

    name: ClassVar[str] = "RNN"

    def step(
        self, x: Array, state: tuple[Array, ...], r: Array, b: Array, f: list[Activation], p: Array | None
    ) -> tuple[Array, ...]:
        w_bias, r_bias = np.split(b, 2)
        return (f[0](self.limit(x + w_bias + state[0] @ r.T + r_bias)),)

    def ref(
        self, x: Array, w: Array, r: Array, b: Array | None = None, lengths: Array | None = None, h: Array | None = None
    ) -> tuple[Array, ...]:
        return self.run(x, w, r, b, lengths, (h,))


@dataclass(frozen=True)
class GRU(_Recurrent):
    """Update, reset and hidden gates (https://arxiv.org/abs/1406.1078)."""

    name: ClassVar[str] = "GRU"
    defaults: ClassVar[tuple[str, ...]] = ("Sigmoid", "Tanh")
    gates: ClassVar[int] = 3
    linear_before_reset: int = 0

    def step(
        self, x: Array, state: tuple[Array, ...], r: Array, b: Array, f: list[Activation], p: Array | None
    ) -> tuple[Array, ...]:
        h = state[0]
        (xz, xr, xh), (rz, rr, rh) = np.split(x, 3, axis=-1), np.split(r, 3)
        bz, br, bh, cz, cr, ch = np.split(b, 6)
        update = f[0](self.limit(xz + h @ rz.T + bz + cz))
        reset = f[0](self.limit(xr + h @ rr.T + br + cr))
        inner = reset * (h @ rh.T + ch) if self.linear_before_reset else (reset * h) @ rh.T + ch
        new = f[1](self.limit(xh + inner + bh))
        return ((1 - update) * new + update * h,)

    def ref(
        self, x: Array, w: Array, r: Array, b: Array | None = None, lengths: Array | None = None, h: Array | None = None
    ) -> tuple[Array, ...]:
        return self.run(x, w, r, b, lengths, (h,))


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """Input, output, forget and cell gates, with peepholes (https://www.bioinf.jku.at/publications/older/2604.pdf)."""

    name: ClassVar[str] = "LSTM"
    defaults: ClassVar[tuple[str, ...]] = ("Sigmoid", "Tanh", "Tanh")
    gates: ClassVar[int] = 4
    input_forget: int = 0

    def step(
        self, x: Array, state: tuple[Array, ...], r: Array, b: Array, f: list[Activation], p: Array | None
    ) -> tuple[Array, ...]:
        h, c = state
        w_bias, r_bias = np.split(b, 2)
        gates = x + w_bias + h @ r.T + r_bias
        i, o, forget, new = np.split(gates, 4, axis=-1)
        pi, po, pf = (0.0, 0.0, 0.0) if p is None else np.split(p, 3)
        i = f[0](self.limit(i + pi * c))
        forget = 1 - i if self.input_forget else f[0](self.limit(forget + pf * c))
        cell = forget * c + i * f[1](self.limit(new))
        return f[0](self.limit(o + po * cell)) * f[2](cell), cell

    def ref(
        self, x: Array, w: Array, r: Array, b: Array | None = None, lengths: Array | None = None,
        h: Array | None = None, c: Array | None = None, p: Array | None = None,
    ) -> tuple[Array, ...]:  # fmt: skip
        return self.run(x, w, r, b, lengths, (h, c), p)


OPERATORS = (RNN, GRU, LSTM)
