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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.ring.kernels import Residues, Turned
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext, Plaintext
from vortex_crypto.fhe.ckks.encoder import Encoder
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.rotations import Split, tree

Vector = NDArray[np.float64] | NDArray[np.complex128]
Blocks = Sequence[Sequence[Sequence[tuple[int, Vector]]]]
"""blocks[i][j] lists the diagonals (offset, entries) of D_ij: y[s] = sum of entries[s] * x[(s + offset) mod slots]."""

_WEIGHT_BYTES = 1 << 28
"""Diagonals encoded for one pass over the babies and not kept."""

Term = Residues | Turned
_Partial = tuple[int, int, Residues]


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

    def holds(self, key: Hashable) -> bool:
        """The plaintext of that key is at hand."""
        return key in self._kept

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
        return sum(self._bytes(e) for row in self._entries for cell in row for group in cell.values() for e in group)

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
            for row, giant, part in self._partial_sums(machine, turned, column):
                known = sums[row]
                known[giant] = machine.add(known[giant], part) if giant in known else part
        scale = xs[0].scale * self.ratio
        return [machine.gather(parts, edges, scale) for parts, edges in zip(sums, self.giants, strict=True)]

    def _partial_sums(self, machine: _Machine, turned: dict[int, Term], column: int) -> Iterator[_Partial]:
        """One operand's sums over babies, (row, giant step, sum), in as few passes over them as there is room for."""
        wanted = [(row, giant) for row, cells in enumerate(self._entries) for giant in cells[column]]
        groups = self._groups(wanted, column)
        babies = list(turned)
        terms = [turned[baby] for baby in babies]
        if len(groups) > 1:
            terms = [machine.pair(term) for term in terms]
        for group in groups:
            weights: list[list[Residues | None]] = []
            for row, giant in group:
                entries = self._entries[row][column][giant]
                found = {entry.baby: self._encoded(row, column, giant, entry) for entry in entries}
                weights.append([found.get(baby) for baby in babies])
            for (row, giant), part in zip(group, machine.weighted(weights, terms), strict=True):
                yield row, giant, part

    def _groups(self, wanted: Sequence[tuple[int, int]], column: int) -> list[list[tuple[int, int]]]:
        """The sums of each pass: diagonals that the store does not keep are encoded anew, so many at a time."""
        groups: list[list[tuple[int, int]]] = []
        room = 0
        for row, giant in wanted:
            entries = self._entries[row][column][giant]
            fresh = [entry for entry in entries if not self._store.holds(self._key(row, column, giant, entry))]
            if not groups or room <= 0:
                groups.append([])
                room = _WEIGHT_BYTES
            groups[-1].append((row, giant))
            room -= sum(self._bytes(entry) for entry in fresh)
        return groups

    def _bytes(self, entry: _Entry) -> int:
        return 16 * len(entry.values) * len(self.encoder.context.extended(self.level))

    def _key(self, row: int, column: int, giant: int, entry: _Entry) -> Hashable:
        return id(self), row, column, giant, entry.baby

    def _encoded(self, row: int, column: int, giant: int, entry: _Entry) -> Residues:
        context = self.encoder.context
        basis = context.extended(self.level)
        plain = self._store.get(
            self._key(row, column, giant, entry), lambda: self.encoder.encode(entry.values, self.ratio, basis)
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

    def weighted(self, weights: list[list[Residues | None]], terms: list[Term]) -> Residues:
        return self.ring.weighted_sums(weights, terms, self.basis)

    def babies(self, x: Ciphertext, edges: Sequence[tuple[int, int, int]]) -> dict[int, Term]:
        """The operand turned by every baby step, times the special primes, in the extended basis.

        Only those from which the tree goes on are computed here; the others are when they are added up.
        """
        turned: dict[int, Term] = {0: self.lifted(x)}
        hoisted = {0: self.evaluator.hoist(x)} if edges else {}
        for node, parent, step in edges:
            pair = turned[parent] = self.pair(turned[parent])
            if parent not in hoisted:
                lowered = self.evaluator.mod_down_special(pair, self.level)
                hoisted[parent] = self.evaluator.hoist(Ciphertext(lowered, x.scale))
            turned[node] = self.turned(pair[0], hoisted[parent].lifted, step)
        return turned

    def turned(self, first: Residues, lifted: Residues, step: int) -> Turned:
        """A pair whose second part is decomposed, turned; `first` is its first part in the extended basis."""
        element = self.context.galois_element(step)
        key = self.evaluator.keys.for_galois(element, self.level)
        return Turned(lifted, key.rows, self.context.extended(key.level), element, first[None])

    def pair(self, term: Term) -> Residues:
        """A term's residues."""
        if not isinstance(term, Turned):
            return term
        options: dict[str, Any] = {"galois_element": term.galois_element, "addend": term.addend}
        return self.ring.key_switch_inner(term.lifted, term.key, self.basis, term.key_basis, **options)

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
            turned = self.pair(self.turned(part[0], lifted, step))
            sums[parent] = self.add(sums[parent], turned) if parent in sums else turned
        return Ciphertext(self.evaluator.mod_down_special(sums[0], self.level), scale)
