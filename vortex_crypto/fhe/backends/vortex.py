"""The own CKKS scheme as a back end: regions run natively, keys and fresh ciphertexts travel as seed and half.

Linear transforms are hoisted twice and polynomials are evaluated with exact scales of their own (`fhe.ckks`). This
module is the server's side: it takes evaluation keys and ciphertexts and imports nothing that knows a secret; the
client's is `vortex_client`, imported when a client is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from vortex_crypto.arith.engine import preferred
from vortex_crypto.container import Array, Artefact
from vortex_crypto.errors import MalformedArtefact, MissingKey
from vortex_crypto.fhe import rotations
from vortex_crypto.fhe.backends import (
    Capabilities,
    Needs,
    Progress,
    check_key,
    check_meta,
    checked_ciphertexts,
    ciphertexts_of,
)
from vortex_crypto.fhe.backends.running import execute
from vortex_crypto.fhe.circuit import Bootstrap, Chebyshev, Constant, Instruction, LinearTransform, Op
from vortex_crypto.fhe.ckks import storage
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapper, EncapsulationKeys
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext, SeededCiphertext
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encoder import Encoder
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.linear import PlaintextStore, Transform
from vortex_crypto.fhe.ckks.polynomial import chebyshev
from vortex_crypto.fhe.ckks.sets import N15, N16
from vortex_crypto.fhe.ckks.switching import EvaluationKeys
from vortex_crypto.fhe.params import Parameters
from vortex_crypto.fhe.plan import CkksPlan

if TYPE_CHECKING:
    from vortex_crypto.fhe.backends.vortex_client import VortexClient

NAME = "vortex"
PLAINTEXT_BYTES = 3 << 29
"""Memory for encoded plaintexts of a program; what does not fit is encoded anew in each run."""
TO_SPARSE, TO_DENSE = "encapsulation/sparse", "encapsulation/dense"
"""Names of the keys to bootstrapping's sparse secret and back."""
FAST_PRIME_BITS = 49
"""Primes below 2^50 take the vector path of the kernels."""


@lru_cache(maxsize=8)
def context_of(parameters: Parameters, threads: int, engine: str) -> Context:
    return Context(parameters, engine_name=engine, threads=threads)


@dataclass(frozen=True)
class VortexServer:
    """Holds a plan, and its plaintexts as they are encoded, for the engine it was made on; has no way to decrypt."""

    plan: CkksPlan
    threads: int = 0
    engine: str = field(default_factory=preferred)
    store: PlaintextStore = field(default_factory=lambda: PlaintextStore(PLAINTEXT_BYTES), repr=False)

    def prepare(self) -> None:
        """Encode the transforms' plaintexts that fit the store, those of the bootstraps too; at once if they are."""
        transforms = list(self.transforms.values())
        if self.bootstrapper is not None:
            transforms += self.bootstrapper.transforms
        for transform in transforms:
            transform.prepare()

    def load(self, evaluation: Artefact) -> VortexSession:
        """Check a client's evaluation keys and expand them; the first time, encode the plaintexts as well.

        Raises:
            MissingKey: one the program needs is not among them.
        """
        evaluation.expect(kind="evaluation-keys", program=self.plan.hash)
        check_meta(evaluation, NAME, self.plan.parameters)
        context = self.context
        seeds, arrays = evaluation.meta.get("seeds"), evaluation.arrays
        level = self.plan.keys.relinearization
        product = None
        if level is not None:
            product = storage.compressed_key(context, seeds, arrays, "relinearization", level).expand(context)
        galois = {
            element: storage.compressed_key(context, seeds, arrays, f"galois/{element}", level).expand(context)
            for element, level in self.plan.keys.galois_elements(self.plan.parameters.ring_degree).items()
        }
        keys = EvaluationKeys(product, galois)
        encapsulation = _encapsulation(context, seeds, arrays) if self.bootstrapper is not None else None
        self.prepare()
        return VortexSession(self, context, Evaluator(context, keys), evaluation.meta["key"], encapsulation)

    @property
    def context(self) -> Context:
        """The plan's parameters on the server's engine."""
        return context_of(self.plan.parameters, self.threads, self.engine)

    @cached_property
    def bootstrapper(self) -> Bootstrapper | None:
        """What makes the plan's bootstraps, if it has any.

        Raises:
            ParameterRefused: they would fail too often.
        """
        plan = self.plan
        if plan.bootstrapping is None:
            return None
        return Bootstrapper(self.context, plan.bootstrapping, bootstraps=max(plan.bootstraps, 1))

    @cached_property
    def rescaled(self) -> frozenset[int]:
        """Wires that one rescale reads and nothing else: a relinearisation that makes one is made along with it."""
        circuit = self.plan.circuit
        uses = Counter(wire for i in circuit.instructions for wire in i.args)
        uses.update(wire for _, wire in circuit.outputs)
        return frozenset(i.args[0] for i in circuit.instructions if i.op is Op.RESCALE and uses[i.args[0]] == 1)

    @cached_property
    def transforms(self) -> Mapping[int, Transform]:
        """The linear transforms made ready, by the number of their instruction."""
        context, circuit = self.context, self.plan.circuit
        encoder, parameters = Encoder(context), self.plan.parameters
        found = {}
        for number, i in enumerate(circuit.instructions):
            if isinstance(i.body, LinearTransform):
                level = self.plan.states[i.args[0]].level
                blocks = [
                    [[(k, circuit.periodic(plain)) for k, plain in block] for block in row] for row in i.body.blocks
                ]
                found[number] = Transform(
                    encoder,
                    blocks,
                    rotations.native(i.body, circuit.slots, circuit.steps).split,
                    slots=circuit.slots,
                    steps=circuit.steps,
                    level=level,
                    ratio=parameters.pending_scale(level) / parameters.scale(level),
                    store=self.store,
                )
        return found


