"""The canonical embedding of CKKS: its special FFT, and the way between doubles and residues.

Double-double numbers are pairs (high, low) of doubles with |low| <= ulp(high) / 2 and the value high + low; the
algorithms are Dekker's (1971) and Knuth's, which need IEEE arithmetic and no contraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import mpmath
import numpy as np
from numpy.typing import NDArray

from vortex_crypto.arith.ring import modular

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
MAX_LOG_MAGNITUDE = 120
MAX_LOG_LIFT = 1000
"""Products of bases that `lift_to_floats` takes: doubles end at 2^1024."""

_SPLITTER = float((1 << 27) + 1)


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a + b exactly, as the rounded sum and its error."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def fast_two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """`two_sum` for |a| >= |b| or a = 0."""
    s = a + b
    return s, b - (s - a)


def two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a * b exactly, as the rounded product and its error."""
    p = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(a: Floats) -> tuple[Floats, Floats]:
    t = _SPLITTER * a
    high = t - (t - a)
    return high, a - high


def multiply_dd(high: Floats, low: Floats, s_high: Floats, s_low: Floats) -> tuple[Floats, Floats]:
    """(high + low) * (s_high + s_low) in double-double; relative error below 2^-102."""
    p, e = two_product(high, s_high)
    return fast_two_sum(p, e + (high * s_low + low * s_high))


