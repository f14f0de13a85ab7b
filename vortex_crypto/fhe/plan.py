"""From a circuit to a plan: parameters, keys and the lowered circuit, chosen so that it is secure, precise and fits.

Nothing is declared: the depth is that of the lowered circuit, the precision comes from simulating it with the noise of
the parameters tried, and the smallest ring degree at which both fit under the 128-bit table is taken.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vortex_crypto.container import Array
from vortex_crypto.errors import InvalidGraph, MalformedArtefact, MissingKey, OutOfLevels, ParameterRefused
from vortex_crypto.fhe import storage
from vortex_crypto.fhe.backends import Capabilities, Needs, backend
from vortex_crypto.fhe.bootstrapped import plan_bootstrapped
from vortex_crypto.fhe.circuit import Bootstrap, Circuit, LinearTransform, Op, Vector
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping, FailureReport, bounded_failure
from vortex_crypto.fhe.ckks.sets import BootstrapSet
from vortex_crypto.fhe.interpret import clear
from vortex_crypto.fhe.interpret.bootstraps import bootstrap_keys, bootstrapper_of, count
from vortex_crypto.fhe.interpret.keys import Keys, keys
from vortex_crypto.fhe.interpret.latency import latency, table_of
from vortex_crypto.fhe.interpret.levels import State, levels
from vortex_crypto.fhe.interpret.memory import Memory, memory
from vortex_crypto.fhe.interpret.noise import Error, predict
from vortex_crypto.fhe.params import Parameters, ParametersLiteral, check
from vortex_crypto.fhe.passes.cse import cse
from vortex_crypto.fhe.passes.expand import Strategy, expand
from vortex_crypto.fhe.passes.lower import lower
from vortex_crypto.fhe.rotations import FEW_KEYS, choose_steps
from vortex_crypto.fhe.security import max_log_qp

HEADROOM_BITS = 4
"""The base prime leaves this many bits above the largest value seen at level 0."""
SPECIAL_BITS = 2
"""Special primes exceed the digits they serve by this, so that key switching adds no more noise than a rescale."""
MIN_SCALE_BITS = 20
SLACK_BITS = 1.0
"""A plan's predicted precision exceeds what was asked by this much: the model's own uncertainty."""


@dataclass(frozen=True)
class CkksPlan:
    """What a server runs.

    Attributes:
        circuit: lowered and frozen.
        parameters: checked.
        backend: the back end it was made for.
        precision_bits: what was asked.
        errors: predicted error of each output.
        bootstrapping: how its bootstraps are made; None if it has none.
    """

    circuit: Circuit = field(repr=False)
    parameters: Parameters
    backend: str
    precision_bits: float
    errors: Mapping[str, Error]
    bootstrapping: Bootstrapping | None = None

    @cached_property
    def states(self) -> Mapping[int, State]:
        """Level, scale and size of every wire."""
        return levels(self.circuit)

    @cached_property
    def keys(self) -> Keys:
        """Switching keys, with the highest level each is used at, inside bootstraps too."""
        own = keys(self.circuit)
        return own if self.bootstrapping is None else own.merged(bootstrap_keys(self.parameters, self.bootstrapping))

    @cached_property
    def bootstraps(self) -> int:
        """Bootstraps of one run."""
        return count(self.circuit)

    @cached_property
    def failure(self) -> FailureReport | None:
        """How likely one run's bootstraps are to fail, or None if it has none.

        Raises:
            ParameterRefused: too likely.
        """
        return None if self.bootstrapping is None else bounded_failure(self.bootstrapping, self.bootstraps)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of circuit, parameters and back end; every artefact of this program names it."""
        text = f"{self.backend} {self.parameters.hash} {self.circuit.content_hash()}"
        if self.bootstrapping is not None:
            text += f" {storage.settings_to_meta(self.bootstrapping)}"
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def needs(self) -> Needs:
        """What its clients need."""
        inputs = tuple((name, self.states[wire].level) for name, wire in self.circuit.inputs)
        outputs = tuple((name, self.states[wire].level) for name, wire in self.circuit.outputs)
        worst = tuple(self.errors[name].worst for name, _ in outputs if name in self.errors)
        if len(worst) < len(outputs) or not all(0 <= w < 1e300 for w in worst):
            worst = ()
        return Needs(self.hash, self.circuit.slots, self.circuit.is_complex(), self.keys, inputs, outputs, worst)

    @cached_property
    def memory(self) -> Memory:
        """Predicted bytes of a run."""
        return memory(self.circuit, self.parameters, backend(self.backend).capabilities, self.bootstrapping)

    @cached_property
    def latency(self) -> Mapping[str, float]:
        """Predicted seconds of a run by origin."""
        kept = backend(self.backend).capabilities.plaintext_budget
        table = table_of(self.backend)
        return latency(self.circuit, self.parameters, table, bootstrapping=self.bootstrapping, kept=kept)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """(metadata, arrays) for a container."""
        circuit, arrays = storage.to_arrays(self.circuit)
        meta = {
            "circuit": circuit,
            "parameters": self.parameters.literal.to_meta(),
            "insecure": self.parameters.insecure,
            "backend": self.backend,
            "precision_bits": float(self.precision_bits),
            "errors": {name: [e.deviation, e.worst] for name, e in self.errors.items()},
            "hash": self.hash,
        }
        if self.bootstrapping is not None:  # left out else, as in files from before there were any
            meta["bootstrapping"] = storage.settings_to_meta(self.bootstrapping)
        return meta, arrays

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> CkksPlan:
        """The inverse of `to_arrays`.

        Raises:
            MalformedArtefact: no plan, or its hash is not that of its content.
            ParameterRefused: its parameters are not what `check` accepts.
        """
        try:
            insecure, name = bool(meta["insecure"]), str(meta["backend"])
            literal = ParametersLiteral.from_meta(meta["parameters"])
            errors = {str(key): Error(float(d), float(w)) for key, (d, w) in meta["errors"].items()}
            circuit, bits = meta["circuit"], float(meta["precision_bits"])
            bootstraps = meta.get("bootstrapping")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedArtefact(f"the plan cannot be read: {type(error).__name__} ({error})") from error
        settings = None if bootstraps is None else storage.settings_from_meta(bootstraps)
        parameters = check(literal, insecure=insecure)
        plan = cls(storage.from_arrays(circuit, arrays), parameters, name, bits, errors, settings)
        plan.verify()
        if plan.hash != meta.get("hash"):
            raise MalformedArtefact("the plan's hash is not that of its content")
        return plan

    def verify(self) -> None:
        """Hold the circuit against its parameters.

        Raises:
            MalformedArtefact: it does not fit them.
        """
        try:
            highest = max(state.level for state in self.states.values())
            self._verify_bootstraps()
            _ = self.keys
        except (InvalidGraph, OutOfLevels, MissingKey) as error:
            raise MalformedArtefact(f"the plan's circuit is not rightly lowered: {error}") from error
        if highest > self.parameters.max_level or self.circuit.slots > self.parameters.slots:
            raise MalformedArtefact(
                f"the plan's circuit has {highest} levels and {self.circuit.slots} slots; "
                f"its parameters have {self.parameters.max_level} and {self.parameters.slots}"
            )

    def _verify_bootstraps(self) -> None:
        """That they can be made, and are all meant for operands they can take."""
        bodies = [i.body for i in self.circuit.instructions if isinstance(i.body, Bootstrap)]
        if bool(bodies) != (self.bootstrapping is not None):
            raise InvalidGraph(
                f"{len(bodies)} bootstraps, and it is said {'how' if self.bootstrapping else 'nowhere how'}"
            )
        if self.bootstrapping is None:
            return
        if self.bootstrapping.slots < self.circuit.slots or self.bootstrapping.slots_first:
            raise InvalidGraph(f"{self.circuit.slots} slots are bootstrapped as {self.bootstrapping.slots}")
        most = self.bootstrapping.spare_bits
        if max(body.log_bound for body in bodies) > most:
            raise InvalidGraph(f"a bootstrap of values beyond 2^{most}")
        bootstrapper_of(self.parameters, self.bootstrapping)


