"""What a linear method sees of a text: weighed terms, averaged word vectors, states of an encoder that is not trained.

A block is fitted on training rows and gives the features of any rows. Its training rows have a mean squared length of one, so that
one penalty means about the same for all blocks, and blocks that stand side by side count alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from etudes.models import register_model
from etudes.stored import Stored
from etudes.text.parameters import FrozenParameters
from etudes.text.terms import (
    character_terms,
    count_terms,
    document_frequency,
    inverse_frequency,
    scaled_columns,
    tfidf,
    unit_rows,
    word_terms,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Part = tuple[str, ...]
LEAST_DEVIATION = 1e-6


class Corpus:
    """Texts, and what is computed of them once and no label enters: counts of their terms, states of the encoder.

    Args:
        texts: (N,).
        frozen: the encoder and what it reads.
        characters: shortest and longest run of characters.
        known: states (L, D) of texts that are at hand already, by text.
    """

    def __init__(
        self,
        texts: Sequence[str],
        frozen: FrozenParameters,
        characters: tuple[int, int],
        known: Mapping[str, NDArray] | None = None,
    ) -> None:
        self.texts, self.frozen, self.characters, self.known = list(texts), frozen, characters, known or {}
        self._counts: dict[str, tuple[csr_matrix, list[str]]] = {}
        self._states: NDArray | None = None
        self._vectors: NDArray | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def counts(self, view: str) -> tuple[csr_matrix, list[str]]:
        """The bag (N, V) of ``words`` or ``characters``, and its terms."""
        if view not in self._counts:
            parts = {"words": word_terms, "characters": lambda text: character_terms(text, *self.characters)}
            self._counts[view] = count_terms(map(parts[view], self.texts))
        return self._counts[view]

    @property
    def states(self) -> NDArray:
        """The encoder's hidden states, pooled over word pieces, layers side by side (N, D), float32."""
        if self._states is None:
            new = [text for text in dict.fromkeys(self.texts) if text not in self.known]
            self.known = {**self.known, **dict(zip(new, frozen_states(new, self.frozen), strict=True))}
            self._states = np.stack([self.known[text] for text in self.texts])
        return self._states

    @property
    def word_vectors(self) -> NDArray:
        """A vector (V, D) for each of the terms of ``words``: the encoder's input embedding, a mean over word pieces."""
        if self._vectors is None:
            from etudes.text.encoders import piece_means

            self._vectors = piece_means(self.frozen.encoder, self.counts("words")[1]).astype(np.float64)
        return self._vectors


def frozen_states(texts: Sequence[str], frozen: FrozenParameters, poolings: Sequence[str] = ()) -> NDArray:
    """The encoder's states of texts (N, D), float32; see `Corpus.states`. With ``poolings`` those of each, side by side."""
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    import torch

    from etudes.text.encoders import embed, load_encoder, load_tokenizer, tokenize_batch

    sequences = tokenize_batch(load_tokenizer(frozen.encoder), texts, frozen.max_length)
    device = torch.device("cpu")
    return embed(
        load_encoder(frozen.encoder), sequences, device, frozen.layers, poolings=poolings or (frozen.pooling,)
    )


def log_count_ratio(counts: csr_matrix, labels: IntArray, smoothing: float) -> FloatArray:
    """r_t = ln (p_t / |p|) / (q_t / |q|), with p and q the counts of each term in texts of either class and ``smoothing`` added.

    On counts these are the weights of multinomial naive Bayes; on whether a term is there they are what NB-SVM multiplies
    features with (Wang and Manning 2012).

    Args:
        counts: (N, V), of training texts.
        labels: (N,) 0 or 1.
        smoothing: what each count begins with.
    """
    p, q = (smoothing + np.asarray(counts[labels == label].sum(axis=0)).ravel() for label in (1, 0))
    return np.log(p / p.sum()) - np.log(q / q.sum())


@dataclass(kw_only=True)
class Block(Stored, ABC):
    """Features of texts; ``scale`` makes the mean squared length of the training rows one."""

    scale: float = 1.0

    @abstractmethod
    def features(self, corpus: Corpus, rows: IntArray) -> Any:
        """Before the scale: (R, D), sparse or dense."""

    def matrix(self, corpus: Corpus, rows: IntArray) -> Any:
        """Features (R, D) of some of the texts."""
        return self.features(corpus, rows) * self.scale

    def rescaled(self, corpus: Corpus, rows: IntArray) -> Self:
        """The block with the scale of its training rows."""
        found = self.features(corpus, rows)
        squared = found.multiply(found).sum() if issparse(found) else np.square(found).sum()
        self.scale = float(1 / np.sqrt(max(squared / len(rows), 1e-12)))
        return self


