"""Deep networks on ciphertexts, bootstraps included: what they take, and what was predicted.

`python -m benchmarks.deep [--json] [--programs NAME ...]`. One row a program, each in a process of its own:
`perceptron10` (ten layers of 64 ReLUs, made here), the circuits `mnist_mlp` and `mnist_cnn`, and `resnet20` where
VORTEX_MODELS names a folder with resnet20_cifar10_pre.onnx and VORTEX_DATA one with cifar10_test_1000.npz. `seconds` is
the processor's time of one run on one thread, `predicted_seconds` the report's; `precision_bits` is -log2 of the mean
absolute error against onnxruntime on samples that were not calibrated on, `predicted_bits` the report's;
`noise_bits` and `predicted_noise_bits` are of encryption's part alone, root mean square; `bootstrap_seconds` and
`matrix_seconds` are their parts of the run. ResNet-20 needs some 13 GB.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, machine, note, parser, peak_mb, show

CIRCUITS = Path(__file__).resolve().parent.parent / "circuits"
RESNET, CIFAR = "resnet20_cifar10_pre.onnx", "cifar10_test_1000.npz"
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
"""Of the colours that ResNet-20 was trained on."""
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Case:
    """A model's bytes, samples to calibrate on and others to run, and how it is compiled."""

    model: bytes
    calibration: dict[str, Array]
    fresh: dict[str, Array]
    precision_bits: float
    batch: int | None = None


