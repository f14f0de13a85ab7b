"""Both schemes on every engine, chosen by name: the same keys, ciphertexts, answers and proofs, bit for bit.

"cuda" is the engine that a user names, with the block emulator in the place of its device.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.gpu.emulator import COMPILER, emulator
from tests.gpu.test_engine import Recorder
from tests.zk.groth16.cases import committed_program, plain_program
from vortex_crypto import container, gpu
from vortex_crypto.arith.engine import using
from vortex_crypto.container import Artefact
from vortex_crypto.fhe.backends import backend, vortex
from vortex_crypto.fhe.circuit import Circuit
from vortex_crypto.fhe.ckks import context
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.plan import CkksPlan, plan
from vortex_crypto.zk import field
from vortex_crypto.zk.groth16.prove import prove
from vortex_crypto.zk.groth16.serialize import proof_to_bytes, proving_key_to_artefact
from vortex_crypto.zk.groth16.setup import setup
from vortex_crypto.zk.groth16.verify import verify
from vortex_crypto.zk.plan import Program

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no g++")
OTHERS = ["native", "cuda"]
CACHES = (vortex.context_of, context._subring, field._kernels)
MASK = 7


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    recorder = Recorder(emulator(), runs=True)
    monkeypatch.setattr(gpu, "_device", lambda index: recorder)
    yield recorder
    for cache in CACHES:
        cache.cache_clear()


class Counted:
    """The operating system's entropy, replaced by a count."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        for name in ("token_bytes", "token_hex", "randbelow"):
            patch.setattr(secrets, name, getattr(self, name))

    def token_bytes(self, count: int) -> bytes:
        self.calls += 1
        return hashlib.shake_256(self.calls.to_bytes(8, "little")).digest(count)

    def token_hex(self, count: int) -> str:
        return self.token_bytes(count).hex()

    def randbelow(self, bound: int) -> int:
        return int.from_bytes(self.token_bytes(48), "little") % bound


def small_plan() -> CkksPlan:
    """Each kind of instruction but the bootstrap."""
    rng = np.random.default_rng(1)
    circuit = Circuit(32)
    x, y = circuit.input("x"), circuit.input("y")
    blocks = [[Diagonals(32, {k: rng.uniform(-0.2, 0.2, 32) for k in (0, 1, 5, 9)})]]
    [product] = circuit.linear_transform([circuit.sub(x, circuit.rotate(y, 3))], blocks)
    powers = circuit.polynomial(product, [0.1, 0.4, 0.0, -0.2])
    mixed = circuit.add_plain(circuit.mul(circuit.negate(powers), circuit.conjugate(y)), rng.uniform(-1, 1, 32))
    circuit.output("z", circuit.add(mixed, circuit.mul_plain(x, rng.uniform(-1, 1, 32))))
    return plan(circuit, precision_bits=8, backend="vortex", ring_degree=256, insecure=True)


def inference(engine: str, made: CkksPlan) -> list[Artefact]:
    """Keys, question and answer of one client, who takes its entropy from a count."""
    with pytest.MonkeyPatch.context() as patch, using(engine):
        Counted(patch)
        client = backend("vortex").client(made.parameters, made.needs)
        keys = client.keygen()
        sent = client.encrypt(keys.secret, [np.linspace(-1, 1, 32), np.linspace(1, 0, 32)])
        server = backend("vortex").server(made)
    answer = server.load(keys.evaluation).run(sent)  # on the engine that the server was made on
    assert vortex.context_of(made.parameters, 0, engine).engine_name == engine
    return [keys.secret, keys.evaluation, sent, answer]


@pytest.mark.parametrize("engine", OTHERS)
def test_encrypted_inference(engine: str, device: Recorder) -> None:
    made = small_plan()
    definition, found = inference("reference", made), inference(engine, made)
    for wanted, artefact in zip(definition, found, strict=True):
        assert container.dumps(artefact) == container.dumps(wanted), artefact.kind
    launched = {kernel for kernel, _, _ in device.launches}
    assert ({"ring_ntt", "ring_extend", "ring_key_switch_inner", "ring_tensor"} <= launched) == (engine == "cuda")
    client = backend("vortex").client(made.parameters, made.needs)
    [z] = client.decrypt(found[0], found[-1])
    assert np.abs(z).max() > 0.1


def proof_of(engine: str, program: Program, inputs: dict[str, object]) -> tuple[bytes, bytes, tuple[int, ...]]:
    """A proving key and a proof, with the same trapdoor and the same masks for every engine."""
    with pytest.MonkeyPatch.context() as patch, using(engine):
        Counted(patch)
        key = setup(program.r1cs)
        masks = {c.name: MASK for c in program.r1cs.commitments if c.persistent}
        proven = prove(key, program, inputs, masks=masks)
        expected = {c.name: proven.proof.commitments[n] for n, c in enumerate(program.r1cs.commitments) if c.persistent}
        assert verify(key.verifying, proven.proof, proven.public, expected=expected or None)
        return container.dumps(proving_key_to_artefact(key)), proof_to_bytes(proven.proof), proven.public


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize(
    ("program", "inputs"),
    [(plain_program, {"x": 5, "b": 7}), (committed_program, {"w": [2, -1], "x": [1, 3]})],
    ids=["plain", "committed"],
)
def test_proofs(program: Callable[[], Program], inputs: dict[str, object], engine: str, device: Recorder) -> None:
    made = program()
    assert proof_of(engine, made, inputs) == proof_of("reference", made, inputs)
    launched = {kernel for kernel, _, _ in device.launches}
    assert ({"fr_ntt", "g1_gather", "g2_gather", "g1_look_up"} <= launched) == (engine == "cuda")
