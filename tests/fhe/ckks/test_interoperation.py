"""Other libraries' secrets, plaintexts, ciphertexts and switching keys work in our scheme, and ours in SEAL's.

The vectors were written by the programs in `vectors/`, which name the library and its version; `foreign.py` says how
their numbers are read.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from tests.fhe.ckks.foreign import Foreign, reordered
from tests.fhe.ckks.vectors import make_seal

VECTORS = Path(__file__).with_name("vectors")
LIBRARIES = ["lattigo", "openfhe", "seal", "seal, live"]


@lru_cache(maxsize=16)
def foreign(library: str, engine_name: str) -> Foreign:
    if library == "seal, live":
        return Foreign(make_seal.Party().vector(), engine_name)
    return Foreign(json.loads((VECTORS / f"{library}.json").read_text()), engine_name)


@pytest.fixture(params=LIBRARIES)
def theirs(request: pytest.FixtureRequest, engine_name: str) -> Foreign:
    return foreign(request.param, engine_name)


def decrypted(theirs: Foreign, name: str) -> np.ndarray:
    return theirs.encryptor.decrypt(theirs.secret, theirs.ciphertext(name), theirs.values.size)


def turned(theirs: Foreign) -> np.ndarray:
    return reordered(np.roll(theirs.vector["values"], -1), theirs.vector["generator"])


def test_every_vector_is_used() -> None:
    assert {path.stem for path in VECTORS.glob("*.json")} == set(LIBRARIES) - {"seal, live"}


def test_the_secret_is_ternary(theirs: Foreign) -> None:
    assert set(np.unique(theirs.secret.coefficients)) == {-1, 0, 1}


@pytest.mark.parametrize("library", ["lattigo", "seal", "seal, live"])
def test_our_encoder_gives_their_plaintext(library: str, engine_name: str) -> None:
    theirs = foreign(library, engine_name)
    context, basis = theirs.context, theirs.context.basis(theirs.level)
    found = theirs.ours(theirs.vector["plaintext"], basis)
    plain = theirs.encryptor.encoder.encode(theirs.values, context.scale(theirs.level), basis)
    difference = context.ring.intt(context.ring.sub(found, plain.expanded(found.shape[-1]), basis), basis)[0]
    assert set(np.unique(difference)) <= {0, 1, theirs.vector["primes"][0] - 1}
    decoded = theirs.encryptor.encoder.decode(found, basis, context.scale(theirs.level), theirs.values.size)
    assert np.abs(decoded - theirs.values).max() < 2**-24


def test_our_decryptor_reads_their_ciphertexts(theirs: Foreign) -> None:
    assert np.abs(decrypted(theirs, "ciphertext") - theirs.values).max() < 2**-14


def test_our_evaluator_turns_with_their_key(theirs: Foreign) -> None:
    x, element = theirs.ciphertext(), theirs.vector["galois_element"]
    got = theirs.encryptor.decrypt(theirs.secret, theirs.evaluator.automorphism(x, element), theirs.values.size)
    assert np.abs(got - turned(theirs)).max() < 2**-14


def test_our_evaluator_multiplies_with_their_key(theirs: Foreign) -> None:
    ev, x = theirs.evaluator, theirs.ciphertext()
    got = theirs.encryptor.decrypt(theirs.secret, ev.rescale(ev.relinearize(ev.square(x))), theirs.values.size)
    assert np.abs(got - theirs.values**2).max() < 2**-13


@pytest.mark.parametrize("library", ["openfhe", "seal", "seal, live"])
def test_our_decryptor_reads_what_they_computed(library: str, engine_name: str) -> None:
    theirs = foreign(library, engine_name)
    assert np.abs(decrypted(theirs, "turned") - turned(theirs)).max() < 2**-14
    assert np.abs(decrypted(theirs, "product") - theirs.values**2).max() < 2**-13


def test_seal_reads_and_turns_our_ciphertexts(engine_name: str) -> None:
    party = make_seal.Party()
    theirs = Foreign(party.vector(), engine_name)
    values = np.random.default_rng(5).uniform(-1, 1, theirs.values.size)
    ours = theirs.encryptor.encrypt(theirs.secret, reordered(values, 3), theirs.level).expand(theirs.context)
    x = party.loaded([theirs.theirs(part) for part in ours.parts])
    assert np.abs(party.decrypted(x) - values).max() < 2**-14
    assert np.abs(party.decrypted(party.turned(x)) - np.roll(values, -1)).max() < 2**-14
