"""Measure what each kind of operation of a back end takes on this machine.

Circuits with every kind of operation at every level run on parameters of several sizes. One system of equations holds
what each instruction took against what it is made of, and the coefficients that are right to the least relative error,
none of them negative, are the table. What a bootstrap takes beyond the sum of its parts is measured on a real one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from vortex_crypto.container import replacing
from vortex_crypto.fhe.backends import backend
from vortex_crypto.fhe.circuit import Circuit, LinearTransform, Op
from vortex_crypto.fhe.ckks.sets import BootstrapSet
from vortex_crypto.fhe.interpret.latency import (
    KINDS,
    Table,
    bootstrap_seconds,
    cache,
    features,
    plaintext_degrees,
    work,
)
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.params import Parameters, ParametersLiteral, check
from vortex_crypto.fhe.plan import CkksPlan, plan

SIZES = ((13, 4), (14, 8), (15, 13))
"""log2 of the ring degree, and levels, that are measured; for timing alone, so they need not be secure."""
_SAME = {"sub": "add", "negate": "add", "conjugate": "rotate", "hoisted_rotate": "rotate"}
"""What is not measured where a back end has no such operation of its own."""
_DIAGONALS = (1, 4, 16, 64)
"""Of the native transforms: so different in babies, giants and products that each can be told from the others."""
Row = tuple[dict[tuple[str, int], float], float]
"""(coefficients of (kind, 0 for a or 1 for b), seconds) of one instruction."""


def calibrate(
    name: str,
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    bootstraps: Sequence[BootstrapSet] = (),
    repeat: int = 5,
    keep: bool = True,
) -> Table:
    """Measure every kind of operation of a back end on this machine; some minutes.

    Args:
        name: of the back end.
        sizes: (log2 of the ring degree, levels) to measure.
        bootstraps: sets to measure a bootstrap of each of; without any, bootstraps take the sum of their parts.
        repeat: runs, of which the fastest counts.
        keep: write the table to the user's cache directory, where `table_of` finds it.
    """
    rows: list[Row] = []
    encoding: list[float] = []
    for log_n, levels in sizes:
        parameters = _parameters(name, log_n, levels)
        circuit = _every_kind(parameters.slots, levels, native=Op.LINEAR_TRANSFORM in backend(name).capabilities.native)
        made = CkksPlan(circuit, parameters, name, 0.0, {})
        rows += _rows(circuit, parameters, _measured(made, repeat))
        encoding += _encoding(made, repeat)
    table = _fitted(rows)
    if encoding:
        table = Table({**table.costs, "encode": (float(np.median(encoding)), 0.0)})
    factors = [_bootstrap_factor(name, chosen, table, repeat) for chosen in bootstraps]
    if factors:
        table = Table({**table.costs, "bootstrap": (float(np.median(factors)), 0.0)})
    if keep:
        with replacing(cache(name)) as path:
            path.write_text(json.dumps(dict(table.costs), indent=1) + "\n")
    return table


def _parameters(name: str, log_n: int, levels: int) -> Parameters:
    capabilities = backend(name).capabilities
    size = capabilities.digit_primes(levels + 1)
    bits = min(40, capabilities.max_prime_bits - 6)
    literal = ParametersLiteral(
        log_n, (bits + 4,) + (bits,) * levels, (bits + 6,) * size, bits, digits=-(-(levels + 1) // size)
    )
    return check(literal, insecure=True)


def _every_kind(slots: int, levels: int, *, native: bool) -> Circuit:
    """Each kind of operation at each level from the top to 1."""
    c = Circuit(slots)
    vector = c.plain(np.random.default_rng(0).uniform(-1, 1, slots))
    for level in range(levels, 0, -1):
        x = c.append(Op.INPUT, (), name=f"x{level}", level=level)
        c.bounds[f"x{level}"] = 1.0
        product = c.append(Op.RELINEARIZE, (c.mul(x, c.rotate(x, 1)),))
        plain = c.append(Op.MUL_PLAIN, (x,), plain=vector, level=level)
        number = c.append(Op.MUL_PLAIN, (x,), plain=0.5, level=level)
        total = c.add(c.add(product, c.append(Op.ADD_PLAIN, (plain,), plain=vector)), number)
        for count in _DIAGONALS if native and level in (1, levels // 2, levels) else ():
            diagonals = Diagonals(slots, {k: np.cos(np.arange(slots) + k) for k in range(1, count + 1)})
            total = c.add(total, c.linear_transform([x], [[diagonals]])[0])
        c.output(f"y{level}", c.append(Op.RESCALE, (total,)))
    return c.freeze()


def _measured(made: CkksPlan, repeat: int) -> list[float]:
    """Seconds of each instruction, the fastest of several runs on one thread."""
    chosen = backend(made.backend)
    client = chosen.client(made.parameters, made.needs)
    keys = client.keygen()
    session = chosen.server(made).load(keys.evaluation)
    vectors = [np.full(made.circuit.slots, 0.5) for _ in made.needs.inputs]
    ciphertexts = client.encrypt(keys.secret, vectors)
    best = np.full(len(made.circuit.instructions), math.inf)
    for _ in range(repeat):
        marks: list[float] = []
        session.run(ciphertexts, lambda *_, marks=marks: marks.append(time.process_time()))
        marks.append(time.process_time())
        best = np.minimum(best, np.diff(np.asarray(marks)))
    return [float(seconds) for seconds in best]


def _encoding(made: CkksPlan, repeat: int) -> list[float]:
    """Seconds of encoding the native transforms' diagonals, over what the table multiplies its coefficient by."""
    units = 0.0
    for i in made.circuit.instructions:
        if isinstance(i.body, LinearTransform):
            extended, _ = features("encode", made.parameters, made.states[i.args[0]].level)
            units += sum(degree * math.log2(degree) * extended for degree in plaintext_degrees(made.circuit, i))
    if not units:
        return []
    best = math.inf
    for _ in range(repeat):
        server, start = backend(made.backend).server(made), time.process_time()
        server.prepare()
        best = min(best, time.process_time() - start)
    return [best / units]


