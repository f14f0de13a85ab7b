"""OpenFHE through its Python package: leveled CKKS with this package's own prime chain and exact scales.

OpenFHE computes modulo our primes and keeps no account of scales or levels here (`FIXEDMANUAL`): the plan has them. Its
objects travel as arrays of residues (`openfhe_format`). This module is the server's side; the client's is
`openfhe_client`, imported when a client is made. For comparison and interoperation: the back end `vortex` is faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, MalformedArtefact, MissingKey
from vortex_crypto.fhe.backends import (
    Capabilities,
    Needs,
    Progress,
    checked_ciphertexts,
    ciphertexts_of,
    hybrid_key_bytes,
)
from vortex_crypto.fhe.backends.openfhe_format import (
    GENERATOR,
    OPENFHE_ERRORS,
    TAG_BYTES,
    Context,
    checked_residues,
    context_of,
)
from vortex_crypto.fhe.backends.running import execute, guarded
from vortex_crypto.fhe.circuit import Circuit, Instruction, Op, Plain
from vortex_crypto.fhe.interpret.keys import conjugation_element, galois_element
from vortex_crypto.fhe.interpret.levels import State
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.plan import CkksPlan

if TYPE_CHECKING:
    from vortex_crypto.fhe.backends.openfhe_client import OpenfheClient

NAME = "openfhe"
SPECIAL_SLACK = 5
"""With less room than 4 bits above the largest digit OpenFHE takes a special prime more; one for rounding."""
_TAG = re.compile(f"[0-9a-f]{{{TAG_BYTES}}}")


@dataclass(frozen=True)
class OpenfheServer:
    """Holds a plan; has no way to decrypt."""

    plan: CkksPlan

    def prepare(self) -> None:
        """Make OpenFHE's tables; plaintexts are encoded in each run."""
        context_of(self.plan.parameters)

    def load(self, evaluation: Artefact) -> OpenfheSession:
        """Check and load a client's evaluation keys.

        Raises:
            MissingKey: one the program needs is not among them.
        """
        evaluation.expect(kind="evaluation-keys", program=self.plan.hash)
        check_meta(evaluation, self.plan.parameters)
        context, key = context_of(self.plan.parameters), evaluation.meta["key"]
        product = None
        if self.plan.keys.relinearization is not None:
            product = context.product_key(_rows(context, evaluation, "relinearization"), key)
        galois = {
            element: context.galois_key(_rows(context, evaluation, f"galois/{element}"), key, element)
            for element in self.plan.keys.galois_elements(context.degree, generator=GENERATOR)
        }
        return OpenfheSession(self.plan, key, product, galois)


@dataclass(frozen=True)
class OpenfheSession:
    """A plan with one client's evaluation keys in OpenFHE's memory."""

    plan: CkksPlan
    key: str
    product: Any = field(repr=False)
    galois: Mapping[int, Any] = field(repr=False)

    @cached_property
    def _context(self) -> Context:
        return context_of(self.plan.parameters)

    def run(self, ciphertexts: Artefact, progress: Progress | None = None) -> Artefact:
        """Run the plan; a wire is freed after its last use."""
        context, needs, circuit = self._context, self.plan.needs, self.plan.circuit
        inputs = loaded_ciphertexts(context, needs, "input", ciphertexts, self.key)
        run = _Run(context, circuit, self.plan.states, self, inputs)
        execute(circuit, run.wires, guarded("OpenFHE", OPENFHE_ERRORS, run), progress)
        arrays = [
            parts_of(context, run.wires[wire], level, self.key)
            for (_, wire), (_, level) in zip(circuit.outputs, needs.outputs, strict=True)
        ]
        meta = {"backend": NAME, "key": self.key}
        return ciphertexts_of(needs, "output", arrays, meta, insecure=self.plan.parameters.insecure)


