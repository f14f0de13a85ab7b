"""What every benchmark shares: timing by turns, rows, and how they are printed.

A row is a dict with at least `name` (the operation, in the field's term), `n` (its size) and `seconds` (the median).
Where a peer runs in the same process, `peer`, `peer_seconds` and `ratio` = peer_seconds / seconds stand beside it: a
ratio above 1 means faster than the peer.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]
TURN = 0.02  # seconds that a turn of one or two threads lasts, so that each finds its own data in its caches


def parser(description: str) -> argparse.ArgumentParser:
    """An argument parser with `--json`."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    return made


def by_turns(*functions: Callable[[], Any], runs: int = 5, warmup: int = 1, at_least: float = 0.0) -> list[float]:
    """Median wall seconds of each function, called A B A B ... so that drift of the machine strikes all alike.

    A turn is one call, or with `at_least` one that is not timed and then as many as last so many seconds.
    """
    for function in functions:
        for _ in range(warmup):
            function()
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(runs):
        for function, times in zip(functions, seconds, strict=True):
            times.append(_turn(function, at_least))
    return [statistics.median(times) for times in seconds]


def _turn(function: Callable[[], Any], at_least: float) -> float:
    """Mean seconds of one call."""
    if at_least > 0:
        function()
    calls, start = 0, time.perf_counter()
    while True:
        function()
        calls += 1
        passed = time.perf_counter() - start
        if passed >= at_least:
            return passed / calls


def compare(
    name: str, n: int, ours: Callable[[], Any], peer: tuple[str, Callable[[], Any]] | None, **facts: Any
) -> Row:
    """Time `ours`, and `peer` = (its name and version, a function) by turns with it."""
    if peer is None:
        return {"name": name, "n": n, "seconds": by_turns(ours)[0], **facts}
    mine, theirs = by_turns(ours, peer[1])
    return {
        "name": name,
        "n": n,
        "seconds": mine,
        "peer": peer[0],
        "peer_seconds": theirs,
        "ratio": theirs / mine,
        **facts,
    }


def share(name: str, n: int, alone: Callable[[], Any], shared: Callable[[], Any], **facts: Any) -> Row:
    """Time an operation on two threads by turns with the same on one; `scaling` is how many times as fast that is."""
    one, two = by_turns(alone, shared, runs=9, at_least=TURN)
    return {"name": name, "n": n, "seconds": two, "threads": 2, "seconds_alone": one, "scaling": one / two, **facts}


def peak_mb() -> float:
    """Peak resident memory of this process, in MiB.

    `getrusage` alone would count what a parent held when it forked this process, even if another program runs in it.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    high = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return (high[0] if high else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def machine(*packages: str) -> Row:
    """Processor, processor count and versions: the first row of every benchmark."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    versions = {name: _version(name) for name in ("vortex-crypto", "numpy", *packages)}
    return {
        "name": "machine",
        "processor": models[0].split(":")[1].strip() if models else platform.processor(),
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": versions,
    }


def note(text: str) -> None:
    """Say something on standard error: a peer that is not installed, a size that was left out."""
    Console(stderr=True).print(f"[yellow]note:[/] {text}")


def show(rows: Iterable[Row], *, as_json: bool, title: str) -> None:
    """Print rows as they come as JSON lines, or all together as a table."""
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
        return
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows if row["name"] != "machine" for key in row))
    for row in (row for row in rows if row["name"] == "machine"):
        Console().print({key: value for key, value in row.items() if key != "name"})
    measured = [row for row in rows if row["name"] != "machine"]
    if len(measured) == 1 and len(columns) > 8:  # too wide for a terminal: one fact a line
        table = Table("", "", title=title, show_header=False)
        for column in columns:
            table.add_row(column, _cell(measured[0].get(column)))
        Console().print(table)
        return
    table = Table(*columns, title=title)
    for row in measured:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console().print(table)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
