"""Matrices times encrypted vectors: diagonals, baby steps and giant steps, hoisted twice.

y_i = sum_j D_ij x_j = sum_g turn_g( sum_{j,b} turn_{-g}(diag_{ij,g+b}) * turn_b(x_j) ). Each operand is decomposed
once for all its baby steps, whose key switches stay in the extended basis; the sums over babies stay there too, and so
do the giant steps' results: one division by the special primes for each giant step and two for each result (Bossuat et
al., ia.cr/2020/1203, algorithm 6). With few keys, both kinds of step are walked along trees of the steps that have one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.ring.kernels import Residues
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext, Plaintext
from vortex_crypto.fhe.ckks.encoder import Encoder
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.rotations import Split, tree

Vector = NDArray[np.float64] | NDArray[np.complex128]
Blocks = Sequence[Sequence[Sequence[tuple[int, Vector]]]]
"""blocks[i][j] lists the diagonals (offset, entries) of D_ij: y[s] = sum of entries[s] * x[(s + offset) mod slots]."""

_WEIGHT_BYTES = 1 << 28
"""Encoded diagonals that are handed to one pass over the babies."""


class PlaintextStore:
    """Encoded plaintexts, kept while they fit; may be used from several threads.

    Args:
        room: bytes they may take; what does not fit is made anew each time.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self.full = False
        self._kept: dict[Hashable, Plaintext] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Plaintext]) -> Plaintext:
        """The plaintext of that key, made if it is not at hand."""
        plain = self._kept.get(key)
        if plain is not None:
            return plain
        made = make()  # outside of the lock: two threads may both make one, and one of the two is kept
        with self._lock:
            if key in self._kept:
                return self._kept[key]
            if made.residues.nbytes <= self._room:
                self._room -= made.residues.nbytes
                self._kept[key] = made
            else:
                self.full = True
        return made

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept."""
        with self._lock:
            return sum(plain.residues.nbytes for plain in self._kept.values())


@dataclass(frozen=True)
class _Entry:
    baby: int
    values: Vector


class Transform:
    """A matrix of diagonals made ready for one level and one pair of scales.

    Plaintexts are encoded at first use and kept while they fit the cache.

    Args:
        encoder: encodes the diagonals.
        blocks: the matrix; entries of a diagonal have a length that divides `slots`.
        split: how offsets are cut into giant and baby steps.
        slots: number of slots that offsets are counted in.
        level: level of the operands.
        ratio: scale of the result, awaiting its rescale, over the scale of the operands.
        steps: rotations that have keys; None if every step of the split has.
        store: keeps encoded diagonals; may be shared between transforms.
    """

    def __init__(
        self,
        encoder: Encoder,
        blocks: Blocks,
        split: Split,
        *,
        slots: int,
        level: int,
        ratio: Fraction,
        steps: Sequence[int] | None = None,
        store: PlaintextStore | None = None,
    ) -> None:
        self.encoder, self.slots, self.level, self.ratio = encoder, slots, level, ratio
        self.babies = [tree(babies, steps, slots) for babies in split.babies]
        self.giants = [tree(giants, steps, slots) for giants in split.giants]
        self._store = store or PlaintextStore(1 << 30)
        self._entries: list[list[dict[int, list[_Entry]]]] = []
        for row in blocks:
            cells: list[dict[int, list[_Entry]]] = []
            for block in row:
                cell: dict[int, list[_Entry]] = {}
                for offset, values in block:
                    giant, baby = split.parts(offset, slots)
                    cell.setdefault(giant, []).append(_Entry(baby, np.roll(values, giant % len(values))))
                cells.append(cell)
            self._entries.append(cells)

    @property
    def rotations(self) -> frozenset[int]:
        """Every step this transform needs a key for."""
        return frozenset(step for edges in (*self.babies, *self.giants) for _, _, step in edges)

    @property
    def encoded_bytes(self) -> int:
        """Bytes of all diagonals once they are encoded."""
        limbs = len(self.encoder.context.extended(self.level))
        entries = (e for row in self._entries for cell in row for group in cell.values() for e in group)
        return sum(8 * limbs * 2 * len(entry.values) for entry in entries)

    def prepare(self) -> None:
        """Encode the diagonals ahead of the first use, until the store is full."""
        for row, cells in enumerate(self._entries):
            for column, cell in enumerate(cells):
                for giant, entries in cell.items():
                    for entry in entries:
                        if self._store.full:
                            return
                        self._encoded(row, column, giant, entry)

    def apply(self, evaluator: Evaluator, xs: Sequence[Ciphertext]) -> list[Ciphertext]:
        """The products, one for each row, each awaiting its rescale.

        Raises:
            MissingKey: a rotation's key is missing or serves lower levels alone.
        """
        machine = _Machine(evaluator, self.level)
        sums: list[dict[int, Residues]] = [{} for _ in self._entries]
        for column, x in enumerate(xs):
            turned = machine.babies(x.at_level(self.level), self.babies[column])
            for row, known in enumerate(sums):
                for giant, part in self._partial_sums(machine, turned, row, column):
                    known[giant] = machine.add(known[giant], part) if giant in known else part
        scale = xs[0].scale * self.ratio
        return [machine.gather(parts, edges, scale) for parts, edges in zip(sums, self.giants, strict=True)]

    def _partial_sums(
        self, machine: _Machine, turned: dict[int, Residues], row: int, column: int
    ) -> Iterator[tuple[int, Residues]]:
        """One block's sums over babies by giant step; many at a time, as each pass reads all the babies."""
        babies = list(turned)
        terms = [turned[baby] for baby in babies]
        giants: list[int] = []
        weights: list[list[Residues | None]] = []
        room = _WEIGHT_BYTES
        for giant, entries in self._entries[row][column].items():
            found = {entry.baby: self._encoded(row, column, giant, entry) for entry in entries}
            giants.append(giant)
            weights.append([found.get(baby) for baby in babies])
            room -= sum(weight.nbytes for weight in found.values())
            if room <= 0:
                yield from zip(giants, machine.weighted(weights, terms), strict=True)
                giants, weights, room = [], [], _WEIGHT_BYTES
        if giants:
            yield from zip(giants, machine.weighted(weights, terms), strict=True)

    def _encoded(self, row: int, column: int, giant: int, entry: _Entry) -> Residues:
        context = self.encoder.context
        basis = context.extended(self.level)
        plain = self._store.get(
            (id(self), row, column, giant, entry.baby), lambda: self.encoder.encode(entry.values, self.ratio, basis)
        )
        return plain.residues


