"""The client of SEAL: keys, encryption, decryption. A server process never imports this module."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vortex_crypto.container import Array, Artefact
from vortex_crypto.fhe.backends import KeySet, Needs, check_meta, checked_results, checked_vectors, ciphertexts_of
from vortex_crypto.fhe.backends.tenseal import (
    GENERATOR,
    Context,
    context_of,
    loaded,
    loaded_ciphertexts,
    saved,
)
from vortex_crypto.fhe.circuit import Vector
from vortex_crypto.fhe.params import Parameters


@dataclass(frozen=True)
class TensealClient:
    """Makes keys, encrypts and decrypts."""

    parameters: Parameters
    needs: Needs

    @property
    def _context(self) -> Context:
        return context_of(self.parameters)

    def keygen(self) -> KeySet:
        """A secret key, and the relinearisation and Galois keys that the program needs."""
        context, needs = self._context, self.needs
        maker = context.seal.KeyGenerator(context.context)
        meta = {"backend": "tenseal", "parameters": self.parameters.hash, "key": secrets.token_hex(16)}
        arrays: dict[str, Array] = {}
        if needs.keys.relinearization is not None:
            arrays["relinearization"] = saved(maker.create_relin_keys(), context.key_limit())
        for element in needs.keys.galois_elements(self.parameters.ring_degree, generator=GENERATOR):
            arrays[f"galois/{element}"] = saved(maker.create_galois_keys([element]), context.key_limit())
        secret = {"secret": saved(maker.secret_key(), context.ciphertext_limit())}
        insecure = self.parameters.insecure
        return KeySet(
            Artefact("secret-key", needs.program, meta, secret, insecure),
            Artefact("evaluation-keys", needs.program, meta, arrays, insecure),
        )

    def encrypt(self, secret: Artefact, vectors: Sequence[Vector]) -> Artefact:
        """Encrypt under the secret key, each vector at the level its input needs."""
        context, needs = self._context, self.needs
        encryptor = context.seal.Encryptor(context.context, self._secret_key(secret))
        arrays = []
        for vector, (_, level) in zip(checked_vectors(vectors, needs), needs.inputs, strict=True):
            plaintext = context.encode(vector, level, float(self.parameters.scale(level)))
            arrays.append(saved(encryptor.encrypt_symmetric(plaintext), context.ciphertext_limit()))
        meta = {"backend": "tenseal", "key": secret.meta["key"]}
        return ciphertexts_of(needs, "input", arrays, meta, insecure=self.parameters.insecure)

    def decrypt(self, secret: Artefact, ciphertexts: Artefact) -> list[Vector]:
        """Decrypt the outputs; the mean is taken over the repetitions of the circuit's slots."""
        context, needs = self._context, self.needs
        decryptor = context.seal.Decryptor(context.context, self._secret_key(secret))
        results = []
        for ciphertext in loaded_ciphertexts(context, needs, "output", ciphertexts, secret.meta["key"]).values():
            plaintext = context.seal.Plaintext()
            decryptor.decrypt(ciphertext, plaintext)
            decode = context.encoder.decode_complex if needs.complex_values else context.encoder.decode_double
            results.append(np.asarray(decode(plaintext)).reshape(-1, needs.slots).mean(axis=0))
        return checked_results(results, needs)

    def _secret_key(self, artefact: Artefact) -> Any:
        check_meta(artefact.expect(kind="secret-key", program=self.needs.program), "tenseal", self.parameters)
        context = self._context
        key = context.seal.SecretKey()
        limit = context.ciphertext_limit()
        return loaded(key, context, artefact.arrays.get("secret"), "the secret key", limit)
