"""Where the inputs of nonlinear operators lie: what calibration saw, what interval arithmetic proves, what is used.

A polynomial stands for its function on an interval alone and runs away outside. So the interval of an element is what
calibration saw of it, widened by `MARGIN`, and at least `SIGMAS` standard deviations round its mean: a few hundred
samples do not show one element's extremes. They do show those of all elements together, so no interval goes beyond the
tensor's calibrated hull widened by `HULL_MARGIN`, nor beyond what |A| times the input ranges can reach. Without
calibration data it is that bound itself.

Whether that is enough is measured: ranges from one half of the samples are held against the other half, and all ranges
of a tensor are stretched until they cover it, by `SAFETY` more. In a deep convolutional network one of some hundred
thousand values leaves its own range on nearly every new image otherwise, and one is enough to garble the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vortex_crypto.errors import InvalidInput
from vortex_crypto.nn.ir import Array, Graph, Range
from vortex_crypto.nn.passes.arithmetic import AffineOp, ElementwiseOp, PolynomialOp, ProductOp, function_of
from vortex_crypto.nn.passes.fit import is_homogeneous

MARGIN = 0.1
"""Part of the calibrated width that is added on either side."""
SIGMAS = 6.0
"""Standard deviations round the calibrated mean that the range covers at least: 1e-9 of a normal distribution."""
HULL_MARGIN = 0.3
"""Part of the calibrated width over all elements by which their hull is widened on either side."""
INPUT_MARGIN = 0.25
"""Part of its calibrated width by which an input's range is widened on either side."""
SAFETY = 1.25
"""Times what covers the held-out half that ranges are stretched by; it is seldom needed with many samples."""
LEAST_RADIUS = 0.05
"""No element's range is less than this part of the widest one's where ranges are stretched element by element."""
MANY = 64
"""Samples from which on the hull is believed."""
ANSWER_MARGIN = 1.0
"""Part of its calibrated width by which an output's range is widened on either side before an answer is refused."""
BOUND_MARGIN = 0.25
"""The same of what interval arithmetic bounds, where there are fewer samples than `MANY`."""
LEAST_HELD_OUT = 8
_GRID = 257
_CHUNK = 1 << 14
_LIMIT = 1e30


@dataclass(frozen=True)
class Interval:
    """Element e lies in [low[e], high[e]]; both float64 of shape (size,)."""

    low: Array
    high: Array

    @property
    def hull(self) -> tuple[float, float]:
        """One interval for all elements."""
        return float(self.low.min()), float(self.high.max())


@dataclass(frozen=True)
class ValueRange:
    """What is known of one value.

    Attributes:
        used: the interval to approximate on, element by element.
        bound: what interval arithmetic proves from the input ranges.
        calibrated: smallest and largest element that calibration saw; None without calibration data.
    """

    used: Interval
    bound: Interval
    calibrated: tuple[float, float] | None


def ranges(
    graph: Graph, values: Mapping[str, Array] | None, input_ranges: Mapping[str, tuple[float, float]]
) -> dict[str, ValueRange]:
    """The range of every value of an arithmetic graph; `Value.range` is set to the hull of the one used.

    Args:
        values: all values on the calibration samples, (batch, size) each, from `arithmetic.evaluate`; or None.
        input_ranges: for each graph input, an interval that holds every element it will ever have.
    """
    bounds = interval_bounds(graph, input_ranges)
    found: dict[str, ValueRange] = {}
    for name, bound in bounds.items():
        seen = None if values is None or name in graph.inputs else values[name]
        used = bound if seen is None else _calibrated(seen, bound, alone=_scaled_alone(graph, name))
        calibrated = None if values is None else (float(values[name].min()), float(values[name].max()))
        found[name] = ValueRange(used, bound, calibrated)
        graph.values[name] = replace(graph.values[name], range=Range(*used.hull))
    return found


@dataclass(frozen=True)
class Coverage:
    """How well calibration covers what it did not see: ranges found from one half of it, held against the other.

    Attributes:
        samples: of the calibration data.
        held_out: samples of the second half; 0 if there are too few to say.
        left: how many of them leave the range of some function's operand. What is approximated in the end is the
            range of all samples, which covers more.
        worst: the node most of them leave, or "".
    """

    samples: int
    held_out: int
    left: int
    worst: str


