"""The container: round trips, and every altered or truncated byte refused."""

import hashlib
import stat
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact

SAMPLE = Artefact(
    "sample",
    "ab" * 32,
    {"numbers": [1, 2.5, None], "nested": {"bytes": b"\x00\x01"}},
    {
        "a": np.arange(5, dtype=np.int64),
        "empty": np.zeros((0, 3)),
        "c": np.ones((2, 2), np.complex128),
        "s": np.array(3.0),
    },
    insecure=True,
)

META = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ARRAYS = st.sampled_from(["u1", "i1", "<u2", "<i4", "<u8", "<f4", "<f8", "<c16"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


@given(
    meta=st.dictionaries(st.text(), META, max_size=4),
    arrays=st.dictionaries(st.text(), ARRAYS, max_size=4),
    insecure=st.booleans(),
)
def test_round_trip(meta, arrays, insecure):
    artefact = Artefact("kind", "p", meta, arrays, insecure)
    back = container.loads(container.dumps(artefact))
    assert (back.kind, back.program, back.meta, back.insecure) == ("kind", "p", meta, insecure)
    assert list(back.arrays) == list(arrays)
    for name, array in arrays.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("sample", [SAMPLE, Artefact("bare", "")], ids=["sections", "bare"])
def test_every_altered_byte_is_refused(sample):
    data = container.dumps(sample)
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= 0x01
        with pytest.raises(MalformedArtefact):
            container.loads(bytes(altered))


def test_every_truncation_and_trailing_byte_is_refused():
    data = container.dumps(SAMPLE)
    for length in range(len(data)):
        with pytest.raises(MalformedArtefact):
            container.loads(data[:length])
    with pytest.raises(MalformedArtefact, match="after the last section"):
        container.loads(data + b"\x00")


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data):
    with pytest.raises(MalformedArtefact):
        container.loads(data)
    with pytest.raises(MalformedArtefact):
        container.loads(container.MAGIC + data)


def test_files_are_whole_or_absent(tmp_path: Path):
    path = tmp_path / "file"
    container.write(path, SAMPLE)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), container.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_secret_files_are_private(tmp_path: Path):
    path = tmp_path / "secret"
    container.write(path, SAMPLE, secret=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", container.SECRET_KINDS)
def test_secrets_are_never_overwritten(tmp_path: Path, kind: str):
    path = tmp_path / "secret"
    container.write(path, Artefact(kind, "ab"), secret=True)
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="never overwritten"):
        container.write(path, SAMPLE)
    assert path.read_bytes() == before


def test_a_missing_or_empty_file_is_named(tmp_path: Path):
    with pytest.raises(MalformedArtefact, match="absent"):
        container.read(tmp_path / "absent")
    (tmp_path / "empty").touch()
    with pytest.raises(MalformedArtefact, match="empty"):
        container.read(tmp_path / "empty")


def test_expectations_are_explained():
    with pytest.raises(MalformedArtefact, match="sample artefact; a proof"):
        SAMPLE.expect(kind="proof")
    with pytest.raises(ArtefactMismatch, match="belongs to program"):
        SAMPLE.expect(kind="sample", program="cd" * 32)
    assert SAMPLE.expect(kind="sample", program="ab" * 32) is SAMPLE


@pytest.mark.parametrize("dtype", [object, np.float16, "U3", "M8[s]"])
def test_only_plain_dtypes_are_written(dtype):
    with pytest.raises(MalformedArtefact, match="dtype"):
        container.dumps(Artefact("kind", "", {}, {"x": np.zeros(2, dtype)}))


def forged(**changes: object) -> bytes:
    """A bare artefact of one empty section with other header fields, and all digests right."""
    empty = {"name": "x", "dtype": "u1", "shape": [0], "sha256": hashlib.sha256(b"").digest()}
    header = {"version": 1, "kind": "k", "program": "", "insecure": False, "meta": {}, "sections": [empty]}
    packed = msgpack.packb({**header, **changes})
    data = container.MAGIC + len(packed).to_bytes(4, "little") + hashlib.sha256(packed).digest() + packed
    return data + bytes(-len(data) % 64)


@pytest.mark.parametrize("shape", [[0, 1 << 47, 1 << 47], [1 << 47, 1 << 47, 0, 1 << 47], [-1], [0] * 17, [0.0], 0])
def test_impossible_shapes_are_refused(shape):
    assert container.loads(forged()).arrays["x"].size == 0
    empty = {"name": "x", "dtype": "u1", "shape": shape, "sha256": hashlib.sha256(b"").digest()}
    with pytest.raises(MalformedArtefact, match="shape"):
        container.loads(forged(sections=[empty]))


def test_a_header_over_the_readers_limit_is_refused_unread():
    data = forged(meta={"lists": [[]] * 10_000})
    assert container.loads(data).kind == "k"
    with pytest.raises(MalformedArtefact, match="at most 5000 are read"):
        container.loads(data, max_header=5000)


def test_a_repr_shows_no_content():
    text = repr(Artefact("secret-key", "p", {"witness": 12345}, {"secret": np.full(3, 54321)}))
    assert "secret-key" in text
    assert "12345" not in text
    assert "54321" not in text
