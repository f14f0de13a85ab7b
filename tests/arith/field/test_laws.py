"""Algebraic laws on random operands, and agreement with `galois` and with sizes the reference cannot reach."""

from __future__ import annotations

import galois
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.arith.field import operands as make
from vortex_crypto.arith.field import encoding
from vortex_crypto.arith.field.arrays import Array, decode, encode
from vortex_crypto.arith.field.bn254 import FQ, FR, MILLER_LINES, PrimeField, R, fr_root_of_unity
from vortex_crypto.arith.field.kernels import VectorField
from vortex_crypto.arith.field.native import NativeKernels, instruction_sets
from vortex_crypto.errors import InvalidInput, MalformedProof

ENGINES = [NativeKernels(isa) for isa in instruction_sets()]
engines = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.isa)
seeds = st.integers(0, 2**32 - 1)


def random_elements(n: int, seed: int) -> Array:
    """n elements of Fr, uniform but for the bias of reducing 256 bits."""
    limbs = np.random.default_rng(seed).integers(0, 2**64, (n, 4), dtype=np.uint64)
    return ENGINES[0].fr.to_montgomery(limbs)


@engines
@pytest.mark.parametrize("field", [FR, FQ], ids=lambda field: field.name)
@given(seed=seeds, n=st.integers(1, 40))
def test_field_laws(engine: NativeKernels, field: PrimeField, seed: int, n: int) -> None:
    f: VectorField = engine.fr if field is FR else engine.fq
    a, b, c = (make.elements(field, n, seed + i) for i in range(3))
    assert (f.mul(a, f.add(b, c)) == f.add(f.mul(a, b), f.mul(a, c))).all()
    assert (f.mul(f.mul(a, b), c) == f.mul(a, f.mul(b, c))).all()
    assert (f.mul_add(a, b, f.neg(f.mul(a, b))) == 0).all()
    assert (f.sub(a, b) == f.neg(f.sub(b, a))).all()
    ones = np.where(a.any(axis=1, keepdims=True), encode(field, [1]), np.uint64(0))
    assert (f.mul(a, f.inverse(a)) == ones).all()
    assert (f.to_montgomery(f.from_montgomery(a)) == a).all()


@engines
def test_products_agree_with_galois(engine: NativeKernels) -> None:
    gf = galois.GF(R, primitive_element=5, verify=False)
    a, b = make.elements(FR, 64, 1), make.elements(FR, 64, 2)
    wanted = gf(decode(FR, a)) * gf(decode(FR, b))
    assert decode(FR, engine.fr.mul(a, b)) == [int(value) for value in wanted]
    nonzero = a[a.any(axis=1)]
    inverses = gf(decode(FR, nonzero)) ** -1
    assert decode(FR, engine.fr.inverse(nonzero)) == [int(value) for value in inverses]


