"""Files from outside: every damage is refused with an error that names the file, and nothing else is ever raised."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.zk.formats.sections import joined, sections
from vortex_crypto.arith.field.bn254 import P, R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import MalformedArtefact, MalformedProof
from vortex_crypto.zk.groth16 import snarkjs
from vortex_crypto.zk.groth16.snarkjs.ptau import NAMES as PTAU_SECTIONS

Vector = Callable[[str], Path]
Reader = Callable[[Path, FieldKernels], Any]


def read_all_powers(path: Path, kernels: FieldKernels) -> None:
    powers = snarkjs.read_ptau(path)
    for section in set(powers.file.sections) & set(PTAU_SECTIONS) - {1, 7}:
        powers.points(section, 0, 1)


READERS: dict[str, Reader] = {
    "multiplier.r1cs": lambda path, kernels: snarkjs.read_r1cs(path),
    "multiplier.wtns": lambda path, kernels: snarkjs.read_wtns(path),
    "powers.ptau": read_all_powers,
    "initial.zkey": lambda path, kernels: snarkjs.read_zkey(path, kernels=kernels),
    "final.zkey": lambda path, kernels: snarkjs.read_zkey(path, kernels=kernels),
}
FORMATS = pytest.mark.parametrize("name", READERS)
RELAXED = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(name: str, data: bytes, path: Path, kernels: FieldKernels, match: str | None = None) -> None:
    path.write_bytes(data)
    with pytest.raises(MalformedArtefact, match=match) as caught:
        READERS[name](path, kernels)
    assert path.name in str(caught.value)


@FORMATS
def test_every_truncation_is_refused(name: str, vector: Vector, tmp_path: Path, kernels: FieldKernels) -> None:
    data = vector(name).read_bytes()
    for end in sorted({*range(0, len(data), max(1, len(data) // 50)), 3, 11, 12, 23, 24, len(data) - 1}):
        refused(name, data[:end], tmp_path / "cut", kernels)


@FORMATS
def test_missing_repeated_long_and_short_sections_are_refused(
    name: str, vector: Vector, tmp_path: Path, kernels: FieldKernels
) -> None:
    data = vector(name).read_bytes()
    parts = sections(data)
    optional = {"multiplier.r1cs": {3}, "powers.ptau": {7}}.get(name, set())
    for index, (kind, content) in enumerate(parts):
        if kind in optional:
            continue
        others = parts[:index] + parts[index + 1 :]
        refused(name, joined(data, others), tmp_path / "missing", kernels, "missing")
        refused(name, joined(data, [*parts, (kind, content)]), tmp_path / "twice", kernels, "twice")
        for changed in (content[:-1], content + b"\0", b""):
            refused(name, joined(data, [*others, (kind, changed)]), tmp_path / "resized", kernels)
    refused(name, joined(data, [*parts, (77, b"")]), tmp_path / "unknown", kernels, "no kind that belongs")
    refused(name, data + b"\0", tmp_path / "longer", kernels, "after the last")


@FORMATS
def test_headers_are_checked(name: str, vector: Vector, tmp_path: Path, kernels: FieldKernels) -> None:
    data = vector(name).read_bytes()
    refused(name, b"exec" + data[4:], tmp_path / "magic", kernels, "first bytes")
    refused(name, data[:4] + struct.pack("<I", 9) + data[8:], tmp_path / "version", kernels, "version 9")
    refused(name, data[:8] + struct.pack("<I", 65) + data[12:], tmp_path / "count", kernels, "65 sections")
    refused(name, b"", tmp_path / "empty", kernels, "cannot be read")
    prime = (P if name.startswith(("powers", "initial", "final")) else R).to_bytes(32, "little")
    refused(name, data.replace(prime, (7).to_bytes(32, "little"), 1), tmp_path / "prime", kernels, "another prime")
    with pytest.raises(MalformedArtefact, match="cannot be read"):
        READERS[name](tmp_path / "absent", kernels)


@FORMATS
@RELAXED
@given(data=st.data())
def test_altered_bytes_raise_nothing_else(
    name: str, vector: Vector, tmp_path: Path, kernels: FieldKernels, data: st.DataObject
) -> None:
    content = bytearray(vector(name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
    path = tmp_path / "altered"
    path.write_bytes(bytes(content))
    with suppress(MalformedArtefact):
        READERS[name](path, kernels)


EDITS = [
    ("multiplier.r1cs", 1, 36, b"\0\0\0\0", "counts 1 outputs and 1 inputs among 0 wires"),
    ("multiplier.r1cs", 1, 60, b"\xff\xff\xff\xff", "too short for the 4294967295 constraints"),
    ("multiplier.r1cs", 1, 40, b"\xff\xff\xff\x7f", "counts"),
    ("multiplier.r1cs", 2, 0, b"\xff\xff\xff\xff", "truncated"),
    ("multiplier.r1cs", 2, 4, b"\xff\xff\xff\x7f", "names wire 2147483647 of 6"),
    ("multiplier.r1cs", 2, 8, b"\xff" * 32, "not below"),
    ("multiplier.wtns", 2, 0, b"\x02", "constant one"),
    ("multiplier.wtns", 2, 32, R.to_bytes(32, "little"), "element 1 is not below"),
    ("powers.ptau", 1, 36, b"\x1e\0\0\0", "power 30"),
    ("powers.ptau", 12, 0, b"\xff" * 32, "element 0 is not below"),
    ("final.zkey", 1, 0, b"\x02", "not Groth16"),
    ("final.zkey", 2, 72, b"\0\0\0\0", "public values"),
    ("final.zkey", 2, 80, b"\x07\0\0\0", "domain of 7"),
    ("final.zkey", 2, 84, b"\0" * 64, "point at infinity"),
    ("final.zkey", 2, 84, b"\x01" + b"\0" * 63, "not on the curve"),
    ("final.zkey", 3, 0, b"\x01" + b"\0" * 63, "IC.*point 0 is not on the curve"),
    ("final.zkey", 4, 0, b"\xff\xff\xff\xff", "bytes; .* are expected"),
    ("final.zkey", 4, 4, b"\x02", "names matrix 2"),
    ("final.zkey", 4, 8, b"\xff", "names row"),
    ("final.zkey", 4, 12, b"\xff", "names wire"),
    ("final.zkey", 4, 16, b"\xff" * 32, "not below"),
    ("final.zkey", 5, 0, P.to_bytes(32, "little"), "not below"),
    ("final.zkey", 10, 64, b"\xff\xff\xff\xff", "announces 4294967295 contributions"),
]


@pytest.mark.parametrize(("name", "section", "offset", "new", "message"), EDITS)
def test_each_field_is_bounded(
    name: str,
    section: int,
    offset: int,
    new: bytes,
    message: str,
    vector: Vector,
    tmp_path: Path,
    kernels: FieldKernels,
) -> None:
    data = vector(name).read_bytes()
    parts = [
        (kind, content[:offset] + new + content[offset + len(new) :] if kind == section else content)
        for kind, content in sections(data)
    ]
    refused(name, joined(data, parts), tmp_path / "edited", kernels, message)


def test_full_validation_finds_what_the_quick_one_leaves(vector: Vector, tmp_path: Path, kernels: FieldKernels) -> None:
    data = vector("final.zkey").read_bytes()
    for section in range(5, 10):
        parts = [(kind, b"\x01" + content[1:] if kind == section else content) for kind, content in sections(data)]
        path = tmp_path / f"point{section}"
        path.write_bytes(joined(data, parts))
        snarkjs.read_zkey(path, kernels=kernels)
        with pytest.raises(MalformedArtefact, match=f"section {section} .*point 0 is not on the curve"):
            snarkjs.read_zkey(path, kernels=kernels, validate=True)


def edit(document: Any, path: str, value: Any) -> Any:
    """The document with the value at a path such as "pi_b/0/1" replaced, or the field removed for `...`."""
    *parents, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    target = document
    for step in parents:
        target = target[step]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return document


DOCUMENT_EDITS = [
    ("pi_a", ..., "'pi_a' is missing"),
    ("pi_a", ["1", "2"], "should be 3 numbers"),
    ("pi_a/0", 1, "decimal string"),
    ("pi_a/0", "0x1", "decimal string"),
    ("pi_a/0", "01", "decimal string"),
    ("pi_a/0", str(P), "decimal string below"),
    ("pi_a/0", "1" * 5000, "decimal string"),
    ("pi_a/0", "5", "not on the curve"),
    ("pi_a/2", "2", "affine"),
    ("pi_a", ["0", "1", "0"], "infinity"),
    ("pi_b/0/0", "5", "not on the curve of G2"),
    ("pi_b", [["0", "0"], ["1", "0"], ["0", "0"]], "infinity"),
    ("pi_b/2", ["1", "1"], "affine"),
    ("pi_b", "x", "three pairs"),
    ("protocol", "plonk", "not 'groth16'"),
    ("curve", "bls12381", "only BN254"),
    ("curve", ["bn128"], "only BN254"),
]


@pytest.mark.parametrize(("field", "value", "message"), DOCUMENT_EDITS)
def test_proof_documents_are_checked(
    field: str, value: Any, message: str, vector: Vector, tmp_path: Path, kernels: FieldKernels
) -> None:
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(edit(json.loads(vector("proof.json").read_text()), field, value)))
    with pytest.raises(MalformedProof, match=message) as caught:
        snarkjs.read_proof(path, kernels=kernels)
    assert "proof.json" in str(caught.value)


KEY_EDITS = [
    ("nPublic", "2", "should be a number"),
    ("nPublic", True, "should be a number"),
    ("nPublic", 3, "4 belong to 3"),
    ("IC", {}, "nPublic|IC"),
    ("IC/1/0", "5", "not on the curve, number 1"),
    ("vk_gamma_2", ..., "missing"),
    ("vk_delta_2", [["0", "0"], ["1", "0"], ["0", "0"]], "infinity"),
]


@pytest.mark.parametrize(("field", "value", "message"), KEY_EDITS)
def test_key_documents_are_checked(
    field: str, value: Any, message: str, vector: Vector, tmp_path: Path, kernels: FieldKernels
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(edit(json.loads(vector("verification_key.json").read_text()), field, value)))
    with pytest.raises(MalformedArtefact, match=message):
        snarkjs.read_verifying_key(path, kernels=kernels)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', '["-1"]', f'["{R}"]', "[" * 100_000, '["1", 2]', "\xff"])
def test_public_documents_are_checked(text: str, tmp_path: Path) -> None:
    path = tmp_path / "public.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(MalformedArtefact, match=r"public\.json"):
        snarkjs.read_public(path)


def test_a_point_of_the_twist_outside_the_subgroup_is_refused(
    vector: Vector, tmp_path: Path, kernels: FieldKernels
) -> None:
    outside = point_outside_the_subgroup(kernels)
    document = json.loads(vector("proof.json").read_text())
    document["pi_b"] = [[str(c) for c in pair] for pair in (*outside, (1, 0))]
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(document))
    with pytest.raises(MalformedProof, match="subgroup"):
        snarkjs.read_proof(path, kernels=kernels)


def point_outside_the_subgroup(kernels: FieldKernels) -> Any:
    from vortex_crypto.arith.field.arrays import encode, g2_to_ints
    from vortex_crypto.arith.field.bn254 import FQ

    for x in range(1, 50):
        points, found = kernels.g2.lift_x(encode(FQ, [x, 0]).reshape(1, 2, 4), np.zeros(1, bool))
        if found[0] and not kernels.g2.valid(points)[0]:
            return g2_to_ints(points)[0]
    raise AssertionError("no such abscissa")
