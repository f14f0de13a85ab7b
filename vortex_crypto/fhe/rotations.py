"""Which rotations a circuit makes, from which switching keys.

A matrix of diagonals is split k = g + b with b below `n1` (baby-step giant-step): babies rotate the inputs, giants the
partial sums. Where a key for every step is cheap, each rotation is one key switch. Where keys weigh hundreds of
megabytes, few steps have keys and the rest are walked: the rotations needed form a tree whose edges are steps with
keys, the babies from the root outwards, the giants towards it (Horner's rule, with one giant key).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vortex_crypto.errors import MissingKey

if TYPE_CHECKING:
    from vortex_crypto.fhe.circuit import LinearTransform

Edge = tuple[int, int, int]
"""(node, parent, step): node = parent + step modulo the slots."""
Pattern = tuple[tuple[tuple[int, ...], ...], ...]
"""The offsets of a transform's diagonals, by result and operand: all that its rotations depend on."""
Integers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Split:
    """One baby-step giant-step split of a transform: offset = giant + baby, modulo the slots.

    Attributes:
        n1: babies lie in [low, low + n1), giants at multiples of n1.
        low: 0, or -n1/2 for babies on both sides of zero.
        babies: steps each operand is rotated by.
        giants: steps the partial sums of each result are rotated by.
    """

    n1: int
    low: int
    babies: tuple[frozenset[int], ...]
    giants: tuple[frozenset[int], ...]

    def parts(self, offset: int, slots: int) -> tuple[int, int]:
        """(giant, baby) of a diagonal's offset, both in [0, slots)."""
        baby = (offset - self.low) % self.n1 + self.low
        return (offset - baby) % slots, baby % slots


def pattern(body: LinearTransform) -> Pattern:
    """Where a transform has diagonals, whatever is on them."""
    return tuple(tuple(tuple(k for k, _ in block) for block in row) for row in body.blocks)


def split(body: LinearTransform, slots: int, n1: int, low: int = 0) -> Split:
    """The split of a transform for a given number of babies (a power of two up to the slots)."""
    return _split(pattern(body), slots, n1, low)


@lru_cache(maxsize=4096)
def _split(offsets: Pattern, slots: int, n1: int, low: int) -> Split:
    shape = Split(n1, low, (), ())
    babies: list[set[int]] = [set() for _ in offsets[0]]
    giants: list[set[int]] = [set() for _ in offsets]
    for row, blocks in enumerate(offsets):
        for column, block in enumerate(blocks):
            for k in block:
                giant, baby = shape.parts(k, slots)
                babies[column].add(baby)
                giants[row].add(giant)
    return Split(n1, low, tuple(map(frozenset, babies)), tuple(map(frozenset, giants)))


def best_split(
    body: LinearTransform, slots: int, *, steps: Sequence[int] | None = None, giant: float = 1.0, baby: float = 1.0
) -> Split:
    """The split that rotates least.

    Args:
        body: the transform.
        slots: of the circuit.
        steps: those with keys; None if every step may have one.
        giant, baby: what rotating a partial sum and an operand cost (a hoisted baby costs less).
    """
    allowed = None if steps is None else tuple(steps)
    return _cheapest(pattern(body), slots, allowed, giant, baby)[1]


@lru_cache(maxsize=1 << 14)
def _cheapest(
    offsets: Pattern, slots: int, steps: tuple[int, ...] | None, giant: float, baby: float
) -> tuple[float, Split]:
    """The least that a split's rotations cost, and the first split that costs no more.

    No tree has fewer edges than it has nodes to reach, so most splits are passed over without making their trees.
    """
    splits = _splits(offsets, slots, steps)
    least = [giant * _nodes(s.giants) + baby * _nodes(s.babies) for s in splits]
    best = (math.inf, 0)
    for number in sorted(range(len(splits)), key=least.__getitem__):
        if (least[number], number) < best:
            best = min(best, (rotations(splits[number], slots, steps, giant=giant, baby=baby), number))
    return best[0], splits[best[1]]


def _nodes(parts: tuple[frozenset[int], ...]) -> int:
    return sum(len(part - {0}) for part in parts)


FEW_KEYS = 8
"""So many keys are made without asking whether each one pays."""
GIANT, BABY = 2.5, 1.0
"""Cost of a giant step against a hoisted baby step: the first decomposes again and divides by P."""


