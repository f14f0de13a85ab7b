"""The kernel set of RNS rings: what CKKS code computes with, whichever machine runs it.

Conventions, for every kernel:

- A ring is Z_Q[X]/(X^N + 1). `moduli` lists all its primes once (the modulus chain, then the special primes); a
  *basis* is a tuple of positions in that list, and limb i of an array [..., limbs, N] is modulo moduli[basis[i]].
- Residues are uint64 in [0, q), on the way in and on the way out. Kernels do not look whether operands are in range
  (`is_reduced` does); out-of-range operands give wrong residues, never out-of-bounds access.
- Coefficient form: coefficient of X^i at place i. NTT form: place j holds p(psi^(2 brv(j) + 1)), where psi is the
  primitive 2N-th root `primes.primitive_root(q, 2N)` and brv reverses log2(N) bits.
- Results are new arrays, C-contiguous; operands are never written.

References: Harvey, "Faster arithmetic for number-theoretic transforms" (2014); Halevi, Polyakov, Shoup, "An improved
RNS variant of the BFV homomorphic encryption scheme" (2019); Han, Ki, "Better bootstrapping for approximate homomorphic
encryption" (2020), for digits; Cheon et al., "Homomorphic encryption for arithmetic of approximate numbers" (2017).

Not promised: constant time. Sampling of secrets avoids secret-dependent branches and addresses where it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Residues = NDArray[np.uint64]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Basis = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Turned:
    """The pair `key_switch_inner` would give of these arguments, not computed yet: a term of `weighted_sums`."""

    lifted: Residues
    key: Residues
    key_basis: Basis
    galois_element: int = 1
    addend: Residues | None = None


class RingKernels(Protocol):
    """One ring (degree and primes) with its tables, on one engine.

    All methods raise ShapeMismatch on shapes and dtypes that do not fit, and ParameterRefused on a basis that names no
    prime of the ring or an even Galois element.
    """

    @property
    def degree(self) -> int:
        """N, a power of two."""

    @property
    def moduli(self) -> tuple[int, ...]:
        """Every prime of the ring."""

    # Transforms and pointwise arithmetic: x, a, b, c are [..., limbs, N].

    def ntt(self, x: Residues, basis: Basis) -> Residues:
        """Coefficient form to NTT form."""

    def intt(self, x: Residues, basis: Basis) -> Residues:
        """NTT form to coefficient form."""

    def add(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        """a + b. Here and below `b` may also be [limbs, N], used for every leading index of `a`.

        Here alone it may also be [k, limbs, N] for a [m, limbs, N], k < m: what follows the first k is copied.
        """

    def sub(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        """a - b."""

    def negate(self, a: Residues, basis: Basis) -> Residues:
        """-a."""

    def multiply(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        """a * b place by place: the ring's product in NTT form."""

    def multiply_add(self, a: Residues, b: Residues, c: Residues, basis: Basis) -> Residues:
        """a * b + c; c has the shape of a."""

    def tensor(self, a: Residues, b: Residues, basis: Basis) -> Residues:
        """(a0 b0, a0 b1 + a1 b0, a1 b1) of a, b [2, limbs, N] as [3, limbs, N]: the product of two ciphertexts."""

    def tensor_sum(
        self, pairs: Sequence[tuple[Residues, Residues]], basis: Basis, *, addend: Residues | None = None
    ) -> Residues:
        """sum_j tensor(a_j, b_j) + addend for pairs (a_j, b_j), [3, limbs, N]; addend [1 or 2, limbs, N].

        One pass over memory, one reduction a result: products of ciphertexts that are relinearised together.
        """

    def add_scalar(
        self, a: Residues, scalar: int | Sequence[int], basis: Basis, *, count: int | None = None
    ) -> Residues:
        """a + scalar at every place (in NTT form: a plus a constant polynomial). One integer, or one for each limb.

        With `count`, to the first so many polynomials of a [m, limbs, N] alone: the others are copied.
        """

    def multiply_scalar(self, a: Residues, scalar: int | Sequence[int], basis: Basis) -> Residues:
        """a * scalar. One integer of any size and sign, or one for each limb."""

    def automorphism(self, x: Residues, galois_element: int, basis: Basis, *, ntt: bool = True) -> Residues:
        """p(X) to p(X^g), g odd, in NTT form or (ntt=False) coefficient form."""

    # Change of basis.

    def extend(self, x: Residues, source: Basis, target: Basis, *, exact: bool = True) -> Residues:
        """Residues modulo the target primes of the integer that x [..., len(source), N] stands for. Coefficient form.

        With D the product of the source primes and y_i = x_i (D/q_i)^-1 mod q_i, the integer is sum_i y_i D/q_i - v D.
        exact: v = round(sum_i y_i / q_i), so it is the representative in [-D/2, D/2]; the sum is taken in double
        precision, in the order of the basis, so within 2^-48 D of a border it may be the other representative.
        Not exact: v = 0, so it is the representative in [0, D) plus at most len(source) - 1 times D.
        """

    def mod_down(
        self, x: Residues, basis: Basis, count: int, *, galois_element: int = 1, addend: Residues | None = None
    ) -> Residues:
        """round(x / D) + phi(addend) over basis[:-count], D the product of the last `count` primes. NTT form.

        Rescaling (count = 1 or 2) and the division by the special primes after key switching. Rounding is that of
        `extend`, exact: (x - lift(x mod D)) / D. phi is the automorphism of galois_element; addend is
        [1 or 2, len(basis) - count, N], for the first one or two of x [m, len(basis), N].
        """

    def reduce_signed(self, x: Integers, basis: Basis) -> Residues:
        """Signed integers int64 [..., N] to residues [..., limbs, N]."""

    def is_reduced(self, x: Residues, basis: Basis) -> bool:
        """Every residue is in [0, q): the check for arrays that came from outside."""

    # Key switching.

    def decompose(self, x: Residues, digits: Sequence[Basis], special: Basis) -> Residues:
        """Digits of x [L, N] in NTT form, each lifted to the whole basis: [len(digits), L + K, N] in NTT form.

        `digits` cuts the basis of x into consecutive groups: x has the limbs sum(digits, ()). Digit j is `extend`,
        exact, of the limbs of group j to all limbs of the basis and of `special`. The step that hoisting shares.
        """

    def key_switch_inner(
        self,
        lifted: Residues,
        key: Residues,
        basis: Basis,
        key_basis: Basis,
        *,
        galois_element: int = 1,
        addend: Residues | None = None,
    ) -> Residues:
        """sum_j phi(lifted[j]) * key[j] + phi(addend), a pair [2, len(basis), N]. NTT form.

        lifted is [d, len(basis), N], as `decompose` gives it for basis = limbs + special; key is
        [>= d, 2, len(key_basis), N], with basis a subset of key_basis (a key made at a higher level serves below).
        phi is the automorphism of galois_element, applied on the fly. addend is [1 or 2, len(basis), N], for the first
        part of the pair or both.
        """

    def key_switch(
        self,
        x: Residues,
        key: Residues,
        digits: Sequence[Basis],
        special: Basis,
        key_basis: Basis,
        *,
        galois_element: int = 1,
        addend: Residues | None = None,
        drop: int = 0,
    ) -> Residues:
        """mod_down(key_switch_inner(decompose(x))) + phi(addend), a pair [2, L - drop, N]. NTT form in and out.

        mod_down drops all special primes. With addend = [c0] this is a rotation of (c0, x) in one pass; with
        addend = [c0, c1] and x = c2 it is a relinearisation. With P the product of the special primes, `drop` > 0 is
        mod_down(key_switch_inner(decompose(x)) + P phi(addend)) by the last `drop` primes of x as well: a key switch
        and the rescale of its result, with one division.
        """

    def weighted_sums(
        self, weights: Sequence[Sequence[Residues | None]], terms: Sequence[Residues | Turned], basis: Basis
    ) -> Residues:
        """out[g] = sum_b weights[g][b] * terms[b]: [len(weights), parts, limbs, N]. NTT form.

        weights[g][b] is a plaintext [limbs, N] or None for zero; terms[b] is [parts, limbs, N]. At most 2^10 terms.
        A plaintext of the subring of degree M, M dividing N, may stay [limbs, M]: each value stands for N / M places.
        The inner loop of matrix-vector products by diagonals: one pass over memory, one reduction a result. A term may
        be a `Turned` pair over that basis, which is then never in memory as a whole: its digits stay in the cache for
        all terms that have them, and its key is read once.
        """

    # Encoding.

    def special_fft(self, values: Complexes) -> Complexes:
        """z_j = sum_k w_k zeta^(5^j k), zeta = exp(2 pi i / 4n), along w [..., n]; n a power of two up to N/2.

        For w_k = c_k + i c_(k+n) these are the slots p(zeta^(5^j)) of the polynomial with 2n real coefficients c.
        Error below 2^-48 of the largest magnitude.
        """

    def special_ifft(self, values: Complexes) -> Complexes:
        """The inverse of `special_fft`."""

    def special_fft_extended(self, values: Complexes) -> Complexes:
        """`special_fft` in double-double precision: [..., 2, n], high parts and low parts. Error below 2^-96."""

    def special_ifft_extended(self, values: Complexes) -> Complexes:
        """The inverse of `special_fft_extended`."""

    def round_to_residues(self, high: Floats, low: Floats | None, scale: tuple[float, float], basis: Basis) -> Residues:
        """Residues [..., limbs, N] of round((high + low) * (scale[0] + scale[1])), high and low [..., N].

        The product is taken in double-double (`embedding.multiply_dd`); its magnitude must be below 2^120
        (`embedding.split_scale` makes the pair from an exact scale). With low None and a power of two for scale it is
        exact.
        A magnitude of 2^120 or more, or a value that is not finite, raises InvalidInput.
        """

    def lift_to_floats(self, x: Residues, basis: Basis) -> tuple[Floats, Floats]:
        """The integers in (-Q/2, Q/2] that x [..., limbs, N] (coefficient form) stands for, Q the product of the basis.

        high is the integer rounded to double (ties to even), low what is left rounded to double; both [..., N].
        """

    # Sampling: ChaCha20 (RFC 8439) under a 32-byte seed; equal arguments give equal results on every engine.

    def expand_uniform(self, seed: bytes, stream: int, basis: Basis) -> Residues:
        """[limbs, N] uniform modulo each prime, by rejection; a limb depends on seed, stream, place in moduli."""

    def sample_ternary(self, seed: bytes, stream: int) -> Integers:
        """int64 [N], uniform on {-1, 0, 1}."""

    def sample_sparse_ternary(self, seed: bytes, stream: int, weight: int) -> Integers:
        """int64 [N] in {-1, 0, 1} with exactly `weight` entries other than 0, uniform among those."""

    def sample_gaussian(self, seed: bytes, stream: int) -> Integers:
        """int64 [N] from the discrete Gaussian of standard deviation 3.2 (`stream.gaussian_thresholds`)."""


class RingEngine(Protocol):
    """Makes rings; `name` is "reference", "native" or "cuda"."""

    @property
    def name(self) -> str: ...

    def ring(self, degree: int, moduli: Sequence[int], *, threads: int = 1, isa: str | None = None) -> RingKernels:
        """The ring of that degree over those primes.

        Args:
            threads: processors to use for one kernel; 0 means all of them.
            isa: force a code path of the engine ("portable", "avx2", "ifma"); None picks the best of this machine.

        Raises:
            ParameterRefused: degree, primes or path out of range, or primes not distinct.
        """
