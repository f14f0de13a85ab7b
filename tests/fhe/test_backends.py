"""Conformance: each back end gives the exact run's answer within the error predicted, and refuses what does not fit."""

from __future__ import annotations

import contextlib
import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fhe import circuits
from vortex_crypto import container
from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact, MissingDependency, MissingKey
from vortex_crypto.fhe.backends import ROSTER, KeySet, Needs, Session, backend, openfhe_format
from vortex_crypto.fhe.circuit import Circuit, Vector
from vortex_crypto.fhe.interpret import clear
from vortex_crypto.fhe.interpret.keys import Keys
from vortex_crypto.fhe.plan import CkksPlan, plan


def _installed(name: str) -> bool:
    try:
        return name != "openfhe" or openfhe_format.library() is not None
    except MissingDependency:
        return False


BACKENDS = [name for name in ROSTER if _installed(name)]
BOOTSTRAPPING = [name for name in BACKENDS if backend(name).capabilities.bootstraps]
RUNS = [(c, n) for n in BACKENDS for c in circuits.ROSTER if c in circuits.LEVELED or n in BOOTSTRAPPING]


@dataclasses.dataclass(frozen=True)
class Set:
    """A program with keys made and loaded."""

    plan: CkksPlan
    keys: KeySet
    session: Session

    @property
    def client(self) -> Any:
        return backend(self.plan.backend).client(self.plan.parameters, self.plan.needs)

    def encrypt(self, inputs: dict[str, Vector]) -> Artefact:
        return self.client.encrypt(self.keys.secret, [inputs[name] for name, _ in self.plan.needs.inputs])


def ready(circuit: Circuit, name: str) -> Set:
    made = plan(circuit, precision_bits=10, backend=name, **circuits.options(circuit))
    keys = backend(name).client(made.parameters, made.needs).keygen()
    return Set(made, keys, backend(name).server(made).load(keys.evaluation))


@cache
def sample(circuit: str, name: str) -> Set:
    return ready(circuits.ROSTER[circuit](), name)


def assert_agrees(made: Set, circuit: Circuit) -> None:
    inputs = circuits.inputs_of(circuit)
    wanted = clear.run(circuit, inputs)
    outputs = made.client.decrypt(made.keys.secret, made.session.run(made.encrypt(inputs)))
    for (name, _), vector in zip(made.plan.needs.outputs, outputs, strict=True):
        error = np.abs(vector - wanted[name])
        predicted = made.plan.errors[name]
        assert vector.dtype == (np.complex128 if made.plan.needs.complex_values else np.float64)
        assert np.sqrt(np.mean(error**2)) < 4 * predicted.deviation, name
        assert error.max() < 2 * predicted.worst, name
        assert predicted.bits >= 10


@pytest.mark.parametrize(("circuit", "name"), RUNS)
def test_the_answer_is_that_of_the_exact_run(circuit: str, name: str) -> None:
    assert_agrees(sample(circuit, name), circuits.ROSTER[circuit]())


@pytest.mark.parametrize(
    ("name", "circuit"),
    [("tenseal", "transform")]
    + [(n, c) for n in ("tenseal", "vortex") for c in ("sums", "degree 15", "network")]
    + [(n, "bootstrapped") for n in BOOTSTRAPPING],
)
def test_the_prediction_is_within_two_bits(name: str, circuit: str) -> None:
    made, source = sample(circuit, name), circuits.ROSTER[circuit]()
    inputs = circuits.inputs_of(source)
    wanted = clear.run(source, inputs)
    outputs = made.client.decrypt(made.keys.secret, made.session.run(made.encrypt(inputs)))
    for (output, _), vector in zip(made.plan.needs.outputs, outputs, strict=True):
        bits = -np.log2(np.sqrt(np.mean((vector - wanted[output]) ** 2)))
        assert abs(bits - made.plan.errors[output].bits) < 2, output


@pytest.mark.parametrize("name", BACKENDS)
@settings(max_examples=4)
@given(data=st.data())
def test_random_circuits_agree(name: str, data: st.DataObject) -> None:
    circuit = data.draw(random_circuits())
    assert_agrees(ready(circuit, name), circuit)


