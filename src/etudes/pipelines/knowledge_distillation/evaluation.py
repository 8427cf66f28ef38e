"""What do a teacher's answers bring? On test, against controls; by temperature and share; and what each network costs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches import uncertain
from etudes.benches.classifiers import evaluate as score
from etudes.benches.uncertain import by_variant
from etudes.evaluation import classification_metrics
from etudes.evaluation.cost import latencies
from etudes.examples import Examples
from etudes.networks import network_arrays
from etudes.pipelines.knowledge_distillation.model import Grid, Network
from etudes.pipelines.knowledge_distillation.parameters import EvaluationParameters

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
GRID = ["temperature", "share", "accuracy", "log_loss", "dev_accuracy"]
COST = ["variant", "megaflops", "weights", "kilobytes", "latency", "batch_latency"]


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
    return *scored, pairs, grid_table(test_split, grid, tried), cost_table(test_split, models, evaluation)


def grid_table(test_split: Examples, grid: Grid, tried: Mapping[str, Any]) -> pd.DataFrame:
    """Accuracy and log-loss on test, and accuracy on dev, of the students of the grid."""
    labels, rows = test_split.rows["label"].to_numpy(), []
    for network, row in zip(grid.networks, tried["tried"], strict=True):
        found = classification_metrics(labels, network.predict_proba(test_split))
        setting = {"temperature": row["temperature"], "share": row["share"]}
        rows.append(setting | found | {"dev_accuracy": row["dev"]["accuracy"]})
    return pd.DataFrame(rows, columns=GRID)


def cost_table(
    test_split: Examples, models: Mapping[str, Any], evaluation: EvaluationParameters
) -> pd.DataFrame:
    """Of each network: operations of an answer (millions), weights, what its arrays take (kilobytes), and the time from bytes to
    probabilities (milliseconds) of one picture and of a batch; networks take turns, in this process and with its threads."""
    networks = {name: model for name, model in models.items() if isinstance(model, Network)}
    side, table = int(test_split["pixels"].shape[1]), {}
    for name, model in networks.items():
        operations, count = model.cost(side)
        size = sum(array.nbytes for array in network_arrays(model.network).values()) / 1000
        table[name] = {"megaflops": operations, "weights": count, "kilobytes": size}
    for column, count in (("latency", 1), ("batch_latency", evaluation.batch)):
        asked = test_split.take(np.arange(min(count, len(test_split))))
        calls = {name: partial(model.predict_proba, asked) for name, model in networks.items()}
        for name, taken in latencies(calls, evaluation.rounds).items():
            table[name][column] = taken
    return pd.DataFrame([{"variant": name, **row} for name, row in table.items()], columns=COST)
