"""From a graph to a program for encrypted data: the passes in order, the lowering, the plan.

`PIPELINES` is the one place that says what runs when; each line has its reason. The graph is verified after every pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vortex_crypto.container import Artefact
from vortex_crypto.errors import InvalidInput, MalformedArtefact, OutOfLevels, ParameterRefused
from vortex_crypto.fhe.backends import backend as engine
from vortex_crypto.fhe.ckks.sets import BootstrapSet
from vortex_crypto.fhe.plan import MIN_SCALE_BITS, CkksPlan
from vortex_crypto.fhe.plan import plan as plan_circuit
from vortex_crypto.fhe.security import max_log_qp
from vortex_crypto.nn.interface import DTYPES, Interface, Port, spread_samples
from vortex_crypto.nn.ir import Array, Graph
from vortex_crypto.nn.layout import Layout, power_of_two
from vortex_crypto.nn.lower import Lowered, lower
from vortex_crypto.nn.passes.approximate import Approximation, approximate
from vortex_crypto.nn.passes.arithmetic import AffineOp, PolynomialOp, evaluate, flat_samples
from vortex_crypto.nn.passes.arithmetize import arithmetize
from vortex_crypto.nn.passes.balance_products import balance_products
from vortex_crypto.nn.passes.choose_layouts import Layouts, choose_layouts
from vortex_crypto.nn.passes.compose_affine import compose_affine
from vortex_crypto.nn.passes.drop_tail import drop_tail
from vortex_crypto.nn.passes.fold_constants import fold_constants
from vortex_crypto.nn.passes.fuse_elementwise import fuse_elementwise
from vortex_crypto.nn.passes.ranges import Coverage, ValueRange, answer_interval, coverage, input_intervals, ranges
from vortex_crypto.nn.report import (
    ParametersReport,
    Report,
    TensorReport,
    activation_report,
    bootstrap_report,
    layer_reports,
    operation_counts,
    precision,
    warnings,
)

KIND = "fhe-program"
APPROXIMATION_SHARE = 0.85
"""Part of the error asked that the polynomials may take; the noise gets `NOISE_BITS` less, and both add as squares."""
NOISE_BITS = 2.0
FIT_SAMPLES = 512
"""Calibration samples that polynomials are fitted and judged on; ranges come from all of them."""
SYNTHETIC_SAMPLES = 64
ANSWER_ROOM = 64
"""Times the mean error asked for: how far beyond its range an output may be before it is refused."""
JUDGED_PRODUCTS, LEAST_JUDGED = 1 << 28, 16
"""Products of one run on the samples that polynomials are judged by, and the fewest samples."""
LEAST_NOISE_BITS = 18
"""A scale of fewer bits above the precision drowns in the noise of any ring."""
MAX_SLOTS = 1 << 14
"""Of the first lowering; the planner's ring degree decides in the end."""

Progress = Callable[[str, float], None]
"""Called with the stage and the fraction of the whole that is done."""
SHARES = {
    "fuse_elementwise": 2, "compose_affine": 4, "ranges": 4, "approximate": 30, "choose_layouts": 13, "lower": 8,
    "plan": 35,
}  # fmt: skip
"""Percent of the time that stages of deep networks take; the other passes take none to speak of."""


class _Stages:
    """Tells how far a compilation is: never back, though networks that need a larger ring are lowered again."""

    def __init__(self, tell: Progress | None) -> None:
        self._tell = tell or (lambda stage, fraction: None)
        self._name, self._begun, self._share, self._told = "", 0.0, 0.0, 0.0

    def __call__(self, name: str) -> None:
        """A stage begins."""
        self._name, self._begun, self._share = name, self._begun + self._share, SHARES.get(name, 0) / 100
        self.part(0.0)

    def part(self, done: float) -> None:
        """So much of the stage is done."""
        self._told = min(max(self._begun + self._share * done, self._told), 1.0)
        self._tell(self._name, self._told)


@dataclass
class Context:
    """What the passes of one compilation know and find out."""

    calibration: Mapping[str, Array] | None
    given_ranges: Mapping[str, tuple[float, float]] | None
    precision_bits: float
    allow_drop: bool
    part: Callable[[float], None] = lambda done: None
    dropped: tuple[str, ...] = ()
    input_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    samples: dict[str, Array] = field(default_factory=dict)
    ranges: dict[str, ValueRange] = field(default_factory=dict)
    coverage: Coverage | None = None
    answers: tuple[tuple[float, float], ...] = ()
    """Where the elements of each output lie; beyond, an answer is garbled."""
    approximations: tuple[Approximation, ...] = ()
    approximation_error: float = 0.0
    outputs: tuple[str, ...] = ()
    """Names of the model's outputs, in the order of the graph's through all passes."""


