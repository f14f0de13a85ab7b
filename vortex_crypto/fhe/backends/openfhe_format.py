"""OpenFHE's context for our own primes, and its binary format for arrays of residues alone.

The Python package gives no access to residues but through its files, and its parser was not made for bytes from
strangers. So nothing from outside is ever handed to it: residues that were checked beforehand are put into a frame, the
bytes of an object of the same shape that OpenFHE wrote here, under keys that belong to nobody and are forgotten.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from vortex_crypto.arith.ring.kernels import Residues
from vortex_crypto.arith.ring.primes import primitive_root
from vortex_crypto.container import Array
from vortex_crypto.errors import MalformedArtefact, MissingDependency, ParameterRefused, VortexError
from vortex_crypto.fhe.circuit import Vector
from vortex_crypto.fhe.params import Parameters

OPENFHE_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, MemoryError)
"""What OpenFHE's C++ exceptions become in Python."""
TAG_BYTES = 32
"""OpenFHE names a secret by so many hexadecimal digits."""
GENERATOR = 5
"""OpenFHE orders the slots by powers of 5, as this package does."""
_COUNT = struct.Struct("<Q")
_ELEMENT = struct.Struct("<I")
_ELEMENT_PLACE = 13
"""In a map of one key: behind the byte order, the pointer's number and the map's size."""
_WORD = (1 << 64) - 1


@lru_cache(maxsize=1)
def library() -> Any:
    """The package `openfhe`.

    Raises:
        MissingDependency: it is not installed, or its library does not load here.
    """
    try:
        import openfhe
    except ImportError as error:
        raise MissingDependency(
            "the back end openfhe needs the package `openfhe`, whose wheels load under CPython 3.12 with glibc 2.38 or "
            f"newer: pip install 'vortex-crypto[openfhe]' there, or plan for vortex or tenseal ({error})"
        ) from error
    return openfhe


@dataclass(frozen=True)
class Frame:
    """The bytes of an object with the places of its residues.

    Attributes:
        data: as OpenFHE wrote them.
        places: where each row of residues begins.
        degree: residues in a row.
        tag: the name of the secret in `data`.
    """

    data: bytes = field(repr=False)
    places: tuple[int, ...]
    degree: int
    tag: str = field(repr=False)

    def residues(self) -> Residues:
        """The rows of the object itself, uint64 [rows, N], in OpenFHE's order."""
        return np.stack([np.frombuffer(self.data, np.uint64, self.degree, place) for place in self.places])

    def filled(self, residues: Residues, tag: str) -> bytes:
        """The bytes of an object of this shape with other residues, under the secret of that name."""
        rows = residues.reshape(len(self.places), self.degree)
        filled = bytearray(self.data.replace(self.tag.encode(), tag.encode()))
        for place, row in zip(self.places, rows, strict=True):
            filled[place : place + 8 * self.degree] = row.tobytes()
        return bytes(filled)


def frame_of(data: bytes, degree: int, moduli: tuple[int, ...], tag: str) -> Frame:
    """The frame of what OpenFHE wrote: rows of residues modulo the primes named, over and over.

    Raises:
        VortexError: no such rows are found, so this version of OpenFHE is none that is known.
    """
    places: list[int] = []
    count = _COUNT.pack(degree)
    at = data.find(count)
    while at >= 0:
        end = at + 8 + 8 * degree
        if data[end : end + 8] == _COUNT.pack(moduli[len(places) % len(moduli)]):
            places.append(at + 8)
            at = end - 1
        at = data.find(count, at + 1)
    rows = len(data) // (8 * degree)
    if not places or len(places) % len(moduli) or len(places) != rows:
        raise VortexError(f"OpenFHE wrote {rows} rows, {len(places)} of them modulo the {len(moduli)} primes wanted")
    return Frame(data, tuple(places), degree, tag)


def map_of(frame: Frame, residues: Residues, tag: str, element: int) -> bytes:
    """The bytes of a map of one Galois key, from the frame of another element's."""
    filled = bytearray(frame.filled(residues, tag))
    _ELEMENT.pack_into(filled, _ELEMENT_PLACE, element)
    return bytes(filled)


@lru_cache(maxsize=4)
def context_of(parameters: Parameters) -> Context:
    return Context(parameters)


