"""How large a circuit's values are, wire by wire: what can be proved, and what samples show."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from vortex_crypto.fhe import polynomial
from vortex_crypto.fhe.circuit import Bootstrap, Chebyshev, Circuit, Instruction, LinearTransform, Op, Vector
from vortex_crypto.fhe.interpret import clear

MARGIN = 2.0
"""Values may be this many times what the samples show; a bootstrap's error grows slowly beyond its bound."""


def bounds(circuit: Circuit, samples: Mapping[str, Vector] | None = None) -> dict[int, float]:
    """The size each wire's entries may have.

    Interval arithmetic slot by slot, from the inputs' bounds and whatever the circuit promises; where samples (or
    without them inputs uniform in their bounds) show less, `MARGIN` times what they show.
    """
    found: dict[int, float] = {}
    sizes: dict[int, Vector] = {}
    last = circuit.last_uses()
    for number, i in enumerate(circuit.instructions):
        with np.errstate(over="ignore"):  # deep feedback without promises: the samples decide
            results = _sizes(circuit, i, [sizes[w] for w in i.args])
        for wire, size in zip(i.outs, results, strict=True):
            sizes[wire] = np.minimum(size, circuit.promises.get(wire, np.inf))
            found[wire] = float(sizes[wire].max())
        for wire in {*i.args, *i.outs}:
            if last[wire] <= number:
                del sizes[wire]
    for wire, value in clear.values(circuit, samples or _uniform(circuit)):
        found[wire] = min(found[wire], MARGIN * float(np.abs(value).max()))
    return found


def vectors(circuit: Circuit, wires: Collection[int], samples: Mapping[str, Vector] | None) -> dict[int, Vector]:
    """The values of some wires on samples, or on inputs uniform in their bounds."""
    return {wire: value for wire, value in clear.values(circuit, samples or _uniform(circuit)) if wire in wires}


def _uniform(circuit: Circuit) -> dict[str, Vector]:
    rng = np.random.default_rng(0)
    return {name: rng.uniform(-bound, bound, circuit.slots) for name, bound in circuit.bounds.items()}


def _sizes(circuit: Circuit, i: Instruction, args: list[Vector]) -> list[Vector]:
    if i.op is Op.INPUT:
        return [np.full(circuit.slots, circuit.bounds[i.name])]
    if isinstance(i.body, Chebyshev):
        return [np.full(circuit.slots, _largest(i.body.coefficients))]
    if isinstance(i.body, LinearTransform):
        return [_product(circuit, row, args) for row in i.body.blocks]
    if isinstance(i.body, Bootstrap):
        return args
    return [_size(circuit, i, args)]


def _size(circuit: Circuit, i: Instruction, args: list[Vector]) -> Vector:
    if i.plain is not None:
        plain = np.abs(circuit.vector(i.plain))
        return args[0] + plain if i.op is Op.ADD_PLAIN else args[0] * plain
    if i.op in (Op.ADD, Op.SUB):
        return args[0] + args[1]
    if i.op is Op.MUL:
        return args[0] * args[1]
    return np.roll(args[0], -i.step) if i.op is Op.ROTATE else args[0]


def _product(circuit: Circuit, row: tuple[tuple[tuple[int, object], ...], ...], args: list[Vector]) -> Vector:
    total: Vector = np.zeros(circuit.slots)
    for size, block in zip(args, row, strict=True):
        turned = clear.Turned(size)
        for k, plain in block:
            total = total + np.abs(circuit.vector(plain)) * turned[k]  # type: ignore[arg-type]
    return total


def _largest(coefficients: tuple[float, ...]) -> float:
    """The largest value on [-1, 1], from above: on n points of Chebyshev's, n four times the degree, within 8 percent.

    Ehlich and Zeller (1964): |p| <= max over the points / cos(pi d / 2n).
    """
    points = np.cos(np.pi * (np.arange(4 * len(coefficients)) + 0.5) / (4 * len(coefficients)))
    return float(np.abs(polynomial.evaluate(coefficients, points)).max() / np.cos(np.pi / 8))