def plan(
    circuit: Circuit,
    *,
    precision_bits: float,
    backend: str,
    insecure: bool = False,
    ring_degree: int | None = None,
    samples: Mapping[str, Vector] | None = None,
    bootstraps: Sequence[BootstrapSet] | None = None,
) -> CkksPlan:
    """Choose parameters and lower the circuit for them.

    A circuit that is too deep, or not precise enough, for a chain of its own depth is given bootstraps if the back end
    makes any.

    Args:
        circuit: as its author wrote it; it is frozen.
        precision_bits: -log2 of the root mean square error that no output may exceed, in the units of the slots.
        backend: name of the back end that will run it.
        insecure: accept parameters below 128 bits where nothing secure fits the ring degree given.
        ring_degree: instead of the smallest that fits.
        samples: typical inputs ([slots] by name), for the prediction of noise and of the largest values.
        bootstraps: sets to plan with, bootstrapping where their levels end; () for never. By default the back end's,
            where it cannot be done without (and none if a ring degree is given).

    Raises:
        OutOfLevels: no ring degree has room for so deep a circuit.
        ParameterRefused: none is precise enough; the message says what comes nearest.
    """
    capabilities = _capabilities(backend)
    sets = bootstraps
    if sets is None:
        sets = capabilities.bootstraps if ring_degree is None else ()
    written = count(circuit.freeze())
    if written and not sets:
        raise ParameterRefused(
            "bootstrapping",
            f"the circuit has {written} bootstraps and the back end {backend} cannot make any; "
            "plan for one that can (vortex), or leave them out",
        )
    if not written and not bootstraps:
        try:
            return _leveled(circuit, capabilities, backend, precision_bits, insecure, ring_degree, samples)
        except (OutOfLevels, ParameterRefused):
            if not sets:
                raise
    found = plan_bootstrapped(
        circuit,
        sets,
        precision_bits=precision_bits,
        slack_bits=SLACK_BITS,
        table=table_of(backend),
        kept=capabilities.plaintext_budget,
        native=capabilities.native,
        strategy=lambda c, p: Strategy(_steps(c, p, capabilities), capabilities.native),
        insecure=insecure,
        samples=samples,
    )
    settings = found.settings if count(found.circuit) else None
    return CkksPlan(found.circuit, found.parameters, backend, precision_bits, found.errors, settings)


