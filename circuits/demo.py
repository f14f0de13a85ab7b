"""The main job in one go: compile `mnist_cnn`, make keys, and ask a server about a digit that it never sees.

`python -m circuits.demo [--image 0..15] [--circuit mnist_cnn] [--folder demo]`. The server is a process of its own,
started with `vortex-crypto serve`; this one is the client.
"""

from __future__ import annotations

import argparse
import math
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
from rich.console import Console
from rich.table import Table

import vortex_crypto
from vortex_crypto import container
from vortex_crypto.errors import VortexError
from vortex_crypto.serve import client as files
from vortex_crypto.serve.query import RemoteServer

HERE = Path(__file__).parent
FOLDER = Path("demo")
console = Console()


def main() -> None:
    """Run the demonstration; exits with 1 when the encrypted answer differs from the plain one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--circuit", default="mnist_cnn", choices=["mnist_cnn", "mnist_mlp"])
    parser.add_argument("--image", type=int, default=0, choices=range(16), metavar="0..15")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="a new folder for the files")
    parser.add_argument("--backend", default=None)
    options = parser.parse_args()
    source = HERE / options.circuit
    if options.folder == FOLDER:
        shutil.rmtree(FOLDER, ignore_errors=True)
    elif options.folder.exists():
        parser.error(f"{options.folder} exists; name a folder that does not")
    samples = np.load(source / "samples.npz")
    image = samples["image"][options.image : options.image + 1]
    console.print(picture(image[0, 0]))
    with step("compile"):
        program = vortex_crypto.compile(
            source / "model.onnx", calibration=source / "calibration.npz", backend=options.backend
        )
        written = program.save(options.folder / f"{options.circuit}.fhe")
    console.print(program.report)
    with serving(next(iter(written))) as (server, process):
        answer, seconds, sizes = ask(server, image, options.folder / "keys")
        memory = process.memory_info().rss
    expected = onnxruntime.InferenceSession(source / "model.onnx").run(None, {"image": image})[0]
    sizes |= {"server memory": memory}
    agree = show(answer["scores"].reshape(-1), expected.reshape(-1), int(samples["label"][options.image]))
    console.print("   ".join(f"{name} [bold]{value:.2f} s[/]" for name, value in seconds.items()))
    console.print("   ".join(f"{name} [bold]{value / 1e6:.1f} MB[/]" for name, value in sizes.items()))
    sys.exit(0 if agree else 1)


def ask(
    server: RemoteServer, image: np.ndarray[Any, Any], folder: Path
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, float], dict[str, int]]:
    """One encrypted inference: the answer, seconds by step, bytes by file."""
    interface = server.interface()
    with step("make keys") as keygen:
        client = files.Client(interface)
        sizes = client.save(folder)
    with step("register evaluation keys") as register:
        name = server.register(folder / files.EVALUATION)
    with step("encrypt") as encrypt:
        encrypted = client.encrypt({interface.inputs[0].name: image})
    with step("run on the server") as run:
        reply = server.run(name, encrypted)
    with step("decrypt") as decrypt:
        answer = client.decrypt(reply)
    seconds = {"keys": keygen, "register": register, "encrypt": encrypt, "run": run, "decrypt": decrypt}
    parts = {
        "question": len(container.dumps(encrypted)),
        "answer": len(container.dumps(reply)),
        "evaluation keys": sizes[files.EVALUATION],
    }
    return answer, {name: times[0] for name, times in seconds.items()}, parts


@contextmanager
def step(title: str) -> Iterator[list[float]]:
    """Announce a step and append its seconds to the list given when it ends."""
    took: list[float] = []
    start = time.perf_counter()
    with console.status(title):
        yield took
    took.append(time.perf_counter() - start)
    console.print(f"[green]✓[/] {title} [dim]{took[0]:.2f} s[/]")


@contextmanager
def serving(program: Path) -> Iterator[tuple[RemoteServer, psutil.Process]]:
    """A server process on a free port of this machine, ready to answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vortex_crypto", "serve", str(program), "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        with RemoteServer(f"http://127.0.0.1:{port}") as server:
            with step("start the server"):
                wait(server, process)
            yield server, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait(server: RemoteServer, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    """Return when the server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            server.interface()
            return
        except VortexError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def picture(image: np.ndarray[Any, Any]) -> str:
    """A digit in half-block characters, two rows of pixels a line."""
    shades = " ░▒▓█"
    rows = image.reshape(14, 2, 28).mean(1)
    return "\n".join("".join(shades[min(4, int(pixel * 5))] * 1 for pixel in row) for row in rows)


def show(got: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], label: int) -> bool:
    """Print both score vectors; True when they choose the same class."""
    table = Table("digit", "encrypted", "onnxruntime", "difference", title=f"scores (the image is labelled {label})")
    best, truth = int(got.argmax()), int(expected.argmax())
    for digit, (a, b) in enumerate(zip(got, expected, strict=True)):
        table.add_row(
            str(digit), f"{a:+.5f}", f"{b:+.5f}", f"{a - b:+.1e}", style="bold green" if digit == best else None
        )
    console.print(table)
    bits = -math.log2(np.abs(got - expected).mean())
    console.print(
        f"the server's encrypted answer: [bold]{best}[/]; onnxruntime: [bold]{truth}[/]; {bits:.1f} bits agree"
    )
    return best == truth


if __name__ == "__main__":
    main()