def perceptron(layers: int = 10, width: int = 64, inputs: int = 32, outputs: int = 10) -> Case:
    """A perceptron of random weights, some sixty levels deep."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, constants, current, wide = [], [], "x", inputs
    for k in range(layers + 1):
        narrow = outputs if k == layers else width
        weights = (rng.normal(size=(wide, narrow)) * np.sqrt(1.5 / wide)).astype(np.float32)
        constants += [
            numpy_helper.from_array(weights, f"w{k}"),
            numpy_helper.from_array((0.1 * rng.normal(size=narrow)).astype(np.float32), f"b{k}"),
        ]
        nodes.append(helper.make_node("Gemm", [current, f"w{k}", f"b{k}"], ["y" if k == layers else f"h{k}"], f"fc{k}"))
        if k < layers:
            nodes.append(helper.make_node("Relu", [f"h{k}"], [f"a{k}"], f"relu{k}"))
        current, wide = f"a{k}", narrow
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", outputs])],
        constants,
    )
    made = onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data = rng.normal(size=(408, inputs)).clip(-3, 3).astype(np.float32)
    return Case(made.SerializeToString(), {"x": data[:400]}, {"x": data[400:]}, 6.0, batch=8)


def circuit(name: str) -> Case:
    """One of the circuits that come with the package."""
    folder = CIRCUITS / name
    with np.load(folder / "calibration.npz") as seen, np.load(folder / "samples.npz") as samples:
        calibration = dict(seen)
        fresh = {key: samples[key][:8] for key in calibration}
    return Case((folder / "model.onnx").read_bytes(), calibration, fresh, 10.0)


def resnet20() -> Case | None:
    """ResNet-20 on CIFAR-10, if it and the images are there."""
    folders = [os.environ.get(name) for name in ("VORTEX_MODELS", "VORTEX_DATA")]
    paths = [Path(folder or "") / name for folder, name in zip(folders, (RESNET, CIFAR), strict=True)]
    if not all(folders) or not all(path.is_file() for path in paths):
        note(f"resnet20 is left out: VORTEX_MODELS should name the folder of {RESNET}, VORTEX_DATA that of {CIFAR}")
        return None
    with np.load(paths[1]) as stored:
        images = stored["images"][:201].transpose(0, 3, 1, 2) / 255
    mean, deviation = (np.array(each)[:, None, None] for each in (MEAN, DEVIATION))
    scaled = ((images - mean) / deviation).astype(np.float32)
    return Case(paths[0].read_bytes(), {"input": scaled[:200]}, {"input": scaled[200:]}, 3.0, batch=1)


CASES: dict[str, Callable[[], Case | None]] = {
    "perceptron10": perceptron,
    "mnist_mlp": lambda: circuit("mnist_mlp"),
    "mnist_cnn": lambda: circuit("mnist_cnn"),
    "resnet20": resnet20,
}


def measured(name: str) -> Row | None:
    """Compile, encrypt, run, decrypt, compare."""
    import onnxruntime

    from vortex_crypto.fhe.backends.vortex import BACKEND
    from vortex_crypto.fhe.circuit import Op
    from vortex_crypto.fhe.interpret import clear
    from vortex_crypto.nn.compile import compile_fhe
    from vortex_crypto.nn.onnx_import import import_onnx
    from vortex_crypto.serve.client import Client

    case = CASES[name]()
    if case is None:
        return None
    start = time.process_time()
    graph = import_onnx(case.model)
    program = compile_fhe(
        graph, calibration=case.calibration, precision_bits=case.precision_bits, backend="vortex", batch=case.batch
    )
    compiled = time.process_time() - start
    client, fresh = Client(program.interface), case.fresh
    session = BACKEND.server(program.plan, threads=1).load(client.evaluation_keys)
    question, sent = client.encrypt(fresh), program.interface.pack(fresh)
    marks: list[float] = []
    answer = session.run(question, lambda *_: marks.append(time.process_time()))
    marks.append(time.process_time())
    spent = np.diff(marks)
    ops = [i.op for i in program.plan.circuit.instructions]
    count = len(next(iter(fresh.values())))
    needs = program.plan.needs
    exact = clear.run(program.plan.circuit, dict(zip([name for name, _ in needs.inputs], sent, strict=True)))
    (polynomials,) = program.interface.unpack([exact[name].real for name, _ in needs.outputs], batch=count).values()
    (found,) = client.decrypt(answer, batch=count).values()
    noise = found.astype(np.float64) - polynomials
    reference = onnxruntime.InferenceSession(case.model, providers=["CPUExecutionProvider"])
    rows = [reference.run(None, {key: array[k : k + 1] for key, array in fresh.items()})[0] for k in range(count)]
    error = np.abs(found.reshape(count, -1) - np.concatenate(rows).reshape(count, -1))
    report = program.report
    return {
        "name": name,
        "n": report.parameters.ring_degree,
        "levels": report.parameters.levels,
        "depth": report.depth,
        "bootstraps": program.plan.bootstraps,
        "seconds": marks[-1] - marks[0],
        "predicted_seconds": report.seconds,
        "bootstrap_seconds": float(spent[[op is Op.BOOTSTRAP for op in ops]].sum()),
        "matrix_seconds": float(spent[[op is Op.LINEAR_TRANSFORM for op in ops]].sum()),
        "samples": count,
        "precision_bits": float(-np.log2(error.mean())),
        "predicted_bits": report.precision_bits,
        "noise_bits": float(-np.log2(np.sqrt(np.mean(noise**2)))),
        "predicted_noise_bits": float(-np.log2(report.noise_error)),
        "log2_failure": None if report.bootstrapping is None else round(report.bootstrapping.log2_failure, 1),
        "compile_seconds": compiled,
        "peak_mb": peak_mb(),
        "warnings": len(report.warnings),
    }


def rows(names: list[str]) -> Iterator[Row]:
    """The machine, then each program."""
    yield machine("onnxruntime", "onnx")
    for name in names:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            row = alone.submit(measured, name).result()
        if row is not None:
            yield row


def main() -> None:
    """Parse, run, print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--programs", nargs="+", default=list(CASES), choices=list(CASES))
    chosen = arguments.parse_args()
    show(rows(chosen.programs), as_json=chosen.json, title="Deep networks on ciphertexts")


if __name__ == "__main__":
    main()
