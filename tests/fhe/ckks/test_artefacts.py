"""Everything of the scheme that travels: frozen byte for byte, and fuzzed from outside."""

from __future__ import annotations

import hashlib
import secrets
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
from vortex_crypto.arith.engine import using
from vortex_crypto.arith.sampling import Sampler
from vortex_crypto.container import Artefact
from vortex_crypto.errors import MalformedArtefact, VortexError
from vortex_crypto.fhe.backends import Needs, backend
from vortex_crypto.fhe.circuit import Circuit
from vortex_crypto.fhe.ckks import storage
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.keys import KeyGenerator
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.passes.expand import Strategy, expand
from vortex_crypto.fhe.passes.lower import lower
from vortex_crypto.fhe.plan import CkksPlan

GOLDEN = Path(__file__).parent / "storage.golden.json"
TOY = ParametersLiteral(log_n=6, log_q=(45, 35, 35), log_p=(46,), log_scale=35)
BOOTSTRAPPED = replace(TOY, log_p=(46, 46), secret=16, log_bootstrap=(40,), ephemeral_weight=8)
ARTEFACTS = ("secret key", "evaluation keys", "input", "answer", "plan")


class Counted:
    """The operating system's entropy, replaced by a count."""

    def __init__(self) -> None:
        self.calls = 0

    def token_bytes(self, count: int) -> bytes:
        self.calls += 1
        return hashlib.shake_256(self.calls.to_bytes(8, "little")).digest(count)

    def token_hex(self, count: int) -> str:
        return self.token_bytes(count).hex()


@lru_cache(maxsize=1)
def toy_plan() -> CkksPlan:
    circuit = Circuit(32)
    x = circuit.input("x")
    circuit.output("y", circuit.rotate(circuit.mul(x, x), 3))
    parameters = check(TOY, insecure=True)
    lowered = lower(expand(circuit.freeze(), Strategy(None, frozenset())), parameters.max_level)
    return CkksPlan(lowered.freeze(), parameters, "vortex", 8.0, {})


@lru_cache(maxsize=1)
def artefacts() -> dict[str, Artefact]:
    made = toy_plan()
    with using("reference"):
        client = backend("vortex").client(made.parameters, made.needs)
    with pytest.MonkeyPatch.context() as patch:
        counted = Counted()
        patch.setattr(secrets, "token_bytes", counted.token_bytes)
        patch.setattr(secrets, "token_hex", counted.token_hex)
        keys = client.keygen()
        sent = client.encrypt(keys.secret, [np.linspace(-1, 1, 32)])
    answer = backend("vortex").server(made).load(keys.evaluation).run(sent)
    meta, arrays = made.to_arrays()
    plan = Artefact("fhe-program", made.hash, meta, arrays, insecure=True)
    return dict(zip(ARTEFACTS, (keys.secret, keys.evaluation, sent, answer, plan), strict=True))


@pytest.mark.parametrize("name", ARTEFACTS)
def test_artefacts_are_frozen(golden: Callable[[Path, str, Any], None], name: str) -> None:
    """A change of these hashes is a change of format: raise the container's version and say how old files are read."""
    golden(GOLDEN, name, hashlib.sha256(container.dumps(artefacts()[name])).hexdigest())


