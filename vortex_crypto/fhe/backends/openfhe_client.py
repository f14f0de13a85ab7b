"""The client of OpenFHE: keys, encryption, decryption. A server process never imports this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vortex_crypto.container import Array, Artefact
from vortex_crypto.fhe.backends import KeySet, Needs, checked_results, checked_vectors, ciphertexts_of
from vortex_crypto.fhe.backends.openfhe import (
    NAME,
    check_tag,
    loaded_ciphertexts,
    parts_of,
)
from vortex_crypto.fhe.backends.openfhe_format import GENERATOR, Context, checked_residues, context_of
from vortex_crypto.fhe.circuit import Vector
from vortex_crypto.fhe.params import Parameters


@dataclass(frozen=True)
class OpenfheClient:
    """Makes keys, encrypts and decrypts."""

    parameters: Parameters
    needs: Needs

    @property
    def _context(self) -> Context:
        return context_of(self.parameters)

    def keygen(self) -> KeySet:
        """A secret key, and the relinearisation and Galois keys that the program needs."""
        context, needs = self._context, self.needs
        secret = context.context.KeyGen().secretKey
        tag = secret.GetKeyTag()
        meta = {"backend": NAME, "parameters": self.parameters.hash, "key": tag}
        every = self.parameters.q + self.parameters.p
        made: dict[str, Any] = {}
        if needs.keys.relinearization is not None:
            made["relinearization"] = _product_key(context, secret, tag)
        for element in needs.keys.galois_elements(self.parameters.ring_degree, generator=GENERATOR):
            made[f"galois/{element}"] = _galois_key(context, secret, element)
        arrays: dict[str, Array] = {
            name: context.residues(key, every, tag).reshape(context.key_shape) for name, key in made.items()
        }
        held: dict[str, Array] = {"secret": context.residues(secret, self.parameters.q, tag)}
        insecure = self.parameters.insecure
        return KeySet(
            Artefact("secret-key", needs.program, meta, held, insecure),
            Artefact("evaluation-keys", needs.program, meta, arrays, insecure),
        )

    def encrypt(self, secret: Artefact, vectors: Sequence[Vector]) -> Artefact:
        """Encrypt under the secret key, each vector at the level its input needs."""
        context, needs = self._context, self.needs
        key, tag = self._secret_key(secret), secret.meta["key"]
        arrays = []
        for vector, (_, level) in zip(checked_vectors(vectors, needs), needs.inputs, strict=True):
            plaintext = context.encode(vector, level, float(self.parameters.scale(level)))
            arrays.append(parts_of(context, context.context.Encrypt(key, plaintext), level, tag))
        return ciphertexts_of(needs, "input", arrays, {"backend": NAME, "key": tag}, insecure=self.parameters.insecure)

    def decrypt(self, secret: Artefact, ciphertexts: Artefact) -> list[Vector]:
        """Decrypt the outputs; the mean is taken over the repetitions of the circuit's slots."""
        context, needs = self._context, self.needs
        key = self._secret_key(secret)
        results: list[Vector] = []
        found = loaded_ciphertexts(context, needs, "output", ciphertexts, secret.meta["key"])
        for ciphertext, (_, level) in zip(found.values(), needs.outputs, strict=True):
            read = np.asarray(context.context.Decrypt(ciphertext, key).GetCKKSPackedValue(), np.complex128)
            slots = read.reshape(-1, needs.slots).mean(axis=0)
            results.append(slots * (context.unit / float(self.parameters.scale(level))))
        return checked_results(results, needs)

    def _secret_key(self, artefact: Artefact) -> Any:
        check_tag(artefact.expect(kind="secret-key", program=self.needs.program), self.parameters)
        context, moduli = self._context, self.parameters.q
        shape = (len(moduli), context.degree)
        rows = checked_residues(artefact.arrays.get("secret"), shape, moduli, "the secret key")
        blank = context.context.KeyGen().secretKey
        frame = context.frame(blank, moduli, blank.GetKeyTag())
        data = frame.filled(rows, artefact.meta["key"])
        return context.openfhe.DeserializePrivateKeyString(data, context.openfhe.BINARY)


def _product_key(context: Context, secret: Any, tag: str) -> Any:
    """From the secret's square; OpenFHE's store of such keys, one for the whole process, is emptied again."""
    context.context.EvalMultKeyGen(secret)
    [key] = context.context.GetEvalMultKeyVector(tag)
    context.openfhe.ClearEvalMultKeys()
    return key


def _galois_key(context: Context, secret: Any, element: int) -> Any:
    """A map of one key; OpenFHE's store of them, one for the whole process, is emptied again."""
    made = context.context.EvalAutomorphismKeyGen(secret, [element])
    context.context.ClearEvalAutomorphismKeys()
    return made