def _leveled(
    circuit: Circuit,
    capabilities: Capabilities,
    backend: str,
    precision_bits: float,
    insecure: bool,
    ring_degree: int | None,
    samples: Mapping[str, Vector] | None,
) -> CkksPlan:
    """A plan without bootstraps."""
    free = Strategy(None, capabilities.native)
    draft = lower(cse(expand(circuit, free)))
    needed, room = depth_of(draft), _integer_bits(draft, samples)
    best: tuple[float, int] | None = None
    for literal in _literals(circuit, capabilities, needed, room, insecure=insecure, ring_degree=ring_degree):
        try:
            parameters = check(literal, insecure=insecure)
        except ParameterRefused as refused:
            if refused.reason != "primes":
                raise
            continue  # so small a scale has too few primes in this ring; a larger one takes a larger scale
        errors = predict(draft, parameters, samples=samples, trials=1, **capabilities.noise)
        reached = min(error.bits for error in errors.values())
        best = max(best or (reached, literal.log_n), (reached, literal.log_n))
        if reached < precision_bits + SLACK_BITS:
            continue
        strategy = Strategy(_steps(circuit, parameters, capabilities), capabilities.native)
        final = cse(lower(cse(expand(circuit, strategy)), parameters.max_level)).freeze()
        errors = predict(final, parameters, samples=samples, **capabilities.noise)
        if min(error.bits for error in errors.values()) >= precision_bits:
            return CkksPlan(final, parameters, backend, precision_bits, errors)
    raise _refusal(circuit, capabilities, needed, room, precision_bits, best)


def depth_of(lowered: Circuit) -> int:
    """The levels a circuit that was lowered to its own depth takes."""
    return max((i.level or 0 for i in lowered.instructions if i.op is Op.INPUT), default=0)


def _capabilities(name: str) -> Capabilities:
    return backend(name).capabilities


