"""The two sides of encrypted inference in one process: right answers, and refusals."""

from __future__ import annotations

import dataclasses
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.programs import digits, digits_samples, digits_scores
from vortex_crypto import container, using
from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, InsecureParameters, InvalidInput, MalformedArtefact, MissingKey
from vortex_crypto.serve.client import EVALUATION, SECRET, Client, read_interface, sample_count
from vortex_crypto.serve.server import Server


@pytest.fixture(scope="module")
def client() -> Client:
    return digits().client(insecure=True)


@pytest.fixture(scope="module")
def server(client: Client) -> tuple[Server, str]:
    made = digits().server()
    return made, made.register(client.evaluation_keys)


def test_answers_equal_onnxruntime(client, server):
    features = digits_samples(3)
    answer = server[0].run(server[1], client.encrypt({"features": features}))
    scores = client.decrypt(answer, batch=3)["scores"]
    assert scores.dtype == np.float32
    assert np.abs(scores - digits_scores(features)).mean() < 2.0 ** -digits().report.precision_bits * 2
    assert (scores.argmax(1) == digits_scores(features).argmax(1)).all()


@pytest.mark.parametrize("backend", ["clear", "tenseal", "vortex"])
def test_answers_to_share_are_drowned_and_rounded(backend: str):
    program, features = digits(backend), digits_samples(2)
    client, server = program.client(insecure=True), program.server()
    answer = server.run(server.register(client.evaluation_keys), client.encrypt({"features": features}))
    first, second = (client.decrypt(answer, batch=2, share=5)["scores"] for _ in range(2))
    assert np.array_equal(first * 32, np.round(first * 32))
    assert not np.array_equal(first, second), "the noise is the client's, fresh each time"
    assert (first.argmax(1) == digits_scores(features).argmax(1)).all()
    with pytest.raises(InvalidInput, match="shared to 60 bits"):
        client.decrypt(answer, batch=2, share=60)


@pytest.mark.parametrize("backend", ["clear", "tenseal"])
def test_back_ends_with_a_library_of_their_own_take_no_engine(backend: str):
    program = digits(backend)
    with pytest.raises(InvalidInput, match=f"'{backend}' computes in a library of its own"):
        program.client(insecure=True, engine="native")
    with pytest.raises(InvalidInput, match="not on the engine 'cuda'"):
        program.server(engine="cuda")
    with using("cuda"), pytest.raises(InvalidInput, match="not on the engine 'cuda'"):
        program.server()


def test_tenseal_answers_equal_onnxruntime():
    program = digits("tenseal")
    client, server, features = program.client(), program.server(), digits_samples(2)
    answer = server.run(server.register(client.evaluation_keys), client.encrypt({"features": features}))
    scores = client.decrypt(answer, batch=2)["scores"]
    assert np.abs(scores - digits_scores(features)).mean() < 2.0**-program.report.precision_bits * 2


def test_unused_slots_tell_the_client_nothing(client, server):
    answer = server[0].run(server[1], client.encrypt({"features": digits_samples(1)}))
    (slots,) = client._client.decrypt(client._keys.secret, answer)
    port, layout = client.interface.outputs[0], client.interface.layouts[1]
    features = np.real(slots).reshape(client.interface.features, client.interface.lanes)
    unused = ~np.isin(np.arange(client.interface.features) % port.period, layout.positions)
    assert unused.any()
    assert np.abs(features[unused]).max() < 1e-6


def test_keys_of_another_program_are_refused(client, server):
    foreign = dataclasses.replace(client.evaluation_keys, program="00" * 32)
    with pytest.raises(ArtefactMismatch):
        server[0].register(foreign)


def test_ciphertexts_of_another_program_are_refused(client, server):
    ciphertext = dataclasses.replace(client.encrypt({"features": digits_samples(1)}), program="00" * 32)
    with pytest.raises(ArtefactMismatch):
        server[0].run(server[1], ciphertext)


@pytest.mark.parametrize("kind", ["evaluation", "ciphertext"])
def test_other_artefacts_are_refused(client, server, kind):
    wrong = Artefact("proof", digits().hash)
    with pytest.raises(MalformedArtefact):
        server[0].register(wrong) if kind == "evaluation" else server[0].run(server[1], wrong)


def test_unregistered_keys_are_named(server, client):
    with pytest.raises(MissingKey, match="register"):
        server[0].run("ab" * 32, client.encrypt({"features": digits_samples(1)}))


def test_the_least_recent_keys_make_room(client):
    server = Server(digits().fhe, max_clients=1)
    first = server.register(client.evaluation_keys, "first")
    server.register(client.evaluation_keys, "second")
    with pytest.raises(MissingKey):
        server.run(first, client.encrypt({"features": digits_samples(1)}))


def test_keys_that_answered_nothing_make_room_before_those_at_work(client):
    server = Server(digits().fhe, max_clients=2)
    question = client.encrypt({"features": digits_samples(1)})
    server.register(client.evaluation_keys, "at work")
    server.run("at work", question)
    for n in range(5):
        server.register(client.evaluation_keys, f"uploaded {n}")
    server.run("at work", question)
    server.run("uploaded 4", question)
    with pytest.raises(MissingKey):
        server.run("uploaded 3", question)
    server.register(client.evaluation_keys, "another")
    with pytest.raises(MissingKey):
        server.run("at work", question)


