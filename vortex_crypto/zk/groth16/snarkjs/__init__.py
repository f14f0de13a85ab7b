"""The files of snarkjs and circom, read with strict bounds and written so that snarkjs accepts them."""

from __future__ import annotations

from vortex_crypto.zk.groth16.snarkjs.contributions import Contribution
from vortex_crypto.zk.groth16.snarkjs.documents import (
    read_proof,
    read_public,
    read_verifying_key,
    write_proof,
    write_public,
    write_verifying_key,
)
from vortex_crypto.zk.groth16.snarkjs.ptau import Ptau, read_ptau
from vortex_crypto.zk.groth16.snarkjs.r1cs import read_r1cs, write_r1cs
from vortex_crypto.zk.groth16.snarkjs.wtns import read_wtns, write_wtns
from vortex_crypto.zk.groth16.snarkjs.zkey import Zkey, read_zkey, write_zkey

__all__ = [
    "Contribution",
    "Ptau",
    "Zkey",
    "read_proof",
    "read_ptau",
    "read_public",
    "read_r1cs",
    "read_verifying_key",
    "read_wtns",
    "read_zkey",
    "write_proof",
    "write_public",
    "write_r1cs",
    "write_verifying_key",
    "write_wtns",
    "write_zkey",
]
