"""Range checks and lookups, collected over a whole circuit and discharged together.

Bits: x = Σ 2^i·b_i with b_i·(1 - b_i) = 0 and b_0 written as x - Σ_{i>0} 2^i·b_i: one constraint a bit.

LogUp (Haböck, ia.cr/2022/1530): all v_i are rows of a table T if and only if, at a random X drawn after the v_i and the
multiplicities m_t are committed, Σ_t m_t/(X - t) = Σ_i 1/(X - v_i). One constraint a table row, one a value, one for
the sum; rows of k columns are compressed as t_1 + ρ·t_2 + ρ²·t_3 + … with a second challenge ρ, which costs a query
k - 1 products more. The error is at most (rows + values)/r. A wide value is cut into limbs; the lowest limb is the
value less the others, so that putting limbs together costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.linear import Linear, concatenate, linear

if TYPE_CHECKING:
    from vortex_crypto.zk.circuit import Circuit

Array = np.ndarray[Any, np.dtype[Any]]

MAX_TABLE_BITS = 17

COMMITMENT_COST = 512
"""Constraints that must be saved before a commitment is worth its points, its pairings and its share of a proof."""


@dataclass(frozen=True, eq=False)
class RangeRequest:
    """Values that must lie in [0, 2^bits)."""

    origin: str
    values: Linear
    bits: int


@dataclass(frozen=True, eq=False)
class Table:
    """A constant table: `columns` are integer arrays of one length, below 2^252 in size; no row stands there twice.

    Beyond that size two rows could differ and be equal modulo r.
    """

    name: str
    columns: tuple[Array, ...]

    def __post_init__(self) -> None:
        rows = list(zip(*(column.tolist() for column in self.columns), strict=True))
        if not rows or len(set(rows)) != len(rows):
            raise InvalidInput(f"table {self.name!r} must have rows, and no row twice")
        if any(abs(value) >> 252 for row in rows for value in row):
            raise InvalidInput(f"table {self.name!r} has an entry of more than 252 bits")


@dataclass(frozen=True)
class Strategy:
    """How ranges are checked: by bits (limb == 0), or by LogUp with limbs of `limb` bits.

    `tables` holds the table sizes in bits; a top limb of fewer bits than a limb is looked up in a table of its own
    where that is there, and otherwise checked twice, as itself and shifted to the top of a limb.
    """

    limb: int
    tables: tuple[int, ...]
    constraints: int


def choose(requests: Sequence[tuple[int, int]], *, overhead: int = COMMITMENT_COST) -> Strategy:
    """The cheapest way to check `n` values of `bits` bits each, for all (n, bits) together, by counting.

    LogUp must save more than `overhead` constraints: none where the circuit has a commitment anyway.
    """
    best = Strategy(0, (), sum(n * bits for n, bits in requests))
    for limb in range(2, MAX_TABLE_BITS + 1):
        rests: dict[int, int] = {}
        whole = 0
        for n, bits in requests:
            whole += n * (bits // limb)
            if bits % limb:
                rests[bits % limb] = rests.get(bits % limb, 0) + n
        tables = {limb} if whole else set()
        cost = whole + sum(rests.values())
        for rest, n in rests.items():
            if n < (1 << rest) + 1:
                tables.add(limb)
                cost += n
            else:
                tables.add(rest)
        cost += sum((1 << size) + 1 for size in tables)
        if cost + (0 if best.limb else overhead) < best.constraints:
            best = Strategy(limb, tuple(sorted(tables)), cost)
    return best


def discharge(
    c: Circuit,
    ranges: Sequence[RangeRequest],
    lookups: Sequence[tuple[Table, tuple[Linear, ...]]],
    *,
    committed: bool,
) -> None:
    """Constrain everything that was requested; `committed` says that the circuit draws challenges anyway."""
    overhead = 0 if committed or lookups else COMMITMENT_COST
    strategy = choose([(request.values.size, request.bits) for request in ranges], overhead=overhead)
    looked_up: dict[int, list[Linear]] = {size: [] for size in strategy.tables}
    for request in ranges:
        with c.origin(request.origin), c.origin("range"):
            if strategy.limb:
                for size, values in _limbs(c, request, strategy):
                    looked_up[size].append(values)
            else:
                _bits(c, request)
    for size, parts in looked_up.items():
        _range_table(c, size, parts)
    grouped: dict[int, tuple[Table, list[tuple[Linear, ...]]]] = {}
    for table, columns in lookups:
        grouped.setdefault(id(table), (table, []))[1].append(columns)
    for table, queries in grouped.values():
        _lookup_table(c, table, queries)


def split(c: Circuit, values: Linear, sizes: Sequence[int]) -> list[Linear]:
    """Limbs of `values`, lowest first: new wires but for the lowest, which is values - Σ 2^shift·limb.

    Nothing bounds them yet: the caller must range-check each.
    """
    if len(sizes) == 1:
        return [values]
    (upper,) = c.hint("limbs", [values], (values.size, len(sizes) - 1), sizes=list(sizes))
    shifts = np.cumsum(sizes)[:-1]
    weights = np.array([1 << int(shift) for shift in shifts], dtype=object if shifts[-1] > 61 else np.int64)
    lowest = values - (upper * weights).sum(axis=1)
    return [lowest, *(upper[:, k] for k in range(len(shifts)))]


def _bits(c: Circuit, request: RangeRequest) -> None:
    for bit in split(c, _sparse(c, request.values), [1] * request.bits):
        c.assert_mul(bit, 1 - bit, 0)


def _sparse(c: Circuit, values: Linear) -> Linear:
    """Values of many terms as wires, since bits repeat the value twice."""
    return c.wire(values) if values.size and int(values.terms.max()) > 16 else values


def _limbs(c: Circuit, request: RangeRequest, strategy: Strategy) -> list[tuple[int, Linear]]:
    """The limbs of a request, each with the size of the table it must be in."""
    whole, rest = divmod(request.bits, strategy.limb)
    parts = split(c, request.values, [strategy.limb] * whole + [rest] * (rest > 0))
    found = [(strategy.limb, part) for part in parts[:whole]]
    if rest and rest in strategy.tables:
        found.append((rest, parts[-1]))
    elif rest:
        found += [(strategy.limb, parts[-1]), (strategy.limb, parts[-1] * (1 << strategy.limb - rest))]
    return found


def _range_table(c: Circuit, size: int, parts: list[Linear]) -> None:
    with c.origin(f"table of {size} bits"):
        values = concatenate(parts)
        (counts,) = c.hint("counts", [values], (1 << size,), size=1 << size)
        _logup(c, [linear(np.arange(1 << size))], [values], counts)


def _lookup_table(c: Circuit, table: Table, queries: list[tuple[Linear, ...]]) -> None:
    with c.origin(f"table {table.name}"):
        columns = [linear(column) for column in table.columns]
        asked = [concatenate(parts) for parts in zip(*queries, strict=True)]
        (counts,) = c.hint("row_counts", [*columns, *asked], (columns[0].size,), columns=len(columns))
        _logup(c, columns, asked, counts)


def _logup(c: Circuit, table: list[Linear], queries: list[Linear], counts: Linear) -> None:
    """Every row of `queries`, given by columns as the table is, is a row of the table."""
    for values in (counts, *queries):
        c.commit(values)

    def build() -> None:
        x, ones = c.challenge(0), c.one.broadcast_to(queries[0].shape)
        known, asked = _compress(c, table), _compress(c, queries)
        # One hint for the shares of the table's rows and of the queries.
        shares = _quotient(c, concatenate([counts, ones]), x - concatenate([known, asked]))
        c.assert_equal(shares[: known.size].sum(), shares[known.size :].sum())

    c.later(build)


def _compress(c: Circuit, columns: Sequence[Linear]) -> Linear:
    """Σ_k ρ^k·column_k, by Horner's rule."""
    result = columns[-1]
    for column in reversed(columns[:-1]):
        result = column + c.mul(c.challenge(1), result)
    return result


def _quotient(c: Circuit, numerator: Linear, denominator: Linear) -> Linear:
    """q with q·denominator = numerator; unsatisfiable where the denominator alone is zero."""
    (q,) = c.hint("quotient", [numerator, denominator], denominator.shape)
    c.assert_mul(q, denominator, numerator)
    return q
