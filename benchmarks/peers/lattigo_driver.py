"""Lattigo behind a pipe, run by an interpreter that has the wheel `orion-fhe` (it needs nothing of this project).

The wheel brings Lattigo compiled as a C library, whose functions name ciphertexts by numbers; nothing of Orion itself
is imported. Values cross as single-precision floats, so no result is more precise than 24 bits. A hoisted rotation by
itself is not exported; linear transforms hoist twice inside.
"""

from __future__ import annotations

import ctypes
import resource
import time
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from answering import answer_requests

BABY_GIANT_RATIO = 8.0
"""Its logarithm, rounded down, is log2 of how many more hoisted steps than others there are."""
LOG_Q, LOG_P, ABOVE, WEIGHT = [60, *[40] * 9], [61] * 5, 3 * 39 + 8 * 60 + 4 * 56, 192
"""Of the bootstrap: primes of the levels that come out, special ones, bits of those in between, the secret's weight."""


class Floats(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(ctypes.c_float)), ("length", ctypes.c_ulong)]


class Numbers(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(ctypes.c_int)), ("length", ctypes.c_ulong)]


def library() -> ctypes.CDLL:
    found = find_spec("orion")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("the wheel orion-fhe is not installed")
    lib = ctypes.CDLL(str(Path(found.submodule_search_locations[0], "backend", "lattigo", "lattigo-linux.so")))
    lib.Decode.restype = Floats
    lib.GetLinearTransformRotationKeys.restype = Numbers
    lib.GetCiphertextScale.restype = ctypes.c_ulong
    return lib


def ints(values: Sequence[int]) -> Any:
    return (ctypes.c_int * len(values))(*values)


def floats(values: Sequence[float]) -> Any:
    return (ctypes.c_float * len(values))(*values)


def new_scheme(lib: ctypes.CDLL, log_n: int, log_q: list[int], log_p: list[int], log_scale: int, weight: int) -> None:
    """A context with a secret of that weight and the keys for products; rotations by powers of two come with it."""
    lib.NewScheme(log_n, ints(log_q), len(log_q), ints(log_p), len(log_p), log_scale, weight, b"standard", b"", b"none")
    for make in ("NewKeyGenerator", "GenerateSecretKey", "GeneratePublicKey", "GenerateRelinearizationKey"):
        getattr(lib, make)()
    for make in ("GenerateEvaluationKeys", "NewEncoder", "NewEncryptor", "NewDecryptor", "NewEvaluator"):
        getattr(lib, make)()


