"""A circuit made ready: its constraint system, and the steps that find a witness from the inputs.

Steps run in order, each on whole arrays. Those after `Draw` know the challenges, which the prover draws once the wires
of every commitment are solved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vortex_crypto.container import Artefact
from vortex_crypto.errors import MalformedArtefact
from vortex_crypto.zk.linear import Linear
from vortex_crypto.zk.r1cs import Commitment, Origins, R1cs, SparseMatrix

Array = np.ndarray[Any, np.dtype[Any]]

KIND = "zk-program"


@dataclass(frozen=True, eq=False)
class Signal:
    """A named array of wires, int64 [size]: an input the user gives, or an output the circuit exposes."""

    name: str
    shape: tuple[int, ...]
    wires: Array
    public: bool
    given: bool


@dataclass(frozen=True, eq=False)
class Product:
    """Wires take the products of constraints [start, stop)."""

    start: int
    stop: int
    wires: Array


@dataclass(frozen=True, eq=False)
class Chain:
    """Wires take the products of constraints [start, stop) one after another, each of which may use those before it."""

    start: int
    stop: int
    wires: Array


@dataclass(frozen=True, eq=False)
class Evaluate:
    """Scratch wires, numbered from `n_wires` on and in no constraint, take the values that later steps share."""

    values: Linear
    wires: Array


@dataclass(frozen=True, eq=False)
class Hint:
    """Wires take what the registered function `name` makes of combinations of earlier wires."""

    name: str
    origin: str
    parameters: Mapping[str, Any]
    inputs: tuple[Linear, ...]
    outputs: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Expect:
    """Combinations should lie in [0, 2^bits); says early, and by name, what the constraints would refuse."""

    origin: str
    values: Linear
    bits: int


@dataclass(frozen=True, eq=False)
class Draw:
    """From here on the challenge wires have their values."""


Step = Product | Chain | Evaluate | Hint | Expect | Draw


def scratch_wires(steps: Iterable[Step]) -> int:
    """How many scratch wires the steps fill."""
    return sum(len(step.wires) for step in steps if isinstance(step, Evaluate))


@dataclass(frozen=True, eq=False)
class Program:
    """A frozen circuit.

    Attributes:
        name: what the user called it.
        r1cs: the constraints.
        steps: how to solve them.
        signals: inputs and outputs, in order of declaration.
    """

    name: str
    r1cs: R1cs
    steps: tuple[Step, ...]
    signals: tuple[Signal, ...] = field(default=())

    @property
    def n_scratch(self) -> int:
        """Scratch wires that a solver needs after those of the constraints."""
        return scratch_wires(self.steps)

    def hash(self) -> str:
        """The constraint system's digest, hex: what keys and proofs name."""
        return self.r1cs.digest()

    def signal(self, name: str) -> Signal:
        """The input or output of that name."""
        for signal in self.signals:
            if signal.name == name:
                return signal
        raise KeyError(name)

    def to_artefact(self) -> Artefact:
        """As a container; hints are named, not stored."""
        arrays: dict[str, Array] = {}
        r = self.r1cs
        for label, matrix in (("a", r.a), ("b", r.b), ("c", r.c)):
            arrays |= {f"{label}/{part}": getattr(matrix, part) for part in ("indptr", "indices", "values")}
        arrays["origins"] = r.origins.starts
        meta = {
            "name": self.name,
            "wires": r.n_wires,
            "public": r.n_public,
            "challenges": r.n_challenges,
            "reading": r.reading,
            "commitments": [[c.name, c.n_wires, c.persistent] for c in r.commitments],
            "origins": list(r.origins.names),
            "steps": [_pack_step(f"step{i}", step, arrays) for i, step in enumerate(self.steps)],
            "signals": [_pack_signal(f"signal{i}", s, arrays) for i, s in enumerate(self.signals)],
        }
        return Artefact(KIND, self.hash(), meta, arrays)

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> Program:
        """The program an artefact holds.

        Raises:
            MalformedArtefact: a part is missing, of the wrong form, or points outside of the wires.
        """
        meta, arrays = artefact.expect(kind=KIND).meta, artefact.arrays
        try:
            a, b, c = (
                SparseMatrix(*(arrays[f"{label}/{part}"] for part in ("indptr", "indices", "values")))
                for label in "abc"
            )
            commitments = tuple(Commitment(str(n), int(k), bool(p)) for n, k, p in meta["commitments"])
            origins = Origins(tuple(map(str, meta["origins"])), arrays["origins"])
            counts = (int(meta["wires"]), int(meta["public"]), int(meta["challenges"]))
            steps = tuple(_unpack_step(f"step{i}", s, arrays) for i, s in enumerate(meta["steps"]))
            signals = tuple(_unpack_signal(f"signal{i}", s, arrays) for i, s in enumerate(meta["signals"]))
            r1cs = R1cs(a, b, c, *counts, commitments, origins, str(meta["reading"]))
            program = cls(str(meta["name"]), r1cs, steps, signals)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise MalformedArtefact(f"the zk program lacks or garbles a part ({error})") from error
        _verify(program)
        artefact.expect(kind=KIND, program=program.hash())
        return program


