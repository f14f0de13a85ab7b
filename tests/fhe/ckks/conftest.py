"""A toy parameter set with keys, on every ring engine that is built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest

from vortex_crypto.arith import native
from vortex_crypto.arith.sampling import Sampler
from vortex_crypto.errors import MissingDependency
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.keys import KeyGenerator, KeyNeeds, SecretKey
from vortex_crypto.fhe.ckks.switching import EvaluationKeys
from vortex_crypto.fhe.params import ParametersLiteral, check

LITERAL = ParametersLiteral(log_n=8, log_q=(45, *[35] * 6), log_p=(46, 46), log_scale=35)
STEPS = (1, 2, 3, 4, 5, 8, 12, 16, 32, 64, 127)


@dataclass(frozen=True)
class Party:
    """Both sides of a toy set-up; what a test needs to check the server's work."""

    context: Context
    secret: SecretKey
    generator: KeyGenerator
    encryptor: Encryptor
    evaluator: Evaluator

    def encrypt(self, values: object, level: int | None = None) -> object:
        level = self.context.parameters.max_level if level is None else level
        return self.encryptor.encrypt(self.secret, values, level).expand(self.context)  # type: ignore[arg-type]

    def decrypt(self, ciphertext: object, slots: int | None = None) -> np.ndarray:
        return self.encryptor.decrypt(self.secret, ciphertext, slots or self.context.slots)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def party(engine_name: str, literal: ParametersLiteral = LITERAL, steps: tuple[int, ...] = STEPS) -> Party:
    context = Context(check(literal, insecure=True), engine_name=engine_name)
    sampler = Sampler(context.ring, seed=bytes(range(32)))
    generator = KeyGenerator(context, sampler=sampler)
    secret = generator.secret_key()
    top = context.parameters.max_level
    elements = {context.galois_element(step): top for step in steps} | {context.conjugation: top}
    product, galois = generator.evaluation_keys(secret, KeyNeeds(top, elements))
    assert product is not None
    keys = EvaluationKeys(product.expand(context), {g: key.expand(context) for g, key in galois.items()})
    return Party(context, secret, generator, Encryptor(context, sampler=sampler), Evaluator(context, keys))


def _engines() -> list[str]:
    try:
        native.load()
    except MissingDependency:
        return ["reference"]
    return ["reference", "native"]


@pytest.fixture(params=_engines())
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fast_engine() -> str:
    """The fastest engine that is built, for what takes the definition too long."""
    return _engines()[-1]


@pytest.fixture
def toy(engine_name: str) -> Party:
    return party(engine_name)


@pytest.fixture
def slots(toy: Party) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.uniform(-1, 1, toy.context.slots) + 1j * rng.uniform(-1, 1, toy.context.slots)
