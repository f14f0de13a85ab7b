"""The loop of every session: one instruction after the other, each wire freed after its last use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from vortex_crypto.errors import MalformedArtefact, VortexError
from vortex_crypto.fhe.backends import Progress
from vortex_crypto.fhe.circuit import Circuit, Instruction, Op, Vector
from vortex_crypto.fhe.interpret.keys import conjugation_element, galois_element
from vortex_crypto.fhe.plan import CkksPlan

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


class LibraryRun(ABC):
    """One run in another library: the ciphertexts alive, and what its instructions have in common.

    Args:
        plan: what is run.
        inputs: ciphertexts by name.
        galois: the library's keys by Galois element.
        encode: makes a plaintext of a vector whose length divides the slots, at a level and a scale.
    """

    library: ClassVar[str]
    errors: ClassVar[tuple[type[BaseException], ...]]
    """What the library's exceptions become in Python."""
    generator: ClassVar[int]
    """Of the group that orders the library's slots."""

    def __init__(
        self,
        plan: CkksPlan,
        inputs: dict[str, Any],
        galois: Mapping[int, Any],
        encode: Callable[[Vector, int, float], Any],
    ) -> None:
        self.circuit, self.states, self.parameters = plan.circuit, plan.states, plan.parameters
        self.inputs, self.galois, self.encode = inputs, galois, encode
        self.last = self.circuit.last_uses()
        self.wires: dict[int, Any] = {}

    @abstractmethod
    def result(self, number: int, i: Instruction) -> Any:
        """What instruction number n gives, which is no input and has one result."""

    def run(self, progress: Progress | None) -> dict[int, Any]:
        """Compute the circuit; the outputs, by wire.

        Raises:
            VortexError: the library could not; the text names the instruction.
        """
        execute(self.circuit, self.wires, self._computed, progress)
        return self.wires

    def _computed(self, number: int, i: Instruction) -> Sequence[Any]:
        try:
            return [self.inputs.pop(i.name) if i.op is Op.INPUT else self.result(number, i)]
        except self.errors as error:
            place = i.origin or "the circuit"
            raise VortexError(f"{self.library} could not run {i.op.name} of {place}: {error}") from error

    def args(self, i: Instruction) -> list[Any]:
        return [self.wires[wire] for wire in i.args]

    def scale(self, wire: int) -> float:
        return float(self.states[wire].scale(self.parameters))

    def addend(self, i: Instruction) -> Any:
        """The plaintext that is added: at the level and the scale of the operand."""
        (wire,) = i.args
        return self._encoded(i, self.states[wire].level, self.scale(wire))

    def factor(self, i: Instruction) -> Any:
        """The plaintext of a product: at the level and the scale that lead to those of the result."""
        (wire,), (out,) = i.args, i.outs
        return self._encoded(i, self.states[out].level, self.scale(out) / self.scale(wire))

    def _encoded(self, i: Instruction, level: int, scale: float) -> Any:
        if i.plain is None:
            raise MalformedArtefact("an instruction on a plaintext has none")
        return self.encode(self.circuit.periodic(i.plain), level, scale)

    def dropped(self, i: Instruction) -> int:
        """By how many levels the operand of a product with a plaintext lies above the result."""
        return self.states[i.args[0]].level - self.states[i.outs[0]].level

    def turning(self, i: Instruction) -> tuple[int, Any]:
        """The Galois element of a rotation or conjugation, and its key."""
        degree = self.parameters.ring_degree
        turned = i.op is Op.ROTATE
        element = galois_element(i.step, degree, generator=self.generator) if turned else conjugation_element(degree)
        return element, self.galois[element]
