"""Ceremonies for systems with commitments: working keys, and every way of cheating with a sigma refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from vortex_crypto import container
from vortex_crypto.arith.field.arrays import encode
from vortex_crypto.arith.field.bn254 import FR
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16 import ceremony, powers, serialize, snarkjs
from vortex_crypto.zk.groth16.prove import commit, prove
from vortex_crypto.zk.groth16.record import ceremony_from_artefact, ceremony_to_artefact
from vortex_crypto.zk.groth16.relations import Relations
from vortex_crypto.zk.groth16.snarkjs.chacha import ChaCha, beacon_stream
from vortex_crypto.zk.groth16.snarkjs.contributions import Contribution
from vortex_crypto.zk.groth16.snarkjs.ptau import Ptau
from vortex_crypto.zk.groth16.snarkjs.zkey import Zkey
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.plan import Program
from vortex_crypto.zk.progress import silent

Change = Callable[[Zkey], Zkey]
INPUTS = {"w": [3], "x": [5]}


@pytest.fixture(scope="module")
def program() -> Program:
    """w·x with private weights and one challenge: a persistent commitment and one of each proof."""
    c = Circuit("committed")
    w, x = c.private("w", (1,), commitment="weights"), c.private("x", (1,))
    y = c.mul(w, x)
    c.commit(x)
    c.commit(y)
    c.expose("y", y)
    c.later(lambda: c.assert_mul(c.mul(w, c.challenge()), x, c.mul(y, c.challenge())))
    return c.finish()


@pytest.fixture(scope="module")
def tau(vector: Callable[[str], Path]) -> Ptau:
    return snarkjs.read_ptau(vector("powers.ptau"))


@pytest.fixture(scope="module")
def final(program: Program, tau: Ptau) -> Zkey:
    first = ceremony.contribute(ceremony.specialise(program.r1cs, tau), name="first")
    return ceremony.apply_beacon(first, b"a public value", 10, name="beacon")


def test_ceremonies_tell_their_progress(program: Program, tau: Ptau) -> None:
    told: list[float] = []

    def tell(stage: str, fraction: float) -> None:
        told.append(fraction)

    powers.check_powers(tau, progress=tell)
    zkey = ceremony.contribute(ceremony.specialise(program.r1cs, tau, progress=tell), progress=tell)
    ended = ceremony.apply_beacon(zkey, b"a public value", 10, progress=tell)
    ceremony.verify(ended, program.r1cs, tau, progress=tell)
    ends = [place for place, fraction in enumerate(told) if fraction == 1.0]
    # Parts of the whole end where the next one begins, so that only wholes reach one.
    assert len(ends) == 5
    for first, last in zip([0, *(place + 1 for place in ends)], ends, strict=False):
        span = told[first : last + 1]
        assert len(span) > 3
        assert span[0] == 0.0
        assert span == sorted(span)


def test_a_ceremony_yields_working_keys(final: Zkey, program: Program, tau: Ptau, tmp_path: Path) -> None:
    container.write(tmp_path / "ceremony", ceremony_to_artefact(final))
    read = ceremony_from_artefact(container.read(tmp_path / "ceremony"))
    assert [c.digest() for c in read.contributions] == [c.digest() for c in final.contributions]
    key = ceremony.verify(read, program.r1cs, tau)
    assert not key.verifying.insecure
    serialize.proving_key_from_artefact(serialize.proving_key_to_artefact(key), validate=True)
    proven = prove(key, program, INPUTS, masks={"weights": 7})
    assert verify(key.verifying, proven.proof, [15])
    assert not verify(key.verifying, proven.proof, [16])
    published = commit(key, program, "weights", {"w": [3], "x": [0]}, 7)
    assert verify(key.verifying, proven.proof, [15], expected={"weights": published})
    other = ceremony.specialise(program.r1cs, tau).key.verifying
    assert not verify(replace(other, program=program.hash()), proven.proof, [15])


def test_records_are_marked_until_they_are_verified(final: Zkey) -> None:
    assert ceremony_to_artefact(final).insecure
    assert ceremony_from_artefact(ceremony_to_artefact(final)).key.verifying.insecure


def doubled(point: Any) -> Any:
    kernels = default_kernels()
    group = kernels.g2 if point.shape == (2, 2, 4) else kernels.g1
    return group.multiply(point[None], encode(FR, [2]))[0]


def flipped(points: Any) -> Any:
    moved = np.array(points)
    moved.reshape(-1)[0] ^= np.uint64(1)
    return moved


def first_doubled(points: Any) -> Any:
    moved = np.array(points)
    moved[0] = doubled(moved[0])
    return moved


def shown(zkey: Zkey, index: int, place: int, **changes: Callable[[Any], Any]) -> Zkey:
    """What contribution `index` shows for commitment `place`, changed."""
    contributions = list(zkey.contributions)
    sigmas = list(contributions[index].sigmas)
    sigmas[place] = replace(sigmas[place], **{n: f(getattr(sigmas[place], n)) for n, f in changes.items()})
    contributions[index] = replace(contributions[index], sigmas=tuple(sigmas))
    return replace(zkey, contributions=tuple(contributions))


def held(zkey: Zkey, place: int, **changes: Callable[[Any], Any]) -> Zkey:
    """What the proving key holds for commitment `place`, changed."""
    commitments = list(zkey.key.commitments)
    old = commitments[place]
    commitments[place] = replace(old, **{n: f(getattr(old, n)) for n, f in changes.items()})
    return replace(zkey, key=replace(zkey.key, commitments=tuple(commitments)))


def described(zkey: Zkey, place: int, **changes: Any) -> Zkey:
    """What the verifying key says of commitment `place`, changed."""
    verifying = zkey.key.verifying
    commitments = list(verifying.commitments)
    commitments[place] = replace(commitments[place], **changes)
    return replace(zkey, key=replace(zkey.key, verifying=replace(verifying, commitments=tuple(commitments))))


def swapped_sigmas(zkey: Zkey) -> Zkey:
    contributions = [replace(c, sigmas=c.sigmas[::-1]) for c in zkey.contributions]
    return replace(zkey, contributions=tuple(contributions))


def without_sigmas(zkey: Zkey) -> Zkey:
    return replace(zkey, contributions=tuple(replace(c, sigmas=()) for c in zkey.contributions[:1]))


FRAUDS: dict[str, tuple[str, Change]] = {
    "a basis": ("the basis of commitment 1 of the key is not", partial(held, place=0, basis=first_doubled)),
    "a multiplied basis": ("commitment 2 is not multiplied", partial(held, place=1, basis_sigma=first_doubled)),
    "a point off the curve": ("commitment 2 has another size, or", partial(held, place=1, basis_sigma=flipped)),
    "sigma of the key": (
        "sigma 1 of the key",
        lambda z: described(z, 0, g_sigma_neg=doubled(z.key.verifying.commitments[0].g_sigma_neg)),
    ),
    "the kind": ("has not the statement, the commitments", lambda z: described(z, 1, persistent=True)),
    "the name": ("has not the statement, the commitments", lambda z: described(z, 0, name="other")),
    "the base of knowledge": (
        "G of the key",
        lambda z: replace(
            z, key=replace(z.key, verifying=replace(z.key.verifying, commitment_g=z.key.verifying.beta_g2))
        ),
    ),
    "an unknown factor": (
        r"contribution 2 \(beacon\): it changed sigma 1 by another",
        partial(shown, index=1, place=0, sigma_after=doubled),
    ),
    "the factor shown": (
        r"contribution 1 \(first\): its proof of knowledge for commitment 2",
        partial(shown, index=0, place=1, g2_spx=doubled),
    ),
    "a shown point off the curve": (
        r"contribution 1 \(first\): a point for commitment 1",
        partial(shown, index=0, place=0, g1_s=flipped),
    ),
    "parts left out": (r"contribution 1 \(first\): it has 0 parts for 2 commitments", without_sigmas),
    "parts swapped": (r"contribution 1 \(first\): its proof of knowledge for commitment 1", swapped_sigmas),
}


@pytest.mark.parametrize("fraud", FRAUDS)
def test_frauds_are_refused(fraud: str, final: Zkey, program: Program, tau: Ptau) -> None:
    message, change = FRAUDS[fraud]
    with pytest.raises(ArtefactMismatch, match=message):
        ceremony.verify(change(final), program.r1cs, tau)


class HalfHonest:
    """A stream that follows a beacon for delta, and its maker's wishes for every sigma."""

    def __init__(self, beacon: bytes, iterations_log: int) -> None:
        self._source, self._free = beacon_stream(beacon, iterations_log), ChaCha(bytes(range(32)))

    def scalar(self) -> Any:
        return self._source.scalar()

    def g1(self, kernels: FieldKernels) -> Any:
        point = self._source.g1(kernels)
        self._source = self._free
        return point


