"""SEAL's numbers for `test_interoperation`, by the wheel tenseal: `python make_seal.py > seal.json`.

Everything is in the library's own NTT order; see `foreign.py` for the fields.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tenseal
import tenseal.sealapi as s

LOG_N, SCALE = 5, 2.0**30
PRIMES, SPECIAL = (1099511626049, 1073741441, 1073741953), 2199023255489


class Party:
    """SEAL with keys."""

    def __init__(self) -> None:
        degree = 1 << LOG_N
        parameters = s.EncryptionParameters(s.SCHEME_TYPE.CKKS)
        parameters.set_poly_modulus_degree(degree)
        parameters.set_coeff_modulus([s.Modulus(prime) for prime in (*PRIMES, SPECIAL)])
        self.context = s.SEALContext(parameters, True, s.SEC_LEVEL_TYPE.NONE)
        maker = s.KeyGenerator(self.context)
        self.secret, self.relin, self.galois = maker.secret_key(), s.RelinKeys(), s.GaloisKeys()
        maker.create_relin_keys(self.relin)
        maker.create_galois_keys([3], self.galois)
        self.encoder, self.evaluator = s.CKKSEncoder(self.context), s.Evaluator(self.context)

    def turned(self, x: Any) -> Any:
        result = s.Ciphertext()
        self.evaluator.apply_galois(x, 3, self.galois, result)
        return result

    def decrypted(self, x: Any) -> np.ndarray:
        plain = s.Plaintext()
        s.Decryptor(self.context, self.secret).decrypt(x, plain)
        return np.array(self.encoder.decode_double(plain))

    def loaded(self, parts: list[list[list[int]]]) -> Any:
        """A ciphertext at the top level from its residues, as an uncompressed stream of SEAL 4."""
        data = np.array(parts, np.uint64)
        _, limbs, degree = data.shape
        name = struct.pack("<4Q", *self.context.first_parms_id())
        meta = name + b"\1" + struct.pack("<QQQdQ", 2, degree, limbs, SCALE, 1)
        with TemporaryDirectory() as folder:
            path = Path(folder, "ciphertext")
            path.write_bytes(_block(meta + _block(struct.pack("<Q", data.size) + data.tobytes())))
            result = s.Ciphertext()
            result.load(self.context, str(path))
        return result

    def vector(self) -> dict[str, Any]:
        """One plaintext, its encryption, keys and results."""
        degree, q, every = 1 << LOG_N, len(PRIMES), len(PRIMES) + 1
        x, product, plain = s.Ciphertext(), s.Ciphertext(), s.Plaintext()
        values = np.random.default_rng(1).uniform(-1, 1, degree // 2)
        self.encoder.encode(values.tolist(), SCALE, plain)
        s.Encryptor(self.context, self.secret).encrypt_symmetric(plain, x)
        self.evaluator.square(x, product)
        self.evaluator.relinearize_inplace(product, self.relin)
        self.evaluator.rescale_to_next_inplace(product)
        secret = self.secret.data()
        return {
            "source": f"Microsoft SEAL in TenSEAL {tenseal.__version__}",
            "log_n": LOG_N,
            "primes": list(PRIMES),
            "special": [SPECIAL],
            "digit_size": 1,
            "scale": SCALE,
            "generator": 3,
            "values": values.tolist(),
            "secret": _rows([secret[i] for i in range(every * degree)], every),
            "plaintext": _rows([plain[i] for i in range(q * degree)], q),
            "ciphertext": _parts(x, q, degree),
            "relinearisation": [_parts(key.data(), every, degree) for key in self.relin.key(2)],
            "galois_element": 3,
            "galois": [_parts(key.data(), every, degree) for key in self.galois.key(3)],
            "turned": _parts(self.turned(x), q, degree),
            "product": _parts(product, q - 1, degree),
        }


def _block(body: bytes) -> bytes:
    """Behind the header of SEAL 4.3: magic number, header size, version, no compression, size."""
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 0, 0, 16 + len(body)) + body


def _parts(ciphertext: Any, limbs: int, degree: int) -> list[list[list[int]]]:
    size = limbs * degree
    return [_rows([ciphertext[part * size + i] for i in range(size)], limbs) for part in range(2)]


def _rows(flat: list[int], limbs: int) -> list[list[int]]:
    return np.array(flat, np.uint64).reshape(limbs, -1).tolist()


if __name__ == "__main__":
    json.dump(Party().vector(), sys.stdout)
