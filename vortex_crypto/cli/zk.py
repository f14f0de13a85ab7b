"""Proofs of inference: setup, prove, verify, export-verifier.

`setup` writes a folder: proving.key and masks.secret are the prover's; public/ is for everybody who verifies.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from vortex_crypto import container
from vortex_crypto.cli.console import Json, Rows, emit, err, progress, read_rows, size, stages
from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact

if TYPE_CHECKING:
    from vortex_crypto.nn.compile_zk import ZkProgram
    from vortex_crypto.zk.groth16.keys import ProvingKey

PROVING, MASKS, PUBLIC = "proving.key", "masks.secret", "public"
VERIFYING, STATEMENT, COMMITMENT = "verifying.key", "program.statement", "weights.commitment"
COMMITMENT_KIND = "zk-commitment"

ZkProgramFile = Annotated[Path, typer.Argument(metavar="PROGRAM", help="What `compile --zk` wrote.")]
PublicFolder = Annotated[
    Path, typer.Option("--public", metavar="PUBLIC/", help="The public folder that `setup` wrote.")
]


def register(app: typer.Typer) -> None:
    """Add this family's commands."""
    app.command()(setup)
    app.command()(prove)
    app.command()(verify)
    app.command("export-verifier")(export_verifier)


def setup(
    program: ZkProgramFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="KEYS/", help="The folder to write.")] = Path(
        "zk-keys"
    ),
    threads: Annotated[int, typer.Option(help="Threads; 0 for one a processor.")] = 0,
    as_json: Json = False,
) -> None:
    """Make proving and verifying keys. One party makes them alone, so they are for development and marked insecure."""
    from vortex_crypto.nn.compile_zk import ZkProgram
    from vortex_crypto.zk.groth16.setup import setup as make_keys

    _refuse_overwriting(output)
    loaded = ZkProgram.from_artefact(container.read(program))
    start = perf_counter()
    with progress("setting up") as report:
        key = make_keys(loaded.program.r1cs, progress=stages(report), threads=threads)
    seconds = perf_counter() - start
    written = write_keys(output, loaded, key)
    err.print("[yellow]This set-up had one party: whoever ran it can forge proofs. The keys are marked insecure.[/]")
    facts = {
        "keys": str(output),
        "program": loaded.hash,
        "insecure": True,
        "seconds": seconds,
        "files": written if as_json else {name: size(count) for name, count in written.items()},
    }
    emit(facts, as_json=as_json, title="set up")


def write_keys(folder: Path, program: ZkProgram, key: ProvingKey) -> dict[str, int]:
    """Write a key folder and return its files' sizes in bytes; draws the masks of persistent commitments.

    Raises:
        InvalidInput: the folder holds keys already, which are never overwritten.
    """
    from vortex_crypto.nn.compile_zk import draw_masks, read_masks
    from vortex_crypto.zk.groth16 import serialize

    _refuse_overwriting(folder)
    public = folder / PUBLIC
    written = {
        PROVING: container.write(folder / PROVING, serialize.proving_key_to_artefact(key)),
        f"{PUBLIC}/{VERIFYING}": container.write(
            public / VERIFYING, serialize.verifying_key_to_artefact(key.verifying)
        ),
        f"{PUBLIC}/{STATEMENT}": container.write(public / STATEMENT, program.interface.to_artefact()),
    }
    if program.kept_masks:
        masks = draw_masks(program)
        written[MASKS] = container.write(folder / MASKS, masks, secret=True)
        (mask,) = read_masks(masks, program.hash).values()
        point = {"weights": program.commitment(key, mask)}
        commitment = Artefact(COMMITMENT_KIND, program.hash, {}, point, key.verifying.insecure)
        written[f"{PUBLIC}/{COMMITMENT}"] = container.write(public / COMMITMENT, commitment)
    return written


def _refuse_overwriting(folder: Path) -> None:
    if (folder / PROVING).exists():
        raise InvalidInput(
            f"{folder / PROVING} exists; proofs made with it would lose their key: choose another folder"
        )


def prove(
    program: ZkProgramFile,
    inputs: Annotated[Path, typer.Argument(metavar="INPUT", help=".npy, or .npz keyed by input names.")],
    keys: Annotated[Path, typer.Option("--keys", metavar="KEYS/", help="The folder that `setup` wrote.")] = Path(
        "zk-keys"
    ),
    output: Annotated[Path, typer.Option("-o", "--output", help="The proof file.")] = Path("inference.proof"),
    snarkjs: Annotated[
        Path | None,
        typer.Option("--snarkjs", metavar="DIR", help="Also write proof.json and public.json (plain proofs)."),
    ] = None,
    rows: Rows = None,
    threads: Annotated[int, typer.Option(help="Threads; 0 for one a processor.")] = 0,
    as_json: Json = False,
) -> None:
    """Prove that this model gives these outputs on one input."""
    from vortex_crypto.nn.compile_zk import ZkProgram, read_masks
    from vortex_crypto.zk.groth16 import serialize

    loaded = ZkProgram.from_artefact(container.read(program))
    arrays = read_rows(inputs, [port.name for port in loaded.network.inputs], rows)
    arrays = {port.name: _one_sample(arrays[port.name], port) for port in loaded.network.inputs}
    masks = read_masks(container.read(keys / MASKS), loaded.hash) if loaded.kept_masks else None
    key = serialize.proving_key_from_artefact(container.read(keys / PROVING))
    start = perf_counter()
    with progress("proving") as report:
        receipt = loaded.prove(key, arrays, masks=masks, progress=stages(report), threads=threads)
    seconds = perf_counter() - start
    _same_model(keys / PUBLIC, loaded.hash, receipt.proof)
    artefact = receipt.to_artefact(loaded.hash)
    container.write(
        output, Artefact(artefact.kind, artefact.program, artefact.meta, artefact.arrays, key.verifying.insecure)
    )
    if snarkjs:
        _write_snarkjs(snarkjs, key.verifying, receipt)
    facts = {
        "proof": str(output),
        "proof_bytes": artefact.arrays["proof"].size,
        "seconds": seconds,
        "outputs": {name: np.round(array, 4) for name, array in receipt.outputs.items()},
    }
    emit(facts, as_json=as_json, title="proved")


