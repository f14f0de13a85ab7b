"""Slots to polynomials and back: the canonical embedding, scaled and rounded.

A vector of n slots, n a power of two up to N/2, is encoded in the subring of degree 2n, which is to say that it is
repeated over all N/2 slots: nothing is padded with zeros, and the encoding is n log n however large the ring.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vortex_crypto.arith.ring.embedding import split_scale
from vortex_crypto.arith.ring.kernels import Basis, Residues
from vortex_crypto.errors import InvalidInput
from vortex_crypto.fhe.ckks.ciphertext import Plaintext
from vortex_crypto.fhe.ckks.context import Context

MIN_SLOTS = 4
MAX_DECODED_LIMBS = 8
"""A message is far smaller than the product of so many primes, so the others tell nothing more."""
EXTENDED_FROM = 1 << 46
"""From this scale on the double-double transform is used: the plain one is right to 48 bits of the largest slot."""

Slots = NDArray[np.complex128]


class Encoder:
    """Encodes for one context."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def encode(self, values: ArrayLike, scale: Fraction, basis: Basis) -> Plaintext:
        """round(scale * p) for the polynomial p whose slots are `values`.

        Args:
            values: real or complex [n], n a power of two up to N/2; fewer slots than N/2 are repeated.
            scale: factor between slots and integers.
            basis: which primes to reduce by.

        Raises:
            InvalidInput: the length is no such power of two, a value is not finite, or value times scale is too large.
        """
        slots = self._slots(values)
        ring = self.context.subring(2 * slots.size)
        if scale < EXTENDED_FROM:
            high, low = _coefficients(ring.special_ifft(slots)), None
        else:
            pair = ring.special_ifft_extended(np.stack([slots, np.zeros_like(slots)]))
            high, low = _coefficients(pair[0]), _coefficients(pair[1])
        return Plaintext(ring.ntt(ring.round_to_residues(high, low, split_scale(scale), basis), basis), basis, scale)

    def decode(self, residues: Residues, basis: Basis, scale: Fraction, slots: int) -> Slots:
        """The first `slots` slots of a polynomial [limbs, N] in NTT form, divided by the scale.

        Where the vector was repeated, the noise of all repetitions averages out: the subring's part is read.
        """
        ring = self.context.ring
        basis = basis[:MAX_DECODED_LIMBS]
        high, low = ring.lift_to_floats(ring.intt(residues[: len(basis)], basis), basis)
        slots = max(slots, MIN_SLOTS)
        gap = self.context.slots // slots
        ratio = float(1 / scale)
        coefficients = high[::gap] * ratio + low[::gap] * ratio
        small = self.context.subring(2 * slots)
        return small.special_fft(coefficients[:slots] + 1j * coefficients[slots:])

    def _slots(self, values: ArrayLike) -> Slots:
        slots = np.atleast_1d(np.asarray(values)).astype(np.complex128)
        count = slots.size
        if slots.ndim != 1 or not count or count & (count - 1) or count > self.context.slots:
            raise InvalidInput(
                f"a vector of shape {slots.shape} cannot be encoded; give a power of two of at most "
                f"{self.context.slots} entries"
            )
        if not np.isfinite(slots).all():
            raise InvalidInput("a vector to be encoded has entries that are not finite")
        return np.tile(slots, MIN_SLOTS // count) if count < MIN_SLOTS else slots


def _coefficients(folded: Slots) -> NDArray[Any]:
    return np.concatenate([folded.real, folded.imag])