class _Machine:
    """Arithmetic of one transform in the extended basis of one level."""

    def __init__(self, evaluator: Evaluator, level: int) -> None:
        self.evaluator, self.level = evaluator, level
        self.context = evaluator.context
        self.ring = self.context.ring
        self.basis = self.context.extended(level)

    def add(self, a: Residues, b: Residues) -> Residues:
        return self.ring.add(a, b, self.basis)

    def weighted(self, weights: list[list[Residues | None]], terms: list[Residues]) -> Residues:
        return self.ring.weighted_sums(weights, terms, self.basis)

    def babies(self, x: Ciphertext, edges: Sequence[tuple[int, int, int]]) -> dict[int, Residues]:
        """The operand turned by every baby step, times the special primes, in the extended basis."""
        turned = {0: self.lifted(x)}
        hoisted = {0: self.evaluator.hoist(x)} if edges else {}
        for node, parent, step in edges:
            if parent not in hoisted:
                lowered = self.evaluator.mod_down_special(turned[parent], self.level)
                hoisted[parent] = self.evaluator.hoist(Ciphertext(lowered, x.scale))
            source = hoisted[parent]
            first = turned[parent][0]
            turned[node] = self.turn(first, source.lifted, step)
        return turned

    def turn(self, first: Residues, lifted: Residues, step: int) -> Residues:
        """A pair whose second part is decomposed, turned; `first` is its first part in the extended basis."""
        element = self.context.galois_element(step)
        key = self.evaluator.keys.for_galois(element, self.level)
        return self.evaluator.inner(lifted, key, self.level, element, addend=first[None])

    def lifted(self, x: Ciphertext) -> Residues:
        """x times the special primes: zero modulo those."""
        result = np.zeros((2, len(self.basis), self.ring.degree), dtype=np.uint64)
        low = self.context.basis(self.level)
        result[:, : len(low)] = self.ring.multiply_scalar(x.parts, self.context.special_product, low)
        return result

    def gather(self, sums: dict[int, Residues], edges: Sequence[tuple[int, int, int]], scale: Fraction) -> Ciphertext:
        """Carry the sums along the giant steps' tree to its root, and divide by the special primes."""
        if not sums:
            zero = np.zeros((2, self.level + 1, self.ring.degree), dtype=np.uint64)
            return Ciphertext(zero, scale)
        for node, parent, step in reversed(edges):
            part = sums.pop(node)
            second = self.evaluator.mod_down_special(part[1], self.level)
            lifted = self.ring.decompose(second, self.context.digits(self.level), self.context.special)
            turned = self.turn(part[0], lifted, step)
            sums[parent] = self.add(sums[parent], turned) if parent in sums else turned
        return Ciphertext(self.evaluator.mod_down_special(sums[0], self.level), scale)
