"""How often, and how closely, an encrypted network gives the answer of onnxruntime: `python -m benchmarks.accuracy`.

The two sides share nothing but bytes: the client packs, encrypts and decrypts with its keys, the server holds the
program. Each ciphertext carries as many images as fit; `seconds_per_image` is the server's time for one ciphertext over
the images in it, `latency` the time itself, which one image alone would take too.

Row `accuracy`: `n` images; `agree`: on how many the highest score is the same as onnxruntime's (for a single output: on
the same side of one half); `precision_bits`: -log2 of the mean absolute error of the scores; `worst_bits`: of the
largest.

`--zk` asks the same of proofs of inference: see `benchmarks.accuracy_zk`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.accuracy_zk import classes, zk_rows
from vortex_crypto import api
from vortex_crypto.container import dumps, loads
from vortex_crypto.nn.compile import FheProgram
from vortex_crypto.nn.interface import Interface
from vortex_crypto.serve.client import Client
from vortex_crypto.serve.server import Server

ROOT = Path(__file__).resolve().parent.parent
CIRCUITS = ROOT / "circuits"
MNIST = "mnist_t10k.npz"
Array = np.ndarray[Any, np.dtype[Any]]


def main() -> None:
    """Parse, compile, run, print."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument(
        "--circuit", default="mnist_cnn", choices=sorted(p.parent.name for p in CIRCUITS.glob("*/*.onnx"))
    )
    parser.add_argument("--zk", action="store_true", help="the circuits of proofs instead of ciphertexts")
    parser.add_argument("--images", type=int, help="how many; 200 by default, and 1,000 with --zk")
    parser.add_argument("--backend", default=api.DEFAULT_BACKEND)
    parser.add_argument("--precision-bits", type=float, help="10 by default, and 8 with --zk")
    parser.add_argument(
        "--data", type=Path, help=f"folder of {MNIST}: images uint8 [n, 28, 28], labels (or $VORTEX_DATA)"
    )
    options = parser.parse_args()
    options.images = options.images or (1000 if options.zk else 200)
    options.precision_bits = options.precision_bits or (8.0 if options.zk else 10.0)
    title = f"{options.circuit} {'in proofs' if options.zk else f'on {options.backend}'}"
    harness.show(rows(options, parser), as_json=options.json, title=title)


def rows(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Iterator[harness.Row]:
    """The machine, then the one row, or with --zk one for each visibility of the weights."""
    yield harness.machine("tenseal", "onnxruntime", "onnx")
    images, labels = test_set(options, parser)
    folder = CIRCUITS / options.circuit
    if options.zk:
        reference = by_onnxruntime(folder / "model.onnx", images)
        yield from zk_rows(folder, images, labels, reference, options.precision_bits)
        return
    start = time.perf_counter()
    program = api.compile(
        folder / "model.onnx",
        calibration=folder / "calibration.npz",
        precision_bits=options.precision_bits,
        backend=options.backend,
    )
    compiled = time.perf_counter() - start
    scores, facts = encrypted(program, images)
    reference = by_onnxruntime(folder / "model.onnx", images)
    error = np.abs(scores - reference)
    parameters = program.fhe.plan.parameters
    yield {
        "name": "accuracy",
        "n": len(images),
        "circuit": options.circuit,
        "backend": options.backend,
        "agree": int((classes(scores) == classes(reference)).sum()),
        "precision_bits": float(-np.log2(error.mean())),
        "worst_bits": float(-np.log2(error.max())),
        "predicted_bits": program.report.precision_bits,
        "right": int((classes(scores) == labels).sum()),
        "compile_seconds": compiled,
        "log_n": parameters.ring_degree.bit_length() - 1,
        "levels": parameters.max_level,
        "images_per_ciphertext": program.interface.lanes,
        "peak_mb": harness.peak_mb(),
        **facts,
    }


def test_set(options: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[Array, Array]:
    """Test inputs, as the network takes them, and their labels."""
    if not options.circuit.startswith("mnist"):
        return held_out(options.circuit, options.images)
    given = options.data or os.environ.get("VORTEX_DATA")
    folders = [Path(given)] if given else [ROOT / "data", ROOT.parent / "shared" / "data"]
    path = next((folder / MNIST for folder in folders if (folder / MNIST).exists()), None)
    if path is None:
        parser.error(f"{MNIST} is not in {', '.join(map(str, folders))}; name its folder with --data or VORTEX_DATA")
    stored = np.load(path)
    images = stored["images"][: options.images].astype(np.float32) / 255
    return images[:, None], stored["labels"][: options.images]


def held_out(circuit: str, count: int) -> tuple[Array, Array]:
    """The test rows of the scikit-learn data that the circuit was trained on, by the same split."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    loaders = {"digits_mlp": (datasets.load_digits, 16.0), "breast_cancer": (datasets.load_breast_cancer, 1.0)}
    load, divisor = loaders[circuit]
    x, y = load(return_X_y=True)
    _, test, _, labels = train_test_split(x / divisor, y, test_size=0.3, random_state=1, stratify=y)
    return test[:count].astype(np.float32), labels[:count]


def encrypted(program: api.Program, images: Array) -> tuple[Array, dict[str, float]]:
    """Scores of all images by way of the client's and the server's bytes, and what it took."""
    interface = Interface.from_artefact(loads(dumps(program.interface.to_artefact())))
    server = Server(FheProgram.from_artefact(loads(dumps(program.fhe.to_artefact()))))
    start = time.perf_counter()
    client = Client(interface, insecure=program.report.parameters.insecure)
    keygen = time.perf_counter() - start
    uploaded = dumps(client.evaluation_keys)
    name = server.register(loads(uploaded))
    scores, client_seconds, server_seconds = [], [], []
    for first in range(0, len(images), interface.lanes):
        chunk = images[first : first + interface.lanes]
        answer, at_client, at_server = one_ciphertext(client, server, name, chunk)
        scores.append(answer)
        client_seconds.append(at_client)
        server_seconds.append(at_server)
    latency = statistics.median(server_seconds)
    return np.concatenate(scores), {
        "seconds": latency,
        "latency": latency,
        "seconds_per_image": latency / min(interface.lanes, len(images)),
        "client_seconds": statistics.median(client_seconds),
        "keygen_seconds": keygen,
        "key_mb": len(uploaded) / 1e6,
    }


def one_ciphertext(client: Client, server: Server, name: str, images: Array) -> tuple[Array, float, float]:
    """Scores of the images of one ciphertext, and the seconds of client and server."""
    begin = time.perf_counter()
    question = dumps(client.encrypt({client.interface.inputs[0].name: images}))
    sent = time.perf_counter()
    answer = dumps(server.run(name, loads(question)))
    answered = time.perf_counter()
    (scores,) = client.decrypt(loads(answer), batch=len(images)).values()
    done = time.perf_counter()
    return scores.reshape(len(images), -1), done - answered + sent - begin, answered - sent


def by_onnxruntime(path: Path, images: Array) -> Array:
    """The scores onnxruntime gives, image by image."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    key = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {key: image[None]})[0] for image in images]).reshape(len(images), -1)


if __name__ == "__main__":
    main()
