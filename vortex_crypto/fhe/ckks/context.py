"""A parameter set on an engine: one ring, and the numbering of the bases that levels and digits stand for."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from vortex_crypto.arith.ring import engine
from vortex_crypto.arith.ring.kernels import Basis, RingKernels
from vortex_crypto.fhe.params import Parameters


class Context:
    """The ring of a parameter set.

    Its primes are numbered: the chain (positions 0..levels), then the special primes. A ciphertext at level l has the
    basis 0..l; an *extended* basis has the special primes behind it.

    Args:
        parameters: checked parameters.
        engine_name: which engine computes: "native" or "reference".
        threads: processors for one kernel; 0 means all.
    """

    def __init__(self, parameters: Parameters, *, engine_name: str = "native", threads: int = 1) -> None:
        self.parameters = parameters
        self.engine_name = engine_name
        self.threads = threads
        self.moduli = parameters.chain + parameters.p
        self.ring: RingKernels = engine(engine_name).ring(parameters.ring_degree, self.moduli, threads=threads)
        self.special: Basis = tuple(range(len(parameters.chain), len(self.moduli)))
        self.special_product = math.prod(parameters.p)
        self.slots = parameters.slots

    @property
    def top_level(self) -> int:
        """The highest level of the chain, that of a ciphertext inside bootstrapping."""
        return len(self.parameters.chain) - 1

    def basis(self, level: int) -> Basis:
        return tuple(range(level + 1))

    def extended(self, level: int) -> Basis:
        return self.basis(level) + self.special

    def digits(self, level: int) -> tuple[Basis, ...]:
        """The key-switching digits of a polynomial at that level."""
        size = self.parameters.digit_size
        return tuple(tuple(range(i, min(i + size, level + 1))) for i in range(0, level + 1, size))

    def modulus(self, level: int) -> int:
        """The prime that a rescale at that level divides by."""
        return self.moduli[level]

    def scale(self, level: int) -> Fraction:
        """The canonical scale of a level in 0..max_level."""
        return self.parameters.scale(level)

    def galois_element(self, step: int) -> int:
        """The g for which X -> X^g turns slots left by `step`: 5^step modulo 2N."""
        return pow(5, step % self.slots, 2 * self.parameters.ring_degree)

    @property
    def conjugation(self) -> int:
        """The Galois element that conjugates every slot."""
        return 2 * self.parameters.ring_degree - 1

    def subring(self, degree: int) -> RingKernels:
        """The ring of the same primes and a smaller degree: Z[Y] inside Z[X], Y = X^(N/degree)."""
        return _subring(self.engine_name, degree, self.moduli, self.threads)


@lru_cache(maxsize=64)
def _subring(engine_name: str, degree: int, moduli: tuple[int, ...], threads: int) -> RingKernels:
    return engine(engine_name).ring(degree, moduli, threads=threads)
