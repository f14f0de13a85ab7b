"""The R1CS builder: the waist through which every statement reaches a proof system.

Opcodes (closed set): public and private inputs, mul, assert_mul, assert_equal, hint, range, lookup, commit, challenge,
expose. All take and make whole arrays (`Linear`), so a million constraints are a few NumPy calls. Linear algebra with
constants costs nothing. Range checks and lookups are collected and discharged together by `finish`, which picks the
cheaper of bits and LogUp by counting.

    c = Circuit("square")
    x = c.private("x", (4,))
    c.expose("y", c.mul(x, x))
    program = c.finish()
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from vortex_crypto.errors import InvalidInput, ShapeMismatch
from vortex_crypto.zk.discharge import RangeRequest, Table, discharge
from vortex_crypto.zk.linear import Array, Linear, Operand, broadcast, concatenate, linear, of_wires
from vortex_crypto.zk.plan import Chain, Draw, Evaluate, Expect, Hint, Product, Program, Signal, Step, scratch_wires
from vortex_crypto.zk.r1cs import Commitment, Origins, R1cs, SparseMatrix
from vortex_crypto.zk.schedule import chained, shared

AUXILIARY = "auxiliary"
"""The commitment, fresh in every proof, to whatever must be fixed before the challenges are drawn."""

_ONE, _PUBLIC, _CHALLENGE, _COMMITTED, _PRIVATE = 0, 1, 2, 3, 127


class Circuit:
    """Builds one statement; `finish` freezes it."""

    def __init__(self, name: str = "circuit") -> None:
        self.name = name
        self._kinds: list[Array] = []
        self._wires = 0
        self._rows = 0
        self._blocks: tuple[list[Linear], list[Linear], list[Linear]] = ([], [], [])
        self._origin: list[str] = []
        self._runs: list[tuple[str, int]] = []
        self._steps: list[Step] = []
        self._signals: list[Signal] = []
        self._ranges: list[RangeRequest] = []
        self._lookups: list[tuple[Table, tuple[Linear, ...]]] = []
        self._later: list[tuple[str, Callable[[], None]]] = []
        self._commitments: dict[str, tuple[bool, list[Array]]] = {}
        self._challenges: list[Linear] = []
        self._drawn = False
        self.one = self._allocate((), _ONE)

    @contextmanager
    def origin(self, name: str) -> Iterator[None]:
        """Constraints made inside carry this name, after those of the blocks around it."""
        self._origin.append(name)
        try:
            yield
        finally:
            self._origin.pop()

    # Wires

    def public(self, name: str, shape: tuple[int, ...] = ()) -> Linear:
        """Inputs that the verifier knows."""
        return self._input(name, shape, _PUBLIC)

    def private(self, name: str, shape: tuple[int, ...] = (), *, commitment: str | None = None) -> Linear:
        """Inputs that only the prover knows; with `commitment`, held by the persistent commitment of that name."""
        wires = self._input(name, shape, _PRIVATE)
        if commitment is not None:
            self._commit(wires.wires, commitment, persistent=True)
        return wires

    def hint(
        self, name: str, inputs: Sequence[Linear], *shapes: tuple[int, ...], **parameters: Any
    ) -> tuple[Linear, ...]:
        """New wires from a registered hint, one array a shape. Nothing binds them: the caller must constrain them."""
        outputs = tuple(self._allocate(shape, _PRIVATE) for shape in shapes)
        flat = tuple(x.flat for x in inputs)
        self._steps.append(Hint(name, self._name, parameters, flat, tuple(x.wires for x in outputs)))
        return outputs

    def expose(self, name: str, values: Operand) -> Linear:
        """Public outputs equal to `values`; one constraint each. None may hang on a challenge, which binds them all."""
        self._before_challenge("an output")
        x = linear(values)
        wires = self._product(x, self.one.broadcast_to(x.shape), _PUBLIC)
        self._signals.append(Signal(name, x.shape, wires.wires, public=True, given=False))
        return wires

    # Constraints

    def mul(self, left: Operand, right: Operand) -> Linear:
        """Element-wise products, one constraint each; free where one side is constant."""
        a, b = broadcast(linear(left), linear(right))
        for constant, other in ((a, b), (b, a)):
            if not constant.wires.any() and constant.coefficients.ndim == 1:
                return other * _constants(constant).reshape(constant.shape)
        return self._product(a, b, _PRIVATE)

    def assert_mul(self, left: Operand, right: Operand, product: Operand) -> None:
        """left * right = product, element-wise."""
        self._constrain(*broadcast(linear(left), linear(right), linear(product)))

    def assert_equal(self, left: Operand, right: Operand) -> None:
        """left = right, element-wise; one constraint each."""
        difference = linear(left) - linear(right)
        self._constrain(difference, self.one.broadcast_to(difference.shape), linear(np.zeros(difference.shape, int)))

    def wire(self, values: Linear) -> Linear:
        """The same values as single wires: worth one constraint each where many-term combinations are used often."""
        return values if values.is_wires else self._product(values, self.one.broadcast_to(values.shape), _PRIVATE)

    def range(self, values: Operand, bits: int) -> None:
        """Each value is an integer of [0, 2^bits)."""
        if not 0 < bits <= 252:
            raise InvalidInput(f"{self._name or self.name}: a range of {bits} bits; between 1 and 252 can be checked")
        self._before_challenge("a range check")
        x = linear(values).flat
        self._ranges.append(RangeRequest(self._name, x, bits))
        self._steps.append(Expect(self._name, x, bits))

    def lookup(self, table: Table, *columns: Operand) -> None:
        """Each row of `columns` (arrays of one shape) is a row of the table."""
        if len(columns) != len(table.columns):
            raise ShapeMismatch(f"table {table.name!r} has {len(table.columns)} columns, and {len(columns)} are given")
        self._before_challenge("a lookup")
        self._lookups.append((table, tuple(x.flat for x in broadcast(*map(linear, columns)))))

    # Commitments and challenges

    def commit(self, values: Linear) -> None:
        """The wires of `values` are fixed before the challenges are drawn.

        Public wires are bound by the transcript, and wires of a persistent commitment by that; the others join the
        auxiliary commitment.
        """
        self._before_challenge("a commitment")
        self._commit(np.unique(values.wires), AUXILIARY, persistent=False)

    def later(self, build: Callable[[], None]) -> None:
        """Call `build` when the circuit is finished; in it, and only in it, `challenge` may be used."""
        self._later.append((self._name, build))

    def challenge(self, index: int = 0) -> Linear:
        """The index-th challenge, a scalar array: unpredictable before every committed and public wire is fixed."""
        if not self._drawn:
            raise InvalidInput("a challenge exists only inside of a function given to Circuit.later")
        while len(self._challenges) <= index:
            self._challenges.append(self._allocate((), _CHALLENGE))
        return self._challenges[index]

    def finish(self) -> Program:
        """Discharge ranges and lookups, build what needs challenges, number the wires, and freeze."""
        discharge(self, self._ranges, self._lookups, committed=bool(self._later))
        if self._later:
            self._drawn = True
            self._steps.append(Draw())
            for name, build in self._later:
                with self._within(name):
                    build()
        return self._freeze()

    # Inside

    @property
    def _name(self) -> str:
        return "/".join(self._origin)

    @contextmanager
    def _within(self, name: str) -> Iterator[None]:
        before, self._origin = self._origin, [name] if name else []
        try:
            yield
        finally:
            self._origin = before

    def _before_challenge(self, what: str) -> None:
        if self._drawn:
            raise InvalidInput(f"{self._name}: {what} must be asked for before the challenges are drawn")

    def _allocate(self, shape: tuple[int, ...], kind: int) -> Linear:
        count = math.prod(shape)
        wires = np.arange(self._wires, self._wires + count)
        self._kinds.append(np.full(count, kind, dtype=np.int8))
        self._wires += count
        return of_wires(wires, shape)

    def _input(self, name: str, shape: tuple[int, ...], kind: int) -> Linear:
        if any(signal.name == name for signal in self._signals):
            raise InvalidInput(f"two inputs or outputs are named {name!r}")
        self._before_challenge("an input")
        x = self._allocate(shape, kind)
        self._signals.append(Signal(name, shape, x.wires, public=kind == _PUBLIC, given=True))
        return x

    def _product(self, a: Linear, b: Linear, kind: int) -> Linear:
        out = self._allocate(a.shape, kind)
        start = self._rows
        self._constrain(a, b, out)
        self._steps.append(Product(start, self._rows, out.wires))
        return out

    def _constrain(self, a: Linear, b: Linear, c: Linear) -> None:
        if not self._runs or self._runs[-1][0] != self._name:
            self._runs.append((self._name, self._rows))
        for block, x in zip(self._blocks, (a, b, c), strict=True):
            block.append(x)
        self._rows += a.size

    def _commit(self, wires: Array, name: str, *, persistent: bool) -> None:
        known, parts = self._commitments.setdefault(name, (persistent, []))
        if known != persistent:
            raise InvalidInput(f"the commitment {name!r} cannot be both persistent and fresh")
        parts.append(wires)

    def _place_commitments(self) -> tuple[Array, list[tuple[str, bool]]]:
        """The kind of each wire, commitments given their masks and their places; persistent ones come first."""
        if self._challenges and AUXILIARY not in self._commitments:
            self._commit(np.zeros(0, dtype=np.int64), AUXILIARY, persistent=False)
        if not self._challenges:
            self._commitments.pop(AUXILIARY, None)
        ordered = sorted(self._commitments.items(), key=lambda item: not item[1][0])
        for name, (_, parts) in ordered:
            with self._within(f"commitment {name}"):
                mask = self._allocate((1,), _PRIVATE)
                self._constrain(mask, self.one.broadcast_to((1,)), mask)
            parts.append(mask.wires)
        kinds = np.concatenate(self._kinds)
        for place, (_, (_, parts)) in enumerate(ordered):
            wires = np.concatenate(parts)
            kinds[wires[kinds[wires] == _PRIVATE]] = _COMMITTED + place
        return kinds, [(name, persistent) for name, (persistent, _) in ordered]

    def _freeze(self) -> Program:
        kinds, named = self._place_commitments()
        order = np.argsort(kinds, kind="stable")
        number = np.empty_like(order)
        number[order] = np.arange(len(order))
        a, b, c = (_matrix(block, number) for block in self._blocks)
        counts = np.bincount(kinds, minlength=_PRIVATE + 1)
        commitments = tuple(Commitment(n, int(counts[_COMMITTED + k]), p) for k, (n, p) in enumerate(named))
        origins = Origins(tuple(n for n, _ in self._runs), np.array([s for _, s in self._runs], dtype=np.int64))
        sizes = (self._wires, int(counts[_PUBLIC]), int(counts[_CHALLENGE]))
        signals = tuple(Signal(s.name, s.shape, number[s.wires], s.public, s.given) for s in self._signals)
        steps = shared(chained(self._steps, self._wires), self._wires)
        number = np.append(number, np.arange(self._wires, self._wires + scratch_wires(steps)))
        frozen = tuple(_renumber(step, number) for step in steps)
        return Program(self.name, R1cs(a, b, c, *sizes, commitments, origins), frozen, signals)


def _constants(x: Linear) -> Array:
    values = np.zeros(x.size, dtype=np.int64)
    values[np.repeat(np.arange(x.size), x.terms)] = x.coefficients
    return values


def _matrix(block: list[Linear], number: Array) -> SparseMatrix:
    whole = concatenate(block)
    block.clear()
    return Linear(whole.shape, whole.indptr, number[whole.wires], whole.coefficients).matrix()


def _renumber(step: Step, number: Array) -> Step:
    def moved(x: Linear) -> Linear:
        return Linear(x.shape, x.indptr, number[x.wires], x.coefficients)

    if isinstance(step, Product | Chain):
        return replace(step, wires=number[step.wires])
    if isinstance(step, Evaluate):
        return Evaluate(moved(step.values), number[step.wires])
    if isinstance(step, Hint):
        inputs, outputs = tuple(map(moved, step.inputs)), tuple(number[wires] for wires in step.outputs)
        return Hint(step.name, step.origin, step.parameters, inputs, outputs)
    if isinstance(step, Expect):
        return Expect(step.origin, moved(step.values), step.bits)
    return step
