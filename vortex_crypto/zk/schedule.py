"""What the solver need not do twice, found once when a circuit is frozen.

Adjoining products become one `Chain`. Combinations of many terms that hints and checks read again and again, each time
with a limb or a challenge more, are evaluated once, into scratch wires that no constraint sees (`Evaluate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vortex_crypto.zk.linear import Array, Linear, concatenate, gather, of_wires
from vortex_crypto.zk.plan import Chain, Evaluate, Expect, Hint, Product, Step

MANY_TERMS = 16
"""Rows of fewer terms are not worth a scratch wire."""

_MARK = 8
"""Terms by which rows are taken for relatives; those that are none are found out by subtracting."""


def chained(steps: Sequence[Step], n_wires: int) -> list[Step]:
    """Runs of adjoining products as one step, where that is faster than one call of a kernel each.

    A call costs as much as some hundred products or as a thousand wires that a chain copies.
    """
    done: list[Step] = []
    run: list[Product] = []

    def end_run() -> None:
        rows = run[-1].stop - run[0].start if run else 0
        if len(run) > max(1, rows // 500, n_wires // 1000):
            done.append(Chain(run[0].start, run[-1].stop, np.concatenate([product.wires for product in run])))
        else:
            done.extend(run)
        run.clear()

    for step in steps:
        if not isinstance(step, Product) or (run and run[-1].stop != step.start):
            end_run()
        if isinstance(step, Product):
            run.append(step)
        else:
            done.append(step)
    end_run()
    return done


def shared(steps: Sequence[Step], n_wires: int) -> list[Step]:
    """The steps with long combinations of integer coefficients written as earlier ones and a difference.

    Wires must be numbered in the order in which they are solved; scratch wires follow from `n_wires` on, in the order
    of the `Evaluate` steps that fill them.
    """
    places = [(k, x) for k, step in enumerate(steps) for x in _combinations(step) if x.coefficients.ndim == 1]
    if not any((x.terms >= MANY_TERMS).any() for _, x in places):
        return list(steps)
    whole = concatenate([x for _, x in places])
    step_of = np.repeat([k for k, _ in places], [x.size for _, x in places])
    rows = np.flatnonzero(whole.terms >= MANY_TERMS)
    bases, base_of, signs = _relatives(gather(whole, rows))
    scratch = of_wires(n_wires + np.arange(len(bases)), (len(bases),))
    long = gather(whole, rows)
    rest = long - gather(long[bases], base_of) * signs
    chosen = np.flatnonzero(2 * rest.terms <= long.terms)
    written = gather(rest, chosen) + gather(scratch, base_of[chosen]) * signs[chosen]
    source = np.arange(whole.size)
    source[rows[chosen]] = whole.size + np.arange(len(chosen))
    rewritten = gather(concatenate([whole, written]), source)
    return _rebuilt(steps, rewritten, long[bases], step_of[rows[bases]], scratch.wires)


def _combinations(step: Step) -> tuple[Linear, ...]:
    if isinstance(step, Hint):
        return step.inputs
    return (step.values,) if isinstance(step, Expect) else ()


def _relatives(long: Linear) -> tuple[Array, Array, Array]:
    """(bases, base_of, signs): the first row of each family of several, and for the rows of `long`, which and its sign.

    Rows of one family have the same first terms but for the constant's, up to the sign. A row without a family is its
    own base, like the first of each.
    """
    first = long.indptr[:-1] + (long.wires[long.indptr[:-1]] == 0)
    terms = first[:, None] + np.arange(_MARK)
    signs = np.sign(long.coefficients[first])
    marks = np.concatenate([long.wires[terms], long.coefficients[terms] * signs[:, None]], axis=1)
    _, bases, family = np.unique(marks, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(bases)
    base_of = np.empty_like(order)
    base_of[order] = np.arange(len(order))
    bases, base_of = bases[order], base_of[family.reshape(-1)]
    return bases, base_of, signs * signs[bases][base_of]


def _rebuilt(steps: Sequence[Step], rewritten: Linear, bases: Linear, step_of: Array, scratch: Array) -> list[Step]:
    """The steps with combinations taken from `rewritten`, each base evaluated before the step that first reads it."""
    done: list[Step] = []
    at = 0

    def taken(x: Linear) -> Linear:
        nonlocal at
        if x.coefficients.ndim == 2:
            return x
        at += x.size
        return rewritten[at - x.size : at].reshape(*x.shape)

    for k, step in enumerate(steps):
        new = np.flatnonzero(step_of == k)
        if len(new):
            done.append(Evaluate(bases[new], scratch[new]))
        if isinstance(step, Hint):
            done.append(replace(step, inputs=tuple(map(taken, step.inputs))))
        elif isinstance(step, Expect):
            done.append(replace(step, values=taken(step.values)))
        else:
            done.append(step)
    return done
