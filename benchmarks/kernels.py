"""Kernels: RNS transforms and key-switch arithmetic beside SEAL; fields and curves, if `kernels_field` is there.

`python -m benchmarks.kernels [--json] [--quick]`. A row's `seconds` is one call; `ntt_ring` and `intt_ring` are per
limb, since that is the unit in which libraries of RNS rings compare.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.harness import Row, compare, machine, note, parser, share, show
from vortex_crypto.arith.ring import RingKernels, engine
from vortex_crypto.arith.ring.native import ISAS
from vortex_crypto.arith.ring.primes import ntt_primes_below
from vortex_crypto.errors import ParameterRefused

LIMBS = 8
SEED = bytes(32)


def ring(degree: int, limbs: int, *, bits: int = 49, threads: int = 1, isa: str | None = None) -> RingKernels:
    """A native ring over the largest primes below 2^bits."""
    return engine("native").ring(degree, ntt_primes_below(bits, limbs, degree), threads=threads, isa=isa)


def seal_transform(degree: int) -> tuple[str, Callable[[], Any]] | None:
    """SEAL's forward transform of LIMBS limbs: a BFV ciphertext of LIMBS / 2 data primes, both polynomials."""
    try:
        import tenseal.sealapi as seal
    except ImportError:
        note("TenSEAL is not installed: no SEAL beside ntt_ring")
        return None
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    parameters.set_poly_modulus_degree(degree)
    bits = 40 if degree == 1 << 13 else 49
    parameters.set_coeff_modulus(seal.CoeffModulus.Create(degree, [bits] * (LIMBS // 2 + 1)))
    parameters.set_plain_modulus(seal.PlainModulus.Batching(degree, 20))
    context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.NONE)
    public = seal.PublicKey()
    seal.KeyGenerator(context).create_public_key(public)
    plain, cipher, target = seal.Plaintext("1"), seal.Ciphertext(), seal.Ciphertext()
    seal.Encryptor(context, public).encrypt(plain, cipher)
    evaluator = seal.Evaluator(context)
    return "SEAL (TenSEAL)", lambda: evaluator.transform_to_ntt(cipher, target)


def per_limb(row: Row) -> Row:
    """The row with its seconds, and those of its peer, for one limb."""
    return {**row, **{key: row[key] / LIMBS for key in ("seconds", "peer_seconds", "seconds_alone") if key in row}}


def transforms(log_degrees: tuple[int, ...]) -> Iterator[Row]:
    """Forward and inverse transforms by size, path, width of primes and threads."""
    for log_n in log_degrees:
        degree = 1 << log_n
        peer = seal_transform(degree)
        for isa in reversed(ISAS):
            for bits in (49, 60):
                yield from _transform(degree, isa, bits, peer)


def _transform(degree: int, isa: str, bits: int, peer: tuple[str, Callable[[], Any]] | None) -> Iterator[Row]:
    try:
        one, two = (ring(degree, LIMBS, bits=bits, threads=threads, isa=isa) for threads in (1, 2))
    except ParameterRefused as error:
        note(str(error))
        return
    basis = tuple(range(LIMBS))
    x = one.expand_uniform(SEED, 0, basis)
    facts: dict[str, Any] = {"isa": isa, "prime_bits": bits}
    yield per_limb(compare("ntt_ring", degree, lambda: one.ntt(x, basis), peer, threads=1, **facts))
    yield per_limb(share("ntt_ring", degree, lambda: one.ntt(x, basis), lambda: two.ntt(x, basis), **facts))
    yield per_limb(compare("intt_ring", degree, lambda: one.intt(x, basis), None, threads=1, **facts))
    yield per_limb(share("intt_ring", degree, lambda: one.intt(x, basis), lambda: two.intt(x, basis), **facts))


def switching(sizes: tuple[tuple[int, int, int, int], ...]) -> Iterator[Row]:
    """Key switching and its parts, for (log N, limbs, special primes, digits)."""
    for log_n, limbs, special_count, digit_count in sizes:
        for threads in (1, 2):
            degree = 1 << log_n
            r = ring(degree, limbs + special_count, threads=threads)
            basis, special = tuple(range(limbs)), tuple(range(limbs, limbs + special_count))
            whole, length = basis + special, -(-limbs // digit_count)
            digits = tuple(basis[i : i + length] for i in range(0, limbs, length))
            x = r.expand_uniform(SEED, 0, basis)
            pair = np.stack([x, x])
            key = np.stack(
                [np.stack([r.expand_uniform(SEED, 2 * j + k, whole) for k in (0, 1)]) for j in range(len(digits))]
            )
            lifted = r.decompose(x, digits, special)
            inner = r.key_switch_inner(lifted, key, whole, whole)
            facts = {"threads": threads, "limbs": limbs, "special": special_count, "digits": len(digits)}
            for name, kernel in _switching_kernels(r, x, pair, key, lifted, inner, digits, special).items():
                yield compare(name, degree, kernel, None, **facts)


def _switching_kernels(
    r: RingKernels,
    x: np.ndarray,
    pair: np.ndarray,
    key: np.ndarray,
    lifted: np.ndarray,
    inner: np.ndarray,
    digits: tuple[tuple[int, ...], ...],
    special: tuple[int, ...],
) -> dict[str, Callable[[], Any]]:
    basis = sum(digits, ())
    whole = basis + special
    weights, terms = [[x.copy() for _ in range(8)] for _ in range(2)], [pair.copy() for _ in range(8)]
    return {
        "key_switch": lambda: r.key_switch(x, key, digits, special, whole, galois_element=5),
        "decompose": lambda: r.decompose(x, digits, special),
        "key_switch_inner": lambda: r.key_switch_inner(lifted, key, whole, whole, galois_element=5),
        "mod_down": lambda: r.mod_down(inner, whole, len(special)),
        "rescale": lambda: r.mod_down(pair, basis, 1),
        "tensor": lambda: r.tensor(pair, pair, basis),
        "weighted_sums_2x8": lambda: r.weighted_sums(weights, terms, basis),
        "expand_uniform": lambda: r.expand_uniform(SEED, 0, basis),
    }


def encoding(log_degrees: tuple[int, ...]) -> Iterator[Row]:
    """The encoder's kernels at full slots, four limbs."""
    rng, basis = np.random.default_rng(0), (0, 1, 2, 3)
    for log_n in log_degrees:
        degree = 1 << log_n
        r = ring(degree, 4)
        z = rng.normal(size=degree // 2) + 1j * rng.normal(size=degree // 2)
        extended, c, x = np.stack([z, 0 * z]), rng.normal(size=degree), r.expand_uniform(SEED, 0, basis)
        kernels: dict[str, Callable[[], Any]] = {
            "special_fft": lambda r=r, z=z: r.special_fft(z),
            "special_fft_extended": lambda r=r, e=extended: r.special_fft_extended(e),
            "round_to_residues": lambda r=r, c=c: r.round_to_residues(c, None, (2.0**45, 0.0), basis),
            "lift_to_floats": lambda r=r, x=x: r.lift_to_floats(x[:2], basis[:2]),
        }
        for name, kernel in kernels.items():
            yield compare(name, degree, kernel, None, threads=1)


def rows(*, quick: bool) -> Iterator[Row]:
    """All rows; quick ones leave the large sizes out."""
    yield machine("tenseal")
    yield from transforms((13,) if quick else (13, 14, 15, 16))
    yield from switching(((13, 4, 1, 4),) if quick else ((14, 8, 3, 3), (15, 16, 5, 4), (16, 32, 11, 3)))
    yield from encoding((13,) if quick else (14, 15, 16))
    if importlib.util.find_spec("benchmarks.kernels_field"):
        field = importlib.import_module("benchmarks.kernels_field")
        yield from field.rows(quick=quick)


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--quick", action="store_true", help="small sizes only")
    options = arguments.parse_args()
    show(rows(quick=options.quick), as_json=options.json, title="Kernels")


if __name__ == "__main__":
    main()
