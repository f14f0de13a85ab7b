"""Write regions and far rotations out in the opcodes and keys a back end has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vortex_crypto.fhe import polynomial
from vortex_crypto.fhe.circuit import Chebyshev, Circuit, Instruction, LinearTransform, Op, Plain
from vortex_crypto.fhe.rotations import best_split, tree, walk


@dataclass(frozen=True)
class Strategy:
    """How to expand.

    Attributes:
        steps: rotations that have keys; None if any may.
        native: opcodes of regions the back end runs itself, left as they are.
        polynomials_up_to: levels of the deepest polynomial that is left as it is although not native.
    """

    steps: tuple[int, ...] | None = None
    native: frozenset[Op] = field(default_factory=frozenset)
    polynomials_up_to: int = 0


def expand(circuit: Circuit, strategy: Strategy | None = None) -> Circuit:
    """A circuit with the same results in which the strategy's regions and rotations alone are left."""
    strategy = strategy or Strategy()
    out = copy_of(circuit)
    out.steps = strategy.steps
    wires: dict[int, int] = {}
    for i in circuit.instructions:
        with out.origin(i.origin):
            results = _expand(out, i, tuple(wires[w] for w in i.args), strategy)
        wires.update(zip(i.outs, results, strict=True))
    return finished(out, circuit, wires)


def finished(out: Circuit, source: Circuit, wires: Mapping[int, int]) -> Circuit:
    """Give a rewritten circuit the outputs and promises of its source; `wires` maps the old wires to the new."""
    for name, wire in source.outputs:
        out.output(name, wires[wire])
    for wire, bound in source.promises.items():
        if wire in wires:
            out.promise(wires[wire], bound)
    return out


def copy_of(circuit: Circuit) -> Circuit:
    """An empty circuit with the same slots, constants, input bounds and rotations."""
    out = Circuit(circuit.slots)
    out.steps = circuit.steps
    out.constants = list(circuit.constants)
    out.bounds = dict(circuit.bounds)
    return out


def _expand(out: Circuit, i: Instruction, args: tuple[int, ...], strategy: Strategy) -> Sequence[int]:
    if i.op is Op.ROTATE:
        wire = args[0]
        for step in walk(i.step, strategy.steps, out.slots):
            wire = out.rotate(wire, step)
        return (wire,)
    if isinstance(i.body, Chebyshev) and i.op not in strategy.native and _depth(i.body) > strategy.polynomials_up_to:
        return (polynomial.emit(out, args[0], i.body.coefficients),)
    if isinstance(i.body, LinearTransform) and i.op not in strategy.native:
        return _transform(out, args, i.body, strategy.steps)
    return copied(out, i, args)


def _depth(body: Chebyshev) -> int:
    return polynomial.depth(len(body.coefficients) - 1)


def copied(out: Circuit, i: Instruction, args: tuple[int, ...]) -> Sequence[int]:
    """Write an instruction as it is, on other operands."""
    if i.body is not None:
        return out.region(i.body, args, outs=len(i.outs), level=i.level)
    return (out.append(i.op, args, step=i.step, plain=i.plain, level=i.level, name=i.name),)


def _transform(out: Circuit, xs: Sequence[int], body: LinearTransform, steps: tuple[int, ...] | None) -> list[int]:
    """y_i = sum_g rotate(sum_{j, b} rotate(diag_{ij, g+b}, -g) * rotate(x_j, b), g)."""
    chosen = best_split(body, out.slots, steps=steps)
    rotated: list[dict[int, int]] = []
    for x, babies in zip(xs, chosen.babies, strict=True):
        nodes = {0: x}
        for node, parent, step in tree(babies, steps, out.slots):
            nodes[node] = out.rotate(nodes[parent], step)
        rotated.append(nodes)
    results = []
    for row, giants in zip(body.blocks, chosen.giants, strict=True):
        sums: dict[int, int] = {}
        for nodes, block in zip(rotated, row, strict=True):
            for k, plain in block:
                giant, baby = chosen.parts(k, out.slots)
                term = out.append(Op.MUL_PLAIN, (nodes[baby],), plain=_rolled(out, plain, giant))
                sums[giant] = out.add(sums[giant], term) if giant in sums else term
        results.append(_gather(out, sums, tree(giants, steps, out.slots)) if sums else out.mul_plain(xs[0], 0.0))
    return results


def _gather(out: Circuit, sums: dict[int, int], edges: list[tuple[int, int, int]]) -> int:
    """Carry partial sums along the tree to its root."""
    for node, parent, step in reversed(edges):
        turned = out.rotate(sums[node], step)
        sums[parent] = out.add(sums[parent], turned) if parent in sums else turned
    return sums[0]


def _rolled(out: Circuit, plain: Plain, giant: int) -> Plain:
    """rotate(plain, -giant)."""
    if giant == 0:
        return plain
    return out.plain(np.roll(out.periodic(plain), giant % out.periodic(plain).size))
