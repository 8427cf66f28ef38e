"""Scores on test: what all classifiers are asked, groups, what the linear variants weigh, and little data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.classifiers import answers, best_two, prediction_rows
from etudes.evaluation import ranking_intervals, roc_auc, with_intervals
from etudes.evaluation.bootstrap import quantile_interval, resample_weights
from etudes.pipelines.income_classification import curve
from etudes.pipelines.income_classification.fairness import group_tables
from etudes.pipelines.income_classification.features import Features
from etudes.pipelines.income_classification.parameters import (
    EvaluationParameters,
    FeatureParameters,
    LearningCurveParameters,
)
from etudes.pipelines.income_classification.people import LABELS
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Frame = pd.DataFrame


def evaluate(
    test_split: Frame, models: dict[str, Any], evaluation: EvaluationParameters
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, dict[str, Any], dict[str, Any]]:
    """Score every trained variant on test.

    Returns:
        metrics (flat, with bootstrap intervals), predictions (one row per variant and person), rates of groups and
        their gaps, effects of the linear variants, the paired comparison of the two best, and inference costs.
    """
    labels, new = test_split["label"].to_numpy(), ~test_split["twin"].to_numpy()
    probabilities, costs = answers(models, test_split, "people")
    metrics: dict[str, float] = {}
    for name, found in probabilities.items():
        metrics |= score(name, labels, found, evaluation)
        if new.any():
            metrics[f"{name}.accuracy_without_twins"] = float((found[new].argmax(1) == labels[new]).mean())
    positive = {name: table[:, 1] for name, table in probabilities.items()}
    groups, gaps = group_tables(test_split, positive, evaluation.resamples, evaluation.smallest_group)
    predictions = prediction_rows(
        test_split, "income", LABELS, probabilities, lambda found: {"p_above": found[:, 1]}
    )
    comparison = best_two(metrics, labels, probabilities, n_resamples=evaluation.resamples)
    return metrics, predictions, groups, gaps, effects_of(models), comparison, costs


def score(
    name: str, labels: np.ndarray, probabilities: np.ndarray, evaluation: EvaluationParameters
) -> dict[str, float]:
    """Accuracy, macro F1, log-loss, calibration error, Brier score and area under the ROC curve, with intervals."""
    count, bins = evaluation.resamples, evaluation.bins
    flat = with_intervals(name, labels, probabilities, n_resamples=count, bins=bins)
    flat = {key: value for key, value in flat.items() if "top3" not in key}  # of two classes
    above = probabilities[:, 1]
    errors = squared_errors(labels, above)
    means = [weights @ errors / len(errors) for weights in resample_weights(len(errors), count, seed=0)]
    found = {
        "brier": (float(errors.mean()), quantile_interval(np.concatenate(means), 0.95)),
        "roc_auc": (roc_auc(above, labels), ranking_intervals(above, labels, count)["roc_auc"]),
    }
    for metric, (value, (low, high)) in found.items():
        flat |= {f"{name}.{metric}": value, f"{name}.{metric}.low": low, f"{name}.{metric}.high": high}
    return flat


def squared_errors(labels: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """(p_i - y_i)^2 (N,), whose mean is the Brier score (Brier 1950, the form for two classes).

    Raises:
        ValueError: shapes that are not (N,) or differ.
    """
    if np.ndim(positive) != 1 or np.shape(labels) != np.shape(positive):
        raise ValueError(
            f"labels and probabilities must both have the shape (N,), found {np.shape(labels)} and {np.shape(positive)}"
        )
    return np.square(positive - labels)


def effects_of(models: dict[str, Any]) -> Frame:
    """One row a column of the matrix, with the effect (nats per unit) in each linear variant."""
    keys = ["feature", "source", "unit"]
    table = pd.DataFrame(columns=keys)
    for name, model in models.items():
        if hasattr(model, "effects"):
            effects = model.effects().rename(columns={"effect": name, "error": f"{name}.error"})
            effects = effects.dropna(axis="columns", how="all")
            table = effects if table.empty else table.merge(effects, on=keys, how="outer", sort=False)
    return table


def compare_on_little_data(
    train_split: Frame,
    test_split: Frame,
    models: dict[str, Any],
    features: FeatureParameters,
    learning_curve: LearningCurveParameters,
    run: RunParameters,
) -> tuple[Frame, Frame, dict[str, Any]]:
    """The learning curve of the linear variants that were trained; see `curve`.

    It is scored on test because nothing is chosen from it, and test is the largest set that no method has seen.
    """
    layout = Features.fit(train_split, features)
    sets = [(layout.raw(frame), frame["label"].to_numpy()) for frame in (train_split, test_split)]
    methods = [name for name in curve.METHODS if name in models]
    seed = derive_seed(run.seed, "learning_curve")
    rows = curve.learning_curve(layout, sets[0], sets[1], methods, learning_curve, seed)
    table = curve.summarise(rows)
    card = {"verdicts": curve.verdicts(table), "penalties": curve.chosen_penalties(rows)}
    return table, curve.advantages(table), card