def test_the_keys_of_bootstrapping_are_frozen(
    golden: Callable[[Path, str, Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_bytes", Counted().token_bytes)
    context = Context(check(BOOTSTRAPPED, insecure=True), engine_name="reference")
    generator = KeyGenerator(context, sampler=Sampler(context.ring, seed=bytes(32)))
    to_sparse, to_dense = generator.encapsulation_keys(generator.secret_key())
    for name, key, special in [("to sparse", to_sparse, context.special[:1]), ("to dense", to_dense, context.special)]:
        seeds, arrays = storage.key_arrays({name: key})
        artefact = Artefact("evaluation-keys", "0" * 64, {"seeds": seeds}, arrays, insecure=True)
        golden(GOLDEN, name, hashlib.sha256(container.dumps(artefact)).hexdigest())
        again = storage.compressed_key(context, seeds, arrays, name, key.level, special=special)
        assert np.array_equal(again.halves, key.halves)
    with pytest.raises(MalformedArtefact, match="to sparse"):
        seeds, arrays = storage.key_arrays({"to sparse": to_sparse})
        storage.compressed_key(context, seeds, arrays, "to sparse", to_sparse.level)


def use(name: str, artefact: Artefact) -> None:
    """What reads such an artefact."""
    made, given = toy_plan(), artefacts()
    client = backend("vortex").client(made.parameters, made.needs)
    if name == "secret key":
        client.decrypt(artefact, given["answer"])
    elif name == "evaluation keys":
        backend("vortex").server(made).load(artefact)
    elif name == "input":
        backend("vortex").server(made).load(given["evaluation keys"]).run(artefact)
    elif name == "answer":
        client.decrypt(given["secret key"], artefact)
    else:
        CkksPlan.from_arrays(artefact.expect(kind="fhe-program").meta, artefact.arrays)


@pytest.mark.parametrize("name", ARTEFACTS)
def test_what_is_not_altered_is_read(name: str) -> None:
    use(name, container.loads(container.dumps(artefacts()[name])))


@given(name=st.sampled_from(ARTEFACTS), data=st.data())
def test_altered_bytes_are_refused(name: str, data: st.DataObject) -> None:
    original = container.dumps(artefacts()[name])
    place, value = data.draw(st.integers(0, len(original) - 1)), data.draw(st.integers(1, 255))
    altered = bytearray(original)
    altered[place] ^= value
    with pytest.raises(VortexError):
        use(name, container.loads(bytes(altered)))


@given(name=st.sampled_from(ARTEFACTS), share=st.floats(0, 1, exclude_max=True), more=st.binary(max_size=20))
def test_shortened_and_lengthened_files_are_refused(name: str, share: float, more: bytes) -> None:
    whole = container.dumps(artefacts()[name])
    for data in (whole[: int(share * len(whole))], whole + more + b"x"):
        with pytest.raises(VortexError):
            use(name, container.loads(data))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(name=st.sampled_from(ARTEFACTS), data=st.data(), value=ANYTHING)
def test_metadata_of_any_kind_is_refused(name: str, data: st.DataObject, value: Any) -> None:
    """One field replaced by anything, and by nothing; what a reader does not look at may stay."""
    artefact = artefacts()[name]
    field = data.draw(st.sampled_from(sorted(artefact.meta)))
    fewer = {key: v for key, v in artefact.meta.items() if key != field}
    for meta in ({**artefact.meta, field: value}, fewer):
        try:
            use(name, replace(artefact, meta=meta))
        except VortexError:
            continue
        assert value == artefact.meta[field] or field in IGNORED[name], (field, value)


IGNORED = {
    "secret key": set(),
    "evaluation keys": {"key"},  # a name: the ciphertexts must say the same
    "input": set(),
    "answer": {"seeds"},
    "plan": {"precision_bits", "errors", "insecure"},  # what was asked and foreseen; no part of the program
}


@given(
    name=st.sampled_from(ARTEFACTS[:4]),
    shape=st.lists(st.integers(0, 65), max_size=4),
    dtype=st.sampled_from(["u1", "i1", "<u8", "<f8", "<i8", "<c16", "<u4"]),
    data=st.data(),
)
def test_arrays_of_any_shape_are_refused(name: str, shape: list[int], dtype: str, data: st.DataObject) -> None:
    artefact = artefacts()[name]
    section = data.draw(st.sampled_from(sorted(artefact.arrays)))
    array = np.zeros(shape, dtype)
    same = (array.shape, array.dtype) == (artefact.arrays[section].shape, artefact.arrays[section].dtype)
    for arrays in ({**artefact.arrays, section: array}, {k: v for k, v in artefact.arrays.items() if k != section}):
        if arrays and not same:
            with pytest.raises(VortexError):
                use(name, replace(artefact, arrays=arrays))


@given(value=ANYTHING, field=st.sampled_from(sorted(toy_plan().needs.to_meta())))
def test_needs_of_any_kind_are_refused_or_read(value: Any, field: str) -> None:
    meta = {**toy_plan().needs.to_meta(), field: value}
    try:
        needs = Needs.from_meta(meta)
    except MalformedArtefact:
        return
    assert Needs.from_meta(needs.to_meta()) == needs


@given(value=ANYTHING, field=st.sampled_from(sorted(TOY.to_meta())))
def test_parameters_of_any_kind_are_refused_or_read(value: Any, field: str) -> None:
    try:
        literal = ParametersLiteral.from_meta({**TOY.to_meta(), field: value})
        check(literal, insecure=True)
    except VortexError:
        return
    assert ParametersLiteral.from_meta(literal.to_meta()) == literal
