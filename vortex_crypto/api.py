"""The public verbs: compile, load, plan, inspect; and the program they give.

Everything heavy is imported when it is first needed, so `import vortex_crypto` stays quick.
"""

from __future__ import annotations

import os
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vortex_crypto import container
from vortex_crypto.arith.engine import register
from vortex_crypto.errors import InvalidInput, VortexError

if TYPE_CHECKING:
    from vortex_crypto.nn.compile import FheProgram
    from vortex_crypto.nn.compile_zk import ZkProgram
    from vortex_crypto.nn.interface import Interface
    from vortex_crypto.nn.ir import Graph
    from vortex_crypto.nn.report import Report
    from vortex_crypto.serve.client import Client
    from vortex_crypto.serve.server import Server

Array = np.ndarray[Any, np.dtype[Any]]
Source = str | os.PathLike[str]
Stage = Callable[[str, float], None]
Visibility = Literal["public", "private"]
InputVisibility = Literal["public", "private", "hashed"]


def _cuda_rings() -> Any:
    from vortex_crypto.gpu import ring_engine

    return ring_engine()


def _cuda_fields() -> Any:
    from vortex_crypto.gpu import field_engine

    return field_engine()


register("ring", "cuda", _cuda_rings)
register("field", "cuda", _cuda_fields)

DEFAULT_BACKEND = "vortex"
MAX_INPUT_BYTES = 1 << 30
_READ_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on files that are damaged, encrypted, or lie about their sizes."""


@dataclass(frozen=True)
class Program:
    """A network compiled for encrypted data."""

    fhe: FheProgram

    @property
    def hash(self) -> str:
        """Content hash (hex) that keys and ciphertexts of this program carry."""
        return self.fhe.hash

    @property
    def interface(self) -> Interface:
        """The client's view: names, shapes, layouts, parameters; no weights."""
        return self.fhe.interface

    @property
    def report(self) -> Report:
        """What the compiler chose, and what it will cost."""
        return self.fhe.report

    def client(self, *, insecure: bool = False, engine: str | None = None) -> Client:
        """A client with fresh keys; `engine` as `server`'s."""
        from vortex_crypto.serve.client import Client

        return Client(self.interface, insecure=insecure, engine=engine)

    def server(self, *, engine: str | None = None) -> Server:
        """A server that holds the weights and no way to decrypt.

        Args:
            engine: what computes: "native", "cuda" (the first device) or "reference"; else what `using` or the
                environment (`VORTEX_ENGINE`) names, or else the compiled core.

        Raises:
            InvalidInput: an engine was named, and the program's back end has a library of its own.
            MissingDependency: the engine cannot run here; raised when keys are loaded.
        """
        from vortex_crypto.serve.server import Server

        return Server(self.fhe, engine=engine)

    def save(self, path: Source) -> dict[str, int]:
        """Write the program to `path` and its client side to `path` with the suffix .client; sizes in bytes by file."""
        target = Path(path)
        client = target.with_suffix(".client")
        return {
            str(target): container.write(target, self.fhe.to_artefact()),
            str(client): container.write(client, self.interface.to_artefact()),
        }


def compile(  # the product's own verb, which only this module's globals shadow
    model: Source,
    *,
    calibration: Source | Mapping[str, Array] | None = None,
    input_ranges: Mapping[str, tuple[float, float]] | None = None,
    precision_bits: float = 12.0,
    backend: str | None = None,
    batch: int | None = None,
    drop_tail: bool = False,
    insecure: bool = False,
    progress: Stage | None = None,
    explain: Callable[[str, Graph], None] | None = None,
) -> Program:
    """Compile an ONNX file for encrypted inference.

    Args:
        model: path of the .onnx file; a free batch dimension is bound to one sample.
        calibration: typical inputs by input name, a mapping or an .npz file; they set the ranges of activations.
        input_ranges: (low, high) of each input; needed without calibration.
        precision_bits: -log2 of the mean absolute error of the outputs that is aimed at.
        backend: "vortex", "tenseal", "openfhe" (where installed) or "clear" (a simulation without any protection).
        batch: samples a ciphertext must have room for.
        drop_tail: leave a final Softmax or ArgMax to the client.
        insecure: accept parameters below 128 bits and mark everything made with them.
        progress: called with the name of each stage and the fraction of the whole that is done.
        explain: called with the name of each pass and the graph it made.

    Raises:
        InvalidModel, UnsupportedOp, ShapeMismatch: the model; the text names the node.
        InvalidInput: calibration or ranges do not fit the model.
        ParameterRefused: no secure parameters are large enough.
    """
    from vortex_crypto.nn.compile import compile_fhe
    from vortex_crypto.nn.onnx_import import import_onnx

    graph = import_onnx(model)
    return Program(
        compile_fhe(
            graph,
            calibration=_calibration(calibration, tuple(graph.inputs)),
            input_ranges=input_ranges,
            precision_bits=precision_bits,
            backend=backend or DEFAULT_BACKEND,
            batch=batch,
            drop_tail=drop_tail,
            insecure=insecure,
            progress=progress,
            explain=explain,
        )
    )


