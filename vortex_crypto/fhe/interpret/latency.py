"""Seconds a lowered circuit will take, from a measured table.

An operation takes N log2(N) (a x + b y). On n = level + 1 limbs, x = n and y = n^2; where keys are switched, x is the
number of limbs with the special primes and y that times the digits, which is what is transformed and multiplied. A
native transform counts its baby and giant steps, its products with diagonals and, of diagonals that do not fit the
memory for them, their encoding. A bootstrap is the sum of its parts: its matrices, its polynomial, its double angles,
times a measured factor (its primes are larger).

`calibrate.calibrate` measures a and b of every kind on the machine at hand (`python -m benchmarks.latency`); without it
the table shipped here is used, whose ratios hold better than its absolute values.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from vortex_crypto.errors import InvalidInput
from vortex_crypto.fhe import polynomial
from vortex_crypto.fhe.circuit import Chebyshev, Circuit, Constant, Instruction, LinearTransform, Op
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping
from vortex_crypto.fhe.interpret.bootstraps import bootstrapper_of
from vortex_crypto.fhe.interpret.counts import counts, kinds
from vortex_crypto.fhe.interpret.levels import levels
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.passes.lower import inline, lower
from vortex_crypto.fhe.passes.place_bootstraps import Weight

SWITCHING = ("rotate", "hoisted_rotate", "conjugate", "relinearize")
"""Kinds whose keys have digits and special primes."""
EXTENDED = ("weigh", "encode", "transform")
"""Kinds that work on the special primes too: a product with a diagonal, encoding one, and what a native transform takes
besides (its operand is decomposed, its result divided)."""
KINDS = (
    "add", "sub", "negate", "mul", "add_plain", "mul_plain", "mul_number", "rescale", *SWITCHING, *EXTENDED,
    "bootstrap",
)  # fmt: skip
MEASURED_ON = "one core of an AMD EPYC with AVX-512 (vortex), one at 2.6 GHz (Zen 4, tenseal), single thread"


@dataclass(frozen=True)
class Table:
    """Coefficients (a, b) by kind, in seconds, of N log2(N) (a x + b y); a bootstrap's a is a factor of its parts."""

    costs: Mapping[str, tuple[float, float]]

    def seconds(self, kind: str, parameters: Parameters, level: int, ring_degree: int = 0) -> float:
        """What one operation at a level takes; in another ring than the parameters' if a degree is given."""
        degree = ring_degree or parameters.ring_degree
        (a, b), (x, y) = self.costs[kind], features(kind, parameters, level)
        return degree * math.log2(degree) * (a * x + b * y)


def features(kind: str, parameters: Parameters, level: int) -> tuple[float, float]:
    """(x, y) of an operation at a level."""
    limbs = level + 1
    if kind not in SWITCHING and kind not in EXTENDED:
        return limbs, limbs**2
    extended = limbs + len(parameters.p)
    return extended, extended * math.ceil(limbs / parameters.digit_size)


DEFAULT = {
    "tenseal": {
        "add": (1.13e-10, 0.0),
        "sub": (1.13e-10, 0.0),
        "negate": (1.13e-10, 0.0),
        "mul": (8.00e-10, 9.6e-12),
        "add_plain": (1.53e-9, 0.0),
        "mul_plain": (1.64e-9, 0.0),
        "mul_number": (3.82e-10, 1.4e-12),
        "rescale": (1.17e-9, 8.4e-12),
        "rotate": (2.30e-9, 6.42e-10),
        "hoisted_rotate": (2.30e-9, 6.42e-10),
        "conjugate": (2.30e-9, 6.42e-10),
        "relinearize": (2.21e-9, 6.43e-10),
        "weigh": (0.0, 0.0),
        "encode": (0.0, 0.0),
        "transform": (0.0, 0.0),
        "bootstrap": (1.0, 0.0),
    },
    "vortex": {
        "add": (7.34e-11, 0),
        "sub": (7.34e-11, 0),
        "negate": (7.34e-11, 0),
        "mul": (1.54e-10, 0),
        "add_plain": (8.78e-10, 0),
        "mul_plain": (1.51e-10, 0),
        "mul_number": (7.75e-11, 0),
        "rescale": (3.58e-10, 0),
        "rotate": (2.49e-10, 2.71e-10),
        "hoisted_rotate": (8.12e-11, 5.41e-11),
        "conjugate": (2.49e-10, 2.71e-10),
        "relinearize": (3.96e-11, 2.97e-10),
        "weigh": (5.72e-11, 5.78e-12),
        "encode": (3.59e-10, 0),
        "transform": (1.5e-10, 1.3e-10),
        "bootstrap": (1.0, 0.0),
    },
}
"""Shipped tables by back end, from `calibrate` (`python -m benchmarks.latency`)."""