@engines
@pytest.mark.parametrize("log_n", [6, 11, 13])
def test_transform_evaluates_the_polynomial(engine: NativeKernels, log_n: int) -> None:
    n, shift = 1 << log_n, encode(FR, [7])[0]
    a = random_elements(n, log_n)
    values = engine.ntt(a, coset=shift)
    integers = decode(FR, a)
    for i in (0, 1, n // 2 + 3, n - 1):
        point = 7 * pow(fr_root_of_unity(log_n), i, R) % R
        wanted = 0
        for coefficient in reversed(integers):
            wanted = (wanted * point + coefficient) % R
        assert decode(FR, values[i : i + 1]) == [wanted]
    assert (engine.ntt(values, inverse=True, coset=shift, threads=2) == a).all()


@engines
def test_transform_multiplies_polynomials(engine: NativeKernels) -> None:
    n = 256
    a, b = random_elements(n, 1), random_elements(n, 2)
    padded = [np.concatenate((x, np.zeros_like(x))) for x in (a, b)]
    product = engine.ntt(engine.fr.mul(*(engine.ntt(x) for x in padded)), inverse=True)
    x, y = decode(FR, a), decode(FR, b)
    wanted = [
        sum(x[i] * y[k - i] for i in range(max(0, k - n + 1), min(k, n - 1) + 1)) % R for k in (0, 1, n, 2 * n - 2)
    ]
    assert decode(FR, product[[0, 1, n, 2 * n - 2]]) == wanted


@engines
@pytest.mark.parametrize("group", ["g1", "g2"])
@pytest.mark.parametrize("bits", [0, 1, 8, 33, 256])
def test_sum_of_multiples_of_the_generator(engine: NativeKernels, group: str, bits: int) -> None:
    # Σ s_i·(k_i·G) = (Σ s_i·k_i)·G; small multipliers repeat, so that equal points share buckets.
    g, base, n = getattr(engine, group), make.G1 if group == "g1" else make.G2, 1500
    rng = np.random.default_rng(bits)
    multipliers = engine.fr.from_int64(rng.integers(-30, 30, n))
    scalars = random_elements(n, bits)
    if bits < 64:
        scalars = engine.fr.from_int64(rng.integers(-(2**bits) + 1, 2**bits, n))
    points = g.fixed_base(base, multipliers)
    wanted = g.multiply(base[None], engine.fr.inner_product(scalars, multipliers)[None])[0]
    for threads in (1, 2):
        assert (g.msm(points, scalars, threads=threads) == wanted).all()


@engines
def test_one_bucket_takes_everything(engine: NativeKernels) -> None:
    # Equal scalars and equal points: every addition is a doubling, and the chains are cut and added again.
    points = np.broadcast_to(make.G1, (5000, 2, 4)).copy()
    scalars = engine.fr.from_int64(np.full(5000, 3))
    wanted = engine.g1.multiply(make.G1[None], engine.fr.from_int64(np.array([15000])))[0]
    assert (engine.g1.msm(points, scalars) == wanted).all()
    points[::2] = engine.g1.neg(points[::2])
    assert not engine.g1.msm(points, scalars).any()


@engines
@settings(max_examples=5)
@given(a=st.integers(1, R - 1), b=st.integers(1, R - 1))
def test_pairing_is_bilinear(engine: NativeKernels, a: int, b: int) -> None:
    p = engine.g1.fixed_base(make.G1, encode(FR, [a, a * b % R, -1]))
    q = engine.g2.fixed_base(make.G2, encode(FR, [b, 1, a]))
    assert (engine.pairing_product(p[:1], q[:1]) == engine.pairing_product(p[1:2], q[1:2])).all()
    assert engine.pairing_check(np.concatenate((p[:1], engine.g1.neg(p[1:2]))), q[:2])
    assert not engine.pairing_check(p[:1], q[:1])


@engines
@pytest.mark.parametrize("compressed", [False, True])
def test_encodings_come_back(engine: NativeKernels, compressed: bool) -> None:
    p, q = make.g1_points(20, 1), make.g2_points(20, 1)
    p[3], q[4] = 0, 0
    g1, g2 = (
        encode_(engine, x, compressed=compressed) for encode_, x in ((encoding.encode_g1, p), (encoding.encode_g2, q))
    )
    assert g1.shape == (20, 32 if compressed else 64)
    assert (encoding.decode_g1(engine, g1, compressed=compressed) == p).all()
    assert (encoding.decode_g2(engine, g2, compressed=compressed) == q).all()
    assert (encoding.encode_g1(make.REFERENCE, p, compressed=compressed) == g1).all()
    assert encoding.decode_g2(engine, g2[:0], compressed=compressed).shape == (0, 2, 2, 4)


@pytest.mark.parametrize(
    ("first", "what"), [(0xC0, "other bits"), (0x41, "other bits"), (0x3F, "below p"), (0x00, "no point")]
)
def test_compressed_points_with_wrong_bits_are_refused(first: int, what: str) -> None:
    data = np.zeros((2, 32), dtype=np.uint8)
    data[0, 0], data[1, 0] = encoding.INFINITY, first
    data[1, 1] = 0xFF if first == 0x3F else 0
    data[1, 31] = 4 if first == 0 else 0  # 4³ + 3 = 67 is no square
    with pytest.raises(MalformedProof, match=f"point 1 .*{what}"):
        encoding.decode_g1(ENGINES[-1], data, compressed=True)


@pytest.mark.parametrize("engine", [make.REFERENCE, ENGINES[-1]], ids=lambda engine: engine.name)
def test_wrong_arguments_are_refused(engine: NativeKernels) -> None:
    a = make.elements(FR, 6, 1)
    refused = [
        lambda: engine.fr.add(a, a[:5]),
        lambda: engine.fr.add(a.astype(np.int64), a),  # type: ignore[arg-type]
        lambda: engine.fr.scale(a, a),
        lambda: engine.fr.powers(a[0], -1),
        lambda: engine.ntt(a),
        lambda: engine.ntt(a[:4], coset=np.zeros(4, dtype=np.uint64)),
        lambda: engine.g1.msm(make.g1_points(3), a),
        lambda: engine.g2.msm(make.g1_points(6), a),
        lambda: engine.g1.fixed_base(make.G2, a),
        lambda: engine.pairing_check(make.g1_points(3), make.g2_points(2)),
        lambda: engine.pairing_check(make.g1_points(3), engine.prepare_g2(make.g2_points(2))),
        lambda: engine.prepare_g2(make.g1_points(4)),
        lambda: engine.csr_times_vector(np.array([0, 1]), np.array([6]), a[:1], a),
        lambda: engine.csr_times_vector(np.array([0, 2]), np.array([0]), a[:1], a),
        lambda: engine.csr_times_vector(np.array([1, 1]), np.array([0]), a[:1], a),
        lambda: engine.csr_times_vector(np.array([], dtype=np.int64), np.array([0]), a[:1], a),
        lambda: engine.csr_int64_times_vector(np.array([0, 1]), np.array([0]), a[:1], a),  # type: ignore[arg-type]
        lambda: engine.csr_int64_times_vector(np.array([0, 1]), np.array([0]), np.array([1, 2]), a),
        lambda: engine.csr_int64_times_vector(np.array([0, 1]), np.array([-1]), np.array([1]), a),
        lambda: engine.csr_int64_times_vector(np.array([0, 1]), np.array([6]), np.array([1]), a),
    ]
    for call in refused:
        with pytest.raises(InvalidInput):
            call()


@engines
def test_unreduced_operands_do_no_harm(engine: NativeKernels) -> None:
    # Kernels promise nothing about the values, but must come back: no index may follow from them.
    wild = np.random.default_rng(3).integers(0, 2**64, (3000, 4), dtype=np.uint64)
    wild[::3] = np.uint64(2**64 - 1)
    assert engine.g1.msm(wild[:2000].reshape(-1, 2, 4), wild[:1000]).shape == (2, 4)
    assert engine.g1.fixed_base(make.G1, wild).shape == (3000, 2, 4)
    assert engine.g2.msm(wild[:400].reshape(-1, 2, 2, 4), wild[:100]).shape == (2, 2, 4)
    assert engine.ntt(wild[:2048]).shape == (2048, 4)
    assert engine.fr.inverse(wild).shape == (3000, 4)
    assert engine.prepare_g2(wild[:36].reshape(-1, 2, 2, 4)).shape == (9, MILLER_LINES, 2, 2, 4)
    engine.pairing_check(wild[:4].reshape(-1, 2, 4), wild[4:12].reshape(-1, 2, 2, 4))


def test_instruction_sets_that_are_absent_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no instruction set"):
        NativeKernels("z80")
