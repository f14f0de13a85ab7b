"""Plans: security, precision, sizes, storage, predictions."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest

from tests.fhe import circuits
from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import InvalidInput, MalformedArtefact, MissingKey, OutOfLevels, ParameterRefused
from vortex_crypto.fhe import backends, storage
from vortex_crypto.fhe import plan as plans
from vortex_crypto.fhe.backends.vortex import VortexServer
from vortex_crypto.fhe.circuit import Circuit, Op
from vortex_crypto.fhe.ckks.linear import PlaintextStore
from vortex_crypto.fhe.ckks.sets import N15, N16
from vortex_crypto.fhe.interpret import calibrate, latency
from vortex_crypto.fhe.interpret.counts import counts, totals
from vortex_crypto.fhe.interpret.keys import keys
from vortex_crypto.fhe.interpret.noise import NoiseModel, predict
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.passes.cse import cse
from vortex_crypto.fhe.passes.expand import Strategy, expand
from vortex_crypto.fhe.passes.lower import lower
from vortex_crypto.fhe.plan import CkksPlan, plan
from vortex_crypto.fhe.security import max_log_qp


def deep(depth: int, slots: int = 64) -> Circuit:
    circuit = Circuit(slots)
    wire = circuit.input("x")
    for n in range(depth):
        with circuit.origin(f"square{n}"):
            wire = circuit.mul(wire, wire)
    circuit.output("y", wire)
    return circuit


@pytest.mark.parametrize("depth", [0, 1, 3, 8, 15])
@pytest.mark.parametrize("bits", [8, 20])
def test_plans_are_secure_and_as_precise_as_asked(depth: int, bits: int) -> None:
    made = plan(deep(depth), precision_bits=bits, backend="tenseal")
    parameters = made.parameters
    assert parameters.log_qp <= max_log_qp(parameters.literal.log_n, "ternary")
    assert not parameters.insecure
    assert parameters.max_level == depth
    assert min(error.bits for error in made.errors.values()) >= bits
    assert parameters.p[0] > max(parameters.q)


def test_the_smallest_ring_that_fits_is_taken() -> None:
    degrees = [plan(deep(n), precision_bits=10, backend="tenseal").parameters.ring_degree for n in (1, 4, 8, 16)]
    assert degrees == sorted(degrees)
    assert degrees[0] < degrees[-1]
    slots = 4096
    assert plan(deep(1, slots), precision_bits=10, backend="tenseal").parameters.slots >= slots


def test_what_cannot_be_planned_is_refused_with_advice() -> None:
    with pytest.raises(OutOfLevels, match="square40 needs 60 levels"):
        plan(deep(60), precision_bits=10, backend="tenseal")
    with pytest.raises(ParameterRefused, match="bits of precision were asked and") as refused:
        plan(deep(12), precision_bits=70, backend="tenseal")
    assert refused.value.reason == "precision"
    with pytest.raises(ParameterRefused, match="ring degree of 128"):
        plan(deep(1), precision_bits=10, backend="tenseal", ring_degree=64)
    with pytest.raises(OutOfLevels):
        plan(deep(8), precision_bits=10, backend="tenseal", ring_degree=4096)
    with pytest.raises(InvalidInput, match="no back end"):
        plan(deep(1), precision_bits=10, backend="paper")


def test_insecure_plans_are_marked() -> None:
    made = plan(deep(8), precision_bits=10, backend="tenseal", ring_degree=4096, insecure=True)
    assert made.parameters.insecure
    assert "INSECURE" in made.parameters.security


def stored(made: CkksPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    meta, arrays = made.to_arrays()
    read = container.loads(container.dumps(Artefact("fhe-program", made.hash, meta, arrays)))
    return dict(copy.deepcopy(read.meta)), dict(read.arrays)


@pytest.mark.parametrize("name", circuits.ROSTER)
def test_plans_survive_storage(name: str) -> None:
    circuit = circuits.ROSTER[name]()
    engine = "tenseal" if name in circuits.LEVELED else "vortex"
    made = plan(circuit, precision_bits=10, backend=engine, **circuits.options(circuit))
    again = CkksPlan.from_arrays(*stored(made))
    assert again.hash == made.hash
    assert again.needs == made.needs
    assert again.errors == made.errors
    assert str(again.circuit) == str(made.circuit)


def test_what_repeats_is_stored_once() -> None:
    circuit = Circuit(1024)
    x = circuit.input("x")
    features = np.arange(32.0)
    y = circuit.mul_plain(x, np.repeat(features, 16))
    circuit.output("y", circuit.add_plain(y, np.tile(features, 32)))
    meta, arrays = storage.to_arrays(circuit.freeze())
    assert sum(array.nbytes for name, array in arrays.items() if "/" in name) == 2 * 32 * 8
    again = storage.from_arrays(meta, arrays)
    assert again.content_hash() == circuit.content_hash()
    for name in list(arrays):
        if name.endswith("x16"):
            bad = {**arrays, "constants/real/32x48": arrays[name]}
            names = [n.replace("32x16", "32x48") for n in meta["constants"]]
            with pytest.raises(MalformedArtefact, match="32x48"):
                storage.from_arrays({**meta, "constants": names}, bad)


def test_regions_survive_storage() -> None:
    circuit = circuits.network().freeze()
    again = storage.from_arrays(*storage.to_arrays(circuit))
    assert again.content_hash() == circuit.content_hash()
    assert [i.body for i in again.instructions] == [i.body for i in circuit.instructions]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda meta, arrays: meta["circuit"]["instructions"].pop(0),
        lambda meta, arrays: meta["circuit"]["instructions"].__setitem__(3, None),
        lambda meta, arrays: meta["circuit"]["instructions"][2].__setitem__(0, 99),
        lambda meta, arrays: meta["circuit"]["instructions"][4].__setitem__(1, [10**6]),
        lambda meta, arrays: meta["circuit"].__setitem__("slots", 100),
        lambda meta, arrays: meta["circuit"].__setitem__("wires", -1),
        lambda meta, arrays: meta["circuit"].__setitem__("wires", 1 << 60),
        lambda meta, arrays: meta["circuit"].__setitem__("outputs", [["y", 10**7]]),
        lambda meta, arrays: meta["circuit"].__setitem__("bounds", {"image": float("inf")}),
        lambda meta, arrays: meta["circuit"].pop("constants"),
        lambda meta, arrays: meta.__setitem__("hash", "0" * 64),
        lambda meta, arrays: meta.pop("errors"),
        lambda meta, arrays: meta["parameters"].__setitem__("log_q", [40, 30]),
        lambda meta, arrays: meta["circuit"]["instructions"][1].__setitem__(2, [1, 1 << 21]),
        lambda meta, arrays: [arrays.__setitem__(k, v[:, :0]) for k, v in arrays.items() if "/" in k],
        lambda meta, arrays: arrays.__setitem__("constants", np.full(3, 77, np.uint32)),
        lambda meta, arrays: arrays.pop("constants"),
        lambda meta, arrays: [arrays.__setitem__(k, v * np.nan) for k, v in arrays.items() if "/" in k],
        lambda meta, arrays: [arrays.__setitem__(k, v * 2) for k, v in arrays.items() if "/" in k],
    ],
)
def test_damaged_plans_are_refused(spoil: Any) -> None:
    meta, arrays = stored(plan(circuits.network(), precision_bits=10, backend="tenseal"))
    spoil(meta, arrays)
    with pytest.raises((MalformedArtefact, ParameterRefused)):
        CkksPlan.from_arrays(meta, arrays)


def test_memory_and_latency_are_predicted_by_origin() -> None:
    made = plan(circuits.network(), precision_bits=10, backend="tenseal")
    assert set(made.latency) >= {"fc1", "relu", "fc2"}
    assert all(seconds > 0 for seconds in made.latency.values())
    parameters, keys = made.parameters, len(made.keys)
    each = 16 * parameters.ring_degree * len(parameters.q) * (len(parameters.q) + 1)
    assert made.memory.keys == sum(
        16 * parameters.ring_degree * (level + 1) * (level + 2)
        for level in (*made.keys.rotations.values(), made.keys.relinearization or 0)
    )
    assert made.memory.keys <= keys * each
    ciphertext = 16 * parameters.ring_degree * len(parameters.q)
    assert ciphertext < made.memory.ciphertexts < 40 * ciphertext
    assert made.memory.total == made.memory.keys + made.memory.ciphertexts + made.memory.plaintexts


def test_what_a_server_keeps_encoded_is_predicted() -> None:
    circuit = circuits.network()
    made = plan(circuit, precision_bits=10, backend="vortex")
    roster = backends.backend("vortex")
    client, server = roster.client(made.parameters, made.needs), VortexServer(made)
    session, keys = server.load((pair := client.keygen()).evaluation), pair.secret
    before = server.store.nbytes
    session.run(client.encrypt(keys, [np.zeros(made.circuit.slots)] * len(made.needs.inputs)))
    constants = sum(constant.nbytes for constant in made.circuit.constants)
    one = 8 * made.parameters.ring_degree * len(made.parameters.q)
    assert 0 < before <= server.store.nbytes == made.memory.plaintexts - constants - one


def test_a_store_of_plaintexts_keeps_to_its_room() -> None:
    circuit = circuits.network()
    made = plan(circuit, precision_bits=10, backend="vortex")
    client = backends.backend("vortex").client(made.parameters, made.needs)
    room = 1 << 17
    server = VortexServer(made, store=PlaintextStore(room))
    server.load(client.keygen().evaluation)
    assert server.store.full
    assert server.store.nbytes <= room


def test_the_budget_of_keys_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from vortex_crypto.fhe.backends import Capabilities

    rng = np.random.default_rng(4)
    circuit = Circuit(1024)
    x = circuit.input("x")
    y = circuit.linear_transform([x], [[circuits.diagonals(rng, 60, 1024)]])[0]
    for step in (77, 300, 301, 511, 612, 700, 800, 900):
        y = circuit.add(y, circuit.rotate(y, step))
    circuit.output("y", y)
    many = plan(circuit, precision_bits=10, backend="tenseal")
    tight = Capabilities(key_bytes=lambda parameters, level: 100, key_budget=400)
    monkeypatch.setattr(plans, "_capabilities", lambda name: tight)
    few = plan(circuit, precision_bits=10, backend="tenseal")
    assert len(few.keys.rotations) == 2 < len(many.keys.rotations)
    x0 = circuits.inputs_of(circuit)
    from vortex_crypto.fhe.interpret import clear

    np.testing.assert_allclose(clear.run(few.circuit, x0)["y"], clear.run(circuit, x0)["y"], atol=1e-8)


def test_noise_grows_as_the_formulas_say() -> None:
    parameters = check(ParametersLiteral(12, (40, 30, 30), (42,), 30), insecure=True)
    full, repeated = NoiseModel(parameters, 2048), NoiseModel(parameters, 512)
    assert full.encryption(2) == pytest.approx(np.sqrt(2048 * (3.2**2 + 1 / 12)) / 2**30)
    assert full.encryption(2) == pytest.approx(2 * repeated.encryption(2))
    assert full.ones.shape == (2048,)
    assert full.ones[0] > 100 * np.median(full.ones)
    assert float(full.ones.mean()) == pytest.approx(1.0)


def test_predictions_use_the_samples_given() -> None:
    made = plan(circuits.products(), precision_bits=10, backend="clear")
    calm = predict(made.circuit, made.parameters, samples={n: np.zeros(circuits.SLOTS) for n in ("x", "y")})
    wild = predict(made.circuit, made.parameters)
    assert calm["square"].deviation < wild["square"].deviation


def test_simulated_noise_is_repeatable_and_present() -> None:
    from vortex_crypto.fhe.backends.clear import BACKEND
    from vortex_crypto.fhe.interpret import clear

    made = plan(circuits.network(), precision_bits=10, backend="clear")
    client = BACKEND.client(made.parameters, made.needs)
    keys = client.keygen()
    assert keys.secret.insecure
    assert keys.evaluation.insecure
    inputs = circuits.inputs_of(circuits.network())
    sent = client.encrypt(keys.secret, [inputs["image"]])
    assert "NOT ENCRYPTED" in sent.meta["notice"]
    a, b, c = (
        client.decrypt(keys.secret, BACKEND.server(made, seed=seed).load(keys.evaluation).run(sent))[0]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert (a != clear.run(made.circuit, inputs)["scores"]).any()


def test_calibration_measures_every_kind(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = {name: calibrate.calibrate(name, sizes=((10, 2), (11, 3)), repeat=1) for name in ("tenseal", "vortex")}
    table = found["tenseal"]
    for name, each in found.items():
        assert set(each.costs) == set(latency.KINDS)
        assert all(a >= 0 and b >= 0 for a, b in each.costs.values())
        measured = set(latency.KINDS) - set(latency.EXTENDED if name == "tenseal" else ())
        assert sum(sum(each.costs[kind]) > 0 for kind in measured) > 0.7 * len(measured)
        assert latency.table_of(name) == each
    assert found["vortex"].costs["encode"][0] > 0
    assert latency.table_of("clear") != table
    latency.cache("tenseal").write_text("[]")
    with pytest.raises(InvalidInput, match="delete it"):
        latency.table_of("tenseal")


def test_every_kind_that_is_counted_has_a_cost() -> None:
    named = {op.name.lower() for op in Op} - {"input", "linear_transform", "polynomial"}
    assert named | {"mul_number", "hoisted_rotate", *latency.EXTENDED} == set(latency.KINDS)
    for table in latency.DEFAULT.values():
        assert set(table) == set(latency.KINDS)


@pytest.mark.parametrize("name", latency.DEFAULT)
@pytest.mark.parametrize("literal", [N15.literal, N16.literal, ParametersLiteral(13, (44, *[40] * 3), (46,), 40)])
def test_costs_grow_with_levels_and_bootstraps_cost_more_than_their_largest_parts(
    name: str, literal: ParametersLiteral
) -> None:
    table, parameters = latency.table_of(name), check(literal)
    for kind in set(latency.KINDS) - {"bootstrap"}:
        seconds = [table.seconds(kind, parameters, level) for level in range(parameters.max_level + 1)]
        assert all(0 <= a <= b for a, b in itertools.pairwise(seconds)), kind
    for each in (N15, N16):
        if each.literal == literal:
            full = latency.bootstrap_seconds(parameters, each.settings, table)
            half, few = (latency.bootstrap_seconds(parameters, each.at(parameters.slots // n), table) for n in (2, 64))
            top = len(parameters.chain) - 1
            assert full > half > few > 10 * table.seconds("rotate", parameters, top)


def test_bootstraps_and_what_is_encoded_anew_count() -> None:
    circuit = Circuit(256)
    x = circuit.bootstrap(circuit.input("x"))
    circuit.output("y", circuit.linear_transform([x], [[circuits.diagonals(np.random.default_rng(0), 30)]])[0])
    made = plan(circuit, precision_bits=10, backend="vortex", bootstraps=(circuits.TOY,), insecure=True)
    table = latency.table_of("vortex")
    assert made.bootstrapping is not None
    one = latency.bootstrap_seconds(made.parameters, made.bootstrapping, table)

    def seconds(**how: Any) -> float:
        return sum(latency.latency(made.circuit, made.parameters, table, **how).values())

    kept = {"kept": 1 << 40}
    assert seconds(bootstrapping=made.bootstrapping, **kept) - seconds(**kept) == pytest.approx(one)
    assert seconds() > seconds(kept=1 << 16) > seconds(**kept)


def test_inputs_outside_a_polynomial_s_domain_do_not_spoil_the_plan() -> None:
    circuit = Circuit(64)
    x = circuit.input("x", bound=3.0)
    circuit.output("y", circuit.polynomial(x, np.ones(32).tolist()))
    made = plan(circuit, precision_bits=10, backend="tenseal")
    assert made.parameters.q[0] < 2**60


def test_native_transforms_keep_to_the_rotations_that_have_keys() -> None:
    circuit = Circuit(1024)
    x = circuit.input("x")
    rng = np.random.default_rng(4)
    y = circuit.linear_transform([x], [[circuits.diagonals(rng, 200, 1024)]])[0]
    circuit.output("y", circuit.rotate(y, 77))
    free = cse(lower(expand(circuit, Strategy(None, frozenset({Op.LINEAR_TRANSFORM}))))).freeze()
    few = cse(lower(expand(circuit, Strategy((1, 32), frozenset({Op.LINEAR_TRANSFORM}))))).freeze()
    assert set(keys(few).rotations) == {1, 32} < set(keys(free).rotations)
    hoisted, walked = (totals(counts(c)) for c in (free, few))
    assert hoisted["hoisted_rotate"] > walked["hoisted_rotate"]
    assert hoisted["rotate"] < walked["rotate"]
    meta, arrays = storage.to_arrays(few)
    assert storage.from_arrays(meta, arrays).steps == (1, 32)
    for steps in ([2], [0], [1024], "many"):
        with pytest.raises((MalformedArtefact, MissingKey)):
            keys(storage.from_arrays({**meta, "steps": steps}, arrays))
