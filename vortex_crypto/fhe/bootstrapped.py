"""Planning circuits that bootstrap: which set, where, and for operands of which size.

Every parameter set the back end bootstraps with is tried, and each of them with fewer bits a level and so more levels
under the same modulus. `passes.place_bootstraps` says where and what a run costs; the cheapest way that is precise
enough is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from vortex_crypto.errors import ParameterRefused
from vortex_crypto.fhe.circuit import Circuit, Op, Vector
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping, bounded_failure, most_spare_bits
from vortex_crypto.fhe.ckks.sets import BootstrapSet
from vortex_crypto.fhe.interpret.bootstraps import BootstrapNoise, count
from vortex_crypto.fhe.interpret.bounds import bounds, vectors
from vortex_crypto.fhe.interpret.latency import Table, bootstrap_seconds, weights
from vortex_crypto.fhe.interpret.noise import Error, predict
from vortex_crypto.fhe.params import Parameters, check
from vortex_crypto.fhe.passes.cse import cse
from vortex_crypto.fhe.passes.expand import Strategy, expand
from vortex_crypto.fhe.passes.lower import levels_taken, lower
from vortex_crypto.fhe.passes.place_bootstraps import Placement, Terms, affordable, insert, place
from vortex_crypto.fhe.security import max_log_qp

MIN_SCALE_BITS = 25
"""Levels are not made smaller than this."""
OUTPUT_HEADROOM = 2
"""Bits of the base prime above the scale and the largest value at the lowest level."""
TUNED_BITS = 8
"""Bounds of so many bits more than needed are tried: the sine's error falls by four for each, the noise doubles."""


@dataclass(frozen=True)
class Bootstrapped:
    """A circuit lowered with bootstraps, and what it was lowered for."""

    circuit: Circuit
    parameters: Parameters
    settings: Bootstrapping
    errors: Mapping[str, Error]


@dataclass(frozen=True)
class _Candidate:
    source: Circuit
    parameters: Parameters
    settings: Bootstrapping
    terms: Terms
    placement: Placement


def plan_bootstrapped(
    circuit: Circuit,
    sets: Sequence[BootstrapSet],
    *,
    precision_bits: float,
    slack_bits: float,
    table: Table,
    kept: int,
    native: frozenset[Op],
    strategy: Callable[[Circuit, Parameters], Strategy],
    insecure: bool,
    samples: Mapping[str, Vector] | None,
) -> Bootstrapped:
    """The cheapest way to run a circuit with bootstraps that is as precise as asked.

    Args:
        circuit: frozen, with or without bootstraps its author wrote.
        sets: to choose from.
        precision_bits, slack_bits: of the outputs; the draft must exceed the first by the second.
        table: what operations take.
        kept: bytes of encoded plaintexts that are kept between runs.
        native: regions the back end runs itself.
        strategy: rotations with keys and native regions for the final circuit.
        insecure: accept sets below 128 bits.
        samples: typical inputs.

    Raises:
        ParameterRefused: no set has the slots, is precise enough, or fails seldom enough; says what comes nearest.
        OutOfLevels: an instruction takes more levels than any set gives.
    """
    best: tuple[float, int] | None = None
    for candidate in _candidates(circuit, sets, table, precision_bits, kept=kept, insecure=insecure, samples=samples):
        placed = _written(candidate, samples)
        free = Strategy(None, native)
        reached = _bits(_lowered(placed, free, candidate.parameters), candidate, samples, trials=1)
        best = max(best or (reached, 0), (reached, candidate.parameters.literal.log_n))
        if reached < precision_bits + slack_bits:
            continue
        final = _lowered(placed, strategy(placed, candidate.parameters), candidate.parameters).freeze()
        errors = predict(final, candidate.parameters, bootstrapping=candidate.settings, samples=samples)
        if min(error.bits for error in errors.values()) >= precision_bits:
            bounded_failure(candidate.settings, max(count(final), 1))
            return Bootstrapped(final, candidate.parameters, candidate.settings, errors)
    if best is None:
        raise ParameterRefused(
            "bootstrapping",
            f"no parameter set bootstraps {circuit.slots} slots to {precision_bits:.0f} bits; ask for less precision",
        )
    raise ParameterRefused(
        "precision",
        f"{precision_bits:.0f} bits of precision were asked and {best[0]:.1f} can be had with bootstrapping, at ring "
        f"degree 2^{best[1]}; ask for less, or make the circuit shallower (lower polynomial degrees)",
    )