def _rows(circuit: Circuit, parameters: Parameters, seconds: Sequence[float]) -> list[Row]:
    """Every instruction but the last, whose time includes saving the outputs."""
    states = CkksPlan(circuit, parameters, "", 0.0, {}).states
    unit = parameters.ring_degree * math.log2(parameters.ring_degree)
    rows: list[Row] = []
    for i, taken in zip(circuit.instructions[:-1], seconds, strict=False):
        if i.op is Op.INPUT:
            continue
        level = states[i.args[0]].level if i.op is not Op.MUL_PLAIN else states[i.outs[0]].level
        row: dict[tuple[str, int], float] = {}
        for kind, number in work(circuit, i):
            for part, feature in enumerate(features(kind, parameters, level)):
                row[kind, part] = row.get((kind, part), 0.0) + number * unit * feature
        rows.append((row, taken))
    return rows


def _fitted(rows: Sequence[Row]) -> Table:
    """Coefficients of least relative error, none negative."""
    columns = sorted({column for row, _ in rows for column in row})
    matrix = np.array([[row.get(column, 0.0) / seconds for column in columns] for row, seconds in rows])
    sizes = matrix.max(axis=0)
    solution, _ = nnls(matrix / sizes, np.ones(len(rows)))
    found = dict(zip(columns, (solution / sizes).tolist(), strict=True))
    costs = {kind: (found.get((kind, 0), 0.0), found.get((kind, 1), 0.0)) for kind in KINDS}
    costs |= {kind: costs[like] for kind, like in _SAME.items() if kind not in {column[0] for column in columns}}
    costs["bootstrap"] = (1.0, 0.0)
    return Table(costs)


def _bootstrap_factor(name: str, chosen: BootstrapSet, table: Table, repeat: int) -> float:
    """What one bootstrap takes, over the sum of its parts by the table."""
    circuit = Circuit(1 << (chosen.literal.log_n - 1))
    circuit.output("y", circuit.bootstrap(circuit.input("x")))
    made = plan(circuit, precision_bits=4, backend=name, bootstraps=(chosen,), insecure=True)
    (number,) = [n for n, i in enumerate(made.circuit.instructions) if i.op is Op.BOOTSTRAP]
    if made.bootstrapping is None:
        raise TypeError("a plan that bootstraps says how")
    return _measured(made, repeat)[number] / bootstrap_seconds(made.parameters, made.bootstrapping, table)
