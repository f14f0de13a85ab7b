"""Measure what each kind of operation of a back end takes on this machine."""

from __future__ import annotations

import json
import math
import time

import numpy as np
from scipy.optimize import nnls

from vortex_crypto.container import replacing
from vortex_crypto.fhe.backends import backend
from vortex_crypto.fhe.circuit import Circuit, Constant, Op
from vortex_crypto.fhe.interpret.latency import DEFAULT, KINDS, Table, cache
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.params import Parameters, ParametersLiteral, check
from vortex_crypto.fhe.plan import CkksPlan

_SAME = {"sub": "add", "negate": "add", "conjugate": "rotate", "hoisted_rotate": "rotate"}
TRANSFORMS = (1, 3)
"""Hoisted rotations of two native transforms, whose difference shows what one takes."""


def calibrate(name: str, *, log_n: int = 13, levels: int = 4, repeat: int = 5, keep: bool = True) -> Table:
    """Measure every kind of operation of a back end on this machine; seconds to a minute.

    Args:
        name: of the back end.
        log_n, levels: of the parameters to measure at; for timing alone, so they need not be secure.
        repeat: runs, of which the fastest counts.
        keep: write the table to the user's cache directory, where `table_of` finds it.
    """
    capabilities = backend(name).capabilities
    size = capabilities.digit_primes(levels + 1)
    bits = min(40, capabilities.max_prime_bits - 6)
    literal = ParametersLiteral(
        log_n, (bits + 4,) + (bits,) * levels, (bits + 6,) * size, bits, digits=-(-(levels + 1) // size)
    )
    parameters = check(literal, insecure=True)
    circuit = _every_kind(1 << (log_n - 1), levels, native=Op.LINEAR_TRANSFORM in capabilities.native)
    plan = CkksPlan(circuit, parameters, name, 0.0, {})
    table = _fitted(circuit, parameters, _measured(plan, repeat))
    if keep:
        with replacing(cache(name)) as path:
            path.write_text(json.dumps(dict(table.costs), indent=1) + "\n")
    return table


def _every_kind(slots: int, levels: int, *, native: bool) -> Circuit:
    """Each kind of operation at each level from the top to 1; origins name the level."""
    c = Circuit(slots)
    vector = c.plain(np.random.default_rng(0).uniform(-1, 1, slots))
    for level in range(levels, 0, -1):
        with c.origin(str(level)):
            x = c.append(Op.INPUT, (), name=f"x{level}", level=level)
            c.bounds[f"x{level}"] = 1.0
            product = c.append(Op.RELINEARIZE, (c.mul(x, c.rotate(x, 1)),))
            plain = c.append(Op.MUL_PLAIN, (x,), plain=vector, level=level)
            number = c.append(Op.MUL_PLAIN, (x,), plain=0.5, level=level)
            total = c.add(c.add(product, c.append(Op.ADD_PLAIN, (plain,), plain=vector)), number)
            for babies in TRANSFORMS if native else ():
                diagonals = Diagonals(slots, {k: np.cos(np.arange(slots) + k) for k in range(1, babies + 1)})
                total = c.add(total, c.linear_transform([x], [[diagonals]])[0])
            c.output(f"y{level}", c.append(Op.RESCALE, (total,)))
    return c.freeze()


def _measured(plan: CkksPlan, repeat: int) -> list[float]:
    """Seconds of each instruction, the fastest of several runs."""
    chosen = backend(plan.backend)
    client = chosen.client(plan.parameters, plan.needs)
    keys = client.keygen()
    session = chosen.server(plan).load(keys.evaluation)
    vectors = [np.full(plan.circuit.slots, 0.5) for _ in plan.needs.inputs]
    ciphertexts = client.encrypt(keys.secret, vectors)
    best = np.full(len(plan.circuit.instructions), math.inf)
    for _ in range(repeat):
        marks: list[float] = []
        session.run(ciphertexts, lambda *_, marks=marks: marks.append(time.process_time()))
        marks.append(time.process_time())
        best = np.minimum(best, np.diff(np.asarray(marks)))
    return [float(seconds) for seconds in best]


def _fitted(circuit: Circuit, parameters: Parameters, seconds: list[float]) -> Table:
    unit = parameters.ring_degree * math.log2(parameters.ring_degree)
    points: dict[str, list[tuple[int, float]]] = {}
    transforms: dict[int, list[float]] = {}
    last = len(circuit.instructions) - 1
    for number, i in enumerate(circuit.instructions):
        limbs, each = int(i.origin) + 1, seconds[number] / unit
        kind = "mul_number" if i.op is Op.MUL_PLAIN and not isinstance(i.plain, Constant) else i.op.name.lower()
        if i.op is Op.LINEAR_TRANSFORM:
            transforms.setdefault(limbs, []).append(each)
        elif i.op is not Op.INPUT and number != last:  # the last one's time includes saving the outputs
            points.setdefault(kind, []).append((limbs, each))
    few, many = TRANSFORMS
    for limbs, (smaller, larger) in transforms.items():
        points.setdefault("hoisted_rotate", []).append((limbs, max(larger - smaller, 0.0) / (many - few)))
    costs = {kind: _line(measured) for kind, measured in points.items()}
    costs["bootstrap"] = _like_rotations(costs["rotate"])
    return Table({kind: costs.get(kind) or costs[_SAME[kind]] for kind in KINDS})


def _like_rotations(measured: tuple[float, float]) -> tuple[float, float]:
    """What a bootstrap takes: the shipped table's, as much faster or slower as this machine's rotations are."""
    limbs = 8
    shipped = DEFAULT["vortex"]
    known, here = (a * limbs + b * limbs**2 for a, b in (shipped["rotate"], measured))
    linear, quadratic = shipped["bootstrap"]
    return linear * here / known, quadratic * here / known


def _line(points: list[tuple[int, float]]) -> tuple[float, float]:
    """(a, b) >= 0 such that a n + b n^2 fits the points (n, t) with the least relative error."""
    limbs = np.asarray([n for n, _ in points], np.float64)
    matrix = np.stack([np.ones_like(limbs), limbs], axis=1)
    solution, _ = nnls(matrix, np.asarray([t for _, t in points]) / limbs)
    return float(solution[0]), float(solution[1])