def test_a_beacon_decides_every_sigma(program: Program, tau: Ptau) -> None:
    begun = ceremony.contribute(ceremony.specialise(program.r1cs, tau))
    claimed = Contribution(*ceremony._nothing(), name="half", beacon=b"beacon", iterations_log=10)
    engine = Relations.of(None, 0)
    forged = ceremony._contributed(begun, cast(ChaCha, HalfHonest(b"beacon", 10)), claimed, engine, silent)
    with pytest.raises(ArtefactMismatch, match=r"contribution 2 \(half\): it does not follow from its beacon"):
        ceremony.verify(forged, program.r1cs, tau)


def test_zkey_files_refuse_them(final: Zkey, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="commitments"):
        snarkjs.write_zkey(tmp_path / "x.zkey", final)


RECORD_CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("hash or the list", {"circuit_hash": b"short"}),
    ("hash or the list", {"contributions": 7}),
    ("contributions.g1' should be uint64 .1,", {"contributions": [{}]}),
    ("contribution 1 is not of the known form", {"contributions": [{}, {}]}),
]


@pytest.mark.parametrize(("message", "changes"), RECORD_CHANGES)
def test_records_that_do_not_fit_are_refused(message: str, changes: dict[str, Any], final: Zkey) -> None:
    artefact = ceremony_to_artefact(final)
    with pytest.raises(MalformedArtefact, match=message):
        ceremony_from_artefact(replace(artefact, meta={**artefact.meta, **changes}))


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "x" * 256), ("beacon", b"x" * 256), ("iterations_log", 64), ("transcript", b""), ("name", 1)],
)
def test_recorded_contributions_are_bounded(field: str, value: Any, final: Zkey) -> None:
    artefact = ceremony_to_artefact(final)
    items = [dict(item) for item in artefact.meta["contributions"]]
    items[1][field] = value
    with pytest.raises(MalformedArtefact, match="contribution 2"):
        ceremony_from_artefact(replace(artefact, meta={**artefact.meta, "contributions": items}))
