"""Uploads that are slow, large or too many, and several clients and signals at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from tests.programs import digits, digits_samples, digits_scores
from vortex_crypto import container
from vortex_crypto.errors import InvalidInput
from vortex_crypto.serve import http, protocol
from vortex_crypto.serve.query import RemoteServer
from vortex_crypto.serve.running import Listener
from vortex_crypto.serve.server import Server
from vortex_crypto.serve.uploads import Rules

Web = httpx.AsyncClient


def application(rules: Rules, waiting: int = 0) -> FastAPI:
    return http.application(digits().server(), max_waiting=waiting, rules=rules)


def asked(app: FastAPI, talk: Callable[[Web], Awaitable[list[httpx.Response]]]) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        async with Web(transport=httpx.ASGITransport(app), base_url="http://testserver") as web:
            return await talk(web)

    return asyncio.run(run())


async def drops(count: int, seconds: float, size: int = 1) -> AsyncIterator[bytes]:
    """So many pieces of a body, so long apart."""
    for _ in range(count):
        yield b"x" * size
        await asyncio.sleep(seconds)


async def held(going: asyncio.Event, first: bytes = b"x") -> AsyncIterator[bytes]:
    """A body whose end is awaited."""
    yield first
    await going.wait()


def test_a_byte_now_and_then_holds_no_place():
    async def talk(web: Web) -> list[httpx.Response]:
        return [await web.post(protocol.KEYS, content=drops(1000, 0.05))]

    (response,) = asked(application(Rules(grace=0.2, least_rate=1e6)), talk)
    assert response.status_code == 408
    assert "1000000 bytes a second after 0.2 seconds" in response.json()["error"]


def test_bytes_buy_time():
    async def talk(web: Web) -> list[httpx.Response]:
        return [await web.post(protocol.KEYS, content=drops(8, 0.05, size=100))]

    (response,) = asked(application(Rules(grace=0.2, least_rate=100)), talk)
    assert response.status_code == 400
    assert "not a vortex-crypto artefact" in response.json()["error"]


@pytest.mark.parametrize(
    ("rules", "statuses"),
    [
        (Rules(grace=0.1, least_rate=0.01), [503, 400]),
        (Rules(grace=30.0), [400, 503]),
        (Rules(grace=0.1, least_rate=0.01, fair_rate=0.01), [400, 503]),
    ],
    ids=["gives its place", "has its grace", "is fast enough"],
)
def test_where_all_places_are_taken_the_slowest_upload(rules: Rules, statuses: list[int]):
    async def talk(web: Web) -> list[httpx.Response]:
        going = asyncio.Event()
        slow = asyncio.create_task(web.post(protocol.KEYS, content=held(going)))
        await asyncio.sleep(0.3)
        newcomer = await web.post(protocol.KEYS, content=b"x")
        going.set()
        return [await slow, newcomer]

    responses = asked(application(rules), talk)
    assert [response.status_code for response in responses] == statuses
    for response in responses:
        assert response.status_code == 400 or response.headers["Retry-After"]


def test_places_come_back_after_evictions():
    async def talk(web: Web) -> list[httpx.Response]:
        slow = asyncio.create_task(web.post(protocol.KEYS, content=held(asyncio.Event())))
        await asyncio.sleep(0.3)
        return [await web.post(protocol.KEYS, content=b"x") for _ in range(3)] + [await slow]

    statuses = [r.status_code for r in asked(application(Rules(grace=0.1, least_rate=0.01)), talk)]
    assert statuses == [400, 400, 400, 503]


def test_all_uploads_together_have_a_budget_of_disk():
    async def talk(web: Web) -> list[httpx.Response]:
        going = asyncio.Event()
        first = asyncio.create_task(web.post(protocol.KEYS, content=held(going, b"x" * 1200)))
        await asyncio.sleep(0.1)
        second = await web.post(protocol.KEYS, content=b"x" * 900)
        going.set()
        return [second, await first, await web.post(protocol.KEYS, content=b"x" * 1900)]

    beyond, within, after = asked(application(Rules(disk=2000), waiting=4), talk)
    assert [beyond.status_code, within.status_code, after.status_code] == [503, 400, 400]
    assert "no room" in beyond.json()["error"]


@contextlib.contextmanager
def listening(server: Server) -> Iterator[Listener]:
    """A real server on a free port of this machine, in a thread."""
    opened = threading.Event()
    listener = Listener(http.application(server), "127.0.0.1", 0, grace=30, listening=lambda _: opened.set())
    thread = threading.Thread(target=listener.run)
    thread.start()
    try:
        assert opened.wait(60)
        yield listener
    finally:
        listener.should_exit = True
        thread.join(60)
    assert not thread.is_alive()


def test_several_clients_ask_at_once(tmp_path: Path):
    """Each with keys of its own and several questions, over real connections; every answer is its own."""
    features = digits_samples(8)

    def ask(number: int) -> np.ndarray:
        with RemoteServer(url) as remote:
            mine = {"features": features[number]}
            return np.array(
                [remote.ask(mine, tmp_path / f"keys{number}", insecure=True)["scores"].ravel() for _ in range(3)]
            )

    with listening(Server(digits().fhe, max_clients=8)) as listener:
        url = listener.url
        with ThreadPoolExecutor(8) as crowd:
            answers = np.array(list(crowd.map(ask, range(8))))
    expected = digits_scores(features)
    assert (answers.argmax(2) == expected.argmax(1)[:, None]).all()
    assert np.abs(answers - expected[:, None]).mean() < 2.0 ** -digits().report.precision_bits * 2


def test_what_was_begun_is_finished_when_the_server_stops():
    server, client = digits().server(), digits().client(insecure=True)
    name = server.register(client.evaluation_keys)
    begun, run = threading.Event(), server.run

    def slowly(*arguments: object) -> container.Artefact:
        begun.set()
        time.sleep(0.5)
        return run(*arguments)  # type: ignore[arg-type]

    server.run = slowly  # type: ignore[method-assign]
    with listening(server) as listener, RemoteServer(url := listener.url) as remote, ThreadPoolExecutor(1) as asking:
        answer = asking.submit(remote.run, name, client.encrypt({"features": digits_samples(1)}))
        assert begun.wait(30)
        listener.should_exit = True
        scores = client.decrypt(answer.result(30))["scores"]
    assert scores.argmax() == digits_scores(digits_samples(1)).argmax()
    with RemoteServer(url, timeout=1.0) as gone, pytest.raises(InvalidInput, match="refused"):
        gone.interface()
