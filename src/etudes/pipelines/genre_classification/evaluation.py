"""Scores of every trained variant on test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.classifiers import answers, best_two, prediction_rows
from etudes.evaluation import per_class_table, with_intervals
from etudes.pipelines.genre_classification.parameters import EvaluationParameters

Frame = pd.DataFrame


def evaluate(
    test_split: Frame, split_card: dict[str, Any], models: dict[str, Any], evaluation: EvaluationParameters
) -> tuple[dict[str, float], Frame, Frame, dict[str, Any], dict[str, Any]]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat, with bootstrap intervals), predictions (one row per variant and film, with the probability of
        every class), the per-class table, the paired comparison of the two best variants, and inference costs.
    """
    labels, classes = test_split["label"].to_numpy(), split_card["classes"]
    probabilities, costs = answers(models, test_split, "texts")
    count, bins = evaluation.resamples, evaluation.bins
    metrics: dict[str, float] = {}
    for name, found in probabilities.items():
        metrics |= with_intervals(name, labels, found, n_resamples=count, bins=bins)
    tables = [per_class_table(labels, p, classes).assign(variant=name) for name, p in probabilities.items()]

    def columns(found: np.ndarray) -> dict[str, np.ndarray]:
        return {f"p_{genre}": found[:, k].astype(np.float32) for k, genre in enumerate(classes)}

    predictions = prediction_rows(test_split, "genre", classes, probabilities, columns)
    per_class = pd.concat(tables, ignore_index=True)
    return metrics, predictions, per_class, best_two(metrics, labels, probabilities), costs
