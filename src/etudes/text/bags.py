"""Bags of terms of documents, as they are stored with a model, and their principal directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from etudes.models import register_model
from etudes.stored import Stored
from etudes.text.terms import count_terms, document_frequency, inverse_frequency, tfidf

FloatArray = NDArray[np.float64]
LEAST = 1e-6  # of the largest singular value: what is smaller is taken for none
Documents = Sequence[Sequence[str]]  # (N,) the terms of each


@register_model("texts.bag")
@dataclass(kw_only=True)
class Bag(Stored):
    """TF-IDF of the terms that training documents have, rows of length one, times ``scale``; other terms are left out.

    ``inverse`` (V,) are the inverse document frequencies; without it (None) terms count as often as they are there.
    """

    terms: list[str]
    inverse: FloatArray | None
    scale: float = 1.0

    @classmethod
    def fit(cls, documents: Documents, fewest: int = 1, weighed: bool = True, scale: float = 1.0) -> Self:
        """The bag of terms that ``fewest`` documents have or more; ``weighed`` by how rare they are."""
        counts, names = count_terms(documents)
        kept = np.flatnonzero(document_frequency(counts) >= fewest)
        inverse = inverse_frequency(counts)[kept] if weighed else None
        return cls(terms=[names[k] for k in kept], inverse=inverse, scale=scale)

    def matrix(self, documents: Documents) -> csr_matrix:
        """Features (N, V)."""
        place = dict(zip(self.terms, range(len(self.terms)), strict=True))
        found = [[place[term] for term in document if term in place] for document in documents]
        columns = np.array([column for own in found for column in own], dtype=np.int64)
        ends = np.cumsum([0, *map(len, found)])
        counts = csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(found), len(self.terms)))
        counts.sum_duplicates()
        weighed = counts if self.inverse is None else tfidf(counts, self.inverse)
        return csr_matrix(weighed * self.scale)


def singular_vectors(matrix: csr_matrix, dimensions: int) -> FloatArray:
    """The first right singular vectors (V, D) of features (N, V), largest first (latent semantic analysis, Deerwester et al. 1990).

    D is less where the matrix is smaller or has a lower rank: what lies in no row would be another direction each time. It is 0 where
    there is nothing in the matrix, as of documents that are all empty. Each vector has its largest entry above 0.
    """
    from scipy.sparse.linalg import svds

    if not matrix.count_nonzero():
        return np.zeros((matrix.shape[1], 0))
    size = min(dimensions, min(matrix.shape) - 1)
    if size:
        _, values, vectors = svds(matrix, k=size, v0=np.ones(min(matrix.shape)))
    else:  # of a single row or column, which leaves nothing to iterate
        _, values, vectors = np.linalg.svd(matrix.toarray(), full_matrices=False)
    order = np.argsort(-values)
    vectors = vectors[order[values[order] > LEAST * values.max()]]
    signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])
    return np.ascontiguousarray((vectors * signs[:, None]).T)
