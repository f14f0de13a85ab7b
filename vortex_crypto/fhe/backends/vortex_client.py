"""The client of the own scheme: keys, encryption, decryption. A server process never imports this module."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vortex_crypto.arith.engine import preferred
from vortex_crypto.container import Artefact
from vortex_crypto.fhe.backends import (
    KeySet,
    Needs,
    check_key,
    check_meta,
    checked_ciphertexts,
    checked_results,
    checked_vectors,
    ciphertexts_of,
)
from vortex_crypto.fhe.backends.vortex import (
    NAME,
    TO_DENSE,
    TO_SPARSE,
    context_of,
)
from vortex_crypto.fhe.circuit import Vector
from vortex_crypto.fhe.ckks import storage
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.keys import KeyGenerator, KeyNeeds, SecretKey
from vortex_crypto.fhe.params import Parameters


@dataclass(frozen=True)
class VortexClient:
    """Makes keys, encrypts and decrypts, on the engine it was made on; `threads` = 0 takes all processors."""

    parameters: Parameters
    needs: Needs
    threads: int = 0
    engine: str = field(default_factory=preferred)

    @property
    def _context(self) -> Context:
        return context_of(self.parameters, self.threads, self.engine)

    def keygen(self) -> KeySet:
        """A secret key, and the switching keys that the program needs, each at the highest level it is used at."""
        context, needs = self._context, self.needs
        generator = KeyGenerator(context)
        secret = generator.secret_key()
        product, galois = generator.evaluation_keys(
            secret, KeyNeeds(needs.keys.relinearization, needs.keys.galois_elements(self.parameters.ring_degree))
        )
        named = {f"galois/{element}": key for element, key in galois.items()}
        if product is not None:
            named["relinearization"] = product
        if needs.keys.encapsulation:
            named[TO_SPARSE], named[TO_DENSE] = generator.encapsulation_keys(secret)
        seeds, arrays = storage.key_arrays(named)
        meta = {"backend": NAME, "parameters": self.parameters.hash, "key": secrets.token_hex(16)}
        coefficients = {"secret": secret.coefficients.astype(np.int8)}
        insecure = self.parameters.insecure
        return KeySet(
            Artefact("secret-key", needs.program, meta, coefficients, insecure),
            Artefact("evaluation-keys", needs.program, {**meta, "seeds": seeds}, arrays, insecure),
        )

    def encrypt(self, secret: Artefact, vectors: Sequence[Vector]) -> Artefact:
        """Encrypt under the secret key, each vector at the level its input needs."""
        key, encryptor = self._secret_key(secret), Encryptor(self._context)
        made = [
            encryptor.encrypt(key, vector, level)
            for vector, (_, level) in zip(checked_vectors(vectors, self.needs), self.needs.inputs, strict=True)
        ]
        meta = {"backend": NAME, "key": secret.meta["key"], "seeds": [each.seed for each in made]}
        arrays = [each.half for each in made]
        return ciphertexts_of(self.needs, "input", arrays, meta, insecure=self.parameters.insecure)

    def decrypt(self, secret: Artefact, ciphertexts: Artefact) -> list[Vector]:
        """Decrypt the outputs; the mean is taken over the repetitions of the circuit's slots."""
        key, encryptor, needs = self._secret_key(secret), Encryptor(self._context), self.needs
        results: list[Vector] = []
        for name, level, array in checked_ciphertexts(ciphertexts, needs, "output", NAME):
            check_key(ciphertexts, secret.meta["key"])
            ciphertext = storage.ciphertext(self._context, array, level, f"output {name!r}")
            results.append(encryptor.decrypt(key, ciphertext, needs.slots))
        return checked_results(results, needs)

    def _secret_key(self, artefact: Artefact) -> SecretKey:
        check_meta(artefact.expect(kind="secret-key", program=self.needs.program), NAME, self.parameters)
        return SecretKey(storage.secret_coefficients(self._context, artefact.arrays.get("secret")))
