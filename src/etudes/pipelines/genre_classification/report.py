"""What `report.md` shows: figures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.assembly import left_out
from etudes.benches.classifier_pages import of_best
from etudes.benches.classifiers import confident_mistakes
from etudes.evaluation import without_examples
from etudes.reporting import figures, new_figure

TERMS = 12


def terms(tfidf_model: Any, split_card: dict[str, Any]) -> go.Figure:
    """Strongest words of the linear model for each class."""
    if left_out(tfidf_model):
        return new_figure("tfidf was left out of this run", height=120)
    classes = split_card["classes"]
    rows = [
        (genre, term, weight)
        for label, genre in enumerate(classes)
        for term, weight in tfidf_model.strongest_terms(label, TERMS)
    ]
    table = pd.DataFrame(rows, columns=["label", "term", "weight"])
    return figures.term_weights(table, classes, unit="score per unit of TF-IDF")


def absent(split_card: dict[str, Any], test_split: pd.DataFrame) -> str:
    """What macro-F1 is averaged over, if that is not every class."""
    classes = split_card["classes"]
    gone = without_examples(test_split["label"].to_numpy(), classes)
    if not gone:
        return ""
    return f"Macro-F1 is the mean over the {len(classes) - len(gone)} classes that test has; without any row: {', '.join(gone)}."


def mistakes(
    predictions: pd.DataFrame, test_split: pd.DataFrame, metrics: dict[str, float]
) -> list[dict[str, Any]]:
    """The most confident wrong answers of the best variant, with the film's text."""
    texts = {}
    for film in test_split[["id", "title", "year", "plot"]].to_dict("records"):
        year = "year unknown" if pd.isna(film["year"]) else int(film["year"])
        texts[film["id"]] = f"{film['title']} ({year}). {film['plot']}"
    return confident_mistakes(of_best(predictions, metrics), texts, 12)
