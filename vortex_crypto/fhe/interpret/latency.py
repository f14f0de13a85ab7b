"""Seconds a lowered circuit will take, from a measured table.

An operation at level l works on n = l + 1 limbs of N coefficients: it takes N log2(N) (a n + b n^2), where b stands
for key switching, whose work is quadratic. `calibrate.calibrate` measures a and b of every kind on the machine at hand;
without it the table shipped here is used, whose ratios hold better than its absolute values.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vortex_crypto.errors import InvalidInput
from vortex_crypto.fhe.circuit import Circuit
from vortex_crypto.fhe.interpret.counts import counts
from vortex_crypto.fhe.params import Parameters

KINDS = (
    "add", "sub", "negate", "mul", "add_plain", "mul_plain", "mul_number", "rotate", "hoisted_rotate", "conjugate",
    "relinearize", "rescale",
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
    },
}
"""Shipped tables by back end, from `calibrate`."""


def latency(circuit: Circuit, parameters: Parameters, table: Table) -> dict[str, float]:
    """Seconds by origin."""
    found: dict[str, float] = {}
    for origin, counter in counts(circuit).items():
        found[origin] = sum(
            number * table.seconds(kind, parameters.ring_degree, level) for (kind, level), number in counter.items()
        )
    return found


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