def _drop_tail(graph: Graph, context: Context) -> Graph:
    graph, context.dropped = drop_tail(graph, allowed=context.allow_drop)
    context.outputs = tuple(graph.outputs)
    return graph


def _sample(graph: Graph, context: Context) -> Graph:
    """Settle input ranges and samples: the calibration data, or points drawn from the ranges."""
    if context.calibration is not None:
        given = {name: flat_samples(name, graph.values[name].size, context.calibration) for name in graph.inputs}
        if len({len(array) for array in given.values()}) > 1:
            raise InvalidInput("calibration holds different numbers of samples for different inputs")
        context.calibration = given
    context.input_ranges = input_intervals(graph, context.calibration, context.given_ranges)
    if context.calibration is not None:
        context.samples = {name: array[:: -(-len(array) // FIT_SAMPLES)] for name, array in given.items()}
    else:
        rng = np.random.default_rng(0)
        context.samples = {
            name: rng.uniform(*context.input_ranges[name], (SYNTHETIC_SAMPLES, graph.values[name].size))
            for name in graph.inputs
        }
    return graph


def _ranges(graph: Graph, context: Context) -> Graph:
    values = None if context.calibration is None else evaluate(graph, context.calibration)
    context.ranges = ranges(graph, values, context.input_ranges)
    context.coverage = None if values is None else coverage(graph, values, context.ranges)
    samples = 0 if context.coverage is None else context.coverage.samples
    context.answers = tuple(answer_interval(context.ranges[name], samples) for name in graph.outputs)
    return graph


def _approximate(graph: Graph, context: Context) -> Graph:
    target = APPROXIMATION_SHARE * 2.0**-context.precision_bits
    samples = _affordable(graph, context.samples)
    result, context.approximations = approximate(graph, context.ranges, samples, target=target, progress=context.part)
    exact, rounded = evaluate(graph, samples), evaluate(result, samples)
    pairs = zip(graph.outputs, result.outputs, strict=True)
    context.approximation_error = max(float(np.abs(exact[a] - rounded[b]).mean()) for a, b in pairs)
    return result


def _affordable(graph: Graph, samples: Mapping[str, Array]) -> dict[str, Array]:
    """As many samples as one run of the network may take: polynomials are judged by dozens of them."""
    entries = sum(matrix.nnz for node in graph.nodes() if isinstance(node.op, AffineOp) for matrix in node.op.maps)
    count = max(JUDGED_PRODUCTS // max(entries, 1), LEAST_JUDGED)
    return {name: array[:: -(-len(array) // count)] for name, array in samples.items()}


def _plain(function: Callable[[Graph], Graph]) -> Callable[[Graph, Context], Graph]:
    return lambda graph, context: function(graph)


PIPELINES: Mapping[str, tuple[tuple[str, Callable[[Graph, Context], Graph]], ...]] = {
    "fhe": (
        ("fold_constants", _plain(fold_constants)),
        # Before arithmetize, which would refuse Softmax and ArgMax.
        ("drop_tail", _drop_tail),
        ("arithmetize", _plain(arithmetize)),
        # Before compose_affine: once a scaling has gone into a dense map it no longer shows that it is uniform, and the
        # chain Div, Erf, Add, Mul of an exported GELU could not be seen to be one function.
        ("fuse_elementwise", _plain(fuse_elementwise)),
        ("compose_affine", _plain(compose_affine)),
        ("sample", _sample),
        # After composition: only what a nonlinear operator reads needs a range, and fewer maps keep bounds tighter.
        ("ranges", _ranges),
        ("approximate", _approximate),
        # Again: the changes of variable round each polynomial go into their neighbours and cost no level.
        ("compose_affine", _plain(compose_affine)),
        # Last, for it needs to know how deep each factor is.
        ("balance_products", _plain(balance_products)),
    ),
}


@dataclass(frozen=True)
class FheProgram:
    """A network compiled for encrypted data: what the server runs, what the client knows, and what was chosen."""

    plan: CkksPlan
    interface: Interface
    report: Report

    @property
    def hash(self) -> str:
        """Content hash (hex) that every key and ciphertext of this program names."""
        return self.plan.hash

    def to_artefact(self) -> Artefact:
        """The server's side as a "fhe-program" artefact; `interface.to_artefact()` is the client's."""
        meta, arrays = self.plan.to_arrays()
        client = self.interface.to_artefact()
        sections = {f"plan/{name}": array for name, array in arrays.items()}
        sections |= {f"interface/{name}": array for name, array in client.arrays.items()}
        content = {"plan": meta, "interface": dict(client.meta), "report": self.report.model_dump(mode="json")}
        return Artefact(KIND, self.hash, content, sections, client.insecure)

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> FheProgram:
        """The inverse of `to_artefact`, for bytes from outside.

        Raises:
            MalformedArtefact: what is given is no program; the text says why.
        """
        artefact.expect(kind=KIND)
        meta = artefact.meta
        if set(meta) != {"plan", "interface", "report"} or not all(isinstance(part, dict) for part in meta.values()):
            raise MalformedArtefact("a program's metadata has the parts plan, interface and report")
        plan = CkksPlan.from_arrays(meta["plan"], _part(artefact, "plan/"))
        if plan.hash != artefact.program:
            raise MalformedArtefact(
                f"the program says its hash is {artefact.program[:16]}, its plan's is {plan.hash[:16]}"
            )
        client = Artefact(
            "fhe-client", artefact.program, meta["interface"], _part(artefact, "interface/"), artefact.insecure
        )
        interface = Interface.from_artefact(client)
        if (interface.backend, interface.parameters, interface.needs) != (plan.backend, plan.parameters, plan.needs):
            raise MalformedArtefact("the program's interface is not that of its plan")
        try:
            report = Report.model_validate(meta["report"])
        except ValueError as error:
            raise MalformedArtefact(f"the program's report cannot be read: {error}") from error
        return cls(plan, interface, report)


def compile_fhe(
    graph: Graph,
    *,
    calibration: Mapping[str, Array] | None = None,
    input_ranges: Mapping[str, tuple[float, float]] | None = None,
    precision_bits: float = 12,
    backend: str = "vortex",
    batch: int | None = None,
    insecure: bool = False,
    drop_tail: bool = False,
    bootstraps: Sequence[BootstrapSet] | None = None,
    progress: Progress | None = None,
    explain: Callable[[str, Graph], None] | None = None,
) -> FheProgram:
    """Compile a graph for encrypted data.

    A network that is too deep for any secure chain of levels, or for one that is precise enough, is bootstrapped on the
    way if the back end can.

    Args:
        graph: from `import_onnx`; its inputs are one sample each.
        calibration: samples of each input, (samples, *shape): activations are approximated where these lead.
        input_ranges: an interval for each input that calibration does not cover, or in its place.
        precision_bits: -log2 of the mean absolute error of the outputs, polynomials and noise together.
        backend: name of the back end that will run it.
        batch: samples a ciphertext must have room for; None: what the ring degree that is needed anyway gives.
        insecure: accept parameters below 128 bits; everything made is then marked.
        drop_tail: leave out a final Softmax or ArgMax; the report names it.
        bootstraps: parameter sets to compile for, bootstrapping where their levels end; () for never. None for those of
            the back end, where it cannot be done without.
        progress: called with each stage's name and the fraction that is done.
        explain: called with each pass's name and the graph after it.

    Raises:
        UnsupportedOp: an operator without an arithmetic form; names the node and the remedy.
        InvalidInput: neither calibration nor ranges for an input, or data that does not fit.
        ParameterRefused, OutOfLevels: no parameters are secure, deep and precise enough.
    """
    if not 0 < precision_bits < math.inf:
        raise InvalidInput(f"a precision of {precision_bits} bits cannot be aimed at; say a number above 0")
    if batch is not None and batch < 1:
        raise InvalidInput(f"a batch of {batch} samples; 1 is the least")
    engine(backend)  # a name that is none is refused before the work
    stages = _Stages(progress)
    context = Context(calibration, input_ranges, precision_bits, drop_tail, stages.part)
    model = graph
    for name, run in PIPELINES["fhe"]:
        stages(name)
        graph = run(graph, context)
        graph.verify()
        if explain is not None:
            explain(name, graph)
    return _Backend(model, graph, context, backend, insecure, bootstraps, stages).program(batch)


Planned = tuple[CkksPlan, Lowered, Layouts]


class _Backend:
    """The second half: from the polynomial graph to a plan."""

    def __init__(
        self,
        model: Graph,
        graph: Graph,
        context: Context,
        backend: str,
        insecure: bool,
        bootstraps: Sequence[BootstrapSet] | None,
        stage: _Stages,
    ) -> None:
        self.model, self.graph, self.context = model, graph, context
        self.backend, self.insecure, self.bootstraps, self.stage = backend, insecure, bootstraps, stage

    def program(self, batch: int | None) -> FheProgram:
        """With bootstraps where these are asked for, or it cannot be done without."""
        plan, lowered, layouts = self._chosen(batch)
        interface = self._interface(plan, lowered, layouts)
        if batch is not None and interface.lanes < batch:
            slots = plan.circuit.slots
            raise InvalidInput(f"a ciphertext of {slots} slots has room for {interface.lanes} samples, not for {batch}")
        return FheProgram(plan, interface, self._report(plan, interface, layouts))

    def _chosen(self, batch: int | None) -> Planned:
        if self.bootstraps:
            return self._bootstrapped(batch, self.bootstraps)
        try:
            return self._leveled(batch)
        except (OutOfLevels, ParameterRefused):
            known = engine(self.backend).capabilities.bootstraps
            if self.bootstraps is not None or not known:
                raise
            return self._bootstrapped(batch, known)

    def _leveled(self, batch: int | None) -> Planned:
        """Lower for the smallest ciphertexts that can do; if the planner takes a larger ring, fill its slots."""
        self._require_levels()
        slots = max(self._least_slots(), min(self._wanted_slots(batch), MAX_SLOTS))
        planned = self._planned(slots, ())
        while planned[0].parameters.slots > slots:
            slots = planned[0].parameters.slots
            planned = self._planned(slots, ())
        return planned

    def _bootstrapped(self, batch: int | None, sets: Sequence[BootstrapSet]) -> Planned:
        """Lower for the slots that the batch needs, as fewer are bootstrapped faster; without a batch, for all."""
        most = max(1 << (each.literal.log_n - 1) for each in sets)
        slots = min(self._wanted_slots(batch), most)
        planned = self._planned(slots, sets)
        if batch is None and planned[0].parameters.slots > slots:
            planned = self._planned(planned[0].parameters.slots, sets)
        return planned

    def _wanted_slots(self, batch: int | None) -> int:
        return power_of_two(self._largest()) * power_of_two(batch or 1)

    def _largest(self) -> int:
        return max(value.size for value in self.graph.values.values())

    def _require_levels(self) -> None:
        """Refuse at once what is too deep for any ring, however small the scale.

        Raises:
            OutOfLevels: names the deepest layer that still fits.
        """
        room = max_log_qp(engine(self.backend).capabilities.max_log_n, "ternary") or 0
        have, level = int(room / MIN_SCALE_BITS) - 2, levels_of(self.graph)
        if self.insecure or max(level.values()) <= have:
            return
        beyond = next(node for node in self.graph.nodes() if level[node.outputs[0]] > have)
        raise OutOfLevels(beyond.origin or beyond.name, max(level.values()), have)

    def _least_slots(self) -> int:
        """Half the smallest ring degree that is secure for the depth at the smallest scale there could be."""
        bits = (depth_of(self.graph) + 2) * (self.context.precision_bits + LEAST_NOISE_BITS)
        for log_n in range(10, 16):
            if bits <= max_log_qp(log_n, "ternary"):
                return 1 << (log_n - 1)
        return MAX_SLOTS

    def _planned(self, slots: int, bootstraps: Sequence[BootstrapSet]) -> Planned:
        self.stage("choose_layouts")
        layouts = choose_layouts(self.graph, slots, progress=self.stage.part)
        self.stage("lower")
        bounds = {name: max(abs(low), abs(high), 1e-6) for name, (low, high) in self.context.input_ranges.items()}
        lowered = lower(self.graph, layouts, slots, bounds, self.context.outputs)
        self.stage("plan")
        plan = plan_circuit(
            lowered.circuit,
            precision_bits=self.context.precision_bits + NOISE_BITS,
            backend=self.backend,
            insecure=self.insecure,
            samples=self._slot_samples(lowered, layouts, slots),
            bootstraps=bootstraps,
        )
        return plan, lowered, layouts

    def _slot_samples(self, lowered: Lowered, layouts: Layouts, slots: int) -> dict[str, Array]:
        """The first samples as slot vectors, for the noise prediction."""
        found: dict[str, Array] = {}
        lanes = slots // layouts.features
        for name, labels in lowered.inputs.items():
            layout, samples = layouts.of[name], self.context.samples[name][:lanes]
            for block, label in enumerate(labels):
                found[label] = spread_samples(samples, layout, block, features=layouts.features, lanes=lanes)
        return found

    def _interface(self, plan: CkksPlan, lowered: Lowered, layouts: Layouts) -> Interface:
        inputs = tuple(
            self._port(name, layouts.of[name], labels, self.context.input_ranges[name])
            for name, labels in lowered.inputs.items()
        )
        values = dict(zip(self.context.outputs, self.graph.outputs, strict=True))
        room = ANSWER_ROOM * 2.0**-self.context.precision_bits
        answers = dict(zip(self.context.outputs, self.context.answers, strict=True))
        outputs = tuple(
            self._port(
                name,
                layouts.of[values[name]],
                labels,
                (answers[name][0] - room, answers[name][1] + room),
                padding=self._padding(values[name]),
            )
            for name, labels in lowered.outputs.items()
        )
        used = [layouts.of[name] for name in lowered.inputs] + [layouts.of[values[name]] for name in lowered.outputs]
        return Interface(
            plan.hash, self.backend, layouts.features, plan.parameters, plan.needs, inputs, outputs, tuple(used)
        )

    def _padding(self, value: str) -> float | None:
        """What is left in features without elements: an affine map leaves zeros, and no more need be known."""
        producer = self.graph.producer(value)
        return 0.0 if producer is not None and isinstance(producer.op, AffineOp) else None

    def _port(
        self,
        name: str,
        layout: Layout,
        labels: tuple[str, ...],
        limits: tuple[float, float],
        padding: float | None = None,
    ) -> Port:
        value = self.model.values[name]
        dtype: Any = str(value.dtype) if str(value.dtype) in DTYPES else "float64"
        return Port(
            name=name,
            shape=value.shape,
            dtype=dtype,
            period=layout.period,
            ciphertexts=labels,
            low=limits[0],
            high=limits[1],
            padding=padding,
        )

    def _report(self, plan: CkksPlan, interface: Interface, layouts: Layouts) -> Report:
        noise = max(error.deviation for error in plan.errors.values())
        p, context = plan.parameters, self.context
        return Report(
            model=self.model.name,
            backend=self.backend,
            program=plan.hash,
            batch=interface.lanes,
            features=layouts.features,
            dropped=context.dropped,
            parameters=ParametersReport(
                ring_degree=p.ring_degree,
                slots=p.slots,
                levels=p.max_level,
                log_scale=p.log_scale,
                log_qp=p.log_qp,
                security=interface.security,
                insecure=interface.insecure,
            ),
            activations=tuple(activation_report(record) for record in context.approximations),
            layers=layer_reports(plan),
            bootstrapping=bootstrap_report(plan),
            tensors=tuple(
                TensorReport(
                    name=name,
                    shape=self.graph.values[name].shape,
                    layout=layout.name,
                    period=layout.period,
                    ciphertexts=layout.blocks,
                )
                for name, layout in layouts.of.items()
            ),
            depth=p.max_level if plan.bootstrapping is None else depth_of(self.graph),
            operations=operation_counts(plan),
            rotation_keys=len(plan.keys.rotations),
            key_bytes=plan.memory.keys,
            memory_bytes=plan.memory.total,
            seconds=sum(plan.latency.values()),
            approximation_error=context.approximation_error,
            noise_error=noise,
            precision_bits=precision(context.approximation_error, noise),
            precision_asked=context.precision_bits,
            calibrated=context.calibration is not None,
            warnings=warnings(context.coverage),
        )


def depth_of(graph: Graph) -> int:
    """Levels on the longest way through an arithmetic graph without elementwise functions."""
    level = levels_of(graph)
    return max(level[name] for name in graph.outputs)


def levels_of(graph: Graph) -> dict[str, int]:
    """For each value, the levels taken on the longest way to it."""
    level = dict.fromkeys(graph.inputs, 0)
    for node in graph.nodes():
        taken = node.op.depth if isinstance(node.op, PolynomialOp) else 1
        level[node.outputs[0]] = taken + max(level[name] for name in node.inputs)
    return level


def _part(artefact: Artefact, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in artefact.arrays.items() if name.startswith(prefix)}
