"""What the benchmarks promise of peers: one conversation, and no time for a wrong result."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.peers import beside, piped
from benchmarks.peers.bn254 import Mcl, bn254_peers
from benchmarks.peers.seal import Seal

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from answering import answer_requests

class Doubler:
    def __init__(self, values):
        self.values, self.facts = values, {{"label": "doubler 1.0", "digits": 2, "log_qp": 99}}
    def double(self):
        print("what a library prints is no answer")
        self.got = [2 * value for value in self.values]
    def result(self, count):
        return {{"values": self.got[:count]}}
    def end(self):
        sys.exit()

answer_requests(lambda values: Doubler(values))
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "doubler.py"
    path.write_text(PROGRAM.format(folder=str(Path(peers.__file__).parent)))
    monkeypatch.setitem(peers.PROGRAMS, "doubler", str(path))
    return sys.executable


def test_a_row_has_the_peers_time_precision_and_parameters(program: str) -> None:
    with piped("doubler", program, values=[1.0, 2.0]) as peer:
        assert peer is not None
        row = beside(peer, "double", lambda: sum(range(1000)), np.array([2.0, 4.0 + 2**-10]), runs=3)
    assert row["peer"] == "doubler 1.0"
    assert row["peer_bits"] == 11
    assert (row["peer_digits"], row["peer_log_qp"]) == (2, 99)
    assert row["ratio"] == row["peer_seconds"] / row["seconds"]


def test_a_wrong_result_is_not_timed(program: str) -> None:
    with piped("doubler", program, values=[1.0, 2.0]) as peer:
        assert peer is not None
        for wanted in ([2.0, 4.5], [np.nan, 4.0]):
            with pytest.raises(RuntimeError, match="its result has"):
                beside(peer, "double", lambda: None, np.array(wanted))


def test_what_a_peer_cannot_do_is_said(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with piped("doubler", program, values=[1.0]) as peer:
        assert peer is not None
        with pytest.raises(RuntimeError, match="halve"):
            peer.call("halve")
        with pytest.raises(RuntimeError, match="ended"):
            peer.call("end")
    with piped("doubler", program, numbers=[1.0]) as refused, piped("doubler", None) as absent:
        assert refused is None
        assert absent is None
    told = capsys.readouterr().err
    assert "doubler is left out" in told
    assert "no --doubler-python" in told


def test_seal_computes_what_is_timed() -> None:
    values = np.random.default_rng(1).uniform(-1, 1, 2048)
    seal = Seal(12, [36, 30], 30, values.tolist())
    for do, wanted in (("rotate", np.roll(values, -1)), ("mul_relin_rescale", values**2)):
        assert beside(seal, do, lambda: sum(range(10**5)), wanted, runs=1)["peer_bits"] > 8
    with pytest.raises(RuntimeError, match="no such operation"):
        seal.call("chebyshev")
    with pytest.raises(RuntimeError, match="2\\^16"):
        Seal(16, [49, 40], 40, [0.0])


GNARK = """#!{python}
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    refused = request["do"] == "ntt_fr"
    answer = {{"error": "no such kernel"}} if refused else {{"label": "double 1.0", "seconds": 2.0}}
    print(json.dumps(answer), flush=True)
"""


def test_field_kernels_stand_beside_each_program_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gnark"
    path.write_text(GNARK.format(python=sys.executable))
    path.chmod(0o755)
    monkeypatch.setenv("GNARK_BENCH", str(path))
    with bn254_peers() as peers:
        (row,) = peers.beside("fr_mul", 8, lambda: sum(range(100_000)), runs=3)
        assert row["peer"] == "double 1.0"
        assert row["n"] == 8
        assert row["ratio"] == pytest.approx(2 / row["seconds"])
        with pytest.raises(RuntimeError, match="no such kernel"):
            next(peers.beside("ntt_fr", 8, lambda: None))


def test_mcl_multiplies_on_the_same_curve_as_ours() -> None:
    pytest.importorskip("mclbn256")
    mcl = Mcl()  # its generators are refused on any other curve
    for name in ("msm_g1", "msm_g2", "pairing_product"):
        mcl.kernel(name, 3)()
    assert mcl.kernel("fr_mul", 3) is None
