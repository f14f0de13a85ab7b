"""Lattigo's numbers for `test_interoperation`, by the wheel orion-v2-lattigo: `python make_lattigo.py > lattigo.json`.

The wheel has Lattigo's client and its binary formats, and no evaluator. Secrets and switching keys are in Montgomery
form, which is undone here; see `foreign.py` for the fields.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
from lattigo import ckks, rlwe
from sympy import primitive_root

LOG_N, LOG_Q, LOG_P, SCALE = 5, [45, 35, 35], [41, 41], 35


def vector() -> dict[str, Any]:
    degree = 1 << LOG_N
    parameters = ckks.Parameters(LOG_N, LOG_Q, LOG_P, SCALE, "standard", h=20)
    primes, special = parameters.moduli_chain(), parameters.aux_moduli_chain()
    maker = rlwe.KeyGenerator(parameters)
    secret = maker.gen_secret_key()
    values = np.random.default_rng(3).uniform(-1, 1, degree // 2)
    encoder = ckks.Encoder(parameters)
    plain = encoder.encode(values.tolist(), len(primes) - 1, 1 << SCALE)
    x = rlwe.Encryptor(parameters, maker.gen_public_key(secret)).encrypt_new(plain)
    element = parameters.galois_element(1)
    every = [*primes, *special]
    q = len(primes)
    return {
        "source": f"Lattigo 6.2.0 in orion-v2-lattigo {version('orion-v2-lattigo')}",
        "log_n": LOG_N,
        "primes": primes,
        "special": special,
        "digit_size": len(special),
        "roots": [pow(primitive_root(prime), (prime - 1) // (2 * degree), prime) for prime in every],
        "scale": 2.0**SCALE,
        "generator": 5,
        "values": values.tolist(),
        "secret": plainly(next(polynomials(secret.marshal_binary(), degree)), primes),
        "plaintext": next(polynomials(plain.marshal_binary(), degree)),
        "ciphertext": list(polynomials(x.marshal_binary(), degree)),
        "relinearisation": key(maker.gen_relin_key(secret).marshal_binary(), degree, every, q),
        "galois_element": element,
        "galois_last": True,
        "galois": key(maker.gen_galois_key(secret, element).marshal_binary(), degree, every, q),
    }


def key(data: bytes, degree: int, primes: list[int], q: int) -> list[list[list[list[int]]]]:
    """The chain's rows and the special primes' stand behind each other, digit by digit, first part first."""
    rows = list(polynomials(data, degree))
    whole = [plainly(rows[i] + rows[i + 1], primes) for i in range(0, len(rows), 2)]
    assert all(len(each) == len(primes) and len(rows[2 * i]) == q for i, each in enumerate(whole))
    return [whole[i : i + 2] for i in range(0, len(whole), 2)]


def plainly(rows: list[list[int]], primes: list[int]) -> list[list[int]]:
    """Out of Montgomery form: divided by 2^64."""
    return [[value * pow(1 << 64, -1, prime) % prime for value in row] for row, prime in zip(rows, primes, strict=True)]


def polynomials(data: bytes, degree: int) -> Iterator[list[list[int]]]:
    """Each matrix in a stream: its number of rows, and each row behind its length."""
    at = 0
    while at + 16 <= len(data):
        rows, length = struct.unpack_from("<QQ", data, at)
        end = at + 8 + rows * 8 * (degree + 1)
        if not (0 < rows < 64 and length == degree and end <= len(data)):
            at += 1
            continue
        block = np.frombuffer(data, np.uint64, rows * (degree + 1), at + 8).reshape(rows, degree + 1)
        if (block[:, 0] != degree).any():
            at += 1
            continue
        yield block[:, 1:].tolist()
        at = end


if __name__ == "__main__":
    json.dump(vector(), sys.stdout)
