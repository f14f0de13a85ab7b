"""Commands on models and artefacts: plan, compile, inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vortex_crypto import api
from vortex_crypto.cli.console import Insecure, Json, emit, out, progress, size
from vortex_crypto.errors import InvalidInput

Model = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The trained network.")]
Calibration = Annotated[
    Path | None,
    typer.Option("--calibration", metavar="DATA.npz", help="Typical inputs, keyed by input name; they set the ranges."),
]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--range", metavar="NAME=LOW:HIGH", help="Range of an input; instead of calibration, or beside it."),
]
Precision = Annotated[
    float, typer.Option("--precision", metavar="BITS", help="Bits of the outputs that should be right.")
]
Backend = Annotated[str | None, typer.Option("--backend", help="What runs the program: tenseal, vortex or clear.")]
Batch = Annotated[
    int | None, typer.Option("--batch", help="Rows packed into one ciphertext; by default as many as fit.")
]
DropTail = Annotated[bool, typer.Option("--drop-tail", help="Leave a final Softmax or ArgMax to the client.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command("plan")(plan)
    app.command("compile")(compile_model)
    app.command("inspect")(inspect)


def compile_model(
    model: Model,
    fhe: Annotated[bool, typer.Option("--fhe", help="For encrypted inference.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The program file; MODEL.fhe by default.")
    ] = None,
    calibration: Calibration = None,
    ranges: Ranges = None,
    precision: Precision = 12.0,
    backend: Backend = None,
    batch: Batch = None,
    drop_tail: DropTail = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each pass made of the graph.")] = False,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Compile a network into a program, and print an honest report.

    Writes the program (weights included, for the server) and beside it FILE.client, which is all a client needs.
    """
    if not fhe:
        raise InvalidInput("say what to compile for: --fhe")
    shown: list[str] = []
    target = output or model.with_suffix(".fhe")
    with progress("compiling") as report:
        program = api.compile(
            model,
            calibration=calibration,
            input_ranges=parse_ranges(ranges),
            precision_bits=precision,
            backend=backend,
            batch=batch,
            drop_tail=drop_tail,
            insecure=insecure,
            progress=lambda stage: report(0, 0, stage),
            explain=(lambda name, graph: shown.append(f"after {name}\n{graph.to_text()}")) if explain else None,
        )
    written = program.save(target)
    if as_json:
        emit({**program.report.model_dump(mode="json"), "files": written}, as_json=True, title="")
        return
    for text in shown:
        out.print(text, highlight=False)
    out.print(program.report)
    for path, count in written.items():
        out.print(f"wrote [bold]{path}[/] ({size(count)})")


def plan(
    model: Model,
    calibration: Calibration = None,
    ranges: Ranges = None,
    precision: Precision = 12.0,
    drop_tail: DropTail = False,
    as_json: Json = False,
) -> None:
    """What each target would cost, before spending anything."""
    with progress("planning") as report:
        rows = api.plan(
            model,
            calibration=calibration,
            input_ranges=parse_ranges(ranges),
            precision_bits=precision,
            drop_tail=drop_tail,
            progress=lambda stage: report(0, 0, stage),
        )
    if as_json:
        emit({"targets": rows}, as_json=True, title="")
        return
    for row in rows:
        emit(row, as_json=False, title=f"{row['target']} ({row['backend']})")


def inspect(
    file: Annotated[Path, typer.Argument(help="Any artefact, or an ONNX model.")], as_json: Json = False
) -> None:
    """Any file: what it is, hashes, sizes, levels, keys."""
    emit(api.inspect(file), as_json=as_json, title=str(file))


def parse_ranges(texts: list[str] | None) -> dict[str, tuple[float, float]] | None:
    """`NAME=LOW:HIGH` options as a mapping.

    Raises:
        InvalidInput: an option is not of that form; the text repeats it.
    """
    ranges = {}
    for text in texts or []:
        name, _, interval = text.rpartition("=")
        low, _, high = interval.partition(":")
        try:
            ranges[name] = (float(low), float(high))
        except ValueError as error:
            raise InvalidInput(f"--range {text}: write it as NAME=LOW:HIGH, two numbers") from error
    return ranges or None