def test_keys_registered_at_once_are_loaded_once(client, monkeypatch):
    server, loads = Server(digits().fhe), []
    load = server._server.load
    slow = lambda keys: (time.sleep(0.05), loads.append(1), load(keys))[-1]  # noqa: E731
    monkeypatch.setattr(server, "_server", SimpleNamespace(load=slow))
    with ThreadPoolExecutor(8) as crowd:
        names = set(crowd.map(lambda _: server.register(client.evaluation_keys), range(16)))
    assert (len(names), len(loads)) == (1, 1)


@pytest.mark.parametrize("backend", ["clear", "tenseal", "vortex"])
def test_a_prepared_server_encodes_nothing_for_its_first_client(backend: str):
    server = digits(backend).server()
    server.prepare()
    store = getattr(server._server, "store", None)
    before = store.nbytes if store else 0
    assert (before > 0) == (backend == "vortex")
    server.register(digits(backend).client(insecure=True).evaluation_keys)
    assert (store.nbytes if store else 0) == before


def test_all_that_is_made_without_protection_is_marked(client, server):
    question = client.encrypt({"features": digits_samples(1)})
    made = [digits().fhe.to_artefact(), client.interface.to_artefact(), client._keys.secret, client.evaluation_keys]
    assert all(artefact.insecure for artefact in [*made, question, server[0].run(server[1], question)])
    assert digits().report.parameters.security.startswith("INSECURE")
    assert not digits("tenseal").fhe.to_artefact().insecure


def test_insecure_programs_need_a_word():
    with pytest.raises(InsecureParameters, match="--insecure"):
        Client(digits().interface)


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ({}, "missing"),
        ({"features": np.zeros((1, 63))}, "shape"),
        ({"features": np.full((1, 64), np.nan)}, "NaN"),
        ({"features": np.full((1, 64), 1e6)}, "compiled for"),
        ({"features": np.zeros((1, 64)), "more": np.zeros(1)}, "no input"),
    ],
)
def test_unfit_inputs_are_explained(client, inputs, match):
    with pytest.raises(InvalidInput, match=match):
        client.encrypt(inputs)


def test_key_folders_are_private_and_never_overwritten(client, tmp_path: Path):
    folder = tmp_path / "keys"
    client.save(folder)
    assert stat.S_IMODE((folder / SECRET).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InvalidInput, match="not overwritten"):
        client.save(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]
    assert read_interface(folder).program == digits().hash
    again = Client.open(folder, insecure=True)
    assert container.dumps(again.evaluation_keys) == (folder / EVALUATION).read_bytes()


def test_a_folder_with_something_in_it_takes_no_keys(client, tmp_path: Path):
    (tmp_path / "notes").write_text("mine")
    mode = tmp_path.stat().st_mode
    with pytest.raises(InvalidInput, match="not overwritten"):
        client.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
    assert tmp_path.stat().st_mode == mode


@pytest.mark.parametrize("backend", ["tenseal", "vortex"])
def test_secrets_stay_out_of_reprs(backend: str):
    client = digits(backend).client()
    assert client._keys.secret.arrays
    text = repr(client) + repr(client._keys) + repr(client._keys.secret) + repr(client._client)
    for array in client._keys.secret.arrays.values():
        assert np.array2string(array.reshape(-1)[:3])[1:-1] not in text


def test_keys_that_protect_never_lead_to_plaintext(client):
    """A server that calls its program one of the clear back end gets nothing from keys of another."""
    real = dataclasses.replace(client._keys.secret, meta={"backend": "vortex"})
    bent = Client(client.interface, dataclasses.replace(client._keys, secret=real), insecure=True)
    with pytest.raises(ArtefactMismatch, match="hides nothing"):
        bent.encrypt({"features": digits_samples(1)})


CLIENT_SIDE = ("serve.client", "fhe.backends.vortex_client", "fhe.backends.tenseal_client", "fhe.ckks.keys")
CLIENT_SIDE += ("fhe.ckks.encryption",)


@pytest.mark.parametrize("name", ["tenseal", "vortex"])
def test_the_server_imports_nothing_that_decrypts(name: str, tmp_path: Path):
    """A fresh process that answers a question has not imported a module that takes a secret key; a client's has."""
    client = digits(name).client()
    container.write(tmp_path / "program", digits(name).fhe.to_artefact())
    container.write(tmp_path / "keys", client.evaluation_keys)
    container.write(tmp_path / "question", client.encrypt({"features": digits_samples(1)}))
    code = f"""
import sys
from vortex_crypto import container
from vortex_crypto.nn.compile import FheProgram
from vortex_crypto.serve import http
from vortex_crypto.serve.server import Server
program, keys, question = (container.read({str(tmp_path)!r} + "/" + file) for file in ("program", "keys", "question"))
server = Server(FheProgram.from_artefact(program))
container.write({str(tmp_path / "answer")!r}, server.run(server.register(keys), question))
print([module for module in {CLIENT_SIDE} if "vortex_crypto." + module in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    scores = client.decrypt(container.read(tmp_path / "answer"))["scores"]
    assert scores.argmax() == digits_scores(digits_samples(1)).argmax()
    assert all("vortex_crypto." + module in sys.modules for module in CLIENT_SIDE if name in module)


def test_samples_are_counted(client):
    assert sample_count(client.interface, {"features": digits_samples(3)}) == 3
    assert sample_count(client.interface, {"features": digits_samples(1)[0]}) == 1
