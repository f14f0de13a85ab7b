"""Functions by table: y = f(x) for x in a table, by a lookup of the row (x, y); two constraints a use, by LogUp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.discharge import Table
from vortex_crypto.zk.field import to_ints
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample, Values
from vortex_crypto.zk.hints import hint
from vortex_crypto.zk.linear import Array, Linear, Operand, linear


@hint("table_value")
def _table_value(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
    """y of the row (x, y), zero for an x that the table lacks; inputs: x, then the table's two columns."""
    keys, values = (to_ints(column, kernels) for column in inputs[1:])
    known = dict(zip(keys.tolist(), values.tolist(), strict=True))
    return [np.array([known.get(x, 0) for x in to_ints(inputs[0], kernels).tolist()], dtype=object)]


def apply_table(c: Circuit, table: Table, x: Operand) -> Linear:
    """f(x) for a table of two columns; x is thereby one of the first column's entries, which must differ."""
    if len(table.columns) != 2 or len(np.unique(table.columns[0])) != len(table.columns[0]):
        raise InvalidInput(f"table {table.name!r} is not that of a function: two columns, and no key twice")
    value = linear(x)
    (result,) = c.hint("table_value", [value, *(linear(column) for column in table.columns)], value.shape)
    c.lookup(table, value, result)
    return result


def samples() -> tuple[Sample, ...]:
    """A table of squares on signed integers, and one of three columns."""
    inputs = np.arange(-8, 8)
    squares = Table("squares", (inputs, inputs * inputs))
    grid = np.arange(16)
    products = Table("products", (grid >> 2, grid & 3, (grid >> 2) * (grid & 3)))

    def square(c: Circuit) -> None:
        c.expose("y", apply_table(c, squares, c.private("x", (3,))))

    def triple(c: Circuit) -> None:
        c.lookup(products, *(c.private(name) for name in "abc"))

    accepted = tuple(({"x": [x, 0, 7]}, {"y": [x * x, 0, 49]}) for x in inputs.tolist())
    triples: tuple[tuple[Values, Values], ...] = tuple(
        ({"a": a, "b": b, "c": a * b}, {}) for a in range(4) for b in range(4)
    )
    wrong = ({"a": 2, "b": 2, "c": 5}, {"a": 4, "b": 1, "c": 4}, {"a": 0, "b": -1, "c": 0})
    return (
        Sample("square", square, accepted, ({"x": [8, 0, 0]}, {"x": [0, -9, 0]})),
        Sample("triple", triple, triples, wrong),
    )


def cheats() -> tuple[Cheat, ...]:
    """Another value, with honest counts and with counts that claim it was found."""

    def another(kernels: FieldKernels, inputs: list[Array]) -> Sequence[Array]:
        return [np.array([5] * len(inputs[0]), dtype=np.int64)]

    def by_key(kernels: FieldKernels, inputs: list[Array], *, columns: int) -> Sequence[Array]:
        table, queries = to_ints(inputs[0], kernels).tolist(), to_ints(inputs[columns], kernels).tolist()
        return [np.array([queries.count(key) for key in table], dtype=np.int64)]

    wrong = {"a": 2, "b": 2, "c": 5}
    return (
        Cheat("another value", "square", {"x": [3, 1, 2]}, "table_value", another),
        Cheat("counts by the first column alone", "triple", wrong, "row_counts", by_key),
    )