def verify(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="What `prove` wrote.")],
    public: PublicFolder = Path("zk-keys/public"),
    inputs: Annotated[
        Path | None, typer.Option("--input", metavar="INPUT", help="Also check that the proof is about this input.")
    ] = None,
    rows: Rows = None,
    as_json: Json = False,
) -> None:
    """Check a proof, and print what it says; exits with 1 when it is not valid."""
    from vortex_crypto.nn.compile_zk import proof_from_artefact
    from vortex_crypto.nn.statement import ZkInterface
    from vortex_crypto.zk.groth16 import serialize

    artefact = container.read(proof)
    interface = ZkInterface.from_artefact(container.read(public / STATEMENT))
    artefact.expect(kind="zk-proof", program=interface.program)
    key = serialize.verifying_key_from_artefact(container.read(public / VERIFYING))
    parsed, values = proof_from_artefact(artefact)
    expected = _commitment(public, interface.program) if interface.private_weights else None
    start = perf_counter()
    valid = interface.verify(key, parsed, values, expected=expected)
    seconds = perf_counter() - start
    statement = interface.statement(values)
    if inputs is not None:
        arrays = read_rows(inputs, [port.name for port in interface.inputs], rows)
        arrays = {port.name: _one_sample(arrays[port.name], port) for port in interface.inputs}
        valid = interface.is_about(values, arrays) and valid
    facts: dict[str, Any] = {
        "valid": valid,
        "program": interface.program,
        "insecure_setup": key.insecure,
        "seconds": seconds,
    }
    if valid:
        facts |= {"outputs": {name: np.round(array, 4) for name, array in statement.outputs.items()}}
        facts |= {} if statement.digest is None else {"inputs_digest": f"{statement.digest:#066x}"}
    emit(facts, as_json=as_json, title="verified" if valid else "NOT VALID")
    sys.exit(0 if valid else 1)


def export_verifier(
    public: PublicFolder = Path("zk-keys/public"),
    output: Annotated[Path, typer.Option("-o", "--output", help="The Solidity file.")] = Path("Verifier.sol"),
    name: Annotated[str, typer.Option(help="Name of the contract.")] = "Verifier",
    as_json: Json = False,
) -> None:
    """Write a Solidity contract that verifies this program's proofs, and that public inputs are in range."""
    from vortex_crypto.nn.statement import INTERFACE, ZkInterface
    from vortex_crypto.zk.groth16 import serialize
    from vortex_crypto.zk.groth16.solidity import export_verifier as source

    artefact = container.read(public / VERIFYING)
    key = serialize.verifying_key_from_artefact(artefact)
    interface = ZkInterface.from_artefact(
        container.read(public / STATEMENT).expect(kind=INTERFACE, program=key.program)
    )
    persistent = any(commitment.persistent for commitment in key.commitments)
    expected = _commitment(public, key.program) if persistent else None
    text = source(key, name=name, expected=expected, ranges=interface.public_ranges)
    with container.replacing(output) as temporary:
        temporary.write_text(text)
    emit(
        {"contract": str(output), "name": name, "bytes": len(text), "insecure_setup": key.insecure},
        as_json=as_json,
        title="exported",
    )


def _one_sample(array: np.ndarray[Any, Any], port: Any) -> np.ndarray[Any, Any]:
    """The array in the port's shape, which a missing batch axis of one does not spoil."""
    if array.size != int(np.prod(port.shape)):
        raise InvalidInput(
            f"input {port.name!r}: a proof is about one sample of shape {list(port.shape)}; this has shape "
            f"{list(array.shape)} (choose one with --rows)"
        )
    return array.reshape(port.shape)


def _commitment(public: Path, program: str) -> dict[str, np.ndarray[Any, Any]]:
    artefact = container.read(public / COMMITMENT).expect(kind=COMMITMENT_KIND, program=program)
    point = artefact.arrays.get("weights")
    if point is None or point.dtype != np.uint64 or point.shape != (2, 4):
        raise MalformedArtefact(f"{public / COMMITMENT}: a commitment is one point of G1")
    return {"weights": point}


def _same_model(public: Path, program: str, proof: Any) -> None:
    """Nothing, if the proof's commitment is the published one, where that is at hand.

    A proof of other weights under the same mask is valid for nobody, and would tell how they differ.
    """
    if not len(proof.commitments) or not (public / COMMITMENT).exists():
        return
    if not np.array_equal(proof.commitments[0], _commitment(public, program)["weights"]):
        raise ArtefactMismatch(
            f"the program's weights are not those that {public / COMMITMENT} commits to; run `setup` into another "
            "folder, which draws a fresh mask"
        )


def _write_snarkjs(folder: Path, key: Any, receipt: Any) -> None:
    from vortex_crypto.zk.groth16.snarkjs import write_proof, write_public, write_verifying_key

    if key.commitments:
        raise InvalidInput(
            "snarkjs knows no commitments; its files can be written for programs with public weights alone"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_proof(folder / "proof.json", receipt.proof)
    write_public(folder / "public.json", receipt.public)
    write_verifying_key(folder / "verification_key.json", key)
