"""What methods see of an advertisement: terms of its title, runs of words of its description, its categories. numpy and scipy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from etudes.models import register_model
from etudes.pipelines.salary_prediction.advertisements import CATEGORIES, DESCRIPTION, FIELDS, TITLE
from etudes.pipelines.salary_prediction.parameters import TermsParameters
from etudes.stored import Stored
from etudes.text.terms import (
    character_terms,
    count_terms,
    document_frequency,
    inverse_frequency,
    tfidf,
    word_terms,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Views side by side, and the square of their weight; near one for text, and less for the many small categories.
EVERYTHING = {"everything": 1.0}
OF_FIELDS = {"title": 0.5, "title_characters": 0.5, "description": 1.0, "categories": 0.5}


def category_items(row: pd.Series) -> list[str]:
    """``field=value`` for each part of the categories of a row (a place is ``Dorking, Surrey``); what is empty says nothing."""
    return [f"{name}={part.strip()}" for name in CATEGORIES for part in row[name].split(",") if part.strip()]


def terms_of(frame: pd.DataFrame, view: str, terms: TermsParameters) -> list[list[str]]:
    """The terms of each row in one view: ``title``, ``title_characters``, ``description``, ``words`` (of the description), ``categories``,
    or ``everything``, the words of all fields in one bag."""
    if view == "title":
        return [word_terms(text, terms.title_runs) for text in frame[TITLE]]
    if view == "title_characters":
        return [character_terms(text, *terms.characters) for text in frame[TITLE]]
    if view == "description":
        return [word_terms(text, terms.description_runs) for text in frame[DESCRIPTION]]
    if view == "words":
        return [word_terms(text) for text in frame[DESCRIPTION]]
    if view == "categories":
        return [sorted(set(category_items(row))) for _, row in frame[[*CATEGORIES]].iterrows()]
    return [word_terms(" ".join(row)) for row in frame[[*FIELDS]].itertuples(index=False)]


@register_model("salary_prediction.bag")
@dataclass(kw_only=True)
class Bag(Stored):
    """TF-IDF of the terms of one view that training rows have, rows of length one times ``scale``; categories are 0 or 1 over the root of
    their number of fields.

    ``inverse`` (V,) are the inverse document frequencies; terms of descriptions that too few training rows have are left out.
    """

    view: str
    settings: TermsParameters
    scale: float
    terms: list[str]
    inverse: FloatArray

    @classmethod
    def fit(cls, frame: pd.DataFrame, view: str, settings: TermsParameters, scale: float = 1.0) -> Self:
        counts, names = count_terms(terms_of(frame, view, settings))
        least = settings.fewest if view in ("description", "words", "everything") else 1
        kept = np.flatnonzero(document_frequency(counts) >= least)
        inverse = inverse_frequency(counts)[kept]
        return cls(view=view, settings=settings, scale=scale, terms=[names[k] for k in kept], inverse=inverse)

    def matrix(self, frame: pd.DataFrame) -> csr_matrix:
        """Features (N, V)."""
        place = dict(zip(self.terms, range(len(self.terms)), strict=True))
        found = [[place[t] for t in own if t in place] for own in terms_of(frame, self.view, self.settings)]
        ends = np.cumsum([0, *map(len, found)])
        columns = np.concatenate([np.array(own, dtype=np.int64) for own in found])
        counts = csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(found), len(self.terms)))
        counts.sum_duplicates()
        if self.view == "categories":
            return csr_matrix(counts * (self.scale / np.sqrt(len(CATEGORIES))))
        return csr_matrix(tfidf(counts, self.inverse) * self.scale)


def bags_of(frame: pd.DataFrame, views: dict[str, float], settings: TermsParameters) -> list[Bag]:
    """A bag for each view; ``views`` has the squares of their scales."""
    return [Bag.fit(frame, view, settings, float(np.sqrt(square))) for view, square in views.items()]


def side_by_side(bags: list[Bag], frame: pd.DataFrame) -> csr_matrix:
    """All features of a frame (N, sum of V)."""
    return csr_matrix(hstack([bag.matrix(frame) for bag in bags]))


def singular_vectors(matrix: csr_matrix, dimensions: int) -> FloatArray:
    """The first right singular vectors (V, D) of features (N, V), largest first, each with its largest entry above 0
    (latent semantic analysis, Deerwester et al. 1990). D is less where the matrix is smaller."""
    from scipy.sparse.linalg import svds

    size = min(dimensions, min(matrix.shape) - 1)
    _, values, vectors = svds(matrix, k=size, v0=np.ones(min(matrix.shape)))
    vectors = vectors[np.argsort(-values)]
    signs = np.sign(vectors[np.arange(size), np.abs(vectors).argmax(axis=1)])
    return np.ascontiguousarray((vectors * signs[:, None]).T)
