"""The foreign implementations: snarkjs, circom and solc in Node.js. Without them these tests skip, saying so.

With CI=true or VORTEX_REQUIRE_FOREIGN=1 they fail instead. Install with `npm ci --prefix tests/foreign`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
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
