"""Encrypted inference over HTTP: serve, query."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.markup import escape

from vortex_crypto import container
from vortex_crypto.cli.console import Insecure, Json, Rows, Share, emit_arrays, emit_line, err, progress, read_rows
from vortex_crypto.errors import MissingDependency


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(serve)
    app.command()(query)


def serve(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="What `compile --fhe` wrote.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8700,
    clients: Annotated[
        int, typer.Option(min=1, help="Key sets in memory; those that answered nothing go first, then the oldest.")
    ] = 4,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait or upload beside the one computed.")] = 8,
    grace: Annotated[int, typer.Option(min=0, help="Seconds to finish what was begun when told to stop.")] = 60,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object when listening, and one for each request.")
    ] = False,
) -> None:
    """Serve a program: ciphertexts in, ciphertexts out. Holds weights and no way to decrypt."""
    try:
        from vortex_crypto.serve.running import Listener
    except ImportError as error:
        raise MissingDependency("serving needs FastAPI and uvicorn: pip install 'vortex-crypto[serve]'") from error
    from vortex_crypto.nn.compile import FheProgram
    from vortex_crypto.serve.http import application
    from vortex_crypto.serve.server import Server

    loaded = FheProgram.from_artefact(container.read(program))
    server = Server(loaded, max_clients=clients)
    with progress("encoding the program"):
        server.prepare()

    def listening(url: str) -> None:
        if as_json:
            emit_line({"listening": url, "program": loaded.hash, "security": loaded.interface.security})
        else:
            err.print(f"serving [bold]{escape(str(program))}[/] on {url}", highlight=False)

    app = application(server, max_waiting=waiting, log=emit_line if as_json else None)
    Listener(app, host, port, grace=grace, listening=listening).run()


def query(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where `serve` listens.")],
    inputs: Annotated[Path, typer.Argument(metavar="INPUT", help=".npy, or .npz keyed by input names.")],
    keys: Annotated[
        Path, typer.Option("--keys", metavar="KEYS/", help="Key folder; made when it does not exist.")
    ] = Path("keys"),
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write the answer as .npz.")] = None,
    rows: Rows = None,
    share: Share = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Encrypt, send, decrypt: one inference on a server that never sees the question."""
    from vortex_crypto.serve.query import RemoteServer

    start = perf_counter()
    with RemoteServer(url) as server, progress("asking"):
        arrays = read_rows(inputs, [port.name for port in server.interface().inputs], rows)
        answer = server.ask(arrays, keys, insecure=insecure, share=share)
    emit_arrays(answer, output, as_json=as_json, title="answer", seconds=perf_counter() - start)
