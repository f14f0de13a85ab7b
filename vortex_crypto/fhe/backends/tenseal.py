"""Microsoft SEAL through `tenseal.sealapi`: leveled CKKS with this package's own prime chain and exact scales.

SEAL's Python classes load and save files only, so every byte passes through a private directory (in memory where there
is one) that is removed in all cases. Inputs are encrypted under the secret key, which halves them on the wire, and only
the Galois keys that the program needs are made, each an object of its own. This module is the server's side; the
client's is `tenseal_client`, imported when a client is made.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vortex_crypto.container import Array, Artefact
from vortex_crypto.errors import (
    ArtefactMismatch,
    MalformedArtefact,
    MissingDependency,
    MissingKey,
    ParameterRefused,
)
from vortex_crypto.fhe.backends import (
    Capabilities,
    Needs,
    Progress,
    checked_ciphertexts,
    ciphertexts_of,
)
from vortex_crypto.fhe.backends.running import execute, guarded
from vortex_crypto.fhe.circuit import Circuit, Instruction, Op, Plain, Vector
from vortex_crypto.fhe.interpret.keys import conjugation_element, galois_element
from vortex_crypto.fhe.interpret.levels import State
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.plan import CkksPlan

if TYPE_CHECKING:
    from vortex_crypto.fhe.backends.tenseal_client import TensealClient

GENERATOR = 3
"""SEAL orders the slots by powers of 3."""
SEAL_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, OSError, MemoryError)
"""What SEAL's C++ exceptions become in Python."""
_SLACK = 1 << 16


def _sealapi() -> Any:
    try:
        import tenseal.sealapi as seal
    except ImportError as error:
        raise MissingDependency("the back end tenseal needs the package `tenseal`: pip install tenseal") from error
    return seal


@lru_cache(maxsize=4)
def context_of(parameters: Parameters) -> Context:
    return Context(parameters)


