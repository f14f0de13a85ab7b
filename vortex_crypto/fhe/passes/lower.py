"""Insert RELINEARIZE, RESCALE and levels, each as late as can be.

A wire is canonical at level l (scale S_l) or pending (scale q_l S_{l-1}, one RESCALE away from canonical at l - 1). Its
`depth` is the number of levels below the top at which it is, or after its RESCALE would be, canonical. Sums of pending
wires stay pending, so that a whole matrix-vector product is rescaled once. Plaintext products that go into sums of a
greater depth are made there at once ("sunk"), since their operands' moduli can be dropped for nothing.

A bootstrap starts anew at depth 0. Between bootstraps levels may be to spare: then what starts there, inputs and
bootstraps, gives a level as low as all that follows allows, since everything is faster there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vortex_crypto.errors import OutOfLevels
from vortex_crypto.fhe import polynomial
from vortex_crypto.fhe.circuit import Bootstrap, Chebyshev, Circuit, Instruction, Op
from vortex_crypto.fhe.passes.expand import copied, copy_of, finished

_LINEAR = (Op.ADD, Op.SUB, Op.NEGATE, Op.ADD_PLAIN, Op.ROTATE, Op.CONJUGATE)
_PRODUCTS = (Op.MUL, Op.MUL_PLAIN, Op.LINEAR_TRANSFORM)
_SOURCES = (Op.INPUT, Op.BOOTSTRAP)


@dataclass(frozen=True, slots=True)
class _State:
    depth: int
    pending: bool


def depth(circuit: Circuit) -> int:
    """Levels the circuit consumes, on the longest way without a bootstrap."""
    states = _states(circuit)
    return max(state.depth for state in states.values())


def lower(circuit: Circuit, levels: int | None = None) -> Circuit:
    """The circuit with relinearisations, rescalings and levels, for a chain of that many levels.

    Args:
        circuit: with no region in it but those its back end runs.
        levels: of the chain; None for as many as the circuit needs.

    Raises:
        OutOfLevels: the chain is too short; the error names where it ends.
    """
    states = _states(circuit)
    top = max(state.depth for state in states.values()) if levels is None else levels
    for i in circuit.instructions:
        if states[i.outs[0]].depth > top:
            raise OutOfLevels(i.origin, max(state.depth for state in states.values()), top)
    if any(i.op is Op.BOOTSTRAP for i in circuit.instructions):
        states = _states(circuit, _starts(circuit, top))
    return _Lowering(circuit, _sunk(circuit, states), top).run()


def inline(circuit: Circuit) -> Circuit:
    """A lowered circuit with the polynomials that its back end runs itself written out, so that readings see inside."""
    if not any(isinstance(i.body, Chebyshev) for i in circuit.instructions):
        return circuit
    out = copy_of(circuit)
    wires: dict[int, int] = {}
    levels: dict[int, int] = {}
    for i in circuit.instructions:
        args = tuple(wires[w] for w in i.args)
        with out.origin(i.origin):
            if isinstance(i.body, Chebyshev):
                results = [_inlined(out, i.body, args[0], levels[i.args[0]])]
            else:
                results = list(copied(out, i, args))
        wires.update(zip(i.outs, results, strict=True))
        levels.update(dict.fromkeys(i.outs, _level(i, [levels[w] for w in i.args])))
    return finished(out, circuit, wires)


def _level(i: Instruction, args: list[int]) -> int:
    if isinstance(i.body, Chebyshev):
        return args[0] - polynomial.depth(len(i.body.coefficients) - 1)
    level = i.level if i.level is not None else args[0]
    return level - 1 if i.op is Op.RESCALE else level


def _inlined(out: Circuit, body: Chebyshev, x: int, level: int) -> int:
    """Write a polynomial's own lowered circuit, in which `x` is the input."""
    single = Circuit(out.slots)
    single.output("y", polynomial.emit(single, single.input("x"), body.coefficients))
    lowered = lower(single, level)
    wires: dict[int, int] = {}
    for i in lowered.instructions:
        wires[i.outs[0]] = x if i.op is Op.INPUT else copied(out, i, tuple(wires[w] for w in i.args))[0]
    return wires[lowered.outputs[0][1]]


def levels_taken(i: Instruction) -> int:
    """Levels between an instruction's operands and its results."""
    if isinstance(i.body, Chebyshev):
        return polynomial.depth(len(i.body.coefficients) - 1)
    return int(i.op in _PRODUCTS)


def _states(circuit: Circuit, starts: Mapping[int, int] | None = None) -> dict[int, _State]:
    """The state of every wire; `starts` gives the depth that inputs and bootstraps begin at, by wire."""
    states: dict[int, _State] = {}
    for i in circuit.instructions:
        state = _state(i, [states[w] for w in i.args])
        if i.op in _SOURCES and starts is not None:
            state = _State(starts[i.outs[0]], False)
        states.update(dict.fromkeys(i.outs, state))
    return states


def _state(i: Instruction, args: list[_State]) -> _State:
    if i.op in _SOURCES:
        return _State(0, False)
    deepest = max((a.depth for a in args), default=0)
    taken = levels_taken(i)
    if taken:
        return _State(deepest + taken, i.op in _PRODUCTS)
    return _State(deepest, all(a.pending for a in args if a.depth == deepest))


