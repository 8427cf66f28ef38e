"""Figures and words on the pages of studies of classifiers, besides those of `etudes.benches.pages`. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches.classifiers import say_best_two
from etudes.benches.parameters import ScoringParameters
from etudes.evaluation import confusion_counts, reliability_bins
from etudes.reporting import figures
from etudes.study import Study


def confusion(predictions: pd.DataFrame, metrics: dict[str, float], split_card: dict[str, Any]) -> go.Figure:
    """Confusions of the best variant."""
    classes, shown = split_card["classes"], of_best(predictions, metrics)
    truth, predicted = (_labels(shown, column, classes) for column in ("truth", "predicted"))
    return figures.confusion_matrix(confusion_counts(truth, predicted, len(classes)), classes)


def by_class(per_class_table: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Quality of the best variant by class."""
    return figures.per_class_bars(of_best(per_class_table, metrics))


def calibration(
    study: Study, predictions: pd.DataFrame, split_card: dict[str, Any], evaluation: ScoringParameters
) -> go.Figure:
    """Whether confidence is earned."""
    classes, bins = split_card["classes"], {}
    for name, rows in predictions.groupby("variant", sort=False):
        if name != study.baseline:
            probabilities = rows[[f"p_{name}" for name in classes]].to_numpy(np.float64)
            truth = _labels(rows, "truth", classes)
            bins[str(name)] = reliability_bins(truth, probabilities, evaluation.bins)
    return figures.reliability_diagram(bins, variants=study.variants)


def best_two(comparison_card: dict[str, Any], split_card: dict[str, Any], data_card: dict[str, Any]) -> str:
    """The two best variants, row by row."""
    return say_best_two(comparison_card, data_card.get("unit", split_card["unit"]), "accuracy", "macro_f1")


def of_best(table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    """The rows of the variant with the best accuracy on test."""
    best = max(table["variant"].unique(), key=lambda name: metrics[f"{name}.accuracy"], default="")
    return table[table["variant"] == best]


def _labels(rows: pd.DataFrame, column: str, classes: list[str]) -> np.ndarray:
    return rows[column].map({name: label for label, name in enumerate(classes)}).to_numpy()
