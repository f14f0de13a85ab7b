"""Groth16 over BN254: set-up, witness, proving, verifying; and proofs of inference.

`python -m benchmarks.groth16 [--json] [--sizes 14 16 18] [--large 20] [--threads 1] [--circom DIRECTORY]`. The peers in
the same run, by turns: arkworks through the wheel `groth16py`, where it is installed, and up to 2^16 snarkjs on one
thread, where `npm ci --prefix tests/foreign` installed it. With --circom, circom's Poseidon and SHA-256 circuits are
made in that directory (see `benchmarks.circom`) and proved too, with whatever other pairs NAME.r1cs and NAME.wtns are
there. The sizes after --large are proved on two threads.

`peak_mb` is the resident memory of a fresh process that maps the key and proves; `share` of a row `witness` is its part
of the time that `prove` takes with it; `bytes` of the row `build` is the memory a constraint takes.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import circom, harness
from benchmarks.circom import MODULES
from benchmarks.peers import Piped
from vortex_crypto import container
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import default_kernels, to_plain_ints
from vortex_crypto.zk.gadgets.poseidon import poseidon
from vortex_crypto.zk.groth16.keys import Proof, ProvingKey
from vortex_crypto.zk.groth16.prove import fresh_mask, prove_witness
from vortex_crypto.zk.groth16.serialize import (
    proof_to_bytes,
    proving_key_from_artefact,
    proving_key_to_artefact,
)
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.snarkjs.r1cs import read_r1cs, write_r1cs
from vortex_crypto.zk.groth16.snarkjs.wtns import read_wtns, write_wtns
from vortex_crypto.zk.groth16.snarkjs.zkey import Zkey, write_zkey
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

SNARKJS_LARGEST = 1 << 16
"""The largest domain that snarkjs, which takes a minute at 2^18, is given."""

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


def hashes(log_n: int) -> Program:
    """As many Poseidon hashes of two elements, side by side, as fit into 2^log_n constraints."""
    count = ((1 << log_n) - 2) // 243
    circuit = Circuit(f"poseidon gadget 2^{log_n}")
    circuit.expose("sum", poseidon(circuit, circuit.private("x", (count, 2))).sum())
    return circuit.finish()


def dense(n: int) -> Program:
    """n products in one call, to see what building and keeping them takes."""
    circuit = Circuit(f"{n} products")
    x, y = circuit.private("x", (n,)), circuit.private("y", (n,))
    circuit.mul(x, y)
    return circuit.finish()


class Arkworks:
    """arkworks on the same constraints and witness, through files."""

    def __init__(self, r1cs: R1cs, witness: Array, folder: Path) -> None:
        self.module = importlib.import_module("groth16py")
        self.name = f"arkworks (groth16py {importlib.metadata.version('groth16py')})"
        self.r1cs, self.wtns = str(folder / "peer.r1cs"), str(folder / "peer.wtns")
        write_r1cs(self.r1cs, r1cs)
        write_wtns(self.wtns, witness)
        self.keys: Any = None
        self.public = public_of(r1cs, witness)

    def setup(self) -> None:
        self.keys = self.module.setup(self.r1cs)

    def prove(self) -> Any:
        return self.module.prove_wtns(self.keys[0], self.wtns)

    def verifier(self) -> Callable[[], Any]:
        proof, verifier = self.prove(), self.module.Verifier(self.keys[1])
        return lambda: verifier.verify(proof, self.public)


@contextmanager
def snarkjs(key: ProvingKey, witness: Array, folder: Path) -> Iterator[Piped | None]:
    """snarkjs on one thread with our key and witness, or None where it is not installed or the system is large."""
    if key.domain > SNARKJS_LARGEST or shutil.which("node") is None or not (MODULES / "snarkjs").is_dir():
        yield None
        return
    zkey, wtns = folder / "peer.zkey", folder / "peer.wtns"
    write_zkey(zkey, Zkey(key))
    write_wtns(wtns, witness)
    driver = Path(__file__).parent / "peers" / "snarkjs_driver.mjs"
    command = ["node", str(driver), str(MODULES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        peer = Piped(process)
        peer.facts = peer.call("setup", zkey=str(zkey), wtns=str(wtns))
        try:
            yield peer
        finally:
            if process.stdin is not None:
                process.stdin.close()


def public_of(r1cs: R1cs, witness: Array) -> list[int]:
    """The public values of a witness."""
    return to_plain_ints(np.ascontiguousarray(witness[1 : 1 + r1cs.n_public]), default_kernels())


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
    """Set-up, proving, verifying and, where there is a program, the witness of one plain system."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = Arkworks(r1cs, witness, folder) if threads == 1 and importlib.util.find_spec("groth16py") else None
        facts = {"n": r1cs.n_constraints, "circuit": circuit, "threads": threads}
        named = {**facts, "peer": peer.name if peer else None}
        few = 1 if r1cs.n_constraints > 1 << 16 else 3
        yield row("setup", lambda: setup(r1cs, threads=threads), peer.setup if peer else None, few, **named)
        key = setup(r1cs, threads=threads)
        if peer:
            peer.setup()

        def ours() -> Proof:
            return prove_witness(key, witness, threads=threads)

        proof = ours()
        more = {"proof_bytes": len(proof_to_bytes(proof)), "peak_mb": peak_of(key, witness, threads, folder)}
        yield row("prove", ours, peer.prove if peer else None, runs, **named, **more)
        if solve_again is not None:
            solved, rest = harness.by_turns(solve_again, ours, runs=runs)
            yield {"name": "witness", "seconds": solved, **facts, "share": solved / (solved + rest)}
        public = public_of(r1cs, witness)
        if not verify(key.verifying, proof, public):
            raise SystemExit(f"{circuit}: the proof does not verify")

        def check() -> bool:
            return verify(key.verifying, proof, public)

        yield row("verify", check, peer.verifier() if peer else None, 11, **named)
        if threads == 1:
            yield from snarkjs_rows(key, witness, ours, check, folder, facts)


