"""Does it cost accuracy not to keep the activations, and how exactly are they computed again?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.classifiers import evaluate as score
from etudes.benches.parameters import ScoringParameters
from etudes.evaluation import paired_comparison
from etudes.examples import Examples
from etudes.pipelines.revnet.learning import as_rows
from etudes.pipelines.revnet.memory import measurements
from etudes.pipelines.revnet.networks import ReversibleNetwork, reconstruction_error
from etudes.pipelines.revnet.parameters import MemoryParameters
from etudes.training.parameters import RunParameters

PAIRS = (
    ("reversible", "stored"),
    ("reversible", "plain"),
    ("convolutional", "reversible"),
    ("reversible", "neighbours"),
    ("convolutional", "neighbours"),
)
LEVEL = 1 - 0.05 / len(
    PAIRS
)  # of the verdicts: one chance in twenty that even one of them is wrong (Bonferroni)
ROWS = 200  # pictures whose states are computed again
CLAIM = ["first", "second", "difference", "difference.low", "difference.high", "verdict"]


def evaluate(
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    evaluation: ScoringParameters,
    memory: MemoryParameters,
    run: RunParameters,
) -> tuple[Any, ...]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), predictions, the per-class table, the two best variants row by row, inference costs, differences of
        accuracy between variants, and how exactly states are computed again.
    """
    metrics, predictions, per_class, best, costs = score(
        test_split, split_card, models, evaluation, rows="pictures"
    )
    claim = claim_table(predictions, split_card["classes"], evaluation.resamples)
    exactness = exactness_table(test_split, models, memory, run.seed)
    return metrics, predictions, per_class, best, costs, claim, exactness


def memory_table(memory: MemoryParameters, run: RunParameters) -> pd.DataFrame:
    """Memory and time of one step by network and depth: the rows of `measurements`."""
    return pd.DataFrame(measurements(memory, run.seed))


def claim_table(predictions: pd.DataFrame, classes: list[str], resamples: int) -> pd.DataFrame:
    """Accuracy of one variant minus that of another on the same test rows, with 95 % intervals over rows.

    ``verdict`` is *better*, *worse* or *cannot tell* by an interval that is corrected for the number of pairs.
    """
    columns, label = [f"p_{name}" for name in classes], {name: place for place, name in enumerate(classes)}
    of = {str(name): rows for name, rows in predictions.groupby("variant", sort=False)}
    found = []
    for first, second in PAIRS:
        if first in of and second in of:
            truth = of[first]["truth"].map(label).to_numpy()
            both = [of[name][columns].to_numpy(np.float64) for name in (first, second)]
            ends = paired_comparison(truth, *both, n_resamples=resamples)
            sure = paired_comparison(truth, *both, n_resamples=resamples, level=LEVEL)
            key = "accuracy_difference"
            verdict = (
                "better" if sure[f"{key}.low"] > 0 else "worse" if sure[f"{key}.high"] < 0 else "cannot tell"
            )
            found.append([first, second, ends[key], ends[f"{key}.low"], ends[f"{key}.high"], verdict])
    return pd.DataFrame(found, columns=CLAIM)


def exactness_table(
    test_split: Examples, models: Mapping[str, Any], memory: MemoryParameters, seed: int
) -> pd.DataFrame:
    """How far the first state is off when it is computed from the last: ``weights``, ``blocks``, ``dtype``, ``error``.

    ``error`` is the largest error as a share of the largest entry of the state, of networks with first weights by depth, and of
    the trained one.
    """
    x = as_rows(np.asarray(test_split["pixels"][:ROWS]))
    networks = []
    for blocks in memory.depths:
        drawn = ReversibleNetwork(x.shape[1], memory.width, blocks, 10, seed, np.float64)
        networks.append(("first", drawn))
    if "reversible" in models:
        model = models["reversible"]
        trained = ReversibleNetwork(**model.shape)
        trained.weights = model.weights
        networks.append(("trained", trained))
    rows = []
    for name, network in networks:
        weights = network.weights
        for dtype in (np.float32, np.float64):
            network.weights = [weight.astype(dtype) for weight in weights]
            error = reconstruction_error(network, x)
            rows.append([name, network.blocks, np.dtype(dtype).name, error])
    return pd.DataFrame(rows, columns=["weights", "blocks", "dtype", "error"])
