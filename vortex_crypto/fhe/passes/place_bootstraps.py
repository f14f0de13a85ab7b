"""Put bootstraps into a circuit that is deeper than its chain.

A cut between two instructions bootstraps every ciphertext that is alive there and has lost levels since it was fresh.
Which cuts: dynamic programming over the order of the instructions. cost(t) is the least that can be spent on what
stands before t if all that is alive at t is fresh; the segment between two cuts costs its instructions at the levels
they would have, and the later cut's bootstraps. Ciphertexts that pass over a segment untouched stay fresh and cost
nothing, so the skip connection of a residual block is bootstrapped once. What the cuts leave that is not needed (a
ciphertext that still had the levels for all its uses) is taken out afterwards, one by one, while the depth allows it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vortex_crypto.errors import OutOfLevels
from vortex_crypto.fhe.circuit import MAX_LOG_BOUND, Bootstrap, Circuit, Op, Vector
from vortex_crypto.fhe.passes.expand import copied, copy_of, finished
from vortex_crypto.fhe.passes.lower import levels_taken

BIT_PRICE = 0.01
"""A bit of an operand's bound against a bootstrap: of cuts alike in all else, the most precise one."""


@dataclass(frozen=True)
class Weight:
    """What an instruction costs in seconds, on n = level + 1 limbs: sum of `linear` n + `quadratic` n^2.

    Entry d of each is for work that is done d levels below the operands.
    """

    linear: Vector
    quadratic: Vector


@dataclass(frozen=True)
class Terms:
    """Under which bootstraps are placed.

    Attributes:
        levels: of a fresh ciphertext.
        seconds: of a bootstrap.
        spare_bits: bounds up to 2^spare_bits cost nothing; larger ones take a product before, and so a level.
        bounds: the size of each wire's values.
        weights: of each instruction, in order.
    """

    levels: int
    seconds: float
    spare_bits: int
    bounds: Mapping[int, float]
    weights: Sequence[Weight]

    def log_bound(self, wire: int) -> int:
        """Bits of the least power of two that is no less than the wire's values."""
        return min(max(math.ceil(math.log2(max(self.bounds[wire], 2.0**-MAX_LOG_BOUND))), 0), MAX_LOG_BOUND)

    def extra(self, wire: int) -> int:
        """Levels that scaling the wire down takes before it is bootstrapped."""
        return int(self.log_bound(wire) > self.spare_bits)


@dataclass(frozen=True)
class Placement:
    """Where bootstraps go.

    Attributes:
        at: (number of an instruction, wire): before that instruction the wire is bootstrapped, for all that follows.
        seconds: what the cost model says a run takes.
    """

    at: tuple[tuple[int, int], ...]
    seconds: float


def place(circuit: Circuit, terms: Terms) -> Placement:
    """The placement with the least cost.

    Args:
        circuit: not yet lowered; bootstraps its author wrote (`affordable`) stay and are counted.

    Raises:
        OutOfLevels: one instruction alone takes more levels than there are; names it.
    """
    best = [math.inf] * (len(circuit.instructions) + 1)
    best[0] = 0.0
    before = [0] * len(best)
    for start in range(len(circuit.instructions)):
        if best[start] < math.inf:
            for end, cost in _segments(circuit, terms, start):
                if best[start] + cost < best[end]:
                    best[end], before[end] = best[start] + cost, start
    if best[-1] == math.inf:
        reached = max(n for n, cost in enumerate(best) if cost < math.inf)
        raise OutOfLevels(circuit.instructions[reached].origin, terms.levels + 1, terms.levels)
    cuts = [len(circuit.instructions)]
    while cuts[-1]:
        cuts.append(before[cuts[-1]])
    chosen = _cut_wires(circuit, cuts[::-1])
    kept = _without_idle(circuit, terms, chosen)
    return Placement(tuple(kept), best[-1] - (len(chosen) - len(kept)) * terms.seconds)


def _segments(circuit: Circuit, terms: Terms, start: int) -> list[tuple[int, float]]:
    """(end, cost) of every segment that begins at `start` and has the levels it needs."""
    last = _last_reads(circuit)
    depths: dict[int, int] = {}
    linear, quadratic = np.zeros(terms.levels + 1), np.zeros(terms.levels + 1)
    alive: dict[int, float] = {}
    found: list[tuple[int, float]] = []
    deepest, fixed = 0, 0.0
    for number in range(start, len(circuit.instructions)):
        i = circuit.instructions[number]
        begin = max((depths.get(w, 0) for w in i.args), default=0)
        after = 0 if i.op in (Op.INPUT, Op.BOOTSTRAP) else begin + levels_taken(i)
        deepest = max(deepest, after)
        if deepest > terms.levels:
            break
        weight = terms.weights[number]
        linear[begin : begin + len(weight.linear)] += weight.linear
        quadratic[begin : begin + len(weight.quadratic)] += weight.quadratic
        fixed += terms.seconds * (i.op is Op.BOOTSTRAP)
        for wire in i.outs:
            depths[wire] = after
            if after and last[wire] > number:
                alive[wire] = terms.seconds * (1 + BIT_PRICE * terms.log_bound(wire))
        for wire in i.args:
            if last[wire] <= number:
                alive.pop(wire, None)
        if any(depths[w] + terms.extra(w) > terms.levels for w in alive):
            continue  # too deep to be scaled down; later cuts may do without it
        end = number + 1
        bootstraps = sum(alive.values()) if end < len(circuit.instructions) else 0.0
        limbs = deepest + 1 - np.arange(deepest + 1)
        work = float(linear[: deepest + 1] @ limbs + quadratic[: deepest + 1] @ limbs**2)
        found.append((end, fixed + work + bootstraps))
    return found


