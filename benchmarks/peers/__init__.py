"""Peers that need an interpreter of their own: each a program that answers JSON lines with JSON lines."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import note


class Peer:
    """A running peer; it does what it is told, one thing at a time, so that it can be timed by turns with others."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.facts: dict[str, Any] = {}

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One request and its answer.

        Raises:
            RuntimeError: the peer could not do it.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the peer has no pipes")
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"error": "it ended"}')
        if "error" in answer:
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer


@contextmanager
def openfhe(python: str | None, **setup: Any) -> Iterator[Peer | None]:
    """OpenFHE under the interpreter named, set up; None, with a note, where there is none or it refuses the setup."""
    if python is None:
        note("no --openfhe-python (an interpreter that has the wheel `openfhe`): OpenFHE is left out")
        yield None
        return
    program = Path(__file__).with_name("openfhe_driver.py")
    with subprocess.Popen(
        [python, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        peer = Peer(process)
        ready: Peer | None = peer
        try:
            peer.facts = peer.call("setup", **setup)
        except RuntimeError as refusal:
            note(f"OpenFHE is left out: {refusal}")
            ready = None
        try:
            yield ready
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()
