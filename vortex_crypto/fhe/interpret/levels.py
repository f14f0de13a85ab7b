"""Levels, scales and sizes of a lowered circuit's wires; also the check that it was lowered rightly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vortex_crypto.errors import InvalidGraph, OutOfLevels
from vortex_crypto.fhe import polynomial
from vortex_crypto.fhe.circuit import Bootstrap, Chebyshev, Circuit, Instruction, Op
from vortex_crypto.fhe.params import Parameters


@dataclass(frozen=True, slots=True)
class State:
    """What a ciphertext is.

    Attributes:
        level: it lives modulo q_0 ... q_level.
        pending: its scale is q_level * S_(level-1) and awaits a RESCALE; else S_level.
        size: polynomials, 2 or (a product not yet relinearised) 3.
    """

    level: int
    pending: bool = False
    size: int = 2

    def scale(self, parameters: Parameters) -> Fraction:
        """The exact scale."""
        return parameters.pending_scale(self.level) if self.pending else parameters.scale(self.level)


def levels(circuit: Circuit) -> dict[int, State]:
    """The state of every wire.

    Raises:
        InvalidGraph: an instruction's operands do not fit together; names the instruction.
        OutOfLevels: an instruction needs a level below the lowest.
    """
    states: dict[int, State] = {}
    for number, i in enumerate(circuit.instructions):
        result = _state(i, [states[w] for w in i.args])
        if isinstance(result, str):
            raise InvalidGraph(f"instruction {number} ({i.op.name} of {i.origin or 'the circuit'}): {result}")
        states.update(dict.fromkeys(i.outs, result))
    for name, wire in circuit.outputs:
        if states[wire].pending or states[wire].size != 2:
            raise InvalidGraph(f"output {name!r} still awaits a rescale or a relinearisation")
    return states


def _state(i: Instruction, args: list[State]) -> State | str:
    if i.op is Op.INPUT:
        return State(i.level) if i.level is not None and i.level >= 0 else "an input needs a level"
    if i.op is Op.MUL_PLAIN:
        return _plain_product(i, args[0])
    if i.op in (Op.RESCALE, Op.RELINEARIZE):
        return _maintenance(i.op, args[0])
    if any(a.level != args[0].level or a.pending != args[0].pending for a in args):
        return f"its operands differ in level or scale: {args}"
    if i.op in (Op.MUL, Op.LINEAR_TRANSFORM):
        return _product(i, args)
    if i.op in (Op.ROTATE, Op.CONJUGATE, Op.POLYNOMIAL) and args[0].size != 2:
        return "its operand is not relinearised"
    if isinstance(i.body, Bootstrap):
        return _bootstrap(i, args[0])
    if isinstance(i.body, Chebyshev):
        return _polynomial(i, i.body, args[0])
    return State(args[0].level, args[0].pending, max(a.size for a in args))


def _plain_product(i: Instruction, a: State) -> State | str:
    if a.pending or a.size != 2:
        return "its operand awaits a rescale or a relinearisation"
    if i.level is None or not 0 <= i.level <= a.level:
        return f"it runs at level {i.level}, and its operand is at level {a.level}"
    if i.level == 0:
        raise OutOfLevels(i.origin, 1, 0)
    return State(i.level, True)


def _product(i: Instruction, args: list[State]) -> State | str:
    if any(a.pending or a.size != 2 for a in args):
        return "an operand awaits a rescale or a relinearisation"
    if args[0].level == 0:
        raise OutOfLevels(i.origin, 1, 0)
    return State(args[0].level, True, 3 if i.op is Op.MUL else 2)


def _maintenance(op: Op, a: State) -> State | str:
    if op is Op.RELINEARIZE:
        return State(a.level, a.pending, 2) if a.size == 3 else "its operand needs no relinearisation"
    if not a.pending or a.size != 2:
        return "its operand needs no rescale, or a relinearisation first"
    return State(a.level - 1)


def _polynomial(i: Instruction, body: Chebyshev, a: State) -> State | str:
    needed = polynomial.depth(len(body.coefficients) - 1)
    if a.pending:
        return "its operand awaits a rescale"
    if needed > a.level:
        raise OutOfLevels(i.origin, needed, a.level)
    return State(a.level - needed)


def _bootstrap(i: Instruction, a: State) -> State | str:
    if a.pending or a.size != 2:
        return "its operand awaits a rescale or a relinearisation"
    return State(i.level) if i.level is not None and i.level >= 0 else "a bootstrap needs the level of its result"
