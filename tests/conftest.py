"""Shared fixtures: golden files that a missing entry fails and `--update-golden` rewrites."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files with what is measured now")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str, Any], None]:
    """`golden(path, key, value)`: the JSON file `path` must hold `value` at `key`; a missing entry fails."""

    def check(path: Path, key: str, value: Any) -> None:
        entries = json.loads(path.read_text()) if path.exists() else {}
        value = json.loads(json.dumps(value))
        if request.config.getoption("--update-golden"):
            entries[key] = value
            path.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n")
            return
        assert key in entries, f"{path} has no entry {key!r}; run pytest with --update-golden and review the change"
        assert entries[key] == value, f"{path}: {key!r} was {entries[key]} and is now {value}"

    return check
