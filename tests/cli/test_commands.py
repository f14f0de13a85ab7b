"""The commands as a user types them, on the digits perceptron."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.programs import DIGITS, digits_samples, digits_scores
from vortex_crypto import gpu
from vortex_crypto.api import read_arrays
from vortex_crypto.cli.app import app, main
from vortex_crypto.cli.console import emit
from vortex_crypto.errors import InvalidInput, MissingDependency, VortexError

RUNNER = CliRunner()
MODEL, CALIBRATION, SAMPLES = (str(DIGITS / name) for name in ("model.onnx", "calibration.npz", "samples.npz"))


def vortex(*arguments: object) -> dict:
    """Run a command with --json in this process and return what it printed."""
    result = RUNNER.invoke(app, [*map(str, arguments), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the program is compiled and keys are made."""
    path = tmp_path_factory.mktemp("work")
    vortex("compile", MODEL, "--fhe", "-o", path / "digits.fhe", "--calibration", CALIBRATION, "--precision", 6)
    vortex("keygen", path / "digits.client", "-o", path / "keys")
    return path


def test_the_three_steps_as_files(folder: Path):
    encrypted = vortex("encrypt", SAMPLES, "--rows", "0:3", "--keys", folder / "keys", "-o", folder / "x.ct")
    assert encrypted["samples"] == 3
    vortex(
        "run", folder / "digits.fhe", folder / "x.ct", "--keys", folder / "keys/evaluation.key", "-o", folder / "y.ct"
    )
    answer = vortex("decrypt", folder / "y.ct", "--keys", folder / "keys", "--batch", 3, "-o", folder / "y.npz")
    expected = digits_scores(digits_samples(3))
    assert (np.argmax(answer["outputs"]["scores"], 1) == expected.argmax(1)).all()
    assert np.abs(np.load(folder / "y.npz")["scores"] - expected).mean() < 2.0**-6
    shared = vortex("decrypt", folder / "y.ct", "--keys", folder / "keys", "--batch", 3, "--share", 4)
    scores = 16 * np.array(shared["outputs"]["scores"])
    assert (scores == np.round(scores)).all()


def test_compile_reports(folder: Path):
    report = vortex("compile", MODEL, "--fhe", "-o", folder / "again.fhe", "--range", "features=0:1", "--precision", 4)
    assert report["parameters"]["security"].startswith("128-bit")
    assert report["precision_asked"] == 4
    assert {path.name for path in folder.glob("again.*")} == {"again.fhe", "again.client"}
    options = ["--calibration", CALIBRATION, "--precision", "4"]
    text = RUNNER.invoke(app, ["compile", MODEL, "--fhe", "-o", str(folder / "a.fhe"), *options])
    assert text.exit_code == 0
    for word in ("security", "levels", "rotations", "precision", "memory", "dense1/relu"):
        assert word in text.output


def test_engines_are_named_before_the_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    encrypt = ("encrypt", SAMPLES, "--rows", "0:1", "--keys", folder / "keys", "-o", tmp_path / "x.ct")
    vortex("--engine", "reference", *encrypt)
    gpu._device.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingDependency, match=r"pip install 'vortex-crypto\[gpu\]'"):
        vortex("--engine", "cuda", *encrypt)
    monkeypatch.setenv("VORTEX_ENGINE", "cuda")
    with pytest.raises(MissingDependency, match="CuPy"):
        vortex("keygen", folder / "digits.client", "-o", tmp_path / "keys")
    assert not (tmp_path / "keys").exists()
    vortex("--engine", "native", *encrypt)
    unknown = RUNNER.invoke(app, ["--engine", "abacus", *map(str, encrypt)])
    assert unknown.exit_code == 2
    assert "reference" in unknown.output


def test_plan_spends_nothing(folder: Path):
    before = sorted(folder.iterdir())
    target = vortex("plan", MODEL, "--calibration", CALIBRATION, "--precision", 6)["targets"][0]
    assert target["backend"] == "vortex"
    assert target["ring_degree"] in (1 << 13, 1 << 14, 1 << 15)
    assert sorted(folder.iterdir()) == before


def test_secret_keys_are_not_overwritten_and_evaluation_keys_may_move(folder: Path, tmp_path: Path):
    keys = tmp_path / "keys"
    vortex("keygen", folder / "digits.client", "-o", keys)
    (keys / "evaluation.key").rename(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="never overwritten"):
        vortex("encrypt", SAMPLES, "--rows", "0:1", "--keys", keys, "-o", keys / "secret.key")
    vortex("encrypt", SAMPLES, "--rows", "0:1", "--keys", keys, "-o", tmp_path / "x.ct")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("digits.fhe", "fhe-program"), ("digits.client", "fhe-client"), ("keys/secret.key", "secret-key")],
)
def test_inspect_names_what_it_sees(folder: Path, name: str, kind: str):
    facts = vortex("inspect", folder / name)
    assert facts["kind"] == kind
    assert len(facts["program"]) == 64