def latency(
    circuit: Circuit, parameters: Parameters, table: Table, *, bootstrapping: Bootstrapping | None = None, kept: int = 0
) -> dict[str, float]:
    """Seconds by origin.

    Args:
        circuit: lowered.
        parameters: it was lowered for.
        table: what operations take.
        bootstrapping: how its bootstraps are made, if it has any.
        kept: bytes of encoded plaintexts that are kept between runs.
    """
    circuit = inline(circuit)
    states = levels(circuit)
    found: dict[str, float] = {}
    for i in circuit.instructions:
        level = states[i.args[0]].level if i.args and i.op is not Op.MUL_PLAIN else states[i.outs[0]].level
        seconds = sum(number * table.seconds(kind, parameters, level) for kind, number in work(circuit, i))
        for degree in plaintext_degrees(circuit, i):
            extended = level + 1 + len(parameters.p) * isinstance(i.body, LinearTransform)
            kept -= 8 * degree * extended
            if kept < 0:
                seconds += table.seconds("encode", parameters, level, degree)
        if i.op is Op.BOOTSTRAP and bootstrapping is not None:
            seconds += bootstrap_seconds(parameters, bootstrapping, table)
        if i.op is not Op.INPUT:
            found[i.origin] = found.get(i.origin, 0.0) + seconds
    return found


def work(circuit: Circuit, i: Instruction) -> Iterator[tuple[str, int]]:
    """The operations of one instruction that is no polynomial and no bootstrap, by the table's kinds."""
    native = isinstance(i.body, LinearTransform)
    if native:
        yield "transform", len(i.args) + len(i.outs)
    for kind, number in kinds(circuit, i):
        if kind != "bootstrap":
            yield "weigh" if native and kind == "mul_plain" else kind, number


def plaintext_degrees(circuit: Circuit, i: Instruction) -> Iterator[int]:
    """The degree of the ring in which each of an instruction's plaintext factors is encoded."""
    if isinstance(i.body, LinearTransform):
        plains = [plain for row in i.body.blocks for block in row for _, plain in block]
    else:
        plains = [i.plain] if i.op is Op.MUL_PLAIN and i.plain is not None else []
    for plain in plains:
        if isinstance(plain, Constant):
            yield 2 * len(circuit.periodic(plain))