def coverage(graph: Graph, values: Mapping[str, Array], known: Mapping[str, ValueRange]) -> Coverage:
    """Hold the ranges that every other calibration sample gives against the samples between them.

    Args:
        values: all values on the calibration samples, as for `ranges`, which gave `known`.
    """
    samples = len(next(iter(values.values())))
    if samples < 2 * LEAST_HELD_OUT:
        return Coverage(samples, 0, 0, "")
    outside: dict[str, Array] = {}
    for node in graph.nodes():
        if not isinstance(node.op, ElementwiseOp):
            continue
        name = node.inputs[0]
        alone = _scaled_alone(graph, name)
        used = _reach(_calibrated(values[name][::2], known[name].bound, alone=alone), alone=alone)
        rest = values[name][1::2]
        outside[node.origin] = np.any((rest < used.low) | (rest > used.high), axis=1)
    left = np.any(list(outside.values()) or np.zeros((1, samples // 2), np.bool_), axis=0)
    worst = max(outside, key=lambda origin: int(outside[origin].sum()), default="")
    return Coverage(samples, samples // 2, int(left.sum()), worst if left.any() else "")


def answer_interval(known: ValueRange, samples: int) -> tuple[float, float]:
    """Where an output's elements lie, with so much room that what is outside is no answer.

    Args:
        known: of the output.
        samples: that `known` was calibrated on; 0 for none.
    """
    if known.calibrated is None or samples < MANY:
        (low, high), margin = known.bound.hull, BOUND_MARGIN
        return low - margin * (high - low), high + margin * (high - low)
    room = ANSWER_MARGIN * (known.calibrated[1] - known.calibrated[0])
    return known.used.hull[0] - room, known.used.hull[1] + room


def input_intervals(
    graph: Graph,
    calibration: Mapping[str, Array] | None,
    given: Mapping[str, tuple[float, float]] | None,
) -> dict[str, tuple[float, float]]:
    """For each graph input the interval the user gave, else that of the calibration data, widened.

    Raises:
        InvalidInput: neither is there, or what was given is no interval or names no input.
    """
    given = dict(given or {})
    if unknown := sorted(set(given) - set(graph.inputs)):
        raise InvalidInput(f"input_ranges names {unknown[0]!r}; the inputs are {graph.inputs}")
    found: dict[str, tuple[float, float]] = {}
    for name in graph.inputs:
        if name in given:
            low, high = map(float, given[name])
        elif calibration is not None and name in calibration:
            least, most = float(np.min(calibration[name])), float(np.max(calibration[name]))
            low, high = least - INPUT_MARGIN * (most - least), most + INPUT_MARGIN * (most - least)
        else:
            raise InvalidInput(
                f"nothing says where input {name!r} lies, and activations are approximated on an interval: pass "
                f"calibration={{{name!r}: samples}} (best: some hundreds of real ones), or "
                f"input_ranges={{{name!r}: (low, high)}}"
            )
        if not (np.isfinite(low) and np.isfinite(high) and low <= high):
            raise InvalidInput(f"the range ({low}, {high}) of input {name!r} is not an interval")
        found[name] = (low, high)
    return found


def interval_bounds(graph: Graph, input_ranges: Mapping[str, tuple[float, float]]) -> dict[str, Interval]:
    """Interval arithmetic through the graph; elementwise functions are bounded to the accuracy of a fine grid."""
    known: dict[str, Interval] = {}
    for name in graph.inputs:
        size = graph.values[name].size
        known[name] = Interval(*(np.full(size, end) for end in input_ranges[name]))
    for node in graph.nodes():
        operands = [known[name] for name in node.inputs]
        match node.op:
            case AffineOp():
                interval = _through_affine(node.op, operands)
            case ElementwiseOp():
                interval = _through_function(function_of(node.op.expression), operands[0])
            case PolynomialOp():
                interval = _through_function(node.op.batched, operands[0])
            case ProductOp() if node.inputs[0] == node.inputs[1]:
                interval = _through_function(np.square, operands[0])
            case _:
                interval = _through_product(*operands)
        known[node.outputs[0]] = Interval(interval.low.clip(-_LIMIT, _LIMIT), interval.high.clip(-_LIMIT, _LIMIT))
    return known


def _through_affine(op: AffineOp, operands: list[Interval]) -> Interval:
    centre, radius = np.array(op.bias, dtype=np.float64), np.zeros(op.bias.size)
    for matrix, x in zip(op.maps, operands, strict=True):
        centre += matrix @ ((x.low + x.high) / 2)
        radius += abs(matrix) @ ((x.high - x.low) / 2)
    return Interval(centre - radius, centre + radius)


def _through_function(function: Callable[[Array], Array], x: Interval) -> Interval:
    """Extremes over a grid of each element's interval; `_CHUNK` elements at a time bound the memory."""
    parts = [
        _on_grid(function, Interval(x.low[start : start + _CHUNK], x.high[start : start + _CHUNK]))
        for start in range(0, max(x.low.size, 1), _CHUNK)
    ]
    return Interval(np.concatenate([p.low for p in parts]), np.concatenate([p.high for p in parts]))


def _on_grid(function: Callable[[Array], Array], x: Interval) -> Interval:
    """The least and greatest value on the grid; one inside is widened by half the largest step between neighbours."""
    steps = np.linspace(0.0, 1.0, _GRID)[:, None]
    y = function(x.low + steps * (x.high - x.low))
    y = np.where(np.isfinite(y), y, np.sign(np.nan_to_num(y, nan=_LIMIT)) * _LIMIT)
    low, high = y.min(axis=0), y.max(axis=0)
    inner = np.abs(np.diff(y, axis=0)).max(axis=0) / 2
    at_end_low, at_end_high = np.minimum(y[0], y[-1]) == low, np.maximum(y[0], y[-1]) == high
    return Interval(low - np.where(at_end_low, 0.0, inner), high + np.where(at_end_high, 0.0, inner))


def _through_product(left: Interval, right: Interval) -> Interval:
    corners = np.stack([left.low * right.low, left.low * right.high, left.high * right.low, left.high * right.high])
    return Interval(corners.min(axis=0), corners.max(axis=0))


def _scaled_alone(graph: Graph, name: str) -> bool:
    """Whether each element of a value is approximated on a range of its own, as homogeneous functions allow."""
    readers = [node.op for node in graph.consumers(name)]
    return any(isinstance(op, ElementwiseOp) and is_homogeneous(op.expression) for op in readers)


def _reach(used: Interval, *, alone: bool) -> Interval:
    """Where a function of such a value is approximated: round zero, or on the hull."""
    if alone:
        radius = np.maximum(np.abs(used.low), np.abs(used.high))
        return Interval(-radius, radius)
    low, high = used.hull
    return Interval(np.full_like(used.low, low), np.full_like(used.high, high))


def _calibrated(seen: Array, bound: Interval, *, alone: bool) -> Interval:
    """The interval of each element: what was seen, widened, and stretched as far as halves of it show to be needed."""
    used = _widened(seen, bound)
    if len(seen) < 2 * LEAST_HELD_OUT:
        return used
    halves = seen[::2], seen[1::2]
    beyond = max(_beyond(_reach(_widened(half, bound), alone=alone), other) for half, other in (halves, halves[::-1]))
    if SAFETY * beyond <= 1:
        return used
    reach = _reach(used, alone=alone)
    centre, radius = (reach.low + reach.high) / 2, SAFETY * beyond * (reach.high - reach.low) / 2
    radius = np.maximum(radius, LEAST_RADIUS * radius.max())
    return _within(Interval(centre - radius, centre + radius), seen, bound)


def _beyond(reach: Interval, rest: Array) -> float:
    """By what factor an interval round its centre must be stretched to hold the rest."""
    centre, radius = (reach.low + reach.high) / 2, (reach.high - reach.low) / 2
    radius = np.maximum(radius, max(LEAST_RADIUS * float(radius.max()), 1e-30))
    return float((np.abs(rest - centre) / radius).max())


def _widened(seen: Array, bound: Interval) -> Interval:
    low, high = seen.min(axis=0), seen.max(axis=0)
    mean, spread, margin = seen.mean(axis=0), SIGMAS * seen.std(axis=0), MARGIN * (high - low)
    used_low, used_high = np.minimum(low - margin, mean - spread), np.maximum(high + margin, mean + spread)
    return _within(Interval(used_low, used_high), seen, bound)


def _within(used: Interval, seen: Array, bound: Interval) -> Interval:
    """No further than the hull of many samples, widened, nor than what can be."""
    low, high = seen.min(axis=0), seen.max(axis=0)
    used_low, used_high = used.low, used.high
    if seen.shape[0] >= MANY:
        reserve = HULL_MARGIN * (high.max() - low.min())
        used_low = np.maximum(used_low, low.min() - reserve)
        used_high = np.minimum(used_high, high.max() + reserve)
    return Interval(
        np.maximum(used_low, np.minimum(bound.low, low)), np.minimum(used_high, np.maximum(bound.high, high))
    )
