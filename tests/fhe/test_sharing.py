"""Results that others may see: what is left of the scheme's noise in them."""

from __future__ import annotations

import numpy as np
import pytest

from vortex_crypto.errors import InvalidInput
from vortex_crypto.fhe.sharing import gaussian, shared


@pytest.mark.parametrize("bits", [-3, 0, 8, 20])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_noise_of_one_step_is_added_and_the_rest_rounded_away(bits: int, dtype: type) -> None:
    values = np.full((100, 200), 0.3, dtype)
    seen, step = shared(values, bits), 2.0**-bits
    assert seen.dtype == dtype
    assert np.array_equal(seen, np.round(seen / step) * step)
    assert (seen - values).real.std() == pytest.approx(step * np.sqrt(1 + 1 / 12), rel=0.05)
    assert abs((seen - values).real.mean()) < step / 20
    assert np.iscomplexobj(seen) == (dtype is np.complex128)


def test_two_messages_closer_than_the_step_look_the_same() -> None:
    """The noise of a decryption, 10 bits below the step, shifts no frequency by more than chance does."""
    size = 200_000
    clean, noisy = (np.bincount((shared(np.full(size, 40 + e), 0)).astype(int), minlength=80) for e in (0, 2.0**-10))
    assert np.abs(clean - noisy).sum() / size < 0.02
    told = np.bincount(shared(np.full(size, 41.0), 0).astype(int), minlength=80)
    assert np.abs(clean - told).sum() / size > 0.5, "a message one step away would be told apart"


def test_the_noise_is_normal_and_fresh() -> None:
    a, b = gaussian(50_000), gaussian(50_000)
    for x in (a.real, a.imag):
        assert x.std() == pytest.approx(1, abs=0.02)
        assert np.mean(np.abs(x) < 1) == pytest.approx(0.6827, abs=0.01)
        assert np.mean(np.abs(x) > 3) == pytest.approx(0.0027, abs=0.001)
    assert abs(np.corrcoef(a.real, a.imag)[0, 1]) < 0.03
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("bits", [53, -53, 1000])
def test_bits_that_a_double_has_not_are_refused(bits: int) -> None:
    with pytest.raises(InvalidInput, match="shared to"):
        shared(np.zeros(1), bits)