def _verify(program: Program) -> None:
    """Refuse indices outside of the wires and constraints, whatever they would do later."""
    r = program.r1cs
    for matrix in (r.a, r.b, r.c):
        if matrix.rows != r.n_constraints or not _fits(matrix.indptr, matrix.indices, matrix.values, r.n_wires):
            raise MalformedArtefact("a matrix of the zk program is not a sparse matrix over its wires")
    if r.first_private > r.n_wires or min(r.n_public, r.n_challenges, *(c.n_wires for c in r.commitments), 0) < 0:
        raise MalformedArtefact("the zk program's wire counts do not add up")
    written, read = _wires(program)
    for wires, limit in [(w, r.n_wires) for w in written] + [(w, r.n_wires + program.n_scratch) for w in read]:
        if wires.dtype != np.int64 or wires.ndim != 1 or not _inside(wires, limit):
            raise MalformedArtefact("a step or signal of the zk program names a wire that does not exist")
    scratch = [step.wires for step in program.steps if isinstance(step, Evaluate)]
    if scratch and not np.array_equal(np.concatenate(scratch), r.n_wires + np.arange(program.n_scratch)):
        raise MalformedArtefact("the scratch wires of the zk program are not numbered in their order")
    for step in program.steps:
        if isinstance(step, Product | Chain) and not 0 <= step.start <= step.stop <= r.n_constraints:
            raise MalformedArtefact("a step of the zk program names a constraint that does not exist")


def _wires(program: Program) -> tuple[list[Array], list[Array]]:
    """Wires that steps and signals write, which are wires of constraints, and those that steps read."""
    written, read = [signal.wires for signal in program.signals], []
    for step in program.steps:
        if isinstance(step, Product | Chain):
            written.append(step.wires)
        elif isinstance(step, Hint):
            written += step.outputs
            read += [x.wires for x in step.inputs]
        elif isinstance(step, Expect | Evaluate):
            read.append(step.values.wires)
    return written, read


def _inside(indices: Array, n: int) -> bool:
    return not len(indices) or bool(indices.min() >= 0 and indices.max() < n)


def _fits(indptr: Array, indices: Array, values: Array, n: int) -> bool:
    if indptr.dtype != np.int64 or indices.dtype != np.int64 or indptr.ndim != 1 or values.shape[:1] != indices.shape:
        return False
    good = len(indptr) > 0 and indptr[0] == 0 and indptr[-1] == len(indices) and bool((np.diff(indptr) >= 0).all())
    form = (values.dtype == np.uint64 and values.shape[1:] == (4,)) or (values.dtype == np.int64 and values.ndim == 1)
    return bool(good and form and _inside(indices, n))


def _pack_linear(prefix: str, x: Linear, arrays: dict[str, Array]) -> list[int]:
    arrays |= {f"{prefix}/indptr": x.indptr, f"{prefix}/wires": x.wires, f"{prefix}/coefficients": x.coefficients}
    return list(x.shape)


def _unpack_linear(prefix: str, shape: Sequence[int], arrays: Mapping[str, Array]) -> Linear:
    parts = [arrays[f"{prefix}/{part}"] for part in ("indptr", "wires", "coefficients")]
    if not _fits(parts[0], parts[1], parts[2], 1 << 62):
        raise ValueError(f"{prefix} is not an array of linear combinations")
    return Linear(tuple(map(int, shape)), parts[0], parts[1], parts[2])


def _pack_step(prefix: str, step: Step, arrays: dict[str, Array]) -> list[Any]:
    if isinstance(step, Product):
        arrays[f"{prefix}/wires"] = step.wires
        return ["product", step.start, step.stop]
    if isinstance(step, Chain):
        arrays[f"{prefix}/wires"] = step.wires
        return ["chain", step.start, step.stop]
    if isinstance(step, Evaluate):
        arrays[f"{prefix}/wires"] = step.wires
        return ["evaluate", _pack_linear(f"{prefix}/values", step.values, arrays)]
    if isinstance(step, Hint):
        arrays |= {f"{prefix}/output{k}": wires for k, wires in enumerate(step.outputs)}
        shapes = [_pack_linear(f"{prefix}/input{k}", x, arrays) for k, x in enumerate(step.inputs)]
        return ["hint", step.name, step.origin, dict(step.parameters), shapes, len(step.outputs)]
    if isinstance(step, Expect):
        return ["expect", step.origin, step.bits, _pack_linear(f"{prefix}/values", step.values, arrays)]
    return ["draw"]


def _unpack_step(prefix: str, packed: Sequence[Any], arrays: Mapping[str, Array]) -> Step:
    kind, *rest = packed
    if kind in ("product", "chain"):
        return (Product if kind == "product" else Chain)(int(rest[0]), int(rest[1]), arrays[f"{prefix}/wires"])
    if kind == "evaluate":
        return Evaluate(_unpack_linear(f"{prefix}/values", rest[0], arrays), arrays[f"{prefix}/wires"])
    if kind == "hint":
        name, origin, parameters, shapes, outputs = rest
        inputs = tuple(_unpack_linear(f"{prefix}/input{k}", shape, arrays) for k, shape in enumerate(shapes))
        wires = tuple(arrays[f"{prefix}/output{k}"] for k in range(int(outputs)))
        return Hint(str(name), str(origin), dict(parameters), inputs, wires)
    if kind == "expect":
        return Expect(str(rest[0]), _unpack_linear(f"{prefix}/values", rest[2], arrays), int(rest[1]))
    if kind == "draw":
        return Draw()
    raise ValueError(f"unknown step {kind!r}")


def _pack_signal(prefix: str, signal: Signal, arrays: dict[str, Array]) -> list[Any]:
    arrays[f"{prefix}/wires"] = signal.wires
    return [signal.name, list(signal.shape), signal.public, signal.given]


def _unpack_signal(prefix: str, packed: Sequence[Any], arrays: Mapping[str, Array]) -> Signal:
    name, shape, public, given = packed
    return Signal(str(name), tuple(map(int, shape)), arrays[f"{prefix}/wires"], bool(public), bool(given))