def compile_zk(
    model: Source,
    *,
    calibration: Source | Mapping[str, Array] | None = None,
    input_ranges: Mapping[str, tuple[float, float]] | None = None,
    precision_bits: float = 8.0,
    weights: Visibility = "public",
    inputs: InputVisibility = "public",
    drop_tail: bool = False,
    progress: Stage | None = None,
) -> ZkProgram:
    """Compile an ONNX file for proofs of inference, in fixed-point arithmetic.

    Args:
        model: path of the .onnx file; a free batch dimension is bound to one sample.
        calibration: typical inputs by input name, a mapping or an .npz file.
        input_ranges: (low, high) of each input; needed without calibration.
        precision_bits: -log2 of each layer's rounding errors against its largest value.
        weights: "public" constants of the circuit, or "private" under a commitment that every proof repeats.
        inputs: "public", so that the verifier knows what the outputs belong to; "hashed", the same by one digest that
            verifiers recompute, so that contracts take one number for any input; or "private".
        drop_tail: leave a final Softmax or ArgMax to whoever reads the outputs.
        progress: called with the name of each stage and the fraction of the whole that is done.

    Raises:
        InvalidModel, UnsupportedOp, ShapeMismatch: the model; the text names the node.
        InvalidInput: calibration or ranges do not fit the model.
    """
    from vortex_crypto.nn.compile_zk import compile_zk as compile_graph
    from vortex_crypto.nn.onnx_import import import_onnx

    graph = import_onnx(model)
    return compile_graph(
        graph,
        calibration=_calibration(calibration, tuple(graph.inputs)),
        input_ranges=input_ranges,
        precision_bits=precision_bits,
        weights=weights,
        inputs=inputs,
        drop_tail=drop_tail,
        progress=progress,
    )


def load(path: Source) -> Program:
    """Read a program that `Program.save` wrote.

    Raises:
        MalformedArtefact: the file is no program, or is truncated or altered.
    """
    from vortex_crypto.nn.compile import FheProgram

    return Program(FheProgram.from_artefact(container.read(path)))


