"""What the operations of a back end take on this machine, for the planner: `python -m benchmarks.latency`.

Rows `operation`: by kind, the coefficients of N log2(N) (a x + b y) seconds (`fhe.interpret.latency` says what x and y
are), and what it takes at N = 2^15 and level 7, `shipped_seconds` by the table that comes with the package. A
bootstrap's coefficient is the factor over the sum of its parts. `--keep` writes the table to the user's cache
directory, where the planner finds it and from then on prefers it; run it on a machine that does nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.harness import Row, machine, parser, show
from vortex_crypto.fhe.backends import ROSTER, backend
from vortex_crypto.fhe.ckks.sets import N15
from vortex_crypto.fhe.interpret.calibrate import SIZES, calibrate
from vortex_crypto.fhe.interpret.latency import DEFAULT, KINDS, Table, bootstrap_seconds, cache
from vortex_crypto.fhe.params import check

LEVEL = 7


def rows(name: str, sizes: list[tuple[int, int]], repeat: int, *, keep: bool) -> Iterator[Row]:
    """The machine, then a row for each kind."""
    yield machine("tenseal")
    capabilities = backend(name).capabilities
    measured = calibrate(
        name, sizes=sizes, bootstraps=(N15,) if capabilities.bootstraps else (), repeat=repeat, keep=keep
    )
    shipped = Table(DEFAULT.get(name, DEFAULT["tenseal"]))
    for kind in KINDS:
        a, b = measured.costs[kind]
        row: Row = {"name": "operation", "n": 1 << 15, "kind": kind, "a": a, "b": b}
        yield {**row, "seconds": _seconds(measured, kind), "shipped_seconds": _seconds(shipped, kind)}
    if keep:
        yield {"name": "kept", "file": str(cache(name))}


def _seconds(table: Table, kind: str) -> float:
    parameters = check(N15.literal)
    if kind == "bootstrap":
        return bootstrap_seconds(parameters, N15.settings, table)
    return table.seconds(kind, parameters, LEVEL)


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--backend", default="vortex", choices=sorted(set(ROSTER) - {"clear", "openfhe"}))
    arguments.add_argument(
        "--sizes", nargs="+", default=[f"{n}:{levels}" for n, levels in SIZES], help="log2 of N and levels, as 14:8"
    )
    arguments.add_argument("--repeat", type=int, default=5, help="runs, of which the fastest counts")
    arguments.add_argument("--keep", action="store_true", help="write the table to where the planner finds it")
    chosen = arguments.parse_args()
    sizes = [(int(n), int(levels)) for n, _, levels in (text.partition(":") for text in chosen.sizes)]
    made = rows(chosen.backend, sizes, chosen.repeat, keep=chosen.keep)
    show(made, as_json=chosen.json, title=f"Latency of operations on {chosen.backend}")


if __name__ == "__main__":
    main()
