"""snarkjs's JSON documents: verification_key.json, proof.json and public.json. Numbers are decimal strings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import (
    G1Affine,
    G2Affine,
    decode,
    encode,
    g1_from_ints,
    g1_to_ints,
    g2_from_ints,
    g2_to_ints,
)
from vortex_crypto.arith.field.bn254 import FQ, FR, P, R, X
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.container import replacing
from vortex_crypto.errors import InvalidInput, MalformedArtefact, MalformedProof
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16.keys import Proof, VerifyingKey

Array = NDArray[Any]

MAX_BYTES = 16 << 20
MAX_PUBLIC = 1 << 17
MAX_DEPTH = 8
CURVES = ("bn128", "bn254", "altbn128")
EXPONENT_FACTOR = 2 * X * (6 * X**2 + 3 * X + 1)
"""snarkjs raises pairings to this multiple of (p^12-1)/r, as in Fuentes-Castañeda and others, 2011."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)


def read_verifying_key(path: str | os.PathLike[str], *, kernels: FieldKernels | None = None) -> VerifyingKey:
    """The key of a verification_key.json, every point checked; who made it is not known, so it is not marked insecure.

    Raises:
        MalformedArtefact: the file is no such document, or a point is not valid; the text names the field.
    """
    kernels = kernels or default_kernels()
    document = _Document(path, MalformedArtefact)
    document.expect_groth16()
    n_public = document.value("nPublic")
    rows = document.value("IC")
    if type(n_public) is not int or not isinstance(rows, list) or not 0 <= n_public <= MAX_PUBLIC:
        raise document.refuse("nPublic", f"should be a number up to {MAX_PUBLIC}")
    if len(rows) != n_public + 1:
        raise document.refuse("IC", f"has {len(rows)} points; {n_public + 1} belong to {n_public} public values")
    return VerifyingKey(
        program="",
        alpha_g1=document.g1(kernels, "vk_alpha_1"),
        beta_g2=document.g2(kernels, "vk_beta_2"),
        gamma_g2=document.g2(kernels, "vk_gamma_2"),
        delta_g2=document.g2(kernels, "vk_delta_2"),
        ic=document.g1_list(kernels, "IC"),
        insecure=False,
    )


def write_verifying_key(
    path: str | os.PathLike[str], key: VerifyingKey, *, kernels: FieldKernels | None = None
) -> None:
    """Write a plain key as verification_key.json, e(α, β) included.

    Raises:
        InvalidInput: the key has commitments, which the document cannot hold.
    """
    if key.commitments or key.n_challenges:
        raise InvalidInput("a verifying key with commitments cannot be written for snarkjs, which knows none")
    kernels = kernels or default_kernels()
    multiple = kernels.g1.multiply(key.alpha_g1[None], encode(FR, [EXPONENT_FACTOR]))
    alpha_beta = kernels.pairing_product(multiple, key.beta_g2[None])
    document = {
        "protocol": "groth16",
        "curve": "bn128",
        "nPublic": key.n_public,
        "vk_alpha_1": _g1(key.alpha_g1),
        "vk_beta_2": _g2(key.beta_g2),
        "vk_gamma_2": _g2(key.gamma_g2),
        "vk_delta_2": _g2(key.delta_g2),
        "vk_alphabeta_12": _nested(alpha_beta),
        "IC": [_g1(point) for point in key.ic],
    }
    _write(path, document)


def read_proof(path: str | os.PathLike[str], *, kernels: FieldKernels | None = None) -> Proof:
    """The proof of a proof.json, its points finite, on their curves and in their subgroups.

    Raises:
        MalformedProof: the file is no such document, or a point is not valid; the text names the field.
    """
    kernels = kernels or default_kernels()
    document = _Document(path, MalformedProof)
    document.expect_groth16()
    a, b, c = document.g1(kernels, "pi_a"), document.g2(kernels, "pi_b"), document.g1(kernels, "pi_c")
    return Proof(a, b, c, np.zeros((0, 2, 4), np.uint64))


def write_proof(path: str | os.PathLike[str], proof: Proof) -> None:
    """Write a plain proof as proof.json.

    Raises:
        InvalidInput: the proof has commitments, which the document cannot hold.
    """
    if len(proof.commitments):
        raise InvalidInput("a proof with commitments cannot be written for snarkjs, which knows none")
    document = {
        "pi_a": _g1(proof.a),
        "pi_b": _g2(proof.b),
        "pi_c": _g1(proof.c),
        "protocol": "groth16",
        "curve": "bn128",
    }
    _write(path, document)


def read_public(path: str | os.PathLike[str]) -> list[int]:
    """The public values of a public.json, each in [0, r).

    Raises:
        MalformedArtefact: the file is no list of such numbers.
    """
    values = _load(path, MalformedArtefact)
    if not isinstance(values, list) or len(values) > MAX_PUBLIC:
        raise MalformedArtefact(f"{os.fspath(path)}: should be a list of at most {MAX_PUBLIC} numbers")
    numbers = [_number(value, R) for value in values]
    wrong = [index for index, number in enumerate(numbers) if number is None]
    if wrong:
        raise MalformedArtefact(f"{os.fspath(path)}: value {wrong[0]} is not a decimal string below r")
    return [number for number in numbers if number is not None]


def write_public(path: str | os.PathLike[str], values: Sequence[int]) -> None:
    """Write public values as public.json."""
    _write(path, [str(value) for value in values])