@register_model("texts.terms")
@dataclass(kw_only=True)
class Terms(Block):
    """Terms of ``view`` that a training row has, weighed as ``counts``, ``tfidf``, or by NB-SVM's ``ratio``.

    ``factors`` (V,) are inverse document frequencies, or ratios. With ratios, terms count as there or not, and rows have length one.
    """

    view: str
    weighting: str
    terms: list[str]
    factors: FloatArray

    @classmethod
    def fit(
        cls, corpus: Corpus, rows: IntArray, labels: IntArray, view: str, weighting: str, smoothing: float
    ) -> Self:
        counts, names = corpus.counts(view)
        own = counts[rows]
        kept = np.flatnonzero(document_frequency(own))
        own = own[:, kept]
        factors = np.ones(len(kept))
        if weighting == "tfidf":
            factors = inverse_frequency(own)
        elif weighting == "ratio":
            factors = log_count_ratio(own.sign(), labels, smoothing)
        return cls(view=view, weighting=weighting, terms=[names[k] for k in kept], factors=factors)

    def counts(self, corpus: Corpus, rows: IntArray) -> csr_matrix:
        """The bag (R, V) of this block's terms; others are left out."""
        counts, names = corpus.counts(self.view)
        place = dict(zip(self.terms, range(len(self.terms)), strict=True))
        column = np.array([place.get(name, -1) for name in names], dtype=np.int64)
        own = counts[rows].tocoo()
        kept = column[own.col] >= 0
        shape = (len(rows), len(self.terms))
        return csr_matrix((own.data[kept], (own.row[kept], column[own.col[kept]])), shape)

    def features(self, corpus: Corpus, rows: IntArray) -> csr_matrix:
        counts = self.counts(corpus, rows)
        if self.weighting == "tfidf":
            return tfidf(counts, self.factors)
        return unit_rows(scaled_columns(counts.sign(), self.factors)) if self.weighting == "ratio" else counts


@dataclass(kw_only=True)
class Dense(Block):
    """Dense features z = (x - mean) / deviation, both (D,) and of the training rows."""

    mean: FloatArray = field(default_factory=lambda: np.zeros(1))
    deviation: FloatArray = field(default_factory=lambda: np.ones(1))

    @abstractmethod
    def raw(self, corpus: Corpus, rows: IntArray) -> FloatArray:
        """x (R, D)."""

    def features(self, corpus: Corpus, rows: IntArray) -> FloatArray:
        return (self.raw(corpus, rows) - self.mean) / self.deviation

    def standardised(self, corpus: Corpus, rows: IntArray) -> Self:
        """The block with mean and deviation of its training rows."""
        x = self.raw(corpus, rows)
        self.mean, self.deviation = x.mean(axis=0), np.maximum(x.std(axis=0), LEAST_DEVIATION)
        return self


@register_model("texts.vectors")
@dataclass(kw_only=True)
class Vectors(Dense):
    """The mean vector of a text's words; each word weighs one, or ln((1 + N) / (1 + d)) + 1 of the training texts.

    A vector is known of every word, so words that no training text has take part; their d is 0.
    """

    terms: list[str]
    weights: FloatArray
    unknown: float

    @classmethod
    def fit(cls, corpus: Corpus, rows: IntArray, weighting: str) -> Self:
        counts, names = corpus.counts("words")
        own = counts[rows]
        seen = np.flatnonzero(document_frequency(own))
        inverse, unknown = np.ones(len(names)), 1.0
        if weighting == "idf":
            inverse, unknown = inverse_frequency(own), float(np.log(1 + len(rows)) + 1)
        block = cls(terms=[names[k] for k in seen], weights=inverse[seen], unknown=unknown)
        return block.standardised(corpus, rows)

    def raw(self, corpus: Corpus, rows: IntArray) -> FloatArray:
        counts, names = corpus.counts("words")
        known = dict(zip(self.terms, self.weights.tolist(), strict=True))
        weights = np.array([known.get(name, self.unknown) for name in names])
        return mean_vectors(counts[rows], corpus.word_vectors, weights)


def mean_vectors(counts: csr_matrix, vectors: NDArray, weights: FloatArray) -> FloatArray:
    """sum_t c_t w_t v_t / sum_t c_t w_t (N, D) of counts (N, V), vectors (V, D) and weights (V,); zeros where no word counts."""
    weighed = scaled_columns(counts, weights)
    total = np.asarray(weighed.sum(axis=1)).reshape(-1, 1)
    found: FloatArray = (weighed @ vectors) / np.where(total > 0, total, 1.0)
    return found


@register_model("texts.states")
@dataclass(kw_only=True)
class States(Dense):
    """The states of the encoder, which is stored by its name and a fingerprint of its weights."""

    fingerprint: str

    @classmethod
    def fit(cls, corpus: Corpus, rows: IntArray) -> Self:
        return cls(fingerprint=encoder_fingerprint(corpus.frozen.encoder)).standardised(corpus, rows)

    def raw(self, corpus: Corpus, rows: IntArray) -> FloatArray:
        """The states (R, D).

        Raises:
            ValueError: the encoder is another one than that of the training.
        """
        name = corpus.frozen.encoder
        if (found := encoder_fingerprint(name)) != self.fingerprint:
            raise ValueError(
                f"The encoder '{name}' has other weights ({found}) than the one this model was trained with "
                f"({self.fingerprint}); install that version or train again"
            )
        return corpus.states[rows].astype(np.float64)


@lru_cache(maxsize=2)
def encoder_fingerprint(name: str) -> str:
    """Of an encoder's weights."""
    from etudes.text.encoders import load_encoder, weights_fingerprint

    return weights_fingerprint(load_encoder(name))


def fit_block(part: Part, corpus: Corpus, rows: IntArray, labels: IntArray, smoothing: float) -> Block:
    """The block that ``part`` names (``terms``, view, weighting; ``vectors``, weighting; ``states``), fitted on rows (R,) with labels (R,) and scaled."""
    block: Block
    if part[0] == "terms":
        block = Terms.fit(corpus, rows, labels, part[1], part[2], smoothing)
    elif part[0] == "vectors":
        block = Vectors.fit(corpus, rows, part[1])
    else:
        block = States.fit(corpus, rows)
    return block.rescaled(corpus, rows)
