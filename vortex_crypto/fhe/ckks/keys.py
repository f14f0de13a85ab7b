"""The client's side of keys: the secret, and everything that is made from it.

Not promised: constant time. The secret is in memory in the clear while a client lives; it never appears in a repr.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vortex_crypto.arith.ring.kernels import Basis, Integers, Residues
from vortex_crypto.arith.sampling import Sampler, fresh_seed
from vortex_crypto.errors import ParameterRefused
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.switching import CompressedKey


@dataclass(frozen=True, eq=False, repr=False)
class SecretKey:
    """A ternary secret; `coefficients` is int64 [N] in {-1, 0, 1}."""

    coefficients: Integers = field(repr=False)

    def __repr__(self) -> str:
        return f"SecretKey(degree={self.coefficients.size})"

    def ntt(self, context: Context, basis: Basis) -> Residues:
        """The secret modulo the primes of a basis, NTT form [limbs, N]."""
        return context.ring.ntt(context.ring.reduce_signed(self.coefficients, basis), basis)


@dataclass(frozen=True, eq=False)
class PublicKey:
    """An encryption of zero at some level, with which anyone can encrypt: uint64 [2, level + 1, N], NTT form."""

    pair: Residues


@dataclass(frozen=True)
class KeyNeeds:
    """Which evaluation keys a program needs, each with the highest level it is used at.

    Attributes:
        relinearisation: that level, or None where nothing is multiplied.
        galois: level by Galois element.
    """

    relinearisation: int | None = None
    galois: Mapping[int, int] = field(default_factory=dict)


class KeyGenerator:
    """Makes keys for one context.

    Args:
        context: the parameters and engine.
        sampler: where randomness comes from; the operating system unless a test gives a seeded one.
    """

    def __init__(self, context: Context, *, sampler: Sampler | None = None) -> None:
        self.context = context
        self._sampler = sampler or Sampler(context.ring)

    def secret_key(self) -> SecretKey:
        """A secret of the distribution the parameters name."""
        secret = self.context.parameters.secret
        return SecretKey(self._sampler.ternary(None if secret == "ternary" else secret))

    def public_key(self, secret: SecretKey, level: int) -> PublicKey:
        """A public key for ciphertexts at that level or below."""
        basis = self.context.basis(level)
        ring = self.context.ring
        mask = ring.expand_uniform(fresh_seed(), 0, basis)
        masked = ring.multiply(mask, secret.ntt(self.context, basis), basis)
        return PublicKey(np.stack([ring.sub(self._error(basis), masked, basis), mask]))

    def relinearisation_key(self, secret: SecretKey, level: int) -> CompressedKey:
        """From s^2 to s, for products at `level` or below."""
        basis = self.context.extended(level)
        s = secret.ntt(self.context, basis)
        return self.switching_key(self.context.ring.multiply(s, s, basis), secret, level)

    def galois_key(self, secret: SecretKey, element: int, level: int) -> CompressedKey:
        """From phi_g(s) to s, for automorphisms at `level` or below."""
        basis = self.context.extended(level)
        turned = self.context.ring.automorphism(secret.ntt(self.context, basis), element, basis)
        return self.switching_key(turned, secret, level)

    def switching_key(
        self, source: Residues, target: SecretKey, level: int, *, special: Basis | None = None
    ) -> CompressedKey:
        """A key from `source` to `target`.

        Args:
            source: NTT form, in the basis of `level` with the special primes behind it.
            target: the secret that switched ciphertexts are under.
            level: the highest level the key serves.
            special: the special primes it uses, as positions; all of them by default.
        """
        ring, digits = self.context.ring, self.context.digits(level)
        special = self.context.special if special is None else special
        basis = self.context.basis(level) + special
        s, seed = target.ntt(self.context, basis), fresh_seed()
        product = math.prod(self.context.moduli[i] for i in special)
        lifted = ring.multiply_scalar(source, product, basis)
        halves = np.empty((len(digits), len(basis), self.context.parameters.ring_degree), dtype=np.uint64)
        for j, digit in enumerate(digits):
            mask = ring.expand_uniform(seed, j, basis)
            half = ring.sub(self._error(basis), ring.multiply(mask, s, basis), basis)
            rows = slice(digit[0], digit[-1] + 1)
            half[rows] = ring.add(half[rows], lifted[rows], digit)
            halves[j] = half
        return CompressedKey(level, seed, halves)

    def encapsulation_keys(self, secret: SecretKey) -> tuple[CompressedKey, CompressedKey]:
        """To a sparse secret made here and forgotten, modulo q[0] * p[0] alone; and from it to `secret` at the top.

        At any larger modulus the first of them would give the sparse secret away: `check` holds q[0] * p[0] against
        the table, and this method knows no other.

        Raises:
            ParameterRefused: the parameters name no weight for it.
        """
        weight, context = self.context.parameters.literal.ephemeral_weight, self.context
        if weight is None:
            raise ParameterRefused("bootstrapping", "these parameters name no ephemeral secret to bootstrap with")
        sparse, special = SecretKey(self._sampler.ternary(weight)), context.special[:1]
        to_sparse = self.switching_key(secret.ntt(context, (0, *special)), sparse, 0, special=special)
        top = context.top_level
        return to_sparse, self.switching_key(sparse.ntt(context, context.extended(top)), secret, top)

    def evaluation_keys(
        self, secret: SecretKey, needs: KeyNeeds
    ) -> tuple[CompressedKey | None, dict[int, CompressedKey]]:
        """The relinearisation key and the Galois keys a program needs, each at its own level and no higher."""
        product = None if needs.relinearisation is None else self.relinearisation_key(secret, needs.relinearisation)
        return product, {g: self.galois_key(secret, g, level) for g, level in sorted(needs.galois.items())}

    def _error(self, basis: Basis) -> Residues:
        return self.context.ring.ntt(self.context.ring.reduce_signed(self._sampler.gaussian(), basis), basis)
