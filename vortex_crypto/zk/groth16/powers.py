"""Whether a .ptau file holds what it should: powers of one secret, which no one can be asked to show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import ArtefactMismatch
from vortex_crypto.zk.groth16.relations import ONE_G1, ONE_G2, Relations, random_weights
from vortex_crypto.zk.groth16.snarkjs import ptau
from vortex_crypto.zk.groth16.snarkjs.ptau import Ptau
from vortex_crypto.zk.progress import Progress, silent

Array = NDArray[Any]


def check_powers(
    powers: Ptau, *, progress: Progress | None = None, kernels: FieldKernels | None = None, threads: int = 0
) -> None:
    """Check that a .ptau holds the powers of one τ, the same times one α and one β, and their true Lagrange forms.

    Every point is checked to be in its group, and every relation on a random combination: wrong powers pass with
    probability 2^-128. Who contributed to them is not checked; `snarkjs powersoftau verify` does that.

    Args:
        powers: the file.
        progress: told how far the work is.
        kernels: the engine.
        threads: for the kernels; 0 for all processors.

    Raises:
        ArtefactMismatch: a relation does not hold; the text names the section.
        MalformedArtefact: a coordinate is not reduced.
    """
    engine, n, tell = Relations.of(kernels, threads), 1 << powers.power, progress or silent
    counts = {ptau.TAU_G1: 2 * n - 1, ptau.TAU_G2: n, ptau.ALPHA_TAU_G1: n, ptau.BETA_TAU_G1: n, ptau.BETA_G2: 1}
    points = {section: powers.points(section, 0, count) for section, count in counts.items()}
    for place, (section, array) in enumerate(points.items()):
        tell("points of the powers", 0.3 * place / len(points))
        _require_group(powers, section, array, engine)
    tell("relations of the powers", 0.3)
    _check_power_relations(powers, points, engine)
    if powers.prepared:
        for place, (section, source) in enumerate(zip(ptau.LAGRANGE, ptau.LAGRANGE_SOURCES, strict=True)):
            for k in range(powers.power + (2 if section == ptau.LAGRANGE_TAU_G1 else 1)):
                # Each order takes twice as long as the one before.
                tell("Lagrange forms", 0.4 + 0.6 * (place + 2.0 ** (k - powers.power - 1)) / len(ptau.LAGRANGE))
                _check_lagrange(powers, section, points[source], k, engine)
    tell("done", 1.0)


def _require_group(powers: Ptau, section: int, points: Array, engine: Relations) -> None:
    group = engine.kernels.g2 if points.ndim == 4 else engine.kernels.g1
    if not group.valid(points, threads=engine.threads).all():
        raise _unsound(powers, section, "a point is not in its group")


def _unsound(powers: Ptau, section: int, what: str) -> ArtefactMismatch:
    return ArtefactMismatch(f"{powers.file.path}: section {section} ({ptau.NAMES[section]}): {what}")


def _check_power_relations(powers: Ptau, points: dict[int, Array], engine: Relations) -> None:
    tau_g1, tau_g2 = points[ptau.TAU_G1], points[ptau.TAU_G2]
    g1, g2 = engine.kernels.g1, engine.kernels.g2
    weights = random_weights(len(tau_g1))
    if not (np.array_equal(tau_g1[0], ONE_G1) and np.array_equal(tau_g2[0], ONE_G2)):
        raise _unsound(powers, ptau.TAU_G1, "does not begin with the generator")
    rising = engine.combine(g1, tau_g1[:-1], weights), engine.combine(g1, tau_g1[1:], weights)
    if not engine.same_ratio(*rising, ONE_G2, tau_g2[1]):
        raise _unsound(powers, ptau.TAU_G1, "is not the powers of one tau")
    combined = engine.combine(g2, tau_g2, weights)
    if not engine.same_ratio(ONE_G1, engine.combine(g1, tau_g1[: len(tau_g2)], weights), ONE_G2, combined):
        raise _unsound(powers, ptau.TAU_G2, "is not the powers of the tau in G1")
    for section in (ptau.ALPHA_TAU_G1, ptau.BETA_TAU_G1):
        if not engine.same_ratio(points[section][0], engine.combine(g1, points[section], weights), ONE_G2, combined):
            raise _unsound(powers, section, "is not the powers of tau times its first point")
    if not engine.same_ratio(ONE_G1, points[ptau.BETA_TAU_G1][0], ONE_G2, points[ptau.BETA_G2][0]):
        raise _unsound(powers, ptau.BETA_G2, "is not the beta in G1")


def _check_lagrange(powers: Ptau, section: int, source: Array, k: int, engine: Relations) -> None:
    """Σ u_j·L_j(τ) = Σ c_i·τ^i for random values u of a polynomial and its coefficients c."""
    lagrange = powers.lagrange(section, k)
    _require_group(powers, section, lagrange, engine)
    group = engine.kernels.g2 if lagrange.ndim == 4 else engine.kernels.g1
    values = random_weights(len(lagrange))
    coefficients = engine.kernels.ntt(values, inverse=True, threads=engine.threads)
    low = source[: len(coefficients)]  # the largest order has one power too few, and counts it as zero
    if not np.array_equal(engine.combine(group, lagrange, values), engine.combine(group, low, coefficients)):
        raise _unsound(powers, section, f"is not the Lagrange form of the powers, at order 2^{k}")