class _Document:
    """A JSON object whose fields are read with checks; errors name file and field."""

    def __init__(self, path: str | os.PathLike[str], error: type[MalformedArtefact]) -> None:
        self._path, self._error = os.fspath(path), error
        content = _load(path, error)
        if not isinstance(content, dict):
            raise error(f"{self._path}: should be a JSON object")
        self._content: dict[str, Any] = content

    def refuse(self, field: str, what: str) -> MalformedArtefact:
        return self._error(f"{self._path}: field {field!r} {what}")

    def value(self, field: str) -> Any:
        if field not in self._content:
            raise self.refuse(field, "is missing")
        return self._content[field]

    def expect_groth16(self) -> None:
        if self.value("protocol") != "groth16":
            raise self.refuse("protocol", "is not 'groth16'")
        curve = self.value("curve")
        if not isinstance(curve, str) or curve.lower() not in CURVES:
            raise self.refuse("curve", "is not 'bn128'; only BN254 (bn128, alt_bn128) is supported")

    def g1(self, kernels: FieldKernels, field: str) -> Array:
        """A finite point of G1, uint64 [2, 4]."""
        point: Array = self._finite(field, self._checked(kernels, field, [self.value(field)]))[0]
        return point

    def g1_list(self, kernels: FieldKernels, field: str) -> Array:
        """Points of G1, uint64 [n, 2, 4], infinity among them allowed."""
        return self._checked(kernels, field, self.value(field))

    def g2(self, kernels: FieldKernels, field: str) -> Array:
        """A finite point of G2, uint64 [2, 2, 4]."""
        points = g2_from_ints([self._g2(field, self.value(field))])
        if not kernels.g2.valid(points).all():
            raise self.refuse(field, "is not on the curve of G2, or not in its subgroup of order r")
        point: Array = self._finite(field, points)[0]
        return point

    def _checked(self, kernels: FieldKernels, field: str, values: Sequence[Any]) -> Array:
        points = g1_from_ints([self._g1(field, value) for value in values])
        fine = kernels.g1.valid(points)
        if not fine.all():
            raise self.refuse(field, f"holds a point that is not on the curve, number {int(np.argmin(fine))}")
        return points

    def _finite(self, field: str, points: Array) -> Array:
        if not points.any():
            raise self.refuse(field, "is the point at infinity, which nobody honest would send")
        return points

    def _g1(self, field: str, value: Any) -> G1Affine:
        x, y, z = self._numbers(field, value, 3)
        if (x, y, z) == (0, 1, 0):
            return None
        if z != 1:
            raise self.refuse(field, "is not affine: its third number should be 1")
        return x, y

    def _g2(self, field: str, value: Any) -> G2Affine:
        if not isinstance(value, list) or len(value) != 3:
            raise self.refuse(field, "should be three pairs of numbers")
        (x0, x1), (y0, y1), (z0, z1) = (self._numbers(field, pair, 2) for pair in value)
        if not any((x0, x1, z0, z1)) and (y0, y1) == (1, 0):
            return None
        if (z0, z1) != (1, 0):
            raise self.refuse(field, "is not affine: its third pair should be 1, 0")
        return (x0, x1), (y0, y1)

    def _numbers(self, field: str, value: Any, count: int) -> list[int]:
        if not isinstance(value, list) or len(value) != count:
            raise self.refuse(field, f"should be {count} numbers")
        numbers = [_number(item, P) for item in value]
        if any(number is None for number in numbers):
            raise self.refuse(field, "holds something that is not a decimal string below the field's prime")
        return [number for number in numbers if number is not None]


def _number(value: Any, bound: int) -> int | None:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    number = int(value)
    return number if number < bound else None


def _load(path: str | os.PathLike[str], error: type[MalformedArtefact]) -> Any:
    try:
        size = Path(path).stat().st_size
        if size > MAX_BYTES:
            raise error(f"{os.fspath(path)}: {size} bytes; at most {MAX_BYTES} are read")
        content = Path(path).read_bytes()
        if _depth(content) > MAX_DEPTH:
            raise error(f"{os.fspath(path)}: is nested more than {MAX_DEPTH} deep")
        return json.loads(content)
    except (OSError, ValueError, RecursionError) as problem:
        raise error(f"{os.fspath(path)}: cannot be read ({problem})") from problem


def _depth(content: bytes) -> int:
    """How deep brackets nest. Deep nesting exhausts the parser's stack; these documents hold no brackets in strings."""
    data = np.frombuffer(content, np.uint8) | 0x20  # takes [ and ] to the place of { and }
    steps = (data == ord("{")).astype(np.int8) - (data == ord("}")).astype(np.int8)
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def _write(path: str | os.PathLike[str], content: Any) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def _g1(point: Array) -> list[str]:
    (affine,) = g1_to_ints(point[None])
    return ["0", "1", "0"] if affine is None else [str(affine[0]), str(affine[1]), "1"]


def _g2(point: Array) -> list[list[str]]:
    (affine,) = g2_to_ints(point[None])
    pairs = ((0, 0), (1, 0), (0, 0)) if affine is None else (*affine, (1, 0))
    return [[str(number) for number in pair] for pair in pairs]


def _nested(element: Array) -> list[list[list[str]]]:
    """An element of Fq12 as nested lists in the order of its tower."""
    numbers = iter(decode(FQ, element))
    return [[[str(next(numbers)) for _ in range(2)] for _ in range(3)] for _ in range(2)]
