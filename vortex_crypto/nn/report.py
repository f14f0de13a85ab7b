"""What a compilation chose and what running its result will take: the report `compile` ends with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from vortex_crypto.fhe.circuit import Instruction, Op
from vortex_crypto.fhe.interpret.counts import counts, totals
from vortex_crypto.fhe.interpret.latency import bootstrap_seconds, table_of
from vortex_crypto.fhe.plan import CkksPlan
from vortex_crypto.nn.passes.approximate import Approximation
from vortex_crypto.nn.passes.ranges import MANY, Coverage

if TYPE_CHECKING:
    from rich.console import Group


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ParametersReport(_Frozen):
    """CKKS parameters and the verdict on them; `log_qp` in bits, recomputed from the primes."""

    ring_degree: int
    slots: int
    levels: int
    log_scale: int
    log_qp: float
    security: str
    insecure: bool


class ActivationReport(_Frozen):
    """One approximated function; errors are absolute, in the function's own units (`output_error`: in the outputs').

    `margin` is what the range has beyond what calibration saw, over the width of that; on the side where it is less.
    """

    origin: str
    function: str
    low: float
    high: float
    calibrated: tuple[float, float] | None
    margin: float | None = None
    bound: tuple[float, float]
    degree: int
    depth: int
    exact: bool
    max_error: float
    mean_error: float
    output_error: float


class BootstrapReport(_Frozen):
    """The bootstraps of one run.

    Attributes:
        count: how many.
        levels: a fresh ciphertext has for the circuit.
        slots: that are bootstrapped.
        seconds: predicted for each, on one thread.
        log2_failure_each, log2_failure: log2 of (an upper bound on) the probability that a given one, and that any of
            them, gives a wrong result; computed from the overflows' distribution, for inputs within their ranges.
        log2_failure_bound: what a program may fail with; more is refused.
    """

    count: int
    levels: int
    slots: int
    seconds: float
    log2_failure_each: float
    log2_failure: float
    log2_failure_bound: float


class LayerReport(_Frozen):
    """What one layer costs: levels it takes, operations by kind, predicted seconds on one thread."""

    origin: str
    depth: int
    rotations: int
    products: int
    plain_products: int
    seconds: float
    bootstraps: int = 0


class TensorReport(_Frozen):
    """Where a tensor sits."""

    name: str
    shape: tuple[int, ...]
    layout: str
    period: int
    ciphertexts: int


class Report(_Frozen):
    """All of it.

    Attributes:
        batch: samples that share a ciphertext.
        dropped: nodes left off the end of the model, on request.
        rotation_keys: rotations that have switching keys.
        key_bytes, memory_bytes: predicted, of the evaluation keys in memory and of a run in all.
        seconds: predicted for one run, single-threaded.
        approximation_error: mean absolute error of the outputs on the samples, polynomials alone.
        noise_error: predicted root mean square error of the outputs from encryption alone.
        precision_bits: -log2 of both together; precision_asked is what was asked.
        calibrated: ranges come from calibration data rather than interval bounds alone.
        warnings: what calibration does not cover; inputs beyond it give wrong answers.
        bootstrapping: what is bootstrapped; None if nothing is.
    """

    model: str
    backend: str
    program: str
    batch: int
    features: int
    dropped: tuple[str, ...]
    parameters: ParametersReport
    activations: tuple[ActivationReport, ...]
    layers: tuple[LayerReport, ...]
    tensors: tuple[TensorReport, ...]
    depth: int
    operations: dict[str, int]
    rotation_keys: int
    key_bytes: int
    memory_bytes: int
    seconds: float
    approximation_error: float
    noise_error: float
    precision_bits: float
    precision_asked: float
    calibrated: bool
    bootstrapping: BootstrapReport | None = None
    warnings: tuple[str, ...] = ()

    def __rich__(self) -> Group:
        """Tables for a terminal."""
        from rich.console import Group

        return Group(_summary(self), _activation_table(self.activations), _layer_table(self.layers))


def layer_reports(plan: CkksPlan) -> tuple[LayerReport, ...]:
    """What each layer of a lowered circuit costs, in the order of the circuit.

    Relinearisations and rescales stand where their result is needed first; they count for the layer whose product they
    complete as far as levels go, and where they stand for the time.
    """
    groups: dict[str, list[Instruction]] = {}
    maker: dict[int, str] = {}
    for i in plan.circuit.instructions:
        origin = maker[i.args[0]] if i.op in (Op.RELINEARIZE, Op.RESCALE) else i.origin
        maker.update(dict.fromkeys(i.outs, origin))
        if i.op is not Op.INPUT:
            groups.setdefault(origin, []).append(i)
    counted, seconds = counts(plan.circuit), plan.latency
    return tuple(
        LayerReport(
            origin=origin,
            depth=_depth(members, plan),
            rotations=_number(counted.get(origin), "rotate", "hoisted_rotate"),
            products=_number(counted.get(origin), "mul"),
            plain_products=_number(counted.get(origin), "mul_plain", "mul_number"),
            seconds=seconds.get(origin, 0.0),
            bootstraps=_number(counted.get(origin), "bootstrap"),
        )
        for origin, members in groups.items()
    )


def bootstrap_report(plan: CkksPlan) -> BootstrapReport | None:
    """How many bootstraps a plan makes and how likely they are to fail; None if it makes none."""
    if plan.bootstrapping is None or plan.failure is None:
        return None
    return BootstrapReport(
        count=plan.bootstraps,
        levels=plan.parameters.max_level,
        slots=plan.bootstrapping.slots,
        seconds=bootstrap_seconds(plan.parameters, plan.bootstrapping, table_of(plan.backend)),
        log2_failure_each=plan.failure.log2_each,
        log2_failure=plan.failure.log2_any,
        log2_failure_bound=plan.failure.log2_bound,
    )


def activation_report(record: Approximation) -> ActivationReport:
    """The part of an approximation that is for people."""
    fields = {name: getattr(record, name) for name in ActivationReport.model_fields if name != "margin"}
    return ActivationReport(**fields, margin=_margin(record))


def _margin(record: Approximation) -> float | None:
    """Of the range that is approximated, over what calibration saw; a homogeneous function's lies round zero."""
    if record.calibrated is None:
        return None
    least, most = record.calibrated
    sides = [least - record.low, record.high - most]
    return min(sides) / max(most - least, 1e-30)


