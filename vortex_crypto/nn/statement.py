"""What a proof of inference says: how its public values read, bound to the program that keys and proofs name.

Public values are, in this order: the inputs where they are public, or one digest of them where they are hashed, then
the outputs. The digest is the sponge (gadget `sponge`) over the integers of all inputs, packed by their ranges.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact
from vortex_crypto.nn.integer import IntegerInput
from vortex_crypto.nn.integer_arrays import GARBLED, pack_input, unpack_input
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.lower_zk import WEIGHTS
from vortex_crypto.zk.field import MODULUS
from vortex_crypto.zk.gadgets.sponge import pack_ints, sponge_ints
from vortex_crypto.zk.groth16.keys import Proof, VerifyingKey
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.r1cs import read_as

INTERFACE = "zk-interface"

InputVisibility = Literal["public", "private", "hashed"]


@dataclass(frozen=True, eq=False)
class Output:
    """A public output: its shape, and the exponent f of its integers y = x·2^f."""

    name: str
    shape: tuple[int, ...]
    fraction: int


@dataclass(frozen=True, eq=False)
class Statement:
    """What a proof's public values say, as real numbers.

    Attributes:
        inputs: by name where they are public, else empty.
        outputs: by name.
        digest: of the inputs where they are hashed, else None.
    """

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    digest: int | None = None


@dataclass(frozen=True, eq=False)
class ZkInterface:
    """The verifier's side: how public values read, with no weights in it.

    Attributes:
        circuit: hash (hex) of the constraint system.
        inputs: how inputs are quantised.
        outputs: in the order of the public values, after the inputs or their digest.
        visibility: whether inputs are public values, under a digest that is one, or hidden.
        private_weights: whether the model is hidden, under the persistent commitment `WEIGHTS`.
    """

    circuit: str
    inputs: tuple[IntegerInput, ...]
    outputs: tuple[Output, ...]
    visibility: InputVisibility
    private_weights: bool

    @property
    def reading(self) -> str:
        """Digest (hex) of all that says how integers map to real numbers: names, shapes, exponents, ranges."""
        described = {
            "inputs": [
                [p.name, list(p.shape), p.fractions.tolist(), p.low.tolist(), p.bits.tolist()] for p in self.inputs
            ],
            "outputs": [[o.name, list(o.shape), o.fraction] for o in self.outputs],
            "visibility": self.visibility,
            "private_weights": self.private_weights,
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

    @property
    def program(self) -> str:
        """What keys and proofs name: the constraint system and how it is read. With another scale it is another one."""
        return read_as(self.circuit, self.reading)

    @property
    def public_ranges(self) -> tuple[tuple[int, int], ...]:
        """(low, bits) of each public input: the circuit leaves it to verifiers to check them, contracts included."""
        ports = self.inputs if self.visibility == "public" else ()
        return tuple(pair for port in ports for pair in zip(port.low.tolist(), port.bits.tolist(), strict=True))

    def statement(self, public: Sequence[int]) -> Statement:
        """What the public values say.

        Raises:
            InvalidInput: their count does not fit, one is not in [0, r), or a public input is outside of its range.
        """
        digest, inputs, parts = self._integers(public)
        outputs = {
            o.name: np.ldexp(values.astype(np.float64), -o.fraction).reshape(o.shape)
            for o, values in zip(self.outputs, parts, strict=True)
        }
        reals = {p.name: p.restore(inputs[p.name]).reshape(p.shape) for p in self.inputs if p.name in inputs}
        return Statement(reals, outputs, digest)

    def is_about(self, public: Sequence[int], inputs: Mapping[str, Array]) -> bool:
        """Whether the public inputs, or their digest, are those of these real ones, quantised as the prover does it.

        Quantising saturates: what lies outside of an input's range counts as the end of the range.

        Raises:
            InvalidInput: the program hides its inputs, or as `statement` and `digest`.
        """
        if self.visibility == "private":
            raise InvalidInput("this program hides its inputs, so there is nothing to compare with")
        digest, given, _ = self._integers(public)
        if digest is not None:
            return digest == self.digest(inputs)
        return all(np.array_equal(given[p.name], p.quantise(inputs[p.name]).reshape(-1)) for p in self.inputs)

    def digest(self, inputs: Mapping[str, Array]) -> int:
        """The digest of real inputs, quantised, that proofs about them show where inputs are hashed.

        It binds; it does not hide what can be guessed, having no mask.

        Raises:
            InvalidInput: an input is missing or does not fit.
        """
        if missing := [port.name for port in self.inputs if port.name not in inputs]:
            raise InvalidInput(f"the digest is of all inputs, and {missing[0]!r} is not given")
        values = [port.quantise(inputs[port.name]).reshape(-1).tolist() for port in self.inputs]
        low, bits = (np.concatenate(parts) for parts in zip(*((p.low, p.bits) for p in self.inputs), strict=True))
        return sponge_ints(pack_ints([value for part in values for value in part], low, bits))

    def _integers(self, public: Sequence[int]) -> tuple[int | None, dict[str, Array], list[Array]]:
        """The inputs' digest, public inputs by name, and outputs in order, as int64."""
        ports = self.inputs if self.visibility == "public" else ()
        heads = int(self.visibility == "hashed")
        sizes = [len(port.low) for port in ports] + [math.prod(o.shape) for o in self.outputs]
        if heads + sum(sizes) != len(public):
            raise InvalidInput(f"the program has {heads + sum(sizes)} public values, and {len(public)} are given")
        if any(not 0 <= value < MODULUS for value in public):
            raise InvalidInput("a public value is not in [0, r)")
        centred = [int(value) - MODULUS if value > MODULUS // 2 else int(value) for value in public[heads:]]
        if any(abs(value) >= 1 << 62 for value in centred):
            raise InvalidInput("a public value is not a small integer, as this program's all are")
        parts = np.split(np.array(centred, dtype=np.int64), np.cumsum(sizes)[:-1])
        inputs = {}
        for port, values in zip(ports, parts, strict=False):
            if ((values < port.low) | (values >= port.low + (np.int64(1) << port.bits))).any():
                raise InvalidInput(f"public input {port.name!r} has an element outside of its range")
            inputs[port.name] = values
        return int(public[0]) if heads else None, inputs, parts[len(ports) :]

    def verify(
        self, key: VerifyingKey, proof: Proof, public: Sequence[int], *, expected: Mapping[str, Array] | None = None
    ) -> bool:
        """Whether the proof shows the statement; `expected` holds the model's published commitment.

        Raises:
            ArtefactMismatch: the key is for another program, or for this one read otherwise.
            InvalidInput: public values that do not fit, or a private model and no commitment to compare with.
            MalformedProof: as `groth16.verify`.
        """
        if key.program != self.program:
            raise ArtefactMismatch(
                "the verifying key belongs to another program than this interface, or to one whose public values read "
                "otherwise; use the files that one set-up wrote"
            )
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
            "circuit": self.circuit,
            "inputs": [pack_input(f"input{i}", port, arrays) for i, port in enumerate(self.inputs)],
            "outputs": [[o.name, list(o.shape), o.fraction] for o in self.outputs],
            "visibility": self.visibility,
            "private_weights": self.private_weights,
        }
        return Artefact(INTERFACE, self.program, meta, arrays)

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> ZkInterface:
        """The interface an artefact holds.

        Raises:
            MalformedArtefact: it holds none, or was altered: its program's name binds all that it says.
        """
        meta = artefact.expect(kind=INTERFACE).meta
        try:
            inputs = tuple(unpack_input(f"input{i}", p, artefact.arrays) for i, p in enumerate(meta["inputs"]))
            outputs = tuple(Output(str(n), tuple(map(int, s)), int(f)) for n, s, f in meta["outputs"])
            if any(abs(o.fraction) > 1000 or min(o.shape, default=1) < 0 for o in outputs):
                raise ValueError("an output has no sensible shape or exponent")
            if meta["visibility"] not in get_args(InputVisibility):
                raise ValueError(f"inputs are {meta['visibility']!r}")
            private_weights = bool(meta["private_weights"])
            interface = cls(str(meta["circuit"]), inputs, outputs, meta["visibility"], private_weights)
        except GARBLED as error:
            raise MalformedArtefact(f"the interface lacks or garbles a part ({error})") from error
        if artefact.program != interface.program:
            raise MalformedArtefact(
                "the interface reads public values otherwise than the program does that it names; it was altered"
            )
        return interface
