"""The application: its commands, and what happens to errors."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer
from rich.markup import escape

from vortex_crypto import __version__
from vortex_crypto.arith.engine import VARIABLE, using
from vortex_crypto.cli import ceremony, fhe, model, network, zk
from vortex_crypto.cli.console import err
from vortex_crypto.errors import VortexError

app = typer.Typer(
    name="vortex-crypto",
    help="Compile a neural network once, then run it on encrypted data, with a proof, or in the clear.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for family in (model, fhe, network, zk):
    family.register(app)
app.add_typer(ceremony.app, name="ceremony")


@app.callback()
def _common(
    context: typer.Context,
    engine: Annotated[
        Literal["native", "cuda", "reference"] | None,
        typer.Option(
            help="What keygen, run, prove and all other commands compute on: the compiled core, the first CUDA "
            f"device, or the definitions in Python. By default {VARIABLE} of the environment, else the compiled core.",
        ),
    ] = None,
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
    context.with_resource(using(engine))


def main() -> None:
    """Run a command; what a user can mend becomes one line on standard error and exit status 1.

    That is every error raised on purpose, and those of the operating system: a folder that is not there, a full disk, a
    port in use.
    """
    try:
        app()
    except (VortexError, OSError) as error:
        err.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
