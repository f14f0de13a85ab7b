"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the stage at hand and the fraction of the whole that is done."""


def part(progress: Progress, start: float, stop: float) -> Progress:
    """For a part of the work: its fractions are those from `start` to `stop` of the whole."""
    return lambda stage, fraction: progress(stage, start + fraction * (stop - start))


def silent(stage: str, fraction: float) -> None:
    """A `Progress` that says nothing."""
