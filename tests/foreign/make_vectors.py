"""Writes the snarkjs files that tests/zk/formats reads, also where Node.js is missing.

Run as `python -m tests.foreign.make_vectors`. Made with the versions of package-lock.json; contributions are random, so
a second run gives other bytes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.foreign.conftest import HERE, MODULES, Node

VECTORS = HERE.parent / "zk" / "formats" / "vectors"
INPUTS = {"a": "3", "b": "5", "c": "11"}


def main() -> None:
    process = subprocess.Popen(
        ["node", str(HERE / "server.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    node = Node(process)
    with tempfile.TemporaryDirectory() as folder:
        make(node, Path(folder))
    process.terminate()


def make(node: Node, folder: Path) -> None:
    shutil.copy(HERE / "circuits" / "multiplier.circom", folder)
    circom = ["node", str(MODULES / ".bin" / "circom2"), "multiplier.circom", "--r1cs", "--wasm", "--O1"]
    subprocess.run(circom, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    node.call("wtns.calculate", INPUTS, folder / "multiplier_js" / "multiplier.wasm", folder / "multiplier.wtns")
    node.call("powersOfTau.newAccumulator", 4, folder / "0.ptau")
    node.call("powersOfTau.contribute", folder / "0.ptau", folder / "1.ptau", "first", "text")
    node.call("powersOfTau.beacon", folder / "1.ptau", folder / "2.ptau", "beacon", "0102030405060708", 10)
    node.call("powersOfTau.preparePhase2", folder / "2.ptau", folder / "powers.ptau")
    node.call("zKey.newZKey", folder / "multiplier.r1cs", folder / "powers.ptau", folder / "initial.zkey")
    node.call("zKey.contribute", folder / "initial.zkey", folder / "1.zkey", "first", "text")
    node.call("zKey.beacon", folder / "1.zkey", folder / "final.zkey", "last", "0102030405060708", 10)
    proved = node.call("groth16.prove", folder / "final.zkey", folder / "multiplier.wtns")
    key = node.call("zKey.exportVerificationKey", folder / "final.zkey")
    documents = {"verification_key": key, "proof": proved["proof"], "public": proved["publicSignals"]}
    for name in ("multiplier.r1cs", "multiplier.wtns", "powers.ptau", "initial.zkey", "final.zkey"):
        shutil.copy(folder / name, VECTORS)
    for name, content in documents.items():
        (VECTORS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
