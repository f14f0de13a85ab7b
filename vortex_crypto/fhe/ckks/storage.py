"""Keys and ciphertexts as arrays, and back, with everything from outside checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vortex_crypto.arith.ring.kernels import Basis, Residues
from vortex_crypto.arith.ring.stream import SEED_BYTES
from vortex_crypto.container import Array
from vortex_crypto.errors import MalformedArtefact, MissingKey
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.switching import CompressedKey


def residues(context: Context, array: Array | None, basis: Basis, parts: tuple[int, ...], what: str) -> Residues:
    """An array from outside as residues [*parts, limbs, N], contiguous and reduced.

    Raises:
        MalformedArtefact: it is missing, of another shape or dtype, or a residue is not below its prime.
    """
    shape = (*parts, len(basis), context.parameters.ring_degree)
    if array is None or array.dtype != np.uint64 or array.shape != shape:
        found = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
        raise MalformedArtefact(f"{what} should be uint64 {list(shape)}, and {found} is given")
    values: Residues = np.ascontiguousarray(array)
    if not context.ring.is_reduced(values, basis):
        raise MalformedArtefact(f"{what} holds residues that are not below their primes")
    return values


def seed(value: Any, what: str) -> bytes:
    """A seed from outside.

    Raises:
        MalformedArtefact: it is not 32 bytes.
    """
    if type(value) is not bytes or len(value) != SEED_BYTES:
        raise MalformedArtefact(f"{what} should come with a seed of {SEED_BYTES} bytes")
    return value


def ciphertext(context: Context, array: Array, level: int, what: str) -> Ciphertext:
    """A ciphertext of two parts at the canonical scale of its level.

    Raises:
        MalformedArtefact: the array is not that.
    """
    return Ciphertext(residues(context, array, context.basis(level), (2,), what), context.scale(level))


def key_arrays(keys: Mapping[str, CompressedKey]) -> tuple[dict[str, bytes], dict[str, Array]]:
    """(seeds, arrays) of named compressed keys."""
    return {name: key.seed for name, key in keys.items()}, {name: key.halves for name, key in keys.items()}


def compressed_key(
    context: Context, seeds: Any, arrays: Mapping[str, Array], name: str, level: int, *, special: Basis | None = None
) -> CompressedKey:
    """One of `key_arrays`' keys, for that level.

    Raises:
        MissingKey: it is not there.
        MalformedArtefact: it is damaged or another one.
    """
    if name not in arrays:
        raise MissingKey(f"the evaluation keys hold no key {name!r}, which the program needs; make them anew")
    basis = context.basis(level) + (context.special if special is None else special)
    what = f"key {name!r}"
    found = seed(seeds.get(name) if isinstance(seeds, dict) else None, what)
    return CompressedKey(level, found, residues(context, arrays[name], basis, (len(context.digits(level)),), what))


def secret_coefficients(context: Context, array: Array | None) -> Any:
    """A secret key's coefficients, int64 [N].

    Raises:
        MalformedArtefact: they are not ternary, or not as many as the ring's degree.
    """
    degree = context.parameters.ring_degree
    if array is None or array.dtype != np.int8 or array.shape != (degree,) or np.abs(array).max(initial=0) > 1:
        raise MalformedArtefact(f"a secret key is int8 [{degree}] with entries -1, 0 and 1")
    return array.astype(np.int64)
