"""The server's side of encrypted inference: weights, evaluation keys, and no way to decrypt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import MissingKey
from vortex_crypto.fhe.backends import Session, backend
from vortex_crypto.nn.compile import FheProgram

Progress = Callable[[int, int, str], None]


class Server:
    """Runs one program for many clients; keeps the evaluation keys of the latest `max_clients`."""

    def __init__(self, program: FheProgram, *, max_clients: int = 4) -> None:
        self.program = program
        self._server = backend(program.interface.backend).server(program.plan)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._max_clients = max_clients
        self._lock = threading.Lock()

    def register(self, evaluation: Artefact, name: str | None = None) -> str:
        """Validate and keep a client's evaluation keys; returns the name to run under.

        Args:
            evaluation: the keys.
            name: what to call them; by default the SHA-256 (hex) of their bytes.
        """
        name = name or container.digest(evaluation)
        with self._lock:
            known = name in self._sessions
        if not known:
            session = self._server.load(evaluation)
            with self._lock:
                self._sessions[name] = session
                while len(self._sessions) > self._max_clients:
                    self._sessions.popitem(last=False)
        return name

    def run(self, name: str, ciphertexts: Artefact, progress: Progress | None = None) -> Artefact:
        """Run the program on encrypted inputs under the keys registered as `name`.

        Raises:
            MissingKey: nothing is registered under that name, or it made room for later clients.
        """
        with self._lock:
            session = self._sessions.get(name)
            if session is None:
                raise MissingKey(f"no evaluation keys are registered as {name[:16]}…; register them (again) first")
            self._sessions.move_to_end(name)
        return session.run(ciphertexts, progress)
