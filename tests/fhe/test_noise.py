"""The noise model against what is measured, slot by slot and over fresh keys, for every operation there is.

A slot's deviation is predicted by `profile` and measured over runs with fresh keys and fresh encryptions. The two are
within two bits of each other in 99.9 % of slots; no error of any slot in any run exceeds what `predict` calls worst.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import vortex_crypto
from tests.fhe import circuits
from tests.programs import CIRCUITS, digits, digits_samples
from vortex_crypto.fhe.backends import backend
from vortex_crypto.fhe.circuit import Circuit, Op, Vector
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.keys import KeyGenerator
from vortex_crypto.fhe.interpret import clear, noise
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.plan import CkksPlan, plan

RUNS, TRIALS, FACTOR, SHARE = 24, 64, 4.0, 0.999
SLOTS = 512


def single(build: Callable[[Circuit, int, int], int], slots: int = SLOTS) -> Callable[[], Circuit]:
    """A circuit of one operation on its inputs x and y."""

    def made() -> Circuit:
        c = Circuit(slots)
        c.output("out", build(c, c.input("x"), c.input("y")))
        return c

    return made


def vector(slots: int = SLOTS) -> Vector:
    return np.random.default_rng(8).uniform(-1, 1, slots)


def matrix(c: Circuit, x: int, count: int) -> int:
    rng = np.random.default_rng(count)
    offsets = rng.choice(SLOTS, count, replace=False)
    block = Diagonals(SLOTS, {int(k): rng.standard_normal(SLOTS) / np.sqrt(count) for k in offsets})
    return c.linear_transform([x], [[block]])[0]


def squared_often(c: Circuit, x: int, times: int) -> int:
    for _ in range(times):
        x = c.mul(x, x)
    return x


OPERATIONS: dict[str, Callable[[], Circuit]] = {
    "fresh": single(lambda c, x, y: x),
    "fresh, few slots": single(lambda c, x, y: x, 64),
    "add": single(lambda c, x, y: c.add(x, y)),
    "sub": single(lambda c, x, y: c.sub(c.negate(x), y)),
    "add a vector": single(lambda c, x, y: c.add_plain(x, vector())),
    "add a number": single(lambda c, x, y: c.add_plain(x, 0.3)),
    "mul": single(lambda c, x, y: c.mul(x, y)),
    "mul by a vector": single(lambda c, x, y: c.mul_plain(x, vector())),
    "mul by a number": single(lambda c, x, y: c.mul_plain(x, 0.3)),
    "mul by a large number": single(lambda c, x, y: c.mul_plain(x, 100.0)),
    "rotate": single(lambda c, x, y: c.rotate(x, 5)),
    "rotate, few slots": single(lambda c, x, y: c.rotate(x, 5), 64),
    "conjugate": single(lambda c, x, y: c.conjugate(c.rotate(x, 1))),
    "rotations in a row": single(lambda c, x, y: c.rotate(c.add(x, c.rotate(x, 3)), 9)),
    "levels dropped": single(lambda c, x, y: c.add(squared_often(c, x, 3), y)),
    "one diagonal": single(lambda c, x, y: matrix(c, x, 1)),
    "matrix": single(lambda c, x, y: matrix(c, x, 40)),
    "matrix of matrix": single(lambda c, x, y: matrix(c, matrix(c, x, 20), 7)),
    "powers": single(lambda c, x, y: squared_often(c, x, 4)),
    **{f"degree {n}": single(lambda c, x, y, n=n: c.polynomial(x, chebyshev(n))) for n in (1, 2, 3, 7, 15, 31)},
    **circuits.ROSTER,
}


def chebyshev(degree: int) -> list[float]:
    rng = np.random.default_rng(degree)
    return (rng.standard_normal(degree + 1) / (1 + np.arange(degree + 1))).tolist()


def measured(
    made: CkksPlan, inputs: Mapping[str, Vector], wanted: Mapping[str, Vector], runs: int
) -> dict[str, np.ndarray]:
    """Errors of each output, [runs, slots], under keys of their own for each run."""
    runner = backend(made.backend)
    client, server = runner.client(made.parameters, made.needs), runner.server(made)
    errors: dict[str, list[Vector]] = {name: [] for name, _ in made.needs.outputs}
    for _ in range(runs):
        keys = client.keygen()
        sent = client.encrypt(keys.secret, [inputs[name] for name, _ in made.needs.inputs])
        results = client.decrypt(keys.secret, server.load(keys.evaluation).run(sent))
        for (name, _), vector in zip(made.needs.outputs, results, strict=True):
            errors[name].append(np.abs(vector - wanted[name]))
    return {name: np.array(runs) for name, runs in errors.items()}


def share_within(errors: np.ndarray, deviations: Vector) -> float:
    """The share of slots whose deviation over runs is within two bits of the one predicted."""
    ratio = np.sqrt(np.mean(errors**2, axis=0)) / deviations
    return float(np.mean((ratio < FACTOR) & (ratio > 1 / FACTOR)))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_predictions_are_within_two_bits_in_nearly_all_slots_and_never_exceeded(operation: str) -> None:
    circuit = OPERATIONS[operation]()
    # The rare overflows of a bootstrap are foreseen and seldom seen, so one bit is gone and chance must take less.
    assert_predicted(circuit, circuits.inputs_of(circuit), runs=2 * RUNS if circuits.options(circuit) else RUNS)


@pytest.mark.parametrize("operation", ["fresh", "rotate, few slots", "mul", "conjugate", "mul by a vector", "network"])
def test_of_digits_that_are_not_centred_as_well(operation: str) -> None:
    """SEAL's: the slots whose roots are near 1 are noisier by far, and the model knows which."""
    circuit = OPERATIONS[operation]()
    assert_predicted(circuit, circuits.inputs_of(circuit), name="tenseal")


