"""Sample circuits for the templates: each returns (circuit, inputs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vortex_crypto.fhe.circuit import Circuit, Op, Vector
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping
from vortex_crypto.fhe.ckks.sets import BootstrapSet
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.params import ParametersLiteral

SLOTS = 256
Sample = tuple[Circuit, dict[str, Vector]]


def diagonals(rng: np.random.Generator, count: int, slots: int = SLOTS) -> Diagonals:
    offsets = rng.choice(np.arange(-slots // 2, slots // 2), count, replace=False)
    return Diagonals(slots, {int(k): rng.standard_normal(rng.choice([8, slots])) / count for k in offsets})


def inputs_of(circuit: Circuit, seed: int = 7) -> dict[str, Vector]:
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-bound, bound, circuit.slots) for name, bound in circuit.bounds.items()}


def sums() -> Circuit:
    rng = np.random.default_rng(1)
    c = Circuit(SLOTS)
    x, y = c.input("x"), c.input("y", bound=2.0)
    a = c.add_plain(c.sub(c.negate(x), c.rotate(y, 3)), rng.standard_normal(SLOTS))
    c.output("a", c.add_plain(a, 0.25))
    c.output("b", c.rotate(a, -5))
    return c


def products() -> Circuit:
    rng = np.random.default_rng(2)
    c = Circuit(SLOTS)
    x, y = c.input("x"), c.input("y")
    xy = c.mul(x, y)
    c.output("square", c.mul(xy, xy))
    c.output("mixed", c.add(c.mul_plain(c.rotate(xy, 4), rng.standard_normal(SLOTS)), c.mul_plain(x, 0.3)))
    c.output("tiny", c.add_plain(c.mul_plain(y, 1e-30), 0.5))
    return c


def transform() -> Circuit:
    rng = np.random.default_rng(3)
    c = Circuit(SLOTS)
    x, y = c.input("x"), c.input("y")
    blocks = [[diagonals(rng, 30), None], [diagonals(rng, 9), diagonals(rng, 3)], [None, None]]
    with c.origin("conv"):
        for n, wire in enumerate(c.linear_transform([x, y], blocks)):
            c.output(f"y{n}", wire)
    return c


def polynomial(degree: int) -> Circuit:
    rng = np.random.default_rng(degree)
    c = Circuit(SLOTS)
    with c.origin("gelu"):
        c.output(
            "y", c.polynomial(c.input("x"), (rng.standard_normal(degree + 1) / (1 + np.arange(degree + 1))).tolist())
        )
    return c


def network() -> Circuit:
    rng = np.random.default_rng(5)
    c = Circuit(SLOTS)
    x = c.input("image")
    with c.origin("fc1"):
        h = c.linear_transform([x], [[diagonals(rng, 12)]])[0]
    with c.origin("relu"):
        h = c.add(c.polynomial(h, (0.3, 0.5, 0.2, 0.0, -0.05)), c.mul_plain(x, 0.5))
    with c.origin("fc2"):
        c.output("scores", c.linear_transform([h], [[diagonals(rng, 5)]])[0])
    return c


def conjugates() -> Circuit:
    rng = np.random.default_rng(6)
    c = Circuit(SLOTS)
    x = c.input("x")
    turned = c.mul_plain(x, np.exp(2j * np.pi * rng.random(SLOTS)))
    c.output("real", c.add(turned, c.conjugate(turned)))
    c.output("complex", turned)
    return c


def bootstrapped() -> Circuit:
    """Bootstraps of its author's, and too deep for `TOY` even so; one bound costs nothing and one takes a level."""
    rng = np.random.default_rng(7)
    c = Circuit(SLOTS)
    x, y = c.input("x"), c.input("y")
    with c.origin("early"):
        h = c.mul(c.add(x, y), c.mul(x, c.sub(y, x)))
        h = c.mul(c.bootstrap(h, bound=4.0), x)
    with c.origin("late"):
        for _ in range(3):
            h = c.add(c.mul(c.rotate(h, 1), h), c.mul_plain(y, rng.uniform(-0.5, 0.5, SLOTS)))
        c.output("h", c.bootstrap(h, bound=2.0**14))
    c.output("p", c.polynomial(c.mul_plain(h, 0.1), (0.3, 0.5, 0.2, 0.0, -0.05)))
    return c


TOY = BootstrapSet(
    ParametersLiteral(
        log_n=9,
        log_q=(60, *[40] * 4),
        log_p=(61,) * 5,
        log_scale=40,
        secret=64,
        log_bootstrap=(39,) * 3 + (60,) * 8 + (56,) * 4,
        ephemeral_weight=32,
    ),
    Bootstrapping(SLOTS),
)
"""Bootstraps in a moment and protects nothing."""


def options(circuit: Circuit) -> dict[str, Any]:
    """What the planner is told for a circuit of the roster."""
    bootstraps = any(i.op is Op.BOOTSTRAP for i in circuit.instructions)
    return {"bootstraps": (TOY,), "insecure": True} if bootstraps else {}


ROSTER: Mapping[str, Callable[[], Circuit]] = {
    "sums": sums,
    "products": products,
    "transform": transform,
    "constant": lambda: polynomial(0),
    "degree 1": lambda: polynomial(1),
    "degree 5": lambda: polynomial(5),
    "degree 15": lambda: polynomial(15),
    "network": network,
    "conjugates": conjugates,
    "bootstrapped": bootstrapped,
}
LEVELED = [name for name, make in ROSTER.items() if not options(make())]
"""Those that every back end runs."""
