"""Documentation contains only code that runs: every Python and console block of every page, a namespace a page.

Blocks marked `python` run in order, in a folder of the page's own that has `circuits/` of the tree in it. In blocks
marked `console`, lines after a `$` prompt run in the shell; they must succeed, and lines of expected output below must
be in what they print (`...` skips).
A block preceded by the comment `<!-- not run: reason -->` is left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("README.md")])
SECONDS = 300
FILES = {"ceremony.md": "tests/zk/formats/vectors", "groth16-formats.md": "tests/zk/formats/vectors"}
"""Folders whose files a page finds in its own."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, first line in the page, and text."""

    language: str
    line: int
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that run."""
    found = []
    text = page.read_text()
    for match in re.finditer(r"^```(python|console)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        before = text[: match.start()].rstrip()
        if not re.search(r"<!-- not run: .+ -->$", before):
            found.append(Block(match[1], text.count("\n", 0, match.start()) + 2, match[2]))
    return found


RUNNING = [page for page in PAGES if blocks(page)]


@pytest.mark.parametrize("page", RUNNING, ids=[str(page.relative_to(ROOT)) for page in RUNNING])
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "circuits").symlink_to(ROOT / "circuits")
    if page.name in FILES:
        shutil.copytree(ROOT / FILES[page.name], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("page")  # dataclasses look their module up
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(page):
        if block.language == "python":
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            exec(code, vars(module))
        else:
            _console(block, page)


def _console(block: Block, page: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        continued = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", step, re.DOTALL)
        assert continued is not None
        command, expected = (
            continued[1],
            [line for line in continued[2].splitlines() if line.strip() not in ("", "...")],
        )
        run = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=SECONDS)
        output = run.stdout + run.stderr
        assert run.returncode == 0, f"{page}:{block.line}: {command}\n{output}"
        missing = [line for line in expected if line.strip() not in output]
        assert not missing, f"{page}:{block.line}: {command}\nprinted\n{output}\nand not {missing}"


def test_some_pages_have_code() -> None:
    assert ROOT / "docs" / "how-to-add-an-operator.md" in RUNNING