MESSAGES: dict[str, Callable[[int], Vector]] = {
    "random": lambda n: np.random.default_rng(3).uniform(-1, 1, n),
    "ones": np.ones,
    "replicated": lambda n: np.tile(np.linspace(-1, 1, 8), n // 8),
    "one-sided": lambda n: np.random.default_rng(4).normal(size=n).clip(0, 1),
    "small": lambda n: np.random.default_rng(5).uniform(-1, 1, n) / 1000,
}


@pytest.mark.parametrize("message", MESSAGES)
def test_of_bootstraps_whatever_the_message(message: str) -> None:
    c = Circuit(circuits.SLOTS)
    c.output("out", c.bootstrap(c.input("x"), bound=1.0))
    assert_predicted(c, {"x": MESSAGES[message](circuits.SLOTS)})


@pytest.mark.parametrize("slots", [64, SLOTS])
@pytest.mark.parametrize("weight", ["ternary", 64])
def test_of_encryption_under_a_public_key(slots: int, weight: Any) -> None:
    """It is noisier by the blinding and by the secret, five bits here, and the model knows by how much."""
    parameters = check(ParametersLiteral(10, (45, 40, 40), (46, 46), 40, secret=weight), insecure=True)
    context = Context(parameters, engine_name="reference")
    generator, encryptor = KeyGenerator(context), Encryptor(context)
    x, level = np.random.default_rng(2).uniform(-1, 1, slots), 1
    errors = []
    for _ in range(RUNS):
        secret = generator.secret_key()
        sent = encryptor.encrypt_public(generator.public_key(secret, 2), x, level)
        errors.append(np.abs(encryptor.decrypt(secret, sent, slots).real - x))
    public = noise.NoiseModel(parameters, slots, public=True).encryption(level)
    found = np.array(errors)
    assert share_within(found, np.full(slots, public)) >= SHARE
    assert 0.8 < np.sqrt(np.mean((found / public) ** 2)) < 1.25
    assert public > 16 * noise.NoiseModel(parameters, slots).encryption(level)
    c = Circuit(slots)
    c.bounds["x"] = 1.0
    c.output("y", c.append(Op.INPUT, (), name="x", level=level))
    predicted = noise.predict(c.freeze(), parameters, samples={"x": x}, public=True, trials=16)["y"]
    assert predicted.deviation == pytest.approx(public, rel=0.2)
    assert found.max() <= predicted.worst


def test_of_a_whole_compiled_network() -> None:
    program = digits("vortex")
    made, features = program.fhe.plan, {"features": digits_samples(3)}
    vectors = program.interface.pack(features)
    inputs = {name: vector for (name, _), vector in zip(made.needs.inputs, vectors, strict=True)}
    assert_plan_predicted(made, made.circuit, inputs, runs=12)


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn"])
def test_of_real_programs(name: str) -> None:
    """Every lane holds the same sample, so few runs give many errors of each feature: they are taken together."""
    folder = CIRCUITS / name
    program = vortex_crypto.compile(
        folder / "model.onnx", calibration=folder / "calibration.npz", precision_bits=10, backend="vortex"
    )
    made, interface = program.fhe.plan, program.interface
    with np.load(folder / "samples.npz") as samples:
        vectors = interface.pack({port.name: samples[port.name][:1] for port in interface.inputs})
    inputs = {each: vector for (each, _), vector in zip(made.needs.inputs, vectors, strict=True)}
    model, trials = noise.NoiseModel(made.parameters, made.circuit.slots), 2
    predicted = noise.profile(made.circuit, model, inputs, trials=trials)
    worst = noise.predict(made.circuit, made.parameters, samples=inputs, trials=1)
    for output, errors in measured(made, inputs, clear.run(made.circuit, inputs), runs=2).items():
        by_feature = errors.reshape(len(errors), interface.features, interface.lanes).swapaxes(1, 2)
        found = by_feature.reshape(-1, interface.features)
        deviations = np.sqrt(np.mean(predicted[output].reshape(interface.features, -1) ** 2, axis=1))
        assert len(found) * trials >= 2 * RUNS, "enough of each"
        assert share_within(found, deviations) >= SHARE
        assert np.sqrt(np.mean((found / deviations) ** 2)) < 1.25
        assert errors.max() <= worst[output].worst


def assert_predicted(circuit: Circuit, inputs: Mapping[str, Vector], name: str = "vortex", runs: int = RUNS) -> None:
    how = circuits.options(circuit) or {"insecure": True, "ring_degree": 1024}
    assert_plan_predicted(plan(circuit, precision_bits=8, backend=name, **how), circuit, inputs, runs)


def assert_plan_predicted(made: CkksPlan, circuit: Circuit, inputs: Mapping[str, Vector], runs: int) -> None:
    centred = backend(made.backend).capabilities.centred_digits
    settings = made.bootstrapping
    model = noise.NoiseModel(made.parameters, circuit.slots, bootstrapping=settings, centred=centred)
    predicted = noise.profile(made.circuit, model, inputs, trials=TRIALS)
    worst = noise.predict(made.circuit, made.parameters, bootstrapping=settings, samples=inputs, centred=centred)
    for output, errors in measured(made, inputs, clear.run(circuit, inputs), runs).items():
        assert errors.max() <= worst[output].worst, output
        if np.ptp(errors) > 0:  # else it is a constant, and no encryption that could have noise
            assert share_within(errors, predicted[output]) >= SHARE, output
            assert np.sqrt(np.mean((errors / predicted[output]) ** 2)) < 1.25, "no more is promised than is had"


def test_a_model_that_is_wrong_by_more_is_seen() -> None:
    """The template can fail: a deviation of a quarter, or of four times what it is, passes in no slot worth naming."""
    errors = np.abs(np.random.default_rng(1).standard_normal((RUNS, SLOTS)))
    assert share_within(errors, np.ones(SLOTS)) == 1
    assert share_within(errors, np.full(SLOTS, 0.2)) < 0.5
    assert share_within(errors, np.full(SLOTS, 5.0)) < 0.5
    uneven = np.ones(SLOTS)
    uneven[:5] = 40
    assert share_within(errors, uneven) < SHARE, "five slots of 512 are more than one in a thousand"
