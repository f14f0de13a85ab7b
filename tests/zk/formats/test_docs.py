"""The Python of the pages on formats and ceremonies runs, block after block, in a folder with the vectors."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parent / "vectors"
DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["groth16-formats.md", "ceremony.md"])
def test_the_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(VECTORS, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    blocks = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), scope)


def test_the_page_states_the_gas_that_is_frozen() -> None:
    frozen = json.loads((DOCS.parent / "tests" / "foreign" / "golden_gas.json").read_text())
    page = (DOCS / "groth16-formats.md").read_text(encoding="utf-8")
    assert frozen
    assert all(f"| {gas:,} |" in page for gas in frozen.values())
