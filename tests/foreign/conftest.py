"""The foreign implementations: snarkjs, circom and solc in Node.js. Without them these tests skip, saying so.

With CI=true or VORTEX_REQUIRE_FOREIGN=1 they fail instead. Install with `npm ci --prefix tests/foreign`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
REQUIRED = os.environ.get("CI") == "true" or os.environ.get("VORTEX_REQUIRE_FOREIGN") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.foreign)


class Node:
    """One Node.js process that answers calls to snarkjs and solc."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline()
        assert reply, f"the Node.js process ended with {self._process.wait(10)}"
        answer: dict[str, Any] = json.loads(reply)
        return answer

    def call(self, name: str, *args: Any) -> Any:
        """`snarkjs.<name>(*args)`; paths become strings, bytes come back as hexadecimal."""
        answer = self.ask(call=name, args=[str(a) if isinstance(a, Path) else a for a in args])
        assert "error" not in answer, answer
        return answer["result"]


@dataclass(frozen=True)
class Compiled:
    """A circuit that circom compiled, and the witness that its WebAssembly made."""

    name: str
    r1cs: Path
    wtns: Path
    public: list[int]


class Workshop:
    """A folder where circuits are compiled and powers of tau made, each once a session."""

    def __init__(self, folder: Path, node: Node) -> None:
        self.folder, self._node = folder, node
        self._compiled: dict[str, Compiled] = {}
        self._powers: dict[int, Path] = {}

    def circuit(self, name: str) -> Compiled:
        if name not in self._compiled:
            inputs, public = CIRCUITS[name]
            if not (self.folder / "circomlib").exists():  # the compiler's sandbox follows no link out of its folder
                shutil.copytree(MODULES / "circomlib" / "circuits", self.folder / "circomlib" / "circuits")
            shutil.copy(HERE / "circuits" / f"{name}.circom", self.folder)
            circom = [
                "node",
                str(MODULES / ".bin" / "circom2"),
                f"{name}.circom",
                "--r1cs",
                "--wasm",
                "--O2",
                "-l",
                ".",
            ]
            subprocess.run(circom, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
            wtns = self.folder / f"{name}.wtns"
            self._node.call("wtns.calculate", inputs, self.folder / f"{name}_js" / f"{name}.wasm", wtns)
            self._compiled[name] = Compiled(name, self.folder / f"{name}.r1cs", wtns, public)
        return self._compiled[name]

    def powers(self, power: int) -> Path:
        """Powers of tau from snarkjs: one contribution and a beacon, prepared for phase 2."""
        if power not in self._powers:
            steps = [self.folder / f"{power}.{step}.ptau" for step in range(4)]
            self._node.call("powersOfTau.newAccumulator", power, steps[0])
            self._node.call("powersOfTau.contribute", steps[0], steps[1], "first", "text")
            self._node.call("powersOfTau.beacon", steps[1], steps[2], "beacon", "0102030405060708", 10)
            self._node.call("powersOfTau.preparePhase2", steps[2], steps[3])
            self._powers[power] = steps[3]
        return self._powers[power]


def _bits(data: bytes) -> list[int]:
    return [byte >> 7 - i & 1 for byte in data for i in range(8)]


# The hash of (1, 2) is the published one of circomlib's parameters, t = 3.
_POSEIDON_1_2 = 7853200120776062878684798364095072458815029376092732009249414926327459813530
CIRCUITS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "multiplier": ({"a": "3", "b": "5", "c": "11"}, [3 * 5 * 11 + 7 * 3 - 5, 11]),
    "poseidon": ({"a": ["1", "2"]}, [_POSEIDON_1_2]),
    "sha256": ({"in": _bits(b"abc")}, _bits(hashlib.sha256(b"abc").digest())),
}
"""Inputs and expected public values of the circuits of this folder."""


@pytest.fixture(scope="session")
def workshop(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"), node)


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    missing = None
    if shutil.which("node") is None:
        missing = "Node.js is not installed"
    elif not (MODULES / "snarkjs").is_dir():
        missing = "the packages are not installed; run `npm ci --prefix tests/foreign`"
    if missing and REQUIRED:
        pytest.fail(f"the foreign tests are required here, and {missing}")
    if missing:
        pytest.skip(f"foreign tests need snarkjs, circom and solc: {missing}")
    process = subprocess.Popen(
        ["node", str(HERE / "server.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield Node(process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)
