"""Ways to run a planned circuit, behind one protocol.

A back end is a module with a `BACKEND` that makes clients and servers. They speak in artefacts, so files and messages
are one thing. A client holds keys and no weights, a server holds the plan and no way to take a secret key.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from vortex_crypto.arith.engine import chosen, using
from vortex_crypto.container import Array, Artefact
from vortex_crypto.errors import ArtefactMismatch, GarbledAnswer, InvalidInput, MalformedArtefact
from vortex_crypto.fhe.circuit import MAX_LOG_SLOTS, Op, Vector
from vortex_crypto.fhe.interpret.keys import Keys
from vortex_crypto.fhe.params import Parameters

if TYPE_CHECKING:
    from vortex_crypto.fhe.ckks.sets import BootstrapSet
    from vortex_crypto.fhe.plan import CkksPlan

Progress = Callable[[int, int, str], None]
"""Called with (instructions done, instructions in all, origin of the next)."""

ROSTER = {
    "clear": "vortex_crypto.fhe.backends.clear",
    "openfhe": "vortex_crypto.fhe.backends.openfhe",
    "tenseal": "vortex_crypto.fhe.backends.tenseal",
    "vortex": "vortex_crypto.fhe.backends.vortex",
}
"""Back ends by name; a new one is a line here and the module it names."""


MAX_CIPHERTEXT_BYTES = 16 << 30
"""Of the inputs and outputs of a program together; a client makes no more, whatever a server says."""
MAX_BOOTSTRAP_KEYS = 80
"""Keys at the top of the chain that a client makes besides a program's own, if it bootstraps."""
NOISE_MARGIN = 16.0
"""What must be noise alone, and is this many times what is foreseen as the worst, is no noise."""


@dataclass(frozen=True)
class Capabilities:
    """What the planner must know of a back end.

    Attributes:
        native: regions it runs itself.
        max_prime_bits: of the primes of the chain.
        max_log_n: log2 of the largest ring degree.
        digit_primes: primes of the chain in one key-switching digit, given the length of the chain.
        special_slack: bits by which the special primes together must exceed the largest digit, at the least.
        key_bytes: what a switching key weighs in memory at a level, given the parameters and the level.
        key_budget: bytes of memory all switching keys together may take.
        plaintext_budget: bytes that encoded plaintexts may take between runs; those beyond it are encoded in each run.
        protects: its ciphertexts hide what is in them; False of a simulation.
        centred_digits: its key switching takes digits around zero, which adds the same noise to all slots.
        floored_switching: its key switching divides by the special primes without rounding.
        generator: of the group that orders its slots; told where noise differs from slot to slot.
        bootstraps: parameter sets it bootstraps with; none if it cannot.
        engines: it computes on the engines of `arith`, and not in a library of its own.
    """

    native: frozenset[Op] = frozenset()
    max_prime_bits: int = 60
    max_log_n: int = 16
    digit_primes: Callable[[int], int] = lambda chain: 1
    special_slack: int = 0
    key_bytes: Callable[[Parameters, int], int] = lambda parameters, level: hybrid_key_bytes(parameters, level)
    key_budget: int = 1600 << 20
    plaintext_budget: int = 0
    protects: bool = True
    centred_digits: bool = True
    floored_switching: bool = False
    generator: int = 3
    bootstraps: tuple[BootstrapSet, ...] = ()
    engines: bool = False

    @property
    def noise(self) -> dict[str, Any]:
        """What `noise.predict` is told of it."""
        return {"centred": self.centred_digits, "floored": self.floored_switching, "generator": self.generator}


