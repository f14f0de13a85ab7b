"""Serialised forms: frozen by hashes, and whatever is altered is refused with an error of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vortex_crypto import container
from vortex_crypto.arith.sampling import Sampler
from vortex_crypto.container import Artefact
from vortex_crypto.errors import MalformedArtefact, VortexError
from vortex_crypto.fhe.backends import KeySet, backend
from vortex_crypto.fhe.backends.vortex import VortexSession
from vortex_crypto.fhe.circuit import Circuit
from vortex_crypto.fhe.ckks import keys as keys_module
from vortex_crypto.fhe.ckks import storage
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.keys import KeyGenerator
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.plan import CkksPlan, plan

GOLDEN = Path(__file__).parent / "storage.golden.json"
TOY = ParametersLiteral(log_n=6, log_q=(45, 35, 35), log_p=(46,), log_scale=35)


@lru_cache(maxsize=1)
def program() -> tuple[CkksPlan, KeySet, VortexSession, Artefact]:
    circuit = Circuit(64)
    x = circuit.input("x")
    circuit.output("y", circuit.rotate(circuit.mul(x, x), 3))
    made = plan(circuit, precision_bits=8, backend="vortex")
    client = backend("vortex").client(made.parameters, made.needs)
    keys = client.keygen()
    session = backend("vortex").server(made).load(keys.evaluation)
    assert isinstance(session, VortexSession)
    return made, keys, session, client.encrypt(keys.secret, [np.linspace(-1, 1, 64)])


def test_keys_are_frozen(golden: Callable[[Path, str, Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of these hashes is a change of format: raise the container's version and say how old keys are read."""
    seeds = iter(bytes([n]) * 32 for n in range(1, 9))
    monkeypatch.setattr(keys_module, "fresh_seed", lambda: next(seeds))
    context = Context(check(TOY, insecure=True), engine_name="reference")
    generator = KeyGenerator(context, sampler=Sampler(context.ring, seed=bytes(32)))
    secret = generator.secret_key()
    for name, key in [
        ("relinearisation", generator.relinearisation_key(secret, 2)),
        ("galois", generator.galois_key(secret, 5, 1)),
    ]:
        found, arrays = storage.key_arrays({name: key})
        artefact = Artefact("evaluation-keys", "0" * 64, {"seeds": found}, arrays, insecure=True)
        golden(GOLDEN, name, hashlib.sha256(container.dumps(artefact)).hexdigest())
        again = storage.compressed_key(context, found, arrays, name, key.level)
        assert np.array_equal(again.expand(context).rows, key.expand(context).rows)


def test_keys_travel_as_half_and_seed() -> None:
    made, keys, _, _ = program()
    whole = sum(
        backend("vortex").capabilities.key_bytes(made.parameters, level)
        for level in (*made.keys.rotations.values(), made.keys.relinearization or 0)
    )
    assert len(container.dumps(keys.evaluation)) < whole / 2 + 8192


def poisoned(artefact: Artefact, name: str, value: int) -> Artefact:
    array = artefact.arrays[name].copy()
    array.reshape(-1)[-1] = value
    return replace(artefact, arrays={**artefact.arrays, name: array})


def test_residues_at_or_above_their_prime_are_refused() -> None:
    made, keys, session, sent = program()
    server, level = backend("vortex").server(made), made.needs.inputs[0][1]
    for value in (made.parameters.q[level], 2**64 - 1):
        with pytest.raises(MalformedArtefact, match="not below their primes"):
            session.run(poisoned(sent, "0", value))
    for value in (made.parameters.p[-1], 2**64 - 1):
        with pytest.raises(MalformedArtefact, match="not below their primes"):
            server.load(poisoned(keys.evaluation, "relinearization", value))


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": None},
        {"seeds": []},
        {"seeds": [b"short"]},
        {"seeds": ["x" * 32]},
        {"key": None},
        {"backend": "clear"},
    ],
    ids=str,
)
def test_ciphertexts_with_wrong_metadata_are_refused(change: dict[str, Any]) -> None:
    _, _, session, sent = program()
    with pytest.raises(VortexError):
        session.run(replace(sent, meta={**sent.meta, **change}))


@pytest.mark.parametrize("change", [{"seeds": None}, {"seeds": {}}, {"parameters": "0"}, {"key": 7}], ids=str)
def test_keys_with_wrong_metadata_are_refused(change: dict[str, Any]) -> None:
    made, keys, _, _ = program()
    with pytest.raises(VortexError):
        backend("vortex").server(made).load(replace(keys.evaluation, meta={**keys.evaluation.meta, **change}))


def test_a_secret_that_is_not_ternary_is_refused() -> None:
    made, keys, session, sent = program()
    client = backend("vortex").client(made.parameters, made.needs)
    answer = session.run(sent)
    for array in (np.full(made.parameters.ring_degree, 2, np.int8), np.zeros(4, np.int8), np.zeros(8)):
        with pytest.raises(MalformedArtefact, match="entries -1, 0 and 1"):
            client.decrypt(replace(keys.secret, arrays={"secret": array}), answer)


@given(place=st.integers(0, 1 << 30), value=st.integers(0, 255), which=st.sampled_from(["keys", "ciphertext"]))
def test_any_altered_byte_is_refused(place: int, value: int, which: str) -> None:
    made, keys, session, sent = program()
    data = bytearray(container.dumps(keys.evaluation if which == "keys" else sent))
    place %= len(data)
    if data[place] == value:
        return
    data[place] = value
    with pytest.raises(VortexError):
        artefact = container.loads(bytes(data))
        session.run(artefact) if which == "ciphertext" else backend("vortex").server(made).load(artefact)


@given(shape=st.lists(st.integers(0, 5), max_size=3), dtype=st.sampled_from(["u1", "<u8", "<f8", "<i8", "<c16"]))
def test_arrays_of_any_shape_are_refused(shape: list[int], dtype: str) -> None:
    _, _, session, sent = program()
    with pytest.raises(MalformedArtefact, match="input 'x'"):
        session.run(replace(sent, arrays={"0": np.zeros(shape, dtype)}))
