"""The peers of the CKKS benchmarks, each told the same and timed by turns with ours.

SEAL runs in this process. OpenFHE and Lattigo are wheels that not every Python loads, so each is a program that an
interpreter of its own runs: JSON lines in, JSON lines out. Times are seconds of the processor that the process itself
took, of one thread: what else runs on the machine, and the pipe, are not in them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.harness import Row, note

PROGRAMS = {"openfhe": "openfhe_driver.py", "lattigo": "lattigo_driver.py"}
LEAST_BITS = 8.0
"""A peer's result that agrees with what should come out to fewer bits is a wrong one, and its time is not taken."""


class Peer(Protocol):
    """One library, set up."""

    facts: dict[str, Any]

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One request and its answer, with the `seconds` it took.

        Raises:
            RuntimeError: the peer cannot do it.
        """


class Piped:
    """A peer in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.facts: dict[str, Any] = {}

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the peer has no pipes")
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise RuntimeError(f"{do}: the peer has ended") from error
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"error": "the peer ended"}')
        if "error" in answer:
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer


@contextmanager
def piped(name: str, python: str | None, **setup: Any) -> Iterator[Peer | None]:
    """That peer under the interpreter named, set up; None, with a note, where there is none or it refuses the setup."""
    if python is None:
        note(f"no --{name}-python: {name} is left out")
        yield None
        return
    program = Path(__file__).parent / PROGRAMS[name]
    single = {"OMP_NUM_THREADS": "1", "GOMAXPROCS": "1"}
    with subprocess.Popen(
        [python, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **single},
    ) as process:
        peer = Piped(process)
        ready: Peer | None = peer
        try:
            peer.facts = peer.call("setup", **setup)
        except RuntimeError as refusal:
            note(f"{name} is left out: {refusal}")
            ready = None
        try:
            yield ready
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()


def beside(peer: Peer, do: str, ours: Callable[[], Any], wanted: np.ndarray, *, runs: int = 5) -> Row:
    """Median processor seconds of ours and the peer's by turns, once the peer's decrypted result is what it should be.

    Raises:
        RuntimeError: the peer cannot do it, or does it wrong.
    """
    ours()
    peer.call(do)
    got = np.array(peer.call("result", count=wanted.size)["values"])
    bits = float(-np.log2(np.abs(got - wanted).mean()))
    if not bits >= LEAST_BITS:
        raise RuntimeError(f"{do}: its result has {bits:.1f} bits")
    mine, theirs = [], []
    for _ in range(runs):
        start = time.process_time()
        ours()
        mine.append(time.process_time() - start)
        theirs.append(peer.call(do)["seconds"])
    seconds, peer_seconds = statistics.median(mine), statistics.median(theirs)
    return {
        "seconds": seconds,
        "peer": peer.facts["label"],
        "peer_seconds": peer_seconds,
        "ratio": peer_seconds / seconds,
        "peer_bits": bits,
        **{f"peer_{fact}": peer.facts[fact] for fact in ("digits", "log_qp") if fact in peer.facts},
    }
