"""The HTTP service: one inference over the wire, and a 4xx with a reason for everything else."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.programs import digits, digits_samples, digits_scores
from vortex_crypto import container
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact, MissingKey
from vortex_crypto.serve import http, protocol
from vortex_crypto.serve.client import Client
from vortex_crypto.serve.query import RemoteServer


@pytest.fixture(scope="module")
def client() -> Client:
    return digits().client(insecure=True)


@pytest.fixture
def web() -> TestClient:
    return TestClient(http.application(digits().server()))


@pytest.fixture
def remote(web: TestClient) -> RemoteServer:
    server = RemoteServer("http://testserver")
    server._http = web
    return server


def test_one_question_over_the_wire(remote, tmp_path: Path):
    features = digits_samples(2)
    answer = remote.ask({"features": features}, tmp_path / "keys", insecure=True)
    assert (answer["scores"].argmax(1) == digits_scores(features).argmax(1)).all()
    shared = remote.ask({"features": features}, tmp_path / "keys", insecure=True, share=4)["scores"]
    assert (16 * shared == np.round(16 * shared)).all()
    again = remote.ask({"features": features[0]}, tmp_path / "keys", insecure=True)
    assert again["scores"].argmax() == answer["scores"][0].argmax()


def test_the_interface_carries_no_weights(web):
    content = web.get(protocol.PROGRAM).content
    artefact = container.loads(content)
    assert artefact.kind == "fhe-client"
    assert set(artefact.arrays) == {"layout/0", "layout/1"}


def test_what_a_server_says_of_a_program_does_not_bend_keys_made_before(remote, tmp_path: Path, monkeypatch):
    remote.ask({"features": digits_samples(1)}, tmp_path / "keys", insecure=True)
    honest = remote.interface()
    bent = dataclasses.replace(honest, backend="vortex")
    monkeypatch.setattr(remote, "interface", lambda: bent)
    remote.ask({"features": digits_samples(1)}, tmp_path / "keys", insecure=True)
    other = dataclasses.replace(honest, program="00" * 32)
    monkeypatch.setattr(remote, "interface", lambda: other)
    with pytest.raises(ArtefactMismatch, match="another key folder"):
        remote.ask({"features": digits_samples(1)}, tmp_path / "keys", insecure=True)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b"not json"])
def test_a_server_that_talks_nonsense_is_explained(remote, tmp_path: Path, monkeypatch, answer: bytes):
    monkeypatch.setattr(remote, "_request", lambda *_, **__: answer)
    (tmp_path / "evaluation.key").touch()
    with pytest.raises(MalformedArtefact, match="server"):
        remote.register(tmp_path / "evaluation.key")


def test_headers_that_would_swell_are_refused_unread(web):
    swelling = container.dumps(container.Artefact("evaluation-keys", "", {"seeds": [[]] * (2 << 20)}))
    response = web.post(protocol.KEYS, content=swelling)
    assert response.status_code == 400
    assert "header" in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "not a vortex-crypto artefact"),
        (b"\x00" * 1000, 400, "not a vortex-crypto artefact"),
        (container.dumps(container.Artefact("proof", "ab")), 400, "proof"),
    ],
)
@pytest.mark.parametrize("path", [protocol.KEYS, protocol.RUN])
def test_bad_bodies_get_a_reason(web, client, path, body, status, reason):
    name = web.post(protocol.KEYS, content=container.dumps(client.evaluation_keys)).json()["keys"]
    response = web.post(path, content=body, params={"keys": name})
    assert response.status_code == status
    assert reason in response.json()["error"]


def test_every_truncation_of_a_question_is_refused(web, client):
    name = web.post(protocol.KEYS, content=container.dumps(client.evaluation_keys)).json()["keys"]
    body = container.dumps(client.encrypt({"features": digits_samples(1)}))
    for length in range(0, len(body), max(1, len(body) // 40)):
        response = web.post(protocol.RUN, content=body[:length], params={"keys": name})
        assert response.status_code == 400, length
        assert response.json()["error"]


def test_unknown_keys_and_names(web, client):
    body = container.dumps(client.encrypt({"features": digits_samples(1)}))
    assert web.post(protocol.RUN, content=body, params={"keys": "ab" * 32}).status_code == 404
    assert web.post(protocol.RUN, content=body, params={"keys": "../../etc"}).status_code == 422
    nameless = web.post(protocol.RUN, content=body)
    assert nameless.status_code == 422
    assert nameless.json()["error"]


def test_uploads_over_the_limit_are_cut(client, monkeypatch):
    monkeypatch.setattr(http, "limits", lambda plan: (100, 100))
    web = TestClient(http.application(digits().server()))
    response = web.post(protocol.KEYS, content=container.dumps(client.evaluation_keys))
    assert response.status_code == 413
    assert "100 bytes" in response.json()["error"]


def test_a_busy_server_says_so():
    app = http.application(digits().server(), max_waiting=0)

    async def two_uploads() -> list[int]:
        async def slow():
            yield b"x"
            await asyncio.sleep(0.5)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as web:
            first = asyncio.create_task(web.post(protocol.KEYS, content=slow()))
            await asyncio.sleep(0.1)
            second = await web.post(protocol.KEYS, content=b"x")
            return [(await first).status_code, second.status_code]

    assert asyncio.run(two_uploads()) == [400, 503]


def test_refusals_reach_the_asker(remote, client, tmp_path):
    (tmp_path / "nothing").write_bytes(b"nothing")
    with pytest.raises(InvalidInput, match="not a vortex-crypto artefact"):
        remote.register(tmp_path / "nothing")
    with pytest.raises(MissingKey, match="register"):
        remote.run("ab" * 32, client.encrypt({"features": digits_samples(1)}))


def test_an_absent_server_is_named():
    with (
        RemoteServer("http://127.0.0.1:9", timeout=1.0) as server,
        pytest.raises(InvalidInput, match=r"127\.0\.0\.1:9"),
    ):
        server.interface()
