"""Parameter sets for bootstrapping at 128 bits, each with the settings it was made for.

The special primes exceed the digits they serve by some bits: with none to spare, key switching would be the largest
noise of all. Precision is the mean over slots of random messages of size 1, measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping
from vortex_crypto.fhe.params import ParametersLiteral


@dataclass(frozen=True)
class BootstrapSet:
    """A literal, and how to bootstrap with it at full packing."""

    literal: ParametersLiteral
    settings: Bootstrapping


N16 = BootstrapSet(
    ParametersLiteral(
        log_n=16,
        log_q=(60, *[40] * 9),
        log_p=(61,) * 5,
        log_scale=40,
        secret=192,
        log_bootstrap=(39,) * 3 + (60,) * 8 + (56,) * 4,
        ephemeral_weight=32,
    ),
    Bootstrapping(slots=1 << 15, babies=(4, 8, 8, 4, 8, 8, 4)),
)
"""Nine levels of 40 bits and 26 bits of precision; baby steps are few where their keys are the largest."""

N15 = BootstrapSet(
    ParametersLiteral(
        log_n=15,
        log_q=(33, 25, 25),
        log_p=(51, 60),
        log_scale=25,
        secret=192,
        log_bootstrap=(36,) * 2 + (50,) * 8 + (49, 48),
        ephemeral_weight=32,
    ),
    Bootstrapping(slots=1 << 14, to_coefficients=2, to_slots=2, babies=16),
)
"""Two levels of 25 bits and 15 bits of precision, of the 16 that such a scale has."""
