"""Sums of products over named indices: Einsum, MatMul, Gemm and their forms.

Every operand is spread over the space of all indices (axes of size 1 broadcast), so one rule makes the matrices of
all three: an entry of the map of operand k is the product of the constant operands, at (output, operand k).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from vortex_crypto.errors import ShapeMismatch
from vortex_crypto.nn.forms import Affine, Bilinear, Form, Unsupported, positions, selection, sparse
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec
from vortex_crypto.nn.ops.base import broadcast, require_same_dtype, spread, wide

Labels = tuple[str, ...]


def _sizes(terms: Sequence[Labels], shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    sizes = dict[str, int]()
    for labels, shape in zip(terms, shapes, strict=True):
        if len(labels) != len(shape):
            raise ShapeMismatch(f"indices {''.join(labels)} do not fit shape {list(shape)}")
        for label, size in zip(labels, shape, strict=True):
            sizes[label] = broadcast([(sizes.get(label, 1),), (size,)])[0]
    return sizes


def _over(array: Array, labels: Labels, space: Sequence[str]) -> Array:
    """`array` with one axis for each index of `space`; a repeated index takes the diagonal."""
    unique = tuple(dict.fromkeys(labels))
    codes = {label: i for i, label in enumerate(unique)}
    array = np.einsum(array, [codes[label] for label in labels], list(range(len(unique))))
    order = sorted(range(len(unique)), key=lambda i: space.index(unique[i]))
    sizes = {unique[i]: array.shape[i] for i in order}
    return array.transpose(order).reshape([sizes.get(label, 1) for label in space])


def contraction(inputs: Inputs, terms: Sequence[Labels], result: Labels, scale: float = 1.0) -> Form:
    """The form of result[...] = scale * sum of products of the first `len(terms)` inputs, indexed by `terms`."""
    shapes = [inputs[k].shape for k in range(len(terms))]
    sizes = _sizes(terms, shapes)
    space = tuple(sizes)
    full = tuple(sizes.values())
    rows = np.broadcast_to(_over(positions(tuple(sizes[label] for label in result)), result, space), full)
    factor: Array = np.full((1,) * len(space), scale)
    variable = [k for k in range(len(terms)) if inputs.constant(k) is None]
    for k, labels in enumerate(terms):
        if k not in variable:
            factor = factor * _over(np.asarray(inputs.constant(k), np.float64), labels, space)
    columns = [np.broadcast_to(_over(positions(shapes[k]), terms[k], space), full) for k in variable]
    size = prod(sizes[label] for label in result)
    factor = np.broadcast_to(factor, full)
    if len(variable) == 1:
        k = variable[0]
        return Affine({k: sparse(rows, columns[0], factor, (size, inputs[k].size))}, np.zeros(size))
    if len(variable) == 2:
        a, b = variable
        products = positions((prod(full),))
        total = sparse(rows.ravel(), products, factor.ravel(), (size, products.size))
        return Bilinear(a, b, selection(columns[0], inputs[a].size), selection(columns[1], inputs[b].size), total)
    return Unsupported(f"a product of {len(variable)} inputs that are not constant", "Multiply two at a time.")


@dataclass(frozen=True)
class MatMul(Op):
    """Matrix product, batched and broadcast as NumPy's."""

    name: ClassVar[str] = "MatMul"

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        require_same_dtype(inputs, 2)
        (left, right), result, _ = self._labels(inputs)
        shapes = inputs[0].shape, inputs[1].shape
        sizes = _sizes((left, right), shapes)
        if shapes[0][-1] != shapes[1][max(len(shapes[1]) - 2, 0)]:
            raise ShapeMismatch(f"matrices of shapes {shapes[0]} and {shapes[1]} do not multiply")
        return (Spec(tuple(sizes[label] for label in result), inputs[0].dtype),)

    @staticmethod
    def _labels(inputs: Inputs) -> tuple[tuple[Labels, Labels], Labels, int]:
        ranks = len(inputs[0].shape), len(inputs[1].shape)
        if 0 in ranks:
            raise ShapeMismatch("a scalar is no matrix")
        batch = tuple(f"b{i}" for i in reversed(range(max(*ranks, 2) - 2)))
        left = ("k",) if ranks[0] == 1 else (*batch[len(batch) - ranks[0] + 2 :], "i", "k")
        right = ("k",) if ranks[1] == 1 else (*batch[len(batch) - ranks[1] + 2 :], "k", "j")
        result = (*batch, *(("i",) if ranks[0] > 1 else ()), *(("j",) if ranks[1] > 1 else ()))
        return (left, right), result, len(batch)

    def ref(self, a: Array, b: Array) -> tuple[Array, ...]:
        return (np.asarray(np.matmul(wide(a), wide(b))).astype(a.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        terms, result, _ = self._labels(inputs)
        return contraction(inputs, terms, result)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for a, b in (((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((2, 1, 2, 3), (4, 3, 2))):
            pair = rng.normal(size=a).astype(np.float32), rng.normal(size=b).astype(np.float32)
            yield Sample(cls(), pair)
            yield Sample(cls(), pair, (0,))
            yield Sample(cls(), pair, (1,))


@dataclass(frozen=True)
class Gemm(Op):
    """alpha A' B' + beta C, where A' and B' may be transposed."""

    name: ClassVar[str] = "Gemm"
    ignored: ClassVar[frozenset[str]] = frozenset({"broadcast"})
    alpha: float = 1.0
    beta: float = 1.0
    transA: int = 0
    transB: int = 0

    def _terms(self) -> tuple[Labels, Labels]:
        return ("k", "i") if self.transA else ("i", "k"), ("j", "k") if self.transB else ("k", "j")

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        require_same_dtype(inputs, 2)
        shapes = inputs[0].shape, inputs[1].shape
        if (
            len(shapes[0]) != 2
            or len(shapes[1]) != 2
            or shapes[0][1 - bool(self.transA)] != shapes[1][bool(self.transB)]
        ):
            raise ShapeMismatch(f"matrices of shapes {shapes[0]} and {shapes[1]} do not multiply")
        shape = shapes[0][bool(self.transA)], shapes[1][1 - bool(self.transB)]
        if inputs.has(2) and broadcast([shape, inputs[2].shape]) != shape:
            raise ShapeMismatch(f"the addend of shape {inputs[2].shape} does not broadcast to {shape}")
        return (Spec(shape, inputs[0].dtype),)

    def ref(self, a: Array, b: Array, c: Array | None = None) -> tuple[Array, ...]:
        left, right = wide(a.T if self.transA else a), wide(b.T if self.transB else b)
        product = left @ right
        y = product if self.alpha == 1 else (product * self.alpha)
        if c is not None:
            y = y + (wide(c) if self.beta == 1 else wide(c) * self.beta)
        return (np.asarray(y).astype(a.dtype, copy=False),)

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        shape = self.infer(inputs)[0].shape
        form = contraction(inputs, self._terms(), ("i", "j"), self.alpha)
        if not inputs.has(2) or not isinstance(form, Affine):
            alone = not inputs.has(2) or isinstance(form, Unsupported)
            return form if alone else Unsupported("a product of two inputs plus a third", "Use MatMul and Add.")
        c = inputs.constant(2)
        if c is None:
            return Affine({**form.maps, 2: spread(inputs[2].shape, shape, self.beta)}, form.bias)
        return Affine(form.maps, form.bias + np.broadcast_to(np.asarray(c, np.float64) * self.beta, shape).ravel())

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        a, b, c = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 3), (3, 4), (4,)))
        yield Sample(cls(), (a, b, c), (1, 2))
        yield Sample(cls(0.5, 2.0), (a, b, c), (1,))
        yield Sample(cls(transA=1, transB=1), (a.T.copy(), b.T.copy()), (0,))
        yield Sample(cls(transB=1), (a, b.T.copy()))


@dataclass(frozen=True)
class Einsum(Op):
    """Einstein summation over any number of operands."""

    name: ClassVar[str] = "Einsum"
    equation: str = ""

    def parse(self, shapes: Sequence[tuple[int, ...]]) -> tuple[list[Labels], Labels]:
        """The indices of every operand and of the result; those of an ellipsis are numbered from the back.

        Raises:
            ShapeMismatch: an equation that does not fit the operands.
        """
        equation = self.equation.replace(" ", "")
        if not re.fullmatch(r"[A-Za-z.,]*(->[A-Za-z.]*)?", equation) or equation.split("->")[0].count(",") + 1 != len(
            shapes
        ):
            raise ShapeMismatch(f"equation {self.equation!r} does not describe {len(shapes)} operands")
        left, arrow, right = equation.partition("->")
        terms = [_labels(term, len(shape)) for term, shape in zip(left.split(","), shapes, strict=True)]
        dots = max(([label for label in term if label.startswith("...")] for term in terms), key=len)
        if arrow:
            result = (
                *right.partition("...")[0],
                *(dots if "..." in right else ()),
                *right.partition("...")[2],
            )
        else:
            letters = [label for term in terms for label in term if not label.startswith("...")]
            result = (*dots, *sorted(label for label in set(letters) if letters.count(label) == 1))
        known = {label for term in terms for label in term}
        if not set(result) <= known or len(set(result)) != len(result):
            raise ShapeMismatch(f"equation {self.equation!r} has a result its operands do not have")
        return terms, result

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        require_same_dtype(inputs, len(inputs))
        terms, result = self.parse([inputs[k].shape for k in range(len(inputs))])
        sizes = _sizes(terms, [inputs[k].shape for k in range(len(inputs))])
        return (Spec(tuple(sizes[label] for label in result), inputs[0].dtype),)

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        terms, result = self.parse([a.shape for a in arrays])
        codes = {label: i for i, label in enumerate(dict.fromkeys(label for term in terms for label in term))}
        operands: list[Any] = [
            x for a, term in zip(arrays, terms, strict=True) for x in (wide(a), [codes[label] for label in term])
        ]
        return (
            np.asarray(np.einsum(*operands, [codes[label] for label in result])).astype(arrays[0].dtype, copy=False),
        )

    def form(self, inputs: Inputs, output: int = 0) -> Form:
        terms, result = self.parse([inputs[k].shape for k in range(len(inputs))])
        return contraction(inputs, terms, result)

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5))
        yield Sample(cls("bij,jk->bik"), (a, b), (1,))
        yield Sample(cls("...j,jk"), (a, b))
        yield Sample(cls("bij->bi"), (a,))


def _labels(term: str, rank: int) -> Labels:
    before, dots, after = term.partition("...")
    hidden = rank - len(before) - len(after)
    if (hidden != 0 and not dots) or hidden < 0 or "." in before + after:
        raise ShapeMismatch(f"indices {term!r} do not fit a tensor of {rank} dimensions")
    return (*before, *(f"...{i}" for i in reversed(range(hidden))), *after)


OPERATORS = (MatMul, Gemm, Einsum)
