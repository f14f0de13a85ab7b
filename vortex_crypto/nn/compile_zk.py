"""From a graph to a program that is proved: passes, quantisation, circuit; and what a verifier needs of it.

program = compile_zk(graph, calibration=samples, weights="private")
key = setup(program.program.r1cs)
masks = {name: fresh_mask() for name in program.kept_masks}
receipt = program.prove(key, inputs, masks=masks)
program.interface.verify(key.verifying, receipt.proof, receipt.public, expected=...)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, get_args

import numpy as np

from vortex_crypto.arith.engine import using
from vortex_crypto.container import Artefact
from vortex_crypto.errors import MalformedArtefact
from vortex_crypto.nn.integer import IntegerNetwork
from vortex_crypto.nn.integer_arrays import GARBLED, pack_network, unpack_network
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
from vortex_crypto.nn.statement import InputVisibility, Output, ZkInterface
from vortex_crypto.zk.field import Scalars, default_kernels, from_ints
from vortex_crypto.zk.groth16.keys import Proof, ProvingKey
from vortex_crypto.zk.groth16.prove import commit, fresh_mask, prove
from vortex_crypto.zk.groth16.serialize import proof_from_bytes, proof_to_bytes
from vortex_crypto.zk.interpret.cost import by_layer, cost
from vortex_crypto.zk.plan import Program
from vortex_crypto.zk.progress import Progress as ProveProgress

KIND, PROOF, MASKS = "zk-model", "zk-proof", "zk-masks"
SYNTHETIC_SAMPLES = 64

Visibility = Literal["public", "private"]

Progress = Callable[[str, float], None]
"""Called with the name of each stage as it begins and the fraction of the whole that is done."""
PASSES_SHARE, QUANTIZED_SHARE = 0.1, 0.3
"""What is done after the passes, and after quantisation; the rest is writing constraints."""

PIPELINE: tuple[tuple[str, Callable[[Graph], Graph]], ...] = (
    ("fold_constants", fold_constants),
    ("arithmetize", partial(arithmetize, comparisons=True)),
    # A chain of functions becomes one table, and a scaling before a ReLU goes into its layer's weights.
    ("fuse_elementwise", fuse_elementwise),
    ("compose_affine", compose_affine),
)


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
    visibility: InputVisibility

    @property
    def hash(self) -> str:
        """Hash (hex) of the constraint system and of how its public values read, which keys name."""
        return self.program.hash()

    @property
    def kept_masks(self) -> tuple[str, ...]:
        """Names of the persistent commitments, whose masks the owner draws once and keeps."""
        return tuple(c.name for c in self.program.r1cs.commitments if c.persistent)

    @property
    def interface(self) -> ZkInterface:
        """The verifier's side."""
        return _interface(self.program.r1cs.circuit_digest, self.network, self.visibility, bool(self.weights))

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
        engine: str | None = None,
    ) -> Receipt:
        """Prove the inference on one sample of real inputs; raises as `groth16.prove`.

        `engine` computes: "native", "cuda" or "reference"; None for what `arith.engine` prefers.
        """
        with using(engine):
            proven = prove(key, self.program, self.given(inputs), masks=masks, progress=progress, threads=threads)
        outputs = {name: proven.outputs[name] for name in self.network.outputs}
        return Receipt(proven.proof, proven.public, self.network.restore(outputs))

    def given(self, inputs: Mapping[str, Array]) -> dict[str, Array | Scalars]:
        """What the circuit takes for one sample of real inputs; the packed weights are ready for the kernels."""
        return {**self.network.quantise(inputs), **self._scalars}

    @cached_property
    def _scalars(self) -> dict[str, Scalars]:
        return {name: Scalars(from_ints(values, default_kernels())) for name, values in self.weights.items()}

    def commitment(self, key: ProvingKey, mask: int) -> Array:
        """The persistent commitment to the private weights, uint64 [2, 4]: what the model's owner publishes."""
        zeros = {port.name: np.zeros(len(port.low), dtype=np.int64) for port in self.network.inputs}
        return commit(key, self.program, WEIGHTS, {**zeros, **self._scalars}, mask)

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
            "visibility": self.visibility,
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
            if meta["visibility"] not in get_args(InputVisibility):
                raise ValueError(f"inputs are {meta['visibility']!r}")
        except GARBLED as error:
            raise MalformedArtefact(f"the program lacks or garbles a part ({error})") from error
        made = cls(program, network, weights, meta["visibility"])
        if made.interface.program != made.hash:
            raise MalformedArtefact("the program's constraint system is bound to another reading of its public values")
        return made


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
    inputs: InputVisibility = "public",
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
        inputs: "public", so that the verifier knows what the output belongs to; "hashed", the same by one digest, which
            verifiers recompute from the inputs they know; or "private".
        drop_tail: leave out a final Softmax or ArgMax.
        progress: called with the name of each stage and the fraction of the whole that is done.

    Raises:
        UnsupportedOp: an operator that integers cannot express; names the node and the remedy.
        InvalidInput: neither calibration nor ranges for an input, or data that does not fit.
    """
    stage = progress or (lambda name, done: None)
    if drop_tail:
        graph, _ = drop_tail_pass(graph, allowed=True)
    for number, (name, run) in enumerate(PIPELINE):
        stage(name, PASSES_SHARE * number / len(PIPELINE))
        graph = run(graph)
        graph.verify()
    ranges = input_intervals(graph, calibration, input_ranges)
    stage("quantize", PASSES_SHARE)
    network = quantize(graph, _samples(graph, calibration, ranges), ranges, precision_bits=precision_bits)
    stage("lower", QUANTIZED_SHARE)
    lowered: LoweredZk = lower_zk(network, private_weights=weights == "private", inputs=inputs)
    circuit = lowered.program.r1cs
    reading = _interface(circuit.circuit_digest, network, inputs, bool(lowered.weights)).reading
    program = replace(lowered.program, r1cs=replace(circuit, reading=reading))
    return ZkProgram(program, network, lowered.weights, inputs)


def _interface(
    circuit: str, network: IntegerNetwork, visibility: InputVisibility, private_weights: bool
) -> ZkInterface:
    outputs = tuple(Output(n, s, network.fraction(n)) for n, s in network.outputs.items())
    return ZkInterface(circuit, network.inputs, outputs, visibility, private_weights)


def _samples(
    graph: Graph, calibration: Mapping[str, Array] | None, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Array]:
    if calibration is not None:
        return {name: flat_samples(name, graph.values[name].size, calibration) for name in graph.inputs}
    rng = np.random.default_rng(0)
    return {name: rng.uniform(*ranges[name], (SYNTHETIC_SAMPLES, graph.values[name].size)) for name in graph.inputs}
