"""The Groth16 prover, plain or with Pedersen commitments; equations in `keys`.

A proof's randomness and the masks of fresh commitments come from the operating system. The prover does not run in
constant time.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vortex_crypto.arith.field.bn254 import R, fr_root_of_unity
from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import ArtefactMismatch, InvalidInput
from vortex_crypto.zk.field import default_kernels, one
from vortex_crypto.zk.groth16 import transcript
from vortex_crypto.zk.groth16.keys import Proof, ProvingKey
from vortex_crypto.zk.interpret.check import check
from vortex_crypto.zk.interpret.witness import outputs, place_inputs, public_values, solve
from vortex_crypto.zk.plan import Program
from vortex_crypto.zk.progress import Progress, silent
from vortex_crypto.zk.r1cs import SparseMatrix

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Proven:
    """What proving a program yields: the proof, the verifier's public values, and the exposed outputs by name."""

    proof: Proof
    public: tuple[int, ...]
    outputs: Mapping[str, Array]


def prove(
    key: ProvingKey,
    program: Program,
    inputs: Mapping[str, Any],
    *,
    masks: Mapping[str, int] | None = None,
    progress: Progress | None = None,
    threads: int = 0,
    kernels: FieldKernels | None = None,
) -> Proven:
    """Solve a program for its inputs and prove it.

    Args:
        key: made for this program.
        program: what is proved.
        inputs: integers for each given signal.
        masks: the kept mask of each persistent commitment, by name, as `fresh_mask` draws it; required for those.
        progress: told how far the work is.
        threads: threads for the kernels, 0 for one a processor.
        kernels: the engine.

    Raises:
        ArtefactMismatch: the key belongs to another program.
        InvalidInput: inputs or masks do not fit.
        Unsatisfied: no witness: a constraint, named by its origin, does not hold.
    """
    kernels = kernels or default_kernels()
    tell = progress or silent
    if key.verifying.program != program.hash():
        raise ArtefactMismatch("the proving key was made for another program; run the set-up for this one")
    _check_masks(program, masks or {})
    stage = _Commitments(key, program, kernels, threads)
    tell("witness", 0.0)
    witness = solve(program, inputs, challenges=stage.draw, masks=masks, kernels=kernels, threads=threads)
    tell("constraints", 0.1)
    check(program.r1cs, witness, kernels=kernels, threads=threads)
    tell("proof", 0.2)
    points, knowledge = stage.points(witness)
    proof = _proof(key, witness, points, knowledge, kernels, threads, tell)
    return Proven(proof, tuple(public_values(program, witness, kernels)), outputs(program, witness, kernels))


def prove_witness(
    key: ProvingKey,
    witness: Array,
    *,
    progress: Progress | None = None,
    threads: int = 0,
    kernels: FieldKernels | None = None,
) -> Proof:
    """Prove with a witness that is solved already, uint64 [n_wires, 4] in Montgomery form; for plain (foreign) keys.

    A witness that breaks a constraint gives a proof that no verifier accepts.

    Raises:
        InvalidInput: the witness has another size, or the key has commitments, whose challenges a finished witness
            cannot know.
    """
    kernels = kernels or default_kernels()
    if key.commitments:
        raise InvalidInput("this key draws challenges from commitments; prove its program, not a finished witness")
    if witness.shape != (key.n_wires, 4):
        raise InvalidInput(f"a witness of {key.n_wires} wires is expected, not an array of shape {witness.shape}")
    return _proof(key, witness, _no_points(), None, kernels, threads, progress or silent)


def fresh_mask() -> int:
    """A mask for a persistent commitment, from the operating system: keep it secret, and use it for every proof.

    It belongs to one set of values: commitments to two under one mask confirm a guess of how they differ.
    """
    return secrets.randbelow(R)


def commit(
    key: ProvingKey,
    program: Program,
    name: str,
    inputs: Mapping[str, Any],
    mask: int,
    *,
    threads: int = 0,
    kernels: FieldKernels | None = None,
) -> Array:
    """The persistent commitment `name` to the given inputs, uint64 [2, 4]: what a model's owner publishes once.

    Only the inputs the commitment holds matter; the others may be anything of the right shape.
    """
    kernels = kernels or default_kernels()
    witness = np.zeros((program.r1cs.n_wires, 4), dtype=np.uint64)
    names = [c.name for c in program.r1cs.commitments]
    if name not in names:
        raise InvalidInput(f"{program.name} has no commitment {name!r}; it has {names}")
    place = names.index(name)
    place_inputs(program, inputs, witness, kernels)
    wires = program.r1cs.committed[place]
    witness[wires[-1]] = one(mask)
    scalars = np.ascontiguousarray(witness[wires.start : wires.stop])
    return kernels.g1.msm(key.commitments[place].basis, scalars, threads=threads)


def _check_masks(program: Program, masks: Mapping[str, int]) -> None:
    kept = {c.name for c in program.r1cs.commitments if c.persistent}
    if kept != set(masks):
        raise InvalidInput(
            f"{program.name} keeps masks for {sorted(kept)}, and masks for {sorted(masks)} are given; "
            "draw one with fresh_mask() when the model is committed, and keep it"
        )
    if any(not 0 <= mask < R for mask in masks.values()):
        raise InvalidInput("a mask must be an integer in [0, r)")


