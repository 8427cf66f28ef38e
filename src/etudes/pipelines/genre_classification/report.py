"""What `report.md` shows: figures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.assembly import left_out
from etudes.benches import classifiers
from etudes.evaluation import confusion_counts, reliability_bins
from etudes.pipelines.genre_classification.parameters import EvaluationParameters
from etudes.reporting import figures, new_figure
from etudes.study import Study

TERMS = 12


def scores(study: Study, metrics: dict[str, float]) -> go.Figure:
    """Accuracy of every variant beside the references."""
    references = [r for r in study.references if r.metric == study.metric]
    return figures.metric_bars(metrics, study.metric, study.variants, study.baseline, references)


def curves(study: Study, histories: dict[str, Any]) -> go.Figure:
    """Loss and dev accuracy by epoch."""
    found = {name: history["epochs"] for name, history in histories.items() if history["epochs"]}
    return figures.learning_curves(found, "accuracy", variants=study.variants)


def confusion(predictions: pd.DataFrame, metrics: dict[str, float], split_card: dict[str, Any]) -> go.Figure:
    """Confusions of the best variant."""
    classes, of_best = split_card["classes"], _of_best(predictions, metrics)
    truth, predicted = (_labels(of_best, column, classes) for column in ("truth", "predicted"))
    return figures.confusion_matrix(confusion_counts(truth, predicted, len(classes)), classes)


def by_class(per_class_table: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Quality of the best variant by genre."""
    return figures.per_class_bars(_of_best(per_class_table, metrics))


def calibration(
    study: Study, predictions: pd.DataFrame, split_card: dict[str, Any], evaluation: EvaluationParameters
) -> go.Figure:
    """Whether confidence is earned."""
    classes, bins = split_card["classes"], {}
    for name, rows in predictions.groupby("variant", sort=False):
        if name != study.baseline:
            probabilities = rows[[f"p_{genre}" for genre in classes]].to_numpy(np.float64)
            truth = _labels(rows, "truth", classes)
            bins[str(name)] = reliability_bins(truth, probabilities, evaluation.bins)
    return figures.reliability_diagram(bins, variants=study.variants)


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


def _of_best(table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    best = max(table["variant"].unique(), key=lambda name: metrics[f"{name}.accuracy"])
    return table[table["variant"] == best]


def _labels(rows: pd.DataFrame, column: str, classes: list[str]) -> np.ndarray:
    return rows[column].map({genre: label for label, genre in enumerate(classes)}).to_numpy()


def best_two(comparison_card: dict[str, Any]) -> str:
    """The two best variants, film by film."""
    return classifiers.say_best_two(comparison_card, "films", "accuracy", "macro_f1")


def mistakes(
    predictions: pd.DataFrame, test_split: pd.DataFrame, metrics: dict[str, float]
) -> list[dict[str, Any]]:
    """The most confident wrong answers of the best variant, with the film's text."""
    texts = {}
    for film in test_split[["id", "title", "year", "plot"]].to_dict("records"):
        year = "year unknown" if pd.isna(film["year"]) else int(film["year"])
        texts[film["id"]] = f"{film['title']} ({year}). {film['plot']}"
    best = str(_of_best(predictions, metrics)["variant"].iloc[0])
    return classifiers.confident_mistakes(predictions, best, texts, 12)