def variants(chosen: BootstrapSet) -> Iterator[BootstrapSet]:
    """The set itself, and its modulus cut into more and smaller levels, down to `MIN_SCALE_BITS`."""
    yield chosen
    literal = chosen.literal
    base, *levels = literal.log_q
    rest = sum(literal.log_p) + sum(literal.log_bootstrap) + base
    room = max_log_qp(literal.log_n, literal.secret) - 1 - rest
    known = len(levels)
    for scale in range(literal.log_scale - 1, MIN_SCALE_BITS - 1, -1):
        number = int(room // scale)
        if number > known:
            known = number
            yield replace(chosen, literal=replace(literal, log_q=(base, *[scale] * number), log_scale=scale))


def _candidates(
    circuit: Circuit,
    sets: Sequence[BootstrapSet],
    table: Table,
    precision_bits: float,
    *,
    kept: int,
    insecure: bool,
    samples: Mapping[str, Vector] | None,
) -> list[_Candidate]:
    """Every way, the cheapest first."""
    found: list[_Candidate] = []
    sources: dict[tuple[int, int], tuple[Circuit, Mapping[int, float]]] = {}
    for chosen in (variant for each in sets for variant in variants(each)):
        parameters = check(chosen.literal, insecure=insecure)
        if circuit.slots > parameters.slots:
            continue
        settings = chosen.at(max(circuit.slots, _least_slots(chosen.settings)))
        spare = most_spare_bits(parameters, settings)
        settings = replace(settings, spare_bits=spare)
        deviation = BootstrapNoise(parameters, settings, circuit.slots).deviation
        if deviation > 2.0**-precision_bits:
            continue
        source = _shallow(affordable(circuit, spare), parameters.max_level)
        key = (len(source.instructions), spare if count(circuit) else 0)
        if key not in sources:
            sources[key] = (source, bounds(source, samples))
        source, known = sources[key]
        terms = Terms(
            parameters.max_level,
            bootstrap_seconds(parameters, settings, table),
            spare,
            known,
            weights(source, parameters, table, kept=kept),
        )
        if _fits_base(source, parameters, terms):
            found.append(_Candidate(source, parameters, settings, terms, place(source, terms)))
    return sorted(found, key=lambda candidate: candidate.placement.seconds)


def _least_slots(settings: Bootstrapping) -> int:
    """As many slots as their transform has factors."""
    return 1 << max(settings.to_coefficients, settings.to_slots, 2)


def _shallow(circuit: Circuit, levels: int) -> Circuit:
    """The circuit with those polynomials written out that take more levels than there are."""
    if all(levels_taken(i) <= levels for i in circuit.instructions):
        return circuit
    return cse(expand(circuit, Strategy(None, frozenset({Op.LINEAR_TRANSFORM}), polynomials_up_to=levels)))


def _fits_base(circuit: Circuit, parameters: Parameters, terms: Terms) -> bool:
    """Whether outputs at the lowest level are smaller than the base prime."""
    room = parameters.literal.log_q[0] - parameters.log_scale
    return all(terms.log_bound(wire) + OUTPUT_HEADROOM <= room for _, wire in circuit.outputs)


def _written(candidate: _Candidate, samples: Mapping[str, Vector] | None) -> Circuit:
    """The circuit with its bootstraps, each for operands of the size at which it is most precise."""
    terms, model = candidate.terms, BootstrapNoise(candidate.parameters, candidate.settings, candidate.source.slots)
    values = vectors(candidate.source, {wire for _, wire in candidate.placement.at}, samples)
    tuned: dict[tuple[int, int], int] = {}
    for place_, wire in candidate.placement.at:
        least = terms.log_bound(wire)
        most = max(least, min(least + TUNED_BITS, terms.spare_bits))
        tuned[place_, wire] = min(range(least, most + 1), key=partial(model.error, values[wire]))
    return insert(candidate.source, terms, tuned)


def _lowered(placed: Circuit, strategy: Strategy, parameters: Parameters) -> Circuit:
    return cse(lower(cse(expand(placed, strategy)), parameters.max_level))


def _bits(circuit: Circuit, candidate: _Candidate, samples: Mapping[str, Vector] | None, *, trials: int) -> float:
    errors = predict(circuit, candidate.parameters, bootstrapping=candidate.settings, samples=samples, trials=trials)
    return min(error.bits for error in errors.values())
