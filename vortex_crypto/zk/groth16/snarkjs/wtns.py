""".wtns files, version 2: the value of every wire, in the order of the .r1cs file."""

from __future__ import annotations

import os
import struct
from typing import Any

from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import FR, LIMBS
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16.snarkjs.binary import Fields, open_sections, prime_field, write_sections

Array = NDArray[Any]

MAGIC = b"wtns"
HEADER, VALUES = 1, 2
NAMES = {HEADER: "header", VALUES: "values"}


def read_wtns(path: str | os.PathLike[str], *, kernels: FieldKernels | None = None, threads: int = 0) -> Array:
    """The witness, uint64 [n_wires, 4] in Montgomery form, as `prove_witness` takes it; the first value is one.

    Raises:
        MalformedArtefact: the file is damaged, over another field, or does not begin with one.
    """
    file = open_sections(path, MAGIC, (1, 2), NAMES)
    header = Fields(file, HEADER)
    header.modulus(FR.modulus)
    count = header.u32()
    header.end()
    values = file.elements(VALUES, (count,), modulus=FR.modulus)
    if count < 1 or values[0].tolist() != [1, 0, 0, 0]:
        raise file.refuse(VALUES, "does not begin with the constant one")
    return (kernels or default_kernels()).fr.to_montgomery(values, threads=threads)


def write_wtns(
    path: str | os.PathLike[str], witness: Array, *, kernels: FieldKernels | None = None, threads: int = 0
) -> None:
    """Write a witness, uint64 [n_wires, 4] in Montgomery form.

    Raises:
        InvalidInput: the array has another shape.
    """
    if witness.ndim != 2 or witness.shape[1] != LIMBS or witness.dtype != "uint64":
        raise InvalidInput(f"a witness is uint64 [n_wires, {LIMBS}], not {witness.dtype} {list(witness.shape)}")
    header = prime_field(FR.modulus) + struct.pack("<I", len(witness))
    plain = (kernels or default_kernels()).fr.from_montgomery(witness, threads=threads)
    write_sections(path, MAGIC, 2, [(HEADER, [header]), (VALUES, [plain])])
