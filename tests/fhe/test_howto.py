"""The how-to's code runs."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to-add-a-back-end.md"


def test_the_page_s_code_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    module = types.ModuleType("how_to")
    monkeypatch.setitem(sys.modules, "how_to", module)
    names: dict[str, Any] = vars(module)
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) >= 5
    assert "mul_plain" in capsys.readouterr().out
    assert names["y"].shape == (64,)