@st.composite
def random_circuits(draw: st.DrawFn) -> Circuit:
    circuit = Circuit(64)
    wires = {circuit.input("x"): 0, circuit.input("y"): 0}
    for _ in range(draw(st.integers(1, 12))):
        a, b = (draw(st.sampled_from(sorted(wires))) for _ in range(2))
        op = draw(st.sampled_from(["add", "sub", "negate", "rotate", "mul", "mul_plain", "add_plain", "polynomial"]))
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        if op in ("mul", "mul_plain", "polynomial") and max(wires[a], wires[b]) > 2:
            continue
        if op == "polynomial":
            wires[circuit.polynomial(circuit.mul_plain(a, 0.01), rng.standard_normal(3).tolist())] = wires[a] + 3
        elif op in ("add", "sub", "mul"):
            wires[getattr(circuit, op)(a, b)] = max(wires[a], wires[b]) + (op == "mul")
        elif op == "negate":
            wires[circuit.negate(a)] = wires[a]
        elif op == "rotate":
            wires[circuit.rotate(a, int(rng.integers(64)))] = wires[a]
        else:
            wires[getattr(circuit, op)(a, rng.uniform(-0.7, 0.7, 64))] = wires[a] + (op == "mul_plain")
    # x is added so that no output is x - x, a zero that is no encryption.
    for n, wire in enumerate(sorted(wires)[-3:]):
        circuit.output(f"out{n}", circuit.add(circuit.mul_plain(wire, 0.01), circuit.mul_plain(0, 0.3)))
    return circuit


def altered(artefact: Artefact, section: str, place: int) -> Artefact:
    changed = artefact.arrays[section].copy()
    changed.view(np.uint8)[place] ^= 0x41
    return dataclasses.replace(artefact, arrays={**artefact.arrays, section: changed})


@pytest.mark.parametrize("name", BACKENDS)
def test_artefacts_survive_the_wire(name: str) -> None:
    made, inputs = sample("network", name), circuits.inputs_of(circuits.network())
    sent = container.loads(container.dumps(made.encrypt(inputs)))
    evaluation = container.loads(container.dumps(made.keys.evaluation))
    answer = backend(name).server(made.plan).load(evaluation).run(sent)
    [scores] = made.client.decrypt(made.keys.secret, container.loads(container.dumps(answer)))
    np.testing.assert_allclose(scores, clear.run(circuits.network(), inputs)["scores"], atol=1e-3)


@pytest.mark.parametrize("name", BACKENDS)
def test_artefacts_of_another_program_are_refused(name: str) -> None:
    made, other = sample("network", name), sample("degree 5", name)
    ciphertexts = other.encrypt(circuits.inputs_of(circuits.polynomial(5)))
    with pytest.raises(ArtefactMismatch, match="belongs to program"):
        made.session.run(ciphertexts)
    with pytest.raises(ArtefactMismatch, match="belongs to program"):
        backend(name).server(made.plan).load(other.keys.evaluation)
    with pytest.raises(ArtefactMismatch, match="belongs to program"):
        made.client.decrypt(other.keys.secret, ciphertexts)
    with pytest.raises(MalformedArtefact, match="a ciphertext is needed"):
        made.session.run(made.keys.evaluation)


