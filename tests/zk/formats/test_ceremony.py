"""The ceremony: continued from snarkjs's files, and every way of cheating in it refused by name."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.zk.formats.sections import joined, sections
from vortex_crypto.arith.field.arrays import encode
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.errors import ArtefactMismatch, InvalidInput
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16 import ceremony, powers, serialize, snarkjs
from vortex_crypto.zk.groth16.prove import prove_witness
from vortex_crypto.zk.groth16.snarkjs import ptau
from vortex_crypto.zk.groth16.snarkjs.chacha import ChaCha
from vortex_crypto.zk.groth16.snarkjs.ptau import Ptau
from vortex_crypto.zk.groth16.snarkjs.zkey import Zkey
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.r1cs import R1cs, SparseMatrix

Vector = Callable[[str], Path]
Change = Callable[[Zkey], Zkey]


@pytest.fixture(scope="module")
def r1cs(vector: Vector) -> R1cs:
    return snarkjs.read_r1cs(vector("multiplier.r1cs"))


@pytest.fixture(scope="module")
def tau(vector: Vector) -> Ptau:
    return snarkjs.read_ptau(vector("powers.ptau"))


@pytest.fixture(scope="module")
def final(r1cs: R1cs, tau: Ptau) -> Zkey:
    first = ceremony.contribute(ceremony.specialise(r1cs, tau), name="first", text="and some text")
    return ceremony.apply_beacon(first, b"a public value", 10, name="beacon")


def test_block_function_is_that_of_rfc_8439() -> None:
    """The RFC's first vector of appendix A.1: an all-zero key and nonce, counter zero."""
    stream = ChaCha(bytes(32))
    words = struct.pack("<4I", *(stream.u32() for _ in range(4)))
    assert words.hex() == "76b8e0ada0f13d90405d6ae55386bd28"
    for _ in range(12):
        stream.u32()
    assert struct.pack("<I", stream.u32()).hex() == "9f07e7be", "counter one, appendix A.1's second vector"


def test_the_initial_key_is_snarkjs_s_byte_for_byte(r1cs: R1cs, tau: Ptau, vector: Vector, tmp_path: Path) -> None:
    zkey = ceremony.specialise(r1cs, tau)
    assert zkey.key.verifying.insecure
    snarkjs.write_zkey(tmp_path / "initial.zkey", zkey)
    assert (tmp_path / "initial.zkey").read_bytes() == vector("initial.zkey").read_bytes()


def test_snarkjs_s_contributions_are_verified(r1cs: R1cs, tau: Ptau, vector: Vector) -> None:
    key = ceremony.verify(snarkjs.read_zkey(vector("final.zkey")), r1cs, tau)
    assert key.verifying.program == r1cs.digest()
    assert not key.verifying.insecure


def test_a_ceremony_yields_working_keys(final: Zkey, r1cs: R1cs, tau: Ptau, vector: Vector, tmp_path: Path) -> None:
    snarkjs.write_zkey(tmp_path / "final.zkey", final)
    key = ceremony.verify(snarkjs.read_zkey(tmp_path / "final.zkey"), r1cs, tau)
    artefact = serialize.proving_key_to_artefact(key)
    assert not artefact.insecure
    assert artefact.program == r1cs.digest()
    proof = prove_witness(key, snarkjs.read_wtns(vector("multiplier.wtns")))
    public = snarkjs.read_public(vector("public.json"))
    assert verify(key.verifying, proof, public)
    assert not verify(ceremony.specialise(r1cs, tau).key.verifying, proof, public), "another delta, another key"


def test_contributions_differ_and_beacons_repeat(r1cs: R1cs, tau: Ptau) -> None:
    initial = ceremony.specialise(r1cs, tau)
    one, other = (ceremony.contribute(initial, text="the same text") for _ in range(2))
    assert one.contributions[0].digest() != other.contributions[0].digest()
    beacons = [ceremony.apply_beacon(initial, b"\x01", 10).contributions[0].digest() for _ in range(2)]
    assert beacons[0] == beacons[1]


def doubled(point: Any) -> Any:
    kernels = default_kernels()
    group = kernels.g2 if point.shape == (2, 2, 4) else kernels.g1
    return group.multiply(point[None], encode(FR, [2]))[0]


def changed_key(zkey: Zkey, **changes: Callable[[Any], Any]) -> Zkey:
    return replace(zkey, key=replace(zkey.key, **{n: f(getattr(zkey.key, n)) for n, f in changes.items()}))


def changed_verifying(zkey: Zkey, name: str) -> Zkey:
    verifying = replace(zkey.key.verifying, **{name: doubled(getattr(zkey.key.verifying, name))})
    return replace(zkey, key=replace(zkey.key, verifying=verifying))