@lru_cache(maxsize=64)
def _bootstrap_work(parameters: Parameters, settings: Bootstrapping) -> tuple[tuple[str, int, int], ...]:
    """(kind, level, how many) of the operations of one bootstrap."""
    made = bootstrapper_of(parameters, settings)
    top = len(parameters.chain) - 1
    found = [("rotate", top, 1 + (parameters.slots // settings.slots).bit_length() - 1)]
    for transform in made.transforms:
        steps = [edges for edges in (*transform.babies, *transform.giants)]
        hoisted = sum(parent == 0 for edges in transform.babies for _, parent, _ in edges)
        products = (1 + sum(map(len, transform.babies))) * (1 + sum(map(len, transform.giants)))
        found += [
            ("transform", transform.level, 2),
            ("hoisted_rotate", transform.level, hoisted),
            ("rotate", transform.level, sum(map(len, steps)) - hoisted),
            ("weigh", transform.level, products),
            ("rescale", transform.level, 1),
        ]
    halves = 2 if settings.slots == parameters.slots or settings.slots_first else 1
    inner, eval_mod = made.inner_level, settings.eval_mod
    found.append(("conjugate", inner, 1))
    cosine = Chebyshev(eval_mod.cosine())
    found += [(kind, inner - down, halves * number) for (kind, down), number in _polynomial_work(cosine)]
    inner -= polynomial.depth(eval_mod.degree)
    for step in range(eval_mod.doublings):
        found += [(kind, inner - step, halves) for kind in ("mul", "add", "relinearize", "rescale")]
    if eval_mod.arcsine:
        arcsine = Chebyshev(eval_mod.arcsine_coefficients())
        inner -= eval_mod.doublings
        found += [(kind, inner - down, halves * number) for (kind, down), number in _polynomial_work(arcsine)]
    return tuple(found)


def bootstrap_seconds(parameters: Parameters, settings: Bootstrapping, table: Table) -> float:
    """What one bootstrap takes."""
    factor, _ = table.costs["bootstrap"]
    parts = _bootstrap_work(parameters, settings)
    return factor * sum(number * table.seconds(kind, parameters, level) for kind, level, number in parts)


def weights(circuit: Circuit, parameters: Parameters, table: Table, *, kept: int = 0) -> list[Weight]:
    """What each instruction of a circuit costs, regions included, before it has levels; `kept` as for `latency`."""
    limbs = 1 + parameters.max_level // 2 + len(parameters.p)
    words = sum(degree * limbs for i in circuit.instructions for degree in plaintext_degrees(circuit, i))
    anew = max(0.0, 1 - kept / (8 * words)) if words else 0.0
    return [_weight(circuit, i, parameters, table, anew) for i in circuit.instructions]


def _weight(circuit: Circuit, i: Instruction, parameters: Parameters, table: Table, anew: float) -> Weight:
    if isinstance(i.body, Chebyshev):
        done = _polynomial_work(i.body)
    else:
        finish = {Op.MUL: ("relinearize", "rescale"), Op.MUL_PLAIN: ("rescale",), Op.LINEAR_TRANSFORM: ("rescale",)}
        ended = [((kind, 0), len(i.outs)) for kind in finish.get(i.op, ())]
        done = [((kind, 0), number) for kind, number in work(circuit, i)] + ended
    linear, quadratic = (np.zeros(1 + max((d for (_, d), _ in done), default=0)) for _ in range(2))
    for (kind, down), number in done:
        a, b = _in_limbs(kind, parameters, table)
        linear[down] += number * a
        quadratic[down] += number * b
    degrees = sum(degree * math.log2(degree) for degree in plaintext_degrees(circuit, i))
    linear[0] += anew * degrees * table.costs["encode"][0]
    return Weight(linear, quadratic)


def _in_limbs(kind: str, parameters: Parameters, table: Table) -> tuple[float, float]:
    """Coefficients of n and n^2 of what an operation takes on n limbs, but for what does not depend on n."""
    unit = parameters.ring_degree * math.log2(parameters.ring_degree)
    a, b = table.costs[kind]
    if kind in SWITCHING or kind in EXTENDED:
        size = parameters.digit_size
        return unit * (a + b * (len(parameters.p) / size + 0.5)), unit * b / size
    return unit * a, unit * b


@lru_cache(maxsize=1024)
def _polynomial_work(body: Chebyshev) -> list[tuple[tuple[str, int], int]]:
    """Operations of a polynomial by kind and levels below its operand."""
    single = Circuit(1)
    single.output("y", polynomial.emit(single, single.input("x"), body.coefficients))
    lowered = lower(single)
    top = max(i.level or 0 for i in lowered.instructions if i.op is Op.INPUT)
    return [((kind, top - level), n) for counter in counts(lowered).values() for (kind, level), n in counter.items()]


def table_of(name: str) -> Table:
    """The machine's own table of a back end if `calibrate` has been run, else the shipped one (clear: SEAL's).

    Raises:
        InvalidInput: the machine's own cannot be read.
    """
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
