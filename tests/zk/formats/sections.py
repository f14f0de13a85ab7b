"""snarkjs's binary files taken apart and put together: a name, a version, sections of kind, length and content."""

from __future__ import annotations

import struct


def sections(data: bytes) -> list[tuple[int, bytes]]:
    """Each section's kind and content."""
    found, at = [], 12
    while at < len(data):
        kind, size = struct.unpack_from("<IQ", data, at)
        found.append((kind, data[at + 12 : at + 12 + size]))
        at += 12 + size
    return found


def joined(data: bytes, parts: list[tuple[int, bytes]]) -> bytes:
    """A file of these sections, with the name and version of `data`."""
    body = b"".join(struct.pack("<IQ", kind, len(content)) + content for kind, content in parts)
    return data[:8] + struct.pack("<I", len(parts)) + body
