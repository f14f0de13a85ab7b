"""Verifying keys as Solidity contracts, and proofs as the numbers that those contracts take.

The contracts check what `verify` checks, by the precompiles of EIP-196, EIP-197 and SHA-256: the same transcript, the
same product of pairings. A well-formed wrong proof yields false; what is malformed reverts with a named error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import groupby
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.arrays import g1_to_ints
from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16 import transcript
from vortex_crypto.zk.groth16.keys import Proof, VerifyingKey, g1_bytes, g2_bytes

Array = NDArray[Any]

MAX_STATEMENT = 240
"""Public values and challenges, each of which takes about 90 bytes of the 24,576 that EIP-170 allows a contract."""

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_INDENT = " " * 12
_PAIR, _POINT, _WORD = 0xC0, 0x40, 0x20
_STATEMENT, _KNOWLEDGE, _FOLDED = 2 * _PAIR, 4 * _PAIR, 5 * _PAIR
_PROOF_WORDS = 8
_INSECURE = "INSECURE: a development set-up made this key, and whoever ran it can forge proofs. Not for production."
_SECURE = "The key comes from a ceremony; check its transcript before relying on it."


def export_verifier(
    key: VerifyingKey,
    *,
    name: str = "Verifier",
    expected: Mapping[str, Array] | None = None,
    ranges: Sequence[tuple[int, int]] = (),
    kernels: FieldKernels | None = None,
) -> str:
    """The source of a contract that verifies proofs of this key.

    Args:
        key: plain or with commitments; a development key yields a contract that says so.
        name: the contract's name.
        expected: the points, uint64 [2, 4], that persistent commitments must equal, by name: what their owners
            published. They become constants of the contract, which returns false for any other; a persistent commitment
            that is not named here may be to anything.
        ranges: (low, bits) of the first public values: the contract reverts where one is not in [low, low + 2^bits).
            A circuit that leaves its public inputs to the verifier to check is sound for those alone.
        kernels: the engine.

    Raises:
        InvalidInput: the name is no identifier, a commitment is unknown, there are more ranges than public values, or
            the statement is too large for a contract.
    """
    kernels = kernels or default_kernels()
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name for a contract; letters, digits and _ are")
    checks = _ranges(key, ranges)
    if len(key.ic) - 1 + len(checks) > MAX_STATEMENT:
        raise InvalidInput(
            f"{len(key.ic) - 1} public values and challenges and {len(checks)} runs of ranges do not fit a contract, "
            f"which takes {MAX_STATEMENT} together; make one public value the hash of the others"
        )
    values = {
        "name": name,
        "program": key.program if _HASH.fullmatch(key.program) else "unknown",
        "notice": _INSECURE if key.insecure else _SECURE,
        "insecure": str(key.insecure).lower(),
        "parameter": f", uint256[{key.n_public}] calldata inputs" if key.n_public else "",
        "check": _check(key, expected or {}, checks),
        "constants": _constants(key, kernels),
    }
    if not key.commitments:
        return _template("plain.sol").substitute(values, statement=_lines(_statement(key)))
    return _template("committed.sol").substitute(values, **_committed(key))


def proof_words(proof: Proof) -> list[int]:
    """The proof as the contract takes it, in EIP-197's order: A, B, C, then commitments and proof of knowledge."""
    more = [] if proof.knowledge is None else [g1_bytes(proof.commitments), g1_bytes(proof.knowledge)]
    data = b"".join([g1_bytes(proof.a), g2_bytes(proof.b), g1_bytes(proof.c), *more])
    return _words(data)


def calldata(proof: Proof, public: Sequence[int]) -> bytes:
    """The arguments of the contract's `verify`, ABI-encoded, to stand after its four-byte selector."""
    return b"".join(int(word).to_bytes(32, "big") for word in (*proof_words(proof), *public))


def signature(key: VerifyingKey) -> str:
    """The signature of the contract's `verify`, of whose Keccak-256 the selector is the first four bytes."""
    return f"verify(uint256[{_words_of(key)}]{f',uint256[{key.n_public}]' if key.n_public else ''})"


def _words_of(key: VerifyingKey) -> int:
    return _PROOF_WORDS + 2 * (len(key.commitments) + 1 if key.commitments else 0)


def _template(name: str) -> Template:
    return Template((resources.files("vortex_crypto.zk.groth16") / "templates" / name).read_text())


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(_INDENT + line for line in lines)


def _store(base: str, offset: int, words: Sequence[int]) -> list[str]:
    return [f"mstore({_at(base, offset + _WORD * i)}, {word:#066x})" for i, word in enumerate(words)]


def _at(base: str, offset: int) -> str:
    return f"add({base}, {offset:#x})" if offset else base


def _ranges(key: VerifyingKey, ranges: Sequence[tuple[int, int]]) -> list[str]:
    """A loop for each run of inputs of one range."""
    if len(ranges) > key.n_public or any(not 0 < bits <= 252 for _, bits in ranges):
        raise InvalidInput(f"{len(ranges)} ranges are given for {key.n_public} public values, each of 1 to 252 bits")
    lines, start = [], 0
    for (low, bits), run in groupby(ranges):
        stop = start + len(list(run))
        outside = f"addmod(inputs[i], {-low % R}, {R}) >= {1 << bits}"
        lines.append(f"for (uint256 i = {start}; i < {stop}; ++i) if ({outside}) revert InputOutOfRange();")
        start = stop
    return lines