def warnings(found: Coverage | None) -> tuple[str, ...]:
    """What to tell of calibration data that covers little."""
    if found is None:
        return ("no calibration data: ranges are interval bounds, wide in deep networks; typical inputs tighten them",)
    texts = []
    if found.samples < MANY:
        texts.append(f"calibrated on {found.samples} samples; some hundreds show what values there are")
    if found.left:
        texts.append(
            f"{found.left} of {found.held_out} samples leave the ranges that the other half of the calibration data "
            f"gives, most of them at {found.worst}: as many fresh inputs may get wrong answers; give more samples"
        )
    return tuple(texts)


def precision(approximation_error: float, noise_error: float) -> float:
    """-log2 of the mean absolute error of both, taken as independent; a normal error's mean is 0.8 deviations."""
    return -math.log2(max(math.hypot(approximation_error, math.sqrt(2 / math.pi) * noise_error), 2.0**-60))


def operation_counts(plan: CkksPlan) -> dict[str, int]:
    """Operations of the lowered circuit by kind."""
    return totals(counts(plan.circuit))


def _depth(members: Sequence[Instruction], plan: CkksPlan) -> int:
    """Levels between what enters a layer and what leaves it; what it bootstraps enters when it is fresh."""
    members = [i for i in members if i.op is not Op.BOOTSTRAP]
    made = {wire for i in members for wire in i.outs}
    entering = [plan.states[w].level for i in members for w in i.args if w not in made]
    leaving = [plan.states[w].level for w in made]
    return max(max(entering) - min(leaving), 0) if entering and leaving else 0


