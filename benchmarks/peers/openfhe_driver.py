"""OpenFHE behind a pipe, run by an interpreter that has the wheel `openfhe` (it needs nothing of this project).

Reads JSON lines {"do": name, ...} and answers each with a line when it is done. Secret: uniform ternary, 128 bits by
the library's own check, one thread, as few key-switching digits as that check accepts.
"""

from __future__ import annotations

import json
import random
import sys
from importlib.metadata import version
from typing import Any

import openfhe


class Scheme:
    """One context with the keys that the operations need."""

    def __init__(self, log_n: int, levels: int, first: int, scale: int, size: int = 0) -> None:
        self.digits, self.context = _context(log_n, levels, first, scale)
        self.degree, self.size = 1 << log_n, size
        self.keys = self.context.KeyGen()
        self.context.EvalMultKeyGen(self.keys.secretKey)
        self.babies = 1 << ((size.bit_length()) // 2) if size else 0
        steps = {1, *range(1, self.babies), *range(self.babies, size, self.babies or 1)}
        self.context.EvalRotateKeyGen(self.keys.secretKey, sorted(steps))
        rng = random.Random(1)
        self.values = [rng.uniform(-1, 1) for _ in range(size or self.degree // 2)]
        repeated = self.values * (self.degree // 2 // len(self.values))
        self.x = self.context.Encrypt(self.keys.publicKey, self.context.MakeCKKSPackedPlaintext(repeated))
        self.hoisted = self.context.EvalFastRotationPrecompute(self.x)
        self.diagonals = [self._diagonal(rng) for _ in range(size)]
        self.coefficients: list[float] = []

    def rotate(self) -> Any:
        return self.context.EvalRotate(self.x, 1)

    def rotate_hoisted(self) -> Any:
        return self.context.EvalFastRotation(self.x, 1, 2 * self.degree, self.hoisted)

    def mul_relin_rescale(self) -> Any:
        return self.context.Rescale(self.context.EvalSquare(self.x))

    def chebyshev(self) -> Any:
        return self.context.EvalChebyshevSeries(self.x, self.coefficients, -1, 1)

    def matvec(self) -> Any:
        """Baby steps hoisted, then giant steps; diagonals encoded beforehand."""
        cc, x = self.context, self.x
        hoisted = cc.EvalFastRotationPrecompute(x)
        turned = [x, *(cc.EvalFastRotation(x, b, 2 * self.degree, hoisted) for b in range(1, self.babies))]
        total = None
        for giant in range(0, self.size, self.babies):
            part = cc.EvalMult(turned[0], self.diagonals[giant])
            for b in range(1, self.babies):
                cc.EvalAddInPlace(part, cc.EvalMult(turned[b], self.diagonals[giant + b]))
            part = cc.EvalRotate(part, giant) if giant else part
            total = part if total is None else cc.EvalAdd(total, part)
        return cc.Rescale(total)

    def _diagonal(self, rng: random.Random) -> Any:
        entries = [rng.uniform(-1, 1) / self.size for _ in range(self.size)]
        return self.context.MakeCKKSPackedPlaintext(entries * (self.degree // 2 // self.size))


def _context(log_n: int, levels: int, first: int, scale: int) -> tuple[int, Any]:
    refusal: Exception | None = None
    for digits in range(2, levels + 2):
        parameters = openfhe.CCParamsCKKSRNS()
        parameters.SetSecretKeyDist(openfhe.UNIFORM_TERNARY)
        parameters.SetSecurityLevel(openfhe.HEStd_128_classic)
        parameters.SetRingDim(1 << log_n)
        parameters.SetMultiplicativeDepth(levels)
        parameters.SetScalingModSize(scale)
        parameters.SetFirstModSize(first)
        parameters.SetScalingTechnique(openfhe.FIXEDMANUAL)
        parameters.SetKeySwitchTechnique(openfhe.HYBRID)
        parameters.SetNumLargeDigits(digits)
        parameters.SetBatchSize(1 << (log_n - 1))
        try:
            context = openfhe.GenCryptoContext(parameters)
        except RuntimeError as error:  # below 128 bits with so few digits
            refusal = error
            continue
        for feature in (openfhe.PKE, openfhe.KEYSWITCH, openfhe.LEVELEDSHE, openfhe.ADVANCEDSHE):
            context.Enable(feature)
        return digits, context
    raise RuntimeError(f"no number of digits is accepted: {refusal}")


def main() -> None:
    scheme: Scheme | None = None
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        try:
            if do == "setup":
                scheme = Scheme(**request)
                answer = {"label": f"OpenFHE {version('openfhe')}", "digits": scheme.digits}
            elif do == "coefficients" and scheme is not None:
                scheme.coefficients, answer = request["values"], {}
            else:
                getattr(scheme, do)()
                answer = {}
        except (RuntimeError, TypeError, AttributeError) as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
