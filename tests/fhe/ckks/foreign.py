"""Other libraries' numbers in our order: rings, secrets, ciphertexts and switching keys.

Every library here keeps a polynomial p modulo a prime as its values at the odd powers of a 2N-th root of unity; they
differ in the root, the order, and where rotations apply the automorphism. A vector is a JSON object:

    primes, special: the chain and the special primes; digit_size: primes in one key-switching digit
    roots: the root for each of them (the smallest, if absent), the values in bit-reversed order of its odd powers
    values, plaintext, ciphertext, secret: one vector as encoded and encrypted; generator: what orders its slots
    relinearisation, galois (of galois_element): switching keys [digits][2][primes][N]
    galois_last: the automorphism comes after the key switch, so the key is that of the inverse element
    turned, product: the library's own rotation and its square, relinearised and rescaled
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vortex_crypto.arith.ring.kernels import Basis, Residues
from vortex_crypto.arith.ring.primes import primitive_root
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.keys import SecretKey
from vortex_crypto.fhe.ckks.switching import EvaluationKeys, SwitchingKey
from vortex_crypto.fhe.params import Parameters, ParametersLiteral, check


@dataclass(frozen=True)
class Foreign:
    """A vector read by our scheme."""

    vector: dict[str, Any]
    engine_name: str

    @cached_property
    def context(self) -> Context:
        return Context(_parameters(self.vector), engine_name=self.engine_name)

    @cached_property
    def level(self) -> int:
        return len(self.vector["primes"]) - 1

    @cached_property
    def values(self) -> np.ndarray:
        """The vector in our order of the slots."""
        return reordered(np.array(self.vector["values"]), self.vector["generator"])

    @cached_property
    def secret(self) -> SecretKey:
        """The coefficients, read modulo the first prime."""
        residues = self.ours([self.vector["secret"][0]], (0,))
        coefficients = self.context.ring.intt(residues, (0,))[0].astype(np.int64)
        half = self.vector["primes"][0] // 2
        return SecretKey(np.where(coefficients > half, coefficients - self.vector["primes"][0], coefficients))

    @cached_property
    def encryptor(self) -> Encryptor:
        return Encryptor(self.context)

    @cached_property
    def evaluator(self) -> Evaluator:
        element = self.vector["galois_element"]
        product = SwitchingKey(self.level, self.key("relinearisation"))
        rows = self.key("galois")
        if self.vector.get("galois_last"):
            rows = self.context.ring.automorphism(rows, element, self.context.extended(self.level))
        return Evaluator(self.context, EvaluationKeys(product, {element: SwitchingKey(self.level, rows)}))

    def ciphertext(self, name: str = "ciphertext") -> Ciphertext:
        parts = self.vector[name]
        basis = self.context.basis(len(parts[0]) - 1)
        scale = self.context.scale(len(basis) - 1)
        return Ciphertext(np.stack([self.ours(part, basis) for part in parts]), scale)

    def key(self, name: str) -> Residues:
        basis = self.context.extended(self.level)
        return np.stack([np.stack([self.ours(part, basis) for part in pair]) for pair in self.vector[name]])

    def ours(self, rows: list[list[int]], basis: Basis) -> Residues:
        """Rows of values in the library's order, in ours."""
        result = np.empty((len(basis), self.context.parameters.ring_degree), np.uint64)
        for limb, position in enumerate(basis):
            result[limb, self.places[position]] = np.array(rows[limb], np.uint64)
        return result

    def theirs(self, residues: Residues) -> list[list[int]]:
        """The inverse of `ours` for the first primes."""
        return [residues[limb, self.places[limb]].tolist() for limb in range(residues.shape[0])]

    @cached_property
    def places(self) -> list[np.ndarray]:
        """For each prime, where our transform has the value that the library has at i: the one at the same root."""
        degree, found = self.context.parameters.ring_degree, []
        for position, prime in enumerate(self.context.moduli):
            x = np.zeros((1, degree), np.uint64)
            x[0, 1] = 1
            at = {int(root): place for place, root in enumerate(self.context.ring.ntt(x, (position,))[0])}
            root = self.vector["roots"][position] if "roots" in self.vector else smallest_root(prime, 2 * degree)
            found.append(np.array([at[pow(root, 2 * reversed_bits(i, degree) + 1, prime)] for i in range(degree)]))
        return found


def _parameters(vector: dict[str, Any]) -> Parameters:
    """Parameters with the library's own primes."""
    primes, special = tuple(vector["primes"]), tuple(vector["special"])
    scale = int(np.log2(vector["scale"]))
    digits = -(-len(primes) // vector["digit_size"])
    literal = ParametersLiteral(vector["log_n"], (50, *[scale] * (len(primes) - 1)), (60,) * len(special), scale)
    made = check(dataclasses.replace(literal, digits=digits), insecure=True)
    return dataclasses.replace(made, q=primes, p=special)


def smallest_root(prime: int, order: int) -> int:
    root = primitive_root(prime, order)
    return min(pow(root, k, prime) for k in range(1, order, 2))


def reversed_bits(i: int, degree: int) -> int:
    return int(f"{i:0{degree.bit_length() - 1}b}"[::-1], 2)


def reordered(values: np.ndarray, generator: int) -> np.ndarray:
    """Slots ordered by powers of `generator`, in the order of powers of 5; conjugated where the power is negative."""
    order = 4 * values.size
    at = {pow(5, k, order): k for k in range(values.size)}
    result = np.empty(values.size, np.complex128)
    for k, value in enumerate(values):
        power = pow(generator, k, order)
        result[at[power] if power in at else at[order - power]] = value if power in at else np.conj(value)
    return result
