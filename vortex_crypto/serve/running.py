"""A server process: listen, say where, and finish what was begun when told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI


class Listener(uvicorn.Server):
    """One application on one address.

    A signal to stop (SIGTERM, SIGINT) closes the address at once; questions being computed are answered, for as
    long as the grace lasts.

    Args:
        application: what answers.
        host, port: the address; port 0 takes a free one.
        grace: seconds.
        listening: told the URL once the address is open.
    """

    def __init__(
        self, application: FastAPI, host: str, port: int, *, grace: int, listening: Callable[[str], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(application, host=host, port=port, log_level="warning", timeout_graceful_shutdown=grace)
        )
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the address, and say so."""
        await super().startup(sockets)
        if self.started:
            self._listening(self.url)

    @property
    def url(self) -> str:
        """Where it listens, while it does."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
