"""CKKS primitives of the own scheme, single-threaded, beside SEAL in the same run and published figures of others.

`python -m benchmarks.fhe_primitives [--json] [--log-n 14 15 16] [--openfhe-python PATH]`. SEAL (through TenSEAL) has
one digit a prime and stops at degree 2^15. OpenFHE is no wheel for every Python: name an interpreter that has it;
it runs by turns in a process of its own (same degree and levels, uniform ternary secret, 128 bits), with columns
`openfhe_seconds` and `openfhe_ratio`. `published` holds milliseconds
measured with one thread on a 2.6 GHz Zen 4 core for the same degree and as many levels or nearly so, and
`published_ratio` theirs over ours: a hint across machines, no measurement.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev as cheb

from benchmarks.harness import Row, by_turns, compare, machine, note, parser, peak_mb, show
from benchmarks.peers import Peer, openfhe
from vortex_crypto.fhe.circuit import Circuit, LinearTransform
from vortex_crypto.fhe.ckks.ciphertext import Ciphertext
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.keys import KeyGenerator, SecretKey
from vortex_crypto.fhe.ckks.linear import Transform
from vortex_crypto.fhe.ckks.polynomial import chebyshev
from vortex_crypto.fhe.ckks.switching import EvaluationKeys
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.params import ParametersLiteral, check
from vortex_crypto.fhe.rotations import native

LITERALS = {
    13: ParametersLiteral(13, (46, 40, 40, 40), (47,), 40),
    14: ParametersLiteral(14, (49, *[40] * 7), (45, 45), 40),
    15: ParametersLiteral(15, (49, *[40] * 15), (45,) * 4, 40),
    16: ParametersLiteral(16, (49, *[40] * 31), (45,) * 7, 40),
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
SEAL_LOG_N = 15


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

    @property
    def facts(self) -> Row:
        parameters = self.context.parameters
        return {"levels": parameters.max_level, "log_qp": round(parameters.log_qp, 1)}

    def bits(self, got: Ciphertext, wanted: np.ndarray) -> float:
        found = self.encryptor.decrypt(self.secret, got, wanted.size)
        return float(-np.log2(np.abs(found - wanted).mean()))


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


def primitives(log_n: int, *, threads: int = 1, python: str | None = None) -> Iterator[Row]:
    made = scheme(log_n, frozenset(), threads=threads)
    ev, x, n = made.evaluator, made.x, 1 << log_n
    hoisted = ev.hoist(x)
    seal = _seal(log_n)
    ours: dict[str, tuple[Callable[[], Ciphertext], np.ndarray]] = {
        "rotate": (lambda: ev.rotate(x, 1), np.roll(made.values, -1)),
        "mul_relin_rescale": (lambda: ev.rescale(ev.relinearize(ev.square(x))), made.values**2),
        "rotate_hoisted": (lambda: ev.rotate_hoisted(hoisted, 1), np.roll(made.values, -1)),
    }
    with openfhe(python, **_setup(log_n)) if threads == 1 else nullcontext() as peer:
        for name, (function, wanted) in ours.items():
            row = compare(name, n, function, seal.get(name), **made.facts, threads=threads)
            beside = _beside(peer, name, function)
            bits = made.bits(function(), wanted)
            yield {**row, **beside, **_published(name, log_n, row["seconds"]), "precision_bits": bits}
    yield {"name": "hoist", "n": n, "seconds": by_turns(lambda: ev.hoist(x))[0], **made.facts, "threads": threads}


def _setup(log_n: int, size: int = 0) -> dict[str, int]:
    """What OpenFHE is told: the same degree, levels and primes' sizes."""
    literal = LITERALS[log_n]
    first, levels = literal.log_q[0], len(literal.log_q) - 1
    return {"log_n": log_n, "levels": levels, "first": first, "scale": literal.log_scale, "size": size}


def _beside(peer: Peer | None, do: str, ours: Callable[[], Any]) -> Row:
    """OpenFHE by turns with ours."""
    if peer is None:
        return {}
    try:
        mine, theirs = by_turns(ours, lambda: peer.call(do))
    except RuntimeError as refusal:  # it may need a level more than ours
        note(f"OpenFHE is left out of {do}: {refusal}")
        return {}
    return {
        "openfhe": peer.facts["label"],
        "openfhe_digits": peer.facts["digits"],
        "openfhe_seconds": theirs,
        "openfhe_ratio": theirs / mine,
    }


