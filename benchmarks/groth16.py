"""Groth16 over BN254: set-up, witness, proving, verifying; and proofs of inference.

`python -m benchmarks.groth16 [--json] [--sizes 14 16 18] [--threads 1] [--circom DIRECTORY]`. The peer in the same run
is arkworks through the wheel `groth16py`, where it is installed. DIRECTORY holds pairs NAME.r1cs and NAME.wtns as
circom and its witness generator write them. `peak_mb` is the resident memory of a fresh process that maps the key and
proves.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from vortex_crypto import container
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import default_kernels, to_plain_ints
from vortex_crypto.zk.groth16.keys import ProvingKey
from vortex_crypto.zk.groth16.prove import fresh_mask, prove_witness
from vortex_crypto.zk.groth16.serialize import (
    proof_to_bytes,
    proving_key_from_artefact,
    proving_key_to_artefact,
)
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.snarkjs.r1cs import read_r1cs, write_r1cs
from vortex_crypto.zk.groth16.snarkjs.wtns import read_wtns, write_wtns
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.interpret.witness import solve
from vortex_crypto.zk.linear import concatenate
from vortex_crypto.zk.plan import Program
from vortex_crypto.zk.r1cs import R1cs

PUBLISHED = (
    "other provers on one 2.6 GHz Zen 4 core, full-width chains, seconds to prove 2^14 / 2^16 / 2^18: "
    "gnark 0.542 / 1.86 / 7.27, rapidsnark 0.773 / 2.71 / 12.6, arkworks 1.09 / 3.83 / 14.6, snarkjs 4.14 / 14.4 / -; "
    "set-up of 2^16: gnark 21, arkworks 5.3, snarkjs 48; ezkl proved an MLP 784-128-10 with public weights in 18.5 s"
)

Array = np.ndarray[Any, np.dtype[Any]]


@hint("benchmark_chain")
def _chain(kernels: Any, inputs: list[Array], *, steps: int) -> list[Array]:
    # Wires c, y_0 .. y_steps and y_(i+1) = (y_i + c)², y_0 being x_0 - c; then x_i = y_i + c.
    x, c = inputs
    one = kernels.fr.from_int64(np.array([1], dtype=np.int64))
    wires = np.concatenate([c, kernels.fr.sub(x, c), np.zeros((steps, 4), dtype=np.uint64)])
    places = np.stack([np.arange(1, steps + 1), np.zeros(steps, dtype=np.int64)], axis=1).reshape(-1)
    rows = (np.arange(0, 2 * steps + 1, 2), places, one.repeat(2 * steps, axis=0))
    squares = kernels.products_in_order(rows, rows, np.arange(2, steps + 2), wires)[2:]
    return [kernels.fr.add(squares, c.repeat(steps, axis=0))]


def chain(log_n: int) -> Program:
    """x_(i+1) = x_i² + c, 2^log_n - 3 times: full-width witnesses, a full domain."""
    steps = (1 << log_n) - 3
    circuit = Circuit(f"chain 2^{log_n}")
    first, c = circuit.private("x0"), circuit.public("c")
    (values,) = circuit.hint("benchmark_chain", [first, c], (steps,), steps=steps)
    before = concatenate([first.reshape(1), values[:-1]])
    circuit.assert_mul(before, before, values - c)
    return circuit.finish()


INPUTS = {"x0": 3, "c": 5}


class Peer:
    """arkworks on the same constraints and witness, through files."""

    def __init__(self, r1cs: R1cs, witness: Array, folder: Path) -> None:
        self.module = importlib.import_module("groth16py")
        self.r1cs, self.wtns = str(folder / "peer.r1cs"), str(folder / "peer.wtns")
        write_r1cs(self.r1cs, r1cs)
        write_wtns(self.wtns, witness)
        self.keys: Any = None
        public = witness[1 : 1 + r1cs.n_public]
        self.public = to_plain_ints(np.ascontiguousarray(public), default_kernels())

    def setup(self) -> None:
        self.keys = self.module.setup(self.r1cs)

    def prove(self) -> Any:
        return self.module.prove_wtns(self.keys[0], self.wtns)

    def verifier(self) -> Callable[[], Any]:
        proof, verifier = self.prove(), self.module.Verifier(self.keys[1])
        return lambda: verifier.verify(proof, self.public)

    @property
    def name(self) -> str:
        return f"arkworks (groth16py {importlib.metadata.version('groth16py')})"


def row(name: str, ours: Callable[[], Any], theirs: Callable[[], Any] | None, runs: int, **facts: Any) -> harness.Row:
    """Both by turns; `facts` may hold the peer's name as `peer`."""
    peer = facts.pop("peer", None)
    if theirs is None:
        return {"name": name, "seconds": harness.by_turns(ours, runs=runs)[0], **facts}
    mine, other = harness.by_turns(ours, theirs, runs=runs)
    return {"name": name, "seconds": mine, "peer": peer, "peer_seconds": other, "ratio": other / mine, **facts}