class _Run:
    """One run: the ciphertexts alive, and a method for each kind of instruction."""

    def __init__(
        self,
        context: Context,
        circuit: Circuit,
        states: Mapping[int, State],
        session: OpenfheSession,
        inputs: dict[str, Any],
    ) -> None:
        self.context, self.circuit, self.states, self.session = context, circuit, states, session
        self.inputs = inputs
        self.wires: dict[int, Any] = {}
        cc = context.context
        self.table: dict[Op, Callable[[Instruction], Any]] = {
            Op.ADD: lambda i: cc.EvalAdd(*self.args(i)),
            Op.SUB: lambda i: cc.EvalSub(*self.args(i)),
            Op.MUL: lambda i: cc.EvalMultNoRelin(*self.args(i)),
            Op.NEGATE: lambda i: cc.EvalNegate(*self.args(i)),
            Op.ADD_PLAIN: self.add_plain,
            Op.MUL_PLAIN: self.mul_plain,
            Op.ROTATE: self.automorphism,
            Op.CONJUGATE: self.automorphism,
            Op.RELINEARIZE: lambda i: cc.KeySwitch(*self.args(i), session.product),
            Op.RESCALE: lambda i: cc.Rescale(*self.args(i)),
        }

    def __call__(self, _: int, i: Instruction) -> Any:
        if i.op is Op.INPUT:
            return self.inputs.pop(i.name)
        result = self.table[i.op](i)
        # Scales are the plan's; OpenFHE is told that every one is its own, so that it never adjusts any.
        result.SetNoiseScaleDeg(1)
        result.SetScalingFactor(self.context.unit)
        return result

    def args(self, i: Instruction) -> list[Any]:
        return [self.wires[wire] for wire in i.args]

    def scale(self, wire: int) -> float:
        return float(self.states[wire].scale(self.context.parameters))

    def encoded(self, plain: Plain | None, level: int, scale: float) -> Any:
        if plain is None:
            raise MalformedArtefact("an instruction on a plaintext has none")
        return self.context.encode(self.circuit.periodic(plain), level, scale)

    def add_plain(self, i: Instruction) -> Any:
        (wire,) = i.args
        operand = self.encoded(i.plain, self.states[wire].level, self.scale(wire))
        return self.context.context.EvalAdd(self.wires[wire], operand)

    def mul_plain(self, i: Instruction) -> Any:
        (wire,), level, cc = i.args, self.states[i.outs[0]].level, self.context.context
        above = self.states[wire].level - level
        ciphertext = cc.LevelReduce(self.wires[wire], None, above) if above else self.wires[wire]
        return cc.EvalMult(ciphertext, self.encoded(i.plain, level, self.scale(i.outs[0]) / self.scale(wire)))

    def automorphism(self, i: Instruction) -> Any:
        degree = self.context.degree
        turned = i.op is Op.ROTATE
        element = galois_element(i.step, degree, generator=GENERATOR) if turned else conjugation_element(degree)
        return self.context.context.EvalAutomorphism(self.wires[i.args[0]], element, self.session.galois[element])


def _digit_primes(chain: int) -> int:
    return -(-chain // 4)


@dataclass(frozen=True)
class OpenfheBackend:
    """The roster's entry."""

    name: str = NAME
    capabilities: Capabilities = Capabilities(  # noqa: RUF009
        max_prime_bits=50,  # it encodes in double precision
        max_log_n=16,
        digit_primes=_digit_primes,
        special_slack=SPECIAL_SLACK,
        centred_digits=False,
        floored_switching=True,
        generator=GENERATOR,
        key_bytes=lambda parameters, level: hybrid_key_bytes(parameters, parameters.max_level),
    )

    def client(self, parameters: Parameters, needs: Needs) -> OpenfheClient:
        from vortex_crypto.fhe.backends.openfhe_client import OpenfheClient

        return OpenfheClient(parameters, needs.fitting(parameters, self.capabilities))

    def server(self, plan: CkksPlan) -> OpenfheServer:
        return OpenfheServer(plan)


BACKEND = OpenfheBackend()


def _rows(context: Context, evaluation: Artefact, name: str) -> Any:
    if name not in evaluation.arrays:
        raise MissingKey(f"the evaluation keys hold no key {name!r}, which the program needs; make them anew")
    moduli = context.parameters.q + context.parameters.p
    return checked_residues(evaluation.arrays[name], context.key_shape, moduli, f"key {name!r}")


def check_meta(artefact: Artefact, parameters: Parameters) -> None:
    if artefact.meta.get("backend") != NAME or artefact.meta.get("parameters") != parameters.hash:
        raise ArtefactMismatch(f"this {artefact.kind} was made for another back end or other parameters")
    key = artefact.meta.get("key")
    if not isinstance(key, str) or not _TAG.fullmatch(key):
        raise MalformedArtefact(f"this {artefact.kind} does not say which key it belongs to")


def loaded_ciphertexts(context: Context, needs: Needs, role: str, artefact: Artefact, key: str) -> dict[str, Any]:
    """Ciphertexts by name, if they fit and are under the secret of that name."""
    checked = checked_ciphertexts(artefact, needs, role, NAME)
    if artefact.meta.get("key") != key:
        raise ArtefactMismatch("these ciphertexts were encrypted under other keys than those at hand")
    found = {}
    for name, level, array in checked:
        moduli = context.parameters.q[: level + 1]
        parts = checked_residues(array, (2, level + 1, context.degree), moduli, f"{role} {name!r}")
        found[name] = context.ciphertext(parts, level, key)
    return found


def parts_of(context: Context, ciphertext: Any, level: int, tag: str) -> Any:
    """Residues [2, level + 1, N] of a ciphertext."""
    rows = context.residues(ciphertext, context.parameters.q[: level + 1], tag)
    return rows.reshape(2, level + 1, context.degree)
