"""Keys as container artefacts, and proofs as the fewest bytes that say them.

A proof is its points compressed, one after another, in the form of `arith.field.encoding`: A (32 bytes), B (64),
C (32), then, with K commitments, D_1 … D_K and the proof of knowledge (32 each): 128 bytes plain, 160 + 32·K with
commitments. Each proof has exactly one encoding. Reading checks that every number is reduced, every point finite, on
its curve and in its subgroup, and that nothing follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.bn254 import LIMBS
from vortex_crypto.arith.field.encoding import decode_g1, decode_g2, encode_g1, encode_g2
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.container import Artefact
from vortex_crypto.errors import MalformedArtefact, MalformedProof
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.groth16.keys import (
    CommitmentProvingKey,
    CommitmentVerifyingKey,
    Proof,
    ProvingKey,
    VerifyingKey,
)
from vortex_crypto.zk.r1cs import SparseMatrix

Array = NDArray[Any]

G1_BYTES, G2_BYTES = 32, 64
PLAIN_BYTES = 2 * G1_BYTES + G2_BYTES
MAX_COMMITMENTS = 255
MAX_LOG_DOMAIN = 28
PROVING, VERIFYING = "zk-proving-key", "zk-verifying-key"
_G1, _G2 = (2, LIMBS), (2, 2, LIMBS)


def proof_to_bytes(proof: Proof, *, kernels: FieldKernels | None = None) -> bytes:
    """The compact encoding: 128 bytes when plain, 160 + 32·K with K commitments."""
    kernels = kernels or default_kernels()
    g1 = [proof.a, proof.c, *proof.commitments, *([] if proof.knowledge is None else [proof.knowledge])]
    a, *rest = (row.tobytes() for row in encode_g1(kernels, np.stack(g1), compressed=True))
    b = encode_g2(kernels, proof.b[None], compressed=True).tobytes()
    return b"".join((a, b, *rest))


def proof_from_bytes(data: bytes, *, kernels: FieldKernels | None = None) -> Proof:
    """Parse and check the compact encoding.

    Raises:
        MalformedProof: the length fits no proof, or a point is not canonical, not finite or not in its group.
    """
    more, odd = divmod(len(data) - PLAIN_BYTES, G1_BYTES)
    if odd or more < 0 or more == 1 or more > MAX_COMMITMENTS + 1:
        raise MalformedProof(
            f"a proof has {PLAIN_BYTES} bytes, or {PLAIN_BYTES + G1_BYTES} and {G1_BYTES} for each of its commitments; "
            f"{len(data)} are given"
        )
    kernels = kernels or default_kernels()
    raw = np.frombuffer(data, np.uint8)
    heads = np.concatenate([raw[:G1_BYTES], raw[G1_BYTES + G2_BYTES :]]).reshape(-1, G1_BYTES)
    g1 = decode_g1(kernels, heads, compressed=True)
    b = decode_g2(kernels, raw[G1_BYTES : G1_BYTES + G2_BYTES].reshape(1, -1), compressed=True)
    if not (g1.any(axis=(1, 2)).all() and b.any()):
        raise MalformedProof("a proof holds a point at infinity, which nobody honest would send")
    return Proof(g1[0], b[0], g1[1], g1[2 : 1 + more], g1[-1] if more else None)


def verifying_key_to_artefact(key: VerifyingKey) -> Artefact:
    """The key as an artefact of kind `zk-verifying-key`."""
    return Artefact(VERIFYING, key.program, _verifying_meta(key), _verifying_arrays(key), key.insecure)


def verifying_key_from_artefact(artefact: Artefact, *, kernels: FieldKernels | None = None) -> VerifyingKey:
    """The key of an artefact, every point checked.

    Raises:
        MalformedArtefact: it is of another kind, an array is missing or misshapen, or a point is not valid.
    """
    reader = _Reader(artefact.expect(kind=VERIFYING))
    key = _read_verifying(reader)
    _check_verifying(reader, key, kernels or default_kernels())
    return key


def proving_key_to_artefact(key: ProvingKey) -> Artefact:
    """The key, its verifying key within, as an artefact of kind `zk-proving-key`."""
    verifying = key.verifying
    arrays = _verifying_arrays(verifying)
    for name, matrix in (("a", key.a), ("b", key.b)):
        arrays[f"{name}.indptr"], arrays[f"{name}.indices"] = matrix.indptr, matrix.indices
        arrays[f"{name}.values"] = matrix.values
    arrays |= {
        "beta_g1": key.beta_g1,
        "delta_g1": key.delta_g1,
        "a_query": key.a_query,
        "b_g1_query": key.b_g1_query,
        "b_g2_query": key.b_g2_query,
        "c_query": key.c_query,
        "h_query": key.h_query,
    }
    for index, commitment in enumerate(key.commitments):
        arrays[f"commitment.{index}.basis"] = commitment.basis
        arrays[f"commitment.{index}.basis_sigma"] = commitment.basis_sigma
    meta = {**_verifying_meta(verifying), "domain": key.domain}
    return Artefact(PROVING, verifying.program, meta, arrays, verifying.insecure)


def proving_key_from_artefact(
    artefact: Artefact, *, validate: bool = False, kernels: FieldKernels | None = None
) -> ProvingKey:
    """The key of an artefact; its arrays stay the memory maps they are.

    Shapes, matrices and the verifying key are checked. Points of the queries are checked if `validate`: a wrong one
    yields a proof that does not verify, no more.

    Raises:
        MalformedArtefact: it is of another kind, arrays do not fit together, or a point is not valid.
    """
    kernels = kernels or default_kernels()
    reader = _Reader(artefact.expect(kind=PROVING))
    verifying = _read_verifying(reader)
    _check_verifying(reader, verifying, kernels)
    domain = reader.number("domain", 1 << MAX_LOG_DOMAIN)
    if domain < 1 or domain & (domain - 1):
        raise reader.refuse("domain", f"is {domain}; a power of two is needed")
    a_query = reader.array("a_query", (None, *_G1))
    n_wires = len(a_query)
    commitments = tuple(
        CommitmentProvingKey(basis, reader.array(f"commitment.{index}.basis_sigma", basis.shape))
        for index in range(len(verifying.commitments))
        for basis in [reader.array(f"commitment.{index}.basis", (None, *_G1))]
    )
    n_private = n_wires - len(verifying.ic) - sum(len(key.basis) for key in commitments)
    if n_private < 0:
        raise reader.refuse("a_query", f"has {n_wires} wires, fewer than are public and committed")
    key = ProvingKey(
        verifying=verifying,
        a=reader.matrix("a", domain, n_wires),
        b=reader.matrix("b", domain, n_wires),
        domain=domain,
        beta_g1=reader.array("beta_g1", _G1),
        delta_g1=reader.array("delta_g1", _G1),
        a_query=a_query,
        b_g1_query=reader.array("b_g1_query", (n_wires, *_G1)),
        b_g2_query=reader.array("b_g2_query", (n_wires, *_G2)),
        c_query=reader.array("c_query", (n_private, *_G1)),
        h_query=reader.array("h_query", (domain, *_G1)),
        commitments=commitments,
    )
    reader.end()
    if validate:
        _check_proving(reader, key, kernels)
    return key


def _verifying_meta(key: VerifyingKey) -> dict[str, Any]:
    return {"n_challenges": key.n_challenges, "commitments": [[k.name, k.persistent] for k in key.commitments]}


def _verifying_arrays(key: VerifyingKey) -> dict[str, Array]:
    arrays = {name: getattr(key, name) for name in ("alpha_g1", "beta_g2", "gamma_g2", "delta_g2", "ic")}
    if key.commitment_g is not None:
        arrays["commitment_g"] = key.commitment_g
        arrays["commitment_g_sigma_neg"] = np.stack([k.g_sigma_neg for k in key.commitments])
    return arrays


class _Reader:
    """Takes typed values out of an artefact; what does not fit is refused by name."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        self._arrays: dict[str, Array] = dict(artefact.arrays)
        self._meta: Mapping[str, Any] = artefact.meta

    def refuse(self, name: str, what: str) -> MalformedArtefact:
        return MalformedArtefact(f"this {self.artefact.kind}: {name!r} {what}")

    def number(self, name: str, most: int) -> int:
        value = self._meta.get(name)
        if type(value) is not int or not 0 <= value <= most:
            raise self.refuse(name, f"should be a number up to {most}")
        return value

    def commitments(self) -> list[tuple[str, bool]]:
        """Name and kind of each commitment."""
        value = self._meta.get("commitments")
        if not isinstance(value, list) or len(value) > MAX_COMMITMENTS:
            raise self.refuse("commitments", f"should be a list of at most {MAX_COMMITMENTS}")
        for item in value:
            if not isinstance(item, list) or list(map(type, item)) != [str, bool]:
                raise self.refuse("commitments", "should hold pairs of a name and a flag")
        return [(name, persistent) for name, persistent in value]

    def array(self, name: str, shape: tuple[int | None, ...], dtype: Any = np.uint64) -> Array:
        array = self._arrays.pop(name, None)
        if array is None:
            raise self.refuse(name, "is missing")
        fits = array.ndim == len(shape) and all(w in (None, h) for w, h in zip(shape, array.shape, strict=True))
        if array.dtype != np.dtype(dtype) or not fits:
            raise self.refuse(name, f"is {array.dtype} {list(array.shape)}, which does not fit the rest")
        return array

    def matrix(self, name: str, domain: int, n_wires: int) -> SparseMatrix:
        indptr = self.array(f"{name}.indptr", (None,), np.int64)
        indices = self.array(f"{name}.indices", (None,), np.int64)
        values = self.array(f"{name}.values", (len(indices), LIMBS))
        rises = (
            len(indptr) >= 1 and indptr[0] == 0 and indptr[-1] == len(indices) and bool((np.diff(indptr) >= 0).all())
        )
        if not rises or len(indptr) > domain + 1:
            raise self.refuse(f"{name}.indptr", f"should rise from 0 to {len(indices)} in at most {domain} rows")
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < n_wires:
            raise self.refuse(f"{name}.indices", f"names wires {indices.min()} to {indices.max()} of {n_wires}")
        return SparseMatrix(indptr, indices, values)

    def end(self) -> None:
        if self._arrays:
            raise self.refuse(min(self._arrays), "does not belong here")