def plan(
    model: Source,
    *,
    backends: tuple[str, ...] = ("vortex", "tenseal"),
    precision_bits: float | None = None,
    progress: Stage | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """What encrypted inference on each back end, and proofs with public and with private weights, would cost.

    `options` are those that `compile` and `compile_zk` share; each keeps its own default precision. A target that
    refuses the model has the reason instead of figures.
    """
    if precision_bits is not None:
        options["precision_bits"] = precision_bits

    visibilities: tuple[Visibility, ...] = ("public", "private")
    targets = len(backends) + len(visibilities)

    def telling(number: int) -> Stage | None:
        return progress and (lambda stage, done: progress(stage, (number + done) / targets))

    def encrypted(number: int, name: str) -> dict[str, Any]:
        return _costs(compile(model, backend=name, progress=telling(number), **options).report)

    def proved(number: int, weights: Visibility) -> dict[str, Any]:
        return _zk_costs(compile_zk(model, weights=weights, progress=telling(number), **options))

    rows = [_attempt("fhe", name, partial(encrypted, number, name)) for number, name in enumerate(backends)]
    return rows + [
        _attempt("zk", f"{weights} weights", partial(proved, number, weights))
        for number, weights in enumerate(visibilities, len(backends))
    ]


def _attempt(target: str, variant: str, costs: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"target": target, "backend": variant, **costs()}
    except VortexError as error:
        return {"target": target, "backend": variant, "refused": f"{type(error).__name__}: {error}"}


def _zk_costs(program: ZkProgram) -> dict[str, Any]:
    report = program.report()
    return {key: report[key] for key in ("constraints", "wires", "public", "committed", "log_domain", "by_layer")}


def inspect(path: Source) -> dict[str, Any]:
    """What a file is: facts by name, for any artefact or an ONNX model.

    Raises:
        MalformedArtefact, InvalidModel: it is neither, or damaged.
    """
    file = Path(path)
    if file.suffix == ".onnx":
        return _model_facts(file)
    artefact = container.read(file)
    facts: dict[str, Any] = {
        "kind": artefact.kind,
        "program": artefact.program,
        "insecure": artefact.insecure,
        "bytes": file.stat().st_size,
        "sections": {name: f"{array.dtype}{list(array.shape)}" for name, array in list(artefact.arrays.items())[:20]},
    }
    if artefact.kind in ("fhe-program", "fhe-client"):
        facts |= _interface_facts(file)
    return facts


def draw(model: Source, output: Source) -> None:
    """Draw an ONNX model's graph as a standalone page (.html) or, where Graphviz is installed, a picture (.svg).

    Raises:
        InvalidInput: the output has another suffix.
        MissingDependency: Graphviz is needed and not installed.
    """
    from vortex_crypto.nn.onnx_import import import_onnx
    from vortex_crypto.nn.picture import to_html, to_svg

    drawings = {".html": to_html, ".svg": to_svg}
    suffix = Path(output).suffix
    if suffix not in drawings:
        raise InvalidInput(f"{output}: a picture is a .html or .svg file")
    text = drawings[suffix](import_onnx(model))
    with container.replacing(output) as temporary:
        temporary.write_text(text)


def read_arrays(path: Source, names: tuple[str, ...]) -> dict[str, Array]:
    """Arrays by input name from an .npz file, or from a .npy file where there is one input.

    Raises:
        InvalidInput: the file is missing, too large, holds objects, or lacks an input; the text names it.
    """
    try:
        if _unpacked_size(path) > MAX_INPUT_BYTES:
            raise InvalidInput(f"{path}: larger than {MAX_INPUT_BYTES} bytes")
        loaded = _load(path)
        if isinstance(loaded, np.ndarray):
            arrays = {names[0]: loaded} if len(names) == 1 else {}
        else:
            with loaded:
                arrays = {name: loaded[name] for name in names if name in loaded.files}
    except _READ_ERRORS as error:
        raise InvalidInput(f"{path}: cannot be read as .npy or .npz ({error})") from error
    if missing := [name for name in names if name not in arrays]:
        raise InvalidInput(f"{path}: the inputs {missing} are missing; use an .npz file with one array for each input")
    return arrays


def _load(path: Source) -> Any:
    """What `np.load` gives; other files are refused here, as NumPy would advise to unpickle them."""
    with open(path, "rb") as file:
        start = file.read(6)
    if not (start.startswith(b"PK") or start == b"\x93NUMPY"):
        raise ValueError("it is of another format")
    return np.load(path, allow_pickle=False)


def _unpacked_size(path: Source) -> int:
    if not zipfile.is_zipfile(path):
        return os.path.getsize(path)
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _calibration(source: Source | Mapping[str, Array] | None, names: tuple[str, ...]) -> Mapping[str, Array] | None:
    if source is None or isinstance(source, Mapping):
        return source
    return read_arrays(source, names)


def _costs(report: Report) -> dict[str, Any]:
    p = report.parameters
    return {
        "ring_degree": p.ring_degree,
        "levels": p.levels,
        "log_qp": p.log_qp,
        "security": p.security,
        "samples_per_ciphertext": report.batch,
        "operations": report.operations,
        "rotation_keys": report.rotation_keys,
        "key_bytes": report.key_bytes,
        "memory_bytes": report.memory_bytes,
        "seconds": report.seconds,
        "precision_bits": report.precision_bits,
    }


def _interface_facts(path: Path) -> dict[str, Any]:
    from vortex_crypto.serve.client import read_interface

    interface = read_interface(path)
    p = interface.parameters
    return {
        "backend": interface.backend,
        "ring_degree": p.ring_degree,
        "levels": p.max_level,
        "log_qp": p.log_qp,
        "security": interface.security,
        "samples_per_ciphertext": interface.lanes,
        "rotation_keys": len(interface.needs.keys.rotations),
        "inputs": {port.name: f"{port.dtype}{list(port.shape)}" for port in interface.inputs},
        "outputs": {port.name: f"{port.dtype}{list(port.shape)}" for port in interface.outputs},
    }


def _model_facts(path: Path) -> dict[str, Any]:
    from collections import Counter

    from vortex_crypto.nn.onnx_import import import_onnx

    graph = import_onnx(path)
    return {
        "kind": "onnx-model",
        "graph": graph.hash(),
        "bytes": path.stat().st_size,
        "parameters": sum(array.size for array in graph.constants.values()),
        "operators": dict(Counter(node.op.name for node in graph.nodes())),
        "inputs": {name: f"{graph.values[name].dtype}{list(graph.values[name].shape)}" for name in graph.inputs},
        "outputs": {name: f"{graph.values[name].dtype}{list(graph.values[name].shape)}" for name in graph.outputs},
    }
