"""Merkle paths with Poseidon of two inputs: 243 + 2 constraints a level."""

from __future__ import annotations

from collections.abc import Sequence

from vortex_crypto.arith.field.bn254 import R
from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.gadgets.boolean import assert_boolean
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.gadgets.poseidon import poseidon, poseidon_int
from vortex_crypto.zk.linear import Linear, stack


def merkle_root(c: Circuit, leaf: Linear, siblings: Linear, directions: Linear) -> Linear:
    """The root above `leaf`, given the siblings [depth] from the bottom up.

    `directions` [depth] holds bits, checked here: one where the path's node is the right child.
    """
    if siblings.shape != directions.shape or len(siblings.shape) != 1:
        raise ShapeMismatch(
            f"siblings {siblings.shape} and directions {directions.shape} must be vectors of one length"
        )
    assert_boolean(c, directions)
    node = leaf
    for level in range(siblings.shape[0]):
        swap = c.mul(directions[level], siblings[level] - node)
        node = poseidon(c, stack([node + swap, siblings[level] - swap]))
    return node


def merkle_tree(leaves: Sequence[int]) -> list[list[int]]:
    """All levels of the tree over 2^k leaves, leaves first, outside of any circuit."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([poseidon_int(below[i : i + 2]) for i in range(0, len(below), 2)])
    return levels


def samples() -> tuple[Sample, ...]:
    """Each leaf of a tree of four."""
    levels = merkle_tree([5, 6, 7, 8])
    root = levels[-1][0]

    def build(c: Circuit) -> None:
        siblings, directions = c.private("siblings", (2,)), c.private("directions", (2,))
        c.assert_equal(merkle_root(c, c.private("leaf"), siblings, directions), c.public("root"))

    def path(index: int) -> dict[str, object]:
        siblings = [levels[level][(index >> level) ^ 1] for level in range(2)]
        directions = [index >> level & 1 for level in range(2)]
        return {"leaf": levels[0][index], "siblings": siblings, "directions": directions, "root": root}

    honest = path(1)
    half = {**honest, "directions": [pow(2, -1, R), 0]}
    refused = ({**honest, "leaf": 9}, {**honest, "directions": [0, 0]}, half, {**honest, "root": root + 1})
    return (Sample("four leaves", build, tuple((path(i), {}) for i in range(4)), refused),)


def cheats() -> tuple[Cheat, ...]:
    """None: the gadget has no hint."""
    return ()