def _read_verifying(reader: _Reader) -> VerifyingKey:
    described = reader.commitments()
    n_challenges = reader.number("n_challenges", MAX_COMMITMENTS)
    ic = reader.array("ic", (None, *_G1))
    if len(ic) < 1 + n_challenges or (n_challenges and not described):
        raise reader.refuse("n_challenges", f"is {n_challenges}, which does not fit {len(ic)} statement wires")
    g, sigma = None, np.zeros((0, *_G2), np.uint64)
    if described:
        g = reader.array("commitment_g", _G2)
        sigma = reader.array("commitment_g_sigma_neg", (len(described), *_G2))
    key = VerifyingKey(
        program=reader.artefact.program,
        alpha_g1=reader.array("alpha_g1", _G1),
        beta_g2=reader.array("beta_g2", _G2),
        gamma_g2=reader.array("gamma_g2", _G2),
        delta_g2=reader.array("delta_g2", _G2),
        ic=ic,
        n_challenges=n_challenges,
        commitments=tuple(CommitmentVerifyingKey(*d, s) for d, s in zip(described, sigma, strict=True)),
        commitment_g=g,
        insecure=reader.artefact.insecure,
    )
    if reader.artefact.kind == VERIFYING:
        reader.end()
    return key


def _check_verifying(reader: _Reader, key: VerifyingKey, kernels: FieldKernels) -> None:
    named = {"beta_g2": key.beta_g2, "gamma_g2": key.gamma_g2, "delta_g2": key.delta_g2}
    if key.commitment_g is not None:
        named["commitment_g"] = key.commitment_g
        named |= {f"commitment_g_sigma_neg[{i}]": k.g_sigma_neg for i, k in enumerate(key.commitments)}
    fine = kernels.g2.valid(np.stack(list(named.values())))
    for (name, point), good in zip(named.items(), fine, strict=True):
        if not (good and point.any()):
            raise reader.refuse(name, "is not a finite point of G2's subgroup of order r")
    if not kernels.g1.valid(key.alpha_g1[None]).all() or not key.alpha_g1.any():
        raise reader.refuse("alpha_g1", "is not a finite point of the curve")
    fine = kernels.g1.valid(key.ic)
    if not fine.all():
        raise reader.refuse("ic", f"holds a point that is not on the curve, number {int(np.argmin(fine))}")


def _check_proving(reader: _Reader, key: ProvingKey, kernels: FieldKernels) -> None:
    g1 = {"a_query": key.a_query, "b_g1_query": key.b_g1_query, "c_query": key.c_query, "h_query": key.h_query}
    g1 |= {"beta_g1": key.beta_g1[None], "delta_g1": key.delta_g1[None]}
    for index, commitment in enumerate(key.commitments):
        g1[f"commitment.{index}.basis"] = commitment.basis
        g1[f"commitment.{index}.basis_sigma"] = commitment.basis_sigma
    for name, points in g1.items():
        if not kernels.g1.valid(points).all():
            raise reader.refuse(name, "holds a point that is not on the curve")
    if not kernels.g2.valid(key.b_g2_query).all():
        raise reader.refuse("b_g2_query", "holds a point that is not in G2's subgroup of order r")
    for name, matrix in (("a.values", key.a), ("b.values", key.b)):
        if not kernels.fr.is_canonical(matrix.values).all():
            raise reader.refuse(name, "holds a number that is not below r")