def system_rows(
    circuit: str, r1cs: R1cs, witness: Array, solve_again: Callable[[], Any] | None, threads: int, runs: int
) -> Iterator[harness.Row]:
    """Set-up, witness, prove, verify of one plain system."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = Peer(r1cs, witness, folder) if importlib.util.find_spec("groth16py") else None
        facts = {"n": r1cs.n_constraints, "circuit": circuit, "threads": threads}
        named = {**facts, "peer": peer.name if peer else None}
        large = r1cs.n_constraints > 1 << 16
        yield row(
            "setup", lambda: setup(r1cs, threads=threads), peer.setup if peer else None, 1 if large else 3, **named
        )
        key = setup(r1cs, threads=threads)
        if peer:
            peer.setup()
        if solve_again is not None:
            yield row("witness", solve_again, None, runs, **facts)
        proof = prove_witness(key, witness, threads=threads)
        more = {"proof_bytes": len(proof_to_bytes(proof)), "peak_mb": peak_of(key, witness, threads, folder)}
        yield row(
            "prove", lambda: prove_witness(key, witness, threads=threads), peer.prove if peer else None, runs,
            **named, **more,
        )  # fmt: skip
        public = to_plain_ints(np.ascontiguousarray(witness[1 : 1 + r1cs.n_public]), default_kernels())
        if not verify(key.verifying, proof, public):
            raise SystemExit(f"{circuit}: the proof does not verify")
        theirs = peer.verifier() if peer else None
        yield row("verify", lambda: verify(key.verifying, proof, public), theirs, 11, **named)


def peak_of(key: ProvingKey, witness: Array, threads: int, folder: Path) -> float:
    """Peak memory, MiB, of a fresh process that maps the key from a file and proves."""
    container.write(folder / "key.vx", proving_key_to_artefact(key))
    np.save(folder / "witness.npy", witness)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return float(pool.apply(_prove_from_files, (str(folder), threads)))


def _prove_from_files(folder: str, threads: int) -> float:
    key = proving_key_from_artefact(container.read(Path(folder) / "key.vx"))
    prove_witness(key, np.load(Path(folder) / "witness.npy"), threads=threads)
    return harness.peak_mb()


def peak_of_inference(program: Any, key: ProvingKey, given: Any, masks: dict[str, int], threads: int) -> float:
    """Peak memory, MiB, of a fresh process that reads program and key from files and proves."""
    with tempfile.TemporaryDirectory() as name, multiprocessing.get_context("spawn").Pool(1) as pool:
        container.write(Path(name) / "program.vx", program.to_artefact())
        container.write(Path(name) / "key.vx", proving_key_to_artefact(key))
        return float(pool.apply(_infer_from_files, (name, given, masks, threads)))


def _infer_from_files(folder: str, given: Any, masks: dict[str, int], threads: int) -> float:
    from vortex_crypto.nn.compile_zk import ZkProgram

    program = ZkProgram.from_artefact(container.read(Path(folder) / "program.vx"))
    key = proving_key_from_artefact(container.read(Path(folder) / "key.vx"))
    program.prove(key, given, masks=masks, threads=threads)
    return harness.peak_mb()


def inference_rows(threads: int, runs: int) -> Iterator[harness.Row]:
    """The MNIST perceptron of `circuits`, with public weights and with private committed ones."""
    from vortex_crypto.nn.compile_zk import compile_zk  # here, so that `peak_of` does not count the ONNX importer
    from vortex_crypto.nn.onnx_import import import_onnx

    folder = Path("circuits/mnist_mlp")
    graph = import_onnx(folder / "model.onnx", batch=1)
    calibration, samples = dict(np.load(folder / "calibration.npz")), np.load(folder / "samples.npz")
    for name, weights in (("prove_mlp_public", "public"), ("prove_mlp_committed", "private")):
        program = compile_zk(graph, calibration=calibration, weights=weights)  # type: ignore[arg-type]
        key = setup(program.program.r1cs, threads=threads)
        masks = {kept: fresh_mask() for kept in program.kept_masks}
        port = program.network.inputs[0]
        given = {port.name: samples[port.name][0].reshape(port.shape)}
        receipt = program.prove(key, given, masks=masks, threads=threads)
        facts = {"n": program.program.r1cs.n_constraints, "circuit": folder.name, "threads": threads}

        def ours() -> None:
            program.prove(key, given, masks=masks, threads=threads)  # noqa: B023

        peak = peak_of_inference(program, key, given, masks, threads)
        size = len(proof_to_bytes(receipt.proof))
        yield row(name, ours, None, runs, **facts, proof_bytes=size, peak_mb=peak)
        yield row(
            f"verify_mlp_{weights}", lambda: verify(key.verifying, receipt.proof, receipt.public), None, 11, **facts  # noqa: B023
        )  # fmt: skip


def rows(sizes: list[int], threads: int, circom: Path | None, runs: int) -> Iterator[harness.Row]:
    """Everything, as it comes."""
    yield harness.machine("groth16py", "py_ecc")
    if importlib.util.find_spec("groth16py") is None:
        harness.note("groth16py is not installed: no peer in this run")
    harness.note(PUBLISHED)
    for log_n in sizes:
        program = chain(log_n)
        witness = solve(program, INPUTS, threads=threads)

        def again() -> None:
            solve(program, INPUTS, threads=threads)  # noqa: B023

        yield from system_rows(program.name, program.r1cs, witness, again, threads, runs)
    for path in sorted(circom.glob("*.r1cs")) if circom else []:
        yield from system_rows(path.stem, read_r1cs(path), read_wtns(path.with_suffix(".wtns")), None, threads, runs)
    yield from inference_rows(threads, runs)


def main() -> None:
    """Print all rows."""
    parser = harness.parser(__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[14, 16, 18], help="log2 of the chains' lengths")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--circom", type=Path, help="directory of NAME.r1cs and NAME.wtns")
    options = parser.parse_args()
    os.environ.setdefault("RAYON_NUM_THREADS", str(options.threads or os.cpu_count() or 1))
    found = rows(options.sizes, options.threads, options.circom, options.runs)
    harness.show(found, as_json=options.json, title="Groth16 over BN254")


if __name__ == "__main__":
    main()
