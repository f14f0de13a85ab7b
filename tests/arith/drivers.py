"""What the builds of the native core's drivers share: where they are, how they are called, what they must answer."""

from __future__ import annotations

import re
from pathlib import Path

from vortex_crypto.arith.ring.primes import ntt_primes_below, primitive_root

NATIVE = Path(__file__).parents[2] / "native"
# A digest of all results of a driver: one, whatever the machine, its instruction sets, the compiler and its options.
DIGESTS = Path(__file__).parent / "digests.golden.json"
RING_DEGREES = (8, 256, 2048)
X86_ONLY = ("_avx2", "_ifma", "_x86")


def ring_arguments(degree: int) -> list[str]:
    """Three primes below 2^50 and two below 2^61, each with a root of order 2 * degree, for `ring_driver`."""
    primes = ntt_primes_below(50, 3, degree) + ntt_primes_below(61, 2, degree)
    return [str(degree), *(str(v) for q in primes for v in (q, primitive_root(q, 2 * degree)))]


def digest(output: str) -> str:
    """The digest in what a driver printed."""
    found = re.search(r"^digest ([0-9a-f]{16})$", output, re.MULTILINE)
    assert found, f"a driver printed no digest: {output!r}"
    return found[1]
