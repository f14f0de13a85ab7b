"""Parameter sets for bootstrapping at 128 bits, each with the settings it was made for.

The special primes exceed the digits they serve by some bits: with none to spare, key switching would be the largest
noise of all. Precision is the mean over slots of random messages of size 1, measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping
from vortex_crypto.fhe.params import ParametersLiteral


@dataclass(frozen=True)
class BootstrapSet:
    """A literal, and how to bootstrap with it at full packing."""

    literal: ParametersLiteral
    settings: Bootstrapping

    def at(self, slots: int) -> Bootstrapping:
        """The settings for fewer slots, which are faster.

        Coefficients of messages of fewer slots are larger and there is less noise in them: the scale they are raised
        at falls by a bit for every two that the slots have fewer, as far as q0 has room, so that the sine's cube and
        the noise stay of one size.
        """
        room = self.literal.log_q[0] - self.literal.log_scale
        lower = (self.settings.slots.bit_length() - slots.bit_length()) // 2
        eval_mod = replace(self.settings.eval_mod, log_ratio=min(self.settings.eval_mod.log_ratio + lower, room))
        return replace(self.settings, slots=slots, eval_mod=eval_mod)


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
    Bootstrapping(slots=1 << 15),
)
"""Nine levels of 40 bits and 26 bits of precision."""

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
    Bootstrapping(slots=1 << 14, to_coefficients=2, to_slots=2, memory=2 << 30),
)
"""Two levels of 25 bits and 15 bits of precision, of the 16 that such a scale has."""