def changed_contribution(zkey: Zkey, index: int, **changes: Callable[[Any], Any]) -> Zkey:
    contributions = list(zkey.contributions)
    old = contributions[index]
    contributions[index] = replace(old, **{n: f(getattr(old, n)) for n, f in changes.items()})
    return replace(zkey, contributions=tuple(contributions))


def first_doubled(points: Any) -> Any:
    moved = points.copy()
    moved[0] = doubled(moved[0])
    return moved


def flipped(points: Any) -> Any:
    moved = np.array(points)
    moved.reshape(-1)[0] ^= np.uint64(1)
    return moved


def forge_unknown_factor(zkey: Zkey) -> Zkey:
    """δ is doubled after the fact, and the key with it, but the contribution shows its old factor."""
    kernels = default_kernels()
    half = encode(FR, [pow(2, -1, FR.modulus)])
    last = len(zkey.contributions) - 1

    def halved(points: Any) -> Any:
        return kernels.g1.multiply(points, np.repeat(half, len(points), axis=0))

    zkey = changed_contribution(zkey, last, delta_after=doubled)
    return changed_verifying(changed_key(zkey, delta_g1=doubled, c_query=halved, h_query=halved), "delta_g2")


FRAUDS: dict[str, tuple[str, Change]] = {
    "another circuit": ("another circuit", lambda z: replace(z, circuit_hash=bytes(64))),
    "no contribution": ("nobody has contributed", lambda z: replace(z, contributions=())),
    "alpha": ("alpha of the key", partial(changed_verifying, name="alpha_g1")),
    "gamma": ("gamma of the key", partial(changed_verifying, name="gamma_g2")),
    "IC": (
        "IC of the key",
        lambda z: replace(
            z, key=replace(z.key, verifying=replace(z.key.verifying, ic=first_doubled(z.key.verifying.ic)))
        ),
    ),
    "A": ("A of the key", partial(changed_key, a_query=first_doubled)),
    "B in G2": ("B in G2 of the key", partial(changed_key, b_g2_query=lambda points: points[::-1].copy())),
    "a coefficient": (
        "the coefficients of A",
        partial(changed_key, a=lambda m: SparseMatrix(m.indptr, m.indices, flipped(m.values))),
    ),
    "a row": (
        "the rows of A",
        partial(changed_key, a=lambda m: SparseMatrix(flipped(m.indptr.view(np.uint64)), m.indices, m.values)),
    ),
    "C": ("C of the key is not divided", partial(changed_key, c_query=first_doubled)),
    "H": ("H of the key is not divided", partial(changed_key, h_query=first_doubled)),
    "C off the curve": ("C of the key has another size, or a point", partial(changed_key, c_query=flipped)),
    "delta in G1": ("delta in G1", partial(changed_key, delta_g1=doubled)),
    "delta in G2": ("delta in G2", partial(changed_verifying, name="delta_g2")),
    "a point off the curve": (
        r"contribution 1 \(first\): a point is not",
        partial(changed_contribution, index=0, g1_s=flipped),
    ),
    "the transcript": (
        r"contribution 1 \(first\): its transcript",
        partial(changed_contribution, index=0, transcript=lambda t: bytes(64)),
    ),
    "the factor shown": (
        r"contribution 1 \(first\): its proof of knowledge",
        partial(changed_contribution, index=0, g2_spx=doubled),
    ),
    "an unknown factor": (r"contribution 2 \(beacon\): it changed delta by another", forge_unknown_factor),
    "the beacon": (
        r"contribution 2 \(beacon\): it does not follow",
        partial(changed_contribution, index=1, beacon=lambda b: b"another"),
    ),
    "beacon iterations": (
        "2.63 iterations cannot be repeated",
        partial(changed_contribution, index=1, iterations_log=lambda n: 63),
    ),
    "the order": ("its transcript", lambda z: replace(z, contributions=z.contributions[::-1])),
    "a contribution left out": ("its transcript", lambda z: replace(z, contributions=z.contributions[1:])),
}


@pytest.mark.parametrize("fraud", FRAUDS)
def test_frauds_are_refused(fraud: str, final: Zkey, r1cs: R1cs, tau: Ptau) -> None:
    message, change = FRAUDS[fraud]
    with pytest.raises(ArtefactMismatch, match=message):
        ceremony.verify(change(final), r1cs, tau)


def test_other_circuits_are_refused(final: Zkey, r1cs: R1cs, tau: Ptau) -> None:
    other = replace(r1cs, c=SparseMatrix(r1cs.c.indptr, r1cs.c.indices, r1cs.c.values[::-1].copy()))
    with pytest.raises(ArtefactMismatch, match="another circuit"):
        ceremony.verify(final, other, tau)


