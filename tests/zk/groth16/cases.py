"""Two programs to prove: one plain, one with a persistent and a fresh commitment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.discharge import Table
from vortex_crypto.zk.gadgets.lookup import apply_table
from vortex_crypto.zk.groth16.keys import ProvingKey, VerifyingKey
from vortex_crypto.zk.groth16.prove import Proven, prove
from vortex_crypto.zk.plan import Program


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
