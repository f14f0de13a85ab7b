"""The server's side of encrypted inference: weights, evaluation keys, and no way to decrypt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import MissingKey
from vortex_crypto.fhe.backends import Session, backend, computing
from vortex_crypto.nn.compile import FheProgram

Progress = Callable[[int, int, str], None]


@dataclass
class _Held:
    """A client's keys, and whether they have answered a question."""

    session: Session
    used: bool = False


class Server:
    """Runs one program for many clients; keeps the evaluation keys of `max_clients`.

    Where there are more, keys that never answered a question go before those that did, and of each the least recently
    used: uploading keys alone drives nobody's out that is at work. Methods may be called from several threads.
    """

    def __init__(self, program: FheProgram, *, max_clients: int = 4, engine: str | None = None) -> None:
        """`engine`: what computes, "native", "cuda" or "reference"; None for what `arith.engine` prefers.

        Raises:
            InvalidInput: an engine was chosen, and the program's back end has none.
        """
        self.program = program
        with computing(backend(program.interface.backend), engine) as runner:
            self._server = runner.server(program.plan)
        self._sessions: OrderedDict[str, _Held] = OrderedDict()
        self._max_clients = max_clients
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def prepare(self) -> None:
        """Encode the program's plaintexts now and not for the first client."""
        self._server.prepare()

    def register(self, evaluation: Artefact, name: str | None = None) -> str:
        """Validate and keep a client's evaluation keys; returns the name to run under.

        Args:
            evaluation: the keys.
            name: what to call them; by default the SHA-256 (hex) of their bytes.
        """
        name = name or container.digest(evaluation)
        with self._loading:  # keys are large: one set at a time is expanded, and none twice
            with self._lock:
                known = name in self._sessions
            if not known:
                held = _Held(self._server.load(evaluation))
                with self._lock:
                    while len(self._sessions) >= self._max_clients:
                        del self._sessions[self._dispensable()]
                    self._sessions[name] = held
        return name

    def _dispensable(self) -> str:
        return next((name for name, held in self._sessions.items() if not held.used), next(iter(self._sessions)))

    def run(self, name: str, ciphertexts: Artefact, progress: Progress | None = None) -> Artefact:
        """Run the program on encrypted inputs under the keys registered as `name`.

        Raises:
            MissingKey: nothing is registered under that name, or it made room for later clients.
        """
        with self._lock:
            held = self._sessions.get(name)
            if held is None:
                raise MissingKey(f"no evaluation keys are registered as {name[:16]}…; register them (again) first")
            self._sessions.move_to_end(name)
        answer = held.session.run(ciphertexts, progress)
        held.used = True
        return answer
