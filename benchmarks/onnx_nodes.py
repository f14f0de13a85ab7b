"""How much of ONNX is imported: its own generated node tests, run in the plain executor.

`python -m benchmarks.onnx_nodes [--json]` prints the row `onnx_nodes`; `--write-table` writes `docs/operators.md`.
A case passes if every output has the right type, shape and numbers (the case's own tolerance). One that does not must
be listed by a rule below, with its reason; a case that a rule names and that passes all the same is a failure too.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
from onnx.backend.test.case.node import collect_testcases

from benchmarks import harness
from vortex_crypto.errors import VortexError
from vortex_crypto.nn.forms import Unsupported
from vortex_crypto.nn.ir import Graph
from vortex_crypto.nn.onnx_import import NEWEST_OPSET, OLDEST_OPSET, import_onnx
from vortex_crypto.nn.op import DTYPES, Inputs, Op
from vortex_crypto.nn.ops import ROSTER
from vortex_crypto.nn.plain import execute

TABLE = Path(__file__).resolve().parent.parent / "docs" / "operators.md"
COMMAND = "python -m benchmarks.onnx_nodes --write-table"


@dataclass(frozen=True)
class Case:
    """One of ONNX's node tests: a model, its inputs and the outputs it must have, by name."""

    name: str
    model: onnx.ModelProto
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    rtol: float
    atol: float

    @property
    def operators(self) -> set[tuple[str, str]]:
        """(domain, name) of every operator in the model, those of sub-graphs too."""
        waiting, found = [self.model.graph], set[tuple[str, str]]()
        while waiting:
            for node in waiting.pop().node:
                found.add(("" if node.domain == "ai.onnx" else node.domain, node.op_type))
                waiting += [a.g for a in node.attribute if a.HasField("g")]
        return found

    @property
    def tested(self) -> str:
        """The operator the case is about: the first node's, unless the case is an expansion of another's."""
        return "" if "_expanded" in self.name else self.model.graph.node[0].op_type


@dataclass(frozen=True)
class Outcome:
    """What became of a case: `passed`; or `listed` with the reason; or failed with what went wrong."""

    case: str
    tested: str
    passed: bool
    listed: bool
    reason: str = ""


@cache
def cases() -> tuple[Case, ...]:
    """ONNX's node tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, at infinities that the tests make on purpose
        found = collect_testcases(None)
    return tuple(
        Case(
            case.name,
            case.model,
            {v.name: _plain(x) for v, x in zip(case.model.graph.input, case.data_sets[0][0], strict=False)},
            {v.name: _plain(x) for v, x in zip(case.model.graph.output, case.data_sets[0][1], strict=False)},
            case.rtol,
            case.atol,
        )
        for case in found
    )


def _plain(x: Any) -> Any:
    return onnx.numpy_helper.to_array(x) if isinstance(x, onnx.TensorProto) else x


def import_case(case: Case) -> Graph:
    """The case's graph; inputs that decide shapes are bound to the case's own arrays, if it does not import without."""
    node = case.model.graph.node[0]
    kind = ROSTER.get((node.domain, node.op_type))
    static = {name for i, name in enumerate(node.input) if kind is not None and i in kind.static}
    for names in (set[str](), static):
        with contextlib.suppress(VortexError):
            return import_onnx(case.model, constants={n: x for n, x in case.inputs.items() if n in names})
    return import_onnx(case.model, constants=case.inputs)


def run(case: Case) -> Outcome:
    """Import and execute one case."""
    rule = next((reason for reason, applies in RULES.items() if applies(case)), "")
    try:
        graph = import_case(case)
        results = execute(graph, {name: x for name, x in case.inputs.items() if name in graph.inputs})
        wrong = "; ".join(filter(None, (_difference(case, name, results[name]) for name in case.outputs)))
    except VortexError as error:
        wrong = f"{type(error).__name__}: {error}"
    if rule:
        reason = rule if wrong else f"listed ({rule}), yet it passes"
        return Outcome(case.name, case.tested, False, bool(wrong), reason)
    return Outcome(case.name, case.tested, not wrong, False, wrong)


def _difference(case: Case, name: str, got: Any) -> str:
    want = np.asarray(case.outputs[name])
    if got.dtype != want.dtype or got.shape != want.shape:
        return f"{name} is {got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}"
    if want.dtype.kind in "biu":
        return "" if np.array_equal(got, want) else f"{name} differs"
    exact = np.complex128 if want.dtype.kind == "c" else np.float64
    close = np.isclose(got.astype(exact), want.astype(exact), rtol=case.rtol, atol=case.atol, equal_nan=True)
    return "" if close.all() else f"{name} differs in {int((~close).sum())} of {close.size} elements"


# What is listed, and why.


def _has(*names: str) -> Callable[[Case], bool]:
    return lambda case: any(name.startswith(names) for _, name in case.operators)


def _foreign(case: Case) -> bool:
    read = ("", "ai.onnx.preview")
    return any(domain not in read and (domain, name) not in ROSTER for domain, name in case.operators)


def _opset(case: Case) -> int:
    versions = {entry.domain: entry.version for entry in case.model.opset_import}
    return versions.get("", versions.get("ai.onnx", NEWEST_OPSET))


def _values(case: Case) -> list[onnx.ValueInfoProto]:
    return [*case.model.graph.input, *case.model.graph.output]


def _no_tensor(case: Case) -> bool:
    return any(value.type.WhichOneof("value") != "tensor_type" for value in _values(case))


def _no_number(case: Case) -> bool:
    return any(value.type.tensor_type.elem_type not in DTYPES for value in _values(case))


def _random_dropout(case: Case) -> bool:
    if not _has("Dropout")(case) or "t" not in case.inputs:
        return False
    return bool(np.any(case.inputs["t"])) and bool(np.any(case.inputs.get("r", 0.5)))


RULES: dict[str, Callable[[Case], bool]] = {
    "of the domain of classical learning only linear models are read, and of that of training nothing": _foreign,
    "sequences and optional values are no tensors": lambda case: (
        _no_tensor(case) or _has("Sequence", "SplitToSequence", "Optional")(case)
    ),
    "strings are no numbers": _no_number,
    "random numbers have no place in a program that is proved or run encrypted": lambda case: (
        _has("Bernoulli", "Random", "Multinomial")(case) or _random_dropout(case)
    ),
    "image files are decoded before the network, not in it": _has("ImageDecoder"),
    f"models older than opset {OLDEST_OPSET} are not read": lambda case: _opset(case) < OLDEST_OPSET,
    "Scan before opset 9 had a batch of its own": lambda case: _has("Scan")(case) and _opset(case) < 9,
}
"""Reason and rule; the first that applies counts."""


@cache
def outcomes() -> tuple[Outcome, ...]:
    """All cases, run."""
    return tuple(run(case) for case in cases())


def operators() -> dict[str, type[Op] | None]:
    """Supported operators: those of the roster, and those expanded (None) that ONNX defines by others."""
    expanded = {o.tested for o in outcomes() if o.tested and o.passed and ("", o.tested) not in ROSTER}
    return {**{name: kind for (_, name), kind in ROSTER.items()}, **dict.fromkeys(expanded)}


def row() -> harness.Row:
    """The benchmark's one row."""
    start = time.perf_counter()
    found = outcomes()
    listed = {o.case: o.reason for o in found if o.listed}
    failed = {o.case: o.reason for o in found if not o.passed and not o.listed}
    return {
        "name": "onnx_nodes",
        "n": len(found),
        "seconds": time.perf_counter() - start,
        "operators": len(operators()),
        "passed": sum(o.passed for o in found),
        "listed": len(listed),
        "failed": len(failed),
        "reasons": dict(Counter(listed.values())),
        "listed_cases": listed,
        "failed_cases": failed,
    }