@dataclass(frozen=True)
class VortexSession:
    """A plan with one client's evaluation keys."""

    server: VortexServer
    context: Context = field(repr=False)
    evaluator: Evaluator = field(repr=False)
    key: str
    encapsulation: EncapsulationKeys | None = field(default=None, repr=False)

    def run(self, ciphertexts: Artefact, progress: Progress | None = None) -> Artefact:
        """Run the plan; a wire is freed after its last use."""
        plan = self.server.plan
        circuit, needs = plan.circuit, plan.needs
        run = _Run(self, self._inputs(ciphertexts))
        execute(circuit, run.wires, lambda number, i: run.table[i.op](number, i), progress)
        arrays: list[Array] = [run.wires[wire].parts for _, wire in circuit.outputs]
        meta = {"backend": NAME, "key": self.key}
        return ciphertexts_of(needs, "output", arrays, meta, insecure=plan.parameters.insecure)

    def _inputs(self, artefact: Artefact) -> dict[str, Ciphertext]:
        needs, context = self.server.plan.needs, self.context
        checked = checked_ciphertexts(artefact, needs, "input", NAME)
        check_key(artefact, self.key)
        seeds = artefact.meta.get("seeds")
        if not isinstance(seeds, list) or len(seeds) != len(checked):
            raise MalformedArtefact(f"{len(checked)} seeds should come with the ciphertexts")
        found = {}
        for (name, level, array), value in zip(checked, seeds, strict=True):
            what = f"input {name!r}"
            half = storage.residues(context, array, context.basis(level), (), what)
            seeded = SeededCiphertext(half, storage.seed(value, what), context.scale(level))
            found[name] = seeded.expand(context)
        return found


Results = Sequence[Ciphertext]


