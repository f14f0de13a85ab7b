"""The verifier's sums of points, whose way depends on how many scalars are long."""

from __future__ import annotations

import numpy as np
import pytest

from vortex_crypto.arith.field import arrays
from vortex_crypto.arith.field.bn254 import G1_GENERATOR, R
from vortex_crypto.zk.field import default_kernels, from_ints
from vortex_crypto.zk.groth16.verify import _sum

LONG = R // 3


@pytest.mark.parametrize(
    "values",
    [
        [1], [0], [5], [R - 1], [LONG], [1, LONG], [3, R - 3, LONG, 0, 1], [LONG, LONG + 1],
        [(1 << 48) - 1, 1 << 48, R - (1 << 48), R - (1 << 48) + 1], [*range(30), LONG], [LONG + k for k in range(17)],
    ],
    ids=len,
)  # fmt: skip
def test_a_sum_of_points_is_the_multiple_of_the_generator(values: list[int]) -> None:
    kernels = default_kernels()
    base = arrays.g1_from_ints([G1_GENERATOR])[0]
    points = kernels.g1.fixed_base(base, from_ints(np.arange(1, len(values) + 1), kernels))
    wanted = sum(place * value for place, value in enumerate(values, 1)) % R
    scalar = from_ints(np.array([wanted], dtype=object), kernels)
    assert np.array_equal(_sum(points, values, kernels), kernels.g1.fixed_base(base, scalar)[0])
