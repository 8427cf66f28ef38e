"""Which texts are near-duplicates of each other? The resemblance of their runs of words, compared where it can be large.

Of all pairs only those are looked at that share one of their rarest runs: two sets of which at least the share t is common have a
common element among the first (1 - t) n + 1 of each, n its size, in any order of all elements (prefix filtering, Chaudhuri, Ganti and
Kaushik 2006; Bayardo, Ma and Srikant 2007). In the order of rising frequency these are rare, so phrases that everyone uses bring nobody
together, and no pair is missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from etudes.text.tokens import tokenize

IntArray = NDArray[np.int64]
ROWS = 512  # texts compared with all others at once
PAIRS = 20_000  # pairs counted at once


def near_duplicates(texts: Sequence[str], shingle: int, least: float) -> IntArray:
    """A number (N,), from 0 in the order of the texts, that is the same for texts that resemble each other, directly or through others.

    The resemblance of two is |A and B| / |A or B| of the sets of their runs of ``shingle`` words (Broder: On the Resemblance and
    Containment of Documents, 1997); from ``least`` on they are near-duplicates.

    Time grows with the runs and with the pairs that share a rare run, memory with the runs and, of these pairs, with those of `ROWS`
    texts. The worst are N texts that are all alike: N^2 pairs.

    Args:
        texts: (N,).
        shingle: words of a run; a shorter text is one run.
        least: above 0, at most 1.
    """
    runs = _runs(texts, shingle)
    sizes = np.diff(runs.indptr)
    group = np.arange(len(texts))
    for first, second in _pairs(_rarest(runs, least), runs):
        common = np.concatenate(
            [
                runs[first[k : k + PAIRS]].multiply(runs[second[k : k + PAIRS]]).sum(axis=1).A1
                for k in range(0, len(first), PAIRS)
            ]
        )
        alike = common / (sizes[first] + sizes[second] - common) >= least
        group = _joined(group, first[alike], second[alike])
    return group


def _runs(texts: Sequence[str], shingle: int) -> csr_matrix:
    """Which runs (N, V) are in each text, the rarest first.

    A run is the sum, modulo 2^64, of a random number for each word and place, so that a text of a thousand words is a thousand
    numbers; two different runs are taken for one with probability 2^-64.
    """
    ids: dict[str, int] = {}
    documents = [[ids.setdefault(word, len(ids)) for word in tokenize(text)] for text in texts]
    random = np.random.default_rng(0).integers(0, 2**64, (shingle, max(1, len(ids))), dtype=np.uint64)
    hashes = []
    for document in documents:
        words = np.array(document, dtype=np.int64)
        ends = max(1, len(words) - shingle + 1)
        places = range(min(shingle, len(words)))
        parts = [random[place][words[place : place + ends]] for place in places]
        hashes.append(np.unique(np.sum(parts, axis=0, dtype=np.uint64)))
    lengths = [len(found) for found in hashes]
    _, run, counts = np.unique(np.concatenate(hashes), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    matrix = csr_matrix(
        (np.ones(len(run), dtype=np.int32), rank[run], np.cumsum([0, *lengths])),
        shape=(len(texts), len(counts)),
    )
    matrix.sort_indices()
    return matrix


def _rarest(runs: csr_matrix, least: float) -> csr_matrix:
    """Of each text the runs of which a near-duplicate must share one."""
    sizes = np.diff(runs.indptr)
    kept = sizes - np.ceil(least * sizes - 1e-9).astype(np.int64) + 1
    place = np.arange(runs.nnz) - np.repeat(runs.indptr[:-1], sizes)
    own = place < np.repeat(kept, sizes)
    ends = np.cumsum([0, *np.minimum(kept, sizes)])
    return csr_matrix((runs.data[own], runs.indices[own], ends), shape=runs.shape)


def _pairs(rarest: csr_matrix, runs: csr_matrix) -> Iterator[tuple[IntArray, IntArray]]:
    """Places of texts that share a rare run, the second after the first, for some texts at a time."""
    other = rarest.T.tocsr()
    for start in range(0, runs.shape[0], ROWS):
        shared = (rarest[start : start + ROWS] @ other).tocoo()
        first, second = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
        after = second > first
        if after.any():
            yield first[after], second[after]


def _joined(group: IntArray, first: IntArray, second: IntArray) -> IntArray:
    """The groups (N,) after pairs of places are made one."""
    edges = csr_matrix((np.ones(len(first)), (group[first], group[second])), shape=(len(group), len(group)))
    _, joined = connected_components(edges, directed=False)
    return np.unique(joined[group], return_inverse=True)[1].astype(np.int64)
