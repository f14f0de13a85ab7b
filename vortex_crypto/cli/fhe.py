"""The three steps of encrypted inference as files, and the keys: keygen, encrypt, run, decrypt."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from vortex_crypto import container
from vortex_crypto.cli.console import Insecure, Json, Rows, Share, emit, emit_arrays, progress, read_rows, size
from vortex_crypto.serve import client as files

Keys = Annotated[Path, typer.Option("--keys", metavar="KEYS/", help="The key folder that `keygen` wrote.")]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    for command in (keygen, encrypt, run, decrypt):
        app.command()(command)


def keygen(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="A program, or its .client file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="KEYS/", help="The folder to write.")] = Path(
        "keys"
    ),
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Make keys for a program. The secret key never leaves the folder; only evaluation.key goes to the server."""
    interface = files.read_interface(program)
    start = perf_counter()
    with progress("making keys"):
        written = files.Client(interface, insecure=insecure).save(output)
    facts = {
        "keys": str(output),
        "program": interface.program,
        "security": interface.security,
        "seconds": perf_counter() - start,
        "files": written if as_json else {name: size(count) for name, count in written.items()},
    }
    emit(facts, as_json=as_json, title="keys")


def encrypt(
    inputs: Annotated[Path, typer.Argument(metavar="INPUT", help=".npy, or .npz keyed by input names.")],
    keys: Keys = Path("keys"),
    output: Annotated[Path, typer.Option("-o", "--output", help="The ciphertext file.")] = Path("input.ct"),
    rows: Rows = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Encrypt a batch of inputs."""
    client = files.Client.open(keys, insecure=insecure)
    arrays = read_rows(inputs, [port.name for port in client.interface.inputs], rows)
    start = perf_counter()
    ciphertexts = client.encrypt(arrays)
    seconds = perf_counter() - start
    count = container.write(output, ciphertexts)
    facts = {
        "ciphertext": str(output),
        "samples": files.sample_count(client.interface, arrays),
        "seconds": seconds,
        "bytes": count if as_json else size(count),
    }
    emit(facts, as_json=as_json, title="encrypted")


def run(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="What `compile --fhe` wrote.")],
    ciphertext: Annotated[Path, typer.Argument(metavar="CIPHERTEXT", help="What `encrypt` wrote.")],
    keys: Annotated[Path, typer.Option("--keys", help="evaluation.key, or the folder it lies in.")] = Path("keys"),
    output: Annotated[Path, typer.Option("-o", "--output", help="The encrypted answer.")] = Path("output.ct"),
    as_json: Json = False,
) -> None:
    """Run a program on encrypted inputs; needs no secret key."""
    from vortex_crypto.nn.compile import FheProgram
    from vortex_crypto.serve.server import Server

    loaded = FheProgram.from_artefact(container.read(program))
    evaluation = keys / files.EVALUATION if keys.is_dir() else keys
    with progress("running") as report:
        server = Server(loaded)
        report(0, 1, "loading keys")
        name = server.register(container.read(evaluation), "local")
        start = perf_counter()
        answer = server.run(name, container.read(ciphertext), report)
        seconds = perf_counter() - start
    count = container.write(output, answer)
    facts = {"answer": str(output), "seconds": seconds, "bytes": count if as_json else size(count)}
    emit(facts, as_json=as_json, title="ran on ciphertexts")


def decrypt(
    ciphertext: Annotated[Path, typer.Argument(metavar="ANSWER", help="What `run` wrote.")],
    keys: Keys = Path("keys"),
    batch: Annotated[int, typer.Option(help="Samples that were encrypted together.")] = 1,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also write the arrays as .npz.")] = None,
    share: Share = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Print numbers that cannot be the network's answer too.")
    ] = False,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Decrypt an answer and print it. Exact decryptions are for the key's owner alone: see --share."""
    client = files.Client.open(keys, insecure=insecure)
    answer = client.decrypt(container.read(ciphertext), batch=batch, share=share, unchecked=unchecked)
    emit_arrays(answer, output, as_json=as_json, title="decrypted")