def snarkjs_rows(
    key: ProvingKey, witness: Array, ours: Callable[[], Any], check: Callable[[], Any], folder: Path, facts: harness.Row
) -> Iterator[harness.Row]:
    """Proving and verifying by turns with snarkjs."""
    with snarkjs(key, witness, folder) as peer:
        if peer is not None:
            label = peer.facts["label"]
            yield row("prove", ours, lambda: peer.call("prove"), 3, **facts, peer=label)
            yield row("verify", check, lambda: peer.call("verify"), 11, **facts, peer=label)


def build_row(n: int = 1_000_000) -> harness.Row:
    """Building n constraints: seconds, and bytes that one takes in the finished system."""
    r1cs = dense(n).r1cs
    kept = sum(matrix.nbytes for matrix in (r1cs.a, r1cs.b, r1cs.c)) / n
    return row("build", lambda: dense(n), None, 3, n=n, circuit="products", threads=1, bytes=kept)


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
    for kind, weights in (("public", "public"), ("committed", "private")):
        name = f"prove_mlp_{kind}"
        program = compile_zk(graph, calibration=calibration, weights=weights)  # type: ignore[arg-type]
        key = setup(program.program.r1cs, threads=threads)
        masks = {kept: fresh_mask() for kept in program.kept_masks}
        port = program.network.inputs[0]
        given = {port.name: samples[port.name][0].reshape(port.shape)}
        receipt = program.prove(key, given, masks=masks, threads=threads)
        facts = {"n": program.program.r1cs.n_constraints, "circuit": folder.name, "threads": threads}

        def ours() -> None:
            program.prove(key, given, masks=masks, threads=threads)  # noqa: B023

        def again() -> None:
            solve(program.program, program.given(given), masks=masks, threads=threads)  # noqa: B023

        peak = peak_of_inference(program, key, given, masks, threads)
        size = len(proof_to_bytes(receipt.proof))
        yield row(name, ours, None, runs, **facts, proof_bytes=size, peak_mb=peak)
        solved, proved = harness.by_turns(again, ours, runs=11)
        yield {"name": f"witness_mlp_{kind}", "seconds": solved, **facts, "share": solved / proved}
        yield row(
            f"verify_mlp_{kind}", lambda: verify(key.verifying, receipt.proof, receipt.public), None, 11, **facts  # noqa: B023
        )  # fmt: skip


def rows(options: argparse.Namespace) -> Iterator[harness.Row]:
    """Everything, as it comes."""
    yield harness.machine("groth16py", "py_ecc")
    if importlib.util.find_spec("groth16py") is None:
        harness.note("groth16py is not installed: arkworks is left out")
    if not (MODULES / "snarkjs").is_dir():
        harness.note("run `npm ci --prefix tests/foreign --ignore-scripts` to have snarkjs as a peer")
    harness.note(PUBLISHED)
    yield build_row()
    for log_n in options.sizes:
        yield from program_rows(chain(log_n), INPUTS, options.threads, options.runs)
        program = hashes(log_n)
        shape = program.signal("x").shape
        yield from program_rows(
            program, {"x": np.arange(math.prod(shape)).reshape(shape)}, options.threads, options.runs
        )
    if options.circom:
        circom.make(options.circom.resolve(), options.sizes)
    for path in sorted(options.circom.glob("*.r1cs")) if options.circom else []:
        r1cs, witness = read_r1cs(path), read_wtns(path.with_suffix(".wtns"))
        yield from system_rows(f"circom {path.stem}", r1cs, witness, None, options.threads, options.runs)
    yield from inference_rows(options.threads, options.runs)
    for log_n in options.large:
        yield from program_rows(chain(log_n), INPUTS, 2, min(options.runs, 3))


def program_rows(program: Program, inputs: Mapping[str, Any], threads: int, runs: int) -> Iterator[harness.Row]:
    """All rows of a program of ours."""

    def again() -> Array:
        return solve(program, inputs, threads=threads)

    yield from system_rows(program.name, program.r1cs, again(), again, threads, runs)


def main() -> None:
    """Print all rows."""
    parser = harness.parser(__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[14, 16, 18], help="log2 of the constraints")
    parser.add_argument("--large", type=int, nargs="*", default=[20], help="log2 of the chains proved on two threads")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--circom", type=Path, help="directory where circom's circuits are, or are made")
    options = parser.parse_args()
    os.environ.setdefault("RAYON_NUM_THREADS", str(options.threads or os.cpu_count() or 1))
    harness.show(rows(options), as_json=options.json, title="Groth16 over BN254")


if __name__ == "__main__":
    main()
