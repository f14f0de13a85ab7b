"""ONNX's own node tests: meaning against their outputs, and every other rule of an operator against its meaning."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from benchmarks import onnx_nodes
from tests.nn.forms import apply
from vortex_crypto.nn.forms import Affine, Unsupported
from vortex_crypto.nn.ir import Array, Graph, Node
from vortex_crypto.nn.op import Inputs
from vortex_crypto.nn.plain import execute


def test_every_case_passes_or_is_listed() -> None:
    failed = {o.case: o.reason for o in onnx_nodes.outcomes() if not o.passed and not o.listed}
    assert failed == {}
    row = onnx_nodes.row()
    assert row["passed"] + row["listed"] == row["n"] == len(onnx_nodes.cases())
    assert row["operators"] >= 180


def test_the_table_of_operators_is_up_to_date() -> None:
    assert onnx_nodes.TABLE.read_text() == onnx_nodes.table(), f"run {onnx_nodes.COMMAND}"


def test_infer_and_form_agree_with_ref_in_every_case() -> None:
    """Walks every node of every imported case with the values that flow through it."""
    wrong, forms = list[str](), defaultdict[str, int](int)
    for case, outcome in zip(onnx_nodes.cases(), onnx_nodes.outcomes(), strict=True):
        if not outcome.passed:
            continue
        graph = onnx_nodes.import_case(case)
        seen: dict[str, Array] = dict(graph.constants)
        execute(graph, {n: x for n, x in case.inputs.items() if n in graph.inputs}, seen.__setitem__)
        for node in graph.nodes():
            specs = node.op.infer(Inputs.of(graph, node))
            got = [(seen[n].shape, seen[n].dtype) for n in node.outputs if n]
            named = [s for s, n in zip(specs, node.outputs, strict=False) if n]
            if got != [(s.shape, s.dtype) for s in named]:
                wrong.append(f"{case.name}: {node.op.name} infers {named}, is {got}")
            if not _form_agrees(graph, node, seen, forms):
                wrong.append(f"{case.name}: form of {node.op.name}")
    assert wrong == []
    assert forms["Affine"] > 500
    assert forms["Elementwise"] > 50
    assert forms["Bilinear"] > 50
    assert forms["Extremum"] > 30


def _form_agrees(graph: Graph, node: Node, seen: dict[str, Array], forms: dict[str, int]) -> bool:
    arrays = tuple(seen[name] if name else None for name in node.inputs)
    if node.subgraphs or any(a is not None and (a.dtype.kind not in "bf" or a.size > 20_000) for a in arrays[:1]):
        return True
    operands = [i for i, a in enumerate(arrays) if a is not None]
    agree = True
    for constant in ((), tuple(operands[1:]), tuple(operands[:-1])):
        op: Any = node.op
        form = op.form(Inputs.from_arrays(arrays, constant + op.static))
        if isinstance(form, Unsupported):
            continue
        forms[type(form).__name__] += 1
        with np.errstate(all="ignore"):
            want = seen[node.outputs[0]].astype(np.float64).ravel() if node.outputs[0] else None
            got = apply(form, arrays)
        if want is None or not np.all(np.isfinite(want)):
            continue
        scale = np.maximum(np.abs(want), 1)
        loose = 2e-2 if seen[node.outputs[0]].dtype.itemsize < 4 else 1e-4
        agree &= bool(np.all(np.abs(got - want) <= loose * scale))
        agree &= not isinstance(form, Affine) or form.bias.shape == want.shape
    return agree


def test_every_rule_lists_something() -> None:
    assert {o.reason for o in onnx_nodes.outcomes() if o.listed} == set(onnx_nodes.RULES)
