"""The switching keys a lowered circuit needs, each with the highest level it is used at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vortex_crypto.fhe.circuit import Circuit, LinearTransform, Op
from vortex_crypto.fhe.interpret.levels import levels
from vortex_crypto.fhe.passes.lower import inline
from vortex_crypto.fhe.rotations import native


@dataclass(frozen=True)
class Keys:
    """What is switched.

    Attributes:
        rotations: highest level by step, the step in [1, slots).
        relinearization: highest level, or None if no product is relinearised.
        conjugation: highest level, or None.
        encapsulation: whether the two keys to bootstrapping's sparse secret and back are needed.
    """

    rotations: Mapping[int, int]
    relinearization: int | None = None
    conjugation: int | None = None
    encapsulation: bool = False

    def __len__(self) -> int:
        single = (self.relinearization is not None) + (self.conjugation is not None)
        return len(self.rotations) + single + 2 * self.encapsulation

    @property
    def levels(self) -> list[int]:
        """Of every key but the encapsulation's."""
        single = (self.relinearization, self.conjugation)
        return [level for level in (*self.rotations.values(), *single) if level is not None]

    def galois_elements(self, ring_degree: int, *, generator: int = 5) -> dict[int, int]:
        """Highest level by Galois element, of rotations and conjugation; `generator` as `galois_element`'s."""
        found = {
            galois_element(step, ring_degree, generator=generator): level for step, level in self.rotations.items()
        }
        if self.conjugation is not None:
            found[conjugation_element(ring_degree)] = self.conjugation
        return found

    def merged(self, other: Keys) -> Keys:
        """Keys that serve both."""
        rotations = {
            step: max(self.rotations.get(step, 0), other.rotations.get(step, 0))
            for step in sorted({*self.rotations, *other.rotations})
        }
        relinearization = _higher(self.relinearization, other.relinearization)
        conjugation = _higher(self.conjugation, other.conjugation)
        return Keys(rotations, relinearization, conjugation, self.encapsulation or other.encapsulation)


def _higher(a: int | None, b: int | None) -> int | None:
    levels = [level for level in (a, b) if level is not None]
    return max(levels, default=None)


def keys(circuit: Circuit) -> Keys:
    """Walk a lowered circuit; native linear transforms are split by `rotations.native`.

    What happens inside bootstraps is left out: `interpret.bootstraps.bootstrap_keys` has it.
    """
    circuit = inline(circuit)
    states = levels(circuit)
    rotations: dict[int, int] = {}
    highest: dict[Op, int] = {}
    for i in circuit.instructions:
        level = states[i.args[0]].level if i.args else 0
        steps = [i.step] if i.op is Op.ROTATE else []
        if isinstance(i.body, LinearTransform):
            steps = sorted(native(i.body, circuit.slots, circuit.steps).steps)
        for step in steps:
            rotations[step] = max(level, rotations.get(step, 0))
        highest[i.op] = max(level, highest.get(i.op, 0))
    return Keys(dict(sorted(rotations.items())), highest.get(Op.RELINEARIZE), highest.get(Op.CONJUGATE))


def galois_element(step: int, ring_degree: int, *, generator: int = 5) -> int:
    """The automorphism X -> X^g that rotates the slots left by `step`, in an encoding ordered by powers of `generator`.

    The own scheme orders the slots by powers of 5, SEAL by powers of 3.
    """
    return pow(generator, step % (ring_degree // 2), 2 * ring_degree)


def conjugation_element(ring_degree: int) -> int:
    """The automorphism X -> X^g that conjugates every slot, in any order of the slots."""
    return 2 * ring_degree - 1
