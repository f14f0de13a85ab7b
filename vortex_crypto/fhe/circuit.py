"""The CKKS waist: circuits over slot vectors, written once and read many times.

A wire is a vector of `slots` complex numbers, encrypted when the circuit runs. The set of opcodes is closed. Three of
them are regions, which hold what they compute (`LinearTransform`, `Chebyshev`, `Bootstrap`) rather than how; a back end
with the unit runs a region natively, `passes.expand` writes the bodies of the first two out in plain opcodes for the
others. A bootstrap's body is the identity, but only a back end that can bootstrap gives the levels back with it.

Circuits are written by the builder methods without a thought for levels; `passes.place_bootstraps` adds bootstraps
where a circuit is too deep, `passes.lower` inserts `RELINEARIZE`, `RESCALE` and the levels. In a lowered circuit
`INPUT`, `BOOTSTRAP` and `MUL_PLAIN` name a level: the first two that of their result, a `MUL_PLAIN` the one it runs at.
It takes an operand of that level or any higher one (moduli are dropped, which costs nothing) and its plaintext is
encoded at the scale that makes the product exact, so `mul_plain(x, 1.0)` followed by `RESCALE` is how a level is
dropped.
"""

from __future__ import annotations

import cmath
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vortex_crypto.errors import InvalidGraph, InvalidInput
from vortex_crypto.fhe.packing import Diagonals

Vector = np.ndarray[Any, np.dtype[Any]]
MAX_LOG_SLOTS = 17
MAX_LOG_BOUND = 40
"""No bootstrap is of larger values: nothing would be left of 2^-40 of them."""


class Op(IntEnum):
    """The closed set; the numbers are part of the file format."""

    INPUT = 0
    ADD = 1
    SUB = 2
    NEGATE = 3
    MUL = 4
    ADD_PLAIN = 5
    MUL_PLAIN = 6
    ROTATE = 7
    CONJUGATE = 8
    RELINEARIZE = 9
    RESCALE = 10
    LINEAR_TRANSFORM = 11
    POLYNOMIAL = 12
    BOOTSTRAP = 13


ARITY = {
    Op.INPUT: 0,
    Op.ADD: 2,
    Op.SUB: 2,
    Op.NEGATE: 1,
    Op.MUL: 2,
    Op.ADD_PLAIN: 1,
    Op.MUL_PLAIN: 1,
    Op.ROTATE: 1,
    Op.CONJUGATE: 1,
    Op.RELINEARIZE: 1,
    Op.RESCALE: 1,
    Op.POLYNOMIAL: 1,
    Op.BOOTSTRAP: 1,
}
"""Operands of each opcode; a linear transform has as many as its body has columns."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A plaintext vector: a place in `Circuit.constants`."""

    index: int


Plain = float | complex | Constant
"""A plaintext operand: the same number in every slot, or a vector."""


@dataclass(frozen=True, slots=True)
class LinearTransform:
    """y_i = sum_j D_ij x_j; `blocks[i][j]` lists D_ij's non-zero diagonals as (offset, entries)."""

    blocks: tuple[tuple[tuple[tuple[int, Plain], ...], ...], ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.blocks))

    def __hash__(self) -> int:
        return self._hash  # kept, as thousands of diagonals would be walked at every look into a cache


@dataclass(frozen=True, slots=True)
class Chebyshev:
    """y = sum_k coefficients[k] T_k(x), for x in [-1, 1]."""

    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """y = x at a fresh level, for |x| <= 2^log_bound.

    What is bootstrapped is x / 2^log_bound, so the bound takes as many bits of precision.
    """

    log_bound: int = 0


