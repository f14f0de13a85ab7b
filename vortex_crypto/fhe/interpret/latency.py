"""Seconds a lowered circuit will take, from a measured table.

An operation at level l works on n = l + 1 limbs of N coefficients: it takes N log2(N) (a n + b n^2), where b stands
for key switching, whose work is quadratic; a bootstrap counts the limbs of the whole chain. `calibrate.calibrate`
measures a and b of every kind on the machine at hand; without it the table shipped here is used, whose ratios hold
better than its absolute values.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from vortex_crypto.errors import InvalidInput
from vortex_crypto.fhe import polynomial
from vortex_crypto.fhe.circuit import Chebyshev, Circuit, Instruction, Op
from vortex_crypto.fhe.interpret.counts import counts, kinds
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.passes.lower import lower
from vortex_crypto.fhe.passes.place_bootstraps import Weight

KINDS = (
    "add", "sub", "negate", "mul", "add_plain", "mul_plain", "mul_number", "rotate", "hoisted_rotate", "conjugate",
    "relinearize", "rescale", "bootstrap",
)  # fmt: skip
MEASURED_ON = "one core at 2.6 GHz (Zen 4), single thread"


@dataclass(frozen=True)
class Table:
    """Coefficients (a, b) by kind, in seconds, of N log2(N) (a n + b n^2)."""

    costs: Mapping[str, tuple[float, float]]

    def seconds(self, kind: str, ring_degree: int, level: int) -> float:
        """What one operation takes."""
        linear, quadratic = self.costs[kind]
        limbs = level + 1
        return ring_degree * math.log2(ring_degree) * (linear * limbs + quadratic * limbs * limbs)


BOOTSTRAP = 1.6e-7
"""Of all slots, measured at 2^15 and 2^16; no back end but the own one bootstraps, so all tables have it."""
HALF_PACKED = 0.5
"""A bootstrap of half the slots or fewer, which reduces one ciphertext and not two, against one of all slots."""

DEFAULT = {
    "tenseal": {
        "add": (1.13e-10, 0.0),
        "sub": (1.13e-10, 0.0),
        "negate": (1.13e-10, 0.0),
        "mul": (8.00e-10, 9.6e-12),
        "add_plain": (1.53e-9, 0.0),
        "mul_plain": (1.64e-9, 0.0),
        "mul_number": (3.82e-10, 1.4e-12),
        "rotate": (2.94e-9, 6.42e-10),
        "hoisted_rotate": (2.94e-9, 6.42e-10),
        "conjugate": (2.94e-9, 6.42e-10),
        "relinearize": (2.85e-9, 6.43e-10),
        "rescale": (1.17e-9, 8.4e-12),
        "bootstrap": (BOOTSTRAP, 0.0),
    },
    "vortex": {
        "add": (8.0e-11, 3e-13),
        "sub": (8.0e-11, 3e-13),
        "negate": (8.0e-11, 3e-13),
        "mul": (1.35e-10, 1.2e-12),
        "add_plain": (1.66e-9, 0.0),
        "mul_plain": (1.20e-10, 0.0),
        "mul_number": (8.0e-11, 0.0),
        "rotate": (1.36e-9, 3.3e-11),
        "hoisted_rotate": (2.48e-10, 5.8e-11),
        "conjugate": (1.36e-9, 3.3e-11),
        "relinearize": (1.05e-9, 4.0e-11),
        "rescale": (2.93e-10, 0.0),
        "bootstrap": (BOOTSTRAP, 0.0),
    },
}
"""Shipped tables by back end, from `calibrate`."""


def latency(circuit: Circuit, parameters: Parameters, table: Table) -> dict[str, float]:
    """Seconds by origin."""
    found: dict[str, float] = {}
    for origin, counter in counts(circuit).items():
        found[origin] = sum(
            number * _seconds(kind, level, circuit.slots, parameters, table)
            for (kind, level), number in counter.items()
        )
    return found


def bootstrap_seconds(parameters: Parameters, slots: int, table: Table) -> float:
    """What one bootstrap of that many slots takes."""
    whole = table.seconds("bootstrap", parameters.ring_degree, len(parameters.chain) - 1)
    return whole if slots == parameters.slots else HALF_PACKED * whole


def weights(circuit: Circuit, ring_degree: int, table: Table) -> list[Weight]:
    """What each instruction of a circuit costs, regions included, before it has levels."""
    unit = ring_degree * math.log2(ring_degree)
    return [_weight(circuit, i, unit, table) for i in circuit.instructions]


def _seconds(kind: str, level: int, slots: int, parameters: Parameters, table: Table) -> float:
    if kind == "bootstrap":
        return bootstrap_seconds(parameters, slots, table)
    return table.seconds(kind, parameters.ring_degree, level)


def _weight(circuit: Circuit, i: Instruction, unit: float, table: Table) -> Weight:
    if isinstance(i.body, Chebyshev):
        work = _polynomial_work(i.body)
    else:
        finish = {Op.MUL: ("relinearize", "rescale"), Op.MUL_PLAIN: ("rescale",), Op.LINEAR_TRANSFORM: ("rescale",)}
        ended = [((kind, 0), len(i.outs)) for kind in finish.get(i.op, ())]
        work = [((kind, 0), number) for kind, number in kinds(circuit, i)] + ended
    linear, quadratic = (np.zeros(1 + max((d for (_, d), _ in work), default=0)) for _ in range(2))
    for (kind, down), number in work:
        if kind != "bootstrap":
            linear[down] += unit * number * table.costs[kind][0]
            quadratic[down] += unit * number * table.costs[kind][1]
    return Weight(linear, quadratic)


@lru_cache(maxsize=1024)
def _polynomial_work(body: Chebyshev) -> list[tuple[tuple[str, int], int]]:
    """Operations of a polynomial by kind and levels below its operand."""
    single = Circuit(1)
    single.output("y", polynomial.emit(single, single.input("x"), body.coefficients))
    lowered = lower(single)
    top = max(i.level or 0 for i in lowered.instructions if i.op is Op.INPUT)
    return [((kind, top - level), n) for counter in counts(lowered).values() for (kind, level), n in counter.items()]


def table_of(name: str) -> Table:
    """The machine's own table of a back end if `calibrate` has been run, else the shipped one (clear: SEAL's)."""
    path = cache(name)
    if path.is_file():
        try:
            costs = {str(kind): (float(a), float(b)) for kind, (a, b) in json.loads(path.read_text()).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{path}: no table of latencies ({error}); delete it and calibrate anew") from error
        if set(costs) == set(KINDS):
            return Table(costs)
    return Table(DEFAULT.get(name, DEFAULT["tenseal"]))


def cache(name: str) -> Path:
    """Where a machine keeps its own table of a back end."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "vortex-crypto" / f"latency-{name}.json"
