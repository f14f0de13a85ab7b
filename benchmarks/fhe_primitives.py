"""CKKS primitives of the own scheme, on one thread beside SEAL, OpenFHE and Lattigo; then on two threads.

`python -m benchmarks.fhe_primitives [--json] [--log-n 13 14 15 16] [--openfhe-python PATH] [--lattigo-python PATH]`.
One row for each operation and peer, by turns: same degree, same levels, primes of the same sizes, one thread, and the
peer's result is decrypted and checked first (`peer_bits`). SEAL (through TenSEAL) has one digit a prime and stops at
degree 2^15. OpenFHE and Lattigo are no wheels for every Python, so name an interpreter that has the wheel `openfhe`,
and one that has `orion-fhe` (which brings Lattigo compiled; `pip install --no-deps orion-fhe` will do). Each chooses
its best number of digits. `published` holds milliseconds measured by others on a 2.6 GHz Zen 4 core for the same
degree and as many levels or nearly so: a hint across machines, no measurement.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev as cheb

from benchmarks.harness import Row, by_turns, machine, note, parser, peak_mb, show
from benchmarks.peers import Peer, beside, piped
from vortex_crypto.fhe.circuit import Circuit, LinearTransform
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.keys import KeyGenerator, SecretKey
from vortex_crypto.fhe.ckks.linear import PlaintextStore, Transform
from vortex_crypto.fhe.ckks.polynomial import chebyshev
from vortex_crypto.fhe.ckks.switching import EvaluationKeys
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.rotations import Native, native

LITERALS = {
    13: ParametersLiteral(13, (46, 40, 40, 40), (47,), 40),
    14: ParametersLiteral(14, (49, *[40] * 7), (45, 45), 40),
    15: ParametersLiteral(15, (49, *[40] * 15), (45,) * 4, 40),
    16: ParametersLiteral(16, (49, *[40] * 31), (43,) * 8, 40),
}
"""128-bit chains with the levels of the published figures, all primes on the 50-bit path."""

PUBLISHED_MS = {
    ("rotate", 13): {"OpenFHE 1.6.1": 3.4, "Lattigo 6.2": 4.5},
    ("rotate", 14): {"OpenFHE 1.6.1": 14, "Lattigo 6.2": 18},
    ("rotate", 15): {"OpenFHE 1.6.1": 76, "Lattigo 6.2": 77},
    ("rotate", 16): {"OpenFHE 1.6.1": 403, "Lattigo 6.2": 424},
    ("mul_relin_rescale", 13): {"OpenFHE 1.6.1": 4.3, "Lattigo 6.2": 5.5},
    ("mul_relin_rescale", 14): {"OpenFHE 1.6.1": 18, "Lattigo 6.2": 21},
    ("mul_relin_rescale", 15): {"OpenFHE 1.6.1": 93, "Lattigo 6.2": 93},
    ("mul_relin_rescale", 16): {"OpenFHE 1.6.1": 453, "Lattigo 6.2": 484},
    ("rotate_hoisted", 13): {"OpenFHE 1.6.1": 1.7},
    ("rotate_hoisted", 14): {"OpenFHE 1.6.1": 7.3},
    ("rotate_hoisted", 15): {"OpenFHE 1.6.1": 38},
    ("rotate_hoisted", 16): {"OpenFHE 1.6.1": 192},
}
PLAINTEXT_BYTES = 6 << 30
"""Larger matrices would not fit beside those of a peer in the memory of a machine like this one."""


@dataclass(frozen=True)
class Scheme:
    """One parameter set with the keys the rows need."""

    log_n: int
    context: Context
    secret: SecretKey
    encryptor: Encryptor
    evaluator: Evaluator
    values: np.ndarray
    x: Ciphertext
    vectors: dict[int, tuple[np.ndarray, Ciphertext]] = field(default_factory=dict)

    def vector(self, size: int) -> tuple[np.ndarray, Ciphertext]:
        """The operand of matrices of that size, encrypted once: copies of a scheme on other threads share it."""
        if size not in self.vectors:
            values = np.random.default_rng(size + 1).uniform(-1, 1, size)
            sent = self.encryptor.encrypt(self.secret, values, self.context.parameters.max_level)
            self.vectors[size] = values, sent.expand(self.context)
        return self.vectors[size]

    @property
    def facts(self) -> Row:
        parameters = self.context.parameters
        return {"levels": parameters.max_level, "log_qp": round(parameters.log_qp, 1)}

    def bits(self, got: Ciphertext, wanted: np.ndarray) -> float:
        found = self.encryptor.decrypt(self.secret, got, wanted.size)
        return float(-np.log2(np.abs(found - wanted).mean()))


@dataclass(frozen=True)
class Operation:
    """One line of the comparison.

    Attributes:
        name: of the row, and what a peer is asked for.
        n: its size; the ring degree where it has none of its own.
        run: ours.
        wanted: what should come out, in as many slots.
        told: a request that makes a peer ready for it, and its arguments.
    """

    name: str
    n: int
    run: Callable[[], Ciphertext]
    wanted: np.ndarray
    told: tuple[str, Mapping[str, Any]] | None = None
    facts: Row = field(default_factory=dict)


def scheme(log_n: int, steps: frozenset[int], *, threads: int = 1) -> Scheme:
    context = Context(check(LITERALS[log_n]), threads=threads)
    generator = KeyGenerator(context)
    secret = generator.secret_key()
    top = context.parameters.max_level
    product = generator.relinearisation_key(secret, top).expand(context)
    elements = (context.galois_element(step) for step in sorted(steps | {1}))
    galois = {g: generator.galois_key(secret, g, top).expand(context) for g in elements}
    encryptor = Encryptor(context)
    values = np.random.default_rng(log_n).uniform(-1, 1, context.slots)
    x = encryptor.encrypt(secret, values, top).expand(context)
    return Scheme(log_n, context, secret, encryptor, Evaluator(context, EvaluationKeys(product, galois)), values, x)


def primitives(made: Scheme) -> list[Operation]:
    ev, x, n = made.evaluator, made.x, 1 << made.log_n
    hoisted, turned = ev.hoist(x), np.roll(made.values, -1)
    return [
        Operation("rotate", n, lambda: ev.rotate(x, 1), turned),
        Operation("mul_relin_rescale", n, lambda: ev.relinearize_rescale(ev.square(x)), made.values**2),
        Operation("rotate_hoisted", n, lambda: ev.rotate_hoisted(hoisted, 1), turned),
    ]


def polynomial(made: Scheme, degree: int) -> Operation:
    coefficients = (np.random.default_rng(degree).uniform(-1, 1, degree + 1) / degree).tolist()
    wanted = cheb.chebval(made.values, coefficients)
    told = ("coefficients", {"coefficients": coefficients, "values": made.values.tolist()})
    return Operation("chebyshev", degree, lambda: chebyshev(made.evaluator, made.x, coefficients), wanted, told)


def matrix(size: int) -> np.ndarray:
    return np.random.default_rng(size).uniform(-1, 1, (size, size)) / size


def diagonals_of(size: int) -> dict[int, np.ndarray]:
    offsets, entries = np.arange(size), matrix(size)
    return {int(k): entries[offsets, (offsets + k) % size] for k in offsets}


def lowering(size: int) -> Native:
    circuit = Circuit(size)
    circuit.linear_transform([circuit.input("x")], [[Diagonals(size, diagonals_of(size))]])
    body = circuit.instructions[-1].body
    assert isinstance(body, LinearTransform)
    return native(body, size)


def matvec(made: Scheme, size: int) -> Operation:
    parameters, diagonals = made.context.parameters, diagonals_of(size)
    level = parameters.max_level
    transform = Transform(
        made.evaluator.encoder,
        [[list(diagonals.items())]],
        lowering(size).split,
        slots=size,
        level=level,
        ratio=parameters.pending_scale(level) / parameters.scale(level),
        store=PlaintextStore(PLAINTEXT_BYTES),
    )
    values, x = made.vector(size)
    told = ("matrix", {"diagonals": [each.tolist() for each in diagonals.values()], "values": values.tolist()})
    return Operation(
        "matvec",
        size,
        lambda: made.evaluator.rescale(transform.apply(made.evaluator, [x])[0]),
        matrix(size) @ values,
        told,
        {"keys": len(transform.rotations)},
    )


def sizes_of(log_n: int, wanted: list[int]) -> list[int]:
    """Of the matrices, those whose diagonals fit at the top level."""
    literal = LITERALS[log_n]
    limbs = len(literal.log_q) + len(literal.log_p)
    fitting = [size for size in wanted if 8 * limbs * size << log_n <= PLAINTEXT_BYTES]
    for size in sorted(set(wanted) - set(fitting)):
        note(f"{size} diagonals at the top of degree 2^{log_n} need {8 * limbs * size << log_n >> 30} GiB: left out")
    return fitting


@contextmanager
def peer_of(name: str, log_n: int, values: np.ndarray, pythons: Mapping[str, str | None]) -> Iterator[Peer | None]:
    literal = LITERALS[log_n]
    setup = {
        "log_n": log_n,
        "log_q": list(literal.log_q),
        "log_scale": literal.log_scale,
        "values": values.tolist(),
    }
    if name == "seal":
        from benchmarks.peers.seal import Seal

        try:
            peer: Peer | None = Seal(**setup)
        except RuntimeError as refusal:
            note(f"{name} is left out: {refusal}")
            peer = None
        yield peer
        return
    if name == "lattigo":  # it takes any special primes; the same are the best it can have
        setup["log_p"] = list(literal.log_p)
    with piped(name, pythons[name], **setup) as started:
        yield started


def compared(operation: Operation, peer: Peer) -> Row | None:
    try:
        if operation.told is not None:
            do, arguments = operation.told
            peer.call(do, **arguments)
        row = beside(peer, operation.name, operation.run, operation.wanted)
        if operation.name == "matvec":
            peer.call("forget_matrix")
    except RuntimeError as refusal:
        note(f"{peer.facts['label']} is left out of {operation.name}: {refusal}")
        return None
    return row


def at_degree(log_n: int, pythons: Mapping[str, str | None], matrices: list[int], degrees: list[int]) -> Iterator[Row]:
    sizes = sizes_of(log_n, matrices)
    made = scheme(log_n, frozenset().union(*(lowering(size).steps for size in sizes)))
    levels = len(LITERALS[log_n].log_q) - 1
    operations = primitives(made)
    operations += [polynomial(made, degree) for degree in degrees if degree.bit_length() < levels]
    operations += [matvec(made, size) for size in sizes]
    common = {id(each): {**made.facts, "precision_bits": made.bits(each.run(), each.wanted)} for each in operations}
    alone = list(operations)
    for name in ("seal", "openfhe", "lattigo"):
        with peer_of(name, log_n, made.values, pythons) as peer:
            for each in operations if peer is not None else ():
                row = compared(each, peer) if peer is not None else None
                if row is not None:
                    alone = [other for other in alone if other is not each]
                    yield _row(each, log_n, row, common[id(each)])
    for each in alone:
        yield _row(each, log_n, {"seconds": by_turns(each.run)[0]}, common[id(each)])


def _row(operation: Operation, log_n: int, measured: Row, facts: Row) -> Row:
    row = {"name": operation.name, "n": operation.n, "ring_degree": 1 << log_n, **measured, **facts, **operation.facts}
    known = PUBLISHED_MS.get((operation.name, log_n))
    return row if known is None else {**row, "published": known}


def threaded(log_n: int) -> Iterator[Row]:
    """Two threads by turns with one, `scaling` being how many times as fast; the keys are the same."""
    one = scheme(log_n, lowering(_SCALED).steps if sizes_of(log_n, [_SCALED]) else frozenset())
    context = Context(one.context.parameters, threads=2)
    evaluator = Evaluator(context, one.evaluator.keys)
    two = replace(one, context=context, encryptor=Encryptor(context), evaluator=evaluator)
    for single, double in zip(_scaled(one), _scaled(two), strict=True):
        if not np.array_equal(single.run().parts, double.run().parts):
            raise RuntimeError(f"{single.name} differs on two threads")
        again = max(1, round(_TURN_SECONDS / by_turns(single.run, runs=3)[0]))
        alone, together = (seconds / again for seconds in by_turns(*(_times(each, again) for each in (single, double))))
        facts = {"threads": 2, "peer": "one thread", "peer_seconds": alone}
        row = {"name": single.name, "n": single.n, "ring_degree": 1 << log_n, "seconds": together, **facts, **one.facts}
        yield {**row, "ratio": alone / together, "scaling": alone / together}


_SCALED = 128
_TURN_SECONDS = 0.02
"""A turn is many calls of a short operation: threads are then as awake as in a program."""


def _scaled(made: Scheme) -> list[Operation]:
    found = primitives(made)
    if made.context.parameters.max_level > 5:
        found.append(polynomial(made, 31))
    return [*found, *(matvec(made, size) for size in sizes_of(made.log_n, [_SCALED]))]


def _times(operation: Operation, count: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(count):
            operation.run()

    return run


def rows(
    log_ns: list[int], pythons: Mapping[str, str | None], matrices: list[int], degrees: list[int]
) -> Iterator[Row]:
    yield machine("tenseal")
    for log_n in log_ns:
        yield from at_degree(log_n, pythons, matrices, degrees)
    for log_n in log_ns:
        yield from threaded(log_n)
    yield {"name": "peak", "n": 1 << max(log_ns), "seconds": 0.0, "peak_mb": peak_mb()}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--log-n", type=int, nargs="+", choices=sorted(LITERALS), default=[13, 14, 15, 16])
    arguments.add_argument("--matrices", type=int, nargs="*", default=[128, 1024], help="sizes of matvec")
    arguments.add_argument("--degrees", type=int, nargs="*", default=[31, 127], help="of chebyshev")
    arguments.add_argument("--openfhe-python", default=os.environ.get("OPENFHE_PYTHON"), help="has the wheel openfhe")
    arguments.add_argument("--lattigo-python", default=os.environ.get("LATTIGO_PYTHON"), help="has the wheel orion-fhe")
    chosen = arguments.parse_args()
    pythons = {"openfhe": chosen.openfhe_python, "lattigo": chosen.lattigo_python}
    made = rows(chosen.log_n, pythons, chosen.matrices, chosen.degrees)
    show(made, as_json=chosen.json, title="CKKS primitives")


if __name__ == "__main__":
    main()
