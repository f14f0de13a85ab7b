"""The five operators of an arithmetic graph: affine map, elementwise function, polynomial, product, extremum.

After `arithmetize` a graph has no others. Each acts on flattened samples, arrays of shape (batch, size), so that a
whole calibration set goes through in one sweep; `ref` is the same meaning for one sample in its tensor's own shape, as
`nn.plain.execute` calls it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import sympy
from numpy.polynomial import chebyshev

from vortex_crypto.errors import InvalidInput
from vortex_crypto.nn.forms import Sparse, X
from vortex_crypto.nn.ir import Array, Graph, Inputs, Spec


@dataclass(frozen=True, eq=False)
class AffineOp:
    """y = sum_k maps[k] @ x_k + bias; `maps[k]` is (y.size, x_k.size), one for each input of the node, in order."""

    maps: tuple[Sparse, ...]
    bias: Array
    shape: tuple[int, ...]
    name: ClassVar[str] = "Affine"
    converts_domain: ClassVar[bool] = False

    def batched(self, *samples: Array) -> Array:
        """The map on arrays of shape (batch, size)."""
        total = np.broadcast_to(self.bias, (samples[0].shape[0], self.bias.size)).copy()
        for matrix, x in zip(self.maps, samples, strict=True):
            total += (matrix @ x.T).T
        return total

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        """A float64 tensor of `shape`."""
        return (Spec(self.shape, np.dtype(np.float64)),)

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        """The map on one sample."""
        return _one_sample(self.batched, arrays, self.shape)

    def fingerprint(self) -> str:
        """Digest of maps and bias."""
        return f"Affine({_digest(*(a for m in self.maps for a in (m.indptr, m.indices, m.data)), self.bias)})"


@dataclass(frozen=True, eq=False)
class ElementwiseOp:
    """y = expression(x), element by element."""

    expression: sympy.Expr
    shape: tuple[int, ...]
    name: ClassVar[str] = "Elementwise"
    converts_domain: ClassVar[bool] = False

    def batched(self, samples: Array) -> Array:
        """The function on an array of any shape."""
        return function_of(self.expression)(samples)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        """A float64 tensor of `shape`."""
        return (Spec(self.shape, np.dtype(np.float64)),)

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        """The function on one sample."""
        return _one_sample(self.batched, arrays, self.shape)

    def fingerprint(self) -> str:
        """The expression as text."""
        return f"Elementwise({sympy.srepr(self.expression)})"


@dataclass(frozen=True, eq=False)
class PolynomialOp:
    """y = sum_i coefficients[i] T_i(x) with the Chebyshev polynomials T_i, for x in [-1, 1]."""

    coefficients: Array
    shape: tuple[int, ...]
    name: ClassVar[str] = "Polynomial"
    converts_domain: ClassVar[bool] = False

    @property
    def depth(self) -> int:
        """Levels it takes: ceil(log2(degree + 1))."""
        return int(self.coefficients.size - 1).bit_length()

    def batched(self, samples: Array) -> Array:
        """The polynomial on an array of any shape."""
        result: Array = chebyshev.chebval(samples, self.coefficients)
        return result

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        """A float64 tensor of `shape`."""
        return (Spec(self.shape, np.dtype(np.float64)),)

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        """The polynomial on one sample."""
        return _one_sample(self.batched, arrays, self.shape)

    def fingerprint(self) -> str:
        """Digest of the coefficients."""
        return f"Polynomial({_digest(self.coefficients)})"


@dataclass(frozen=True, eq=False)
class ProductOp:
    """y = x_0 * x_1, element by element (`node.inputs` may name one value twice: a square)."""

    shape: tuple[int, ...]
    name: ClassVar[str] = "Product"
    converts_domain: ClassVar[bool] = False

    def batched(self, left: Array, right: Array) -> Array:
        """The product of two arrays of one shape."""
        return np.asarray(left * right)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        """A float64 tensor of `shape`."""
        return (Spec(self.shape, np.dtype(np.float64)),)

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        """The product on one sample."""
        return _one_sample(self.batched, arrays, self.shape)

    def fingerprint(self) -> str:
        """The name is all there is."""
        return "Product()"


@dataclass(frozen=True, eq=False)
class ExtremumOp:
    """y[i] = max of x[windows[i]], or its first position there; `windows` int64 [y.size, k], -1 for no element."""

    windows: Array
    position: bool
    shape: tuple[int, ...]
    name: ClassVar[str] = "Extremum"
    converts_domain: ClassVar[bool] = False

    def batched(self, samples: Array) -> Array:
        """The maxima, or positions, on arrays of shape (batch, size)."""
        return extrema(samples, self.windows, -np.inf, position=self.position)

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        """A float64 tensor of `shape`."""
        return (Spec(self.shape, np.dtype(np.float64)),)

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        """The maxima, or positions, of one sample."""
        return _one_sample(self.batched, arrays, self.shape)

    def fingerprint(self) -> str:
        """Digest of the windows."""
        return f"Extremum({_digest(self.windows)}, {self.position})"


ArithmeticOp = AffineOp | ElementwiseOp | PolynomialOp | ProductOp | ExtremumOp


def extrema(samples: Array, windows: Array, lowest: float, *, position: bool) -> Array:
    """The greatest of each window [rows, k] of samples [batch, size], or its first position: [batch, rows].

    -1 in a window is no element; `lowest` is below all others.
    """
    nothing = np.full((len(samples), 1), lowest, dtype=samples.dtype)
    taps = np.concatenate([samples, nothing], axis=1)[:, windows]
    return np.asarray(taps.argmax(axis=2) if position else taps.max(axis=2))


def evaluate(graph: Graph, samples: Mapping[str, Array]) -> dict[str, Array]:
    """Every value of an arithmetic graph on a batch of samples.

    Args:
        samples: for each graph input an array (batch, *shape) or (batch, size), with one and the same batch.

    Returns:
        value name -> float64 array (batch, size).

    Raises:
        InvalidInput: an input is missing, or does not have the size it should.
    """
    values = {name: flat_samples(name, graph.values[name].size, samples) for name in graph.inputs}
    if len({array.shape[0] for array in values.values()}) > 1:
        raise InvalidInput(f"inputs differ in their number of samples: { {n: len(a) for n, a in values.items()} }")
    for node in graph.nodes():
        op: Any = node.op
        values[node.outputs[0]] = op.batched(*(values[name] for name in node.inputs))
    return values


def flat_samples(name: str, size: int, samples: Mapping[str, Array]) -> Array:
    """Input `name` of `samples` as a float64 array (batch, size)."""
    if name not in samples:
        raise InvalidInput(f"there is no data for the input {name!r}; data is given for {sorted(samples)}")
    array = np.asarray(samples[name], dtype=np.float64)
    if (
        size == 0
        or array.size == 0
        or array.size % size
        or (array.shape[0] * size != array.size and array.size != size)
    ):
        raise InvalidInput(f"input {name!r} needs samples of {size} elements each, got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInput(f"input {name!r} holds infinities or NaN")
    return array.reshape(-1, size)


@functools.lru_cache(maxsize=256)
def function_of(expression: sympy.Expr) -> Callable[[Array], Array]:
    """The expression as a NumPy function of one array; poles give infinities or NaN and no warning."""
    compiled = sympy.lambdify(X, expression, ["scipy", "numpy"])

    def function(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.broadcast_to(compiled(x), np.shape(x)), dtype=np.float64)

    return function


def identity(size: int) -> Sparse:
    """The identity map."""
    return sp.csr_array(sp.eye_array(size, format="csr"))


def diagonal(values: Array) -> Sparse:
    """The map that multiplies element i by values[i]."""
    return sp.csr_array(sp.diags_array(np.asarray(values, dtype=np.float64), format="csr"))


def is_identity(matrix: Sparse) -> bool:
    """Whether the map is exactly the identity."""
    if matrix.shape[0] != matrix.shape[1] or matrix.nnz != matrix.shape[0]:
        return False
    return bool(
        np.array_equal(matrix.indices, np.arange(matrix.shape[0]))
        and np.array_equal(matrix.indptr, np.arange(matrix.shape[0] + 1))
        and (matrix.data == 1.0).all()
    )


def _one_sample(batched: Callable[..., Array], arrays: Sequence[Array], shape: tuple[int, ...]) -> tuple[Array, ...]:
    flat = [np.asarray(array, dtype=np.float64).reshape(1, -1) for array in arrays]
    return (batched(*flat).reshape(shape),)


def _digest(*arrays: Array) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