class Context:
    """SEAL's precomputed tables for our parameters, and its name (`parms_id`) for each level."""

    def __init__(self, parameters: Parameters) -> None:
        if len(parameters.p) != 1 or parameters.digit_size != 1 or parameters.secret != "ternary":
            raise ParameterRefused(
                "digits", "SEAL has one special prime, one prime a digit and uniform ternary secrets; plan for tenseal"
            )
        self.seal = _sealapi()
        self.parameters = parameters
        wanted = self.seal.EncryptionParameters(self.seal.SCHEME_TYPE.CKKS)
        wanted.set_poly_modulus_degree(parameters.ring_degree)
        wanted.set_coeff_modulus([self.seal.Modulus(prime) for prime in (*parameters.q, *parameters.p)])
        # This package's own, stricter table has judged the parameters; SEAL's would refuse what `insecure` allows.
        self.context = self.seal.SEALContext(wanted, True, self.seal.SEC_LEVEL_TYPE.NONE)
        if not self.context.parameters_set():
            raise ParameterRefused("seal", f"SEAL refuses the parameters: {self.context.parameters_error_message()}")
        self.encoder = self.seal.CKKSEncoder(self.context)
        self.level_ids = self._level_ids()

    def _level_ids(self) -> list[list[int]]:
        data, ids = self.context.first_context_data(), []
        while data is not None:
            ids.append(list(data.parms_id()))
            data = data.next_context_data()
        return ids[::-1]

    def encode(self, vector: Vector, level: int, scale: float) -> Any:
        """A plaintext from a vector whose length divides the slots; one that would round to zero becomes the least."""
        plaintext = self.seal.Plaintext()
        if vector.size == 1 and not np.iscomplexobj(vector):
            self.encoder.encode(float(vector[0]), self.level_ids[level], scale, plaintext)
        else:
            full = np.tile(vector, self.parameters.slots // vector.size)
            self.encoder.encode(full, self.level_ids[level], scale, plaintext)
        if plaintext.is_zero():
            # SEAL refuses products with zero, as they are not encrypted; 2^-scale is what rounding may err by anyway.
            self.encoder.encode(1.0 / scale, self.level_ids[level], scale, plaintext)
        return plaintext

    def key_limit(self) -> int:
        """Bytes that no honest switching key exceeds."""
        primes = len(self.parameters.q) + 1
        return 16 * self.parameters.ring_degree * primes * (primes - 1) + _SLACK * primes

    def ciphertext_limit(self) -> int:
        """Bytes that no honest ciphertext of two polynomials exceeds."""
        return 16 * self.parameters.ring_degree * len(self.parameters.q) + _SLACK


@dataclass(frozen=True)
class TensealServer:
    """Holds a plan; has no way to decrypt."""

    plan: CkksPlan

    def prepare(self) -> None:
        """Nothing is kept between runs."""

    def load(self, evaluation: Artefact) -> TensealSession:
        """Check and load a client's evaluation keys.

        Raises:
            MissingKey: one the program needs is not among them.
        """
        evaluation.expect(kind="evaluation-keys", program=self.plan.hash)
        checked_meta(evaluation, self.plan.parameters)
        context = context_of(self.plan.parameters)
        relinearization = None
        if self.plan.keys.relinearization is not None:
            key = self._key(context, evaluation, "relinearization", context.seal.RelinKeys())
            relinearization = _checked_key(key, context, 2, "relinearization")
        galois = {}
        for element in self.plan.keys.galois_elements(self.plan.parameters.ring_degree, generator=GENERATOR):
            key = self._key(context, evaluation, f"galois/{element}", context.seal.GaloisKeys())
            galois[element] = _checked_key(key, context, element, f"galois/{element}")
        return TensealSession(self.plan, evaluation.meta["key"], relinearization, galois)

    def _key(self, context: Context, evaluation: Artefact, name: str, empty: Any) -> Any:
        if name not in evaluation.arrays:
            raise MissingKey(f"the evaluation keys hold no key {name!r}, which the program needs; make them anew")
        return loaded(empty, context, evaluation.arrays[name], f"key {name!r}", context.key_limit())


@dataclass(frozen=True)
class TensealSession:
    """A plan with one client's evaluation keys in SEAL's memory."""

    plan: CkksPlan
    key: str
    relinearization: Any = field(repr=False)
    galois: Mapping[int, Any] = field(repr=False)

    @cached_property
    def _context(self) -> Context:
        return context_of(self.plan.parameters)

    def run(self, ciphertexts: Artefact, progress: Progress | None = None) -> Artefact:
        """Run the plan; a wire is freed after its last use."""
        context, needs, circuit = self._context, self.plan.needs, self.plan.circuit
        inputs = loaded_ciphertexts(context, needs, "input", ciphertexts, self.key)
        run = _Run(context, circuit, self.plan.states, self, inputs)
        execute(circuit, run.wires, guarded("SEAL", SEAL_ERRORS, run), progress)
        arrays = [saved(run.wires[wire], context.ciphertext_limit()) for _, wire in circuit.outputs]
        meta = {"backend": "tenseal", "key": self.key}
        return ciphertexts_of(needs, "output", arrays, meta, insecure=self.plan.parameters.insecure)


class _Run:
    """One run: the ciphertexts alive, and a method for each kind of instruction."""

    def __init__(
        self,
        context: Context,
        circuit: Circuit,
        states: Mapping[int, State],
        session: TensealSession,
        inputs: dict[str, Any],
    ) -> None:
        self.context, self.circuit, self.states, self.session = context, circuit, states, session
        self.inputs, self.last = inputs, circuit.last_uses()
        self.evaluator = context.seal.Evaluator(context.context)
        self.wires: dict[int, Any] = {}
        self.spent: set[int] = set()
        self.table: dict[Op, Callable[[Instruction], Any]] = {
            Op.ADD: self.binary,
            Op.SUB: self.binary,
            Op.MUL: self.product,
            Op.NEGATE: self.negate,
            Op.ADD_PLAIN: self.add_plain,
            Op.MUL_PLAIN: self.mul_plain,
            Op.ROTATE: self.automorphism,
            Op.CONJUGATE: self.automorphism,
            Op.RELINEARIZE: self.relinearize,
            Op.RESCALE: self.rescale,
        }

    def __call__(self, number: int, i: Instruction) -> Any:
        if i.op is Op.INPUT:
            return self.inputs.pop(i.name)
        self.spent = {wire for wire in i.args if self.last[wire] == number}
        result = self.table[i.op](i)
        result.scale = self.scale(i.outs[0])
        return result

    def scale(self, wire: int) -> float:
        return float(self.states[wire].scale(self.context.parameters))

    def encoded(self, plain: Plain, level: int, scale: float) -> Any:
        return self.context.encode(self.circuit.periodic(plain), level, scale)

    def binary(self, i: Instruction) -> Any:
        (a, b), name = i.args, i.op.name.lower()
        if a in self.spent and a != b:
            getattr(self.evaluator, f"{name}_inplace")(self.wires[a], self.wires[b])
            return self.wires[a]
        result = self.context.seal.Ciphertext()
        getattr(self.evaluator, name)(self.wires[a], self.wires[b], result)
        return result

    def product(self, i: Instruction) -> Any:
        a, b = (self.wires[w] for w in i.args)
        result = self.context.seal.Ciphertext()
        if i.args[0] == i.args[1]:
            self.evaluator.square(a, result)
        else:
            self.evaluator.multiply(a, b, result)
        return result

    def negate(self, i: Instruction) -> Any:
        result = self.context.seal.Ciphertext()
        self.evaluator.negate(self.wires[i.args[0]], result)
        return result

    def add_plain(self, i: Instruction) -> Any:
        wire, plain = i.args[0], i.plain
        if plain is None:
            raise MalformedArtefact("an addition of a plaintext has none")
        operand = self.encoded(plain, self.states[wire].level, self.scale(wire))
        result = self.context.seal.Ciphertext()
        self.evaluator.add_plain(self.wires[wire], operand, result)
        return result

    def mul_plain(self, i: Instruction) -> Any:
        wire, level, plain = i.args[0], self.states[i.outs[0]].level, i.plain
        if plain is None:
            raise MalformedArtefact("a product with a plaintext has none")
        ciphertext = self.wires[wire]
        if level < self.states[wire].level:
            ciphertext = self.context.seal.Ciphertext()
            self.evaluator.mod_switch_to(self.wires[wire], self.context.level_ids[level], ciphertext)
        operand = self.encoded(plain, level, self.scale(i.outs[0]) / self.scale(wire))
        result = self.context.seal.Ciphertext()
        self.evaluator.multiply_plain(ciphertext, operand, result)
        return result

    def automorphism(self, i: Instruction) -> Any:
        degree = self.context.parameters.ring_degree
        turned = i.op is Op.ROTATE
        element = galois_element(i.step, degree, generator=GENERATOR) if turned else conjugation_element(degree)
        result = self.context.seal.Ciphertext()
        self.evaluator.apply_galois(self.wires[i.args[0]], element, self.session.galois[element], result)
        return result

    def relinearize(self, i: Instruction) -> Any:
        result = self.context.seal.Ciphertext()
        self.evaluator.relinearize(self.wires[i.args[0]], self.session.relinearization, result)
        return result

    def rescale(self, i: Instruction) -> Any:
        result = self.context.seal.Ciphertext()
        self.evaluator.rescale_to_next(self.wires[i.args[0]], result)
        return result


@dataclass(frozen=True)
class TensealBackend:
    """The roster's entry."""

    name: str = "tenseal"
    capabilities: Capabilities = Capabilities(max_log_n=15, centred_digits=False)  # noqa: RUF009

    def client(self, parameters: Parameters, needs: Needs) -> TensealClient:
        from vortex_crypto.fhe.backends.tenseal_client import TensealClient

        return TensealClient(parameters, needs.fitting(parameters, self.capabilities))

    def server(self, plan: CkksPlan) -> TensealServer:
        return TensealServer(plan)


BACKEND = TensealBackend()


def checked_meta(artefact: Artefact, parameters: Parameters) -> None:
    if artefact.meta.get("backend") != "tenseal" or artefact.meta.get("parameters") != parameters.hash:
        raise ArtefactMismatch(f"this {artefact.kind} was made for another back end or other parameters")
    if not isinstance(artefact.meta.get("key"), str):
        raise MalformedArtefact(f"this {artefact.kind} does not say which key it belongs to")


def _checked_key(key: Any, context: Context, index: int, name: str) -> Any:
    if list(key.parms_id()) != list(context.context.key_parms_id()) or not key.has_key(index):
        raise MalformedArtefact(f"key {name!r} holds another key than its name says")
    return key


def loaded_ciphertexts(context: Context, needs: Needs, role: str, artefact: Artefact, key: str) -> dict[str, Any]:
    checked = checked_ciphertexts(artefact, needs, role, "tenseal")
    if artefact.meta.get("key") != key:
        raise ArtefactMismatch("these ciphertexts were encrypted under other keys than those at hand")
    found = {}
    for name, level, array in checked:
        what = f"{role} {name!r}"
        ciphertext = loaded(context.seal.Ciphertext(), context, array, what, context.ciphertext_limit())
        if ciphertext.size() != 2 or not ciphertext.is_ntt_form() or ciphertext.is_transparent():
            raise MalformedArtefact(f"{what} is no encryption of two polynomials")
        if list(ciphertext.parms_id()) != context.level_ids[level]:
            raise MalformedArtefact(f"{what} is not at level {level}, where the program needs it")
        if ciphertext.scale != float(context.parameters.scale(level)):
            raise MalformedArtefact(f"{what} has scale {ciphertext.scale}, not that of level {level}")
        found[name] = ciphertext
    return found


def loaded(empty: Any, context: Context, data: Array | None, what: str, limit: int) -> Any:
    """Let SEAL parse bytes from outside; it checks every coefficient against its modulus."""
    if data is None or data.dtype != np.uint8 or data.ndim != 1 or not 0 < data.size <= limit:
        raise MalformedArtefact(f"{what} is missing, or no byte string of at most {limit} bytes")
    with _private_file(data.size) as path:
        with path.open("wb") as file:
            file.write(data.data)
        try:
            empty.load(context.context, str(path))
        except SEAL_ERRORS as error:
            raise MalformedArtefact(f"{what} is not what SEAL wrote: {error}") from error
    return empty


def saved(savable: Any, limit: int) -> Array:
    with _private_file(limit) as path:
        savable.save(str(path))
        return np.fromfile(path, np.uint8)


@contextmanager
def _private_file(size: int) -> Iterator[Path]:
    """A path only this user can read, in memory if it has room, that is gone when the block ends."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * size
    with tempfile.TemporaryDirectory(prefix="vortex-", dir=memory if roomy else None) as folder:
        path = Path(folder) / "seal"
        path.touch(mode=0o600)
        yield path