@dataclass(frozen=True)
class Native:
    """How a back end runs a linear transform itself; every reading of it agrees on this.

    Attributes:
        split: into babies and giants.
        babies, giants: trees, one an operand and one a result. Babies one step off their operand share its
            decomposition; those further off need one of their own.
    """

    split: Split
    babies: tuple[tuple[Edge, ...], ...]
    giants: tuple[tuple[Edge, ...], ...]

    @property
    def steps(self) -> frozenset[int]:
        """The rotations that need keys."""
        return frozenset(step for edges in (*self.babies, *self.giants) for _, _, step in edges)

    @property
    def hoisted(self) -> int:
        """Rotations that share a decomposition."""
        return sum(parent == 0 for edges in self.babies for _, parent, _ in edges)

    @property
    def whole(self) -> int:
        """Rotations that do not."""
        return sum(len(edges) for edges in (*self.babies, *self.giants)) - self.hoisted


@lru_cache(maxsize=256)
def native(body: LinearTransform, slots: int, steps: tuple[int, ...] | None = None) -> Native:
    """The cheapest way for a back end that hoists; `steps` are those with keys, None if every one may have one."""
    return min((_native(s, slots, steps) for s in _splits(pattern(body), slots, steps)), key=_native_cost)


def _native(s: Split, slots: int, steps: tuple[int, ...] | None) -> Native:
    babies, giants = ([tuple(tree(t, steps, slots)) for t in part] for part in (s.babies, s.giants))
    return Native(s, tuple(babies), tuple(giants))


def _native_cost(n: Native) -> float:
    return BABY * n.hoisted + GIANT * n.whole


def rotations(s: Split, slots: int, steps: Sequence[int] | None, *, giant: float = 1.0, baby: float = 1.0) -> float:
    """What the split's rotations cost."""
    allowed = None if steps is None else tuple(steps)
    babies = sum(_edges(b, allowed, slots) for b in s.babies)
    giants = sum(_edges(g, allowed, slots) for g in s.giants)
    return giant * giants + baby * babies


@lru_cache(maxsize=1 << 16)
def _edges(targets: frozenset[int], steps: tuple[int, ...] | None, slots: int) -> int:
    return len(targets - {0}) if steps is None else len(tree(targets, steps, slots))


def tree(targets: Iterable[int], steps: Sequence[int] | None, slots: int) -> list[Edge]:
    """Edges that reach every target from 0, parents first; without `steps` one edge each.

    Raises:
        MissingKey: a target cannot be reached.
    """
    wanted = np.asarray(sorted({t % slots for t in targets} - {0}, key=lambda t: min(t, slots - t)), np.int64)
    if steps is None:
        return [(t, 0, t) for t in wanted.tolist()]
    return _Tree(wanted, tuple(steps), slots).edges


