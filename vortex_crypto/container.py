"""The one file and wire format of every artefact: programs, keys, ciphertexts, proofs, commitments.

Layout: 8 magic bytes, the header's length (u32, little-endian), the header's SHA-256, the header (msgpack), then the
sections, each begun at a multiple of 64 with zero bytes before it, and nothing after the last. The header lists each
section's name, dtype, shape and SHA-256, so truncation and alteration are found before anything is used. Nothing in it
is executable, and a reader allocates only what the bytes at hand can fill. The digests find accidents and careless
edits; they are no signature: whoever rewrites a file can rewrite its digests.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact

Array = np.ndarray[Any, np.dtype[Any]]

MAGIC = b"VORTEX\x00\x01"
VERSION = 1
MAX_HEADER = 64 << 20
MAX_SECTIONS = 1 << 20
SECRET_KINDS = ("secret-key", "zk-masks")
_ALIGN = 64
_PREFIX = len(MAGIC) + 4 + 32
_DTYPES = ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8", "<c16")


@dataclass(frozen=True)
class Artefact:
    """What a container holds; its repr shows no content, which may be secret.

    Attributes:
        kind: what it is: "fhe-program", "secret-key", "evaluation-keys", "ciphertext", "proof" and so on.
        program: content hash (hex) of the program it belongs to.
        meta: msgpack-able values: None, bool, int, float, str, bytes, lists and string-keyed dicts of these.
        arrays: named arrays of the plain numeric dtypes.
        insecure: made with parameters below 128 bits, or by a development set-up; never lost once set.
    """

    kind: str
    program: str
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False)
    insecure: bool = False

    def expect(self, *, kind: str, program: str | None = None) -> Artefact:
        """This artefact, if it is of that kind and belongs to that program.

        Raises:
            MalformedArtefact: it is of another kind.
            ArtefactMismatch: it belongs to another program.
        """
        if self.kind != kind:
            raise MalformedArtefact(f"this is a {self.kind} artefact; a {kind} is needed here")
        if program is not None and self.program != program:
            raise ArtefactMismatch(
                f"this {kind} belongs to program {self.program[:16]}…, and the program at hand is {program[:16]}…; "
                "use the files made for one and the same program"
            )
        return self


def dumps(artefact: Artefact) -> bytes:
    """The artefact as bytes."""
    return b"".join(_chunks(artefact))


def digest(artefact: Artefact) -> str:
    """SHA-256 (hex) of the artefact's bytes, without holding them."""
    state = hashlib.sha256()
    for chunk in _chunks(artefact):
        state.update(chunk)
    return state.hexdigest()


def loads(data: bytes | memoryview, *, name: str = "message", max_header: int = MAX_HEADER) -> Artefact:
    """Parse bytes; arrays are read-only views of `data`.

    Args:
        data: the bytes.
        name: what errors call them.
        max_header: bytes the header may have; parsed, it takes up to some seventy times its size.

    Raises:
        MalformedArtefact: anything about the bytes is wrong; the text says what, and begins with `name`.
    """
    view = memoryview(data)
    header = _header(view, name, max_header)
    end = _PREFIX + int.from_bytes(view[len(MAGIC) : len(MAGIC) + 4], "little")
    arrays: dict[str, Array] = {}
    for section in header["sections"]:
        array, end = _section(view, section, end, name)
        if section["name"] in arrays:
            raise MalformedArtefact(f"{name}: section {section['name']!r} appears twice")
        arrays[section["name"]] = array
    if end != len(view):
        raise MalformedArtefact(f"{name}: {len(view) - end} bytes stand after the last section")
    return Artefact(header["kind"], header["program"], header["meta"], arrays, header["insecure"])


def write(path: str | os.PathLike[str], artefact: Artefact, *, secret: bool = False) -> int:
    """Write the artefact whole or not at all, and return its size in bytes; a secret's file has mode 0600."""
    with replacing(path, secret=secret) as temporary, temporary.open("wb") as file:
        return sum(file.write(chunk) for chunk in _chunks(artefact))


def read(path: str | os.PathLike[str]) -> Artefact:
    """Read an artefact; its arrays are memory-mapped, read-only.

    Raises:
        MalformedArtefact: the file is missing, empty, or its content is wrong.
    """
    try:
        data = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise MalformedArtefact(f"{path}: cannot be read ({error})") from error
    return loads(memoryview(data), name=str(path))  # type: ignore[arg-type]


