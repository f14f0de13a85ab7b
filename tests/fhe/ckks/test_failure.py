"""The failure probability of bootstrapping, against published figures and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vortex_crypto.fhe.ckks.failure import log2_failure


@pytest.mark.parametrize(
    ("weight", "bound", "log_n", "expected"),
    [
        (32, 16, 16, -138.7),  # Lattigo, circuits/ckks/bootstrapping/default_parameters.go: N16QP1546H192H32
        (32, 16, 15, -139.7),  # the same file: N15QP768H192H32
        (32, 12, 16, -34.1),
        (64, 25, 16, -96.1),
        (192, 40, 15, -64.5),
    ],
)
def test_published_figures(weight: int, bound: int, log_n: int, expected: float) -> None:
    assert log2_failure(weight, bound, 1 << log_n) == pytest.approx(expected, abs=0.06)


def test_a_likely_overflow_is_predicted() -> None:
    rng = np.random.default_rng(7)
    sums = rng.uniform(-0.5, 0.5, (400_000, 9)).sum(axis=1)
    measured = np.mean(np.abs(sums) > 2)
    assert log2_failure(8, 2, 1) == pytest.approx(math.log2(measured), abs=0.1)


def test_an_impossible_overflow_never_fails() -> None:
    assert log2_failure(31, 16, 1 << 16) == -math.inf


@pytest.mark.parametrize("arguments", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nonsense_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        log2_failure(*arguments)
