"""The commands of proofs as a user types them, on the breast cancer model and the digits perceptron."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.programs import CIRCUITS
from vortex_crypto import container
from vortex_crypto.cli.app import app
from vortex_crypto.container import Artefact
from vortex_crypto.errors import ArtefactMismatch, InvalidInput, MalformedArtefact, MalformedProof, VortexError
from vortex_crypto.nn.statement import ZkInterface

RUNNER = CliRunner()


def vortex(*arguments: object, status: int = 0) -> dict:
    """Run a command with --json in this process and return what it printed."""
    result = RUNNER.invoke(app, [*map(str, arguments), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def made(folder: Path, circuit: str, *options: str) -> Path:
    """Compile a circuit, set up, and prove its first sample in `folder`."""
    source = CIRCUITS / circuit
    program = folder / "model.zk"
    vortex(
        "compile", source / "model.onnx", "--zk", "-o", program, "--calibration", source / "calibration.npz", *options
    )
    vortex("setup", program, "-o", folder / "keys")
    inputs = ["--rows", "0:1"]
    vortex("prove", program, source / "samples.npz", *inputs, "--keys", folder / "keys", "-o", folder / "x.proof")
    return folder


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("private"), "digits_mlp", "--private-weights")


@pytest.fixture(scope="module")
def hashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("hashed"), "digits_mlp", "--inputs", "hashed")


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("public"), "breast_cancer")


@pytest.mark.parametrize(("name", "circuit"), [("private", "digits_mlp"), ("public", "breast_cancer")])
def test_a_proof_says_what_the_network_says(name: str, circuit: str, request: pytest.FixtureRequest):
    import onnxruntime

    folder, source = request.getfixturevalue(name), CIRCUITS / circuit
    facts = vortex("verify", folder / "x.proof", "--public", folder / "keys/public")
    assert facts["valid"] is True
    assert facts["insecure_setup"] is True
    features = np.load(source / "samples.npz")["features"][:1]
    expected = onnxruntime.InferenceSession(source / "model.onnx").run(None, {"features": features})[0]
    (output,) = facts["outputs"].values()
    assert np.abs(np.array(output) - expected).max() < 0.1


def test_the_input_is_compared(private: Path):
    samples = CIRCUITS / "digits_mlp/samples.npz"
    common = ("verify", private / "x.proof", "--public", private / "keys/public", "--input", samples)
    assert vortex(*common, "--rows", "0:1")["valid"] is True
    assert vortex(*common, "--rows", "1:2", status=1)["valid"] is False


def test_hashed_inputs_are_compared_by_their_digest(hashed: Path, tmp_path: Path):
    samples = CIRCUITS / "digits_mlp/samples.npz"
    common = ("verify", hashed / "x.proof", "--public", hashed / "keys/public")
    facts = vortex(*common, "--input", samples, "--rows", "0:1")
    assert facts["valid"] is True
    assert vortex(*common, "--input", samples, "--rows", "1:2", status=1)["valid"] is False
    (first, *scores) = container.read(hashed / "x.proof").meta["public"]
    assert int(facts["inputs_digest"], 16) == int(first)
    assert len(scores) == 10
    vortex("export-verifier", "--public", hashed / "keys/public", "-o", tmp_path / "V.sol")
    assert "uint256[11] calldata inputs" in (tmp_path / "V.sol").read_text()


def test_an_interface_with_another_scale_is_refused(public: Path, tmp_path: Path):
    """Who may alter the public folder's statement alone gains nothing: its scale is under the program's hash."""
    for path in (public / "keys/public").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    statement = container.read(tmp_path / "program.statement")
    (name, shape, fraction), *rest = statement.meta["outputs"]
    scaled = {**statement.meta, "outputs": [[name, shape, fraction - 4], *rest]}
    altered = Artefact(statement.kind, statement.program, scaled, statement.arrays)
    container.write(tmp_path / "program.statement", altered)
    with pytest.raises(MalformedArtefact, match="altered"):
        vortex("verify", public / "x.proof", "--public", tmp_path)
    genuine = ZkInterface.from_artefact(statement)
    shown = replace(genuine, outputs=(replace(genuine.outputs[0], fraction=fraction - 4), *genuine.outputs[1:]))
    container.write(tmp_path / "program.statement", shown.to_artefact())
    with pytest.raises(ArtefactMismatch):
        vortex("verify", public / "x.proof", "--public", tmp_path)


def test_secrets_are_files_for_the_owner_alone(private: Path):
    for secret in ("model.zk", "keys/masks.secret"):
        assert stat.S_IMODE((private / secret).stat().st_mode) == 0o600
    assert {p.name for p in (private / "keys/public").iterdir()} == {
        "verifying.key",
        "program.statement",
        "weights.commitment",
    }


def test_the_public_files_hold_no_weights(private: Path):
    size = sum(path.stat().st_size for path in (private / "keys/public").iterdir())
    assert size < (private / "model.zk").stat().st_size / 5


def test_altered_proofs_are_refused(private: Path, tmp_path: Path):
    proof = container.read(private / "x.proof")
    values = list(proof.meta["public"])
    values[-1] = str(int(values[-1]) + 1)
    container.write(tmp_path / "a", Artefact(proof.kind, proof.program, {"public": values}, proof.arrays))
    assert vortex("verify", tmp_path / "a", "--public", private / "keys/public", status=1)["valid"] is False
    data = proof.arrays["proof"].copy()
    data[40] ^= 1
    container.write(tmp_path / "b", Artefact(proof.kind, proof.program, proof.meta, {"proof": data}))
    with pytest.raises(MalformedProof):
        vortex("verify", tmp_path / "b", "--public", private / "keys/public")


def test_another_models_commitment_is_refused(private: Path, tmp_path: Path):
    public = tmp_path / "public"
    public.mkdir()
    for path in (private / "keys/public").iterdir():
        (public / path.name).write_bytes(path.read_bytes())
    vortex("setup", private / "model.zk", "-o", tmp_path / "other")
    (public / "weights.commitment").write_bytes((tmp_path / "other/public/weights.commitment").read_bytes())
    assert vortex("verify", private / "x.proof", "--public", public, status=1)["valid"] is False


def test_a_proof_of_another_program_is_refused(private: Path, public: Path):
    with pytest.raises(ArtefactMismatch):
        vortex("verify", private / "x.proof", "--public", public / "keys/public")


def test_a_contract_is_written(public: Path, tmp_path: Path):
    facts = vortex("export-verifier", "--public", public / "keys/public", "-o", tmp_path / "V.sol", "--name", "Cancer")
    text = (tmp_path / "V.sol").read_text()
    assert "contract Cancer" in text
    assert facts["insecure_setup"] is True


def test_a_contract_checks_inputs_and_the_model(public: Path, private: Path, tmp_path: Path):
    target = tmp_path / "V.sol"
    vortex("export-verifier", "--public", public / "keys/public", "-o", target)
    assert "revert InputOutOfRange();" in target.read_text()
    vortex("export-verifier", "--public", private / "keys/public", "-o", target)
    assert "return false;" in target.read_text()
    for name in ("verifying.key", "program.statement"):
        (tmp_path / name).write_bytes((private / "keys/public" / name).read_bytes())
    with pytest.raises(VortexError, match=r"weights\.commitment"):  # else it would accept any model
        vortex("export-verifier", "--public", tmp_path, "-o", target)


def test_other_weights_are_not_proved_under_the_same_mask(private: Path, tmp_path: Path):
    model = container.read(private / "model.zk")
    weights = {name: [str(int(v) + 1) for v in values] for name, values in model.meta["weights"].items()}
    altered = Artefact(model.kind, model.program, {**model.meta, "weights": weights}, model.arrays)
    container.write(tmp_path / "model.zk", altered)
    with pytest.raises(ArtefactMismatch, match="fresh mask"):
        vortex(
            "prove", tmp_path / "model.zk", CIRCUITS / "digits_mlp/samples.npz", "--rows", "0:1",
            "--keys", private / "keys", "-o", tmp_path / "x.proof",
        )  # fmt: skip
    assert not (tmp_path / "x.proof").exists()


def test_keys_are_not_overwritten(public: Path):
    with pytest.raises(InvalidInput, match="exists"):
        vortex("setup", public / "model.zk", "-o", public / "keys")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compile", "{model}", "--zk", "--fhe"], "one of --fhe and --zk"),
        (["prove", "{program}", "{samples}", "--keys", "{keys}"], "--rows"),
        (["setup", "{samples}"], "not a vortex-crypto artefact"),
        (["verify", "{samples}", "--public", "{keys}/public"], "not a vortex-crypto artefact"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], words: str, public: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = CIRCUITS / "breast_cancer"
    places = {
        "model": source / "model.onnx",
        "samples": source / "samples.npz",
        "program": public / "model.zk",
        "keys": public / "keys",
    }
    with pytest.raises(VortexError, match=words):
        vortex(*(argument.format(**places) for argument in arguments))
    assert list(tmp_path.iterdir()) == []


def test_plan_names_every_target():
    source = CIRCUITS / "breast_cancer"
    targets = vortex("plan", source / "model.onnx", "--calibration", source / "calibration.npz")["targets"]
    assert [(t["target"], t["backend"]) for t in targets] == [
        ("fhe", "vortex"),
        ("fhe", "tenseal"),
        ("zk", "public weights"),
        ("zk", "private weights"),
    ]
    assert not [t for t in targets if "refused" in t]
