"""From a graph to a program that is proved: passes, quantisation, circuit; and what a verifier needs of it.

program = compile_zk(graph, calibration=samples, weights="private")
key = setup(program.program.r1cs)
masks = {name: fresh_mask() for name in program.kept_masks}
receipt = program.prove(key, inputs, masks=masks)
program.interface.verify(key.verifying, receipt.proof, receipt.public, expected=...)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact
from vortex_crypto.nn.integer import IntegerInput, IntegerNetwork
from vortex_crypto.nn.integer_arrays import GARBLED, pack_input, pack_network, unpack_input, unpack_network
from vortex_crypto.nn.ir import Array, Graph
from vortex_crypto.nn.lower_zk import WEIGHTS, LoweredZk, lower_zk
from vortex_crypto.nn.passes.arithmetic import flat_samples
from vortex_crypto.nn.passes.arithmetize import arithmetize
from vortex_crypto.nn.passes.compose_affine import compose_affine
from vortex_crypto.nn.passes.drop_tail import drop_tail as drop_tail_pass
from vortex_crypto.nn.passes.fold_constants import fold_constants
from vortex_crypto.nn.passes.fuse_elementwise import fuse_elementwise
from vortex_crypto.nn.passes.quantize import quantize
from vortex_crypto.nn.passes.ranges import input_intervals
from vortex_crypto.zk.field import MODULUS
from vortex_crypto.zk.groth16.keys import Proof, ProvingKey, VerifyingKey
from vortex_crypto.zk.groth16.prove import commit, fresh_mask, prove
from vortex_crypto.zk.groth16.serialize import proof_from_bytes, proof_to_bytes
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.interpret.cost import by_layer, cost
from vortex_crypto.zk.plan import Program
from vortex_crypto.zk.progress import Progress as ProveProgress

KIND, INTERFACE, PROOF, MASKS = "zk-model", "zk-interface", "zk-proof", "zk-masks"
SYNTHETIC_SAMPLES = 64

Visibility = Literal["public", "private"]

Progress = Callable[[str], None]
"""Called with the name of each stage as it begins."""

PIPELINE: tuple[tuple[str, Callable[[Graph], Graph]], ...] = (
    ("fold_constants", fold_constants),
    ("arithmetize", arithmetize),
    # A chain of functions becomes one table, and a scaling before a ReLU goes into its layer's weights.
    ("fuse_elementwise", fuse_elementwise),
    ("compose_affine", compose_affine),
)


@dataclass(frozen=True, eq=False)
class Output:
    """A public output: its shape, and the exponent f of its integers y = x·2^f."""

    name: str
    shape: tuple[int, ...]
    fraction: int


@dataclass(frozen=True, eq=False)
class Statement:
    """What a proof's public values say, as real numbers: the outputs, and the inputs where they are public."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class ZkInterface:
    """The verifier's side: how public values read, with no weights in it.

    Attributes:
        program: hash (hex) of the constraint system.
        inputs: how inputs are quantised.
        outputs: in the order of the public values, after the public inputs.
        private_inputs: whether inputs are hidden.
        private_weights: whether the model is, under the persistent commitment `WEIGHTS`.
    """

    program: str
    inputs: tuple[IntegerInput, ...]
    outputs: tuple[Output, ...]
    private_inputs: bool
    private_weights: bool

    @property
    def public_ranges(self) -> tuple[tuple[int, int], ...]:
        """(low, bits) of each public input: the circuit leaves it to verifiers to check them, contracts included."""
        ports = () if self.private_inputs else self.inputs
        return tuple(pair for port in ports for pair in zip(port.low.tolist(), port.bits.tolist(), strict=True))

    def statement(self, public: Sequence[int]) -> Statement:
        """The public values as tensors.

        Raises:
            InvalidInput: their count does not fit, one is not in [0, r), or a public input is outside of its range.
        """
        inputs, parts = self._integers(public)
        outputs = {
            o.name: np.ldexp(values.astype(np.float64), -o.fraction).reshape(o.shape)
            for o, values in zip(self.outputs, parts, strict=True)
        }
        reals = {p.name: p.restore(inputs[p.name]).reshape(p.shape) for p in self.inputs if p.name in inputs}
        return Statement(reals, outputs)

    def is_about(self, public: Sequence[int], inputs: Mapping[str, Array]) -> bool:
        """Whether the public inputs are these real ones, quantised (and so saturated) as the prover quantises them.

        Raises:
            InvalidInput: the program hides its inputs, or as `statement`.
        """
        if self.private_inputs:
            raise InvalidInput("this program hides its inputs, so there is nothing to compare with")
        given, _ = self._integers(public)
        return all(np.array_equal(given[p.name], p.quantise(inputs[p.name]).reshape(-1)) for p in self.inputs)

    def _integers(self, public: Sequence[int]) -> tuple[dict[str, Array], list[Array]]:
        """Public inputs by name, and outputs in order, as int64."""
        ports = () if self.private_inputs else self.inputs
        sizes = [len(port.low) for port in ports] + [math.prod(o.shape) for o in self.outputs]
        if sum(sizes) != len(public):
            raise InvalidInput(f"the program has {sum(sizes)} public values, and {len(public)} are given")
        if any(not 0 <= value < MODULUS for value in public):
            raise InvalidInput("a public value is not in [0, r)")
        centred = [int(value) - MODULUS if value > MODULUS // 2 else int(value) for value in public]
        if any(abs(value) >= 1 << 62 for value in centred):
            raise InvalidInput("a public value is not a small integer, as this program's all are")
        parts = np.split(np.array(centred, dtype=np.int64), np.cumsum(sizes)[:-1])
        inputs = {}
        for port, values in zip(ports, parts, strict=False):
            if ((values < port.low) | (values >= port.low + (np.int64(1) << port.bits))).any():
                raise InvalidInput(f"public input {port.name!r} has an element outside of its range")
            inputs[port.name] = values
        return inputs, parts[len(ports) :]

    def verify(
        self, key: VerifyingKey, proof: Proof, public: Sequence[int], *, expected: Mapping[str, Array] | None = None
    ) -> bool:
        """Whether the proof shows the statement; `expected` holds the model's published commitment.

        Raises:
            ArtefactMismatch: the key is for another program.
            InvalidInput: public values that do not fit, or a private model and no commitment to compare with.
            MalformedProof: as `groth16.verify`.
        """
        if key.program != self.program:
            raise ArtefactMismatch("the verifying key belongs to another program than this interface")
        persistent = self.private_weights or any(commitment.persistent for commitment in key.commitments)
        if persistent and WEIGHTS not in (expected or {}):
            raise InvalidInput(
                "the model is private: pass expected={'weights': the model's published commitment}; "
                "without it a proof says only that some model gives this output"
            )
        self.statement(public)
        return verify(key, proof, public, expected=dict(expected or {}))

    def to_artefact(self) -> Artefact:
        """As a container of kind "zk-interface"."""
        arrays: dict[str, Array] = {}
        meta = {
            "inputs": [pack_input(f"input{i}", port, arrays) for i, port in enumerate(self.inputs)],
            "outputs": [[o.name, list(o.shape), o.fraction] for o in self.outputs],
            "private_inputs": self.private_inputs,
            "private_weights": self.private_weights,
        }
        return Artefact(INTERFACE, self.program, meta, arrays)

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> ZkInterface:
        """The interface an artefact holds; raises `MalformedArtefact` when it holds none."""
        meta = artefact.expect(kind=INTERFACE).meta
        try:
            inputs = tuple(unpack_input(f"input{i}", p, artefact.arrays) for i, p in enumerate(meta["inputs"]))
            outputs = tuple(Output(str(n), tuple(map(int, s)), int(f)) for n, s, f in meta["outputs"])
            if any(abs(o.fraction) > 1000 or min(o.shape, default=1) < 0 for o in outputs):
                raise ValueError("an output has no sensible shape or exponent")
            flags = (bool(meta["private_inputs"]), bool(meta["private_weights"]))
        except GARBLED as error:
            raise MalformedArtefact(f"the interface lacks or garbles a part ({error})") from error
        return cls(artefact.program, inputs, outputs, *flags)


@dataclass(frozen=True, eq=False)
class Receipt:
    """A proof of inference: the proof, its public values, and the outputs as real numbers."""

    proof: Proof
    public: tuple[int, ...]
    outputs: Mapping[str, Array]

    def to_artefact(self, program: str) -> Artefact:
        """As a container of kind "zk-proof": the compact proof and the public values; no secrets."""
        return proof_to_artefact(self.proof, self.public, program)


@dataclass(frozen=True, eq=False)
class ZkProgram:
    """The prover's side of a network: the circuit, the integer network, and the packed weights where they are private.

    Its artefact holds the weights; a verifier gets `interface` alone.
    """

    program: Program
    network: IntegerNetwork
    weights: Mapping[str, Array]
    private_inputs: bool

    @property
    def hash(self) -> str:
        """Hash (hex) of the constraint system, which keys name."""
        return self.program.hash()

    @property
    def kept_masks(self) -> tuple[str, ...]:
        """Names of the persistent commitments, whose masks the owner draws once and keeps."""
        return tuple(c.name for c in self.program.r1cs.commitments if c.persistent)

    @property
    def interface(self) -> ZkInterface:
        """The verifier's side."""
        outputs = tuple(Output(n, s, self.network.fraction(n)) for n, s in self.network.outputs.items())
        return ZkInterface(self.hash, self.network.inputs, outputs, self.private_inputs, bool(self.weights))

    def report(self) -> dict[str, Any]:
        """Counts: constraints in all and by layer, domain, committed wires."""
        counts = cost(self.program.r1cs)
        return {**asdict(counts), "by_layer": by_layer(counts)}

    def prove(
        self,
        key: ProvingKey,
        inputs: Mapping[str, Array],
        *,
        masks: Mapping[str, int] | None = None,
        progress: ProveProgress | None = None,
        threads: int = 0,
    ) -> Receipt:
        """Prove the inference on one sample of real inputs; raises as `groth16.prove`."""
        given = {**self.network.quantise(inputs), **self.weights}
        proven = prove(key, self.program, given, masks=masks, progress=progress, threads=threads)
        return Receipt(proven.proof, proven.public, self.network.restore(proven.outputs))

    def commitment(self, key: ProvingKey, mask: int) -> Array:
        """The persistent commitment to the private weights, uint64 [2, 4]: what the model's owner publishes."""
        zeros = {port.name: np.zeros(len(port.low), dtype=np.int64) for port in self.network.inputs}
        return commit(key, self.program, WEIGHTS, {**zeros, **self.weights}, mask)

    def to_artefact(self) -> Artefact:
        """As a container of kind "zk-model"; with private weights it is the model owner's secret."""
        arrays: dict[str, Array] = {}
        network = pack_network(self.network, arrays)
        inner = self.program.to_artefact()
        arrays |= {f"program/{name}": array for name, array in inner.arrays.items()}
        meta = {
            "program": dict(inner.meta),
            "network": network,
            "weights": {name: [str(v) for v in values] for name, values in self.weights.items()},
            "private_inputs": self.private_inputs,
        }
        return Artefact(KIND, self.hash, meta, arrays)

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> ZkProgram:
        """The program an artefact holds; raises `MalformedArtefact` when it holds none."""
        meta = artefact.expect(kind=KIND).meta
        inner = {n.removeprefix("program/"): a for n, a in artefact.arrays.items() if n.startswith("program/")}
        try:
            program = Program.from_artefact(Artefact("zk-program", artefact.program, meta["program"], inner))
            network = unpack_network(meta["network"], artefact.arrays)
            weights = {str(n): np.array([int(v) for v in vs], dtype=object) for n, vs in meta["weights"].items()}
            hidden = bool(meta["private_inputs"])
        except GARBLED as error:
            raise MalformedArtefact(f"the program lacks or garbles a part ({error})") from error
        return cls(program, network, weights, hidden)


def proof_to_artefact(proof: Proof, public: Sequence[int], program: str) -> Artefact:
    """A proof with its public values, as a container of kind "zk-proof"."""
    data = np.frombuffer(proof_to_bytes(proof), dtype=np.uint8)
    return Artefact(PROOF, program, {"public": [str(value) for value in public]}, {"proof": data})


def proof_from_artefact(artefact: Artefact) -> tuple[Proof, list[int]]:
    """The proof and public values of a container.

    Raises:
        MalformedArtefact: it holds none; `MalformedProof` where the proof itself is at fault.
    """
    artefact.expect(kind=PROOF)
    values, data = artefact.meta.get("public"), artefact.arrays.get("proof")
    if not isinstance(values, list) or data is None or data.dtype != np.uint8 or data.ndim != 1:
        raise MalformedArtefact("a proof artefact holds the proof's bytes and a list of public values")
    if not all(isinstance(value, str) and value.isdecimal() and len(value) <= 77 for value in values):
        raise MalformedArtefact("a public value is not a decimal number below r")
    return proof_from_bytes(data.tobytes()), [int(value) for value in values]


def draw_masks(program: ZkProgram) -> Artefact:
    """Fresh masks for the program's persistent commitments: secret, drawn once, used for every proof."""
    return Artefact(MASKS, program.hash, {name: str(fresh_mask()) for name in program.kept_masks})


def read_masks(artefact: Artefact, program: str) -> dict[str, int]:
    """The masks of a container of kind "zk-masks" made for that program."""
    meta = artefact.expect(kind=MASKS, program=program).meta
    if not all(isinstance(value, str) and value.isdecimal() and len(value) <= 77 for value in meta.values()):
        raise MalformedArtefact("a mask is not a decimal number below r")
    return {name: int(value) for name, value in meta.items()}


def compile_zk(
    graph: Graph,
    *,
    calibration: Mapping[str, Array] | None = None,
    input_ranges: Mapping[str, tuple[float, float]] | None = None,
    precision_bits: float = 8,
    weights: Visibility = "public",
    inputs: Visibility = "public",
    drop_tail: bool = False,
    progress: Progress | None = None,
) -> ZkProgram:
    """Compile a graph for proofs of inference.

    Args:
        graph: from `import_onnx`, for a batch of one.
        calibration: samples of each input, (samples, *shape).
        input_ranges: an interval for each input that calibration does not cover, or in its place.
        precision_bits: -log2 of each layer's rounding errors against its largest value.
        weights: "public" constants, or "private" under a persistent commitment.
        inputs: "public", so that the verifier knows what the output belongs to, or "private".
        drop_tail: leave out a final Softmax or ArgMax.
        progress: called with the name of each stage.

    Raises:
        UnsupportedOp: an operator that integers cannot express; names the node and the remedy.
        InvalidInput: neither calibration nor ranges for an input, or data that does not fit.
    """
    stage = progress or (lambda name: None)
    graph, _ = drop_tail_pass(graph, allowed=drop_tail)
    for name, run in PIPELINE:
        stage(name)
        graph = run(graph)
        graph.verify()
    ranges = input_intervals(graph, calibration, input_ranges)
    stage("quantize")
    network = quantize(graph, _samples(graph, calibration, ranges), ranges, precision_bits=precision_bits)
    stage("lower")
    lowered: LoweredZk = lower_zk(network, private_weights=weights == "private", private_inputs=inputs == "private")
    return ZkProgram(lowered.program, network, lowered.weights, inputs == "private")


def _samples(
    graph: Graph, calibration: Mapping[str, Array] | None, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Array]:
    if calibration is not None:
        return {name: flat_samples(name, graph.values[name].size, calibration) for name in graph.inputs}
    rng = np.random.default_rng(0)
    return {name: rng.uniform(*ranges[name], (SYNTHETIC_SAMPLES, graph.values[name].size)) for name in graph.inputs}
