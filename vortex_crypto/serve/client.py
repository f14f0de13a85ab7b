"""The client's side of encrypted inference: keys and no weights.

All a client needs comes from the program's interface. The secret key never leaves the client: nothing in this module
sends it, prints it, or puts it into a repr.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import InsecureParameters, InvalidInput, MalformedArtefact
from vortex_crypto.fhe.backends import KeySet, backend, computing
from vortex_crypto.fhe.sharing import shared
from vortex_crypto.nn.answer import check_answer
from vortex_crypto.nn.interface import Interface

Array = np.ndarray[Any, np.dtype[Any]]

INSECURE_REMEDY = "pass --insecure (insecure=True) to go on with data that needs no protection"

SECRET, EVALUATION, INTERFACE = "secret.key", "evaluation.key", "program.client"
"""File names within a key folder."""


class KeyFolder:
    """Keys in a folder, each read when it is first needed: encrypting and decrypting take the secret one alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def secret(self) -> Artefact:
        return container.read(self._folder / SECRET)

    @cached_property
    def evaluation(self) -> Artefact:
        return container.read(self._folder / EVALUATION)


class Client:
    """One holder of keys for one program: encrypts inputs and decrypts answers."""

    def __init__(
        self,
        interface: Interface,
        keys: KeySet | KeyFolder | None = None,
        *,
        insecure: bool = False,
        engine: str | None = None,
    ) -> None:
        """Take keys, or make fresh ones; the interface may come from an untrusted server.

        Args:
            interface: of the program.
            keys: of an earlier client.
            insecure: go on with what does not protect.
            engine: what computes, "native", "cuda" or "reference"; None for what `arith.engine` prefers.

        Raises:
            InvalidInput: an engine was chosen, and the program's back end has none.
            InsecureParameters: the back end hides nothing, or the parameters are below 128 bits, and `insecure` is
                False.
            ArtefactMismatch: the keys belong to another program.
        """
        runner = backend(interface.backend)
        if not insecure and not runner.capabilities.protects:
            raise InsecureParameters(
                f"the back end {interface.backend!r} simulates encryption and hides nothing; {INSECURE_REMEDY}"
            )
        if not insecure and interface.parameters.insecure:
            raise InsecureParameters(
                f"the program asks for keys below 128 bits ({interface.parameters.security}); {INSECURE_REMEDY}"
            )
        self.interface = interface
        with computing(runner, engine):
            self._client = runner.client(interface.parameters, interface.needs)
        self._keys = keys or self._client.keygen()
        self._keys.secret.expect(kind="secret-key", program=interface.program)

    @property
    def evaluation_keys(self) -> Artefact:
        """What the server needs to compute; may be published."""
        return self._keys.evaluation.expect(kind="evaluation-keys", program=self.interface.program)

    def encrypt(self, inputs: Mapping[str, Array]) -> Artefact:
        """Encrypt one sample, or up to `interface.lanes` along a first axis, of every input."""
        return self._client.encrypt(self._keys.secret, self.interface.pack(inputs))

    def decrypt(
        self, answer: Artefact, *, batch: int = 1, share: int | None = None, unchecked: bool = False
    ) -> dict[str, Array]:
        """Decrypt a server's answer on `batch` samples.

        Args:
            answer: of the server.
            batch: samples that were encrypted together.
            share: None for results that this client keeps to itself. If others will see them, the server or whoever
                chose the inputs among them: bits after the binary point to leave, the rest drowned in noise, as exact
                decryptions betray the secret key (`fhe.sharing.shared`). Choose it well below the noise's own
                -log2(`report.noise_error`); each bit between them halves what a number tells.
            unchecked: return numbers that cannot be the network's answer too, unless they are no numbers.

        Raises:
            InvalidInput: there are no such bits.
            GarbledAnswer: what is decrypted cannot be an answer (`nn.answer`); names the output.
        """
        vectors = self._client.decrypt(self._keys.secret, answer)
        if not unchecked:
            check_answer(self.interface, vectors, batch=batch)
        if share is not None:
            vectors = [shared(vector, share) for vector in vectors]
        return self.interface.unpack(vectors, batch=batch)

    def save(self, folder: Path) -> dict[str, int]:
        """Write a key folder (mode 0700, the secret 0600) and return the files' sizes in bytes.

        The folder appears whole or not at all, so two makers of keys cannot mix theirs.

        Raises:
            InvalidInput: the folder holds something already; keys are never overwritten.
        """
        target = folder.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            sizes = {
                INTERFACE: container.write(made / INTERFACE, self.interface.to_artefact()),
                EVALUATION: container.write(made / EVALUATION, self.evaluation_keys),
                SECRET: container.write(made / SECRET, self._keys.secret, secret=True),
            }
            _rename(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return sizes

    @classmethod
    def open(cls, folder: Path, *, insecure: bool = False) -> Client:
        """The client of a key folder."""
        return cls(read_interface(folder), KeyFolder(folder), insecure=insecure)


def _rename(made: Path, target: Path) -> None:
    try:
        made.rename(target)  # which the system refuses onto anything but an empty folder
    except OSError as error:
        if not target.exists():
            raise
        raise InvalidInput(f"{target} exists; keys are not overwritten: choose a folder that does not") from error


def read_interface(path: Path) -> Interface:
    """The interface in a client file, a program file, or a key folder."""
    artefact = container.read(path / INTERFACE if path.is_dir() else path)
    if artefact.kind == "fhe-program":
        from vortex_crypto.nn.compile import FheProgram

        return FheProgram.from_artefact(artefact).interface
    if artefact.kind != "fhe-client":
        raise MalformedArtefact(f"{path}: a {artefact.kind} artefact; a program or its .client file is needed here")
    return Interface.from_artefact(artefact)


def sample_count(interface: Interface, inputs: Mapping[str, Array]) -> int:
    """How many samples `inputs` hold along their first axis."""
    port = interface.inputs[0]
    return len(port.samples(inputs[port.name]))
