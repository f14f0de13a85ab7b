"""How precise a circuit's results are: the circuit is simulated with the noise each instruction adds.

Variances are per coefficient and independent (the average case of Costache et al., ia.cr/2022/162). An error polynomial
of variance v per coefficient shows in the real part of a slot with variance N v / 2, over the scale. Errors are carried
through the circuit by running it twice, exactly and perturbed, so that correlations and the derivatives of polynomials
count as they are; a worst-case calculus would be tens of bits too pessimistic for deep circuits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vortex_crypto.errors import ParameterRefused
from vortex_crypto.fhe.circuit import Bootstrap, Circuit, Constant, Instruction, LinearTransform, Op, Vector
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping
from vortex_crypto.fhe.interpret import clear
from vortex_crypto.fhe.interpret.bootstraps import BootstrapNoise
from vortex_crypto.fhe.interpret.levels import State, levels
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.passes.lower import inline
from vortex_crypto.fhe.rotations import Edge, native
from vortex_crypto.fhe.security import ERROR_DEVIATION

ROUNDING = 1 / 12
"""Variance of a rounding to the nearest integer."""
UNEVEN = 4
"""Where few slots have most of the noise, four runs may all show little of it; of sixteen, the largest error is below
1.15 of a slot's deviations in one case of a hundred."""


@dataclass(frozen=True)
class Error:
    """Errors of one output, absolute, in the units of its slots.

    Attributes:
        deviation: root mean square over the slots.
        worst: no slot is further off in one run out of a thousand or more, by the model.
    """

    deviation: float
    worst: float

    @property
    def bits(self) -> float:
        """-log2 of the deviation."""
        return -math.log2(max(self.deviation, 2.0**-100))


