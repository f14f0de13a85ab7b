"""Bootstrapping at N = 2^16, 128-bit secure, single-threaded, beside OpenFHE and Lattigo in the same run.

`python -m benchmarks.fhe_bootstrap [--json] [--slots 15 12] [--threads 1 2] [--openfhe-python PATH]
[--lattigo-python PATH]`. Each row: seconds of one bootstrap (median; of the processor, with one thread), levels and
precision after it, log2 of the probability of failure, peak memory, seconds to make the keys; with more than one thread
`scaling` too, how many times as fast they are as one that takes turns with them. A row more for each peer
(see `fhe_primitives` for what the interpreters need) holds the same of it, `ratio` its seconds over ours with one
thread: one after the other, as two do not fit the memory together. Lattigo runs the set of its own that has our levels
and precision; OpenFHE, whose primes have the size of its scale, as many levels of 59 bits as its own 128-bit check
allows with an encapsulated secret.
`published` holds seconds of the peers with one thread on a 2.6 GHz Zen 4 core: a hint across machines.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from benchmarks.harness import Row, machine, note, parser, peak_mb, show
from benchmarks.peers import piped
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapper, EncapsulationKeys
from vortex_crypto.fhe.ckks.context import Context
from vortex_crypto.fhe.ckks.encryption import Encryptor
from vortex_crypto.fhe.ckks.evaluator import Evaluator
from vortex_crypto.fhe.ckks.keys import KeyGenerator
from vortex_crypto.fhe.ckks.sets import N16
from vortex_crypto.fhe.ckks.switching import EvaluationKeys
from vortex_crypto.fhe.params import check

PUBLISHED_SECONDS = {
    15: {"Lattigo 6.2 (log QP 1764, below 128 bits)": 19.1, "OpenFHE 1.6.1": 21.4},
    12: {"Lattigo 6.2 (log QP 1764, below 128 bits)": 12.6, "OpenFHE 1.6.1": 12.6},
}


def bootstrap(log_slots: int, threads: int, runs: int) -> Row:
    parameters = check(N16.literal)
    context = Context(parameters, threads=threads)
    bootstrapper = Bootstrapper(context, N16.at(1 << log_slots))
    generator = KeyGenerator(context)
    secret = generator.secret_key()
    clock = time.process_time if threads == 1 else time.perf_counter
    start, spent = clock(), 0.0
    product = generator.relinearisation_key(secret, bootstrapper.relinearisation_level)
    spent += clock() - start
    keys = {}
    for element, level in bootstrapper.galois_levels.items():
        start = clock()
        made = generator.galois_key(secret, element, level)
        spent += clock() - start
        keys[element] = made.expand(context)
    start = clock()
    to_sparse, to_dense = generator.encapsulation_keys(secret)
    spent += clock() - start
    evaluator = Evaluator(context, EvaluationKeys(product.expand(context), keys))
    encapsulation = EncapsulationKeys(to_sparse.expand(context, special=context.special[:1]), to_dense.expand(context))
    rng, slots = np.random.default_rng(log_slots), 1 << log_slots
    values = rng.uniform(-1, 1, slots) + 1j * rng.uniform(-1, 1, slots)
    encryptor = Encryptor(context)
    x = encryptor.encrypt(secret, values, 1).expand(context)
    y = bootstrapper.run(evaluator, encapsulation, x)
    ways, peak = [(bootstrapper, evaluator)], peak_mb()
    if threads > 1:  # one thread by turns with them, on the same keys and matrices
        alone = Context(parameters)
        ways.append((bootstrapper.on(alone), Evaluator(alone, evaluator.keys)))
    each: list[list[float]] = [[] for _ in ways]
    for _ in range(runs):
        for (made_ready, by), times in zip(ways, each, strict=True):
            start = clock()
            made_ready.run(by, encapsulation, x)
            times.append(clock() - start)
    seconds = [statistics.median(times) for times in each]
    errors = np.abs(encryptor.decrypt(secret, y, slots) - values)
    known = PUBLISHED_SECONDS.get(log_slots, {})
    return {
        "name": "bootstrap",
        "n": parameters.ring_degree,
        "slots": slots,
        "threads": threads,
        "seconds": seconds[0],
        **({"one_thread_seconds": seconds[1], "scaling": seconds[1] / seconds[0]} if threads > 1 else {}),
        "levels": y.level,
        "log_qp": round(parameters.log_qp, 1),
        "precision_bits": float(-np.log2(errors.mean())),
        "worst_bits": float(-np.log2(errors.max())),
        "peak_mb": peak,
        "log2_failure": round(bootstrapper.settings.log2_failure(), 1),
        "keygen_seconds": spent,
        "keys": len(keys) + 3,
        "security": parameters.security,
        "published": known,
        **({"published_ratio": min(known.values()) / seconds[0]} if known and threads == 1 else {}),
    }


def peer_bootstrap(name: str, python: str | None, log_slots: int, runs: int) -> Row | None:
    """What a peer's bootstrap of random real values takes and gives."""
    values = np.random.default_rng(log_slots).uniform(-1, 1, 1 << log_slots)
    log_n = N16.literal.log_n
    with piped(name, python, kind="bootstrap", log_n=log_n, log_slots=log_slots, values=values.tolist()) as peer:
        if peer is None:
            return None
        try:
            peer.call("bootstrap")
            seconds = statistics.median(peer.call("bootstrap")["seconds"] for _ in range(runs))
            result = peer.call("result", count=values.size)
        except RuntimeError as refusal:
            note(f"{name} is left out: {refusal}")
            return None
        errors = np.abs(np.array(result["values"]) - values)
        return {
            "peer": peer.facts["label"],
            "peer_seconds": seconds,
            "peer_levels": result["levels"],
            "peer_log_qp": peer.facts["log_qp"],
            "peer_bits": float(-np.log2(errors.mean())),
            "peer_worst_bits": float(-np.log2(errors.max())),
            "peer_peak_mb": result["peak_mb"],
            "peer_keygen_seconds": peer.facts["keygen_seconds"],
            "peer_security": peer.facts["security"],
        }


def rows(log_slots: list[int], threads: list[int], runs: int, pythons: Mapping[str, str | None]) -> Iterator[Row]:
    yield machine()
    for slots in log_slots:
        single: Row | None = None
        for count in threads:
            # A process for each row, so that each has a peak of its own.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                row = alone.submit(bootstrap, slots, count, runs).result()
            single = row if count == 1 else single
            yield row
        for name, python in pythons.items():
            peer = None if single is None else peer_bootstrap(name, python, slots, min(runs, 3))
            if peer is not None and single is not None:
                same = {key: single[key] for key in ("name", "n", "slots", "threads", "seconds")}
                yield {**same, **peer, "ratio": peer["peer_seconds"] / single["seconds"]}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--slots", type=int, nargs="+", default=[12, 15], help="log2 of the number of slots")
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--openfhe-python", default=os.environ.get("OPENFHE_PYTHON"), help="has the wheel openfhe")
    arguments.add_argument("--lattigo-python", default=os.environ.get("LATTIGO_PYTHON"), help="has the wheel orion-fhe")
    chosen = arguments.parse_args()
    pythons = {"openfhe": chosen.openfhe_python, "lattigo": chosen.lattigo_python}
    made = rows(chosen.slots, chosen.threads, chosen.runs, pythons)
    show(made, as_json=chosen.json, title="CKKS bootstrapping")


if __name__ == "__main__":
    main()
