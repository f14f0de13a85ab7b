"""Replace every elementwise function by a polynomial, as shallow as the precision asked allows.

A candidate is judged by what it does to the network's outputs on the samples: the exact network runs once, then again
with one function replaced, and only what lies downstream of it. Degrees fill their depth (2^p - 1), depths grow where
the output error is largest until the errors together meet the target, and a last search takes degrees back that bring
nothing. The change of variable to [-1, 1] and its inverse are affine nodes that `compose_affine` folds into their
neighbours afterwards, so they cost no level there.

Functions with f(s x) = s f(x) for s > 0 (ReLU and its kin) are approximated once on [-1, 1] for all elements, each of
which has a scale of its own: the range of every single neuron is used, not the widest one's.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from vortex_crypto.errors import ParameterRefused, UnsupportedOp
from vortex_crypto.nn.ir import Array, Graph, Node, Value
from vortex_crypto.nn.passes.arithmetic import (
    AffineOp,
    ElementwiseOp,
    PolynomialOp,
    ProductOp,
    diagonal,
    evaluate,
    function_of,
)
from vortex_crypto.nn.passes.fit import Fit, errors, exact_chebyshev, is_homogeneous
from vortex_crypto.nn.passes.ranges import ValueRange

MAX_DEPTH = 10
"""Deepest polynomial tried: degree 1023."""
_FIT_SAMPLES = 1 << 19
_SLACK = 1.1
"""A smaller degree may have this many times the error of the full one."""


@dataclass(frozen=True)
class Approximation:
    """How one activation is replaced.

    Attributes:
        node: name of the elementwise node.
        origin: the ONNX nodes it stands for.
        function: the expression, as text.
        low, high: the hull of the ranges it holds on, over all elements.
        bound: what interval arithmetic proves; calibrated: what calibration saw (None without).
        degree, depth: of the polynomial.
        exact: the function is itself a polynomial.
        max_error: largest error over the range; mean_error: mean error over the samples, both in the function's units.
        output_error: mean absolute error it alone causes in the network's outputs, over the samples.
        coefficients: Chebyshev, for u in [-1, 1].
        centre, radius: x = centre + radius u, element by element; amplitude: y = amplitude P(u).
    """

    node: str
    origin: str
    function: str
    low: float
    high: float
    bound: tuple[float, float]
    calibrated: tuple[float, float] | None
    degree: int
    depth: int
    exact: bool
    max_error: float
    mean_error: float
    output_error: float
    coefficients: Array = field(repr=False)
    centre: Array = field(repr=False)
    radius: Array = field(repr=False)
    amplitude: Array = field(repr=False)


def approximate(
    graph: Graph,
    known: Mapping[str, ValueRange],
    samples: Mapping[str, Array],
    *,
    target: float,
    progress: Callable[[float], None] = lambda done: None,
) -> tuple[Graph, tuple[Approximation, ...]]:
    """The graph with a polynomial for each elementwise function, and what was done.

    Args:
        known: of every value, from `ranges`.
        samples: inputs to judge by, (batch, size) each.
        target: mean absolute error the approximations together may cause in the outputs.
        progress: called with the fraction that is done.

    Raises:
        ParameterRefused: reason "precision": no depth up to `MAX_DEPTH` reaches the target.
        UnsupportedOp: a function that is not finite somewhere in its range.
    """
    exact = evaluate(graph, samples)
    activations = [
        _Activation(graph, node, known, exact) for node in graph.nodes() if isinstance(node.op, ElementwiseOp)
    ]
    chosen = _search(graph, activations, exact, target, progress)
    records = tuple(activation.record(degree) for activation, degree in zip(activations, chosen, strict=True))
    return replaced(graph, records), records


def replaced(graph: Graph, records: tuple[Approximation, ...]) -> Graph:
    """The graph with each recorded function as affine map, polynomial, and affine map where it is not the identity."""
    by_node = {record.node: record for record in records}
    result = Graph(graph.name)
    for name in graph.inputs:
        result.add_input(graph.values[name])
    for node in graph.nodes():
        value = graph.values[node.outputs[0]]
        if node.name in by_node:
            _add_polynomial(result, node, value, by_node[node.name])
        else:
            result.add_node(node, [value])
    result.outputs = list(graph.outputs)
    return result


class _Activation:
    """One elementwise node: its change of variable, its samples, and its candidates by degree."""

    def __init__(self, graph: Graph, node: Node, known: Mapping[str, ValueRange], exact: Mapping[str, Array]) -> None:
        if not isinstance(node.op, ElementwiseOp):
            raise TypeError(node.op.name)
        self.graph, self.node, self.op, self.exact = graph, node, node.op, exact
        self.x, self.range = exact[node.inputs[0]], known[node.inputs[0]]
        self.function = function_of(node.op.expression)
        self.homogeneous = _all_affine(graph, node.outputs[0]) and is_homogeneous(node.op.expression)
        self.centre, self.radius = self._variable()
        self.polynomial = self._exact_coefficients()
        self.amplitude = self.radius if self.homogeneous and self.polynomial is None else np.ones(1)
        self._check_finite()
        self.coefficients = functools.cache(self._coefficients)
        self.output_error = functools.cache(self._output_error)

    @property
    def full_depths(self) -> range:
        """Depths to choose from."""
        if self.polynomial is not None:
            depth = int(self.polynomial.size - 1).bit_length()
            return range(depth, depth + 1)
        return range(2, MAX_DEPTH + 1)

    def degree_at(self, depth: int) -> int:
        """The largest degree of that depth."""
        return self.polynomial.size - 1 if self.polynomial is not None else (1 << depth) - 1

    @functools.cached_property
    def fit(self) -> Fit:
        """Its polynomials of least squares where the samples lie."""
        u = ((self.x - self.centre) / self.radius).ravel()
        return Fit.of(self.on_unit, u[:: -(-u.size // _FIT_SAMPLES)])

    def on_unit(self, u: Array) -> Array:
        """The function of the new variable (for a homogeneous one, of any element's)."""
        if self.homogeneous:
            return self.function(u)
        return self.function(self.centre[0] + self.radius[0] * u)

    def apply(self, x: Array, coefficients: Array) -> Array:
        """The replacement on raw samples."""
        u = (x - self.centre) / self.radius
        return np.asarray(self.amplitude * np.polynomial.chebyshev.chebval(u, coefficients))

    def record(self, degree: int) -> Approximation:
        """What becomes of it with a polynomial of that degree."""
        coefficients = self.coefficients(degree)
        largest, mean = 0.0, 0.0
        if self.polynomial is None:
            largest, _ = errors(self.on_unit, coefficients, None)
            largest *= float(self.amplitude.max())
            mean = float(np.abs(self.apply(self.x, coefficients) - self.function(self.x)).mean())
        low, high = float((self.centre - self.radius).min()), float((self.centre + self.radius).max())
        return Approximation(
            node=self.node.name,
            origin=self.node.origin,
            function=str(self.op.expression),
            low=low,
            high=high,
            bound=self.range.bound.hull,
            calibrated=self.range.calibrated,
            degree=coefficients.size - 1,
            depth=int(coefficients.size - 1).bit_length(),
            exact=self.polynomial is not None,
            max_error=largest,
            mean_error=mean,
            output_error=self.output_error(degree),
            coefficients=coefficients,
            centre=self.centre,
            radius=self.radius,
            amplitude=self.amplitude,
        )

    def _variable(self) -> tuple[Array, Array]:
        low, high = self.range.used.low, self.range.used.high
        if self.homogeneous:
            radius = np.maximum(np.abs(low), np.abs(high))
            return np.zeros(1), np.maximum(radius, 1e-3 * max(float(radius.max()), 1e-9))
        least, most = float(low.min()), float(high.max())
        return np.array([(least + most) / 2]), np.array([max((most - least) / 2, 1e-9)])

    def _exact_coefficients(self) -> Array | None:
        """A polynomial's own coefficients; its variable is left alone where no affine map precedes it."""
        producer = self.graph.producer(self.node.inputs[0])
        if producer is None or not isinstance(producer.op, AffineOp):
            polynomial = exact_chebyshev(self.op.expression, 0.0, 1.0)
            if polynomial is not None:
                self.centre, self.radius, self.homogeneous = np.zeros(1), np.ones(1), False
            return polynomial
        if exact_chebyshev(self.op.expression, 0.0, 1.0) is None:
            return None
        self.homogeneous = False
        self.centre, self.radius = self._variable()
        return exact_chebyshev(self.op.expression, float(self.centre[0]), float(self.radius[0]))

    def _check_finite(self) -> None:
        if self.polynomial is None and not np.isfinite(self.on_unit(np.linspace(-1.0, 1.0, 4097))).all():
            low, high = self.centre[0] - self.radius[0], self.centre[0] + self.radius[0]
            raise UnsupportedOp(
                self.node.origin,
                self.op.name,
                f"{self.op.expression} is not finite everywhere on [{low:.4g}, {high:.4g}], where its input lies.",
                "Give calibration data that keeps it away from there, or clip its input in the model.",
            )

    def _coefficients(self, degree: int) -> Array:
        if self.polynomial is not None:
            return self.polynomial
        return self.fit.coefficients(degree)

    def _output_error(self, degree: int) -> float:
        if self.polynomial is not None:
            return 0.0
        coefficients = self.coefficients(degree)
        return _deviation(self.graph, self.exact, {self.node.name: lambda x: self.apply(x, coefficients)})


def _search(
    graph: Graph,
    activations: list[_Activation],
    exact: Mapping[str, Array],
    target: float,
    progress: Callable[[float], None],
) -> list[int]:
    """A degree for each activation, by the output errors they cause alone and then together."""
    allowed = target
    for _ in range(8):
        depths = _depths(activations, allowed)
        progress(0.5)
        share = allowed / math.sqrt(max(len(activations), 1))
        degrees = _each(_trimmed, activations, depths, [share] * len(depths))
        together = _deviation(
            graph,
            exact,
            {
                a.node.name: functools.partial(a.apply, coefficients=a.coefficients(degree))
                for a, degree in zip(activations, degrees, strict=True)
            },
        )
        if together <= target:
            return degrees
        allowed *= min(0.8, target / together)
    raise _too_coarse(activations, target)


Result = TypeVar("Result")


def _each(function: Callable[..., Result], *arguments: Sequence[Any]) -> list[Result]:
    """The function of each activation and its arguments, by threads: products of sparse matrices let others run."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(function, *arguments))


def _depths(activations: list[_Activation], allowed: float) -> list[int]:
    depths = [a.full_depths[0] for a in activations]
    _each(lambda a: a.output_error(a.degree_at(a.full_depths[0])), activations)  # which keep them
    while True:
        caused = [a.output_error(a.degree_at(depth)) for a, depth in zip(activations, depths, strict=True)]
        if math.sqrt(sum(e * e for e in caused)) <= allowed:
            return depths
        worst = max(range(len(caused)), key=caused.__getitem__)
        if depths[worst] == activations[worst].full_depths[-1]:
            raise _too_coarse(activations, allowed)
        depths[worst] += 1


def _trimmed(activation: _Activation, depth: int, allowed: float) -> int:
    """The smallest degree of that depth whose error is hardly larger than the full one's, or small enough anyway."""
    if activation.polynomial is not None:
        return activation.degree_at(depth)
    low, high = 1 << (depth - 1), activation.degree_at(depth)
    passing = max(allowed, _SLACK * activation.output_error(high))
    while low < high:
        middle = (low + high) // 2
        if activation.output_error(middle) <= passing:
            high = middle
        else:
            low = middle + 1
    return high


def _too_coarse(activations: list[_Activation], target: float) -> ParameterRefused:
    worst = max(activations, key=lambda a: a.output_error(a.degree_at(a.full_depths[-1])))
    best = worst.output_error(worst.degree_at(worst.full_depths[-1]))
    return ParameterRefused(
        "precision",
        f"{worst.node.origin}: a polynomial of degree {worst.degree_at(worst.full_depths[-1])} for "
        f"{worst.op.expression} still changes the outputs by {best:.3g} on average, and {target:.3g} is asked. Ask for "
        "fewer bits (precision_bits), give calibration data with tighter ranges, or train with a smooth activation "
        "(GELU, SiLU)",
    )


def _deviation(graph: Graph, exact: Mapping[str, Array], overrides: Mapping[str, Callable[[Array], Array]]) -> float:
    """Mean absolute difference of the outputs from the exact ones when some nodes' functions are replaced."""
    values = dict(exact)
    touched: set[str] = set()
    for node in graph.nodes():
        output = node.outputs[0]
        if node.name in overrides:
            values[output] = overrides[node.name](values[node.inputs[0]])
            touched.add(output)
        elif touched.intersection(node.inputs):
            values[output] = node.op.batched(*(values[name] for name in node.inputs))  # type: ignore[attr-defined]
            touched.add(output)
    differences = [np.abs(values[name] - exact[name]).mean() for name in graph.outputs]
    return float(np.mean(differences))


def _all_affine(graph: Graph, value: str) -> bool:
    """Whether only affine maps read the value, so that scales of single elements vanish into them."""
    return value not in graph.outputs and all(isinstance(node.op, AffineOp) for node in graph.consumers(value))


def _add_polynomial(result: Graph, node: Node, value: Value, record: Approximation) -> None:
    size, source = value.size, node.inputs[0]
    scale = np.broadcast_to(1.0 / record.radius, (size,))
    if (scale != 1.0).any() or record.centre.any():
        shape = result.values[source].shape
        op = AffineOp((diagonal(scale),), np.broadcast_to(-record.centre / record.radius, (size,)), shape)
        source = _add(result, f"{node.name}/unit", op, source, result.values[source], node.origin)
    polynomial = PolynomialOp(record.coefficients, value.shape)
    if record.amplitude.size == 1 and record.amplitude[0] == 1.0:
        _add(result, node.name, polynomial, source, value, node.origin, output=value.name)
        return
    inner = _add(result, f"{node.name}/polynomial", polynomial, source, value, node.origin)
    scaled = AffineOp((diagonal(np.broadcast_to(record.amplitude, (size,))),), np.zeros(size), value.shape)
    _add(result, node.name, scaled, inner, value, node.origin, output=value.name)


def _add(
    graph: Graph,
    name: str,
    op: AffineOp | PolynomialOp | ProductOp,
    source: str,
    value: Value,
    origin: str,
    *,
    output: str = "",
) -> str:
    output = output or name
    graph.add_node(Node(name, op, (source,), (output,), origin), [Value(output, value.shape, value.dtype)])
    return output
