"""What an arithmetic form computes, for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy

from vortex_crypto.nn.forms import Affine, Bilinear, Elementwise, Extremum, Form, X
from vortex_crypto.nn.ir import Array


def apply(form: Form, arrays: Sequence[Array | None]) -> Array:
    """The numbers a form stands for, flat."""
    flat = [None if a is None else np.asarray(a, np.float64).ravel() for a in arrays]
    if isinstance(form, Affine):
        return form.bias + sum(np.asarray(m @ flat[k]) for k, m in form.maps.items())
    if isinstance(form, Bilinear):
        return np.asarray(form.total @ ((form.left @ flat[form.a]) * (form.right @ flat[form.b])))
    if isinstance(form, Extremum):
        taps = np.append(flat[form.arg] * (-1 if form.least else 1), -np.inf)[form.windows]
        return taps.argmax(axis=1) if form.position else taps.max(axis=1) * (-1 if form.least else 1)
    assert isinstance(form, Elementwise)
    return np.asarray(sympy.lambdify(X, form.expression, ["scipy", "numpy"])(flat[form.arg])) + 0 * flat[form.arg]