def _last_reads(circuit: Circuit) -> dict[int, int]:
    """For each wire, the number of the last instruction that reads it; what is only an output is not bootstrapped."""
    last = dict.fromkeys(range(circuit.wires), -1)
    last.update((wire, number) for number, i in enumerate(circuit.instructions) for wire in i.args)
    return last


def _cut_wires(circuit: Circuit, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """What each cut bootstraps."""
    last = _last_reads(circuit)
    found: list[tuple[int, int]] = []
    for start, end in itertools.pairwise(cuts[:-1]):
        depths: dict[int, int] = {}
        for i in circuit.instructions[start:end]:
            begin = max((depths.get(w, 0) for w in i.args), default=0)
            after = 0 if i.op in (Op.INPUT, Op.BOOTSTRAP) else begin + levels_taken(i)
            depths.update(dict.fromkeys(i.outs, after))
        found += [(end, wire) for wire, lost in depths.items() if lost and last[wire] >= end]
    return found


def _without_idle(circuit: Circuit, terms: Terms, chosen: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept = list(chosen)
    taken = [0 if i.op in (Op.INPUT, Op.BOOTSTRAP) else levels_taken(i) for i in circuit.instructions]
    for each in reversed(chosen):
        fewer = [other for other in kept if other != each]
        if _deepest(circuit, terms, taken, fewer) <= terms.levels:
            kept = fewer
    return kept


def _deepest(circuit: Circuit, terms: Terms, taken: Sequence[int], at: Sequence[tuple[int, int]]) -> int:
    """`lower.depth` of the circuit with those bootstraps, without writing it.

    Args:
        taken: levels that each instruction takes.
    """
    due: dict[int, list[int]] = {}
    for number, wire in at:
        due.setdefault(number, []).append(wire)
    depths, waiting = [0] * circuit.wires, set[int]()
    deepest = 0
    for number, i in enumerate(circuit.instructions):
        waiting.update(due.get(number, ()))
        for wire in waiting.intersection(i.args) if waiting else ():
            deepest = max(deepest, depths[wire] + terms.extra(wire))
            depths[wire] = 0
            waiting.remove(wire)
        begin = max((depths[wire] for wire in i.args), default=0)
        after = 0 if i.op in (Op.INPUT, Op.BOOTSTRAP) else begin + taken[number]
        deepest = max(deepest, after)
        for wire in i.outs:
            depths[wire] = after
    return deepest


def affordable(circuit: Circuit, spare_bits: int) -> Circuit:
    """The circuit with its author's bootstraps made for bounds up to 2^spare_bits, and scaled beyond."""
    out = copy_of(circuit)
    wires: dict[int, int] = {}
    for i in circuit.instructions:
        args = tuple(wires[w] for w in i.args)
        with out.origin(i.origin):
            if isinstance(i.body, Bootstrap):
                results: Sequence[int] = (_bootstrapped(out, args[0], i.body.log_bound, spare_bits),)
            else:
                results = copied(out, i, args)
        wires.update(zip(i.outs, results, strict=True))
    return finished(out, circuit, wires)


def insert(circuit: Circuit, terms: Terms, at: Mapping[tuple[int, int], int]) -> Circuit:
    """The circuit with bootstraps written in, each where its result is first read.

    Args:
        at: log2 of the bound each bootstrap is made for, by its place (see `Placement.at`).
    """
    out = copy_of(circuit)
    wires: dict[int, int] = {}
    waiting: dict[int, int] = {}
    due: dict[int, list[tuple[int, int]]] = {}
    for (number, wire), log_bound in at.items():
        due.setdefault(number, []).append((wire, log_bound))

    def read(wire: int) -> int:
        if wire in waiting:
            wires[wire] = _bootstrapped(out, wires[wire], waiting.pop(wire), terms.spare_bits)
        return wires[wire]

    for number, i in enumerate(circuit.instructions):
        waiting.update(due.get(number, ()))
        with out.origin(i.origin):
            args = tuple(read(w) for w in i.args)
            results = copied(out, i, args)
        wires.update(zip(i.outs, results, strict=True))
    return finished(out, circuit, wires)


def _bootstrapped(out: Circuit, wire: int, log_bound: int, spare_bits: int) -> int:
    """A bootstrap; what its bound exceeds `spare_bits` by is taken off before, and put back by doubling."""
    excess = max(log_bound - spare_bits, 0)
    operand = out.mul_plain(wire, 2.0**-excess)
    result = out.region(Bootstrap(log_bound - excess), (operand,), outs=1)[0]
    for _ in range(excess):
        result = out.add(result, result)
    return result
