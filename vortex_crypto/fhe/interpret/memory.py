"""Bytes a run takes: ciphertexts alive at once, switching keys, plaintexts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vortex_crypto.fhe.backends import Capabilities
from vortex_crypto.fhe.circuit import Circuit
from vortex_crypto.fhe.interpret.keys import keys
from vortex_crypto.fhe.interpret.levels import State, levels
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.passes.lower import inline


@dataclass(frozen=True)
class Memory:
    """Bytes.

    Attributes:
        ciphertexts: of all ciphertexts alive at the worst moment.
        keys: of all switching keys in memory.
        plaintexts: of the circuit's constants as stored, and one of them encoded.
    """

    ciphertexts: int
    keys: int
    plaintexts: int

    @property
    def total(self) -> int:
        return self.ciphertexts + self.keys + self.plaintexts


def memory(circuit: Circuit, parameters: Parameters, capabilities: Capabilities) -> Memory:
    """What running a lowered circuit takes, if wires are freed after their last use."""
    circuit = inline(circuit)
    states, needed = levels(circuit), keys(circuit)
    single = [level for level in (needed.relinearization, needed.conjugation) if level is not None]
    key_bytes = sum(capabilities.key_bytes(parameters, level) for level in (*needed.rotations.values(), *single))
    encoded = 8 * parameters.ring_degree * len(parameters.q)
    stored = sum(constant.nbytes for constant in circuit.constants)
    return Memory(_peak(circuit, states, parameters.ring_degree), key_bytes, stored + encoded)


def _peak(circuit: Circuit, states: Mapping[int, State], ring_degree: int) -> int:
    last = circuit.last_uses()
    alive = peak = 0
    for number, i in enumerate(circuit.instructions):
        alive += sum(_bytes(states[w], ring_degree) for w in i.outs)
        peak = max(peak, alive)
        alive -= sum(_bytes(states[w], ring_degree) for w in {*i.args, *i.outs} if last[w] <= number)
    return peak


def _bytes(state: State, ring_degree: int) -> int:
    return 8 * state.size * (state.level + 1) * ring_degree
