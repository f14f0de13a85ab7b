"""Write nothing twice and nothing unused."""

from __future__ import annotations

from collections.abc import Hashable

from vortex_crypto.fhe.circuit import Circuit, Instruction, Op
from vortex_crypto.fhe.passes.expand import copied, copy_of, finished

_COMMUTES = (Op.ADD, Op.MUL)


def cse(circuit: Circuit) -> Circuit:
    """The circuit without repeated instructions and without those that no output needs (inputs stay)."""
    needed = _needed(circuit)
    out = copy_of(circuit)
    wires: dict[int, int] = {}
    known: dict[Hashable, tuple[int, ...]] = {}
    for i in circuit.instructions:
        if i.op is not Op.INPUT and not needed.intersection(i.outs):
            continue
        args = tuple(wires[w] for w in i.args)
        key = _key(i, args)
        if key not in known:
            with out.origin(i.origin):
                known[key] = tuple(copied(out, i, args))
        wires.update(zip(i.outs, known[key], strict=True))
    return finished(out, circuit, wires)


def _needed(circuit: Circuit) -> set[int]:
    needed = {wire for _, wire in circuit.outputs}
    for i in reversed(circuit.instructions):
        if needed.intersection(i.outs):
            needed.update(i.args)
    return needed


def _key(i: Instruction, args: tuple[int, ...]) -> Hashable:
    plain = (type(i.plain).__name__, i.plain)
    return (i.op, tuple(sorted(args)) if i.op in _COMMUTES else args, i.step, plain, i.level, i.body, i.name)
