"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the stage at hand and the fraction of the whole that is done."""


def silent(stage: str, fraction: float) -> None:
    """A `Progress` that says nothing."""
