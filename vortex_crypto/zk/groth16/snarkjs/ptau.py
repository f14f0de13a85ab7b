""".ptau files, version 1: powers of tau, the part of a ceremony that all circuits share.

Sections 2 to 6 hold [τ^i]₁, [τ^i]₂, [α·τ^i]₁, [β·τ^i]₁ and [β]₂. A file prepared for phase 2 also holds, in sections 12
to 15, the first four in the Lagrange bases of the roots of unity of order 2^k, for every k up to the power and in the
first of them for one k more; order 2^k begins at point 2^k - 1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import FQ, LIMBS
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.groth16.snarkjs.binary import FR_BYTES, MAX_LOG_DOMAIN, Fields, SectionFile, open_sections

Array = NDArray[Any]

MAGIC = b"ptau"
HEADER, TAU_G1, TAU_G2, ALPHA_TAU_G1, BETA_TAU_G1, BETA_G2, CONTRIBUTIONS = range(1, 8)
LAGRANGE_TAU_G1, LAGRANGE_TAU_G2, LAGRANGE_ALPHA_TAU_G1, LAGRANGE_BETA_TAU_G1 = range(12, 16)
NAMES = {
    HEADER: "header",
    TAU_G1: "tau in G1",
    TAU_G2: "tau in G2",
    ALPHA_TAU_G1: "alpha tau in G1",
    BETA_TAU_G1: "beta tau in G1",
    BETA_G2: "beta in G2",
    CONTRIBUTIONS: "contributions",
    LAGRANGE_TAU_G1: "Lagrange tau in G1",
    LAGRANGE_TAU_G2: "Lagrange tau in G2",
    LAGRANGE_ALPHA_TAU_G1: "Lagrange alpha tau in G1",
    LAGRANGE_BETA_TAU_G1: "Lagrange beta tau in G1",
}
LAGRANGE = (LAGRANGE_TAU_G1, LAGRANGE_TAU_G2, LAGRANGE_ALPHA_TAU_G1, LAGRANGE_BETA_TAU_G1)
LAGRANGE_SOURCES = (TAU_G1, TAU_G2, ALPHA_TAU_G1, BETA_TAU_G1)
"""The sections that those of `LAGRANGE` are transforms of."""

_IN_G2 = (TAU_G2, BETA_G2, LAGRANGE_TAU_G2)


@dataclass(frozen=True, eq=False)
class Ptau:
    """A .ptau file, memory-mapped; slices are copied out as they are asked for.

    Attributes:
        power: log2 of the largest circuit it serves.
        ceremony_power: that of the ceremony it was cut from.
        prepared: it holds the Lagrange sections.
    """

    file: SectionFile
    power: int
    ceremony_power: int
    prepared: bool

    def points(self, section: int, start: int, stop: int) -> Array:
        """Points start to stop of a section, uint64 [stop - start, 2, 4] or [stop - start, 2, 2, 4], reduced.

        Raises:
            MalformedArtefact: a coordinate is not reduced.
            InvalidInput: the section has no such points.
        """
        shape = (2, 2) if section in _IN_G2 else (2,)
        size = FR_BYTES * len(shape) * 2
        data = self.file.section(section)
        if not 0 <= start <= stop <= len(data) // size:
            raise InvalidInput(f"{self.file.path}: section {section} has no points {start} to {stop}")
        return self.file.limbs(section, data[start * size : stop * size], (stop - start, *shape), modulus=FQ.modulus)

    def lagrange(self, section: int, log_domain: int) -> Array:
        """A Lagrange section's 2^log_domain points of that order.

        Raises:
            InvalidInput: the file is not prepared, or too small.
        """
        if not self.prepared:
            raise InvalidInput(
                f"{self.file.path} is not prepared for phase 2; run `snarkjs powersoftau prepare phase2` on it"
            )
        return self.points(section, (1 << log_domain) - 1, (2 << log_domain) - 1)


def read_ptau(path: str | os.PathLike[str]) -> Ptau:
    """Open a .ptau; the sizes of all its sections are checked, their points when they are taken out.

    Raises:
        MalformedArtefact: the file is damaged, of another curve, or a section has another size than its power says.
    """
    file = open_sections(path, MAGIC, (1,), NAMES)
    header = Fields(file, HEADER)
    header.modulus(FQ.modulus)
    power, ceremony_power = header.u32(), header.u32()
    header.end()
    if not 1 <= power <= MAX_LOG_DOMAIN + 1 or ceremony_power < power:
        raise file.refuse(HEADER, f"has power {power} of {ceremony_power}; 1 to {MAX_LOG_DOMAIN + 1} are read")
    n = 1 << power
    counts = {TAU_G1: 2 * n - 1, TAU_G2: n, ALPHA_TAU_G1: n, BETA_TAU_G1: n, BETA_G2: 1}
    prepared = any(section in file.sections for section in LAGRANGE)
    if prepared:
        counts |= {LAGRANGE_TAU_G1: 4 * n - 1}
        counts |= dict.fromkeys(LAGRANGE[1:], 2 * n - 1)
    for section, count in counts.items():
        file.section(section, count * 8 * LIMBS * (4 if section in _IN_G2 else 2))
    return Ptau(file, power, ceremony_power, prepared)
