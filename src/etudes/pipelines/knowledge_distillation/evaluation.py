"""What do a teacher's answers bring? On test, against controls; by temperature and share; and what each network costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from etudes.benches import uncertain
from etudes.benches.classifiers import evaluate as score
from etudes.benches.uncertain import by_variant
from etudes.evaluation import classification_metrics
from etudes.examples import Examples
from etudes.networks import network_arrays
from etudes.pipelines.knowledge_distillation.model import Grid, Network
from etudes.pipelines.knowledge_distillation.parameters import EvaluationParameters
from etudes.vision.costs import cost_table

PAIRS = (
    ("distilled", "student"),
    ("distilled", "label_smoothing"),
    ("distilled", "shuffled"),
    ("hinted", "distilled"),
    ("own_distilled", "student"),
    ("distilled", "own_distilled"),
    ("label_smoothing", "student"),
    ("teacher", "distilled"),
)
COUNTED = ("megaflops", "weights", "kilobytes")
GRID = ["temperature", "share", "accuracy", "log_loss", "dev_accuracy"]


def evaluate(
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    grid: Grid,
    tried: dict[str, Any],
    evaluation: EvaluationParameters,
) -> tuple[Any, ...]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), predictions, the per-class table, the two best variants row by row, inference costs; tables of paired
        differences, of the grid, and of costs.
    """
    scored = score(test_split, split_card, models, evaluation, rows="pictures")
    metrics, predictions = scored[:2]
    labels = test_split.rows["label"].to_numpy()
    probabilities = by_variant(predictions, split_card["classes"])
    for name, p in probabilities.items():
        metrics |= uncertain.uncertainty_scores(name, labels, p, None, evaluation.resamples)
    pairs = uncertain.claim_table(
        PAIRS, labels, probabilities, None, evaluation.resamples, ("accuracy", "log_loss")
    )
    return (
        *scored,
        pairs,
        grid_table(test_split, grid, tried),
        cost_table(test_split, models, COUNTED, counted, evaluation.batch, evaluation.rounds),
    )


def grid_table(test_split: Examples, grid: Grid, tried: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy and log-loss on test, and accuracy on dev, of the students of the grid."""
    labels, rows = test_split.rows["label"].to_numpy(), []
    for network, row in zip(grid.networks, tried["tried"], strict=True):
        found = classification_metrics(labels, network.predict_proba(test_split))
        setting = {"temperature": row["temperature"], "share": row["share"]}
        rows.append(setting | found | {"dev_accuracy": row["dev"]["accuracy"]})
    return pd.DataFrame(rows, columns=GRID)


def counted(model: Network, side: int) -> dict[str, float]:
    """Of a network: operations of an answer (millions), weights, what its arrays take (kilobytes)."""
    operations, count = model.cost(side)
    size = sum(array.nbytes for array in network_arrays(model.network).values()) / 1000
    return {"megaflops": operations, "weights": count, "kilobytes": size}
