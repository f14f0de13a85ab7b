"""Run a circuit on plaintext vectors, exactly (to float64)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from vortex_crypto.errors import InvalidInput
from vortex_crypto.fhe import polynomial
from vortex_crypto.fhe.circuit import Bootstrap, Chebyshev, Circuit, Instruction, LinearTransform, Op, Vector


def run(circuit: Circuit, inputs: Mapping[str, Vector], *, clip: bool = False) -> dict[str, Vector]:
    """The circuit's outputs, vectors of shape [slots].

    Args:
        circuit: lowered or not.
        inputs: a vector of shape [slots] for each input, by name.
        clip: force values into the bounds the circuit promises, for inputs that are not what its author meant.
    """
    wanted = {wire for _, wire in circuit.outputs}
    found = {wire: value for wire, value in values(circuit, inputs, clip=clip) if wire in wanted}
    return {name: found[wire] for name, wire in circuit.outputs}


def values(circuit: Circuit, inputs: Mapping[str, Vector], *, clip: bool = True) -> Iterator[tuple[int, Vector]]:
    """Every wire with its value, in the order they are written; arguments as `run`'s."""
    alive: dict[int, Vector] = {}
    last = circuit.last_uses()
    for number, i in enumerate(circuit.instructions):
        results = evaluate(circuit, i, [alive[w] for w in i.args], inputs)
        alive.update(zip(i.outs, results, strict=True))
        for wire in circuit.promises.keys() & set(i.outs) if clip else ():
            alive[wire] = clipped(alive[wire], circuit.promises[wire])
        for wire in i.outs:
            yield wire, alive[wire]
        for wire in {*i.args, *i.outs}:
            if last[wire] <= number:
                del alive[wire]


def clipped(vector: Vector, bound: float) -> Vector:
    """Real vectors forced into [-bound, bound]."""
    return vector if np.iscomplexobj(vector) else np.clip(vector, -bound, bound)


def evaluate(circuit: Circuit, i: Instruction, args: list[Vector], inputs: Mapping[str, Vector]) -> list[Vector]:
    """What one instruction gives."""
    if i.op is Op.INPUT:
        return [_input(circuit, i.name, inputs)]
    if isinstance(i.body, Chebyshev):
        return [polynomial.evaluate(i.body.coefficients, args[0])]
    if isinstance(i.body, Bootstrap):
        return [args[0]]
    if isinstance(i.body, LinearTransform):
        return [_product(circuit, row, args) for row in i.body.blocks]
    return [_plain_op(circuit, i, args)]


def _plain_op(circuit: Circuit, i: Instruction, args: list[Vector]) -> Vector:
    if i.plain is not None:
        plain = circuit.vector(i.plain)
        return args[0] + plain if i.op is Op.ADD_PLAIN else args[0] * plain
    if i.op is Op.ADD:
        return args[0] + args[1]
    if i.op is Op.SUB:
        return args[0] - args[1]
    if i.op is Op.MUL:
        return args[0] * args[1]
    if i.op is Op.NEGATE:
        return -args[0]
    if i.op is Op.ROTATE:
        return np.roll(args[0], -i.step)
    return np.conj(args[0]) if i.op is Op.CONJUGATE else args[0]


def _input(circuit: Circuit, name: str, inputs: Mapping[str, Vector]) -> Vector:
    if name not in inputs:
        raise InvalidInput(f"input {name!r} is missing; given are {sorted(inputs)}")
    vector = np.asarray(inputs[name])
    if vector.shape != (circuit.slots,):
        raise InvalidInput(f"input {name!r} has shape {vector.shape}; the circuit has {circuit.slots} slots")
    return vector.astype(np.complex128 if np.iscomplexobj(vector) else np.float64)


def _product(circuit: Circuit, row: tuple[tuple[tuple[int, object], ...], ...], args: list[Vector]) -> Vector:
    total: Vector = np.zeros(circuit.slots)
    for x, block in zip(args, row, strict=True):
        turned = Turned(x)
        for k, plain in block:
            total = total + circuit.vector(plain) * turned[k]  # type: ignore[arg-type]
    return total


class Turned:
    """A vector's rotations, each of them a view."""

    def __init__(self, vector: Vector) -> None:
        self._size, self._twice = vector.size, np.concatenate([vector, vector])

    def __getitem__(self, step: int) -> Vector:
        """y[i] = x[(i + step) mod n], for step in [0, n)."""
        result: Vector = self._twice[step : step + self._size]
        return result
