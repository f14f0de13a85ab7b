"""Encryption and decryption: the client's side.

Decryption returns the message with the scheme's noise. Whoever sees decryptions of ciphertexts whose making he knows
learns that noise, and from enough of it the secret (Li and Micciancio, ia.cr/2020/1533: IND-CPA-D). A client that keeps
its results to itself needs nothing; one that shares them uses `flooding` or `rounding`, or `fhe.sharing`, which does
both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vortex_crypto.arith.ring.kernels import Residues
from vortex_crypto.arith.sampling import Sampler, fresh_seed
from vortex_crypto.errors import InvalidInput
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext, SeededCiphertext
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encoder import Encoder, Slots
from vortex_crypto.fhe.ckks.keys import PublicKey, SecretKey
from vortex_crypto.fhe.sharing import gaussian


class Encryptor:
    """Encrypts and decrypts for one context.

    Args:
        context: the parameters and engine.
        sampler: where errors come from; the operating system unless a test gives a seeded one.
    """

    def __init__(self, context: Context, *, sampler: Sampler | None = None) -> None:
        self.context = context
        self.encoder = Encoder(context)
        self._sampler = sampler or Sampler(context.ring)

    def encrypt(self, secret: SecretKey, values: ArrayLike, level: int) -> SeededCiphertext:
        """Encrypt under the secret key at the canonical scale of `level`: half the size, and less noise.

        Raises:
            InvalidInput: the values cannot be encoded.
        """
        ring, basis, scale = self.context.ring, self.context.basis(level), self.context.scale(level)
        seed = fresh_seed()
        message = self._encoded(values, level)
        masked = ring.multiply(ring.expand_uniform(seed, 0, basis), secret.ntt(self.context, basis), basis)
        return SeededCiphertext(ring.sub(ring.add(message, self._error(level), basis), masked, basis), seed, scale)

    def encrypt_public(self, key: PublicKey, values: ArrayLike, level: int) -> Ciphertext:
        """Encrypt under a public key at the canonical scale of `level`.

        Raises:
            InvalidInput: the values cannot be encoded, or the key was made for lower levels.
        """
        if level >= key.pair.shape[1]:
            raise InvalidInput(f"the public key serves levels up to {key.pair.shape[1] - 1}, not {level}")
        ring, basis = self.context.ring, self.context.basis(level)
        blind = ring.ntt(ring.reduce_signed(self._sampler.ternary(), basis), basis)
        pair = ring.multiply(key.pair[:, : level + 1], blind, basis)
        first = ring.add(ring.add(pair[0], self._error(level), basis), self._encoded(values, level), basis)
        return Ciphertext(np.stack([first, ring.add(pair[1], self._error(level), basis)]), self.context.scale(level))

    def decrypt(
        self,
        secret: SecretKey,
        ciphertext: Ciphertext,
        slots: int,
        *,
        flooding: float = 0.0,
        rounding: int | None = None,
    ) -> Slots:
        """The first `slots` slots.

        Args:
            flooding: standard deviation, in units of the message, of Gaussian noise added to every coefficient's slot
                image; 2^(lambda/2) times the noise estimate hides the noise statistically.
            rounding: keep so many bits after the binary point; hides the noise if it is far smaller than the step.
        """
        phase, basis = self.phase(secret, ciphertext), self.context.basis(ciphertext.level)
        values = self.encoder.decode(phase, basis, ciphertext.scale, slots)[:slots]
        if flooding:
            values = values + flooding * gaussian(slots)
        if rounding is not None:
            values = np.round(values * 2.0**rounding) / 2.0**rounding
        return values

    def phase(self, secret: SecretKey, ciphertext: Ciphertext) -> Residues:
        """c0 + c1 s (+ c2 s^2), NTT form [level + 1, N]: the scaled message with its noise."""
        basis = self.context.basis(ciphertext.level)
        s = secret.ntt(self.context, basis)
        total: Residues = ciphertext.parts[-1]
        for part in ciphertext.parts[-2::-1]:
            total = self.context.ring.multiply_add(total, s, part, basis)
        return total

    def _encoded(self, values: ArrayLike, level: int) -> Residues:
        plain = self.encoder.encode(values, self.context.scale(level), self.context.basis(level))
        return plain.expanded(self.context.parameters.ring_degree)

    def _error(self, level: int) -> Residues:
        basis = self.context.basis(level)
        return self.context.ring.ntt(self.context.ring.reduce_signed(self._sampler.gaussian(), basis), basis)