def test_what_cannot_be_done_is_said(r1cs: R1cs, tau: Ptau, vector: Vector, tmp_path: Path) -> None:
    initial = ceremony.specialise(r1cs, tau)
    rows: list[list[tuple[int, int]]] = [[] for _ in range(40)]
    empty = SparseMatrix.from_rows(rows)
    with pytest.raises(InvalidInput, match=r"40 constraints need powers of tau of 2\^6"):
        ceremony.specialise(R1cs(empty, empty, empty, 2, 0), tau)
    with pytest.raises(InvalidInput, match="64 characters"):
        ceremony.contribute(initial, name="x" * 65)
    for beacon, log in ((b"", 10), (b"x" * 256, 10), (b"x", 9), (b"x", 31)):
        with pytest.raises(InvalidInput, match="a beacon has"):
            ceremony.apply_beacon(initial, beacon, log)
    path = tmp_path / "raw.ptau"
    path.write_bytes(without_lagrange(vector("powers.ptau").read_bytes()))
    with pytest.raises(InvalidInput, match="prepare phase2"):
        ceremony.specialise(r1cs, snarkjs.read_ptau(path))
    powers.check_powers(snarkjs.read_ptau(path))


def without_lagrange(data: bytes) -> bytes:
    return joined(data, [(kind, content) for kind, content in sections(data) if kind < 12])


def test_secrets_stay_out_of_sight(monkeypatch: pytest.MonkeyPatch, r1cs: R1cs, tau: Ptau, tmp_path: Path) -> None:
    """With the randomness known, the secret factor is known; no trace of it is in the file or in any repr."""
    monkeypatch.setattr("vortex_crypto.zk.groth16.ceremony.os.urandom", lambda n: bytes(n))
    import hashlib

    secret = ChaCha(hashlib.blake2b(bytes(64) + b"text").digest()[:32]).scalar()
    zkey = ceremony.contribute(ceremony.specialise(r1cs, tau), text="text")
    snarkjs.write_zkey(tmp_path / "next.zkey", zkey)
    inverse = default_kernels().fr.inverse(secret[None])
    content = (tmp_path / "next.zkey").read_bytes()
    for value in (secret[None], inverse, *(default_kernels().fr.from_montgomery(v) for v in (secret[None], inverse))):
        assert value.tobytes() not in content
        assert value.tobytes()[::-1] not in content
    assert repr(ChaCha(bytes(32))) == "ChaCha(hidden)"


POWER_FRAUDS = [
    (ptau.TAU_G1, 0, "does not begin with the generator"),
    (ptau.TAU_G1, 5, "is not the powers of one tau"),
    (ptau.TAU_G2, 5, "is not the powers of the tau in G1"),
    (ptau.ALPHA_TAU_G1, 5, "times its first point"),
    (ptau.BETA_TAU_G1, 5, "times its first point"),
    (ptau.BETA_G2, 0, "is not the beta in G1"),
    (ptau.LAGRANGE_TAU_G1, 7, r"is not the Lagrange form of the powers, at order 2\^3"),
    (ptau.LAGRANGE_TAU_G2, 3, r"at order 2\^2"),
]


@pytest.mark.parametrize(("section", "index", "message"), POWER_FRAUDS)
def test_unsound_powers_are_refused(section: int, index: int, message: str, vector: Vector, tmp_path: Path) -> None:
    """One point is replaced by twice itself, so that it stays in its group."""
    data = vector("powers.ptau").read_bytes()
    size = 128 if section in (ptau.TAU_G2, ptau.BETA_G2, ptau.LAGRANGE_TAU_G2) else 64
    parts = []
    for kind, content in sections(data):
        if kind == section:
            shape = (2, 2, 4) if size == 128 else (2, 4)
            point = np.frombuffer(content[index * size : (index + 1) * size], np.uint64).reshape(shape)
            content = content[: index * size] + doubled(point).tobytes() + content[(index + 1) * size :]
        parts.append((kind, content))
    path = tmp_path / "forged.ptau"
    path.write_bytes(joined(data, parts))
    with pytest.raises(ArtefactMismatch, match=rf"section {section} .*{message}"):
        powers.check_powers(snarkjs.read_ptau(path))


def test_powers_outside_their_group_are_refused(vector: Vector, tmp_path: Path) -> None:
    data = vector("powers.ptau").read_bytes()
    for section in (ptau.TAU_G1, ptau.BETA_G2):
        parts = [(kind, b"\x01" + content[1:] if kind == section else content) for kind, content in sections(data)]
        path = tmp_path / "outside.ptau"
        path.write_bytes(joined(data, parts))
        with pytest.raises(ArtefactMismatch, match=f"section {section} .*not in its group"):
            powers.check_powers(snarkjs.read_ptau(path))


def test_sound_powers_pass(tau: Ptau) -> None:
    powers.check_powers(tau)
