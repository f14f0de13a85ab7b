"""What all commands share: printing, progress, input files and the shape of `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vortex_crypto import api
from vortex_crypto.container import replacing
from vortex_crypto.errors import InvalidInput

Array = np.ndarray[Any, np.dtype[Any]]
Report = Callable[[int, int, str], None]

out, err = Console(), Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Accept parameters below 128-bit security, and mark the result.")
]
Share = Annotated[
    int | None,
    typer.Option(
        "--share",
        metavar="BITS",
        help="For results that others will see: leave BITS after the binary point and drown the rest in noise, since "
        "exact decryptions betray the secret key. Compile with 10 or more bits to spare.",
    ),
]
Rows = Annotated[
    str | None,
    typer.Option("--rows", metavar="A:B", help="Rows of the input to use, like a Python slice; all of them."),
]


def emit(facts: Mapping[str, Any], *, as_json: bool, title: str) -> None:
    """Print facts as a JSON object, or as a two-column table, where brackets are text and no markup."""
    if as_json:
        sys.stdout.write(json.dumps(facts, default=_plain) + "\n")
        return
    table = Table(title=escape(title), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(escape(key.replace("_", " ")), escape(_text(value)))
    out.print(table)


def emit_line(facts: Mapping[str, Any]) -> None:
    """Print one of several JSON objects, at once."""
    sys.stdout.write(json.dumps(facts, default=_plain) + "\n")
    sys.stdout.flush()


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A progress bar with a time estimate on standard error; silent when that is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def report(done: int, total: int, what: str) -> None:
            text = f"{title}: {escape(what)}" if what else title
            bar.update(task, completed=done, total=total, description=text)

        yield report


def stages(report: Report) -> Callable[[str, float], None]:
    """A progress bar for work that tells its stage and the fraction that is done."""
    return lambda stage, fraction: report(round(1000 * fraction), 1000, stage)


def read_rows(path: Path, names: Sequence[str], rows: str | None = None) -> dict[str, Array]:
    """Inputs from a .npy or .npz file, and of these the rows asked for."""
    arrays = api.read_arrays(path, tuple(names))
    return {name: array[_slice(rows)] for name, array in arrays.items()} if rows else arrays


def emit_arrays(arrays: Mapping[str, Array], output: Path | None, *, as_json: bool, title: str, **facts: Any) -> None:
    """Print named arrays and `facts`; write the arrays to `output` (.npz), whole or not at all, when it is given."""
    if output:
        with replacing(output) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    if as_json:
        emit({"outputs": arrays, "file": output, **facts}, as_json=True, title="")
        return
    shown = {name: np.array2string(a, precision=4, suppress_small=True, threshold=200) for name, a in arrays.items()}
    emit({**shown, **facts}, as_json=False, title=title)


def size(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _slice(text: str) -> slice:
    parts = text.split(":")
    try:
        numbers = [int(part) if part else None for part in parts]
    except ValueError as error:
        raise InvalidInput(f"--rows {text}: write it as A:B, two whole numbers") from error
    if len(numbers) == 1 and numbers[0] is not None:
        return slice(numbers[0], numbers[0] + 1 or None)
    if len(numbers) != 2:
        raise InvalidInput(f"--rows {text}: write it as A:B, two whole numbers")
    return slice(*numbers)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(inner) for inner in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
