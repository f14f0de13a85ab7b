"""The page on formats states what is measured. (tests/test_docs.py runs the code of both pages.)"""

from __future__ import annotations

import json
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_states_the_gas_that_is_frozen() -> None:
    frozen = json.loads((DOCS.parent / "tests" / "foreign" / "golden_gas.json").read_text())
    page = (DOCS / "groth16-formats.md").read_text(encoding="utf-8")
    assert frozen
    assert all(f"| {gas:,} |" in page for gas in frozen.values())
