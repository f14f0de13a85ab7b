"""Bootstraps in circuits: where they are put, what they add, what is stored of them, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fhe import circuits
from tests.fhe.circuits import TOY
from tests.fhe.test_backends import BACKENDS, BOOTSTRAPPING, sample
from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import (
    InvalidGraph,
    InvalidInput,
    MalformedArtefact,
    MissingKey,
    OutOfLevels,
    ParameterRefused,
)
from vortex_crypto.fhe import storage
from vortex_crypto.fhe.backends import Needs, backend
from vortex_crypto.fhe.bootstrapped import variants
from vortex_crypto.fhe.circuit import Bootstrap, Circuit, Op
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping, most_spare_bits
from vortex_crypto.fhe.ckks.eval_mod import EvalMod
from vortex_crypto.fhe.ckks.sets import N15, N16, BootstrapSet
from vortex_crypto.fhe.interpret import clear
from vortex_crypto.fhe.interpret.bootstraps import BootstrapNoise, bootstrap_keys, count
from vortex_crypto.fhe.interpret.bounds import bounds
from vortex_crypto.fhe.interpret.keys import Keys
from vortex_crypto.fhe.interpret.latency import table_of, weights
from vortex_crypto.fhe.interpret.levels import State, levels
from vortex_crypto.fhe.interpret.noise import predict
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.passes.cse import cse
from vortex_crypto.fhe.passes.expand import expand
from vortex_crypto.fhe.passes.lower import depth, lower
from vortex_crypto.fhe.passes.place_bootstraps import Placement, Terms, affordable, insert, place
from vortex_crypto.fhe.plan import CkksPlan, plan

TOY_OPTIONS: dict[str, Any] = {"bootstraps": (TOY,), "insecure": True}


def deep(products: int, slots: int = circuits.SLOTS, *, fresh: bool = False) -> Circuit:
    """Tame however deep: y <- y y' - 0.3 x; `fresh` puts a bootstrap first, so that no leveled plan is tried."""
    c = Circuit(slots)
    x = y = c.input("x", bound=0.5)
    if fresh:
        x = y = c.bootstrap(x)
    for n in range(products):
        with c.origin(f"square{n}"):
            y = c.sub(c.mul(c.rotate(y, 1), y), c.mul_plain(x, 0.3))
    c.output("y", y)
    return c


def terms_of(circuit: Circuit, top: int, *, seconds: float = 10.0, spare: int = 12) -> Terms:
    parts = weights(circuit, check(TOY.literal, insecure=True), table_of("vortex"))
    return Terms(top, seconds, spare, bounds(circuit), parts)


def placed(circuit: Circuit, top: int, *, spare: int = 12) -> tuple[Circuit, Placement]:
    terms = terms_of(circuit.freeze(), top, spare=spare)
    found = place(circuit, terms)
    return insert(circuit, terms, {each: terms.log_bound(each[1]) for each in found.at}), found


# Placement


