"""Commands on models and artefacts: plan, compile, inspect."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from vortex_crypto import api, container
from vortex_crypto.cli.console import Insecure, Json, emit, out, progress, size, stages
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
    float | None, typer.Option("--precision", metavar="BITS", help="Bits of the outputs that should be right.")
]
Backend = Annotated[
    str | None, typer.Option("--backend", help="What runs the program: vortex, tenseal, openfhe or clear.")
]
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
    zk: Annotated[bool, typer.Option("--zk", help="For proofs of inference.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The program file; MODEL.fhe or MODEL.zk by default.")
    ] = None,
    calibration: Calibration = None,
    ranges: Ranges = None,
    precision: Precision = None,
    backend: Backend = None,
    batch: Batch = None,
    private_weights: Annotated[
        bool, typer.Option("--private-weights", help="With --zk: commit to the weights instead of publishing them.")
    ] = False,
    inputs: Annotated[
        Literal["public", "private", "hashed"],
        typer.Option(help="With --zk: whether verifiers see the inputs, one digest of them, or nothing."),
    ] = "public",
    drop_tail: DropTail = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each pass made of the graph.")] = False,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Compile a network into a program, and print an honest report.

    With --fhe, writes the program (weights included, for the server) and beside it FILE.client, which is all a client
    needs. With --zk, writes the prover's program.
    """
    if fhe == zk:
        raise InvalidInput("say what to compile for, one of --fhe and --zk")
    common = Common(model, calibration, parse_ranges(ranges), precision, drop_tail)
    if zk:
        program_file = output or model.with_suffix(".zk")
        _compile_zk(common, program_file, private_weights=private_weights, inputs=inputs, as_json=as_json)
        return
    target = output or model.with_suffix(".fhe")
    _compile_fhe(common, target, backend, batch, explain=explain, insecure=insecure, as_json=as_json)


@dataclass(frozen=True)
class Common:
    """Options of both targets."""

    model: Path
    calibration: Path | None
    input_ranges: dict[str, tuple[float, float]] | None
    precision: float | None
    drop_tail: bool

    def options(self) -> dict[str, Any]:
        """Keyword arguments for the API; a precision that was not given is the target's own default."""
        given = {"calibration": self.calibration, "input_ranges": self.input_ranges, "drop_tail": self.drop_tail}
        return given if self.precision is None else {**given, "precision_bits": self.precision}


def _compile_fhe(
    common: Common,
    target: Path,
    backend: str | None,
    batch: int | None,
    *,
    explain: bool,
    insecure: bool,
    as_json: bool,
) -> None:
    shown: list[str] = []
    with progress("compiling") as report:
        program = api.compile(
            common.model,
            **common.options(),
            backend=backend,
            batch=batch,
            insecure=insecure,
            progress=stages(report),
            explain=(lambda name, graph: shown.append(f"after {name}\n{graph.to_text()}")) if explain else None,
        )
    written = program.save(target)
    if as_json:
        emit({**program.report.model_dump(mode="json"), "files": written}, as_json=True, title="")
        return
    for text in shown:
        out.print(text, highlight=False, markup=False)
    out.print(program.report)
    for path, count in written.items():
        out.print(f"wrote [bold]{escape(path)}[/] ({size(count)})")


def _compile_zk(
    common: Common, target: Path, *, private_weights: bool, inputs: api.InputVisibility, as_json: bool
) -> None:
    with progress("compiling") as report:
        program = api.compile_zk(
            common.model,
            **common.options(),
            weights="private" if private_weights else "public",
            inputs=inputs,
            progress=stages(report),
        )
    count = container.write(target, program.to_artefact(), secret=private_weights)
    facts = {**program.report(), "program": program.hash, "weights": "private" if private_weights else "public"}
    facts["inputs"] = inputs
    facts["files"] = {str(target): count if as_json else size(count)}
    emit(facts, as_json=as_json, title="proof of inference")


def plan(
    model: Model,
    calibration: Calibration = None,
    ranges: Ranges = None,
    precision: Precision = None,
    drop_tail: DropTail = False,
    as_json: Json = False,
) -> None:
    """What each target would cost, before spending anything."""
    with progress("planning") as report:
        common = Common(model, calibration, parse_ranges(ranges), precision, drop_tail)
        rows = api.plan(model, **common.options(), progress=stages(report))
    if as_json:
        emit({"targets": rows}, as_json=True, title="")
    else:
        for row in rows:
            emit(row, as_json=False, title=f"{row['target']}, {row['backend']}")
    if all("refused" in row for row in rows):
        sys.exit(1)


def inspect(
    file: Annotated[Path, typer.Argument(help="Any artefact, or an ONNX model.")],
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw a model: .html, or .svg with Graphviz.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Any file: what it is, hashes, sizes, levels, keys."""
    facts = api.inspect(file)
    if picture is not None:
        api.draw(file, picture)
        facts["picture"] = str(picture)
    emit(facts, as_json=as_json, title=str(file))


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
