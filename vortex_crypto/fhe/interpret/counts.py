"""How many operations of which kind a lowered circuit makes, by origin and level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vortex_crypto.fhe.circuit import Circuit, Constant, Instruction, LinearTransform, Op
from vortex_crypto.fhe.interpret.levels import levels
from vortex_crypto.fhe.passes.lower import inline
from vortex_crypto.fhe.rotations import native

Counts = dict[str, Counter[tuple[str, int]]]
"""origin -> (kind, level) -> how many. Kinds are the opcodes' names in lower case, with `mul_number` for products with
one number, and `hoisted_rotate` for the babies of a native transform, which share a decomposition. A `bootstrap` is one
operation, at the level of its operand."""


def counts(circuit: Circuit) -> Counts:
    """Count a lowered circuit's operations; inputs cost nothing."""
    circuit = inline(circuit)
    states = levels(circuit)
    found: Counts = {}
    for i in circuit.instructions:
        operands = [states[w].level for w in i.args] or [0]
        level = states[i.outs[0]].level if i.op is Op.MUL_PLAIN else operands[0]
        for kind, number in kinds(circuit, i):
            found.setdefault(i.origin, Counter())[kind, level] += number
    return found


def totals(found: Counts) -> dict[str, int]:
    """How many of each kind, over all origins and levels."""
    total: Counter[str] = Counter()
    for counter in found.values():
        for (kind, _), number in counter.items():
            total[kind] += number
    return dict(sorted(total.items()))


def kinds(circuit: Circuit, i: Instruction) -> Iterator[tuple[str, int]]:
    """The operations of one instruction that is no polynomial, and how many of each."""
    if isinstance(i.body, LinearTransform):
        chosen = native(i.body, circuit.slots, circuit.steps)
        yield "hoisted_rotate", chosen.hoisted
        yield "rotate", chosen.whole
        yield "mul_plain", sum(len(block) for row in i.body.blocks for block in row)
    elif i.op is Op.MUL_PLAIN and not isinstance(i.plain, Constant):
        yield "mul_number", 1
    elif i.op is not Op.INPUT:
        yield i.op.name.lower(), 1
