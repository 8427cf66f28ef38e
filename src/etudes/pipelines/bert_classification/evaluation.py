"""Scores on test, and what is asked beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.classifiers import answers, best_two, binary_scores, prediction_rows
from etudes.benches.parameters import ScoringParameters
from etudes.evaluation import paired_comparison
from etudes.examples import Examples
from etudes.pipelines.bert_classification.model import LINEAR, corpus_of
from etudes.pipelines.bert_classification.parameters import PenaltyParameters
from etudes.text.parameters import FrozenParameters

FloatArray = NDArray[np.float64]
METHOD = "fine_tuned"
ENDS = ("", ".low", ".high")
OPTIMISER = 12  # bytes a trained weight needs in training beside itself: its gradient, and AdamW's two means
TIMED = 64  # sentences of which the time of answers is taken


def evaluate(
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    frozen: FrozenParameters,
    linear: PenaltyParameters,
    evaluation: ScoringParameters,
) -> tuple[dict[str, float], pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], dict[str, Any]]:
    """Score every trained variant on test.

    Returns:
        metrics (flat), predictions, tables (what the fine-tuned encoder has more than each other variant, trained weights by
        variant), the comparison of the two best, and what answers cost.
    """
    labels, classes = test_split.rows["label"].to_numpy(), split_card["classes"]
    found = {name: probabilities(model, name, test_split, frozen, linear) for name, model in models.items()}
    metrics: dict[str, float] = {}
    for name, p in found.items():
        metrics |= binary_scores(name, labels, p, evaluation.resamples, evaluation.bins)

    def columns(p: FloatArray) -> dict[str, NDArray]:
        return {f"p_{name}": p[:, k] for k, name in enumerate(classes)}

    rows = test_split.rows.assign(truth=np.array(classes)[labels])
    predictions = prediction_rows(rows, "truth", classes, found, columns)
    costs = answers(models, test_split.rows.head(TIMED), "rows")[1]
    comparison = best_two(metrics, labels, found, n_resamples=evaluation.resamples)
    return metrics, predictions, gains(found, labels, evaluation), weights(models), comparison, costs


def probabilities(
    model: Any, name: str, examples: Examples, frozen: FrozenParameters, linear: PenaltyParameters
) -> FloatArray:
    """Probabilities (N, 2) of a variant; a linear one is given the states that preprocessing computed."""
    if name not in LINEAR:
        found: FloatArray = model.predict_proba(examples.rows)
        return found
    return model.probabilities(model.scores(corpus_of([examples], LINEAR[name][1], frozen, linear)))


def gains(
    found: Mapping[str, FloatArray], labels: NDArray[np.int64], evaluation: ScoringParameters
) -> pd.DataFrame:
    """How much more accurate the fine-tuned encoder is than each other variant, on the same sentences."""
    rows = []
    for name in found:
        if METHOD in found and name != METHOD:
            how = paired_comparison(labels, found[METHOD], found[name], n_resamples=evaluation.resamples)
            rows.append({"against": name, **{f"gain{end}": how[f"accuracy_difference{end}"] for end in ENDS}})
    return pd.DataFrame(rows, columns=["against", *(f"gain{end}" for end in ENDS)])


def weights(models: Mapping[str, Any]) -> pd.DataFrame:
    """By variant how many weights are trained, the share (of those that the network has), and what gradient and optimiser keep
    for them in training (MiB); without the linear methods' and the baseline's."""
    rows = []
    for name, model in models.items():
        if hasattr(model, "network"):
            trained, all_ = model.weights
            row = {"variant": name, "trained_weights": trained, "trained_share": trained / all_}
            rows.append({**row, "training_mib": trained * OPTIMISER / 2**20})
    return pd.DataFrame(rows, columns=["variant", "trained_weights", "trained_share", "training_mib"])