@dataclass(frozen=True)
class NoiseModel:
    """Standard deviations, in slots, of what operations add under given parameters.

    Attributes:
        parameters: the parameters.
        slots: of the circuit.
        generator: of the group that orders the slots.
        bootstrapping: how bootstraps are made, if there are any.
        centred: key-switching digits lie around zero, and not in [0, q).
        floored: key switching divides by the special primes without rounding, off by up to their number.
        public: inputs are encrypted under a public key, and not under the secret one.
    """

    parameters: Parameters
    slots: int
    generator: int = 3
    bootstrapping: Bootstrapping | None = None
    centred: bool = True
    floored: bool = False
    public: bool = False

    @cached_property
    def bootstrap(self) -> BootstrapNoise:
        """What a bootstrap adds.

        Raises:
            ParameterRefused: the model was made without a way to bootstrap.
        """
        if self.bootstrapping is None:
            raise ParameterRefused("bootstrapping", "the circuit bootstraps, and it is not said how")
        return BootstrapNoise(self.parameters, self.bootstrapping, self.slots)

    @cached_property
    def ones(self) -> Vector:
        """|u(zeta)|^2 / N in every slot for u = 1 + X + ... + X^(N-1), mean over the repetitions, shape [slots].

        Where digits lie in [0, q), switching adds q / 2 times u times the key's error. With
        zeta^N = -1, u(zeta) = 2 / (1 - zeta), which is large in the few slots whose root is near 1.
        """
        degree = self.parameters.ring_degree
        exponents = np.ones(degree // 2, np.int64)
        for n in range(1, degree // 2):
            exponents[n] = exponents[n - 1] * self.generator % (2 * degree)
        squared = 4 / np.abs(1 - np.exp(1j * np.pi * exponents / degree)) ** 2
        profile: Vector = squared.reshape(-1, self.slots).mean(axis=0) / degree
        return profile

    def slot(self, variance: float, scale: float) -> float:
        """Deviation of the real part of a slot for an error polynomial of that variance per coefficient.

        A circuit with fewer slots than the ring is repeated over them, and a client takes the mean.
        """
        return math.sqrt(self.slots * variance) / scale

    def encryption(self, level: int) -> float:
        """A fresh error; under a public key the key's times the blinding, and a second one times the secret, too."""
        errors = ERROR_DEVIATION**2
        if self.public:
            errors *= 1 + 2 * self.parameters.ring_degree / 3 + self._weight
        return self.slot(errors + ROUNDING, float(self.parameters.scale(level)))

    def rescale(self, level: int) -> float:
        """Rounding both polynomials, the second of which is multiplied by the secret."""
        return self.slot(self._division(), float(self.parameters.scale(level)))

    def switch(self, level: int, scale: float) -> Vector:
        """Key switching: every digit times the error of its key, divided by P, and the rounding of that division."""
        q, size = self.parameters.chain[: level + 1], self.parameters.digit_size
        digits = sum(float(math.prod(q[n : n + size])) ** 2 for n in range(0, len(q), size))
        ratio = (
            self.parameters.ring_degree * ERROR_DEVIATION**2 * size * digits / float(math.prod(self.parameters.p)) ** 2
        )
        shifted = np.zeros(self.slots) if self.centred else self.ones / 4
        variance = ratio * (ROUNDING + shifted) + self._division()
        if self.floored:  # half their number on average, times u, in both polynomials
            variance = variance + self.ones * (len(self.parameters.p) / 2) ** 2 * self._division() / ROUNDING
        return np.sqrt(self.slots * variance) / scale

    def plain(self, scale: float, vector: bool) -> float:
        """Rounding a plaintext's coefficients; a number has one."""
        return self.slot(ROUNDING, scale) if vector else math.sqrt(ROUNDING) / scale

    def _division(self) -> float:
        return ROUNDING * (1 + self._weight)

    @property
    def _weight(self) -> float:
        """Non-zero coefficients of the secret."""
        secret = self.parameters.secret
        return 2 * self.parameters.ring_degree / 3 if secret == "ternary" else float(secret)


def predict(
    circuit: Circuit,
    parameters: Parameters,
    *,
    bootstrapping: Bootstrapping | None = None,
    samples: Mapping[str, Vector] | None = None,
    trials: int = 4,
    centred: bool = True,
    floored: bool = False,
    generator: int = 3,
    public: bool = False,
) -> dict[str, Error]:
    """The error of each output of a lowered circuit.

    Args:
        circuit: lowered for those parameters.
        parameters: with at least the circuit's levels.
        bootstrapping: how its bootstraps are made, if it has any.
        samples: typical inputs, [slots] each; without, uniform in the inputs' bounds. Where the circuit promises a
            bound and a sample breaks it, the value is clipped to it.
        trials: runs to take the mean over; where digits are not centred, `UNEVEN` times as many.
        centred: of the back end's key-switching digits.
        floored: of its division by the special primes.
        generator: of the group that orders its slots.
        public: inputs are encrypted under a public key.
    """
    circuit = inline(circuit)
    states = levels(circuit)
    model = NoiseModel(parameters, circuit.slots, generator, bootstrapping, centred, floored, public)
    trials *= 1 if centred else UNEVEN
    squares: dict[str, float] = {name: 0.0 for name, _ in circuit.outputs}
    largest = dict(squares)
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        inputs = samples or _uniform(circuit, rng)
        for name, error in _run(circuit, model, states, inputs, rng).items():
            squares[name] += float(np.mean(error**2)) / trials
            largest[name] = max(largest[name], float(np.abs(error).max()))
    tail = math.sqrt(2 * math.log(2000 * circuit.slots))
    return {
        name: Error(math.sqrt(square), max(4 * largest[name], tail * math.sqrt(square)))
        for name, square in squares.items()
    }


def profile(
    circuit: Circuit, model: NoiseModel, samples: Mapping[str, Vector], *, trials: int = 16
) -> dict[str, Vector]:
    """The deviation of each slot of each output, shape [slots]: `predict` slot by slot, for given inputs."""
    circuit = inline(circuit)
    states = levels(circuit)
    squares: dict[str, Vector] = {name: np.zeros(circuit.slots) for name, _ in circuit.outputs}
    for trial in range(trials):
        for name, error in _run(circuit, model, states, samples, np.random.default_rng(trial)).items():
            squares[name] += error**2 / trials
    return {name: np.sqrt(square) for name, square in squares.items()}


def perturb(
    circuit: Circuit,
    i: Instruction,
    row: int,
    states: Mapping[int, State],
    model: NoiseModel,
    args: list[Vector],
    result: Vector,
    rng: np.random.Generator,
) -> Vector:
    """One result (number `row`) of an instruction with the noise it adds."""
    if isinstance(i.body, Bootstrap):
        return _bootstrapped(i.body, states[i.outs[0]], model, result, rng)
    deviation = _deviation(circuit, i, row, states, model, args)
    if isinstance(deviation, float) and deviation == 0.0:
        return result
    if np.iscomplexobj(result):
        noise = rng.standard_normal(result.shape) + 1j * rng.standard_normal(result.shape)
        return result + deviation * noise
    return result + deviation * rng.standard_normal(result.shape)


def _bootstrapped(body: Bootstrap, state: State, model: NoiseModel, x: Vector, rng: np.random.Generator) -> Vector:
    """The operand with a bootstrap's error, and that of the rescale where the result's level is dropped."""
    result = model.bootstrap.apply(x, body.log_bound, rng)
    if state.level == model.parameters.max_level:
        return result
    return result + model.rescale(state.level) * rng.standard_normal(x.shape)


def _uniform(circuit: Circuit, rng: np.random.Generator) -> dict[str, Vector]:
    return {name: rng.uniform(-bound, bound, circuit.slots) for name, bound in circuit.bounds.items()}


def _run(
    circuit: Circuit,
    model: NoiseModel,
    states: Mapping[int, State],
    inputs: Mapping[str, Vector],
    rng: np.random.Generator,
) -> dict[str, Vector]:
    """Errors of the outputs in one run."""
    values: dict[int, tuple[Vector, Vector]] = {}
    last = circuit.last_uses()
    for number, i in enumerate(circuit.instructions):
        exact = clear.evaluate(circuit, i, [values[w][0] for w in i.args], inputs)
        noisy_args = [values[w][1] for w in i.args]
        noisy = clear.evaluate(circuit, i, noisy_args, inputs)
        for row, wire in enumerate(i.outs):
            value = perturb(circuit, i, row, states, model, noisy_args, noisy[row], rng)
            values[wire] = _clipped(exact[row], value, circuit.promises.get(wire))
        for wire in {*i.args, *i.outs}:
            if last[wire] <= number:
                del values[wire]
    return {name: np.abs(values[w][1] - values[w][0]) for name, w in circuit.outputs}


def _clipped(exact: Vector, noisy: Vector, bound: float | None) -> tuple[Vector, Vector]:
    if bound is None:
        return exact, noisy
    kept = clear.clipped(exact, bound)
    return kept, kept + (noisy - exact)


def _deviation(
    circuit: Circuit, i: Instruction, row: int, states: Mapping[int, State], model: NoiseModel, args: list[Vector]
) -> float | Vector:
    state, vector = states[i.outs[0]], isinstance(i.plain, Constant)
    scale = float(state.scale(model.parameters))
    if i.op is Op.INPUT:
        return model.encryption(state.level)
    if i.op is Op.RESCALE:
        return model.rescale(state.level)
    if i.op is Op.ADD_PLAIN:
        return model.plain(scale, vector)
    if i.op is Op.MUL_PLAIN:
        before = float(states[i.args[0]].scale(model.parameters))
        return np.abs(args[0]) * model.plain(scale / before, vector)
    if i.op in (Op.ROTATE, Op.CONJUGATE, Op.RELINEARIZE):
        return model.switch(state.level, scale)
    if isinstance(i.body, LinearTransform):
        return _transform(circuit, i.body, row, model, state, args)
    return 0.0


def _transform(
    circuit: Circuit, body: LinearTransform, row: int, model: NoiseModel, state: State, args: list[Vector]
) -> Vector:
    """A native transform: babies are switched at the operand's scale, giants at the product's."""
    before, after = model.parameters.scale(state.level), state.scale(model.parameters)
    rounding = model.plain(float(after / before), True)
    chosen = native(body, circuit.slots, circuit.steps)
    switched = model.switch(state.level, float(before)) * math.sqrt(_longest(chosen.babies))
    variance: Vector = np.zeros(circuit.slots)
    babies = clear.Turned(switched**2)
    for x, block in zip(args, body.blocks[row], strict=True):
        operand = clear.Turned(np.abs(x) ** 2 * rounding**2)
        for k, plain in block:
            if k:
                variance += np.abs(circuit.vector(plain)) ** 2 * babies[k]
            variance += operand[k]
    giants = len(chosen.giants[row])
    result: Vector = np.sqrt(variance + giants * model.switch(state.level, float(after)) ** 2)
    return result


def _longest(trees: Sequence[Sequence[Edge]]) -> int:
    """Steps on the longest path: the most key switches that one baby has behind it."""
    longest = 1
    for edges in trees:
        depth = {0: 0}
        for node, parent, _ in edges:
            depth[node] = depth[parent] + 1
        longest = max(longest, *depth.values())
    return longest