@contextmanager
def replacing(path: str | os.PathLike[str], *, secret: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well and vanishes when it does not.

    Raises:
        InvalidInput: `path` holds a secret that cannot be made again.
    """
    target = Path(path)
    if (kind := _kind(target)) in SECRET_KINDS:
        raise InvalidInput(f"{target} holds a {kind}, which is never overwritten; choose another file")
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        if not secret:
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _kind(path: Path) -> str | None:
    """The kind of artefact a file says it holds; None where it is none, or too damaged to tell."""
    try:
        with path.open("rb") as file:
            prefix = file.read(_PREFIX)
            length = int.from_bytes(prefix[len(MAGIC) : len(MAGIC) + 4], "little")
            view = memoryview(prefix + file.read(min(length, MAX_HEADER)))
        return str(_header(view, str(path), MAX_HEADER)["kind"])
    except (OSError, MalformedArtefact):
        return None


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN


def _chunks(artefact: Artefact) -> Iterator[bytes | memoryview]:
    arrays = {name: _plain(name, array) for name, array in artefact.arrays.items()}
    sections = [
        {"name": n, "dtype": _code(a), "shape": list(a.shape), "sha256": hashlib.sha256(_bytes(a)).digest()}
        for n, a in arrays.items()
    ]
    header = msgpack.packb(
        {
            "version": VERSION,
            "kind": artefact.kind,
            "program": artefact.program,
            "insecure": artefact.insecure,
            "meta": dict(artefact.meta),
            "sections": sections,
        }
    )
    if len(header) > MAX_HEADER or len(sections) > MAX_SECTIONS:
        raise MalformedArtefact(f"a {artefact.kind} artefact with a header of {len(header)} bytes is over the limit")
    yield MAGIC + len(header).to_bytes(4, "little") + hashlib.sha256(header).digest() + header
    position = _PREFIX + len(header)
    for array in arrays.values():
        yield bytes(_aligned(position) - position)
        yield _bytes(array)
        position = _aligned(position) + array.nbytes


def _plain(name: str, array: Array) -> Array:
    array = np.ascontiguousarray(array).reshape(np.shape(array))
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if _code(array) not in _DTYPES:
        raise MalformedArtefact(f"section {name!r} has dtype {array.dtype}, which the container does not carry")
    return array


def _code(array: Array) -> str:
    return "u1" if array.dtype == np.bool_ else array.dtype.str.lstrip("|")


def _bytes(array: Array) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _header(view: memoryview, name: str, limit: int) -> dict[str, Any]:
    if len(view) < _PREFIX or bytes(view[: len(MAGIC)]) != MAGIC:
        raise MalformedArtefact(f"{name}: not a vortex-crypto artefact (its first bytes are wrong)")
    length = int.from_bytes(view[len(MAGIC) : len(MAGIC) + 4], "little")
    if length > limit:
        raise MalformedArtefact(f"{name}: its header has {length} bytes; at most {limit} are read")
    if _PREFIX + length > len(view):
        raise MalformedArtefact(f"{name}: truncated: the header should have {length} bytes")
    raw = view[_PREFIX : _PREFIX + length]
    if hashlib.sha256(raw).digest() != bytes(view[len(MAGIC) + 4 : _PREFIX]):
        raise MalformedArtefact(f"{name}: altered: the header's digest does not match")
    try:
        header = msgpack.unpackb(raw, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise MalformedArtefact(f"{name}: the header cannot be parsed ({error})") from error
    return _checked_header(header, name)


def _checked_header(header: Any, name: str) -> dict[str, Any]:
    fields = {"version": int, "kind": str, "program": str, "insecure": bool, "meta": dict, "sections": list}
    if not isinstance(header, dict) or set(header) != set(fields):
        raise MalformedArtefact(f"{name}: the header's fields should be {sorted(fields)}")
    for key, kind in fields.items():
        if type(header[key]) is not kind:
            raise MalformedArtefact(f"{name}: header field {key!r} should be {kind.__name__}")
    if header["version"] != VERSION:
        raise MalformedArtefact(f"{name}: format version {header['version']}; this release reads version {VERSION}")
    if len(header["sections"]) > MAX_SECTIONS:
        raise MalformedArtefact(f"{name}: {len(header['sections'])} sections; at most {MAX_SECTIONS} are read")
    return header


def _section(view: memoryview, section: Any, start: int, name: str) -> tuple[Array, int]:
    if not isinstance(section, dict) or set(section) != {"name", "dtype", "shape", "sha256"}:
        raise MalformedArtefact(f"{name}: a section's description is not of the known form")
    label, dtype, shape = section["name"], section["dtype"], section["shape"]
    if not isinstance(label, str) or dtype not in _DTYPES or not isinstance(shape, list) or len(shape) > 16:
        raise MalformedArtefact(f"{name}: section {label!r} has no valid name, dtype or shape")
    if not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
        raise MalformedArtefact(f"{name}: section {label!r} has shape {shape}")
    begin = _aligned(start)
    end = begin + math.prod(shape) * np.dtype(dtype).itemsize
    if end > len(view):
        raise MalformedArtefact(f"{name}: truncated: section {label!r} should end at byte {end} of {len(view)}")
    if any(view[start:begin]):
        raise MalformedArtefact(f"{name}: altered: padding before section {label!r} is not zero")
    raw = view[begin:end]
    if hashlib.sha256(raw).digest() != section["sha256"]:
        raise MalformedArtefact(f"{name}: altered: the digest of section {label!r} does not match")
    try:
        array = np.frombuffer(raw, dtype=dtype).reshape(shape)
    except ValueError as error:  # an empty array whose other extents are beyond what NumPy counts
        raise MalformedArtefact(f"{name}: section {label!r} has shape {shape} ({error})") from error
    array.flags.writeable = False
    return array, end
