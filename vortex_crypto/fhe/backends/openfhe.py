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
from vortex_crypto.errors import MalformedArtefact, MissingKey
from vortex_crypto.fhe.backends import (
    Capabilities,
    Needs,
    Progress,
    check_key,
    check_meta,
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
from vortex_crypto.fhe.backends.running import LibraryRun
from vortex_crypto.fhe.circuit import Instruction, Op
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
        check_tag(evaluation, self.plan.parameters)
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
        context, needs = self._context, self.plan.needs
        inputs = loaded_ciphertexts(context, needs, "input", ciphertexts, self.key)
        wires = _Run(context, self, inputs).run(progress)
        arrays = [
            parts_of(context, wires[wire], level, self.key)
            for (_, wire), (_, level) in zip(self.plan.circuit.outputs, needs.outputs, strict=True)
        ]
        meta = {"backend": NAME, "key": self.key}
        return ciphertexts_of(needs, "output", arrays, meta, insecure=self.plan.parameters.insecure)


class _Run(LibraryRun):
    """One run: a method for each kind of instruction."""

    library, errors, generator = "OpenFHE", OPENFHE_ERRORS, GENERATOR

    def __init__(self, context: Context, session: OpenfheSession, inputs: dict[str, Any]) -> None:
        super().__init__(session.plan, inputs, session.galois, context.encode)
        self.unit = context.unit
        self.cc = cc = context.context
        self.table: dict[Op, Callable[[Instruction], Any]] = {
            Op.ADD: lambda i: cc.EvalAdd(*self.args(i)),
            Op.SUB: lambda i: cc.EvalSub(*self.args(i)),
            Op.MUL: lambda i: cc.EvalMultNoRelin(*self.args(i)),
            Op.NEGATE: lambda i: cc.EvalNegate(*self.args(i)),
            Op.ADD_PLAIN: lambda i: cc.EvalAdd(*self.args(i), self.addend(i)),
            Op.MUL_PLAIN: self.mul_plain,
            Op.ROTATE: lambda i: cc.EvalAutomorphism(*self.args(i), *self.turning(i)),
            Op.CONJUGATE: lambda i: cc.EvalAutomorphism(*self.args(i), *self.turning(i)),
            Op.RELINEARIZE: lambda i: cc.KeySwitch(*self.args(i), session.product),
            Op.RESCALE: lambda i: cc.Rescale(*self.args(i)),
        }

    def result(self, number: int, i: Instruction) -> Any:
        result = self.table[i.op](i)
        # Scales are the plan's; OpenFHE is told that every one is its own, so that it never adjusts any.
        result.SetNoiseScaleDeg(1)
        result.SetScalingFactor(self.unit)
        return result

    def mul_plain(self, i: Instruction) -> Any:
        (ciphertext,), above = self.args(i), self.dropped(i)
        lowered = self.cc.LevelReduce(ciphertext, None, above) if above else ciphertext
        return self.cc.EvalMult(lowered, self.factor(i))


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


def check_tag(artefact: Artefact, parameters: Parameters) -> None:
    """As `check_meta`; the key's name must be one that OpenFHE takes."""
    check_meta(artefact, NAME, parameters)
    if not _TAG.fullmatch(artefact.meta["key"]):
        raise MalformedArtefact(f"this {artefact.kind} does not say which key it belongs to")


def loaded_ciphertexts(context: Context, needs: Needs, role: str, artefact: Artefact, key: str) -> dict[str, Any]:
    """Ciphertexts by name, if they fit and are under the secret of that name."""
    checked = checked_ciphertexts(artefact, needs, role, NAME)
    check_key(artefact, key)
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