def _literals(
    circuit: Circuit,
    capabilities: Capabilities,
    needed: int,
    room: int,
    *,
    insecure: bool,
    ring_degree: int | None,
) -> Iterator[ParametersLiteral]:
    """For each ring degree with the slots, from the smallest, the chain with the largest scale that is secure."""
    smallest = max(circuit.slots.bit_length(), 10)
    degrees: Iterator[int] | range = range(smallest, capabilities.max_log_n + 1)
    if ring_degree is not None:
        degrees = range(ring_degree.bit_length() - 1, ring_degree.bit_length())
        if ring_degree & (ring_degree - 1) or ring_degree < 2 * circuit.slots:
            raise ParameterRefused("ring-degree", f"{circuit.slots} slots need a ring degree of {2 * circuit.slots}")
    for log_n in degrees:
        cap = max_log_qp(log_n, "ternary") if not insecure or ring_degree is None else 1 << 20
        literal = _literal(log_n, needed, room, cap, capabilities)
        if literal is not None:
            yield literal


def _literal(log_n: int, needed: int, room: int, cap: int, capabilities: Capabilities) -> ParametersLiteral | None:
    size = capabilities.digit_primes(needed + 1)
    for scale in range(capabilities.max_prime_bits - room, MIN_SCALE_BITS - 1, -1):
        base = scale + room
        digit = base + (size - 1) * scale + capabilities.special_slack
        special = min(-(-digit // size) + SPECIAL_BITS, capabilities.max_prime_bits)
        if base + needed * scale + size * special >= cap or special * size < digit:
            continue
        return ParametersLiteral(
            log_n, (base,) + (scale,) * needed, (special,) * size, scale, digits=-(-(needed + 1) // size)
        )
    return None


def _integer_bits(draft: Circuit, samples: Mapping[str, Vector] | None) -> int:
    """Bits above the scale that values at the lowest level need, with headroom."""
    rng = np.random.default_rng(0)
    random = {name: rng.uniform(-bound, bound, draft.slots) for name, bound in draft.bounds.items()}
    results = clear.run(draft, samples or random, clip=True)
    largest = max(_largest(draft, name, wire, results) for name, wire in draft.outputs)
    return HEADROOM_BITS + max(0, math.ceil(math.log2(max(largest, 1.0))))


def _largest(draft: Circuit, name: str, wire: int, results: Mapping[str, Vector]) -> float:
    if wire in draft.promises:
        return 2 * draft.promises[wire]
    return float(np.abs(results[name]).max())


def _steps(circuit: Circuit, parameters: Parameters, capabilities: Capabilities) -> tuple[int, ...] | None:
    """The rotations to make keys for, within the budget of memory."""
    bodies = [i.body for i in circuit.instructions if isinstance(i.body, LinearTransform)]
    hoists = Op.LINEAR_TRANSFORM in capabilities.native
    single = [i.step for i in circuit.instructions if i.op is Op.ROTATE]
    each = capabilities.key_bytes(parameters, parameters.max_level)
    limit = max(2, capabilities.key_budget // each - 2)
    return choose_steps(bodies, single, circuit.slots, limit=limit, few=limit if hoists else FEW_KEYS)


def _refusal(
    circuit: Circuit,
    capabilities: Capabilities,
    needed: int,
    room: int,
    bits: float,
    best: tuple[float, int] | None,
) -> ParameterRefused:
    """Why no ring degree will do.

    Raises:
        OutOfLevels: the circuit is too deep for the largest; names where its levels end.
    """
    if best is None:
        log_n = capabilities.max_log_n
        cap = max_log_qp(log_n, "ternary")
        have = max((n for n in range(needed) if _literal(log_n, n, room, cap, capabilities)), default=0)
        lower(expand(circuit, Strategy(None, capabilities.native)), have)
        return ParameterRefused("ring-degree", f"{circuit.slots} slots and {needed} levels fit no ring degree allowed")
    return ParameterRefused(
        "precision",
        f"{bits:.0f} bits of precision were asked and {best[0]:.1f} can be had, at ring degree 2^{best[1]} and "
        f"{needed} levels; ask for less, or make the circuit shallower (lower polynomial degrees)",
    )