def _no_points() -> Array:
    return np.zeros((0, 2, 4), dtype=np.uint64)


class _Commitments:
    """The commitments of one proof, made when the solver asks for challenges."""

    def __init__(self, key: ProvingKey, program: Program, kernels: FieldKernels, threads: int) -> None:
        self._key, self._program, self._kernels, self._threads = key, program, kernels, threads
        self._points: Array | None = None
        self._seed = b""

    def draw(self, witness: Array) -> Sequence[int]:
        """Commit to what is solved, and draw the challenges."""
        parts = [
            self._kernels.g1.msm(k.basis, scalars, threads=self._threads)
            for k, scalars in zip(self._key.commitments, self._scalars(witness), strict=True)
        ]
        self._points = np.stack(parts) if parts else _no_points()
        public = public_values(self._program, witness, self._kernels)
        self._seed = transcript.seed(self._key.verifying, public, self._points)
        return transcript.challenges(self._seed, self._key.verifying.n_challenges)

    def points(self, witness: Array) -> tuple[Array, Array | None]:
        """The commitments, and the folded proof of knowledge P = Σ_k f^k·σ_k·D_k."""
        if self._points is None:
            self.draw(witness)
        if self._points is None or not len(self._points):
            return _no_points(), None
        g1 = self._kernels.g1
        f, total = transcript.fold(self._seed), np.zeros((1, 2, 4), dtype=np.uint64)
        for place, (k, scalars) in enumerate(zip(self._key.commitments, self._scalars(witness), strict=True)):
            part = g1.msm(k.basis_sigma, scalars, threads=self._threads)[None]
            total = g1.add(total, g1.multiply(part, one(pow(f, place, R))[None]))
        return self._points, total[0]

    def _scalars(self, witness: Array) -> list[Array]:
        return [np.ascontiguousarray(witness[w.start : w.stop]) for w in self._program.r1cs.committed]


def _proof(
    key: ProvingKey,
    witness: Array,
    points: Array,
    knowledge: Array | None,
    kernels: FieldKernels,
    threads: int,
    tell: Progress,
) -> Proof:
    g1 = kernels.g1
    tell("quotient", 0.25)
    scalars = quotient(key.a, key.b, key.domain, witness, kernels, threads=threads)
    tell("H", 0.35)
    h = g1.msm(key.h_query, scalars, threads=threads)
    del scalars
    tell("A", 0.5)
    a = g1.msm(key.a_query, witness, threads=threads)
    tell("B", 0.6)
    b = kernels.g2.msm(key.b_g2_query, witness, threads=threads)
    tell("C", 0.85)
    c = g1.msm(key.c_query, np.ascontiguousarray(witness[key.first_private :]), threads=threads)
    a = g1.add(a[None], key.verifying.alpha_g1[None])[0]
    b = kernels.g2.add(b[None], key.verifying.beta_g2[None])[0]
    c = g1.add(c[None], h[None])[0]
    randomised = _randomise(key, a, b, c, kernels)
    tell("done", 1.0)
    return Proof(*randomised, points, knowledge)


def _randomise(key: ProvingKey, a: Array, b: Array, c: Array, kernels: FieldKernels) -> tuple[Array, Array, Array]:
    """(A/t, t·(B + s·δ), C + s·A) with random t and s: the proof of `keys` with r = s = 0, made zero-knowledge.

    The first two are uniform and independent of the witness (A is not infinity but by chance 1/r) and the equation then
    fixes the third, as with the paper's r and s: the distributions are the same. It spares the sum over B in G1.
    """
    t, s = 1 + secrets.randbelow(R - 1), secrets.randbelow(R)
    proof_a = kernels.g1.multiply(a[None], one(pow(t, -1, R))[None])[0]
    pair = np.stack([b, key.verifying.delta_g2])
    proof_b = kernels.g2.msm(pair, np.stack([one(t), one(t * s % R)]))
    proof_c = kernels.g1.msm(np.stack([c, a]), np.stack([one(1), one(s)]))
    return proof_a, proof_b, proof_c


def quotient(
    a: SparseMatrix, b: SparseMatrix, domain: int, witness: Array, kernels: FieldKernels, *, threads: int = 0
) -> Array:
    """A·B - C at the odd powers of a root of unity of order 2·domain, uint64 [domain, 4]: the scalars of `h_query`.

    On the even powers, the domain itself, it is zero for a good witness, and C = A ∘ B there. `a` and `b` are those of
    the proving key, rows for the statement included.
    """
    fr = kernels.fr
    shift = one(fr_root_of_unity(domain.bit_length()))

    def on_domain(matrix: SparseMatrix) -> Array:
        values = np.zeros((domain, 4), dtype=np.uint64)
        values[: matrix.rows] = matrix.times(witness, kernels, threads=threads)
        return values

    def on_coset(values: Array) -> Array:
        coefficients = kernels.ntt(values, inverse=True, threads=threads)
        return kernels.ntt(coefficients, coset=shift, threads=threads)

    left, right = on_domain(a), on_domain(b)
    product = on_coset(fr.mul(left, right, threads=threads))
    left, right = on_coset(left), on_coset(right)
    return fr.sub(fr.mul(left, right, threads=threads), product, threads=threads)
