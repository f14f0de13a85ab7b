"""Matrices and polynomials of ciphertexts against NumPy."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.polynomial import chebyshev as cheb

from tests.fhe.ckks.conftest import Party, party
from vortex_crypto.errors import MissingKey, OutOfLevels
from vortex_crypto.fhe.circuit import Circuit, LinearTransform
from vortex_crypto.fhe.ckks.ciphertext import Plaintext, same_scale
from vortex_crypto.fhe.ckks.linear import PlaintextStore, Transform
from vortex_crypto.fhe.ckks.polynomial import chebyshev, schedule
from vortex_crypto.fhe.packing import Diagonals
from vortex_crypto.fhe.polynomial import depth
from vortex_crypto.fhe.rotations import split

OFFSETS = (0, 1, 2, 3, 4, 5, 8, 12)


def matrix(rng: np.random.Generator, slots: int, offsets: tuple[int, ...] = OFFSETS) -> list[tuple[int, np.ndarray]]:
    return [(k, rng.uniform(-1, 1, slots)) for k in offsets]


def product(block: list[tuple[int, np.ndarray]], x: np.ndarray) -> np.ndarray:
    total = np.zeros(x.size, dtype=complex)
    for k, values in block:
        total += np.tile(values, x.size // values.size) * np.roll(x, -k)
    return total


def transform(
    toy: Party, blocks: list[list[list[tuple[int, np.ndarray]]]], slots: int, n1: int, **options: object
) -> Transform:
    circuit = Circuit(slots)
    xs = [circuit.input(str(j)) for j in range(len(blocks[0]))]
    circuit.linear_transform(xs, [[Diagonals(slots, dict(block)) for block in row] for row in blocks])
    body = circuit.instructions[-1].body
    assert isinstance(body, LinearTransform)
    parameters = toy.context.parameters
    level = parameters.max_level
    return Transform(
        toy.evaluator.encoder,
        blocks,
        split(body, slots, n1),
        slots=slots,
        level=level,
        ratio=parameters.pending_scale(level) / parameters.scale(level),
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("n1", "steps"), [(1, None), (4, None), (128, None), (4, (1, 4)), (128, (1,))], ids=str)
@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_a_matrix_of_blocks(toy: Party, n1: int, steps: tuple[int, ...] | None, cache_bytes: int) -> None:
    rng = np.random.default_rng(11)
    slots = toy.context.slots
    blocks = [[matrix(rng, slots), matrix(rng, slots, (0, 3, 5))], [matrix(rng, slots, (2,)), matrix(rng, slots, (0,))]]
    xs = [rng.uniform(-1, 1, slots) for _ in range(2)]
    made = transform(toy, blocks, slots, n1, steps=steps, store=PlaintextStore(cache_bytes))
    if steps is not None:
        assert made.rotations <= set(steps)
    encrypted = [toy.encrypt(x) for x in xs]
    for _ in range(2):
        for row, y in zip(blocks, made.apply(toy.evaluator, encrypted), strict=True):  # type: ignore[arg-type]
            wanted = sum(product(block, x) for block, x in zip(row, xs, strict=True))
            done = toy.evaluator.rescale(y)
            assert same_scale(done.scale, toy.context.scale(done.level))
            assert np.abs(toy.decrypt(done) - wanted).max() < 2.0**-18


def test_one_store_serves_several_threads() -> None:
    """Each plaintext takes its room once, whoever made it, and everyone gets the one that is kept."""
    plain = Plaintext(np.zeros((2, 64), np.uint64), (0, 1), Fraction(1))
    size, made = plain.residues.nbytes, []
    store = PlaintextStore(10 * size)

    def make() -> Plaintext:
        made.append(1)
        time.sleep(0.001)
        return replace(plain)

    with ThreadPoolExecutor(8) as crowd:
        got = list(crowd.map(lambda n: store.get(n % 10, make), range(200)))
    assert store.nbytes == 10 * size
    assert not store.full
    assert len({id(each) for each in got}) == 10
    assert len(made) >= 10
    store.get("one more", make)
    assert store.full
    assert store.nbytes == 10 * size


def test_a_matrix_over_fewer_slots_and_an_empty_row(toy: Party) -> None:
    rng = np.random.default_rng(12)
    x, block = rng.uniform(-1, 1, 16), matrix(rng, 16)
    made = transform(toy, [[block], [[(0, np.zeros(1))]]], 16, 4)
    first, second = made.apply(toy.evaluator, [toy.encrypt(x)])  # type: ignore[list-item]
    assert np.abs(toy.decrypt(first, 16) - product(block, x)).max() < 2.0**-18
    assert np.abs(toy.decrypt(second, 16)).max() < 2.0**-18


def test_a_matrix_without_its_keys_is_refused(toy: Party) -> None:
    made = transform(toy, [[[(9, np.linspace(0, 1, toy.context.slots))]]], toy.context.slots, 16)
    with pytest.raises(MissingKey):
        made.apply(toy.evaluator, [toy.encrypt(np.ones(4))])  # type: ignore[list-item]


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5, 7, 8, 11, 15, 16, 27, 31, 44, 63])
@pytest.mark.parametrize("parity", ["all", "odd"])
def test_polynomials_of_any_degree(degree: int, parity: str) -> None:
    toy = party("reference")
    rng = np.random.default_rng(degree)
    coefficients = rng.uniform(-1, 1, degree + 1) / degree
    if parity == "odd":
        coefficients[::2] = 0
        coefficients[-1] = 0.5
    x = np.linspace(-1, 1, toy.context.slots)
    level = depth(degree)
    y = chebyshev(toy.evaluator, toy.encrypt(x, level), coefficients)  # type: ignore[arg-type]
    assert y.level == 0
    assert same_scale(y.scale, toy.context.scale(0))
    assert np.abs(toy.decrypt(y) - cheb.chebval(x, coefficients)).max() < 2.0**-17


def test_a_polynomial_on_every_engine_and_at_a_chosen_scale(toy: Party) -> None:
    x, coefficients = np.linspace(-1, 1, toy.context.slots), np.array([0.1, 0.5, -0.25, 0.125, 0, 0.3])
    scale = toy.context.scale(3) * 3 / 2
    y = chebyshev(toy.evaluator, toy.encrypt(x), coefficients, scale=scale)  # type: ignore[arg-type]
    assert y.scale == scale
    assert np.abs(toy.decrypt(y) - cheb.chebval(x, coefficients)).max() < 2.0**-17


def test_a_constant_polynomial_is_a_ciphertext(toy: Party) -> None:
    y = chebyshev(toy.evaluator, toy.encrypt(np.ones(4)), [0.25, 0.0])  # type: ignore[arg-type]
    assert y.level == toy.context.parameters.max_level - 1
    assert np.abs(toy.decrypt(y) - 0.25).max() < 2.0**-20


def test_too_few_levels_are_said() -> None:
    toy = party("reference")
    with pytest.raises(OutOfLevels, match="degree 7"):
        chebyshev(toy.evaluator, toy.encrypt(np.ones(4), 2), [0.0] * 7 + [1.0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("degree", "relinearised", "products"),
    [(1, 0, 0), (2, 1, 1), (7, 4, 5), (15, 7, 8), (31, 10, 13), (63, 13, 23), (127, 18, 28)],
)
def test_few_products_are_made_and_fewer_relinearised(degree: int, relinearised: int, products: int) -> None:
    coefficients = np.random.default_rng(degree).uniform(0.1, 1, degree + 1)
    made = schedule(tuple(coefficients.tolist()))
    assert made.cost()[0] == relinearised
    assert len(made.powers() - {1}) + made.cost()[1] == products
