"""Operators that hold sub-graphs. What a body reads from outside stands among the node's inputs, after its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import InvalidInput, ShapeMismatch, UnsupportedOp
from vortex_crypto.nn.ir import Array, Graph, Value
from vortex_crypto.nn.op import Inputs, Op, Spec
from vortex_crypto.nn.ops.base import normalize_axis

Bodies = Mapping[str, Callable[..., tuple[Array, ...]]]
MOST_ITERATIONS = 1 << 20
"""of a loop at run time: an untrusted model must not run for ever."""


def _specs(body: Graph) -> tuple[Spec, ...]:
    return tuple(Spec(body.values[name].shape, body.values[name].dtype) for name in body.outputs)


@dataclass(frozen=True)
class If(Op):
    """One of two bodies. Inputs: the condition, then what either body captures."""

    name: ClassVar[str] = "If"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        first, second = (_specs(inputs.bodies[key]) for key in ("then_branch", "else_branch"))
        if inputs[0].size != 1:
            raise ShapeMismatch("the condition is not one truth value")
        if first != second:
            raise UnsupportedOp("", self.name, "its branches give different shapes, so its shape hangs on data.")
        return first

    def ref(self, condition: Array, *captures: Array, bodies: Bodies) -> tuple[Array, ...]:
        return bodies["then_branch" if bool(condition.reshape(())) else "else_branch"](*captures)


@dataclass(frozen=True)
class Loop(Op):
    """At most `trips` iterations, while the condition holds.

    Inputs: trips, condition (either may be omitted), `carried` values, captures. The body maps (iteration, carried
    values, captures) to (condition, carried values, `scans` values stacked over the iterations); inside of it the
    condition is true.
    """

    name: ClassVar[str] = "Loop"
    carried: int = 0
    scans: int = 0

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        body = inputs.bodies["body"]
        specs = _specs(body)
        if len(specs) != 1 + self.carried + self.scans:
            raise ShapeMismatch(f"its body has {len(specs)} outputs, {1 + self.carried + self.scans} are needed")
        for k, spec in enumerate(specs[1 : 1 + self.carried]):
            before = inputs[2 + k]
            if (before.shape, before.dtype) != (spec.shape, spec.dtype):
                raise UnsupportedOp(
                    "", self.name, f"its carried value {k} changes shape from {before.shape} to {spec.shape}."
                )
        if not self.scans:
            return specs[1:]
        trips, again = inputs.constant(0), body.constants.get(body.outputs[0])
        started = not inputs.has(1) or inputs.constant(1) is not None
        if trips is None or again is None or not bool(again.reshape(())) or not started:
            raise UnsupportedOp("", self.name, "how often it runs hangs on data, and so does the shape of its outputs.")
        count = max(int(trips.reshape(())), 0)
        return (*specs[1 : 1 + self.carried], *(Spec((count, *s.shape), s.dtype) for s in specs[1 + self.carried :]))

    def ref(self, trips: Array | None, condition: Array | None, *rest: Array, bodies: Bodies) -> tuple[Array, ...]:
        state, captures = list(rest[: self.carried]), rest[self.carried :]
        running = condition is None or bool(condition.reshape(()))
        limit = MOST_ITERATIONS if trips is None else int(trips.reshape(()))
        scanned: list[list[Array]] = [[] for _ in range(self.scans)]
        iteration = 0
        while running and iteration < limit:
            if iteration == MOST_ITERATIONS:
                raise InvalidInput(f"a loop ran more than {MOST_ITERATIONS} times")
            again, *results = bodies["body"](np.array(iteration, np.int64), *state, *captures)
            state = results[: self.carried]
            for kept, result in zip(scanned, results[self.carried :], strict=True):
                kept.append(result)
            running, iteration = bool(again.reshape(())), iteration + 1
        return (*state, *(np.stack(kept) for kept in scanned))


@dataclass(frozen=True)
class Scan(Op):
    """A body over the slices of its last `num_scan_inputs` inputs, with `states` values carried along.

    Inputs: states, scanned tensors, captures. Outputs: states, then the body's other outputs stacked.
    """

    name: ClassVar[str] = "Scan"
    num_scan_inputs: int = 1
    scan_input_axes: tuple[int, ...] | None = None
    scan_input_directions: tuple[int, ...] | None = None
    scan_output_axes: tuple[int, ...] | None = None
    scan_output_directions: tuple[int, ...] | None = None
    states: int = 0

    def _axis(self, index: int, rank: int) -> int:
        return normalize_axis(self.scan_input_axes[index] if self.scan_input_axes else 0, rank)

    def element(self, value: Value, index: int) -> Value:
        """What the body sees of input `index`: a state whole, a scanned tensor without the scanned axis."""
        if index < self.states:
            return value
        axis = self._axis(index - self.states, len(value.shape))
        return replace(value, shape=(*value.shape[:axis], *value.shape[axis + 1 :]))

    def _length(self, shapes: list[tuple[int, ...]]) -> int:
        lengths = {shape[self._axis(i, len(shape))] for i, shape in enumerate(shapes)}
        if len(lengths) != 1:
            raise ShapeMismatch(f"the scanned inputs have different lengths {sorted(lengths)}")
        return lengths.pop()

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        specs = _specs(inputs.bodies["body"])
        for k, spec in enumerate(specs[: self.states]):
            if (inputs[k].shape, inputs[k].dtype) != (spec.shape, spec.dtype):
                raise UnsupportedOp(
                    "", self.name, f"its state {k} changes shape from {inputs[k].shape} to {spec.shape}."
                )
        length = self._length([inputs[self.states + i].shape for i in range(self.num_scan_inputs)])
        stacked = []
        for i, spec in enumerate(specs[self.states :]):
            axis = normalize_axis(self.scan_output_axes[i] if self.scan_output_axes else 0, len(spec.shape) + 1)
            stacked.append(Spec((*spec.shape[:axis], length, *spec.shape[axis:]), spec.dtype))
        return (*specs[: self.states], *stacked)

    def ref(self, *arrays: Array, bodies: Bodies) -> tuple[Array, ...]:
        state, end = list(arrays[: self.states]), self.states + self.num_scan_inputs
        scanned = [np.moveaxis(a, self._axis(i, a.ndim), 0) for i, a in enumerate(arrays[self.states : end])]
        backward = self.scan_input_directions or (0,) * len(scanned)
        scanned = [a[::-1] if back else a for a, back in zip(scanned, backward, strict=True)]
        rows = []
        for slices in zip(*scanned, strict=True):
            results = bodies["body"](*state, *slices, *arrays[end:])
            state = list(results[: self.states])
            rows.append(results[self.states :])
        outputs = []
        for i, column in enumerate(zip(*rows, strict=True)):
            reverse = bool(self.scan_output_directions and self.scan_output_directions[i])
            outputs.append(
                np.stack(column[::-1] if reverse else column, self.scan_output_axes[i] if self.scan_output_axes else 0)
            )
        return (*state, *outputs)


OPERATORS = (If, Loop, Scan)
