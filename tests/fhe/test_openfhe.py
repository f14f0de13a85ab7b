"""The back end openfhe: what is checked without the package, and what of its keys and formats where it is installed.

The conformance tests of `test_backends` run on it as well, where the package loads.
"""

from __future__ import annotations

import dataclasses
import struct
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from tests.fhe import circuits
from tests.fhe.test_backends import BACKENDS, sample
from vortex_crypto.errors import (
    ArtefactMismatch,
    MalformedArtefact,
    MissingDependency,
    MissingKey,
    ParameterRefused,
    VortexError,
)
from vortex_crypto.fhe.backends import backend
from vortex_crypto.fhe.backends.openfhe_format import Context, checked_residues, context_of, frame_of, library, map_of
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.plan import plan

installed = pytest.mark.skipif("openfhe" not in BACKENDS, reason="the package openfhe does not load here")
TAG, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
DEGREE, MODULI = 64, (257, 97)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    library.cache_clear()
    monkeypatch.setitem(sys.modules, "openfhe", None)
    yield
    library.cache_clear()


@pytest.mark.usefixtures("absent")
def test_without_the_package_plans_are_made_and_the_error_says_what_to_install() -> None:
    made = plan(circuits.sums(), precision_bits=10, backend="openfhe")
    with pytest.raises(MissingDependency, match=r"vortex-crypto\[openfhe\]"):
        Context(made.parameters)


@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        (ParametersLiteral(10, (40, 30), (), 30), "digits"),
        (ParametersLiteral(10, (40, 30), (45, 46), 30), "digits"),
        (ParametersLiteral(10, (40, 30), (45,), 30, secret=64), "digits"),
        (ParametersLiteral(10, (40, 30), (45,), 30, log_bootstrap=(40,)), "chain"),
    ],
)
def test_parameters_that_openfhe_has_not_are_refused(literal: ParametersLiteral, reason: str) -> None:
    with pytest.raises(ParameterRefused) as refusal:
        context_of(check(literal, insecure=True))
    assert refusal.value.reason == reason


def written(rows: np.ndarray, element: int = 5) -> bytes:
    """Bytes as OpenFHE writes them: rows behind their length, each before its modulus."""
    head = struct.pack("<BIQI", 1, 1 << 31, 1, element) + TAG.encode()
    body = [struct.pack("<Q", DEGREE) + row.tobytes() + struct.pack("<Q", MODULI[i % 2]) for i, row in enumerate(rows)]
    return head + b"".join(body)


def test_frames_hold_and_take_residues() -> None:
    rows = np.arange(4 * DEGREE, dtype=np.uint64).reshape(4, DEGREE)
    frame = frame_of(written(rows), DEGREE, MODULI, TAG)
    np.testing.assert_array_equal(frame.residues(), rows)
    filled = map_of(frame, rows[::-1].reshape(2, 2, DEGREE), OTHER, 25)
    assert filled == written(rows[::-1], 25).replace(TAG.encode(), OTHER.encode())
    assert TAG not in repr(frame)


@pytest.mark.parametrize("moduli", [(97, 257), (257, 97, 193), (193,)])
def test_bytes_of_another_shape_are_no_frame(moduli: tuple[int, ...]) -> None:
    rows = np.ones((4, DEGREE), np.uint64)
    with pytest.raises(VortexError, match="OpenFHE wrote"):
        frame_of(written(rows), DEGREE, moduli, TAG)


@pytest.mark.parametrize(
    "array",
    [
        None,
        np.zeros((2, DEGREE), np.int64),
        np.zeros((2, DEGREE + 1), np.uint64),
        np.full((2, DEGREE), 97, np.uint64),
    ],
)
def test_arrays_that_are_no_residues_are_refused(array: np.ndarray | None) -> None:
    with pytest.raises(MalformedArtefact, match="the secret key"):
        checked_residues(array, (2, DEGREE), MODULI, "the secret key")


@installed
def test_missing_and_spoilt_keys_are_found() -> None:
    made = sample("network", "openfhe")
    server, evaluation = backend("openfhe").server(made.plan), made.keys.evaluation
    for name, array in evaluation.arrays.items():
        fewer = {key: each for key, each in evaluation.arrays.items() if key != name}
        with pytest.raises(MissingKey, match=name):
            server.load(dataclasses.replace(evaluation, arrays=fewer))
        spoilt = array.copy()
        spoilt.reshape(-1)[-1] = (1 << 64) - 1
        with pytest.raises(MalformedArtefact, match=name):
            server.load(dataclasses.replace(evaluation, arrays={**evaluation.arrays, name: spoilt}))
    with pytest.raises(MalformedArtefact, match="which key"):
        server.load(dataclasses.replace(evaluation, meta={**evaluation.meta, "key": "../secret"}))


@installed
def test_ciphertexts_under_other_keys_are_found() -> None:
    made = sample("network", "openfhe")
    others = made.client.keygen()
    foreign = made.client.encrypt(others.secret, list(circuits.inputs_of(circuits.network()).values()))
    with pytest.raises(ArtefactMismatch, match="under other keys"):
        made.session.run(foreign)


@installed
def test_openfhe_takes_the_very_primes_that_were_checked() -> None:
    made = sample("degree 15", "openfhe")
    parameters = made.plan.parameters
    context = context_of(parameters)
    pair = context.context.KeyGen()
    key = context.context.EvalAutomorphismKeyGen(pair.secretKey, [5])
    context.context.ClearEvalAutomorphismKeys()
    rows = context.residues(key, parameters.q + parameters.p, pair.secretKey.GetKeyTag())
    assert rows.shape[0] == 2 * context.digits * len(parameters.q + parameters.p)


@installed
def test_secrets_are_in_no_repr() -> None:
    made = sample("network", "openfhe")
    words = made.keys.secret.arrays["secret"][0, :2].tolist()
    assert not any(str(word) in repr(made.client) + repr(made.session) for word in words)
