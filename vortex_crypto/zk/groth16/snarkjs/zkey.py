""".zkey files of Groth16, version 1: snarkjs's proving keys, with the record of the ceremony that made them.

What the format leaves to the reader's knowledge, and this module keeps to:

- points are affine in Montgomery form with R = 2^256, infinity all zeros: the layout of the field kernels;
- coefficients are stored as value·R², so that one Montgomery reduction gives the Montgomery form;
- A and B alone are stored; after the constraints' rows comes a row A = w_i for each public wire i, the one included;
- γ is the generator of G2, and the sections are [K_i]₁ of public (IC) and [K_i/δ]₁ of private wires (C);
- H holds [L_{2i+1}(τ)/δ]₁ for the Lagrange basis L of the roots of unity of order twice the domain.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import FQ, FR, LIMBS
from vortex_crypto.arith.field.kernels import FieldKernels, Group
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16.keys import ProvingKey, VerifyingKey
from vortex_crypto.zk.groth16.snarkjs import contributions as ceremony
from vortex_crypto.zk.groth16.snarkjs.binary import (
    MAX_LOG_DOMAIN,
    Fields,
    SectionFile,
    open_sections,
    prime_field,
    write_sections,
)
from vortex_crypto.zk.groth16.snarkjs.contributions import Contribution
from vortex_crypto.zk.r1cs import SparseMatrix

Array = NDArray[Any]

MAGIC = b"zkey"
PROTOCOL, HEADER, IC, COEFFICIENTS, A, B1, B2, C, H, CEREMONY = range(1, 11)
NAMES = {
    PROTOCOL: "protocol",
    HEADER: "header",
    IC: "IC",
    COEFFICIENTS: "coefficients",
    A: "A",
    B1: "B in G1",
    B2: "B in G2",
    C: "C",
    H: "H",
    CEREMONY: "contributions",
}
GROTH16 = 1
_COEFFICIENT = np.dtype([("matrix", "<u4"), ("row", "<u4"), ("wire", "<u4"), ("value", "<u8", (LIMBS,))])


@dataclass(frozen=True, eq=False)
class Zkey:
    """A .zkey: a proving key, the 64-byte hash of the circuit and powers it began with, and its contributions."""

    key: ProvingKey
    circuit_hash: bytes = bytes(ceremony.HASH_BYTES)
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True)
class _Header:
    n_wires: int
    n_public: int
    domain: int
    alpha_g1: Array
    beta_g1: Array
    beta_g2: Array
    gamma_g2: Array
    delta_g1: Array
    delta_g2: Array


def read_zkey(
    path: str | os.PathLike[str], *, validate: bool = False, kernels: FieldKernels | None = None, threads: int = 0
) -> Zkey:
    """Read a Groth16 .zkey.

    Every count, wire, row, coefficient and coordinate is checked, and so is the membership of the points that the
    verifying key consists of. A prover can do with less: a wrong point elsewhere yields a proof that does not verify.

    Args:
        path: the file.
        validate: also check that every point of every section is on its curve and in its subgroup.
        kernels: the engine.
        threads: for the kernels; 0 for all processors.

    Returns:
        The key; it is marked insecure where the file names no contribution. Whether those named are true is for
        `ceremony.verify` to say.

    Raises:
        MalformedArtefact: the file is damaged, of another protocol or curve, or a point is not valid.
    """
    kernels = kernels or default_kernels()
    file = open_sections(path, MAGIC, (1, 2), NAMES)
    protocol = Fields(file, PROTOCOL)
    if protocol.u32() != GROTH16:
        raise file.refuse(PROTOCOL, "is not Groth16; make the key with `snarkjs groth16 setup`")
    protocol.end()
    header = _read_header(file)
    ic = _g1(file, IC, header.n_public + 1)
    circuit_hash, contributions = ceremony.read_contributions(file)
    _check_verifying(file, header, ic, kernels)
    verifying = VerifyingKey(
        program="",
        alpha_g1=header.alpha_g1,
        beta_g2=header.beta_g2,
        gamma_g2=header.gamma_g2,
        delta_g2=header.delta_g2,
        ic=ic,
        insecure=not contributions,
    )
    a, b = _read_coefficients(file, header, kernels, threads)
    key = ProvingKey(
        verifying=verifying,
        a=a,
        b=b,
        domain=header.domain,
        beta_g1=header.beta_g1,
        delta_g1=header.delta_g1,
        a_query=_g1(file, A, header.n_wires),
        b_g1_query=_g1(file, B1, header.n_wires),
        b_g2_query=_g2(file, B2, header.n_wires),
        c_query=_g1(file, C, header.n_wires - header.n_public - 1),
        h_query=_g1(file, H, header.domain),
    )
    if validate:
        _check_points(file, key, kernels, threads)
    return Zkey(key, circuit_hash, contributions)


def write_zkey(
    path: str | os.PathLike[str], zkey: Zkey, *, kernels: FieldKernels | None = None, threads: int = 0
) -> None:
    """Write a proving key without commitments as a .zkey that snarkjs proves with.

    Raises:
        InvalidInput: the key has commitments, or its γ is not the generator, neither of which the format knows.
    """
    key, verifying = zkey.key, zkey.key.verifying
    if verifying.commitments or verifying.n_challenges:
        raise InvalidInput("a proving key with commitments cannot be written as .zkey, which knows none")
    fixed = (
        verifying.alpha_g1,
        key.beta_g1,
        verifying.beta_g2,
        verifying.gamma_g2,
        key.delta_g1,
        verifying.delta_g2,
    )
    counts = struct.pack("<III", key.n_wires, verifying.n_public, key.domain)
    header: list[bytes | Array] = [prime_field(FQ.modulus), prime_field(FR.modulus), counts, *fixed]
    write_sections(
        path,
        MAGIC,
        1,
        [
            (PROTOCOL, [struct.pack("<I", GROTH16)]),
            (HEADER, header),
            (COEFFICIENTS, _write_coefficients(key, kernels or default_kernels(), threads)),
            (IC, [verifying.ic]),
            (H, [key.h_query]),
            (C, [key.c_query]),
            (A, [key.a_query]),
            (B1, [key.b_g1_query]),
            (B2, [key.b_g2_query]),
            (CEREMONY, [ceremony.write_contributions(zkey.circuit_hash, zkey.contributions)]),
        ],
    )


def _read_header(file: SectionFile) -> _Header:
    fields = Fields(file, HEADER)
    fields.modulus(FQ.modulus)
    fields.modulus(FR.modulus)
    n_wires, n_public, domain = fields.u32(), fields.u32(), fields.u32()
    if n_public >= n_wires:
        raise file.refuse(HEADER, f"counts {n_public} public values among {n_wires} wires")
    if domain < 1 or domain & (domain - 1) or domain > 1 << MAX_LOG_DOMAIN:
        raise file.refuse(HEADER, f"has a domain of {domain}; a power of two up to 2^{MAX_LOG_DOMAIN} is needed")

    def point(*shape: int) -> Array:
        raw = np.frombuffer(fields.take(32 * int(np.prod(shape))), np.uint8)
        return file.limbs(HEADER, raw, shape, modulus=FQ.modulus)

    points = (point(2), point(2), point(2, 2), point(2, 2), point(2), point(2, 2))
    fields.end()
    return _Header(n_wires, n_public, domain, *points)


def _g1(file: SectionFile, section: int, count: int) -> Array:
    return file.elements(section, (count, 2), modulus=FQ.modulus)


def _g2(file: SectionFile, section: int, count: int) -> Array:
    return file.elements(section, (count, 2, 2), modulus=FQ.modulus)


def _read_coefficients(
    file: SectionFile, header: _Header, kernels: FieldKernels, threads: int
) -> tuple[SparseMatrix, SparseMatrix]:
    data = file.section(COEFFICIENTS)
    count = int.from_bytes(data[:4].tobytes(), "little")
    records = file.section(COEFFICIENTS, 4 + count * _COEFFICIENT.itemsize)[4:].view(_COEFFICIENT)
    matrix, row, wire = (np.ascontiguousarray(records[name]) for name in ("matrix", "row", "wire"))
    bounds = (("matrix", matrix, 2), ("row", row, header.domain), ("wire", wire, header.n_wires))
    for name, column, bound in bounds:
        if count and int(column.max()) >= bound:
            raise file.refuse(COEFFICIENTS, f"names {name} {int(column.max())} of {bound}")
    raw = np.ascontiguousarray(records["value"]).reshape(-1).view(np.uint8)
    values = kernels.fr.from_montgomery(file.limbs(COEFFICIENTS, raw, (count,), modulus=FR.modulus), threads=threads)
    rows = int(row.max()) + 1 if count else 0
    a, b = (_matrix(matrix == index, rows, row, wire, values) for index in range(2))
    return a, b


def _matrix(mine: Array, rows: int, row: Array, wire: Array, values: Array) -> SparseMatrix:
    order = np.flatnonzero(mine)
    order = order[np.argsort(row[order], kind="stable")]
    indptr = np.concatenate(([0], np.cumsum(np.bincount(row[order], minlength=rows)))).astype(np.int64)
    return SparseMatrix(indptr, wire[order].astype(np.int64), values[order])


def _write_coefficients(key: ProvingKey, kernels: FieldKernels, threads: int) -> list[bytes | Array]:
    """Rising by row, in each row A before B, each in the order of its matrix: the order of snarkjs."""
    matrices = (key.a, key.b)
    rows = np.concatenate([np.repeat(np.arange(m.rows), np.diff(m.indptr)) for m in matrices])
    records = np.empty(len(rows), dtype=_COEFFICIENT)
    records["matrix"] = np.repeat([0, 1], [m.nnz for m in matrices])
    records["row"] = rows
    records["wire"] = np.concatenate([m.indices for m in matrices])
    values = np.concatenate([m.values for m in matrices])
    records["value"] = kernels.fr.to_montgomery(np.ascontiguousarray(values), threads=threads)
    records = records[np.argsort(rows, kind="stable")]
    return [struct.pack("<I", len(records)), np.frombuffer(records.tobytes(), np.uint8)]


def _check_verifying(file: SectionFile, header: _Header, ic: Array, kernels: FieldKernels) -> None:
    g1 = np.stack([header.alpha_g1, header.beta_g1, header.delta_g1])
    g2 = np.stack([header.beta_g2, header.gamma_g2, header.delta_g2])
    _valid(file, HEADER, kernels.g1, g1, 0, finite=True)
    _valid(file, HEADER, kernels.g2, g2, 0, finite=True)
    _valid(file, IC, kernels.g1, ic, 0)


def _check_points(file: SectionFile, key: ProvingKey, kernels: FieldKernels, threads: int) -> None:
    for section, points in ((A, key.a_query), (B1, key.b_g1_query), (C, key.c_query), (H, key.h_query)):
        _valid(file, section, kernels.g1, points, threads)
    _valid(file, B2, kernels.g2, key.b_g2_query, threads)


def _valid(file: SectionFile, section: int, group: Group, points: Array, threads: int, *, finite: bool = False) -> None:
    fine = group.valid(points, threads=threads)
    if not fine.all():
        raise file.refuse(
            section, f"point {int(np.argmin(fine))} is not on the curve, or not in the subgroup of order r"
        )
    if finite and not points.reshape(len(points), -1).any(axis=1).all():
        raise file.refuse(section, "holds a point at infinity, with which proofs would mean nothing")