class Context:
    """OpenFHE's tables for our parameters: our primes, our digits, complex slots, and scales that are counted here."""

    def __init__(self, parameters: Parameters) -> None:
        if not parameters.p or len(set(parameters.literal.log_p)) > 1 or parameters.secret != "ternary":
            raise ParameterRefused("digits", "OpenFHE has special primes of one size and uniform ternary secrets")
        if parameters.bootstrap_q:
            raise ParameterRefused("chain", "the back end openfhe runs no bootstrapping; plan for vortex")
        self.openfhe, self.parameters = library(), parameters
        self.degree, self.top = parameters.ring_degree, parameters.max_level
        self.digits = -(-len(parameters.q) // parameters.digit_size)
        self.context = self._context()
        self._ciphertext_frames: dict[int, Frame] = {}

    def _context(self) -> Any:
        """OpenFHE chooses primes of its own; what it writes of itself is read again with ours in their place."""
        openfhe, literal = self.openfhe, self.parameters.literal
        wanted = openfhe.CCParamsCKKSRNS()
        wanted.SetSecretKeyDist(openfhe.UNIFORM_TERNARY)
        wanted.SetSecurityLevel(openfhe.HEStd_NotSet)  # this package's own, stricter table has judged the parameters
        wanted.SetRingDim(self.degree)
        wanted.SetMultiplicativeDepth(self.top)
        wanted.SetScalingModSize(literal.log_scale)
        wanted.SetFirstModSize(literal.log_q[0])
        wanted.SetScalingTechnique(openfhe.FIXEDMANUAL)
        wanted.SetKeySwitchTechnique(openfhe.HYBRID)
        wanted.SetNumLargeDigits(self.digits)
        wanted.SetBatchSize(self.parameters.slots)
        wanted.SetCKKSDataType(openfhe.COMPLEX)
        made = openfhe.GenCryptoContext(wanted)
        for feature in (openfhe.PKE, openfhe.KEYSWITCH, openfhe.LEVELEDSHE):
            made.Enable(feature)
        document = json.loads(openfhe.Serialize(made, openfhe.JSON))
        _replace_primes(document, self.parameters)
        return openfhe.DeserializeCryptoContextString(json.dumps(document), openfhe.JSON)

    def encode(self, vector: Vector, level: int, scale: float) -> Any:
        """A plaintext from a vector whose length divides the slots; OpenFHE's own scale is made up for."""
        full = np.tile(vector, self.parameters.slots // vector.size) * (scale / self.unit)
        make = self.context.MakeCKKSPackedPlaintext
        try:
            return make(full.astype(np.complex128), 1, self.top - level)
        except RuntimeError as error:
            if "too small" not in str(error):
                raise
            return make(np.zeros(full.size, np.complex128), 1, self.top - level)  # what rounds to nothing is refused

    @property
    def unit(self) -> float:
        """The scale OpenFHE encodes and decodes at."""
        return float(2**self.parameters.log_scale)

    @property
    def key_shape(self) -> tuple[int, ...]:
        """Of a switching key: second parts and first parts, digits, all primes, N."""
        return (2, self.digits, len(self.parameters.q + self.parameters.p), self.degree)

    def residues(self, thing: Any, moduli: tuple[int, ...], tag: str) -> Residues:
        """What an object holds, uint64 [rows, N]."""
        return self.frame(thing, moduli, tag).residues()

    def ciphertext(self, parts: Residues, level: int, tag: str) -> Any:
        """A ciphertext of two parts [2, level + 1, N]."""
        if level not in self._ciphertext_frames:
            self._ciphertext_frames[level] = self._blank_ciphertext(level)
        data = self._ciphertext_frames[level].filled(parts, tag)
        return self.openfhe.DeserializeCiphertextString(data, self.openfhe.BINARY)

    def product_key(self, rows: Residues, tag: str) -> Any:
        return self.openfhe.DeserializeEvalKeyString(self._product_frame.filled(rows, tag), self.openfhe.BINARY)

    def galois_key(self, rows: Residues, tag: str, element: int) -> Any:
        data = map_of(self._galois_frame, rows, tag, element)
        return self.openfhe.DeserializeEvalKeyMapString(data, self.openfhe.BINARY)

    def _blank_ciphertext(self, level: int) -> Frame:
        pair = self.context.KeyGen()
        made = self.context.Encrypt(pair.publicKey, self.encode(np.zeros(1), level, 1.0))
        return self.frame(made, self.parameters.q[: level + 1], pair.secretKey.GetKeyTag())

    @cached_property
    def _product_frame(self) -> Frame:
        pair, cc = self.context.KeyGen(), self.context
        tag = pair.secretKey.GetKeyTag()
        cc.EvalMultKeyGen(pair.secretKey)
        [key] = cc.GetEvalMultKeyVector(tag)
        self.openfhe.ClearEvalMultKeys()  # a store of the whole process, which nothing here reads
        return self._key_frame(key, tag)

    @cached_property
    def _galois_frame(self) -> Frame:
        pair, cc = self.context.KeyGen(), self.context
        key = cc.EvalAutomorphismKeyGen(pair.secretKey, [GENERATOR])
        cc.ClearEvalAutomorphismKeys()
        return self._key_frame(key, pair.secretKey.GetKeyTag())

    def _key_frame(self, key: Any, tag: str) -> Frame:
        return self.frame(key, self.parameters.q + self.parameters.p, tag)

    def frame(self, thing: Any, moduli: tuple[int, ...], tag: str) -> Frame:
        """The frame of an object of OpenFHE's."""
        return frame_of(self.openfhe.Serialize(thing, self.openfhe.BINARY), self.degree, moduli, tag)


def checked_residues(array: Array | None, shape: tuple[int, ...], moduli: tuple[int, ...], what: str) -> Residues:
    """An array from outside as residues of that shape, whose next to last axis runs over the primes.

    Raises:
        MalformedArtefact: it is missing, of another shape or dtype, or a residue is not below its prime.
    """
    if array is None or array.dtype != np.uint64 or array.shape != shape:
        found = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
        raise MalformedArtefact(f"{what} should be uint64 {list(shape)}, and {found} is given")
    if (array >= np.array(moduli, np.uint64)[:, None]).any():
        raise MalformedArtefact(f"{what} holds residues that are not below their primes")
    return np.ascontiguousarray(array)


def _replace_primes(node: Any, parameters: Parameters) -> None:
    """Our primes, roots of unity for them, and the size of the special primes, in a context's JSON."""
    if isinstance(node, list):
        for each in node:
            _replace_primes(each, parameters)
    if not isinstance(node, dict):
        return
    if "elp" in node:
        ring, product = node["elp"]["ptr_wrapper"]["data"], math.prod(parameters.q)
        words = range(0, product.bit_length(), 64)
        ring["value0"]["cm"].update(v=[product >> shift & _WORD for shift in words], m=product.bit_length())
        for limb, prime in zip(ring["p"], parameters.q, strict=True):
            inner = limb["ptr_wrapper"]["data"]["value0"]
            inner["cm"]["v"], inner["ru"]["v"] = prime, primitive_root(prime, 2 * parameters.ring_degree)
    if "ab" in node:
        node["ab"] = parameters.literal.log_p[0]
    for each in node.values():
        _replace_primes(each, parameters)