class _Tree:
    """A tree that grows from 0, by all targets that are one step away, or else by a path to the nearest."""

    def __init__(self, wanted: Integers, steps: tuple[int, ...], slots: int) -> None:
        self.steps, self.slots = np.asarray(steps, np.int64), slots
        self.distance, self.last = _distances(steps, slots)
        self.edges: list[Edge] = []
        self.reached = np.zeros(slots, np.bool_)
        self.far = wanted
        self.gap = np.full(wanted.size, slots)
        self.root = np.zeros(wanted.size, np.int64)
        self._reach(np.zeros(1, np.int64))
        while self.far.size:
            self._walk()

    def _reach(self, nodes: Integers) -> None:
        """Take nodes in, and after them whatever is one step further, wave by wave."""
        while nodes.size:
            self.reached[nodes] = True
            self._keep(~self.reached[self.far])
            gaps = (self.far[:, None] - nodes[None, :]) % self.slots
            lengths = np.where(self.distance[gaps] < 0, self.slots, self.distance[gaps])
            nearest = lengths.argmin(axis=1)
            length = lengths[np.arange(self.far.size), nearest]
            closer = length < self.gap
            self.gap[closer], self.root[closer] = length[closer], nodes[nearest[closer]]
            nodes = self.far[self.gap == 1]
            roots = self.root[self.gap == 1]
            single = self.last[(nodes - roots) % self.slots]
            self.edges += zip(nodes.tolist(), roots.tolist(), single.tolist(), strict=True)

    def _keep(self, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        self.far, self.gap, self.root = self.far[kept], self.gap[kept], self.root[kept]

    def _walk(self) -> None:
        """A path to the target that is nearest."""
        nearest = int(self.gap.argmin())
        if self.gap[nearest] >= self.slots:
            raise MissingKey(f"no keys whose steps {self.steps.tolist()} add up to a rotation by {self.far[0]}")
        node, gap, path = int(self.root[nearest]), int(self.far[nearest] - self.root[nearest]) % self.slots, []
        while gap:
            path.append(int(self.last[gap]))
            gap = (gap - path[-1]) % self.slots
        fresh = []
        for step in path:
            parent, node = node, (node + step) % self.slots
            if not self.reached[node]:
                self.edges.append((node, parent, step))
                fresh.append(node)
        self._reach(np.asarray(fresh, np.int64))


def walk(step: int, steps: Sequence[int] | None, slots: int) -> list[int]:
    """Steps with keys that add up to `step`, as few as possible."""
    step %= slots
    if steps is None:
        return [step] if step else []
    distance, last = _distances(tuple(steps), slots)
    if distance[step] < 0:
        raise MissingKey(f"no key for a rotation by {step}, nor keys whose steps {list(steps)} add up to it")
    path = []
    while step:
        path.append(int(last[step]))
        step = (step - path[-1]) % slots
    return path


def choose_steps(
    bodies: Sequence[LinearTransform],
    single: Sequence[int],
    slots: int,
    *,
    limit: int,
    few: int = FEW_KEYS,
    worth: int = 3,
) -> tuple[int, ...] | None:
    """The few steps to make keys for: as many as pay, at most `limit`; None if a key for every step is no more.

    Args:
        bodies: the circuit's transforms.
        single: the steps of its other rotations, with repetition.
        slots: of the circuit.
        limit: number of keys that fit in memory.
        few: number of keys made without asking whether each one pays.
        worth: rotations a further key must save.
    """
    patterns = Counter(map(pattern, bodies))
    direct = {s % slots for s in single}.union(*(part for each in patterns for part in _direct(each, slots))) - {0}
    if len(direct) <= min(limit, few):
        return None
    unit = math.gcd(slots, *single, *(k for each in patterns for row in each for block in row for k in block))
    pool = _pool(patterns, single, slots, unit)
    chosen: tuple[int, ...] = (unit,)
    cost = _total(patterns, single, slots, chosen)
    while len(chosen) < limit:
        trials = [(_total(patterns, single, slots, (*chosen, r)), r) for r in pool if r not in chosen]
        best, step = min(trials, default=(cost, 0))
        if cost - best < worth:
            break
        chosen, cost = (*chosen, step), best
    return tuple(sorted(chosen, reverse=True))


def _direct(offsets: Pattern, slots: int) -> list[frozenset[int]]:
    _, s = _cheapest(offsets, slots, None, 1.0, 1.0)
    return [*s.babies, *s.giants]


def _splits(offsets: Pattern, slots: int, steps: Sequence[int] | None) -> list[Split]:
    powers = [1 << k for k in range(slots.bit_length())]
    if steps is not None:
        near = {min(r % slots, -r % slots) for r in steps}
        powers = [n for n in powers if n in near or n == slots] or [1, slots]
    splits = [_split(offsets, slots, n, 0) for n in powers]
    return splits + [_split(offsets, slots, n, -(n // 2)) for n in powers if n > 1]


def _pool(patterns: Counter[Pattern], single: Sequence[int], slots: int, unit: int) -> list[int]:
    offsets = [sorted({k for row in each for block in row for k in block}) for each in patterns.elements()]
    gaps = Counter(int(g) for o in offsets for g in np.diff(np.asarray([*o, o[0] + slots])) if 0 < g < slots)
    powers = [unit << k for k in range((slots // unit).bit_length() - 1)]
    common = [g for g, _ in gaps.most_common(6)] + [s for s, _ in Counter(single).most_common(6)]
    pool = dict.fromkeys([*powers, slots - unit, *(s % slots for s in common), *(-g % slots for g in common)])
    return [r for r in pool if r]


def _total(patterns: Counter[Pattern], single: Sequence[int], slots: int, steps: tuple[int, ...]) -> float:
    distance, _ = _distances(steps, slots)
    walked = sum(int(distance[s % slots]) for s in single)
    chosen = tuple(sorted(steps))
    return walked + sum(n * _cheapest(each, slots, chosen, 1.0, 1.0)[0] for each, n in patterns.items())


@lru_cache(maxsize=256)
def _distances(steps: tuple[int, ...], slots: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """For every rotation, how many of `steps` make it up (-1: they cannot) and the last of them."""
    distance, last = np.full(slots, -1), np.zeros(slots, np.int64)
    distance[0] = 0
    front = np.zeros(1, np.int64)
    while front.size:
        fresh = []
        for r in steps:
            near = (front + r) % slots
            new = near[distance[near] < 0]
            distance[new], last[new] = distance[front[0]] + 1, r
            fresh.append(new)
        front = np.concatenate(fresh)
    return distance, last
