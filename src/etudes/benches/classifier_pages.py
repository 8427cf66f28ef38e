"""Figures and words on the pages of studies of classifiers, besides those of `etudes.benches.pages`. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches.classifiers import say_best_two
from etudes.benches.parameters import ScoringParameters
from etudes.benches.tables import matrix_of
from etudes.evaluation import confusion_counts, reliability_bins
from etudes.metrics import as_metric
from etudes.reporting import figures
from etudes.reporting.charts import points
from etudes.study import Study, unit_of


def confusion(predictions: pd.DataFrame, metrics: dict[str, float], split_card: dict[str, Any]) -> go.Figure:
    """Confusions of the best variant."""
    classes, shown = split_card["classes"], of_best(predictions, metrics)
    truth, predicted = (_labels(shown, column, classes) for column in ("truth", "predicted"))
    return figures.confusion_matrix(confusion_counts(truth, predicted, len(classes)), classes)


def by_class(per_class_table: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Quality of the best variant by class."""
    return figures.per_class_bars(of_best(per_class_table, metrics))


def calibration(
    study: Study,
    predictions: pd.DataFrame,
    metrics: dict[str, float],
    split_card: dict[str, Any],
    evaluation: ScoringParameters,
) -> go.Figure:
    """Whether confidence is earned, by the two best and the baseline: more lines hide each other."""
    classes, bins = split_card["classes"], {}
    for name in best_and_baseline(study, metrics):
        rows = predictions[predictions["variant"] == name]
        probabilities = rows[[f"p_{name}" for name in classes]].to_numpy(np.float64)
        bins[name] = reliability_bins(_labels(rows, "truth", classes), probabilities, evaluation.bins)
    return figures.reliability_diagram(bins, variants=study.variants)


def best_and_baseline(study: Study, metrics: dict[str, float]) -> list[str]:
    """The two best variants on test that ran, and the baseline if it did."""
    metric = as_metric(study.metric)
    scores = {name: metrics.get(f"{name}.{metric.name}") for name in study.variants}
    there = {name: metric.merit(score) for name, score in scores.items() if score is not None}
    best = sorted(there, key=lambda name: -there[name])[:2]
    return [*best, *({study.baseline} & there.keys() - {*best})]


def map_of_rows(predictions: pd.DataFrame, test_split: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Test rows of a table in the plane of their largest variance; what the best variant gets wrong is a series of its own."""
    best = of_best(predictions, metrics).set_index("id").loc[test_split["id"]]
    matrix = matrix_of(test_split)
    z = (matrix - matrix.mean(axis=0)) / np.where(matrix.std(axis=0) > 0, matrix.std(axis=0), 1.0)
    plane = z @ np.linalg.svd(z, full_matrices=False)[2][:2].T
    kind = np.where(best["truth"] == best["predicted"], best["truth"], "wrong")
    table = pd.DataFrame({"x": plane[:, 0], "y": plane[:, -1], "by": kind})
    axes = [f"{place} principal direction (standard deviations)" for place in ("first", "second")]
    order = [*sorted(best["truth"].unique()), "wrong"]
    return points(table, f"Test rows, answered by {best['variant'].iloc[0]}", *axes, by="by", order=order)


def best_two(comparison_card: dict[str, Any], split_card: dict[str, Any], data_card: dict[str, Any]) -> str:
    """The two best variants, row by row."""
    return say_best_two(comparison_card, unit_of(data_card, split_card["unit"]), "accuracy", "macro_f1")


def of_best(table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    """The rows of the variant with the best accuracy on test."""
    best = max(table["variant"].unique(), key=lambda name: metrics[f"{name}.accuracy"], default="")
    return table[table["variant"] == best]


def _labels(rows: pd.DataFrame, column: str, classes: list[str]) -> np.ndarray:
    return rows[column].map({name: label for label, name in enumerate(classes)}).to_numpy()