def _number(counter: Counter[tuple[str, int]] | None, *kinds: str) -> int:
    return sum(count for (kind, _), count in (counter or {}).items() if kind in kinds)


def _summary(report: Report) -> Any:
    from rich.table import Table

    p = report.parameters
    security = f"[bold red]{p.security}[/]" if p.insecure else p.security
    rows = {
        "program": f"{report.model} for {report.backend}, {report.program[:16]}",
        "parameters": f"ring degree 2^{p.ring_degree.bit_length() - 1}, {p.levels} levels, scale 2^{p.log_scale}, "
        f"log2(QP) = {p.log_qp:.1f}",
        "security": security,
        "batch": f"{report.batch} samples a ciphertext, {report.features} features each",
        "depth": f"{report.depth} levels",
        "operations": ", ".join(f"{count} {name}" for name, count in report.operations.items()),
        "keys": f"{report.rotation_keys} rotations, {report.key_bytes / 1e6:.0f} MB",
        "memory": f"{report.memory_bytes / 1e6:.0f} MB",
        "latency": f"{report.seconds:.1f} s a ciphertext predicted, one thread",
        "precision": f"{report.precision_bits:.1f} bits predicted, {report.precision_asked:g} asked "
        f"(polynomials {report.approximation_error:.2g}, encryption {report.noise_error:.2g})",
    }
    table = Table(show_header=False, title="Encrypted program", title_justify="left")
    if report.bootstrapping is not None:
        rows |= _bootstrap_rows(report.bootstrapping)
    for name, text in rows.items():
        table.add_row(name, text)
    if report.dropped:
        table.add_row("left out", ", ".join(report.dropped) + ": the client gets the scores before it")
    for text in report.warnings:
        table.add_row("[bold yellow]warning[/]", text)
    return table


def _bootstrap_rows(b: BootstrapReport) -> dict[str, str]:
    return {
        "bootstraps": f"{b.count} a run, {b.seconds:.1f} s each predicted, of {b.slots} slots, to {b.levels} levels",
        "failure": f"a bootstrap fails with probability 2^{b.log2_failure_each:.1f}, a run with "
        f"2^{b.log2_failure:.1f} (at most 2^{b.log2_failure_bound:g} is accepted)",
    }


def _activation_table(activations: Sequence[ActivationReport]) -> Any:
    from rich.table import Table

    table = Table(title="Activations", title_justify="left")
    headings = ("layer", "function", "range", "margin", "degree", "levels", "mean error", "largest error")
    for heading in (*headings, "in the outputs"):
        table.add_column(heading)
    for a in activations:
        table.add_row(
            a.origin,
            a.function if len(a.function) < 40 else a.function[:37] + "...",
            f"[{a.low:.3g}, {a.high:.3g}]",
            "bounds" if a.margin is None else f"{100 * a.margin:.0f} %",
            str(a.degree),
            str(a.depth),
            "exact" if a.exact else f"{a.mean_error:.2g}",
            "exact" if a.exact else f"{a.max_error:.2g}",
            "exact" if a.exact else f"{a.output_error:.2g}",
        )
    return table


def _layer_table(layers: Sequence[LayerReport]) -> Any:
    from rich.table import Table

    table = Table(title="Layers", title_justify="left")
    bootstrapped = any(row.bootstraps for row in layers)
    headings = ["layer", "levels", "rotations", "products", "plain products", "seconds"]
    for heading in headings + ["bootstraps"] * bootstrapped:
        table.add_column(heading)
    for row in layers:
        numbers = (row.depth, row.rotations, row.products, row.plain_products)
        cells = [row.origin, *(str(n) for n in numbers), f"{row.seconds:.2f}"]
        table.add_row(*cells, *[str(row.bootstraps)] * bootstrapped)
    return table