Body = LinearTransform | Chebyshev | Bootstrap
REGIONS = {LinearTransform: Op.LINEAR_TRANSFORM, Chebyshev: Op.POLYNOMIAL, Bootstrap: Op.BOOTSTRAP}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step.

    Attributes:
        op: the opcode.
        args: wires read.
        outs: wires written; one, but for a linear transform.
        origin: the ONNX node (or whatever the author named) it comes from.
        step: slots a ROTATE turns left by: y[i] = x[(i + step) mod slots].
        plain: the plaintext operand of ADD_PLAIN and MUL_PLAIN.
        level: in a lowered circuit, the level MUL_PLAIN runs at, and that of what INPUT and BOOTSTRAP give.
        body: what a region computes.
        name: of an INPUT.
    """

    op: Op
    args: tuple[int, ...]
    outs: tuple[int, ...]
    origin: str = ""
    step: int = 0
    plain: Plain | None = None
    level: int | None = None
    body: Body | None = None
    name: str = ""


class Circuit:
    """Builder and data; once frozen, no more instructions are taken.

    `steps` are the rotations that native linear transforms may use; None stands for all.
    """

    def __init__(self, slots: int) -> None:
        if slots < 1 or slots & (slots - 1) or slots > 1 << MAX_LOG_SLOTS:
            raise InvalidInput(f"a circuit needs a power of two of slots up to 2^{MAX_LOG_SLOTS}, not {slots}")
        self.slots = slots
        self.instructions: list[Instruction] = []
        self.constants: list[Vector] = []
        self.outputs: list[tuple[str, int]] = []
        self.bounds: dict[str, float] = {}
        self.promises: dict[int, float] = {}
        self.steps: tuple[int, ...] | None = None
        self.wires = 0
        self._origin = ""
        self._frozen = False
        self._known: dict[bytes, Constant] = {}

    # Building

    @contextmanager
    def origin(self, name: str) -> Iterator[None]:
        """Instructions written inside carry this origin."""
        before, self._origin = self._origin, name
        try:
            yield
        finally:
            self._origin = before

    def input(self, name: str, *, bound: float = 1.0) -> int:
        """A vector the client encrypts, whose entries are at most `bound` in size."""
        if name in self.bounds:
            raise InvalidGraph(f"the circuit has two inputs named {name!r}")
        self.bounds[name] = float(bound)
        return self.append(Op.INPUT, (), name=name)

    def output(self, name: str, wire: int) -> None:
        """Give a wire to the client under a name."""
        if any(name == known for known, _ in self.outputs):
            raise InvalidGraph(f"the circuit has two outputs named {name!r}")
        self._check(wire)
        self.outputs.append((name, wire))

    def add(self, a: int, b: int) -> int:
        return self.append(Op.ADD, (a, b))

    def sub(self, a: int, b: int) -> int:
        return self.append(Op.SUB, (a, b))

    def negate(self, a: int) -> int:
        return self.append(Op.NEGATE, (a,))

    def mul(self, a: int, b: int) -> int:
        return self.append(Op.MUL, (a, b))

    def add_plain(self, a: int, value: float | complex | ArrayLike | Constant) -> int:
        plain = self.plain(value)
        return a if plain == 0 else self.append(Op.ADD_PLAIN, (a,), plain=plain)

    def mul_plain(self, a: int, value: float | complex | ArrayLike | Constant) -> int:
        plain = self.plain(value)
        return a if plain == 1 else self.append(Op.MUL_PLAIN, (a,), plain=plain)

    def rotate(self, a: int, step: int) -> int:
        """y[i] = x[(i + step) mod slots]."""
        step %= self.slots
        return self.append(Op.ROTATE, (a,), step=step) if step else a

    def conjugate(self, a: int) -> int:
        return self.append(Op.CONJUGATE, (a,))

    def linear_transform(self, xs: Sequence[int], blocks: Sequence[Sequence[Diagonals | None]]) -> list[int]:
        """y_i = sum_j D_ij x_j, one level; a transform made of rotations alone costs none.

        Raises:
            InvalidInput: the blocks are no len(ys) x len(xs) array of diagonals over this circuit's slots.
        """
        body = LinearTransform(tuple(tuple(self._diagonals(block) for block in row) for row in blocks))
        if not xs or any(len(row) != len(xs) for row in body.blocks):
            raise InvalidInput(f"a linear transform of {len(xs)} ciphertexts needs {len(xs)} blocks in every row")
        if _is_sum_of_rotations(body):
            return [self._sum_of_rotations(xs, row) for row in body.blocks]
        return self.region(body, tuple(xs), outs=len(body.blocks))

    def polynomial(self, x: int, coefficients: Sequence[float]) -> int:
        """sum_k coefficients[k] T_k(x) for x in [-1, 1], in ceil(log2(degree + 1)) levels (a constant costs one)."""
        values = [float(c) for c in coefficients]
        while len(values) > 1 and values[-1] == 0.0:
            values.pop()
        if not values or not all(math.isfinite(c) for c in values):
            raise InvalidInput("a polynomial needs finite coefficients, and at least one")
        self.promise(x, 1.0)
        if values == [0.0, 1.0]:
            return x
        return self.region(Chebyshev(tuple(values)), (x,), outs=1)[0]

    def bootstrap(self, x: int, *, bound: float = 1.0) -> int:
        """x, with the levels of a fresh ciphertext; its values are at most `bound` in size.

        The planner adds bootstraps where a circuit is too deep without; this is for who knows better where.

        Raises:
            InvalidInput: the bound is not positive, or too large for anything to be left of smaller values.
        """
        if not 0 < bound <= 2.0**MAX_LOG_BOUND:
            raise InvalidInput(
                f"a bootstrap of values up to {bound}; bounds are positive and at most 2^{MAX_LOG_BOUND}"
            )
        self.promise(x, bound)
        return self.region(Bootstrap(max(math.ceil(math.log2(bound)), 0)), (x,), outs=1)[0]

    # The lower half of the builder, for passes and strategies

    def append(self, op: Op, args: tuple[int, ...], **fields: Any) -> int:
        """Write an instruction with one result."""
        return self._write(op, args, 1, fields)[0]

    def region(self, body: Body, args: tuple[int, ...], *, outs: int, level: int | None = None) -> list[int]:
        """Write a region whose constants are this circuit's."""
        return list(self._write(REGIONS[type(body)], args, outs, {"body": body, "level": level}))

    def promise(self, wire: int, bound: float) -> None:
        """Note that a wire's values are at most `bound` in size whenever the circuit is used as its author meant."""
        self._check(wire)
        self.promises[wire] = min(float(bound), self.promises.get(wire, math.inf))

    def plain(self, value: float | complex | ArrayLike | Constant) -> Plain:
        """Keep a plaintext operand: a number if all slots are equal, else a vector stored once and at its period.

        Raises:
            InvalidInput: the length does not divide the number of slots, or an entry is not finite.
        """
        if isinstance(value, Constant):
            return value
        vector = np.atleast_1d(np.asarray(value))
        vector = vector.astype(np.complex128 if np.iscomplexobj(vector) else np.float64)
        if vector.ndim != 1 or not vector.size or self.slots % vector.size:
            raise InvalidInput(f"a plaintext of shape {vector.shape} does not fit {self.slots} slots")
        if not np.isfinite(vector).all():
            raise InvalidInput(f"a plaintext of {self._origin or 'the circuit'} has entries that are not finite")
        if np.iscomplexobj(vector) and not vector.imag.any():
            vector = vector.real
        vector = shortest_period(vector)
        return vector[0].item() if vector.size == 1 else self._keep(np.ascontiguousarray(vector))

    def vector(self, plain: Plain) -> Vector:
        """A plaintext operand at full length [slots], float64 or complex128."""
        value = self.constants[plain.index] if isinstance(plain, Constant) else np.asarray([plain])
        return value if value.size == self.slots else np.tile(value, self.slots // value.size)

    def periodic(self, plain: Plain) -> Vector:
        """A plaintext operand at its stored length, which divides `slots`."""
        return self.constants[plain.index] if isinstance(plain, Constant) else np.asarray([plain])

    # Reading

    @property
    def inputs(self) -> tuple[tuple[str, int], ...]:
        """Names and wires of the inputs, in the order they were declared."""
        return tuple((i.name, i.outs[0]) for i in self.instructions if i.op is Op.INPUT)

    def freeze(self) -> Circuit:
        """Verify, take no more instructions, and return itself."""
        self.verify()
        self._frozen = True
        for constant in self.constants:
            constant.flags.writeable = False
        return self

    def verify(self) -> None:
        """Hold every instruction against the grammar.

        Raises:
            InvalidGraph: which instruction breaks which rule.
        """
        known: set[int] = set()
        for number, instruction in enumerate(self.instructions):
            fault = self._fault(instruction, known)
            if fault:
                where = f"instruction {number} ({instruction.op.name} of {instruction.origin or 'the circuit'})"
                raise InvalidGraph(f"{where}: {fault}")
            known.update(instruction.outs)
        if not self.outputs:
            raise InvalidGraph("the circuit has no outputs")
        for name, wire in self.outputs:
            if wire not in known:
                raise InvalidGraph(f"output {name!r} is wire {wire}, which nothing writes")
        if not all(0 < step < self.slots for step in self.steps or ()):
            raise InvalidGraph(f"the circuit may rotate by {self.steps}, of {self.slots} slots")
        for wire, bound in self.promises.items():
            if wire not in known or not 0 <= bound < math.inf:
                raise InvalidGraph(f"wire {wire} is promised to be within {bound}")

    def is_complex(self) -> bool:
        """Whether it can give complex results from real inputs."""
        return any(np.iscomplexobj(self.periodic(p)) for i in self.instructions for p in _plains(i))

    def use_counts(self) -> dict[int, int]:
        """How often each wire is read; being an output counts."""
        counts = dict.fromkeys(range(self.wires), 0)
        for wire in (*(w for i in self.instructions for w in i.args), *(w for _, w in self.outputs)):
            counts[wire] += 1
        return counts

    def last_uses(self) -> dict[int, int]:
        """For each wire, the number of the last instruction that reads it; outputs are kept to the end."""
        last = {wire: number for number, i in enumerate(self.instructions) for wire in (*i.outs, *i.args)}
        last.update({wire: len(self.instructions) for _, wire in self.outputs})
        return last

    def content_hash(self) -> str:
        """SHA-256 (hex) of everything that bears on the result."""
        digest = hashlib.sha256()
        for line in self.lines():
            digest.update(line.encode() + b"\n")
        for constant in self.constants:
            digest.update(constant.dtype.str.encode() + constant.tobytes())
        return digest.hexdigest()

    def lines(self) -> Iterator[str]:
        """The text form, a line an instruction."""
        yield f"circuit of {self.slots} slots"
        for i in self.instructions:
            yield _line(i, self.bounds)
        if self.steps is not None:
            yield f"rotations by {list(self.steps)}"
        for wire, bound in sorted(self.promises.items()):
            yield f"promise %{wire} within {bound!r}"
        for name, wire in self.outputs:
            yield f"output {name!r} = %{wire}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _write(self, op: Op, args: tuple[int, ...], outs: int, fields: Mapping[str, Any]) -> tuple[int, ...]:
        if self._frozen:
            raise InvalidGraph("this circuit is frozen; build a new one")
        for wire in args:
            self._check(wire)
        wires = tuple(range(self.wires, self.wires + outs))
        self.wires += outs
        given = {"origin": self._origin, **fields}
        self.instructions.append(Instruction(op, args, wires, **given))
        return wires

    def _check(self, wire: int) -> None:
        if not 0 <= wire < self.wires:
            raise InvalidGraph(f"{self._origin or 'the circuit'} reads wire {wire}, which nothing has written yet")

    def _keep(self, vector: Vector) -> Constant:
        key = hashlib.sha256(vector.dtype.str.encode() + vector.tobytes()).digest()
        if key not in self._known:
            self._known[key] = Constant(len(self.constants))
            self.constants.append(vector)
        return self._known[key]

    def _diagonals(self, block: Diagonals | None) -> tuple[tuple[int, Plain], ...]:
        if block is None:
            return ()
        if block.slots != self.slots:
            raise InvalidInput(f"diagonals over {block.slots} slots do not fit a circuit of {self.slots}")
        entries = ((k, self.plain(vector)) for k, vector in sorted(block.vectors.items()))
        return tuple((k, plain) for k, plain in entries if plain != 0)

    def _sum_of_rotations(self, xs: Sequence[int], row: tuple[tuple[tuple[int, Plain], ...], ...]) -> int:
        terms = [(self.rotate(x, k), sign) for x, block in zip(xs, row, strict=True) for k, sign in block]
        terms.sort(key=lambda term: term[1] != 1.0)
        total, sign = terms[0]
        total = total if sign == 1.0 else self.negate(total)
        for wire, sign in terms[1:]:
            total = self.add(total, wire) if sign == 1.0 else self.sub(total, wire)
        return total

    def _fault(self, i: Instruction, known: set[int]) -> str:
        columns = len(i.body.blocks[0]) if isinstance(i.body, LinearTransform) and i.body.blocks else 0
        if len(i.args) != ARITY.get(i.op, columns):
            return f"it has {len(i.args)} operands"
        for wire in i.args:
            if wire not in known:
                return f"it reads wire {wire}, which nothing has written yet"
        if known.intersection(i.outs) or len(set(i.outs)) != len(i.outs) or not i.outs:
            return f"it writes wires {list(i.outs)}"
        if any(not 0 <= wire < self.wires for wire in i.outs):
            return f"it writes wires {list(i.outs)} of {self.wires}"
        return self._field_fault(i)

    def _field_fault(self, i: Instruction) -> str:
        if (i.plain is not None) != (i.op in (Op.ADD_PLAIN, Op.MUL_PLAIN)):
            return "its plaintext operand is missing, or one too many"
        if i.plain is not None and not self._holds(i.plain):
            return "its plaintext operand is not in the circuit"
        if (i.op is Op.ROTATE) != (0 < i.step < self.slots):
            return f"it rotates by {i.step} of {self.slots} slots"
        if i.op is Op.INPUT and not (i.name in self.bounds and 0 <= self.bounds[i.name] < math.inf):
            return f"input {i.name!r} has no finite bound"
        if i.op is Op.LINEAR_TRANSFORM:
            return self._transform_fault(i)
        if i.op is Op.POLYNOMIAL:
            fits = isinstance(i.body, Chebyshev) and len(i.body.coefficients) > 0
            return "" if fits and len(i.outs) == 1 else "it has no coefficients"
        if i.op is Op.BOOTSTRAP:
            fits = isinstance(i.body, Bootstrap) and 0 <= i.body.log_bound <= MAX_LOG_BOUND
            return "" if fits and len(i.outs) == 1 else f"its bound is not in 1..2^{MAX_LOG_BOUND}"
        return "" if len(i.outs) == 1 and i.body is None else "it should have one result and no body"

    def _transform_fault(self, i: Instruction) -> str:
        if not isinstance(i.body, LinearTransform) or len(i.body.blocks) != len(i.outs):
            return "its body does not have one row a result"
        if any(len(row) != len(i.args) for row in i.body.blocks):
            return "its body does not have one column an operand"
        entries = [entry for row in i.body.blocks for block in row for entry in block]
        if not all(0 <= k < self.slots and self._holds(plain) for k, plain in entries):
            return "a diagonal's offset or entries are not in the circuit"
        return ""

    def _holds(self, plain: Plain) -> bool:
        if isinstance(plain, Constant):
            return 0 <= plain.index < len(self.constants)
        return cmath.isfinite(plain)


def shortest_period(vector: Vector) -> Vector:
    """The leading part of a vector of which, repeated a power of two of times, it consists."""
    while vector.size % 2 == 0:
        half = vector.size // 2
        if not np.array_equal(vector[:half], vector[half:]):
            break
        vector = vector[:half]
    return vector


def _is_sum_of_rotations(body: LinearTransform) -> bool:
    rows = [[plain for block in row for _, plain in block] for row in body.blocks]
    return all(row and all(plain in (1.0, -1.0) for plain in row) for row in rows)


def _plains(i: Instruction) -> Iterator[Plain]:
    if i.plain is not None:
        yield i.plain
    if isinstance(i.body, LinearTransform):
        yield from (plain for row in i.body.blocks for block in row for _, plain in block)


def _line(i: Instruction, bounds: Mapping[str, float]) -> str:
    outs, args = ", ".join(f"%{w}" for w in i.outs), ", ".join(f"%{w}" for w in i.args)
    extras = []
    if i.op is Op.INPUT:
        extras.append(f"{i.name!r} within {bounds[i.name]!r}")
    if i.op is Op.ROTATE:
        extras.append(f"by {i.step}")
    if i.plain is not None:
        extras.append(_plain_text(i.plain))
    if isinstance(i.body, Chebyshev):
        extras.append(repr(list(i.body.coefficients)))
    if isinstance(i.body, Bootstrap):
        extras.append(f"within 2^{i.body.log_bound}")
    if isinstance(i.body, LinearTransform):
        extras.append([[{k: _plain_text(p) for k, p in block} for block in row] for row in i.body.blocks].__repr__())
    if i.level is not None:
        extras.append(f"at level {i.level}")
    text = f"{outs} = {i.op.name.lower()} {args} {' '.join(extras)}".replace("  ", " ").rstrip()
    return f"{text}  # {i.origin}" if i.origin else text


def _plain_text(plain: Plain) -> str:
    return f"constant {plain.index}" if isinstance(plain, Constant) else repr(plain)
