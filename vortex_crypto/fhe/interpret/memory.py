"""Bytes a run takes: ciphertexts alive at once, switching keys, plaintexts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vortex_crypto.fhe.backends import Capabilities
from vortex_crypto.fhe.circuit import Circuit, Constant, Instruction, LinearTransform, Op
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping
from vortex_crypto.fhe.interpret.bootstraps import bootstrap_keys, encoded_bytes, working_bytes
from vortex_crypto.fhe.interpret.keys import Keys, keys
from vortex_crypto.fhe.interpret.levels import State, levels
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.passes.lower import inline
from vortex_crypto.fhe.rotations import native


@dataclass(frozen=True)
class Memory:
    """Bytes.

    Attributes:
        ciphertexts: of all ciphertexts alive at the worst moment, the inner ones of native linear transforms included.
        keys: of all switching keys in memory.
        plaintexts: of the circuit's constants as stored, of those kept encoded, and of one being encoded.
    """

    ciphertexts: int
    keys: int
    plaintexts: int

    @property
    def total(self) -> int:
        return self.ciphertexts + self.keys + self.plaintexts


def memory(
    circuit: Circuit, parameters: Parameters, capabilities: Capabilities, bootstrapping: Bootstrapping | None = None
) -> Memory:
    """What running a lowered circuit takes, if wires are freed after their last use."""
    circuit = inline(circuit)
    states, needed = levels(circuit), keys(circuit)
    one = 8 * parameters.ring_degree * len(parameters.q)
    encoded = min(capabilities.plaintext_budget, _encoded(circuit, states, parameters))
    stored = sum(constant.nbytes for constant in circuit.constants)
    working = 0
    if bootstrapping is not None:
        needed = needed.merged(bootstrap_keys(parameters, bootstrapping))
        encoded += encoded_bytes(parameters, bootstrapping)
        working = working_bytes(parameters, bootstrapping)
    return Memory(
        _peak(circuit, states, parameters, working), key_bytes(needed, parameters, capabilities), stored + encoded + one
    )


def key_bytes(needed: Keys, parameters: Parameters, capabilities: Capabilities) -> int:
    """Bytes of switching keys in memory; the encapsulation's are one at the top of the chain and a small one."""
    above = [len(parameters.chain) - 1] if needed.encapsulation else []
    return sum(capabilities.key_bytes(parameters, level) for level in (*needed.levels, *above))


def _encoded(circuit: Circuit, states: Mapping[int, State], parameters: Parameters) -> int:
    """All plaintext factors, each in the subring of its period, diagonals with the special primes."""
    words = 0
    for i in circuit.instructions:
        if isinstance(i.body, LinearTransform):
            limbs = states[i.args[0]].level + 1 + len(parameters.p)
            cells = (block for row in i.body.blocks for block in row)
            words += limbs * sum(2 * len(circuit.periodic(plain)) for block in cells for _, plain in block)
        elif i.op is Op.MUL_PLAIN and isinstance(i.plain, Constant):
            words += (states[i.outs[0]].level + 1) * 2 * len(circuit.periodic(i.plain))
    return 8 * words


def _peak(circuit: Circuit, states: Mapping[int, State], parameters: Parameters, bootstrap: int) -> int:
    last = circuit.last_uses()
    alive = peak = 0
    for number, i in enumerate(circuit.instructions):
        inner = bootstrap if i.op is Op.BOOTSTRAP else _inner(circuit, i, states, parameters)
        peak = max(peak, alive + inner)
        alive += sum(_bytes(states[w], parameters.ring_degree) for w in i.outs)
        peak = max(peak, alive)
        alive -= sum(_bytes(states[w], parameters.ring_degree) for w in {*i.args, *i.outs} if last[w] <= number)
    return peak


def _inner(circuit: Circuit, i: Instruction, states: Mapping[int, State], parameters: Parameters) -> int:
    """What a native linear transform holds: an operand turned by all its babies, every result's sums by giant step.

    Both are pairs in the extended basis; babies that others start from keep their decomposition.
    """
    if not isinstance(i.body, LinearTransform):
        return 0
    how, level = native(i.body, circuit.slots, circuit.steps), states[i.args[0]].level
    row = 8 * parameters.ring_degree * (level + 1 + len(parameters.p))
    digits = -(-(level + 1) // parameters.digit_size)
    turned = max(2 * (1 + len(edges)) + digits * len({parent for _, parent, _ in edges}) for edges in how.babies)
    return row * (turned + 2 * sum(map(len, how.split.giants)))


def _bytes(state: State, ring_degree: int) -> int:
    return 8 * state.size * (state.level + 1) * ring_degree