def _starts(circuit: Circuit, top: int) -> dict[int, int]:
    """The greatest depth at which each input and bootstrap may begin if nothing is to end below level 0."""
    latest: dict[int, int] = {}
    for i in reversed(circuit.instructions):
        if i.op is Op.BOOTSTRAP:
            allowed = top
        else:
            allowed = min((latest.get(w, top) for w in i.outs), default=top) - levels_taken(i)
        for wire in i.args:
            latest[wire] = min(allowed, latest.get(wire, top))
    return {i.outs[0]: latest.get(i.outs[0], top) for i in circuit.instructions if i.op in _SOURCES}


def _sunk(circuit: Circuit, states: dict[int, _State]) -> dict[int, _State]:
    """The states, with plaintext products that are only summed moved down to the depth of their sum."""
    uses = circuit.use_counts()
    sinkable: set[int] = set()
    for i in circuit.instructions:
        free = i.op is Op.MUL_PLAIN or (i.op in _LINEAR and all(w in sinkable or not states[w].pending for w in i.args))
        if free and uses[i.outs[0]] == 1 and states[i.outs[0]].pending:
            sinkable.update(i.outs)
    sunk = dict(states)
    for i in reversed(circuit.instructions):
        if i.op in _LINEAR:
            target = sunk[i.outs[0]].depth
        elif i.op in (Op.MUL, Op.LINEAR_TRANSFORM):
            target = sunk[i.outs[0]].depth - 1
        else:
            continue
        for wire in sinkable.intersection(i.args):
            sunk[wire] = _State(max(target, sunk[wire].depth), True)
    return sunk


class _Lowering:
    """One circuit being rewritten; `forms` keeps each wire's conversions so that none is made twice."""

    def __init__(self, source: Circuit, states: Mapping[int, _State], top: int) -> None:
        self.source, self.states, self.top = source, states, top
        self.out = copy_of(source)
        self.forms: dict[tuple[int, _State], int] = {}
        self.linear: dict[int, int] = {}
        self.large: set[int] = set()

    def run(self) -> Circuit:
        for i in self.source.instructions:
            with self.out.origin(i.origin):
                for wire, result in zip(i.outs, self.instruction(i), strict=True):
                    self.forms[wire, self.states[wire]] = result
        wires = {wire: form for (wire, state), form in self.forms.items() if state == self.states[wire]}
        for name, wire in self.source.outputs:
            with self.out.origin(name):
                wires[wire] = self.canonical(wire, self.states[wire].depth)
        for wire in self.source.promises:
            wires[wire] = self.forms.get((wire, _State(self.states[wire].depth, False)), wires[wire])
        return finished(self.out, self.source, wires)

    def level(self, state: _State) -> int:
        return self.top - state.depth + state.pending

    def instruction(self, i: Instruction) -> list[int]:
        state = self.states[i.outs[0]]
        if i.op is Op.INPUT:
            return [self.out.append(Op.INPUT, (), name=i.name, level=self.level(state))]
        if i.op is Op.MUL_PLAIN:
            operand = self.canonical(i.args[0], self.states[i.args[0]].depth)
            return [self.out.append(Op.MUL_PLAIN, (operand,), plain=i.plain, level=self.level(state))]
        if i.op is Op.MUL:
            product = self.out.mul(*(self.canonical(w, state.depth - 1) for w in i.args))
            self.large.add(product)
            return [product]
        if i.body is not None:
            return self.region(i)
        args = tuple(self.form(w, state) for w in i.args)
        if i.op in (Op.ROTATE, Op.CONJUGATE):
            args = tuple(self.relinearized(w) for w in args)
        result = self.out.append(i.op, args, step=i.step, plain=i.plain)
        if self.large.intersection(args):
            self.large.add(result)
        return [result]

    def region(self, i: Instruction) -> list[int]:
        if i.body is None:
            return []
        common = max(self.states[w].depth for w in i.args)
        if i.op is Op.LINEAR_TRANSFORM:
            common = self.states[i.outs[0]].depth - 1
        args = tuple(self.canonical(w, common) for w in i.args)
        level = self.level(self.states[i.outs[0]]) if isinstance(i.body, Bootstrap) else None
        return self.out.region(i.body, args, outs=len(i.outs), level=level)

    def canonical(self, wire: int, depth: int) -> int:
        return self.form(wire, _State(depth, False))

    def form(self, wire: int, wanted: _State) -> int:
        """The wire at a depth no less than its own, canonical or pending."""
        key = (wire, wanted)
        if key not in self.forms:
            have = self.states[wire]
            if have.depth == wanted.depth or not wanted.pending:
                self.forms[key] = self.rescaled(self.form(wire, _State(wanted.depth, True)))
            else:
                operand = self.canonical(wire, have.depth)
                self.forms[key] = self.out.append(Op.MUL_PLAIN, (operand,), plain=1.0, level=self.level(wanted))
        return self.forms[key]

    def rescaled(self, wire: int) -> int:
        return self.out.append(Op.RESCALE, (self.relinearized(wire),))

    def relinearized(self, wire: int) -> int:
        if wire not in self.large:
            return wire
        if wire not in self.linear:
            self.linear[wire] = self.out.append(Op.RELINEARIZE, (wire,))
        return self.linear[wire]