class Scheme:
    """One context with the keys that the operations need; the chain may have other special primes than ours."""

    def __init__(
        self, log_n: int, log_q: list[int], log_p: list[int], log_scale: int, values: list[float], weight: int = 0
    ) -> None:
        self.lib = library()
        self.level, self.slots, self.log_scale = len(log_q) - 1, 1 << (log_n - 1), log_scale
        new_scheme(self.lib, log_n, log_q, log_p, log_scale, weight or (2 << log_n) // 3)
        self.lib.NewPolynomialEvaluator()
        self.lib.NewLinearTransformEvaluator()
        self.x = self._encrypted(values, self.level)
        self.got = self.transform = self.polynomial = -1
        self.lib.AddRotationKey(1)
        self.facts = {
            "label": f"Lattigo 6.2.0 (orion-fhe {version('orion-fhe')})",
            "digits": -(-len(log_q) // len(log_p)),
            "log_qp": sum(log_q) + sum(log_p),
        }

    def rotate(self) -> None:
        self._keep(self.lib.RotateNew(self.x, 1))

    def mul_relin_rescale(self) -> None:
        self._keep(self.lib.Rescale(self.lib.MulRelinCiphertextNew(self.x, self.x)))

    def matvec(self) -> None:
        self._keep(self.lib.Rescale(self.lib.EvaluateLinearTransform(self.transform, self.x)))

    def chebyshev(self) -> None:
        self._keep(self.lib.EvaluatePolynomial(self.x, self.polynomial, ctypes.c_ulong(1 << self.log_scale)))

    def matrix(self, diagonals: list[list[float]], values: list[float]) -> None:
        """Encode a square matrix's diagonals and make its rotation keys; Lattigo chooses the steps."""
        size, repeats = len(diagonals), self.slots // len(diagonals)
        flat = floats([entry for diagonal in diagonals for entry in diagonal * repeats])
        self.transform = self.lib.GenerateLinearTransform(
            ints(range(size)), size, flat, len(flat), self.level, ctypes.c_float(BABY_GIANT_RATIO), b"none"
        )
        needed = self.lib.GetLinearTransformRotationKeys(self.transform)
        for element in needed.data[: needed.length]:
            self.lib.GenerateLinearTransformRotationKey(element)
        self._replace_x(values)

    def forget_matrix(self) -> None:
        self.lib.DeleteLinearTransform(self.transform)
        self.lib.RemoveRotationKeys()

    def coefficients(self, coefficients: list[float], values: list[float]) -> None:
        self.polynomial = self.lib.GenerateChebyshev(floats(coefficients), len(coefficients))
        self._replace_x(values)

    def result(self, count: int) -> dict[str, Any]:
        """The first slots of the last result."""
        return {"values": decrypted(self.lib, self.got, count)}

    def _encrypted(self, values: list[float], level: int) -> int:
        return encrypted(self.lib, values * (self.slots // len(values)), level, self.log_scale)

    def _replace_x(self, values: list[float]) -> None:
        self.lib.DeleteCiphertext(self.x)
        self.x = self._encrypted(values, self.level)

    def _keep(self, ciphertext: int) -> None:
        if self.got >= 0:
            self.lib.DeleteCiphertext(self.got)
        self.got = ciphertext


class Bootstrapping:
    """Lattigo's own published set for nine levels of 40 bits, log2(QP) 1546 at weight 192 (N16QP1546H192H32)."""

    def __init__(self, log_n: int, log_slots: int, values: list[float]) -> None:
        self.lib = library()
        new_scheme(self.lib, log_n, LOG_Q, LOG_P, 40, WEIGHT)
        start = time.process_time()  # the keys above serve other purposes
        self.lib.NewBootstrapper(ints(LOG_P), len(LOG_P), 1 << log_slots)
        keygen = time.process_time() - start
        self.slots, self.gap = 1 << log_slots, (1 << (log_n - 1)) >> log_slots
        self.x = encrypted(self.lib, values * self.gap, 0, 40)  # repeated: less noise than padding with zeros
        self.got = -1
        log_qp = sum(LOG_Q) + ABOVE + sum(LOG_P)
        self.facts = {
            "label": f"Lattigo 6.2.0 (orion-fhe {version('orion-fhe')})",
            "log_qp": log_qp,
            "security": f"128-bit by Lattigo's own account: weight {WEIGHT}, log2(QP) {log_qp}",
            "keygen_seconds": keygen,
        }

    def bootstrap(self) -> None:
        if self.got >= 0:
            self.lib.DeleteCiphertext(self.got)
        self.got = self.lib.Bootstrap(self.x, self.slots)

    def result(self, count: int) -> dict[str, Any]:
        """Slots of the last result; the binding multiplies by the gap, as it expects padding with zeros."""
        values = [value / self.gap for value in decrypted(self.lib, self.got, count)]
        return {"values": values, "levels": self.lib.GetCiphertextLevel(self.got), "peak_mb": peak_mb()}


def encrypted(lib: ctypes.CDLL, values: list[float], level: int, log_scale: int) -> int:
    plaintext = lib.Encode(floats(values), len(values), level, ctypes.c_ulong(1 << log_scale))
    ciphertext: int = lib.Encrypt(plaintext)
    lib.DeletePlaintext(plaintext)
    return ciphertext


def decrypted(lib: ctypes.CDLL, ciphertext: int, count: int) -> list[float]:
    plaintext = lib.Decrypt(ciphertext)
    decoded = lib.Decode(plaintext)
    values: list[float] = decoded.data[:count]
    lib.FreeCArray(decoded.data)
    lib.DeletePlaintext(plaintext)
    return values


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    answer_requests(lambda kind="scheme", **request: {"scheme": Scheme, "bootstrap": Bootstrapping}[kind](**request))