def _check(key: VerifyingKey, expected: Mapping[str, Array], ranges: Sequence[str]) -> str:
    """Solidity that refuses trailing bytes, inputs unreduced or out of range, and commitments but the expected ones."""
    lines = [f"if (msg.data.length != {4 + _WORD * (_words_of(key) + key.n_public)}) revert WrongLength();"]
    if key.n_public:
        lines.append(f"for (uint256 i = 0; i < {key.n_public}; ++i) if (inputs[i] >= {R}) revert ScalarNotBelowR();")
    lines += ranges
    places = {k.name: place for place, k in enumerate(key.commitments) if k.persistent}
    unknown = sorted(set(expected) - set(places))
    if unknown:
        raise InvalidInput(f"the key has no persistent commitment {unknown}; it has {sorted(places)}")
    for name, point in expected.items():
        at = _PROOF_WORDS + 2 * places[name]
        x, y = _words(g1_bytes(point))
        lines.append(f"if (proof[{at}] != {x:#066x} || proof[{at + 1}] != {y:#066x}) return false;")
    return "\n".join(" " * 8 + line for line in lines)


def _constants(key: VerifyingKey, kernels: FieldKernels) -> str:
    """The points of the pairing product that belong to the key; β, γ and δ are negated here, once and for all."""
    negated = kernels.g2.neg(np.stack([key.beta_g2, key.gamma_g2, key.delta_g2]))
    lines = _store("p", _PAIR, _words(g1_bytes(key.alpha_g1)))
    for place, point in enumerate(negated, start=1):
        lines += _store("p", place * _PAIR + _POINT, _words(g2_bytes(point)))
    if key.commitment_g is not None:
        lines += _store("p", _KNOWLEDGE + _POINT, _words(g2_bytes(key.commitment_g)))
    for place, commitment in enumerate(key.commitments):
        lines += _store("p", _FOLDED + place * _PAIR + _POINT, _words(g2_bytes(commitment.g_sigma_neg)))
    return _lines(lines)


def _statement(key: VerifyingKey) -> list[str]:
    """The sum of IC, public values and challenges, at its place in the pairing product."""
    points = [p or (0, 0) for p in g1_to_ints(key.ic)]
    lines = _store("p", _STATEMENT, points[0])
    for place, (x, y) in enumerate(points[1:]):
        scalar = f"calldataload({_at('inputs', _WORD * place)})"
        if place >= key.n_public:
            lines += _challenge("seed", transcript.CHALLENGE, place - key.n_public)
            scalar = "scalar"
        lines.append(f"accumulate({_at('p', _STATEMENT)}, {x:#066x}, {y:#066x}, {scalar})")
    return lines


def _challenge(seed: str, kind: int, index: int) -> list[str]:
    return [f"scalar := challenge(h, {seed}, {kind}, {index})"]


def _committed(key: VerifyingKey) -> dict[str, str]:
    count = len(key.commitments)
    commitments = _PROOF_WORDS * _WORD
    knowledge = commitments + _POINT * count
    prefix = transcript.TAG + key.digest
    padded = prefix + bytes(-len(prefix) % _WORD)
    size = len(prefix)
    seed = _store("h", 0, _words(padded))
    if key.n_public:
        seed.append(f"calldatacopy({_at('h', size)}, inputs, {_WORD * key.n_public:#x})")
        size += _WORD * key.n_public
    seed.append(f"calldatacopy({_at('h', size)}, {_at('proof', commitments)}, {_POINT * count:#x})")
    size += _POINT * count
    described = (f"{k.name!r} ({'persistent' if k.persistent else 'of each proof'})" for k in key.commitments)
    return {
        "words": str(_PROOF_WORDS + 2 * count + 2),
        "r": str(R),
        "two_256": str((1 << 256) % R),
        "pairing_bytes": f"{_FOLDED + count * _PAIR:#x}",
        "seed_bytes": f"{size:#x}",
        "knowledge": f"{knowledge:#x}",
        "knowledge_y": f"{knowledge + _WORD:#x}",
        "commitments": ", ".join(described).replace("\n", " "),
        "seed": _lines(seed),
        "statement": _lines(_statement(key) + _append(count, commitments)),
        "fold": _lines(_fold(count, commitments)),
    }


def _coordinates(offset: int) -> str:
    return f"calldataload({_at('proof', offset)}), calldataload({_at('proof', offset + _WORD)})"


def _append(count: int, commitments: int) -> list[str]:
    target = _at("p", _STATEMENT)
    return [f"append({target}, {_coordinates(commitments + _POINT * k)})" for k in range(count)]


def _fold(count: int, commitments: int) -> list[str]:
    """m·f^k·D_k for each commitment; `scalar` holds m before, and f is drawn only where there is more than one."""
    lines = ["let power := scalar"]
    if count > 1:
        lines += _challenge("seed", transcript.FOLD, 0)
    for k in range(count):
        if k:
            lines.append(f"power := mulmod(power, scalar, {R})")
        target = _at("p", _FOLDED + k * _PAIR)
        lines.append(f"multiply({target}, {_coordinates(commitments + _POINT * k)}, power)")
    return lines
