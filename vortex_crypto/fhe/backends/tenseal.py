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
    MalformedArtefact,
    MissingDependency,
    MissingKey,
    ParameterRefused,
)
from vortex_crypto.fhe.backends import (
    Capabilities,
    Needs,
    Progress,
    check_key,
    check_meta,
    checked_ciphertexts,
    ciphertexts_of,
)
from vortex_crypto.fhe.backends.running import LibraryRun
from vortex_crypto.fhe.circuit import Instruction, Op, Vector
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
        check_meta(evaluation, "tenseal", self.plan.parameters)
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
        context, needs = self._context, self.plan.needs
        inputs = loaded_ciphertexts(context, needs, "input", ciphertexts, self.key)
        wires = _Run(context, self, inputs).run(progress)
        arrays = [saved(wires[wire], context.ciphertext_limit()) for _, wire in self.plan.circuit.outputs]
        meta = {"backend": "tenseal", "key": self.key}
        return ciphertexts_of(needs, "output", arrays, meta, insecure=self.plan.parameters.insecure)


class _Run(LibraryRun):
    """One run: a method for each kind of instruction."""

    library, errors, generator = "SEAL", SEAL_ERRORS, GENERATOR

    def __init__(self, context: Context, session: TensealSession, inputs: dict[str, Any]) -> None:
        super().__init__(session.plan, inputs, session.galois, context.encode)
        self.context, self.relinearization = context, session.relinearization
        self.evaluator = context.seal.Evaluator(context.context)
        self.spent: set[int] = set()
        self.table: dict[Op, Callable[[Instruction], Any]] = {
            Op.ADD: self.binary,
            Op.SUB: self.binary,
            Op.MUL: self.product,
            Op.NEGATE: lambda i: self.made(self.evaluator.negate, *self.args(i)),
            Op.ADD_PLAIN: lambda i: self.made(self.evaluator.add_plain, *self.args(i), self.addend(i)),
            Op.MUL_PLAIN: self.mul_plain,
            Op.ROTATE: lambda i: self.made(self.evaluator.apply_galois, *self.args(i), *self.turning(i)),
            Op.CONJUGATE: lambda i: self.made(self.evaluator.apply_galois, *self.args(i), *self.turning(i)),
            Op.RELINEARIZE: lambda i: self.made(self.evaluator.relinearize, *self.args(i), self.relinearization),
            Op.RESCALE: lambda i: self.made(self.evaluator.rescale_to_next, *self.args(i)),
        }

    def result(self, number: int, i: Instruction) -> Any:
        self.spent = {wire for wire in i.args if self.last[wire] == number}
        result = self.table[i.op](i)
        result.scale = self.scale(i.outs[0])
        return result

    def made(self, operation: Callable[..., None], *operands: Any) -> Any:
        """What one of SEAL's operations writes into a new ciphertext, its last argument."""
        result = self.context.seal.Ciphertext()
        operation(*operands, result)
        return result

    def binary(self, i: Instruction) -> Any:
        (a, b), name = i.args, i.op.name.lower()
        if a in self.spent and a != b:
            getattr(self.evaluator, f"{name}_inplace")(self.wires[a], self.wires[b])
            return self.wires[a]
        return self.made(getattr(self.evaluator, name), self.wires[a], self.wires[b])

    def product(self, i: Instruction) -> Any:
        a, b = self.args(i)
        if i.args[0] == i.args[1]:
            return self.made(self.evaluator.square, a)
        return self.made(self.evaluator.multiply, a, b)

    def mul_plain(self, i: Instruction) -> Any:
        (ciphertext,) = self.args(i)
        if self.dropped(i):
            wanted = self.context.level_ids[self.states[i.outs[0]].level]
            ciphertext = self.made(self.evaluator.mod_switch_to, ciphertext, wanted)
        return self.made(self.evaluator.multiply_plain, ciphertext, self.factor(i))


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


def _checked_key(key: Any, context: Context, index: int, name: str) -> Any:
    if list(key.parms_id()) != list(context.context.key_parms_id()) or not key.has_key(index):
        raise MalformedArtefact(f"key {name!r} holds another key than its name says")
    return key


def loaded_ciphertexts(context: Context, needs: Needs, role: str, artefact: Artefact, key: str) -> dict[str, Any]:
    checked = checked_ciphertexts(artefact, needs, role, "tenseal")
    check_key(artefact, key)
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
