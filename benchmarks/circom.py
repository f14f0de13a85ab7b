"""circom's own circuits at the sizes of the benchmark: `python -m benchmarks.circom DIRECTORY [--sizes 14 16 18]`.

Chains of Poseidon and messages under SHA-256, from the circomlib that `tests/foreign/package-lock.json` pins, compiled
by the circom pinned there (`npm ci --prefix tests/foreign --ignore-scripts`) at its default optimisation, `--O1`. Each
makes NAME.r1cs, NAME.wasm and NAME.wtns; what is there already is not made again. One block of SHA-256 takes 31,264
constraints, so that there is none at 2^14: the smallest, at 2^15, stands in for it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness
from vortex_crypto.errors import MissingDependency
from vortex_crypto.zk.field import default_kernels, to_plain_ints
from vortex_crypto.zk.groth16.snarkjs.r1cs import read_r1cs
from vortex_crypto.zk.groth16.snarkjs.wtns import read_wtns

MODULES = Path(__file__).resolve().parent.parent / "tests" / "foreign" / "node_modules"
POSEIDON_CONSTRAINTS, SHA256_CONSTRAINTS = 517, 31_264
"""Of a hash of two elements, and of a block of 512 bits."""

POSEIDON = """pragma circom 2.0.0;
include "circomlib/circuits/poseidon.circom";
template Chain(n) {{
    signal input seed;
    signal output hash;
    component link[n];
    for (var i = 0; i < n; i++) {{
        link[i] = Poseidon(2);
        link[i].inputs[0] <== i == 0 ? seed : link[i - 1].out;
        link[i].inputs[1] <== i;
    }}
    hash <== link[n - 1].out;
}}
component main = Chain({count});
"""
SHA256 = """pragma circom 2.0.0;
include "circomlib/circuits/sha256/sha256.circom";
component main = Sha256({bits});
"""


@dataclass(frozen=True)
class Source:
    """A circuit to compile, the inputs to solve it for, and the public values that must come out, where known."""

    name: str
    text: str
    inputs: dict[str, Any]
    outputs: tuple[int, ...] = ()


def poseidon(log_size: int) -> Source:
    """As many hashes, each of the one before it and its number, as fit into 2^log_size constraints."""
    count = (1 << log_size) // POSEIDON_CONSTRAINTS
    return Source(f"poseidon_{log_size}", POSEIDON.format(count=count), {"seed": "7"})


def sha256(log_size: int) -> Source:
    """The hash of a message of as many blocks as fit into 2^log_size constraints."""
    blocks = max(1, (1 << log_size) // SHA256_CONSTRAINTS)
    message = bytes(i % 251 for i in range(64 * blocks - 9))  # a block ends in a bit of padding and a length
    log_size = (blocks * SHA256_CONSTRAINTS).bit_length()
    inputs = {"in": [str(bit) for bit in _bits(message)]}
    hashed = tuple(_bits(hashlib.sha256(message).digest()))
    return Source(f"sha256_{log_size}", SHA256.format(bits=8 * len(message)), inputs, hashed)


FAMILIES: tuple[Callable[[int], Source], ...] = (poseidon, sha256)


def make(folder: Path, sizes: list[int]) -> list[Path]:
    """The .r1cs files of all circuits of these sizes, compiled and solved where they are not there yet.

    Raises:
        MissingDependency: Node.js or the pinned packages are not installed.
    """
    sources = {source.name: source for size in sizes for source in (family(size) for family in FAMILIES)}
    return [_made(folder, source) for source in sources.values()]


def _bits(data: bytes) -> list[int]:
    return [byte >> 7 - i & 1 for byte in data for i in range(8)]


def _made(folder: Path, source: Source) -> Path:
    r1cs, wtns = folder / f"{source.name}.r1cs", folder / f"{source.name}.wtns"
    if r1cs.exists() and wtns.exists():
        return r1cs
    if shutil.which("node") is None or not (MODULES / "circom2").is_dir():
        raise MissingDependency(
            "circom's circuits need Node.js and circom: run `npm ci --prefix tests/foreign --ignore-scripts`"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "circomlib").exists():  # the compiler's sandbox follows no link out of its folder
        shutil.copytree(MODULES / "circomlib" / "circuits", folder / "circomlib" / "circuits")
    (folder / f"{source.name}.circom").write_text(source.text)
    inputs = folder / f"{source.name}.json"
    inputs.write_text(json.dumps(source.inputs))
    compiler = MODULES / ".bin" / "circom2"
    _node(folder, str(compiler), f"{source.name}.circom", "--r1cs", "--wasm", "--O1", "-l", ".")
    solver = folder / f"{source.name}_js"
    _node(folder, str(solver / "generate_witness.js"), str(solver / f"{source.name}.wasm"), str(inputs), str(wtns))
    public = to_plain_ints(read_wtns(wtns)[1 : 1 + len(source.outputs)], default_kernels())
    if public != list(source.outputs):
        raise SystemExit(f"{source.name}: circom's witness does not hold the hash of the message")
    return r1cs


def _node(folder: Path, *arguments: str) -> None:
    subprocess.run(["node", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def rows(folder: Path, sizes: list[int]) -> Iterator[harness.Row]:
    """What each circuit holds."""
    for path in make(folder, sizes):
        r1cs = read_r1cs(path)
        terms = sum(matrix.nnz for matrix in (r1cs.a, r1cs.b, r1cs.c))
        yield {"name": path.stem, "n": r1cs.n_constraints, "wires": r1cs.n_wires, "terms": terms, "file": str(path)}


def main() -> None:
    """Make the files and say what they hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[14, 16, 18], help="log2 of the constraints")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    options = parser.parse_args()
    harness.show(rows(options.directory.resolve(), options.sizes), as_json=options.json, title="circom's circuits")


if __name__ == "__main__":
    main()
