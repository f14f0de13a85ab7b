"""OpenFHE behind a pipe, run by an interpreter that has the wheel `openfhe` (it needs nothing of this project).

Secret: uniform ternary, 128 bits by the library's own check, one thread. Of the numbers of key-switching digits that
the check accepts, the one that rotates fastest.
"""

from __future__ import annotations

import math
import resource
import time
from importlib.metadata import version
from typing import Any

import openfhe
from answering import answer_requests

LABEL = f"OpenFHE {version('openfhe')}"
AUXILIARY_BITS = 60
"""OpenFHE's special primes."""
BUDGET = [3, 3]
"""Levels of a bootstrap's two transforms."""


class Scheme:
    """One context with the keys that the operations need."""

    def __init__(self, log_n: int, log_q: list[int], log_scale: int, values: list[float], digits: int = 0) -> None:
        self.slots, self.cyclotomic = 1 << (log_n - 1), 2 << log_n
        chain = (log_n, log_q, log_scale)
        self.digits = digits or min(accepted(*chain), key=lambda each: rotation_seconds(*chain, each))
        self.context = context_of(*chain, self.digits)
        self.keys = self.context.KeyGen()
        self.context.EvalMultKeyGen(self.keys.secretKey)
        self.context.EvalRotateKeyGen(self.keys.secretKey, [1])
        self.babies = 1
        self.diagonals: list[Any] = []
        self.coefficients_: list[float] = []
        self._replace_x(values)
        self.facts = {"label": LABEL, "digits": self.digits, "log_qp": log_qp(log_q, self.digits)}

    def rotate(self) -> None:
        self.got = self.context.EvalRotate(self.x, 1)

    def rotate_hoisted(self) -> None:
        self.got = self.context.EvalFastRotation(self.x, 1, self.cyclotomic, self.hoisted)

    def mul_relin_rescale(self) -> None:
        self.got = self.context.Rescale(self.context.EvalSquare(self.x))

    def chebyshev(self) -> None:
        self.got = self.context.EvalChebyshevSeries(self.x, self.coefficients_, -1, 1)

    def matvec(self) -> None:
        """Baby steps hoisted, then giant steps; diagonals turned and encoded beforehand."""
        cc, x = self.context, self.x
        hoisted = cc.EvalFastRotationPrecompute(x)
        turned = [x, *(cc.EvalFastRotation(x, b, self.cyclotomic, hoisted) for b in range(1, self.babies))]
        total = None
        for giant in range(0, len(self.diagonals), self.babies):
            part = cc.EvalMult(turned[0], self.diagonals[giant])
            for b in range(1, self.babies):
                cc.EvalAddInPlace(part, cc.EvalMult(turned[b], self.diagonals[giant + b]))
            part = cc.EvalRotate(part, giant) if giant else part
            total = part if total is None else cc.EvalAdd(total, part)
        self.got = cc.Rescale(total)

    def matrix(self, diagonals: list[list[float]], values: list[float]) -> None:
        """Encode a square matrix's diagonals, each turned back by its giant step, and make the rotation keys."""
        size = len(diagonals)
        self.babies = 1 << ((size.bit_length()) // 2)  # a hoisted step costs half of another
        steps = {*range(1, self.babies), *range(self.babies, size, self.babies)}
        self.context.EvalRotateKeyGen(self.keys.secretKey, sorted(steps))
        self.diagonals = []
        for k, diagonal in enumerate(diagonals):
            giant = k - k % self.babies
            turned = diagonal[size - giant :] + diagonal[: size - giant]
            self.diagonals.append(self.context.MakeCKKSPackedPlaintext(turned * (self.slots // size)))
        self._replace_x(values)

    def forget_matrix(self) -> None:
        self.diagonals = []
        self.context.ClearEvalAutomorphismKeys()
        self.context.EvalRotateKeyGen(self.keys.secretKey, [1])

    def coefficients(self, coefficients: list[float], values: list[float]) -> None:
        self.coefficients_ = [2 * coefficients[0], *coefficients[1:]]  # it halves the first
        self._replace_x(values)

    def result(self, count: int) -> dict[str, Any]:
        """The first slots of the last result."""
        return {"values": decrypted(self.context, self.keys.secretKey, self.got, count)}

    def _replace_x(self, values: list[float]) -> None:
        repeated = values * (self.slots // len(values))
        self.x = self.context.Encrypt(self.keys.publicKey, self.context.MakeCKKSPackedPlaintext(repeated))
        self.hoisted = self.context.EvalFastRotationPrecompute(self.x)


def parameters_of(log_n: int, log_q: list[int], log_scale: int, digits: int) -> Any:
    parameters = openfhe.CCParamsCKKSRNS()
    parameters.SetSecretKeyDist(openfhe.UNIFORM_TERNARY)
    parameters.SetSecurityLevel(openfhe.HEStd_128_classic)
    parameters.SetRingDim(1 << log_n)
    parameters.SetMultiplicativeDepth(len(log_q) - 1)
    parameters.SetScalingModSize(log_scale)
    parameters.SetFirstModSize(log_q[0])
    parameters.SetScalingTechnique(openfhe.FIXEDMANUAL)
    parameters.SetKeySwitchTechnique(openfhe.HYBRID)
    parameters.SetNumLargeDigits(digits)
    parameters.SetBatchSize(1 << (log_n - 1))
    return parameters


def context_of(log_n: int, log_q: list[int], log_scale: int, digits: int) -> Any:
    return enabled(openfhe.GenCryptoContext(parameters_of(log_n, log_q, log_scale, digits)))


def enabled(context: Any) -> Any:
    for feature in (openfhe.PKE, openfhe.KEYSWITCH, openfhe.LEVELEDSHE, openfhe.ADVANCEDSHE, openfhe.FHE):
        context.Enable(feature)
    return context


def accepted(log_n: int, log_q: list[int], log_scale: int) -> list[int]:
    """Up to four numbers of digits that leave 128 bits, the fewest first."""
    found, refusal = [], ""
    for digits in range(1, len(log_q) + 1):
        try:
            context_of(log_n, log_q, log_scale, digits)
            found.append(digits)
        except RuntimeError as error:
            refusal = str(error)
        openfhe.ReleaseAllContexts()
        if len(found) == 4:
            break
    if not found:
        raise RuntimeError(f"no number of digits is accepted: {refusal}")
    return found


def rotation_seconds(log_n: int, log_q: list[int], log_scale: int, digits: int) -> float:
    context = context_of(log_n, log_q, log_scale, digits)
    keys = context.KeyGen()
    context.EvalRotateKeyGen(keys.secretKey, [1])
    x = context.Encrypt(keys.publicKey, context.MakeCKKSPackedPlaintext([0.5] * (1 << (log_n - 1))))
    times = []
    for _ in range(4):
        start = time.process_time()
        context.EvalRotate(x, 1)
        times.append(time.process_time() - start)
    context.ClearEvalAutomorphismKeys()
    openfhe.ReleaseAllContexts()
    return min(times)


def log_qp(log_q: list[int], digits: int) -> int:
    """Primes are next to powers of two; the special ones are as many of 60 bits as the largest digit needs."""
    size = -(-len(log_q) // digits)
    return sum(log_q) + AUXILIARY_BITS * math.ceil(sum(log_q[:size]) / AUXILIARY_BITS)


def decrypted(context: Any, secret: Any, ciphertext: Any, count: int) -> list[float]:
    plaintext = context.Decrypt(ciphertext, secret)
    plaintext.SetLength(count)
    return [float(value) for value in plaintext.GetRealPackedValue()[:count]]


class Bootstrapping:
    """A bootstrap with an encapsulated sparse secret, as many levels out as the library's own 128-bit check allows."""

    def __init__(self, log_n: int, log_slots: int, values: list[float], scale: int = 59, levels: int = 0) -> None:
        self.slots, self.spent = 1 << log_slots, 0.0
        used = openfhe.CryptoContext.GetBootstrapDepth(BUDGET, openfhe.SPARSE_ENCAPSULATED)
        self.depth, self.digits, self.context = self._largest(log_n, scale, used, levels)
        self.context.EvalBootstrapSetup(BUDGET, [0, 0], self.slots)
        start = time.process_time()
        self.keys = self.context.KeyGen()
        self.context.EvalMultKeyGen(self.keys.secretKey)
        self.context.EvalBootstrapKeyGen(self.keys.secretKey, self.slots)
        keygen = time.process_time() - start
        plaintext = self.context.MakeCKKSPackedPlaintext(values, 1, self.depth - 1, None, self.slots)
        self.x = self.context.Encrypt(self.keys.publicKey, plaintext)
        log_q = [60, *[scale] * self.depth]
        self.facts = {
            "label": LABEL,
            "digits": self.digits,
            "log_qp": log_qp(log_q, self.digits),
            "security": "128-bit by OpenFHE's check, which holds the table for uniform ternary secrets",
            "keygen_seconds": keygen,
        }

    def _largest(self, log_n: int, scale: int, used: int, levels: int) -> tuple[int, int, Any]:
        for out in [levels] if levels else range(12, 2, -1):
            for digits in (3, 4, 5, 6):
                parameters = parameters_of(log_n, [60, *[scale] * (used + out)], scale, digits)
                parameters.SetSecretKeyDist(openfhe.SPARSE_ENCAPSULATED)
                parameters.SetScalingTechnique(openfhe.FLEXIBLEAUTO)
                parameters.SetBatchSize(self.slots)
                try:
                    return used + out, digits, enabled(openfhe.GenCryptoContext(parameters))
                except RuntimeError:
                    openfhe.ReleaseAllContexts()
        raise RuntimeError("no number of levels is accepted")

    def bootstrap(self) -> None:
        self.got = self.context.EvalBootstrap(self.x)

    def result(self, count: int) -> dict[str, Any]:
        values = decrypted(self.context, self.keys.secretKey, self.got, count)
        levels = self.depth - self.got.GetLevel() - (self.got.GetNoiseScaleDeg() - 1)
        return {
            "values": values,
            "levels": levels,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


if __name__ == "__main__":
    answer_requests(lambda kind="scheme", **request: {"scheme": Scheme, "bootstrap": Bootstrapping}[kind](**request))
