"""The loop of every session: one instruction after the other, each wire freed after its last use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from vortex_crypto.errors import VortexError
from vortex_crypto.fhe.backends import Progress
from vortex_crypto.fhe.circuit import Circuit, Instruction

Value = TypeVar("Value")
Compute = Callable[[int, Instruction], Sequence[Value]]
"""What instruction number n gives, one value an outgoing wire."""


def execute(circuit: Circuit, wires: dict[int, Value], compute: Compute[Value], progress: Progress | None) -> None:
    """Compute a circuit; `wires` holds what is alive at each moment, and the outputs in the end."""
    last = circuit.last_uses()
    for number, i in enumerate(circuit.instructions):
        if progress is not None:
            progress(number, len(circuit.instructions), i.origin)
        wires.update(zip(i.outs, compute(number, i), strict=True))
        for wire in {*i.args, *i.outs}:
            if last[wire] <= number:
                del wires[wire]


def guarded(
    library: str, errors: tuple[type[BaseException], ...], compute: Callable[[int, Instruction], Value]
) -> Compute[Value]:
    """`compute` for instructions with one result, with what its library raises told as an error that names the place.

    Raises:
        VortexError: when it computes, in place of any of `errors`.
    """

    def computed(number: int, i: Instruction) -> Sequence[Value]:
        try:
            return [compute(number, i)]
        except errors as error:
            raise VortexError(f"{library} could not run {i.op.name} of {i.origin or 'the circuit'}: {error}") from error

    return computed
