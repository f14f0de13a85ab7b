"""The Python of the pages on proofs runs, block after block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["zk.md", "soundness.md"])
def test_the_page_runs(page: str) -> None:
    text = (Path("docs") / page).read_text(encoding="utf-8")
    blocks, scope = BLOCK.findall(text), {}  # type: list[str], dict[str, Any]
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), scope)