def hybrid_key_bytes(parameters: Parameters, level: int) -> int:
    """Bytes of a hybrid switching key that serves levels up to `level`: two polynomials a digit, over q and p."""
    digits = -(-(level + 1) // parameters.digit_size)
    return 16 * parameters.ring_degree * digits * (level + 1 + len(parameters.p))


@dataclass(frozen=True)
class Needs:
    """All a client needs besides the parameters; nothing of the weights.

    Attributes:
        program: hash of the plan.
        slots: of the circuit; a power of two up to the parameters'. Vectors are repeated over the ring's slots before
            they are encrypted, and the mean of the repetitions is what is decrypted.
        complex_values: the outputs may be complex; else they are real.
        keys: switching keys with the highest level each is used at.
        inputs: names and levels, in the order of the vectors to encrypt.
        outputs: names and levels, in the order of the vectors decrypted.
        worst: the largest error that the noise model foresees in each output, in its own units; () if unknown.
    """

    program: str
    slots: int
    complex_values: bool
    keys: Keys
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    worst: tuple[float, ...] = field(default=(), compare=False)

    def fitting(self, parameters: Parameters, capabilities: Capabilities) -> Needs:
        """These needs, if those parameters can meet them, and a client's memory too: a server wrote them.

        Raises:
            MalformedArtefact: they name more slots or higher levels than there are, or more keys or ciphertexts than
                the planner would ever ask for.
        """
        named = [level for _, level in (*self.inputs, *self.outputs)]
        inner = self.keys.encapsulation
        top = len(parameters.chain) - 1 if inner else parameters.max_level
        slots = max(self.slots, *(step + 1 for step in self.keys.rotations), 0)
        highest = max((*named, *(level for level in self.keys.levels if level > top)), default=0)
        if slots > parameters.slots or highest > parameters.max_level:
            raise MalformedArtefact(
                f"a client's needs name {slots} slots and level {highest}; "
                f"the parameters have {parameters.slots} and {parameters.max_level}"
            )
        if inner and parameters.literal.ephemeral_weight is None:
            raise MalformedArtefact("a client's needs name keys to an ephemeral secret; the parameters have none")
        keys = sum(capabilities.key_bytes(parameters, level) for level in self.keys.levels)
        allowed = 2 * capabilities.key_budget + 4 * capabilities.key_bytes(parameters, parameters.max_level)
        allowed += MAX_BOOTSTRAP_KEYS * capabilities.key_bytes(parameters, top) if inner else 0
        ciphertexts = sum(16 * parameters.ring_degree * (level + 1) for level in named)
        if keys > allowed or ciphertexts > MAX_CIPHERTEXT_BYTES:
            raise MalformedArtefact(
                f"a client's needs name {keys >> 20} MiB of keys (at most {allowed >> 20} are made) and "
                f"{ciphertexts >> 20} MiB of ciphertexts (at most {MAX_CIPHERTEXT_BYTES >> 20})"
            )
        return self

    def to_meta(self) -> dict[str, Any]:
        """Msgpack-able values."""
        return {
            "program": self.program,
            "slots": self.slots,
            "complex": self.complex_values,
            "rotations": [list(item) for item in self.keys.rotations.items()],
            "relinearization": self.keys.relinearization,
            "conjugation": self.keys.conjugation,
            **({"encapsulation": True} if self.keys.encapsulation else {}),
            "inputs": [list(item) for item in self.inputs],
            "outputs": [list(item) for item in self.outputs],
            **({"worst": list(self.worst)} if self.worst else {}),
        }

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Needs:
        """The inverse of `to_meta`, for values from outside.

        Raises:
            MalformedArtefact: they are not of the known form.
        """
        try:
            rotations = {_natural(step): _natural(level) for step, level in meta["rotations"]}
            product, conjugation = (
                None if meta[k] is None else _natural(meta[k]) for k in ("relinearization", "conjugation")
            )
            encapsulation = bool(meta.get("encapsulation"))
            inputs, outputs = (
                tuple((str(name), _natural(level)) for name, level in meta[k]) for k in ("inputs", "outputs")
            )
            slots, program, complex_values = _natural(meta["slots"]), str(meta["program"]), bool(meta["complex"])
            worst = tuple(map(_size, meta.get("worst", ())))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedArtefact(f"a client's needs cannot be read: {type(error).__name__} ({error})") from error
        turned = max(slots, 1 << MAX_LOG_SLOTS) if encapsulation else slots
        if slots < 1 or slots & (slots - 1) or not all(0 < step < turned for step in rotations):
            raise MalformedArtefact(f"a client's needs name {slots} slots and rotations {sorted(rotations)}")
        if worst and len(worst) != len(outputs):
            raise MalformedArtefact(f"a client's needs name {len(outputs)} outputs and errors of {len(worst)}")
        keys = Keys(rotations, product, conjugation, encapsulation)
        return cls(program, slots, complex_values, keys, inputs, outputs, worst)


@dataclass(frozen=True)
class KeySet:
    """A client's keys: `secret` stays, `evaluation` goes to the server."""

    secret: Artefact = field(repr=False)
    evaluation: Artefact


class Client(Protocol):
    """Holds parameters and needs; keys are handed in."""

    def keygen(self) -> KeySet:
        """Fresh keys from the operating system's entropy."""

    def encrypt(self, secret: Artefact, vectors: Sequence[Vector]) -> Artefact:
        """Encrypt one vector of shape [slots] for each of the needs' inputs."""

    def decrypt(self, secret: Artefact, ciphertexts: Artefact) -> list[Vector]:
        """The outputs, shape [slots]: complex128 if `needs.complex_values`, else float64."""


class Session(Protocol):
    """A server with one client's evaluation keys loaded."""

    def run(self, ciphertexts: Artefact, progress: Progress | None = None) -> Artefact:
        """Run the plan on encrypted inputs."""


class Server(Protocol):
    """Holds a plan."""

    def prepare(self) -> None:
        """Do now what would else be done for the first client: encode plaintexts, for instance."""

    def load(self, evaluation: Artefact) -> Session:
        """Check and load evaluation keys."""


class Backend(Protocol):
    """One way to run plans."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def client(self, parameters: Parameters, needs: Needs) -> Client: ...

    def server(self, plan: CkksPlan) -> Server: ...


def backend(name: str) -> Backend:
    """The back end of that name; its libraries are imported when first used.

    Raises:
        InvalidInput: there is none of that name.
        MissingDependency: its library is not installed.
    """
    if name not in ROSTER:
        raise InvalidInput(f"there is no back end {name!r}; there are {', '.join(sorted(ROSTER))}")
    found: Backend = importlib.import_module(ROSTER[name]).BACKEND
    return found


@contextmanager
def computing(runner: Backend, engine: str | None) -> Iterator[Backend]:
    """The back end, whose clients and servers made inside compute on `engine`, or on what `arith.engine` prefers.

    Raises:
        InvalidInput: an engine was chosen, and the back end has none.
    """
    with using(engine):
        if chosen() is not None and not runner.capabilities.engines:
            raise InvalidInput(
                f"the back end {runner.name!r} computes in a library of its own and not on the engine {chosen()!r}; "
                "name no engine, or compile for the back end 'vortex'"
            )
        yield runner


def checked_vectors(vectors: Sequence[Vector], needs: Needs) -> list[Vector]:
    """The vectors to encrypt, if they are one finite [slots] array an input.

    Raises:
        InvalidInput: they are not; names the input.
    """
    import numpy as np

    if len(vectors) != len(needs.inputs):
        raise InvalidInput(
            f"the program has {len(needs.inputs)} input ciphertexts, and {len(vectors)} vectors are given"
        )
    checked = []
    for (name, _), vector in zip(needs.inputs, vectors, strict=True):
        array = np.asarray(vector)
        if array.shape != (needs.slots,) or not np.isfinite(array).all():
            raise InvalidInput(f"input {name!r} should be {needs.slots} finite numbers; it has shape {array.shape}")
        checked.append(array.astype(np.complex128 if np.iscomplexobj(array) else np.float64))
    return checked


def checked_results(vectors: Sequence[Vector], needs: Needs) -> list[Vector]:
    """Decrypted outputs, real where the needs say so, if they can be what the program gives.

    Raises:
        GarbledAnswer: one is not finite, or has imaginary parts far beyond the noise where it should be real; names it.
    """
    import numpy as np

    checked = []
    for number, ((name, _), vector) in enumerate(zip(needs.outputs, vectors, strict=True)):
        if not np.isfinite(vector).all():
            raise GarbledAnswer(f"output {name!r} decrypts to infinities or NaN; {GARBLED}")
        if not needs.complex_values and np.iscomplexobj(vector):
            largest = float(np.abs(vector.imag).max())
            if needs.worst and largest > NOISE_MARGIN * needs.worst[number]:
                raise GarbledAnswer(
                    f"output {name!r} is real and decrypts to imaginary parts up to {largest:.3g}, where the noise has "
                    f"at most {needs.worst[number]:.3g}; {GARBLED}"
                )
            vector = vector.real
        checked.append(vector)
    return checked


GARBLED = (
    "the answer is garbled. Most often some value inside the program left the range that it was compiled for, on an "
    "input unlike the calibration data; a damaged ciphertext looks the same. Compile with calibration data that holds "
    "such inputs"
)


def ciphertexts_of(
    needs: Needs, role: str, arrays: Sequence[Array], meta: Mapping[str, Any], *, insecure: bool
) -> Artefact:
    """The artefact of a program's inputs or outputs; `meta` names the back end and whatever it wants to add."""
    wanted = needs.inputs if role == "input" else needs.outputs
    named = {str(n): array for n, array in enumerate(arrays)}
    known = {"role": role, "ciphertexts": [list(item) for item in wanted]}
    return Artefact("ciphertext", needs.program, {**meta, **known}, named, insecure=insecure)


def checked_ciphertexts(artefact: Artefact, needs: Needs, role: str, name: str) -> list[tuple[str, int, Array]]:
    """(name, level, array) of each ciphertext, if they are all of the program's inputs (or outputs).

    Raises:
        ArtefactMismatch: they belong to another program or back end.
        MalformedArtefact: they are not complete, or other ones.
    """
    artefact.expect(kind="ciphertext", program=needs.program)
    wanted = needs.inputs if role == "input" else needs.outputs
    if artefact.meta.get("backend") != name:
        raise ArtefactMismatch(f"these ciphertexts are of back end {artefact.meta.get('backend')!r}, not {name!r}")
    if artefact.meta.get("role") != role:
        raise MalformedArtefact(f"these ciphertexts are {artefact.meta.get('role')!r}; {role!r} is needed here")
    if artefact.meta.get("ciphertexts") != [list(item) for item in wanted]:
        raise MalformedArtefact(
            f"these ciphertexts are {artefact.meta.get('ciphertexts')} (name, level); the program has {list(wanted)}"
        )
    if set(artefact.arrays) != {str(n) for n in range(len(wanted))}:
        raise MalformedArtefact(f"{len(wanted)} ciphertexts are needed; there are sections {sorted(artefact.arrays)}")
    return [(label, level, artefact.arrays[str(n)]) for n, (label, level) in enumerate(wanted)]


def _size(value: Any) -> float:
    if type(value) is not float or not 0 <= value < 1e300:
        raise ValueError(f"{value!r} is no size of an error")
    return value


def check_meta(artefact: Artefact, name: str, parameters: Parameters) -> None:
    """Keys of that back end and those parameters, which say what they are called.

    Raises:
        ArtefactMismatch, MalformedArtefact: they are not, or do not.
    """
    if artefact.meta.get("backend") != name or artefact.meta.get("parameters") != parameters.hash:
        raise ArtefactMismatch(f"this {artefact.kind} was made for another back end or other parameters")
    if not isinstance(artefact.meta.get("key"), str):
        raise MalformedArtefact(f"this {artefact.kind} does not say which key it belongs to")


def check_key(artefact: Artefact, key: str) -> None:
    """Ciphertexts under the keys of that name.

    Raises:
        ArtefactMismatch: they are under others.
    """
    if artefact.meta.get("key") != key:
        raise ArtefactMismatch("these ciphertexts were encrypted under other keys than those at hand")


def _natural(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError(f"{value!r} is no natural number")
    return value
