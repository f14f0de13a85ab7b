"""The matrices of bootstrapping cut into baby and giant steps: as fast as the memory given to them allows.

Every baby step of a factor is a key and a turned operand in memory, and costs one pass over that key; every giant step
costs a decomposition besides, and where giants are adjacent two keys serve them all. Keys are the larger the higher the
level, so the first factors are where memory goes, and few slots leave room for all babies one could want.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from vortex_crypto.fhe.circuit import shortest_period
from vortex_crypto.fhe.ckks.dft import Matrix
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.rotations import Split, tree

GIANT_COST = 4
"""What a giant step costs in baby steps: division by the special primes, decomposition, and the key (measured)."""
MAX_BABIES = 32


@dataclass(frozen=True)
class Cut:
    """One factor, cut.

    Attributes:
        level: of its operand.
        split: its offsets as babies and giants.
        steps: the rotations it has keys for.
        slots: that offsets are counted in.
        places: coefficients of its encoded diagonals, modulo one prime.
    """

    level: int
    split: Split
    steps: tuple[int, ...]
    slots: int
    places: int

    @cached_property
    def cost(self) -> int:
        """Its time, in baby steps."""
        giants = tree(self.split.giants[0], self.steps, self.slots)
        return len(self.split.babies[0] - {0}) + GIANT_COST * len(giants)


def cut(matrix: Matrix, level: int, babies: int) -> Cut:
    """A factor with that many babies, whose giant steps are walked where two of them reach all."""
    slots = len(next(iter(matrix.values())))
    stride = min((k & -k for k in matrix if k), default=slots)
    shape = Split(min(stride * babies, slots), 0, (), ())
    parts = [shape.parts(k, slots) for k in matrix]
    split = Split(shape.n1, 0, (frozenset(b for _, b in parts),), (frozenset(g for g, _ in parts),))
    places = sum(2 * len(shortest_period(values)) for values in matrix.values())
    return Cut(level, split, _steps(split, slots), slots, places)


def fastest(parameters: Parameters, matrices: Sequence[Matrix], levels: Sequence[int], room: int) -> tuple[int, ...]:
    """Babies of each factor: the fastest choice whose `key_bytes` and operands fit `room`, or else the smallest.

    Args:
        parameters: of the keys.
        matrices: the factors.
        levels: of each one's operand.
        room: bytes.
    """
    options = [_choices(parameters, m, level) for m, level in zip(matrices, levels, strict=True)]
    chosen = [0] * len(options)
    while better := max(_improvements(parameters, options, chosen, room), default=None):
        _, factor, chosen[factor] = better
    return tuple(1 << each[n][0] for each, n in zip(options, chosen, strict=True))


_Choices = Sequence[tuple[int, Cut]]
"""(log2 of the babies, the factor so cut), from the smallest to the fastest."""


def _choices(parameters: Parameters, matrix: Matrix, level: int) -> _Choices:
    """None of them is both larger and slower than another."""
    cuts = [(k, cut(matrix, level, 1 << k)) for k in range(MAX_BABIES.bit_length())]
    cuts.sort(key=lambda choice: (memory(parameters, [choice[1]]), choice[1].cost))
    return [c for n, c in enumerate(cuts) if all(c[1].cost < smaller.cost for _, smaller in cuts[:n])]


def _improvements(
    parameters: Parameters, options: Sequence[_Choices], chosen: Sequence[int], room: int
) -> Iterator[tuple[Fraction, int, int]]:
    """(time saved for each byte, factor, its better choice), for what fits."""
    cuts = [choices[n][1] for choices, n in zip(options, chosen, strict=True)]
    for factor, choices in enumerate(options):
        now = cuts[factor]
        for n in range(chosen[factor] + 1, len(choices)):
            better = choices[n][1]
            if memory(parameters, [*cuts[:factor], better, *cuts[factor + 1 :]]) <= room:
                more = memory(parameters, [better]) - memory(parameters, [now])
                yield Fraction(now.cost - better.cost, more), factor, n


def memory(parameters: Parameters, cuts: Sequence[Cut]) -> int:
    """Bytes of the factors' keys, of their encoded diagonals, and of what the largest of them has in flight."""
    needed: dict[int, int] = {}
    for each in cuts:
        for step in each.steps:
            needed[step] = max(needed.get(step, 0), each.level)
    keys = sum(key_bytes(parameters, level) for level in needed.values())
    encoded = sum(each.places * _row_bytes(parameters, each.level) // parameters.ring_degree for each in cuts)
    return keys + encoded + max(_flight_bytes(parameters, each) for each in cuts)


def key_bytes(parameters: Parameters, level: int) -> int:
    """Of one switching key in memory."""
    digits = -(-(level + 1) // parameters.digit_size)
    return 2 * digits * _row_bytes(parameters, level)


def _flight_bytes(parameters: Parameters, each: Cut) -> int:
    """The operand by every baby, its decomposition, and the sum of every giant."""
    digits = -(-(each.level + 1) // parameters.digit_size)
    pairs = len(each.split.babies[0]) + len(each.split.giants[0])
    return (2 * pairs + digits) * _row_bytes(parameters, each.level)


def _row_bytes(parameters: Parameters, level: int) -> int:
    """Of one polynomial modulo the primes of a level and the special ones."""
    return 8 * parameters.ring_degree * (level + 1 + len(parameters.p))


def _steps(split: Split, slots: int) -> tuple[int, ...]:
    """Every baby step; of the giant steps, where they are adjacent, one forwards and the farthest backwards."""
    giants = sorted((g + slots // 2) % slots - slots // 2 for g in split.giants[0])
    backwards, unit = -min(giants), split.n1
    if giants != list(range(-backwards, max(giants) + 1, unit)) or len(giants) <= 3:
        return (*sorted(split.babies[0] - {0}), *sorted(split.giants[0] - {0}))
    return (*sorted(split.babies[0] - {0}), unit, *((slots - backwards,) if backwards else ()))