@pytest.mark.parametrize("name", BACKENDS)
def test_ciphertexts_that_do_not_fit_are_refused(name: str) -> None:
    made = sample("network", name)
    good = made.encrypt(circuits.inputs_of(circuits.network()))
    bad: list[tuple[str, Artefact]] = [
        ("ciphertexts are needed", dataclasses.replace(good, arrays={})),
        ("ciphertexts are needed", dataclasses.replace(good, arrays={**good.arrays, "1": good.arrays["0"]})),
        ("'output' is needed", good),
        ("the program has", dataclasses.replace(good, meta={**good.meta, "ciphertexts": [["image", 0]]})),
        (
            "input 'image'",
            dataclasses.replace(good, arrays={"0": good.arrays["0"].reshape(-1)[: good.arrays["0"].size // 2]}),
        ),
        ("input 'image'", dataclasses.replace(good, arrays={"0": np.zeros(1 << 20, np.uint8)})),
        ("input 'image'", dataclasses.replace(good, arrays={"0": np.zeros((2, 2))})),
    ]
    for text, artefact in bad:
        with pytest.raises(MalformedArtefact, match=text):
            if "output" in text:
                made.client.decrypt(made.keys.secret, artefact)
            else:
                made.session.run(artefact)


@pytest.mark.parametrize("name", BACKENDS)
def test_inputs_that_do_not_fit_are_refused(name: str) -> None:
    made = sample("network", name)
    for vectors in ([], [np.zeros(3)], [np.full(circuits.SLOTS, np.nan)]):
        with pytest.raises(InvalidInput):
            made.client.encrypt(made.keys.secret, vectors)


@pytest.mark.parametrize("name", BACKENDS)
def test_progress_is_told(name: str) -> None:
    made, seen = sample("network", name), []
    made.session.run(made.encrypt(circuits.inputs_of(circuits.network())), lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == list(range(len(made.plan.circuit.instructions)))
    assert {"fc1", "relu", "fc2"} <= {origin for _, _, origin in seen}


def test_needs_survive_the_wire_and_hold_no_weights() -> None:
    needs = sample("network", "tenseal").plan.needs
    assert Needs.from_meta(needs.to_meta()) == needs
    for spoilt in ({"slots": 100}, {"rotations": [[0, 1]]}, {"inputs": [["x", -1]]}, {"program": None, "keys": 3}):
        meta = {**needs.to_meta(), **spoilt}
        if "program" in spoilt:
            del meta["outputs"]
        with pytest.raises(MalformedArtefact):
            Needs.from_meta(meta)


@pytest.mark.parametrize("name", BACKENDS)
def test_needs_beyond_the_parameters_are_refused(name: str) -> None:
    made = sample("network", name)
    parameters, needs = made.plan.parameters, made.plan.needs
    for spoilt in ({"slots": 2 * parameters.slots}, {"inputs": (("image", parameters.max_level + 1),)}):
        with pytest.raises(MalformedArtefact, match="the parameters have"):
            backend(name).client(parameters, dataclasses.replace(needs, **spoilt))


@pytest.mark.parametrize("name", BACKENDS)
def test_needs_that_would_fill_the_memory_are_refused(name: str) -> None:
    made = sample("network", name)
    parameters, needs = made.plan.parameters, made.plan.needs
    many = Keys(dict.fromkeys(range(1, needs.slots), parameters.max_level), None, None)
    wide = tuple((f"image/{n}", 0) for n in range((16 << 30) // (16 * parameters.ring_degree) + 1))
    one = backend(name).capabilities.key_bytes(parameters, parameters.max_level)
    if one * len(many.rotations) > 4 << 30:
        with pytest.raises(MalformedArtefact, match="of keys"):
            backend(name).client(parameters, dataclasses.replace(needs, keys=many))
    with pytest.raises(MalformedArtefact, match="of ciphertexts"):
        backend(name).client(parameters, dataclasses.replace(needs, inputs=wide))


def test_unknown_back_ends_are_named() -> None:
    with pytest.raises(InvalidInput, match="no back end 'sealed'"):
        backend("sealed")


# SEAL's own bytes


def test_missing_and_swapped_keys_are_found() -> None:
    made = sample("network", "tenseal")
    server, evaluation = backend("tenseal").server(made.plan), made.keys.evaluation
    names = [name for name in evaluation.arrays if name.startswith("galois")]
    for name in evaluation.arrays:
        fewer = {key: array for key, array in evaluation.arrays.items() if key != name}
        with pytest.raises(MissingKey, match=name):
            server.load(dataclasses.replace(evaluation, arrays=fewer))
    swapped = {**evaluation.arrays, names[0]: evaluation.arrays[names[1]]}
    with pytest.raises(MalformedArtefact, match="another key than its name says"):
        server.load(dataclasses.replace(evaluation, arrays=swapped))


def test_ciphertexts_under_other_keys_are_found() -> None:
    made = sample("network", "tenseal")
    others = made.client.keygen()
    foreign = made.client.encrypt(others.secret, list(circuits.inputs_of(circuits.network()).values()))
    with pytest.raises(ArtefactMismatch, match="under other keys"):
        made.session.run(foreign)


@given(st.floats(0, 1, exclude_max=True))
@settings(max_examples=30)
def test_altered_bytes_never_crash_seal(place: float) -> None:
    made = sample("network", "tenseal")
    good = made.encrypt(circuits.inputs_of(circuits.network()))
    bad = altered(good, "0", int(place**4 * good.arrays["0"].size))
    with contextlib.suppress(MalformedArtefact):
        made.session.run(bad)


def test_a_ciphertext_at_another_level_is_refused() -> None:
    made, short = sample("degree 15", "tenseal"), sample("degree 15", "tenseal")
    answer = made.session.run(made.encrypt(circuits.inputs_of(circuits.polynomial(15))))
    forged = dataclasses.replace(answer, meta={**answer.meta, "role": "input", "ciphertexts": [["x", 4]]})
    assert short.plan.needs.inputs == (("x", 4),)
    with pytest.raises(MalformedArtefact, match="not at level 4"):
        made.session.run(forged)


def test_secrets_are_in_no_repr() -> None:
    made = sample("network", "tenseal")
    secret = made.keys.secret.arrays["secret"]
    assert secret.tobytes()[64:96].hex() not in repr(made.client) + repr(made.session)
    assert "galois" not in repr(made.session)
