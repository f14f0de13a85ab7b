"""The HTTP server: FastAPI over `server.Server`.

Bodies are counted, timed and kept on disk while they arrive (`uploads`), and refused over their limits; everything in
them is validated before any work. One ciphertext is computed on at a time, a bounded number wait, and further ones are
told to come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Annotated, Any

from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import (
    ArtefactMismatch,
    MalformedArtefact,
    MissingDependency,
    MissingKey,
    VortexError,
)
from vortex_crypto.fhe.plan import CkksPlan
from vortex_crypto.serve import protocol
from vortex_crypto.serve.server import Server

try:
    from fastapi import FastAPI, HTTPException, Query, Request, Response
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
except ImportError as error:
    raise MissingDependency("serving needs FastAPI and uvicorn: pip install 'vortex-crypto[serve]'") from error

from vortex_crypto.serve.uploads import RETRY, Rules, Uploads

Log = Callable[[dict[str, Any]], None]
"""Takes one event: method, path, status and seconds of a request that was answered."""

MAX_HEADER = 1 << 20
"""Bytes of the header of a message: a few for each key or ciphertext."""

STATUS: tuple[tuple[type[VortexError], int], ...] = (
    (ArtefactMismatch, 409),
    (MissingKey, 404),
    (MalformedArtefact, 400),
    (VortexError, 422),
)
"""HTTP status of each kind of refusal; the first class that fits counts."""


def application(server: Server, *, max_waiting: int = 8, rules: Rules | None = None, log: Log | None = None) -> FastAPI:
    """The application that serves one program.

    Args:
        server: the program and its sessions.
        max_waiting: requests that may wait for the one being computed.
        rules: how uploads are held; by default with as much disk as two sets of keys and every place's input take.
        log: told of every request.
    """
    max_keys, max_input = limits(server.program.plan)
    app = FastAPI(title="vortex-crypto", docs_url=None, redoc_url=None, openapi_url=None)
    interface = container.dumps(server.program.interface.to_artefact())
    uploads = Uploads(rules or Rules(disk=2 * max_keys + (max_waiting + 1) * max_input))
    places = _Places(max_waiting, uploads)

    @app.exception_handler(VortexError)
    async def refuse(_: Request, error: VortexError) -> Response:
        status = next(code for kind, code in STATUS if isinstance(error, kind))
        return JSONResponse({"error": str(error)}, status)

    @app.exception_handler(HTTPException)
    async def explain(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def name(_: Request, error: RequestValidationError) -> Response:
        return JSONResponse({"error": "; ".join(str(fault["msg"]) for fault in error.errors())}, 422)

    if log is not None:
        app.middleware("http")(_logged(log))

    @app.get(protocol.PROGRAM)
    async def program() -> Response:
        return Response(interface, media_type=protocol.MEDIA_TYPE)

    @app.post(protocol.KEYS)
    async def keys(request: Request) -> dict[str, str]:
        async with places.taken(), uploads.receive(request, max_keys) as (content, name), places.turn:
            artefact = await asyncio.to_thread(_parsed, content, "evaluation keys")
            return {"keys": await asyncio.to_thread(server.register, artefact, name)}

    @app.post(protocol.RUN)
    async def run(request: Request, keys: Annotated[str, Query(pattern=f"^{protocol.KEY_NAME}$")]) -> Response:
        async with places.taken(), uploads.receive(request, max_input) as (content, _), places.turn:
            artefact = await asyncio.to_thread(_parsed, content, "ciphertext")
            answer = await asyncio.to_thread(server.run, keys, artefact)
            return Response(await asyncio.to_thread(container.dumps, answer), media_type=protocol.MEDIA_TYPE)

    return app


def limits(plan: CkksPlan) -> tuple[int, int]:
    """Bytes an upload of evaluation keys, and one of ciphertexts, may have: what the plan predicts, and a margin.

    A ciphertext has two polynomials of one 64-bit word for each prime and coefficient; the header is small.
    """
    p = plan.parameters
    ciphertext = 16 * p.ring_degree * len(p.chain)
    return 2 * plan.memory.keys + (1 << 24), 2 * ciphertext * len(plan.needs.inputs) + (1 << 24)


def _logged(log: Log) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def answered(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
        start = perf_counter()
        response = await handle(request)
        seconds = round(perf_counter() - start, 6)
        log({"method": request.method, "path": request.url.path, "status": response.status_code, "seconds": seconds})
        return response

    return answered


def _parsed(content: memoryview, name: str) -> Artefact:
    return container.loads(content, name=name, max_header=MAX_HEADER)


class _Places:
    """`waiting` requests beside the one whose turn it is may upload or wait; the rest get 503."""

    def __init__(self, waiting: int, uploads: Uploads) -> None:
        self._free = waiting + 1
        self._uploads = uploads
        self.turn = asyncio.Lock()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        if self._free <= 0 and not self._uploads.evict():
            raise HTTPException(503, "the server is busy; try again later", RETRY)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
