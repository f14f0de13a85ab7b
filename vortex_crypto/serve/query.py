"""A client that talks to a server over HTTP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact, MissingKey
from vortex_crypto.nn.interface import Interface
from vortex_crypto.serve import client as files
from vortex_crypto.serve import protocol
from vortex_crypto.serve.client import Client

Array = np.ndarray[Any, np.dtype[Any]]

MAX_ANSWER = 1 << 30
UPLOAD_CHUNK = 1 << 20


class RemoteServer:
    """One server; evaluation keys are uploaded when it does not hold them."""

    def __init__(self, url: str, *, timeout: float = 3600.0) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=httpx.Timeout(timeout, connect=10.0))

    def interface(self) -> Interface:
        """What the served program expects and answers."""
        return Interface.from_artefact(container.loads(self._request("GET", protocol.PROGRAM), name="the server"))

    def register(self, evaluation: Path) -> str:
        """Upload a file of evaluation keys; returns the name the server knows them by."""
        with evaluation.open("rb") as file:
            chunks = iter(lambda: file.read(UPLOAD_CHUNK), b"")
            headers = {"Content-Length": str(evaluation.stat().st_size)}
            answer = self._request("POST", protocol.KEYS, content=chunks, headers=headers)
        try:
            return str(json.loads(answer)["keys"])
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedArtefact("the server did not say under which name it holds the keys") from error

    def run(self, keys: str, ciphertexts: Artefact) -> Artefact:
        """Send a ciphertext artefact and return the encrypted answer."""
        content = self._request("POST", protocol.RUN, params={"keys": keys}, content=container.dumps(ciphertexts))
        return container.loads(content, name="the server's answer")

    def ask(
        self, inputs: Mapping[str, Array], keys: Path, *, insecure: bool = False, share: int | None = None
    ) -> dict[str, Array]:
        """Encrypt, send, decrypt; a key folder that does not exist is made first.

        With a folder that exists, what it says of the program counts: a server cannot change parameters, levels or
        layouts behind keys that were made before. `share` as in `Client.decrypt`.

        Raises:
            ArtefactMismatch: the keys belong to another program than the one served.
        """
        served = self.interface()
        if not (keys / files.SECRET).exists():
            Client(served, insecure=insecure).save(keys)
        client = Client.open(keys, insecure=insecure)
        interface = client.interface
        if interface.program != served.program:
            raise ArtefactMismatch(
                f"{keys} holds keys for program {interface.program[:16]}…, and the server runs {served.program[:16]}…; "
                "name another key folder, and keys are made there"
            )
        answer = self._run(keys / files.EVALUATION, client.encrypt(inputs))
        return client.decrypt(answer, batch=files.sample_count(interface, inputs), share=share)

    def __enter__(self) -> RemoteServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def _run(self, evaluation: Path, encrypted: Artefact) -> Artefact:
        with evaluation.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            return self.run(name, encrypted)
        except MissingKey:
            self.register(evaluation)
            return self.run(name, encrypted)

    def _request(self, method: str, path: str, **arguments: Any) -> bytes:
        try:
            with self._http.stream(method, path, **arguments) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER:
                        raise MalformedArtefact(f"the server's answer is larger than {MAX_ANSWER} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise InvalidInput(f"{self._http.base_url}: {error or type(error).__name__}") from error
        if response.status_code == 404:
            raise MissingKey(_reason(bytes(content)))
        if response.status_code != 200:
            raise InvalidInput(f"the server refused ({response.status_code}): {_reason(bytes(content))}")
        return bytes(content)


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
