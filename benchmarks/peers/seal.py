"""SEAL through TenSEAL, in this process: one digit a prime, one special prime, degrees up to 2^15."""

from __future__ import annotations

import time
from typing import Any

import tenseal
import tenseal.sealapi as s

LARGEST_LOG_N = 15
GENERATOR = 3


class Seal:
    """A context with the keys for a rotation by one and for products."""

    def __init__(self, log_n: int, log_q: list[int], log_scale: int, values: list[float]) -> None:
        if log_n > LARGEST_LOG_N:
            raise RuntimeError(f"SEAL has no 128-bit set of degree 2^{log_n}")
        degree, special = 1 << log_n, max(log_q) + 1
        parameters = s.EncryptionParameters(s.SCHEME_TYPE.CKKS)
        parameters.set_poly_modulus_degree(degree)
        parameters.set_coeff_modulus(s.CoeffModulus.Create(degree, [*log_q, special]))
        context = s.SEALContext(parameters, True, s.SEC_LEVEL_TYPE.TC128)
        maker = s.KeyGenerator(context)
        self._relin, self._galois = s.RelinKeys(), s.GaloisKeys()
        maker.create_relin_keys(self._relin)
        maker.create_galois_keys([GENERATOR], self._galois)
        self._evaluator, self._encoder = s.Evaluator(context), s.CKKSEncoder(context)
        self._decryptor = s.Decryptor(context, maker.secret_key())
        plain, self._x, self._got = s.Plaintext(), s.Ciphertext(), s.Ciphertext()
        self._encoder.encode(values, 2.0**log_scale, plain)
        s.Encryptor(context, maker.secret_key()).encrypt_symmetric(plain, self._x)
        self.facts: dict[str, Any] = {
            "label": f"SEAL (TenSEAL {tenseal.__version__})",
            "digits": len(log_q),
            "log_qp": sum(log_q) + special,
        }

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """As of any peer; what SEAL cannot do is refused."""
        done = {"rotate": self._rotate, "mul_relin_rescale": self._product, "result": self._result}.get(do)
        if done is None:
            raise RuntimeError(f"{do}: SEAL has no such operation")
        start = time.process_time()
        answer = done(**arguments) or {}
        return {**answer, "seconds": time.process_time() - start}

    def _rotate(self) -> None:
        self._evaluator.rotate_vector(self._x, 1, self._galois, self._got)

    def _product(self) -> None:
        self._evaluator.square(self._x, self._got)
        self._evaluator.relinearize_inplace(self._got, self._relin)
        self._evaluator.rescale_to_next_inplace(self._got)

    def _result(self, count: int) -> dict[str, Any]:
        plain = s.Plaintext()
        self._decryptor.decrypt(self._got, plain)
        return {"values": self._encoder.decode_double(plain)[:count]}
