"""Calls of every field kernel on random and edge operands: what the templates of all engines walk over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.arith.field import operands as make
from vortex_crypto.arith.engine import Kernel
from vortex_crypto.arith.field.bn254 import FQ, FR

SIZES = (0, 1, 2, 7, 8, 9, 40, 71)
Case = tuple[tuple[Any, ...], dict[str, Any]]


def _vector_cases(name: str) -> list[Case]:
    part, kernel = name.split(".")
    field = FR if part == "fr" else FQ
    cases: list[Case] = []
    for n in (*SIZES, 1601) if kernel == "inner_product" else SIZES:
        a, b, c = (make.elements(field, n, seed) for seed in (1, 2, 3))
        one = make.elements(field, 1, n)[0]
        integers = np.array([0, 1, -1, 2**63 - 1, -(2**63), 2**52, -(2**52), 77] * 9, dtype=np.int64)[:n]
        wild = np.random.default_rng(n).integers(0, 2**64, (n, 4), dtype=np.uint64)
        wild[: n // 3] = np.uint64(2**64 - 1)
        table: dict[str, list[Case]] = {
            "neg": [((a,), {})],
            "inverse": [((a,), {})],
            "from_montgomery": [((a,), {})],
            "to_montgomery": [((wild,), {}), ((a,), {})],
            "is_canonical": [((wild,), {}), ((a,), {})],
            "mul_add": [((a, b, c), {})],
            "scale": [((a, one), {})],
            "powers": [((one, n), {}), ((one, n), {"first": make.elements(field, 1, 5)[0]})],
            "from_int64": [((integers,), {})],
        }
        cases += table.get(kernel, [((a, b), {}), ((a, a), {})])
    return cases


def _group_cases(name: str) -> list[Case]:
    group, kernel = name.split(".")
    points = make.g1_points if group == "g1" else make.g2_points
    generator = make.G1 if group == "g1" else make.G2
    cases: list[Case] = []
    for n in SIZES if group == "g1" else (0, 1, 7, 9, 25):
        a, b, s = points(n, 1), points(n, 2), make.scalars(n, n)
        flags = np.arange(n) % 2 == 0
        coordinates = int(np.prod(generator.shape)) // 4
        off_curve, unreduced = a.copy(), a.copy()
        off_curve.reshape(n, coordinates, 4)[::3, 0, 0] ^= np.uint64(1)
        unreduced.reshape(n, coordinates, 4)[::4, -1] = np.uint64(2**64 - 1)
        abscissae = make.elements(FQ, n * coordinates // 2).reshape(n, *generator.shape[1:])
        table: dict[str, list[Case]] = {
            "msm": [((a, s), {}), ((a, make.scalars(max(n, 1), 1)[:1].repeat(n, axis=0)), {})],
            "fixed_base": [((generator, s), {}), ((np.zeros_like(generator), s), {})],
            "multiply": [((a, s), {})],
            "add": [((a, b), {}), ((a, a), {}), ((a, make.REFERENCE.fq.neg(a.reshape(-1, 4)).reshape(a.shape)), {})],
            "neg": [((a,), {})],
            "valid": [((a,), {}), ((off_curve,), {}), ((unreduced,), {})],
            "lift_x": [((a[:, 0], flags), {}), ((abscissae, flags), {})],
        }
        cases += table[kernel]
    return cases + _rare_points(name)


def _rare_points(name: str) -> list[Case]:
    """Scalars that an endomorphism splits unevenly; points of the twist outside of G2; ordinates of one part."""
    if name not in ("g1.multiply", "g2.multiply", "g2.valid", "g2.lift_x"):
        return []
    scalars, outside, real = make.eigen_scalars(), make.g2_outside(), make.real_ordinates()
    same = np.ascontiguousarray(np.broadcast_to(make.scalars(1, 3) + np.uint64(5), (len(outside), 4)))
    table: dict[str, list[Case]] = {
        "g1.multiply": [((make.G1[None].repeat(len(scalars), axis=0), scalars), {})],
        "g2.multiply": [((make.G2[None].repeat(len(scalars), axis=0), scalars), {}), ((outside, same), {})],
        "g2.valid": [((np.concatenate((make.g2_points(3), outside, make.g2_points(4))),), {})],
        "g2.lift_x": [((real, np.arange(len(real)) % 2 == 0), {}), ((real, np.arange(len(real)) % 2 == 1), {})],
    }
    return table[name]


def _ntt_cases(_: str) -> list[Case]:
    shift = make.elements(FR, 9, 4)
    shift = shift[shift.any(axis=1)][0]
    return [
        ((make.elements(FR, 1 << k, k),), {"inverse": inverse, "coset": coset})
        for k in (0, 1, 2, 3, 5, 6, 7, 8, 9)
        for inverse in (False, True)
        for coset in (None, shift)
    ]


def _csr_cases(_: str) -> list[Case]:
    cases: list[Case] = []
    for rows, columns, entries in (
        (0, 3, 0),
        (1, 1, 1),
        (5, 0, 0),
        (7, 9, 40),
        (30, 5, 71),
        (3, 4, 256),
        (9, 6, 700),
        (2, 9, 2000),
        (1100, 30, 2600),
    ):
        rng = np.random.default_rng(rows)
        indptr = np.sort(
            np.concatenate(([0], rng.integers(0, entries + 1, max(rows - 1, 0)), [entries] * min(rows, 1)))
        )
        values = make.elements(FR, entries, 6)
        values[::2] = make.REFERENCE.fr.from_int64(np.array([1]))[0]
        indices = rng.integers(0, max(columns, 1), entries)
        cases.append(((indptr.astype(np.int64), indices.astype(np.int64), values, make.elements(FR, columns, 7)), {}))
    return cases


def _csr_int64_cases(_: str) -> list[Case]:
    """Coefficients of one bit, of few and of all 64, in rows of no, one and many terms."""
    cases: list[Case] = []
    for limit in (1, 2**7, 2**19 - 1, 2**31 - 1, 2**51 - 1, 2**51, 2**63 - 1):
        for (indptr, indices, _values, x), _keywords in _csr_cases(""):
            values = np.random.default_rng(len(indices)).integers(-limit - 1, limit, len(indices), endpoint=True)
            values[::3] = limit
            cases.append(((indptr, indices, values, x), {}))
    x = make.elements(FR, 1, 8)
    x[0] = [0x43E1F593F0000000, 0x2833E84879B97091, 0xB85045B68181585D, 0x30644E72E131A029]
    for count in (300, 5003):
        long = np.array([0, count], dtype=np.int64)
        for value in (2**19 - 1, -(2**19), 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)):
            cases.append(((long, long[:1].repeat(count), np.full(count, value), x), {}))
    return cases


def _product_cases(_: str) -> list[Case]:
    """Random rows and targets over few elements, so that rows read what earlier ones wrote, themselves and repeats."""
    cases: list[Case] = []
    for rows, columns, entries in ((0, 0, 0), (0, 3, 0), (1, 1, 1), (6, 2, 0), (9, 4, 20), (40, 7, 71)):
        rng = np.random.default_rng(rows + columns)
        a, b = (
            (
                np.concatenate(
                    ([0], np.sort(rng.integers(0, entries + 1, max(rows - 1, 0))), [entries] * min(rows, 1))
                ),
                rng.integers(0, max(columns, 1), entries),
                make.elements(FR, entries, seed),
            )
            for seed in (1, 2)
        )
        left, right = ((indptr.astype(np.int64), indices, values) for indptr, indices, values in (a, b))
        targets, x = rng.integers(0, max(columns, 1), rows), make.elements(FR, columns, 3)
        cases += [((left, right, targets, x), {}), ((left, left, targets, x), {})]
    return cases


def _pairing_cases(_: str) -> list[Case]:
    p, q = make.g1_points(9, 3), make.g2_points(9, 3)
    p[4], q[5] = 0, 0
    opposite = np.concatenate((p[:1], make.REFERENCE.g1.neg(p[:1])))
    calls = [(p[:n], q[:n]) for n in (0, 1, 2, 6)] + [(opposite, q[:1].repeat(2, axis=0))]
    return [((a, b), {}) for a, b in [*calls, *((a, make.REFERENCE.prepare_g2(b)) for a, b in calls)]]


def _line_cases(_: str) -> list[Case]:
    q = make.g2_points(11, 4)
    q[2] = 0
    return [((q[:n],), {}) for n in (0, 1, 3, 4, 5, 11)]


def cases_of(kernel: Kernel) -> list[Case]:
    """Calls of one kernel of the manifest: positional arguments and keywords."""
    makers: dict[str, Callable[[str], list[Case]]] = {
        "fr": _vector_cases,
        "fq": _vector_cases,
        "g1": _group_cases,
        "g2": _group_cases,
        "ntt": _ntt_cases,
        "csr_times_vector": _csr_cases,
        "csr_int64_times_vector": _csr_int64_cases,
        "products_in_order": _product_cases,
        "prepare_g2": _line_cases,
        "pairing_product": _pairing_cases,
        "pairing_check": _pairing_cases,
    }
    return makers[kernel.name.split(".")[0]](kernel.name)


def method(engine: Any, name: str) -> Callable[..., Any]:
    """An engine's kernel by its name in the manifest."""
    for part in name.split("."):
        engine = getattr(engine, part)
    return engine


def same(got: Any, wanted: Any) -> bool:
    """Whether two results agree bit for bit, dtypes and shapes included."""
    if isinstance(wanted, tuple):
        return all(same(g, w) for g, w in zip(got, wanted, strict=True))
    if isinstance(wanted, np.ndarray):
        return got.dtype == wanted.dtype and got.shape == wanted.shape and bool((got == wanted).all())
    return bool(got == wanted)
