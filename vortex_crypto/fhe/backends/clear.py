"""The simulated back end: nothing is encrypted, and the noise is that of the model.

It speaks the protocol of the others, with the same artefacts, so that whole programs can be tried in moments. All it
makes is marked insecure: its "ciphertexts" are the plaintext vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, MalformedArtefact
from vortex_crypto.fhe.backends import (
    Capabilities,
    KeySet,
    Needs,
    Progress,
    checked_ciphertexts,
    checked_results,
    checked_vectors,
    ciphertexts_of,
)
from vortex_crypto.fhe.backends.running import execute
from vortex_crypto.fhe.circuit import Instruction, Vector
from vortex_crypto.fhe.ckks.sets import N15, N16
from vortex_crypto.fhe.interpret import clear
from vortex_crypto.fhe.interpret.noise import NoiseModel, perturb
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.plan import CkksPlan

NOTICE = "NOT ENCRYPTED: plaintext of the clear back end"


@dataclass(frozen=True)
class ClearClient:
    """Encrypts nothing."""

    parameters: Parameters
    needs: Needs

    def keygen(self) -> KeySet:
        """Two artefacts with nothing in them."""
        meta = {"backend": "clear", "notice": NOTICE}
        return KeySet(
            Artefact("secret-key", self.needs.program, meta, insecure=True),
            Artefact("evaluation-keys", self.needs.program, meta, insecure=True),
        )

    def encrypt(self, secret: Artefact, vectors: Sequence[Vector]) -> Artefact:
        """The vectors as they are."""
        self._check(secret)
        return _wrapped(self.needs, "input", checked_vectors(vectors, self.needs))

    def decrypt(self, secret: Artefact, ciphertexts: Artefact) -> list[Vector]:
        """The vectors as they are."""
        self._check(secret)
        return checked_results(_unwrapped(self.needs, "output", ciphertexts), self.needs)

    def _check(self, secret: Artefact) -> None:
        """Keys of a back end that does encrypt never lead to plaintext: whoever made them expects protection."""
        if secret.expect(kind="secret-key", program=self.needs.program).meta.get("backend") != "clear":
            raise ArtefactMismatch("these keys are of a back end that encrypts; the clear back end hides nothing")


@dataclass(frozen=True)
class ClearSession:
    """Runs a plan on plaintext vectors with simulated noise."""

    plan: CkksPlan
    seed: int | None = None

    def run(self, ciphertexts: Artefact, progress: Progress | None = None) -> Artefact:
        """Each instruction's exact result, with the noise the model says it adds."""
        circuit, needs = self.plan.circuit, self.plan.needs
        vectors = _unwrapped(needs, "input", ciphertexts)
        inputs = {name: vector for (name, _), vector in zip(needs.inputs, vectors, strict=True)}
        values = self._simulated(inputs, progress)
        return _wrapped(needs, "output", [values[wire] for _, wire in circuit.outputs])

    def _simulated(self, inputs: dict[str, Vector], progress: Progress | None) -> dict[int, Vector]:
        circuit, rng = self.plan.circuit, np.random.default_rng(self.seed)
        model = NoiseModel(self.plan.parameters, circuit.slots, bootstrapping=self.plan.bootstrapping)
        values: dict[int, Vector] = {}

        def perturbed(_: int, i: Instruction) -> list[Vector]:
            args = [values[w] for w in i.args]
            with np.errstate(over="ignore", invalid="ignore"):  # the client refuses what is not finite
                results = clear.evaluate(circuit, i, args, inputs)
                return [
                    perturb(circuit, i, row, self.plan.states, model, args, result, rng)
                    for row, result in enumerate(results)
                ]

        execute(circuit, values, perturbed, progress)
        return values


@dataclass(frozen=True)
class ClearServer:
    """Holds a plan; `seed` makes the simulated noise repeatable."""

    plan: CkksPlan
    seed: int | None = None

    def prepare(self) -> None:
        """Nothing is to be prepared."""

    def load(self, evaluation: Artefact) -> ClearSession:
        """A session; there are no keys to load."""
        evaluation.expect(kind="evaluation-keys", program=self.plan.hash)
        if evaluation.meta.get("backend") != "clear":
            raise MalformedArtefact("these evaluation keys are not of the clear back end")
        return ClearSession(self.plan, self.seed)


@dataclass(frozen=True)
class ClearBackend:
    """The roster's entry."""

    name: str = "clear"
    capabilities: Capabilities = Capabilities(protects=False, bootstraps=(N15, N16))  # noqa: RUF009

    def client(self, parameters: Parameters, needs: Needs) -> ClearClient:
        return ClearClient(parameters, needs.fitting(parameters, self.capabilities))

    def server(self, plan: CkksPlan, *, seed: int | None = None) -> ClearServer:
        return ClearServer(plan, seed)


BACKEND = ClearBackend()


def _wrapped(needs: Needs, role: str, vectors: Sequence[Vector]) -> Artefact:
    arrays = [np.ascontiguousarray(vector) for vector in vectors]
    return ciphertexts_of(needs, role, arrays, {"backend": "clear", "notice": NOTICE}, insecure=True)


def _unwrapped(needs: Needs, role: str, artefact: Artefact) -> list[Vector]:
    vectors = []
    for name, _, vector in checked_ciphertexts(artefact, needs, role, "clear"):
        if vector.shape != (needs.slots,) or vector.dtype not in (np.float64, np.complex128):
            raise MalformedArtefact(f"{role} {name!r} is no vector of {needs.slots} numbers")
        if role == "input" and not np.isfinite(vector).all():
            raise MalformedArtefact(f"{role} {name!r} holds numbers that are not finite")
        vectors.append(vector)
    return vectors