class _Run:
    """One run: the ciphertexts alive, and a method for each opcode."""

    def __init__(self, session: VortexSession, inputs: dict[str, Ciphertext]) -> None:
        self.session, self.inputs = session, inputs
        self.plan, self.evaluator = session.server.plan, session.evaluator
        self.wires: dict[int, Ciphertext] = {}
        ev = self.evaluator
        self.table: dict[Op, Callable[[int, Instruction], Results]] = {
            Op.INPUT: lambda _, i: [self.inputs.pop(i.name)],
            Op.ADD: lambda _, i: [ev.add(*self.args(i))],
            Op.SUB: lambda _, i: [ev.sub(*self.args(i))],
            Op.NEGATE: lambda _, i: [ev.negate(*self.args(i))],
            Op.MUL: lambda _, i: [ev.mul(*self.args(i))],
            Op.ADD_PLAIN: self.add_plain,
            Op.MUL_PLAIN: self.mul_plain,
            Op.ROTATE: lambda _, i: [ev.rotate(self.wires[i.args[0]], i.step)],
            Op.CONJUGATE: lambda _, i: [ev.conjugate(*self.args(i))],
            Op.RELINEARIZE: self.relinearize,
            Op.RESCALE: lambda _, i: [ev.relinearize_rescale(*self.args(i))],
            Op.LINEAR_TRANSFORM: lambda n, i: session.server.transforms[n].apply(ev, self.args(i)),
            Op.POLYNOMIAL: self.polynomial,
            Op.BOOTSTRAP: self.bootstrap,
        }

    def args(self, i: Instruction) -> list[Ciphertext]:
        return [self.wires[wire] for wire in i.args]

    def relinearize(self, _: int, i: Instruction) -> Results:
        (a,) = self.args(i)
        return [a if i.outs[0] in self.session.server.rescaled else self.evaluator.relinearize(a)]

    def add_plain(self, _: int, i: Instruction) -> Results:
        (a,) = self.args(i)
        operand = self.plan.circuit.periodic(i.plain) if isinstance(i.plain, Constant) else i.plain or 0.0
        return [self.evaluator.add_plain(a, operand)]

    def mul_plain(self, _: int, i: Instruction) -> Results:
        (a,) = self.args(i)
        level = self.plan.states[i.outs[0]].level
        a, wanted = a.at_level(level), self.plan.parameters.pending_scale(level)
        if not isinstance(i.plain, Constant):
            return [self.evaluator.mul_constant(a, i.plain or 0.0, wanted)]
        encoder, basis, ratio = self.evaluator.encoder, self.session.context.basis(level), wanted / a.scale
        vector = self.plan.circuit.periodic(i.plain)
        key = (i.plain.index, level, ratio)
        plain = self.session.server.store.get(key, lambda: encoder.encode(vector, ratio, basis))
        return [self.evaluator.mul_plaintext(a, plain, wanted)]

    def polynomial(self, _: int, i: Instruction) -> Results:
        (a,) = self.args(i)
        coefficients = i.body.coefficients if isinstance(i.body, Chebyshev) else ()
        return [chebyshev(self.evaluator, a, coefficients)]

    def bootstrap(self, _: int, i: Instruction) -> Results:
        """Of x / 2^k: the operand's scale is read as 2^k times what it is, and the result multiplied by 2^k."""
        (a,) = self.args(i)
        made, keys = self.session.server.bootstrapper, self.session.encapsulation
        if made is None or keys is None or not isinstance(i.body, Bootstrap):
            raise MissingKey("the program bootstraps, and no keys for it are loaded")
        size = 1 << i.body.log_bound
        fresh = made.run(self.evaluator, keys, Ciphertext(a.parts, a.scale * size))
        if size > 1:
            fresh = self.evaluator.mul_integer(fresh, size)
        return [self.evaluator.drop_level(fresh, self.plan.states[i.outs[0]].level)]


def _digit_primes(chain: int) -> int:
    """Four digits at most: more would make switching slower, fewer would take more special primes."""
    return -(-chain // 4)


@dataclass(frozen=True)
class VortexBackend:
    """The roster's entry."""

    name: str = NAME
    capabilities: Capabilities = Capabilities(  # noqa: RUF009
        native=frozenset({Op.LINEAR_TRANSFORM, Op.POLYNOMIAL}),
        max_prime_bits=FAST_PRIME_BITS,
        max_log_n=16,
        digit_primes=_digit_primes,
        key_budget=1 << 30,
        plaintext_budget=PLAINTEXT_BYTES,
        bootstraps=(N15, N16),
        engines=True,
    )

    def client(self, parameters: Parameters, needs: Needs, *, threads: int = 0) -> VortexClient:
        from vortex_crypto.fhe.backends.vortex_client import VortexClient

        return VortexClient(parameters, needs.fitting(parameters, self.capabilities), threads)

    def server(self, plan: CkksPlan, *, threads: int = 0) -> VortexServer:
        return VortexServer(plan, threads)


BACKEND = VortexBackend()


def _encapsulation(context: Context, seeds: object, arrays: Mapping[str, Array]) -> EncapsulationKeys:
    special = context.special[:1]
    sparse = storage.compressed_key(context, seeds, arrays, TO_SPARSE, 0, special=special)
    dense = storage.compressed_key(context, seeds, arrays, TO_DENSE, context.top_level)
    return EncapsulationKeys(sparse.expand(context, special=special), dense.expand(context))