def test_inspect_reads_models():
    facts = vortex("inspect", MODEL)
    assert facts["parameters"] == 2410
    assert facts["operators"] == {"Gemm": 2, "Relu": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compile", MODEL], "--fhe and --zk"),
        (["compile", MODEL, "--fhe"], "calibration"),
        (["compile", "absent.onnx", "--fhe"], "absent.onnx"),
        (["compile", MODEL, "--fhe", "--range", "features"], "NAME=LOW:HIGH"),
        (["compile", MODEL, "--fhe", "--calibration", MODEL], "npz"),
        (["compile", MODEL, "--fhe", "--calibration", CALIBRATION, "--backend", "magic"], "magic"),
        (["compile", MODEL, "--fhe", "--calibration", CALIBRATION, "--batch", "0"], "batch of 0"),
        (["compile", MODEL, "--fhe", "--calibration", CALIBRATION, "--precision", "nan"], "precision of nan"),
        (["encrypt", MODEL], "keys"),
        (["inspect", SAMPLES], "not a vortex-crypto artefact"),
        (["keygen", SAMPLES], "not a vortex-crypto artefact"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VortexError, match=words):
        vortex(*arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", ["a:b", "1:2:3", ":::"])
def test_rows_are_two_numbers(folder: Path, rows: str):
    with pytest.raises(InvalidInput, match="A:B"):
        vortex("encrypt", SAMPLES, "--rows", rows, "--keys", folder / "keys", "-o", folder / "no.ct")
    assert not (folder / "no.ct").exists()


def test_an_error_is_one_line_and_status_1(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "vortex_crypto", "inspect", str(tmp_path / "absent")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("MalformedArtefact:")
    assert "absent" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["[/foo] takes [batch, 4]", "[bold]x", "a\\[b]"])
def test_brackets_in_messages_and_names_are_shown(text: str, monkeypatch: pytest.MonkeyPatch, capsys):
    def refuse() -> None:
        raise InvalidInput(text)

    monkeypatch.setattr("vortex_crypto.cli.app.app", refuse)
    with pytest.raises(SystemExit):
        main()
    emit({text: [text]}, as_json=False, title=text)
    shown = capsys.readouterr()
    assert shown.err == f"InvalidInput: {text}\n"
    assert shown.out.count(text) == 3


def test_errors_of_the_system_are_one_line(tmp_path: Path):
    (tmp_path / "file").touch()
    command = ["compile", MODEL, "--fhe", "--range", "features=0:1", "--precision", "4", "-o", str(tmp_path / "file/x")]
    done = subprocess.run([sys.executable, "-m", "vortex_crypto", *command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "file") in done.stderr


@pytest.mark.parametrize("shape", [f"({10**15},)", "(-1,)", f"({2**80},)", "(((", '"""', "\0"])
def test_hostile_arrays_are_refused(tmp_path: Path, shape: str):
    text = f"{{'descr':'<f8','fortran_order':False,'shape':{shape}}}".encode().ljust(117) + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(InvalidInput, match=r"x\.npy"):
        read_arrays(tmp_path / "x.npy", ("x",))


@pytest.mark.parametrize(("place", "value"), [(8, 1), (10, 77)])
def test_encrypted_and_strangely_packed_archives_are_refused(tmp_path: Path, place: int, value: int):
    np.savez(tmp_path / "x.npz", x=np.zeros(10))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[place - 2] = data[data.find(b"PK\x01\x02") + place] = value
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InvalidInput, match=r"x\.npz"):
        read_arrays(tmp_path / "x.npz", ("x",))


def test_serve_and_query_are_two_processes(folder: Path):
    command = [sys.executable, "-m", "vortex_crypto", "serve", str(folder / "digits.fhe"), "--port", "0", "--json"]
    server = subprocess.Popen(command, env={**os.environ, "NO_COLOR": "1"}, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        opened = json.loads(server.stdout.readline())
        assert opened["security"].startswith("128-bit")
        answer = vortex("query", opened["listening"], SAMPLES, "--rows", "0:2", "--keys", folder / "keys")
    finally:
        server.terminate()
        rest, _ = server.communicate(timeout=60)
    assert (np.argmax(answer["outputs"]["scores"], 1) == digits_scores(digits_samples(2)).argmax(1)).all()
    events = [json.loads(line) for line in rest.splitlines()]
    assert [(event["method"], event["path"], event["status"]) for event in events][-3:] == [
        ("POST", "/v1/run", 404),
        ("POST", "/v1/keys", 200),
        ("POST", "/v1/run", 200),
    ]
    assert all(event["seconds"] >= 0 for event in events)


def test_importing_the_package_is_light():
    heavy = ("onnx", "tenseal", "cupy", "fastapi", "sympy")
    code = f"import sys, vortex_crypto; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
