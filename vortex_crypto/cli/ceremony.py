"""A set-up with many parties: `vortex-crypto ceremony begin | contribute | beacon | finish`.

Between parties the key travels as a `.zkey` of snarkjs where the file is named so, and as an artefact otherwise, which
programs with commitments need.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vortex_crypto import container
from vortex_crypto.cli.console import Json, emit, progress, stages
from vortex_crypto.cli.zk import ZkProgramFile, write_keys
from vortex_crypto.errors import InvalidInput

app = typer.Typer(help="A set-up with many parties; sound when one of them is honest.", no_args_is_help=True)

Powers = Annotated[Path, typer.Option("--ptau", help="Powers of tau, prepared for phase 2.")]
Step = Annotated[Path, typer.Argument(metavar="KEY", help="The key so far, as the party before wrote it.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="The next key: .zkey, or any other name for an artefact.")]


@app.command()
def begin(program: ZkProgramFile, ptau: Powers, output: Output, as_json: Json = False) -> None:
    """Specialise powers of tau to a program: the key that the first party contributes to."""
    from vortex_crypto.nn.compile_zk import ZkProgram
    from vortex_crypto.zk.groth16 import ceremony, powers, snarkjs

    loaded = ZkProgram.from_artefact(container.read(program))
    with progress("checking the powers") as report:
        tau = snarkjs.read_ptau(ptau)
        powers.check_powers(tau, progress=stages(report))
    with progress("specialising") as report:
        zkey = ceremony.specialise(loaded.program.r1cs, tau, progress=stages(report))
    _write(output, zkey)
    emit({"key": str(output), "program": loaded.hash, "contributions": 0}, as_json=as_json, title="begun")


@app.command()
def contribute(
    key: Step,
    output: Output,
    name: Annotated[str, typer.Option(help="How you want to be called, in public; at most 64 characters.")] = "",
    as_json: Json = False,
) -> None:
    """Add your secret, drawn from the operating system and forgotten; publish the digest that is printed."""
    from vortex_crypto.zk.groth16 import ceremony

    with progress("contributing") as report:
        zkey = ceremony.contribute(_read(key), name=name, progress=stages(report))
    _write(output, zkey)
    emit(_described(output, zkey), as_json=as_json, title="contributed")


@app.command()
def beacon(
    key: Step,
    output: Output,
    value: Annotated[str, typer.Option(help="The announced public value, in hexadecimal.")],
    iterations: Annotated[int, typer.Option(help="SHA-256 is applied 2^N times; 10 to 30.")] = 10,
    name: Annotated[str, typer.Option(help="What to call it; at most 64 characters.")] = "beacon",
    as_json: Json = False,
) -> None:
    """End the ceremony with a value nobody could know before."""
    from vortex_crypto.zk.groth16 import ceremony

    try:
        announced = bytes.fromhex(value)
    except ValueError as error:
        raise InvalidInput(f"--value {value}: write the beacon in hexadecimal") from error
    with progress("applying the beacon") as report:
        zkey = ceremony.apply_beacon(_read(key), announced, iterations, name=name, progress=stages(report))
    _write(output, zkey)
    emit(_described(output, zkey), as_json=as_json, title="ended")


@app.command()
def finish(
    program: ZkProgramFile,
    key: Step,
    ptau: Powers,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="KEYS/", help="The folder to write.")] = Path(
        "zk-keys"
    ),
    as_json: Json = False,
) -> None:
    """Verify the whole chain, and write the keys, no longer marked insecure."""
    from vortex_crypto.nn.compile_zk import ZkProgram
    from vortex_crypto.zk.groth16 import ceremony, powers, snarkjs

    loaded = ZkProgram.from_artefact(container.read(program))
    with progress("checking the powers") as report:
        tau = snarkjs.read_ptau(ptau)
        powers.check_powers(tau, progress=stages(report))
    with progress("verifying") as report:
        zkey = _read(key)
        verified = ceremony.verify(zkey, loaded.program.r1cs, tau, progress=stages(report))
    written = write_keys(output, loaded, verified)
    facts = {**_described(output, zkey), "insecure": verified.verifying.insecure, "files": written}
    emit(facts, as_json=as_json, title="verified")


def _described(path: Path, zkey: Any) -> dict[str, Any]:
    parties = [f"{c.name or 'unnamed'}: {c.digest()}" for c in zkey.contributions]
    return {"key": str(path), "contributions": len(parties), "parties": parties}


def _read(path: Path) -> Any:
    from vortex_crypto.zk.groth16.record import ceremony_from_artefact
    from vortex_crypto.zk.groth16.snarkjs import read_zkey

    return read_zkey(path) if path.suffix == ".zkey" else ceremony_from_artefact(container.read(path))


def _write(path: Path, zkey: Any) -> None:
    from vortex_crypto.zk.groth16.record import ceremony_to_artefact
    from vortex_crypto.zk.groth16.snarkjs import write_zkey

    if path.suffix != ".zkey":
        container.write(path, ceremony_to_artefact(zkey))
    elif zkey.key.commitments:
        raise InvalidInput(f"{path}: snarkjs knows no commitments; give the file another suffix than .zkey")
    else:
        write_zkey(path, zkey)