# The table.


def table() -> str:
    """The text of docs/operators.md."""
    tally: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes():
        tally[outcome.tested].append(outcome)
    supported = operators()
    lines = [
        "# Operators",
        "",
        f"Generated by `{COMMAND}`; do not edit.",
        f"Semantics are those of opset {NEWEST_OPSET}, judged by the node tests of onnx {onnx.__version__};",
        f"models from opset {OLDEST_OPSET} on are read.",
        "",
        f"**{len(supported)} operators** are imported. *Form* says what an operator is under encryption or in a proof:",
        "an affine map, a function of every element, a bilinear product, an extremum (in proofs alone),",
        "or none (then it runs in the clear alone);",
        "the form may hang on which inputs are constant. *Constant* names the inputs that decide shapes, so that they",
        "must be known when compiling. *Cases* are ONNX's own tests of the operator: passed of all.",
        "",
        "| operator | form | constant | cases |",
        "|---|---|---|---|",
        *(_line(name, supported[name], tally[name]) for name in sorted(supported)),
        "",
        "## Cases that do not pass, and why",
        "",
    ]
    for reason in RULES:
        named = sorted(o.case.removeprefix("test_") for o in outcomes() if o.listed and o.reason == reason)
        lines += [f"**{reason[0].upper()}{reason[1:]}** ({len(named)}): {', '.join(named)}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _line(name: str, kind: type[Op] | None, found: list[Outcome]) -> str:
    cases_passed = f"{sum(o.passed for o in found)}/{len(found)}" if found else ""
    if kind is None:
        return f"| {name} | expanded into the operators ONNX defines it by | | {cases_passed} |"
    constant = ", ".join(_input_name(name, i) for i in kind.static)
    return f"| {name} | {_forms(kind)} | {constant} | {cases_passed} |"


def _input_name(operator: str, index: int) -> str:
    opset = 9 if operator in ("Scatter", "Upsample") else NEWEST_OPSET  # the two that ONNX has given up since
    return str(onnx.defs.get_schema(operator, opset).inputs[index].name)


def _forms(kind: type[Op]) -> str:
    found = {type(f).__name__.lower(): f for f in _sample_forms(kind)}
    return ", ".join(sorted(name for name, f in found.items() if not isinstance(f, Unsupported))) or "none"


def _sample_forms(kind: type[Op]) -> Iterator[Any]:
    for sample in kind.samples(np.random.default_rng(0)):
        yield sample.op.form(Inputs.from_arrays(sample.inputs, sample.constant))


def main() -> None:
    arguments = harness.parser(__doc__ or "")
    arguments.add_argument("--write-table", action="store_true", help=f"write {TABLE.name}")
    given = arguments.parse_args()
    if given.write_table:
        TABLE.write_text(table())
    measured = row()
    if not given.json:
        for case, reason in measured["failed_cases"].items():
            harness.note(f"{case} failed: {reason}")
        for reason, count in measured["reasons"].items():
            harness.note(f"{count} listed: {reason}")
        measured = {key: value for key, value in measured.items() if not isinstance(value, dict)}
    harness.show([harness.machine("onnx"), measured], as_json=given.json, title="ONNX node tests")


if __name__ == "__main__":
    main()
