"""What methods see of an advertisement: terms of its title, runs of words of its description, its categories. numpy and scipy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack

from etudes.models import register_model
from etudes.pipelines.salary_prediction.advertisements import CATEGORIES, DESCRIPTION, FIELDS, TITLE
from etudes.pipelines.salary_prediction.parameters import TermsParameters
from etudes.stored import Stored
from etudes.text.bags import Bag
from etudes.text.terms import character_terms, word_terms

# Views side by side, and the square of their weight; near one for text, and less for the many small categories.
EVERYTHING = {"everything": 1.0}
OF_FIELDS = {"title": 0.5, "title_characters": 0.5, "description": 1.0, "categories": 0.5}


def category_items(frame: pd.DataFrame) -> list[list[str]]:
    """``field=value`` for each part of the categories of each row (a place is ``Dorking, Surrey``); what is empty says nothing."""
    rows = frame[[*CATEGORIES]].to_dict("records")
    return [
        sorted(
            {f"{name}={part.strip()}" for name in CATEGORIES for part in row[name].split(",") if part.strip()}
        )
        for row in rows
    ]


def documents(frame: pd.DataFrame, view: str, terms: TermsParameters) -> list[list[str]]:
    """The terms of each row in one view: ``title``, ``title_characters``, ``description``, ``words`` (of the description), ``categories``,
    or ``everything``, the words of all fields in one bag."""
    if view == "title":
        return [word_terms(text, terms.title_runs) for text in frame[TITLE]]
    if view == "title_characters":
        return [character_terms(text, *terms.characters) for text in frame[TITLE]]
    if view in ("description", "words"):
        runs = terms.description_runs if view == "description" else 1
        return [word_terms(text, runs) for text in frame[DESCRIPTION]]
    if view == "categories":
        return category_items(frame)
    return [word_terms(" ".join(row)) for row in frame[[*FIELDS]].itertuples(index=False)]


@register_model("salary_prediction.views")
@dataclass(kw_only=True)
class Views(Stored):
    """A bag for each view. Terms of descriptions that few training rows have are left out; categories are 0 or 1 over the root of the
    number of their fields."""

    bags: dict[str, Bag]
    terms: TermsParameters

    @classmethod
    def fit(cls, frame: pd.DataFrame, squares: Mapping[str, float], terms: TermsParameters) -> Self:
        """Of training rows; ``squares`` are those of the weights of the views."""
        bags = {}
        for view, square in squares.items():
            plain = view == "categories"
            fewest = terms.fewest if view in ("description", "words", "everything") else 1
            scale = float(np.sqrt(square) / (np.sqrt(len(CATEGORIES)) if plain else 1))
            bags[view] = Bag.fit(documents(frame, view, terms), fewest, not plain, scale)
        return cls(bags=bags, terms=terms)

    def matrices(self, frame: pd.DataFrame) -> dict[str, csr_matrix]:
        """Features (N, V) of each view."""
        return {view: bag.matrix(documents(frame, view, self.terms)) for view, bag in self.bags.items()}

    def matrix(self, frame: pd.DataFrame) -> csr_matrix:
        """Features of all views side by side (N, sum of V)."""
        return csr_matrix(hstack(list(self.matrices(frame).values())))
