"""Decryptions that others may see.

A CKKS decryption is the message and the scheme's noise. Whoever knows the message, because he chose the inputs or can
compute them, learns the noise, which is linear in the secret key: from enough of it he solves for the key (Li and
Micciancio, ia.cr/2020/1533: IND-CPA-D). A client that keeps its results to itself needs nothing. Before they are
published, or sent back to whoever chose the inputs or runs the server, the noise is drowned in Gaussian noise of the
client's own (Li, Micciancio, Schultz, Sorrell, ia.cr/2022/816).
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.errors import InvalidInput

MAX_BITS = 52
"""Beyond them a double has nothing to round."""

Values = NDArray[Any]


def shared(values: Values, bits: int) -> Values:
    """Values with Gaussian noise of deviation 2^-bits, rounded to multiples of 2^-bits.

    If what they hold of the scheme's noise is at most 2^-p, whoever sees n of them tells them from values without any
    with an advantage of at most sqrt(n) 2^-(p - bits) / 2 (Pinsker's inequality); so p - bits is what protects the key.

    Args:
        values: float64 or complex128 of any shape; complex numbers get noise in both parts.
        bits: after the binary point.

    Raises:
        InvalidInput: the bits are not in -52..52.
    """
    if not -MAX_BITS <= bits <= MAX_BITS:
        raise InvalidInput(f"results cannot be shared to {bits} bits; name at most {MAX_BITS} after the binary point")
    noise = gaussian(values.size).reshape(values.shape)
    step = 2.0**-bits
    drowned = values + step * (noise if np.iscomplexobj(values) else noise.real)
    result: Values = np.round(drowned / step) * step
    return result


def gaussian(count: int) -> NDArray[np.complex128]:
    """Standard normal real and imaginary parts, by Box and Muller from the operating system's entropy."""
    words = np.frombuffer(secrets.token_bytes(16 * count), dtype=np.uint64).reshape(2, count)
    radius, turn = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54
    result: NDArray[np.complex128] = np.sqrt(-2 * np.log(radius)) * np.exp(2j * np.pi * turn)
    return result
