"""Gadgets against published values: circomlib's Poseidon, and the counts that other systems reach."""

from __future__ import annotations

import numpy as np
import pytest

from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.discharge import Table, choose
from vortex_crypto.zk.gadgets import convolution, matmul
from vortex_crypto.zk.gadgets.bits import to_bits
from vortex_crypto.zk.gadgets.comparison import less_than
from vortex_crypto.zk.gadgets.division import divide, divide_constant
from vortex_crypto.zk.gadgets.fixed_point import rescale
from vortex_crypto.zk.gadgets.lookup import apply_table
from vortex_crypto.zk.gadgets.packed import rows_per_element
from vortex_crypto.zk.gadgets.poseidon import parameters, poseidon, poseidon_int
from vortex_crypto.zk.gadgets.powers import power
from vortex_crypto.zk.gadgets.range import in_interval
from vortex_crypto.zk.gadgets.relu import relu, rescale_relu
from vortex_crypto.zk.interpret.cost import cost


@pytest.mark.parametrize(
    ("inputs", "digest"),
    [
        # circomlib 2.0, test/poseidoncircuit.js
        ((1, 2), 7853200120776062878684798364095072458815029376092732009249414926327459813530),
        ((1, 2, 0, 0, 0), 1018317224307729531995786483840663576608797660851238720571059489595066344487),
        ((3, 4, 0, 0, 0), 5811595552068139067952687508729883632420015185677766880877743348592482390548),
        (
            (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
            9989051620750914585850546081941653841776809718687451684622678807385399211877,
        ),
    ],
)
def test_poseidon_is_circomlibs(inputs: tuple[int, ...], digest: int) -> None:
    assert poseidon_int(inputs) == digest


def test_poseidon_costs_three_constraints_an_s_box() -> None:
    for inputs, sboxes in ((2, 8 * 3 + 57), (16, 8 * 17 + 68)):
        c = Circuit()
        poseidon(c, c.private("x", (inputs,)))
        assert c.finish().r1cs.n_constraints == 3 * sboxes


def test_freivalds_costs_what_it_says_and_no_more_than_published() -> None:
    assert matmul.freivalds_cost(64, 64, 64) <= 12_288 < matmul.direct_cost(64, 64, 64)
    for m, k, n in ((3, 4, 2), (5, 7, 6)):
        c = Circuit()
        matmul.freivalds(c, c.private("w", (m, k)), c.private("x", (k, n)))
        assert cost(c.finish().r1cs).by_origin[""] == matmul.freivalds_cost(m, k, n)


def test_convolution_costs_what_it_says_and_no_more_than_published() -> None:
    assert convolution.cost((64, 32, 32), (64, 64, 3, 3)) <= 176_448
    for x, w in (((2, 5, 4), (3, 2, 2, 3)), ((1, 6, 6), (2, 1, 3, 3))):
        c = Circuit()
        convolution.convolution(c, c.private("x", x), c.private("w", w))
        assert cost(c.finish().r1cs).by_origin[""] == convolution.cost(x, w)


@pytest.mark.parametrize(
    ("n", "bits", "published"),
    [(100_000, 8, 200_257), (1_000, 16, 3_260), (10_000, 16, 30_300), (100_000, 16, 266_000), (10**6, 16, 2_070_000),
     (100_000, 24, 304_000), (100_000, 32, 366_000), (65_536, 8, 2 * 65_536), (65_536, 32, 4 * 65_536)],
)  # fmt: skip
def test_range_checks_undercut_the_published_counts(n: int, bits: int, published: int) -> None:
    assert choose([(n, bits)]).constraints <= published


def test_activations_undercut_the_published_counts() -> None:
    """Six to eight constraints an activation with 16-bit values, where many share the tables."""
    c = Circuit()
    rescale_relu(c, c.private("acc", (100_000,)), 12, 16)
    assert c.finish().r1cs.n_constraints <= 6 * 100_000


def test_what_would_wrap_around_is_refused() -> None:
    c = Circuit()
    x = c.private("x")
    for attempt in (
        lambda: to_bits(c, x, 254),
        lambda: less_than(c, x, x, 252),
        lambda: rescale(c, x, 200, 60),
        lambda: relu(c, x, 253),
        lambda: divide(c, x, x, 126),
        lambda: divide_constant(c, x, 0, 8),
        lambda: divide_constant(c, x, 1 << 100, 160),
        lambda: in_interval(c, x, 3, 3),
        lambda: rows_per_element(300),
        lambda: power(c, x, 0),
        lambda: parameters(18),
        lambda: apply_table(c, Table("twice", (np.array([1, 1]), np.array([2, 3]))), x),
    ):
        with pytest.raises(InvalidInput):
            attempt()
