"""Scores on test: what all classifiers are asked, groups, what logistic regression weighs, and little data."""

from __future__ import annotations

from typing import Any

import pandas as pd

from etudes.benches.classifiers import answers, best_two, binary_scores, prediction_rows
from etudes.evaluation.groups import group_tables
from etudes.pipelines.income_classification import curve
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
        their gaps, effects of logistic regression, the paired comparison of the two best, and inference costs.
    """
    labels, new = test_split["label"].to_numpy(), ~test_split["twin"].to_numpy()
    probabilities, costs = answers(models, test_split, "rows")
    metrics: dict[str, float] = {}
    for name, found in probabilities.items():
        metrics |= binary_scores(name, labels, found, evaluation.resamples, evaluation.bins)
        if new.any():
            metrics[f"{name}.accuracy_without_twins"] = float((found[new].argmax(1) == labels[new]).mean())
    positive = {name: table[:, 1] for name, table in probabilities.items()}
    groups, gaps = group_tables(
        test_split, positive, ("sex", "race"), evaluation.resamples, evaluation.smallest_group
    )
    predictions = prediction_rows(
        test_split, "income", LABELS, probabilities, lambda found: {"p_above": found[:, 1]}
    )
    comparison = best_two(metrics, labels, probabilities, n_resamples=evaluation.resamples)
    absent = pd.DataFrame(columns=["feature", "source", "unit", "effect", "error"])
    effects = models["logistic"].effects() if "logistic" in models else absent
    return metrics, predictions, groups, gaps, effects, comparison, costs


def compare_on_little_data(
    train_split: Frame,
    test_split: Frame,
    models: dict[str, Any],
    features: FeatureParameters,
    learning_curve: LearningCurveParameters,
    run: RunParameters,
) -> tuple[Frame, Frame, Frame]:
    """The learning curve of the linear variants that were trained; see `curve`.

    It is scored on test because nothing is chosen from it, and test is the largest set that no method has seen.
    """
    layout = Features.fit(train_split, features)
    sets = [(layout.raw(frame), frame["label"].to_numpy()) for frame in (train_split, test_split)]
    methods = [name for name in curve.METHODS if name in models]
    seed = derive_seed(run.seed, "learning_curve")
    rows = curve.learning_curve(layout, sets[0], sets[1], methods, learning_curve, seed)
    table = curve.summarise(rows)
    return table, curve.advantages(table), curve.verdicts(table)