@pytest.mark.parametrize("top", [1, 2, 4, 9])
@pytest.mark.parametrize("products", [1, 4, 9, 20])
def test_a_chain_gets_as_few_as_can_be(products: int, top: int) -> None:
    source = deep(products)
    result, found = placed(source, top)
    assert depth(result) <= top
    assert len(found.at) == count(result) == -(-products // top) - 1
    lowered = lower(cse(result), top)
    levels(lowered)
    inputs = circuits.inputs_of(source)
    np.testing.assert_allclose(clear.run(lowered, inputs)["y"], clear.run(source, inputs)["y"], atol=1e-12)


def residual(blocks: int) -> Circuit:
    c = Circuit(64)
    x = c.input("x")
    for _ in range(blocks):
        h = c.mul(c.mul(c.mul(x, x), x), x)
        x = c.add(h, c.mul_plain(x, 0.5))
    c.output("y", x)
    return c


def test_a_skip_connection_is_bootstrapped_with_its_block() -> None:
    result, found = placed(residual(4), 3)
    assert depth(result) <= 3
    assert len(found.at) == 3


def test_cuts_are_where_few_ciphertexts_are_alive() -> None:
    c = Circuit(64)
    x = c.input("x")
    wide = [c.mul_plain(c.mul(x, x), 0.1 * n) for n in range(1, 6)]
    total = wide[0]
    for wire in wide[1:]:
        total = c.mul(c.add(total, wire), x)
    c.output("y", c.mul(total, total))
    result, found = placed(c, 5)
    assert len(found.at) == 1
    assert depth(result) <= 5


def test_what_is_only_given_out_is_not_bootstrapped() -> None:
    c = Circuit(64)
    x = c.input("x")
    square = c.mul(x, x)
    c.output("square", square)
    y = x
    for _ in range(5):
        y = c.mul(y, x)
    c.output("y", y)
    _, found = placed(c, 3)
    assert len(found.at) == 1


def test_bounds_beyond_the_spare_bits_cost_a_level() -> None:
    c = Circuit(64)
    x = c.input("x", bound=100.0)
    c.promise(y := c.mul(x, x), 1e4)
    for _ in range(3):
        y = c.mul_plain(c.mul(y, x), 0.01)
    c.output("y", y)
    free, _ = placed(c, 4, spare=30)
    dear, _ = placed(c, 4, spare=0)
    inputs = circuits.inputs_of(c)
    wanted = clear.run(c, inputs)["y"]
    for result, spare in ((free, 30), (dear, 0)):
        assert depth(result) <= 4
        assert all(i.body.log_bound <= spare for i in result.instructions if isinstance(i.body, Bootstrap))
        np.testing.assert_allclose(clear.run(result, inputs)["y"], wanted, rtol=1e-12)
    assert sum(i.op is Op.ADD for i in dear.instructions) > sum(i.op is Op.ADD for i in free.instructions)


def test_author_s_bootstraps_are_made_affordable() -> None:
    c = Circuit(64)
    c.output("y", c.bootstrap(c.input("x"), bound=5.0))
    (body,) = [i.body for i in affordable(c, 2).instructions if i.op is Op.BOOTSTRAP]
    assert body == Bootstrap(2)
    x = {"x": np.linspace(-5, 5, 64)}
    np.testing.assert_allclose(clear.run(affordable(c, 2), x)["y"], x["x"])
    for bad in (0.0, -1.0, np.nan, 2.0**41):
        with pytest.raises(InvalidInput, match="a bootstrap of values"):
            c.bootstrap(0, bound=bad)


def test_one_instruction_too_deep_is_named() -> None:
    c = Circuit(64)
    with c.origin("gelu"):
        c.output("y", c.polynomial(c.input("x"), np.ones(32).tolist()))
    with pytest.raises(OutOfLevels, match="gelu"):
        placed(c, 3)


@st.composite
def ladders(draw: st.DrawFn) -> Circuit:
    """Products and sums of any two wires so far, all within [-1, 1]."""
    c = Circuit(16)
    wires = [c.input("x"), c.input("y")]
    for _ in range(draw(st.integers(1, 25))):
        a, b = (wires[-1 - draw(st.integers(0, min(3, len(wires) - 1)))] for _ in range(2))
        op = draw(st.sampled_from([c.mul, c.mul, c.mul, lambda a, b: c.mul_plain(c.add(a, b), 0.5)]))
        wires.append(op(a, b))
    for n, wire in enumerate(wires[-2:]):
        c.output(f"y{n}", wire)
    return c


@given(ladders(), st.integers(1, 4))
def test_any_circuit_fits_its_chain_and_keeps_its_meaning(source: Circuit, top: int) -> None:
    result, found = placed(source, top)
    assert depth(result) <= top
    assert count(result) <= len(found.at)
    lowered = lower(cse(result), top)
    assert max(state.level for state in levels(lowered).values()) <= top
    inputs = circuits.inputs_of(source)
    wanted = clear.run(source, inputs)
    for name, vector in clear.run(lowered, inputs).items():
        np.testing.assert_allclose(vector, wanted[name], atol=1e-12)


# Levels


def test_segments_that_need_few_levels_run_at_low_ones() -> None:
    c = Circuit(64)
    x, late = c.input("x"), c.input("late")
    y = c.mul(c.bootstrap(c.mul(c.mul(x, x), x)), late)
    c.output("y", y)
    lowered = lower(c, 9)
    at = {i.name or i.op.name: i.level for i in lowered.instructions if i.level is not None}
    assert (at["x"], at["late"], at["BOOTSTRAP"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("text", "level", "write"),
    [
        ("needs the level", None, lambda c, x: x),
        ("awaits a rescale", 2, lambda c, x: c.append(Op.MUL_PLAIN, (x,), plain=2.0, level=2)),
    ],
)
def test_bootstraps_wrongly_lowered_are_refused(
    text: str, level: int | None, write: Callable[[Circuit, int], int]
) -> None:
    c = Circuit(8)
    c.bounds["x"] = 1.0
    x = c.append(Op.INPUT, (), name="x", level=2)
    c.output("y", c.region(Bootstrap(), (write(c, x),), outs=1, level=level)[0])
    with pytest.raises(InvalidGraph, match=text):
        levels(c)


def test_a_bootstrap_gives_its_level_whatever_its_operand_s() -> None:
    c = Circuit(8)
    c.bounds["x"] = 1.0
    y = c.region(Bootstrap(), (c.append(Op.INPUT, (), name="x", level=0),), outs=1, level=7)[0]
    c.output("y", y)
    assert levels(c)[y] == State(7)


# Sizes and errors


def test_sizes_are_bounded_by_intervals_promises_and_samples() -> None:
    rng = np.random.default_rng(0)
    c = Circuit(64)
    x = c.input("x", bound=2.0)
    wires = {
        "sum": c.add(x, c.rotate(x, 1)),
        "square": c.mul(x, x),
        "plain": c.add_plain(c.mul_plain(x, rng.standard_normal(64)), 1.0),
        "matrix": c.linear_transform([x], [[circuits.diagonals(rng, 5, 64)]])[0],
        "polynomial": c.polynomial(c.mul_plain(x, 0.5), [0.1, 0.7, -0.4, 0.3]),
    }
    for name, wire in wires.items():
        c.output(name, wire)
    quiet = {"x": np.full(64, 1e-3)}
    known, seen = bounds(c), bounds(c, quiet)
    for seed in range(20):
        values = dict(clear.values(c, {"x": np.random.default_rng(seed).choice([-2.0, 2.0], 64)}))
        assert all(np.abs(values[w]).max() <= 2 * known[w] for w in wires.values())
    assert known[wires["square"]] <= 4.0
    assert all(seen[w] <= known[w] for w in known)
    assert seen[wires["square"]] == pytest.approx(2e-6)
    c.promise(wires["sum"], 0.25)
    assert bounds(c)[wires["sum"]] <= 0.25


@pytest.mark.parametrize("name", BOOTSTRAPPING)
@pytest.mark.parametrize(("value", "bound"), [(1.0, 1.0), (1.0, 8.0), (0.001, 1.0)])
def test_what_the_sine_does_to_equal_slots_is_foreseen(name: str, value: float, bound: float) -> None:
    c = Circuit(circuits.SLOTS)
    c.output("y", c.bootstrap(c.input("x"), bound=bound))
    made = plan(c, precision_bits=5, backend=name, **TOY_OPTIONS)
    chosen = backend(name)
    client = chosen.client(made.parameters, made.needs)
    keys = client.keygen()
    x = np.full(circuits.SLOTS, value)
    sent = client.encrypt(keys.secret, [x])
    (found,) = client.decrypt(keys.secret, chosen.server(made).load(keys.evaluation).run(sent))
    assert made.bootstrapping is not None
    model = BootstrapNoise(made.parameters, made.bootstrapping, circuits.SLOTS)
    foreseen = model.distortion(x, int(np.log2(bound)))
    noise = bound * model.deviation
    assert np.abs(found - x - foreseen).max() < 8 * noise
    assert (np.abs(foreseen).max() > 8 * noise) == (value == 1.0)


def test_larger_bounds_are_taken_where_the_sine_would_cost_more() -> None:
    c = deep(9, fresh=True)
    quiet = {"x": np.random.default_rng(0).uniform(-0.5, 0.5, circuits.SLOTS)}
    loud = {"x": np.full(circuits.SLOTS, -0.5)}
    largest: list[int] = []
    for samples, spread in ((quiet, False), (loud, False), (loud, True)):
        toy = dataclasses.replace(TOY, settings=dataclasses.replace(TOY.settings, spread=spread))
        made = plan(c, precision_bits=10, backend="vortex", samples=samples, bootstraps=(toy,), insecure=True)
        largest.append(max(i.body.log_bound for i in made.circuit.instructions if isinstance(i.body, Bootstrap)))
    assert largest[1] > largest[0] + 2
    assert largest[2] <= largest[1] - 2


# Plans


def test_a_circuit_too_deep_is_given_bootstraps_and_they_are_counted() -> None:
    made = plan(deep(80), precision_bits=15, backend="vortex", **TOY_OPTIONS)
    assert made.bootstraps == 19
    assert made.failure is not None
    assert (made.failure.bootstraps, made.failure.log2_bound) == (19, -128)
    assert made.failure.log2_any == pytest.approx(made.failure.log2_each + np.log2(19))
    assert made.keys.encapsulation
    assert max(made.keys.levels) == len(made.parameters.chain) - 1
    assert made.memory.keys > 10 * backend("vortex").capabilities.key_bytes(made.parameters, made.parameters.max_level)
    shallow = plan(deep(3), precision_bits=15, backend="vortex")
    assert (shallow.bootstraps, shallow.failure, shallow.bootstrapping) == (0, None, None)


def test_polynomials_deeper_than_the_chain_are_bootstrapped_inside() -> None:
    c = Circuit(circuits.SLOTS)
    x = c.bootstrap(c.input("x"))
    rng = np.random.default_rng(1)
    c.output("y", c.polynomial(x, (rng.standard_normal(64) / 64).tolist()))
    made = plan(c, precision_bits=8, backend="clear", **TOY_OPTIONS)
    assert made.bootstraps > 1
    inputs = circuits.inputs_of(c)
    np.testing.assert_allclose(clear.run(made.circuit, inputs)["y"], clear.run(c, inputs)["y"], atol=1e-9)


@pytest.mark.parametrize("name", BACKENDS)
def test_back_ends_that_cannot_bootstrap_say_so(name: str) -> None:
    if name in BOOTSTRAPPING:
        return
    with pytest.raises(ParameterRefused, match=rf"3 bootstraps|2 bootstraps and the back end {name} cannot make any"):
        plan(circuits.bootstrapped(), precision_bits=10, backend=name)
    with pytest.raises(OutOfLevels):
        plan(deep(80), precision_bits=10, backend=name)


def test_what_would_fail_too_often_is_refused() -> None:
    weak = dataclasses.replace(TOY, settings=Bootstrapping(circuits.SLOTS, eval_mod=EvalMod(bound=12)))
    with pytest.raises(ParameterRefused, match=r"fails with probability 2\^-"):
        plan(circuits.bootstrapped(), precision_bits=5, backend="vortex", bootstraps=(weak,), insecure=True)


def test_what_is_asked_beyond_all_sets_is_refused() -> None:
    with pytest.raises(ParameterRefused, match="to 60 bits"):
        plan(circuits.bootstrapped(), precision_bits=60, backend="vortex", **TOY_OPTIONS)
    with pytest.raises(ParameterRefused, match="can be had with bootstrapping") as refused:
        plan(circuits.bootstrapped(), precision_bits=20, backend="vortex", **TOY_OPTIONS)
    assert refused.value.reason == "precision"
    with pytest.raises(ParameterRefused, match="bootstraps 65536 slots"):
        c = Circuit(1 << 16)
        c.output("y", c.bootstrap(c.input("x")))
        plan(c, precision_bits=5, backend="vortex")


def test_sets_are_secure_or_refused() -> None:
    with pytest.raises(ParameterRefused, match="insecure"):
        plan(circuits.bootstrapped(), precision_bits=10, backend="vortex", bootstraps=(TOY,))


@pytest.mark.parametrize("chosen", [N15, N16, TOY], ids=["2^15", "2^16", "toy"])
def test_levels_are_made_smaller_under_the_same_modulus(chosen: BootstrapSet) -> None:
    found = list(variants(chosen))
    assert found[0] == chosen
    counts = [len(each.literal.log_q) for each in found]
    assert counts == sorted(set(counts))
    for each in found if chosen is not TOY else ():
        parameters = check(each.literal)
        assert len(parameters.bootstrap_q) == each.settings.depth
        assert parameters.security.startswith("128-bit")
        least = most_spare_bits(check(chosen.literal), chosen.settings)
        assert most_spare_bits(parameters, each.settings) >= least


def test_a_real_set_plans_a_deep_circuit() -> None:
    made = plan(
        deep(80, 1024), precision_bits=12, backend="clear", bootstraps=(N16,), samples={"x": np.full(1024, 0.3)}
    )
    assert made.bootstraps <= 8
    assert not made.parameters.insecure
    assert made.parameters.ring_degree == 1 << 16
    assert made.failure is not None
    assert made.failure.log2_any < -128


def test_a_secure_set_bootstraps_as_foreseen() -> None:
    """At N = 2^15 and 128 bits, with as few keys as can be: some seconds and 2.5 GB."""
    chosen = dataclasses.replace(N15, settings=dataclasses.replace(N15.settings, memory=1 << 29))
    c = deep(6, 16)
    made = plan(c, precision_bits=10, backend="vortex", bootstraps=(chosen,))
    assert (made.bootstraps, made.parameters.insecure, made.parameters.max_level) == (2, False, 2)
    engine = backend("vortex")
    client = engine.client(made.parameters, made.needs)
    keys = client.keygen()
    inputs = circuits.inputs_of(c)
    answer = engine.server(made).load(keys.evaluation).run(client.encrypt(keys.secret, [inputs["x"]]))
    (found,) = client.decrypt(keys.secret, answer)
    error = np.abs(found - clear.run(c, inputs)["y"])
    assert error.max() < made.errors["y"].worst
    assert -np.log2(np.sqrt(np.mean(error**2))) == pytest.approx(made.errors["y"].bits, abs=2)


# Storage and what comes from outside


def stored() -> tuple[dict[str, Any], dict[str, Any], CkksPlan]:
    made = sample("bootstrapped", "vortex").plan
    meta, arrays = made.to_arrays()
    read = container.loads(container.dumps(Artefact("fhe-program", made.hash, meta, arrays, insecure=True)))
    return dict(copy.deepcopy(read.meta)), dict(read.arrays), made


def test_settings_survive_storage_and_are_hashed() -> None:
    meta, arrays, made = stored()
    again = CkksPlan.from_arrays(meta, arrays)
    assert (again.hash, again.bootstrapping, again.keys) == (made.hash, made.bootstrapping, made.keys)
    for chosen in (N15.settings, N16.settings, Bootstrapping(16, eval_mod=EvalMod(arcsine=7, log_ratio=4))):
        assert storage.settings_from_meta(storage.settings_to_meta(chosen)) == chosen
    assert made.bootstrapping is not None
    other = dataclasses.replace(made, bootstrapping=dataclasses.replace(made.bootstrapping, babies=4))
    assert other.hash != made.hash


def spoilt() -> Iterator[tuple[str, Callable[[dict[str, Any]], Any]]]:
    def setting(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
        return lambda meta: meta["bootstrapping"].__setitem__(name, value)

    for name, value in [
        ("slots", 128),
        ("slots", 3),
        ("slots", "256"),
        ("degree", 1 << 20),
        ("bound", 0),
        ("arcsine", -1),
        ("weight", 33),
        ("to_slots", 2),
        ("babies", 3),
        ("babies", [8] * 6),
        ("babies", [8] * 100),
        ("babies", "8"),
        ("slots_first", True),
        ("unknown", 1),
    ]:
        yield f"{name} {value!r}"[:24], setting(name, value)
    yield "no settings", lambda meta: meta.__setitem__("bootstrapping", None)
    yield "not said", lambda meta: meta.pop("bootstrapping")
    yield "a list", lambda meta: meta.__setitem__("bootstrapping", [1])
    for value in (40, 100, -1, "x", None):
        yield f"bound {value}", lambda meta, value=value: _bootstrap_row(meta).__setitem__(7, value)
    yield "level", lambda meta: _bootstrap_row(meta).__setitem__(6, 9)
    yield "no level", lambda meta: _bootstrap_row(meta).__setitem__(6, None)


def _bootstrap_row(meta: dict[str, Any]) -> list[Any]:
    return next(row for row in meta["circuit"]["instructions"] if row[0] == Op.BOOTSTRAP)


@pytest.mark.parametrize("spoil", [pytest.param(spoil, id=name) for name, spoil in spoilt()])
def test_damaged_bootstraps_are_refused(spoil: Callable[[dict[str, Any]], Any]) -> None:
    meta, arrays, _ = stored()
    spoil(meta)
    with pytest.raises((MalformedArtefact, ParameterRefused)):
        CkksPlan.from_arrays(meta, arrays)


def test_a_client_is_told_the_keys_and_no_more() -> None:
    made = sample("bootstrapped", "vortex").plan
    assert Needs.from_meta(made.needs.to_meta()) == made.needs
    assert made.bootstrapping is not None
    inner = bootstrap_keys(made.parameters, made.bootstrapping)
    assert inner.merged(made.keys) == made.keys == made.keys.merged(Keys({}))
    top = len(made.parameters.chain) - 1
    chosen = backend("vortex")
    for keys in (
        dataclasses.replace(made.keys, encapsulation=False),
        dataclasses.replace(made.keys, rotations={1: top + 1}),
        dataclasses.replace(made.keys, rotations={made.parameters.slots: 1}),
    ):
        with pytest.raises(MalformedArtefact, match="the parameters have"):
            chosen.client(made.parameters, dataclasses.replace(made.needs, keys=keys))
    plain = check(ParametersLiteral(9, (45, 35, 35), (46,), 35), insecure=True)
    few = dataclasses.replace(made.needs, keys=Keys({}, encapsulation=True), inputs=(), outputs=())
    with pytest.raises(MalformedArtefact, match="ephemeral"):
        chosen.client(plain, few)


def test_keys_to_the_sparse_secret_and_back_are_asked_for() -> None:
    made = sample("bootstrapped", "vortex")
    evaluation = made.keys.evaluation
    names = [name for name in evaluation.arrays if name.startswith("encapsulation/")]
    assert len(names) == 2
    assert evaluation.arrays["encapsulation/sparse"].shape[-2] == 2
    for name in names:
        fewer = {key: array for key, array in evaluation.arrays.items() if key != name}
        with pytest.raises(MissingKey, match=name):
            backend("vortex").server(made.plan).load(dataclasses.replace(evaluation, arrays=fewer))
    swapped = {**evaluation.arrays, names[0]: evaluation.arrays[names[1]], names[1]: evaluation.arrays[names[0]]}
    with pytest.raises(MalformedArtefact, match="encapsulation"):
        backend("vortex").server(made.plan).load(dataclasses.replace(evaluation, arrays=swapped))


def test_a_simulation_must_be_told_how() -> None:
    made = sample("bootstrapped", "clear").plan
    with pytest.raises(ParameterRefused, match="not said how"):
        predict(made.circuit, made.parameters)


def test_expansion_keeps_bootstraps() -> None:
    c = circuits.bootstrapped()
    assert count(expand(c)) == count(c) == 2
    assert "within 2^14" in str(c)
