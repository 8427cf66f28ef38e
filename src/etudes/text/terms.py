"""Terms of texts, how often they occur, and what they weigh: bag of words and TF-IDF written out (Salton and Buckley 1988).

Equal to what scikit-learn's vectorisers give for the same terms, which the tests hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array

from etudes.text.tokens import tokenize

FloatArray = NDArray[np.float64]


def word_terms(text: str, longest: int = 1) -> list[str]:
    """Words and marks of a text (`etudes.text.tokens.tokenize`), and runs of up to ``longest`` of them."""
    words = tokenize(text)
    runs = (zip(*(words[start:] for start in range(n)), strict=False) for n in range(2, longest + 1))
    return [*words, *map(" ".join, chain.from_iterable(runs))]


def character_terms(text: str, shortest: int, longest: int) -> list[str]:
    """Runs of ``shortest`` to ``longest`` characters inside each word, which has a space on either side.

    A word that is shorter than a run gives itself once.
    """
    found: list[str] = []
    for word in re.sub(r"\s\s+", " ", text.lower()).split():
        padded = f" {word} "
        for n in range(shortest, longest + 1):
            found += [padded[start : start + n] for start in range(max(1, len(padded) - n + 1))]
            if n >= len(padded):
                break
    return found


def count_terms(documents: Iterable[Sequence[str]]) -> tuple[csr_matrix, list[str]]:
    """How often each term is in each document, the bag of words: (N, V) whole numbers as floats; and the V terms, sorted."""
    columns: dict[str, int] = {}
    places, ends = [], [0]
    for document in documents:
        places += [columns.setdefault(term, len(columns)) for term in document]
        ends.append(len(places))
    terms = sorted(columns)
    rank = np.empty(len(terms), dtype=np.int64)
    rank[[columns[term] for term in terms]] = np.arange(len(terms))
    indices = rank[np.array(places, dtype=np.int64)]
    counts = csr_matrix((np.ones(len(indices)), indices, ends), shape=(len(ends) - 1, len(terms)))
    counts.sum_duplicates()
    return counts, terms


def document_frequency(counts: csr_matrix) -> NDArray[np.int64]:
    """In how many documents (V,) each term of counts (N, V) is: by terms, never by parts of texts."""
    return np.bincount(counts.indices[counts.data > 0], minlength=counts.shape[1])


def inverse_frequency(counts: csr_matrix) -> FloatArray:
    """ln((1 + N) / (1 + d_t)) + 1 (V,) of the document frequencies d_t: as if one document more held every term."""
    return np.log((1 + counts.shape[0]) / (1 + document_frequency(counts))) + 1


def tfidf(counts: csr_matrix, inverse: FloatArray, sublinear: bool = True) -> csr_matrix:
    """Term frequency times inverse document frequency (V,), each row at length one; a row without terms stays zero.

    Args:
        counts: (N, V).
        inverse: of `inverse_frequency`, of the training documents.
        sublinear: the frequency is 1 + ln(count) rather than the count.
    """
    frequency = counts.copy()
    if sublinear:
        frequency.data = 1 + np.log(frequency.data)
    return unit_rows(scaled_columns(frequency, inverse))


def scaled_columns(matrix: csr_matrix, factors: FloatArray) -> csr_matrix:
    """The matrix (N, V) with each column times its factor (V,)."""
    return csr_matrix((matrix.data * factors[matrix.indices], matrix.indices, matrix.indptr), matrix.shape)


def unit_rows(matrix: csr_matrix) -> csr_matrix:
    """Each row (N, V) at length one; a row of zeros stays."""
    length = np.sqrt(matrix.multiply(matrix).sum(axis=1)).A1
    return csr_matrix(diags_array(1 / np.where(length > 0, length, 1.0)) @ matrix)
