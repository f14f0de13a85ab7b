"""Programs to prove, plain and with commitments; and a dishonest prover."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.discharge import Table
from vortex_crypto.zk.field import default_kernels
from vortex_crypto.zk.gadgets.lookup import apply_table
from vortex_crypto.zk.gadgets.relu import relu
from vortex_crypto.zk.groth16 import prove as prover
from vortex_crypto.zk.groth16.keys import Proof, ProvingKey, VerifyingKey
from vortex_crypto.zk.groth16.prove import Proven, commit, fresh_mask, prove
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.hints import Function
from vortex_crypto.zk.interpret.witness import public_values, solve
from vortex_crypto.zk.plan import Program
from vortex_crypto.zk.progress import silent


@dataclass(frozen=True)
class Case:
    """A program with its keys, its inputs and a proof; for committed weights, the published point too."""

    program: Program
    key: ProvingKey
    inputs: dict[str, Any]
    masks: dict[str, int]
    proven: Proven
    published: dict[str, Any]

    @property
    def verifying(self) -> VerifyingKey:
        return self.key.verifying

    def again(self, **changes: Any) -> Proven:
        """Another proof, of changed inputs."""
        return prove(self.key, self.program, {**self.inputs, **changes}, masks=self.masks)


def dishonest(
    case: Case,
    *,
    replace: Mapping[str, Function] | None = None,
    challenges: Sequence[int] | None = None,
    alter: Callable[[Any], Any] = lambda witness: witness,
    **inputs: Any,
) -> tuple[Proof, list[int]]:
    """A proof, and its public values, from a prover that checks nothing.

    Args:
        case: whose program and keys.
        replace: other hints.
        challenges: those it would like, in place of the transcript's.
        alter: the witness that is committed to and proved, but not what follows from it.
        inputs: other inputs.
    """
    kernels = default_kernels()
    stage = prover._Commitments(case.key, case.program, kernels, 0)

    def draw(witness: Any) -> Sequence[int]:
        drawn = stage.draw(alter(witness))
        return drawn if challenges is None else challenges

    given = {**case.inputs, **inputs}
    witness = solve(case.program, given, challenges=draw, masks=case.masks, replace=dict(replace or {}), strict=False)
    altered = alter(witness)
    points, knowledge = stage.points(altered)
    proof = prover._proof(case.key, altered, points, knowledge, kernels, 0, silent)
    return proof, public_values(case.program, altered, kernels)


KINDS = ("plain", "fresh", "persistent", "both")
"""Commitments of a program under attack: none, of each proof alone, to the weights alone, both."""


def attacked_program(kind: str) -> Program:
    """y = Σ f(w·x) with f = max(·, 0), by bits or, with a fresh commitment, by a table."""
    c = Circuit(kind)
    w = c.private("w", (2,), commitment="weights" if kind in ("persistent", "both") else None)
    product = c.mul(w, c.public("x", (2,)))
    table = Table("clip", (np.arange(-4, 5), np.clip(np.arange(-4, 5), 0, 2)))
    looked_up = kind in ("fresh", "both")
    c.expose("y", (apply_table(c, table, product) if looked_up else relu(c, product, 4)).sum())
    return c.finish()


def attacked_case(kind: str) -> Case:
    """Keys and a proof; w·x = (2, -3), so that y = 2."""
    return case_of(attacked_program(kind), {"w": [2, -1], "x": [1, 3]})


def case_of(program: Program, inputs: dict[str, Any]) -> Case:
    """Set up, commit to the weights if the program has a commitment to them, and prove."""
    key = setup(program.r1cs)
    masks = {c.name: fresh_mask() for c in program.r1cs.commitments if c.persistent}
    published = {name: commit(key, program, name, inputs, mask) for name, mask in masks.items()}
    return Case(program, key, inputs, masks, prove(key, program, inputs, masks=masks), published)


def plain_program() -> Program:
    """y = x² + b, and z = x·b."""
    c = Circuit("plain")
    x, b = c.private("x"), c.public("b")
    c.expose("y", c.mul(x, x) + b)
    c.expose("z", c.mul(x, b))
    return c.finish()


def committed_program() -> Program:
    """y = Σ f(w·x) with f a table: weights w committed for good, and the lookups for each proof."""
    c = Circuit("committed")
    w, x = c.private("w", (2,), commitment="weights"), c.public("x", (2,))
    table = Table("clip", (np.arange(-4, 5), np.clip(np.arange(-4, 5), 0, 2)))
    c.expose("y", apply_table(c, table, c.mul(w, x)).sum())
    return c.finish()