def matvec(log_n: int, size: int, python: str | None = None) -> Row:
    rng = np.random.default_rng(size)
    matrix = rng.uniform(-1, 1, (size, size)) / size
    offsets = np.arange(size)
    diagonals = {int(k): matrix[offsets, (offsets + k) % size] for k in offsets}
    circuit = Circuit(size)
    circuit.linear_transform([circuit.input("x")], [[Diagonals(size, diagonals)]])
    body = circuit.instructions[-1].body
    assert isinstance(body, LinearTransform)
    chosen = native(body, size)
    made = scheme(log_n, chosen.steps)
    parameters = made.context.parameters
    level = parameters.max_level
    transform = Transform(
        made.evaluator.encoder,
        [[list(diagonals.items())]],
        chosen.split,
        slots=size,
        level=level,
        ratio=parameters.pending_scale(level) / parameters.scale(level),
    )
    values = rng.uniform(-1, 1, size)
    x = made.encryptor.encrypt(made.secret, values, level).expand(made.context)

    def run() -> Ciphertext:
        return made.evaluator.rescale(transform.apply(made.evaluator, [x])[0])

    seconds = by_turns(run)[0]
    with openfhe(python, **_setup(log_n, size)) as peer:
        beside = _beside(peer, "matvec", run)
    return {
        "name": "matvec",
        "n": size,
        "ring_degree": 1 << log_n,
        "seconds": seconds,
        **made.facts,
        **beside,
        "keys": len(transform.rotations),
        "precision_bits": made.bits(run(), matrix @ values),
    }


def polynomial(log_n: int, degree: int, python: str | None = None) -> Row:
    made = scheme(log_n, frozenset())
    coefficients = np.random.default_rng(degree).uniform(-1, 1, degree + 1) / degree

    def run() -> Ciphertext:
        return chebyshev(made.evaluator, made.x, coefficients.tolist())

    seconds = by_turns(run)[0]
    with openfhe(python, **_setup(log_n)) as peer:
        if peer is not None:
            peer.call("coefficients", values=[2 * coefficients[0], *coefficients[1:]])  # it halves the first
        beside = _beside(peer, "chebyshev", run)
    wanted = cheb.chebval(made.values, coefficients)
    return {
        "name": "chebyshev",
        "n": degree,
        "ring_degree": 1 << log_n,
        "seconds": seconds,
        **made.facts,
        **beside,
        "precision_bits": made.bits(run(), wanted),
    }


def rows(log_ns: list[int], python: str | None) -> Iterator[Row]:
    yield machine("tenseal")
    for log_n in log_ns:
        yield from primitives(log_n, python=python)
    middle = min(max(log_ns), 15)
    for size in (128, 1024):
        yield matvec(middle, size, python)
    for degree in (31, 127):
        if LITERALS[middle].log_q[degree.bit_length() :]:
            yield polynomial(middle, degree, python)
    largest = max(log_ns)
    for row in primitives(largest, threads=2):
        yield {key: row[key] for key in ("name", "n", "seconds", "levels", "log_qp", "threads")}
    yield {"name": "peak", "n": 1 << largest, "seconds": 0.0, "peak_mb": peak_mb()}


def _published(name: str, log_n: int, seconds: float) -> Row:
    known = PUBLISHED_MS.get((name, log_n))
    if known is None:
        return {}
    return {"published": known, "published_ratio": min(known.values()) / 1000 / seconds}


def _seal(log_n: int) -> dict[str, tuple[str, Callable[[], Any]]]:
    """SEAL's rotation and product at the same degree and levels, with its one special prime."""
    if log_n > SEAL_LOG_N:
        note(f"SEAL has no 128-bit row for degree 2^{log_n}: left out")
        return {}
    import tenseal
    import tenseal.sealapi as s

    literal, degree = LITERALS[log_n], 1 << log_n
    parameters = s.EncryptionParameters(s.SCHEME_TYPE.CKKS)
    parameters.set_poly_modulus_degree(degree)
    parameters.set_coeff_modulus(s.CoeffModulus.Create(degree, [*literal.log_q, 50]))
    context = s.SEALContext(parameters, True, s.SEC_LEVEL_TYPE.TC128)
    maker = s.KeyGenerator(context)
    relin, galois = s.RelinKeys(), s.GaloisKeys()
    maker.create_relin_keys(relin)
    maker.create_galois_keys([3], galois)
    encryptor, evaluator, encoder = (
        s.Encryptor(context, maker.secret_key()),
        s.Evaluator(context),
        s.CKKSEncoder(context),
    )
    plain, x, out = s.Plaintext(), s.Ciphertext(), s.Ciphertext()
    encoder.encode(np.random.default_rng(1).uniform(-1, 1, degree // 2).tolist(), 2.0**literal.log_scale, plain)
    encryptor.encrypt_symmetric(plain, x)

    def product() -> None:
        evaluator.square(x, out)
        evaluator.relinearize_inplace(out, relin)
        evaluator.rescale_to_next_inplace(out)

    label = f"SEAL (TenSEAL {tenseal.__version__})"
    return {
        "rotate": (label, lambda: evaluator.rotate_vector(x, 1, galois, out)),
        "mul_relin_rescale": (label, product),
    }


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--log-n", type=int, nargs="+", choices=sorted(LITERALS), default=[13, 14, 15, 16])
    arguments.add_argument("--openfhe-python", default=os.environ.get("OPENFHE_PYTHON"), help="has the wheel openfhe")
    chosen = arguments.parse_args()
    show(rows(chosen.log_n, chosen.openfhe_python), as_json=chosen.json, title="CKKS primitives")


if __name__ == "__main__":
    main()