def add_dd(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """a + b in double-double; relative error below 2^-103 (Knuth's accurate sum)."""
    s, e = two_sum(a[0], b[0])
    t, f = two_sum(a[1], b[1])
    s, e = fast_two_sum(s, e + t)
    return fast_two_sum(s, e + f)


def split_scale(scale: Fraction | int) -> tuple[float, float]:
    """A positive exact scale as a double-double: within 2^-106 of it, relatively."""
    exact = Fraction(scale)
    high = float(exact)
    return high, float(exact - Fraction(high))


@lru_cache(maxsize=64)
def roots(slots: int) -> Complexes:
    """For each half-length h = 1, 2, 4, .., slots/2: zeta_h^(5^j mod 8h), zeta_h = exp(2 pi i / 8h), j < h; at h + j.

    Entry 0 is unused. Each part is within an ulp of the exact value.
    """
    table = np.zeros((2, max(slots, 1)), dtype=np.complex128)
    table[:] = roots_extended(slots)
    return np.ascontiguousarray(table[0])


@lru_cache(maxsize=64)
def roots_extended(slots: int) -> Complexes:
    """`roots` as double-doubles, [2, slots]: high and low parts."""
    table = np.zeros((2, max(slots, 1)), dtype=np.complex128)
    if slots < 2:
        return table
    whole = _unit_circle(4 * slots)
    exponents = powers_of_five(slots // 2, 4 * slots)
    half = 1
    while half < slots:
        table[:, half : 2 * half] = whole[:, (exponents[:half] % (8 * half)) * (4 * slots // (8 * half))]
        half *= 2
    return table


def powers_of_five(count: int, modulus: int) -> NDArray[np.int64]:
    """5^j mod modulus for j < count: the exponents of the slots."""
    result = np.ones(max(count, 1), dtype=np.int64)
    done = 1
    while done < count:
        result[done : 2 * done] = result[:done] * pow(5, done, modulus) % modulus
        done *= 2
    return result


def _unit_circle(order: int) -> Complexes:
    """exp(2 pi i k / order), k < order, as double-doubles [2, order]: products of two short tables from mpmath."""
    fine = 1 << (order.bit_length() // 2)
    with mpmath.workprec(160):
        coarse_table = [mpmath.expjpi(mpmath.mpf(2) * k * fine / order) for k in range(order // fine)]
        fine_table = [mpmath.expjpi(mpmath.mpf(2) * k / order) for k in range(fine)]
    a, b = (_complex_dd(table) for table in (coarse_table, fine_table))
    return multiply_complex_dd(a[:, :, None], b[:, None, :]).reshape(2, order)


def _complex_dd(values: Sequence[mpmath.mpc]) -> Complexes:
    high = [complex(float(v.real), float(v.imag)) for v in values]
    low = [complex(float(v.real - h.real), float(v.imag - h.imag)) for v, h in zip(values, high, strict=True)]
    return np.array([high, low])


def multiply_complex_dd(a: Complexes, b: Complexes) -> Complexes:
    """Products of complex double-doubles [2, ...]."""
    ar, ai, br, bi = (
        (v[0].real, v[1].real) if part == 0 else (v[0].imag, v[1].imag) for v in (a, b) for part in (0, 1)
    )
    minus = multiply_dd(*ai, *bi)
    real = add_dd(multiply_dd(*ar, *br), (-minus[0], -minus[1]))
    imag = add_dd(multiply_dd(*ar, *bi), multiply_dd(*ai, *br))
    return np.stack([real[0] + 1j * imag[0], real[1] + 1j * imag[1]])


def add_complex_dd(a: Complexes, b: Complexes) -> Complexes:
    """Sums of complex double-doubles [2, ...]."""
    real = add_dd((a[0].real, a[1].real), (b[0].real, b[1].real))
    imag = add_dd((a[0].imag, a[1].imag), (b[0].imag, b[1].imag))
    return np.stack([real[0] + 1j * imag[0], real[1] + 1j * imag[1]])


def bit_reversal(count: int) -> NDArray[np.int64]:
    """The permutation j -> brv(j) on log2(count) bits."""
    result = np.zeros(count, dtype=np.int64)
    half = 1
    while half < count:
        result[half : 2 * half] = result[:half] + count // (2 * half)
        half *= 2
    return result


def special_fft(values: Complexes) -> Complexes:
    """Decimation in time over the group of powers of five (Cheon et al. 2017): stages of half-length 1, 2, 4, .."""
    n = values.shape[-1]
    z = values[..., bit_reversal(n)]
    table = roots(n)
    half = 1
    while half < n:
        pairs = z.reshape(*z.shape[:-1], -1, 2, half)
        u, v = pairs[..., 0, :], pairs[..., 1, :] * table[half : 2 * half]
        z = np.stack([u + v, u - v], axis=-2).reshape(z.shape)
        half *= 2
    return z


def special_ifft(values: Complexes) -> Complexes:
    """The stages of `special_fft` undone in reverse."""
    n = values.shape[-1]
    table = roots(n).conj()
    w = values
    half = n // 2
    while half:
        pairs = w.reshape(*w.shape[:-1], -1, 2, half)
        u, v = pairs[..., 0, :], pairs[..., 1, :]
        w = np.stack([u + v, (u - v) * table[half : 2 * half]], axis=-2).reshape(w.shape)
        half //= 2
    result: Complexes = w[..., bit_reversal(n)] / n
    return result


def special_fft_extended(values: Complexes) -> Complexes:
    """`special_fft` on double-doubles [..., 2, n]."""
    n = values.shape[-1]
    z = np.moveaxis(values, -2, 0)[..., bit_reversal(n)]
    table = roots_extended(n)
    half = 1
    while half < n:
        pairs = z.reshape(*z.shape[:-1], -1, 2, half)
        twiddle = _broadcast(table[:, half : 2 * half], pairs.ndim - 2)
        u, v = pairs[..., 0, :], multiply_complex_dd(pairs[..., 1, :], twiddle)
        z = np.stack([add_complex_dd(u, v), add_complex_dd(u, -v)], axis=-2).reshape(z.shape)
        half *= 2
    return np.ascontiguousarray(np.moveaxis(z, 0, -2))


def special_ifft_extended(values: Complexes) -> Complexes:
    """The inverse of `special_fft_extended`."""
    n = values.shape[-1]
    w = np.moveaxis(values, -2, 0)
    table = roots_extended(n).conj()
    half = n // 2
    while half:
        pairs = w.reshape(*w.shape[:-1], -1, 2, half)
        twiddle = _broadcast(table[:, half : 2 * half], pairs.ndim - 2)
        u, v = pairs[..., 0, :], pairs[..., 1, :]
        turned = multiply_complex_dd(add_complex_dd(u, -v), twiddle)
        w = np.stack([add_complex_dd(u, v), turned], axis=-2).reshape(w.shape)
        half //= 2
    return np.ascontiguousarray(np.moveaxis(w[..., bit_reversal(n)] / n, 0, -2))


def _broadcast(table: Complexes, middle: int) -> Complexes:
    return table.reshape(2, *([1] * (middle - 1)), table.shape[-1])


def rounded_product(high: Floats, low: Floats | None, scale: tuple[float, float]) -> tuple[Floats, Floats]:
    """round((high + low) * scale) as two integral doubles whose sum it is."""
    s_high, s_low = (np.asarray(part) for part in scale)
    with np.errstate(over="ignore", invalid="ignore"):  # what is out of range is for the caller to refuse
        p, e = multiply_dd(high, np.zeros_like(high) if low is None else low, s_high, s_low)
        whole = np.rint(p)
        return whole, np.rint((p - whole) + e)


def integral_residues(values: Floats, q: modular.U64) -> modular.U64:
    """Residues [..., limbs, N] of integral doubles [..., N] below 2^120, by three parts of 40 bits."""
    magnitude = np.abs(values)[..., None, :]
    total = np.zeros((*values.shape[:-1], q.shape[0], values.shape[-1]), dtype=np.uint64)
    for shift in (80, 40, 0):
        part = np.floor(np.ldexp(magnitude, -shift))
        magnitude = magnitude - np.ldexp(part, shift)
        weight = np.array([[pow(2, shift, int(p))] for p in q[:, 0]], dtype=np.uint64)
        total = modular.add(total, modular.mul(part.astype(np.uint64) % q, weight, q), q)
    return np.where((values < 0)[..., None, :], modular.sub(np.zeros_like(total), total, q), total)
