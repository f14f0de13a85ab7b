"""The container that .r1cs, .wtns, .zkey and .ptau files share, read with bounds and written whole or not at all.

Layout, little-endian: four bytes of magic, u32 version, u32 count of sections, then each section as u32 type, u64 size
and its bytes. Sections may stand in any order; a type may stand once.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import LIMBS
from vortex_crypto.container import replacing
from vortex_crypto.errors import MalformedArtefact

Array = NDArray[Any]

MAX_SECTIONS = 64
MAX_LOG_DOMAIN = 27
"""A prover needs a root of unity of twice the domain's order, and 2^28 is the largest."""

FR_BYTES = 8 * LIMBS
_U32 = np.dtype("<u4")
_LIMB = np.dtype("<u8")


@dataclass(frozen=True)
class SectionFile:
    """A file of sections, memory-mapped; every way to its bytes checks that they are there.

    Attributes:
        path: for messages.
        sections: section type -> its bytes, uint8.
        names: section type -> what it holds, for messages.
    """

    path: str
    sections: Mapping[int, Array]
    names: Mapping[int, str]

    def refuse(self, section: int, what: str) -> MalformedArtefact:
        """The error to raise about a section."""
        return MalformedArtefact(f"{self.path}: section {section} ({self.names.get(section, 'unknown')}): {what}")

    def section(self, section: int, size: int | None = None) -> Array:
        """The bytes of a section, which must be there and have `size` bytes if that is given."""
        if section not in self.sections:
            raise self.refuse(section, "is missing")
        data = self.sections[section]
        if size is not None and len(data) != size:
            raise self.refuse(section, f"has {len(data)} bytes; {size} are expected")
        return data

    def words(self, section: int) -> Array:
        """A section as uint32 words."""
        data = self.section(section)
        if len(data) % 4:
            raise self.refuse(section, f"has {len(data)} bytes, which is no whole number of 32-bit words")
        return np.require(data.view(_U32), requirements=["A"])

    def elements(self, section: int, shape: tuple[int, ...], *, modulus: int) -> Array:
        """A section of field elements below `modulus`, as uint64 [*shape, 4]."""
        count = int(np.prod(shape, dtype=np.int64))
        data = self.section(section, count * FR_BYTES)
        return self.limbs(section, data, shape, modulus=modulus)

    def limbs(self, section: int, data: Array, shape: tuple[int, ...], *, modulus: int) -> Array:
        """Bytes of a section as aligned uint64 [*shape, 4], each element below `modulus`."""
        limbs: Array = np.require(data.view(_LIMB), np.uint64, ["A", "C"]).reshape(-1, LIMBS)
        fine = below(limbs, modulus)
        if not fine.all():
            raise self.refuse(section, f"element {int(np.argmin(fine))} is not below the field's modulus")
        return limbs.reshape(*shape, LIMBS)


class Fields:
    """Reads the header of a file, number by number."""

    def __init__(self, file: SectionFile, section: int) -> None:
        self._file, self._section, self._data, self._at = file, section, file.section(section), 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if self._at + size > len(self._data):
            raise self._file.refuse(
                self._section, f"is truncated: byte {self._at + size} of {len(self._data)} is needed"
            )
        self._at += size
        return self._data[self._at - size : self._at].tobytes()

    def u8(self) -> int:
        return self.take(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def modulus(self, expected: int) -> None:
        """A prime with its length before it, which must be `expected`."""
        size = self.u32()
        if size != FR_BYTES or int.from_bytes(self.take(size), "little") != expected:
            raise self._file.refuse(self._section, "names another prime; only BN254 (bn128, alt_bn128) is supported")

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise self._file.refuse(self._section, f"holds {len(self._data) - self._at} bytes too many")


def open_sections(
    path: str | os.PathLike[str], magic: bytes, versions: Sequence[int], names: Mapping[int, str]
) -> SectionFile:
    """Map a file and find its sections.

    Raises:
        MalformedArtefact: the file cannot be read, is of another kind or version, or its sections do not fill it.
    """
    name = os.fspath(path)
    try:
        data: Array = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    except (OSError, ValueError) as error:
        raise MalformedArtefact(f"{name}: cannot be read ({error})") from error
    if len(data) < 12 or data[:4].tobytes() != magic:
        raise MalformedArtefact(f"{name}: not a .{magic.decode()} file (its first bytes are wrong)")
    version, count = struct.unpack("<II", data[4:12].tobytes())
    if version not in versions:
        raise MalformedArtefact(f"{name}: version {version}; this release reads {', '.join(map(str, versions))}")
    if count > MAX_SECTIONS:
        raise MalformedArtefact(f"{name}: {count} sections; at most {MAX_SECTIONS} are read")
    return SectionFile(name, _table(name, data, count, names), names)


def _table(name: str, data: Array, count: int, names: Mapping[int, str]) -> dict[int, Array]:
    sections: dict[int, Array] = {}
    at = 12
    for _ in range(count):
        if at + 12 > len(data):
            raise MalformedArtefact(f"{name}: truncated: {count} sections are announced, and {len(sections)} are there")
        kind, size = struct.unpack("<IQ", data[at : at + 12].tobytes())
        label = f"section {kind} ({names.get(kind, 'unknown')})"
        at += 12
        if size > len(data) - at:
            raise MalformedArtefact(
                f"{name}: truncated: {label} should have {size} bytes, and {len(data) - at} are left"
            )
        if kind not in names:
            raise MalformedArtefact(f"{name}: {label} is of no kind that belongs here")
        if kind in sections:
            raise MalformedArtefact(f"{name}: {label} appears twice")
        sections[kind] = data[at : at + size]
        at += size
    if at != len(data):
        raise MalformedArtefact(f"{name}: {len(data) - at} bytes stand after the last section")
    return sections


def write_sections(
    path: str | os.PathLike[str], magic: bytes, version: int, sections: Sequence[tuple[int, Sequence[bytes | Array]]]
) -> None:
    """Write a file of sections, each given as its type and the chunks of its content; arrays are little-endian."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(magic + struct.pack("<II", version, len(sections)))
        for kind, chunks in sections:
            raw = [chunk if isinstance(chunk, bytes) else _little_endian(chunk) for chunk in chunks]
            file.write(struct.pack("<IQ", kind, sum(map(len, raw))))
            file.writelines(raw)


def _little_endian(array: Array) -> memoryview:
    array = np.ascontiguousarray(array)
    return memoryview(array.astype(array.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def below(limbs: Array, modulus: int) -> NDArray[np.bool_]:
    """uint64 [n, 4] -> bool [n]: whether the integers are below `modulus`."""
    result = np.zeros(len(limbs), dtype=np.bool_)
    for limb in range(LIMBS):  # from the least significant limb, a higher one overrules
        bound = np.uint64(modulus >> 64 * limb & (1 << 64) - 1)
        column = limbs[:, limb]
        result = (column < bound) | ((column == bound) & result)
    return result


def prime_field(modulus: int) -> bytes:
    """A prime as headers hold it: its length, u32, and its bytes."""
    return struct.pack("<I", FR_BYTES) + modulus.to_bytes(FR_BYTES, "little")
