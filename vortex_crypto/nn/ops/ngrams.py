"""TfIdfVectorizer on token numbers: counts of n-grams, with skips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vortex_crypto.errors import InvalidModel, ShapeMismatch
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import Inputs, Op, Sample, Spec


@dataclass(frozen=True)
class TfIdfVectorizer(Op):
    """How often each n-gram of the pool stands in a row of tokens (TF), whether it does (IDF), or both (TFIDF)."""

    name: ClassVar[str] = "TfIdfVectorizer"
    max_gram_length: int = 1
    max_skip_count: int = 0
    min_gram_length: int = 1
    mode: str = "TF"
    ngram_counts: tuple[int, ...] = ()
    ngram_indexes: tuple[int, ...] = ()
    pool_int64s: tuple[int, ...] | None = None
    pool_strings: tuple[str, ...] | None = None
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.pool_int64s is None or self.mode not in ("TF", "IDF", "TFIDF") or not self.ngram_indexes:
            raise InvalidModel("TfIdfVectorizer needs a pool of integers and the mode TF, IDF or TFIDF")
        if min(self.ngram_indexes) < 0:
            raise InvalidModel("TfIdfVectorizer has a negative output index")

    def _pool(self) -> dict[tuple[int, ...], int]:
        """Position of each n-gram in the pool."""
        tokens, found = self.pool_int64s or (), dict[tuple[int, ...], int]()
        position = 0
        for n, start in enumerate(self.ngram_counts, 1):
            end = self.ngram_counts[n] if n < len(self.ngram_counts) else len(tokens)
            for first in range(start, end - n + 1, n):
                found[tokens[first : first + n]] = position
                position += 1
        return found

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        shape = inputs[0].shape
        if len(shape) not in (1, 2):
            raise ShapeMismatch(f"shape {list(shape)} is neither a row of tokens nor several")
        return (Spec((*shape[:-1], max(self.ngram_indexes) + 1), np.dtype(np.float32)),)

    def ref(self, x: Array) -> tuple[Array, ...]:
        rows = x.reshape(-1, x.shape[-1]) if x.size else x.reshape(max(x.shape[0], 1) if x.ndim > 1 else 1, -1)
        pool = self._pool()
        counts = np.zeros((len(rows), max(self.ngram_indexes) + 1), np.float32)
        weights = np.ones(counts.shape[1], np.float32)
        if self.weights is not None:
            weights[list(self.ngram_indexes)] = self.weights
        for row, tokens in zip(counts, rows.tolist(), strict=True):
            for gram in self._grams(tokens):
                if gram in pool:
                    row[self.ngram_indexes[pool[gram]]] += 1
        y = {"TF": counts, "IDF": (counts > 0) * weights, "TFIDF": counts * weights}[self.mode]
        return (y.astype(np.float32).reshape(*x.shape[:-1], -1),)

    def _grams(self, tokens: list[int]) -> Iterator[tuple[int, ...]]:
        for n in range(max(self.min_gram_length, 1), min(self.max_gram_length, len(tokens)) + 1):
            for skip in range(1, min(self.max_skip_count if n > 1 else 0, len(tokens)) + 2):
                for start in range(len(tokens) - skip * (n - 1)):
                    yield tuple(tokens[start : start + skip * (n - 1) + 1 : skip])

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        op = cls(2, 1, 1, "TF", (0, 2), (0, 1, 2), (3, 5, 3, 5))
        yield Sample(op, (rng.integers(3, 6, (2, 9)),))


OPERATORS = (TfIdfVectorizer,)
