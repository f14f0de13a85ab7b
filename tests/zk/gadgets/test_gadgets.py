"""Every gadget of the roster accepts its samples, refuses what it must and its cheats, and keeps its counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vortex_crypto.errors import Unsatisfied
from vortex_crypto.zk import gadgets, hints
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.field import MODULUS, to_ints
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.interpret.audit import MAX_RANK_WIRES, accepts, free_wires, loose_wires, unconstrained_wires
from vortex_crypto.zk.interpret.check import check, violated
from vortex_crypto.zk.interpret.cost import cost
from vortex_crypto.zk.interpret.witness import outputs, solve
from vortex_crypto.zk.plan import Hint, Program

GOLDEN = Path(__file__).with_name("golden.json")
SAMPLES = [(name, sample) for name in gadgets.ROSTER for sample in gadgets.load(name).samples()]
CHEATS = [(name, cheat) for name in gadgets.ROSTER for cheat in gadgets.load(name).cheats()]


def names(case: Any) -> str:
    return case if isinstance(case, str) else case.name


@cache
def program(gadget: str, sample: str) -> Program:
    (build,) = (s.build for s in gadgets.load(gadget).samples() if s.name == sample)
    circuit = Circuit(f"{gadget}/{sample}")
    with circuit.origin(gadget):
        build(circuit)
    return circuit.finish()


def test_the_roster_names_every_module() -> None:
    folder = Path(gadgets.__file__).parent
    assert {p.stem for p in folder.glob("*.py")} - {"__init__", "gadget"} == set(gadgets.ROSTER)


@pytest.mark.parametrize(("gadget", "sample"), SAMPLES, ids=names)
def test_samples_are_accepted_with_the_outputs_they_name(gadget: str, sample: Sample) -> None:
    made = program(gadget, sample.name)
    assert sample.accepted
    for inputs, expected in sample.accepted:
        witness = solve(made, inputs)
        check(made.r1cs, witness)
        found = outputs(made, witness)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert np.array_equal(found[name], np.asarray(value)), (inputs, name)


@pytest.mark.parametrize(("gadget", "sample"), SAMPLES, ids=names)
def test_what_lies_outside_has_no_witness(gadget: str, sample: Sample) -> None:
    made = program(gadget, sample.name)
    for inputs in sample.refused:
        assert not accepts(made, inputs), inputs


@pytest.mark.parametrize(("gadget", "cheat"), CHEATS, ids=names)
def test_cheats_are_refused(gadget: str, cheat: Cheat) -> None:
    made = program(gadget, cheat.sample)
    assert any(getattr(step, "name", None) == cheat.hint for step in made.steps), "the cheat replaces no hint"
    assert not accepts(made, cheat.inputs, replace={cheat.hint: cheat.replacement})


def bent(name: str, bend: Callable[[Any], Any]) -> hints.Function:
    """The registered hint with `bend` applied to the first output, an object array of integers."""

    def function(kernels: Any, inputs: list[Any], **parameters: Any) -> list[Any]:
        first, *rest = hints.HINTS[name](kernels, inputs, **parameters)
        is_field = first.dtype == np.uint64 and first.ndim == 2
        values = (to_ints(first, kernels) if is_field else first).astype(object)
        return [np.array(bend(values), dtype=object), *rest]

    return function


def at(place: int, change: Callable[[int], int]) -> Callable[[Any], Any]:
    def bend(values: Any) -> Any:
        values = values.copy()
        values[place] = change(values[place])
        return values

    return bend


BENDS: dict[str, Callable[[Any], Any]] = {
    "first plus one": at(0, lambda v: v + 1),
    "last minus one": at(-1, lambda v: v - 1),
    "first negated": at(0, lambda v: -v),
    "first complemented": at(0, lambda v: 1 - v),
    "all zero": lambda values: values * 0,
    "all one": lambda values: values * 0 + 1,
    "all halved in the field": lambda values: values * pow(2, -1, MODULUS) % MODULUS,
    "reversed": lambda values: values[::-1],
}


@pytest.mark.parametrize(("gadget", "sample"), SAMPLES, ids=names)
def test_whatever_a_hint_says_the_outputs_stay(gadget: str, sample: Sample) -> None:
    """A witness from bent hints is refused, or has the honest outputs (where a hint does not matter)."""
    made = program(gadget, sample.name)
    used = {step.name for step in made.steps if isinstance(step, Hint)}
    for name in sorted(used):
        for bend in BENDS.values():
            for inputs, expected in sample.accepted[:3]:
                witness = solve(made, inputs, replace={name: bent(name, bend)}, strict=False)
                if not len(violated(made.r1cs, witness)):
                    found = outputs(made, witness)
                    assert all(np.array_equal(found[key], np.asarray(value)) for key, value in expected.items())


@pytest.mark.parametrize(("gadget", "sample"), SAMPLES, ids=names)
def test_no_wire_is_free(gadget: str, sample: Sample) -> None:
    """Wires may be free at degenerate inputs (an inverse of zero), but not at all of the samples."""
    made = program(gadget, sample.name)
    witnesses = [solve(made, inputs) for inputs, _ in sample.accepted[:20]]
    assert not len(free_wires(made.r1cs))
    assert not set.intersection(*(set(unconstrained_wires(made.r1cs, w).tolist()) for w in witnesses))
    if made.r1cs.n_wires <= MAX_RANK_WIRES:
        assert not set.intersection(*(set(loose_wires(made, w)) for w in witnesses[:6]))


@pytest.mark.parametrize(("gadget", "sample"), SAMPLES, ids=names)
def test_counts_are_golden(gadget: str, sample: Sample, golden: Callable[[Path, str, Any], None]) -> None:
    found = cost(program(gadget, sample.name).r1cs)
    counts = {"constraints": found.constraints, "wires": found.wires, "entries": found.entries}
    golden(GOLDEN, f"{gadget}/{sample.name}", counts)


def test_an_error_names_the_origin() -> None:
    circuit = Circuit()
    with circuit.origin("conv1"), circuit.origin("Relu"):
        circuit.range(circuit.private("x", (3,)), 4)
    with pytest.raises(Unsatisfied, match=r"conv1/Relu: element 2 is 16, outside of \[0, 2\^4\)"):
        solve(circuit.finish(), {"x": [1, 2, 16]})
