"""Every trained variant on the test half, one category after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches import detectors
from etudes.benches.detectors import ALL, HALF, METRICS
from etudes.examples import Examples
from etudes.pipelines.anomaly_padim.backbone import Backbone
from etudes.pipelines.anomaly_padim.detector import Colours, Detector
from etudes.pipelines.anomaly_padim.fitting import vectors_of
from etudes.pipelines.anomaly_padim.importance import Importance
from etudes.pipelines.anomaly_padim.parameters import EvaluationParameters, GaussianParameters
from etudes.training.parameters import RunParameters

UNCHOSEN = ("mean_image", "padim")  # nothing of them was chosen on dev but a threshold, which no metric reads
PAIRS = (  # first and second: what the network adds, what ten of the pool cost, and whether importance finds the right ten
    ("padim", "mean_image"),
    ("pca", "padim"),
    ("best", "padim"),
    ("pca", "random"),
    ("best", "random"),
    ("best", "pca"),
    ("best", "worst"),
)
SHOWN = ("padim", "random", "pca", "best", "worst", "mean_image")  # whose heat maps are kept, by preference


def evaluate(
    test_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Detector],
    backbone_model: Backbone,
    importance_model: Importance,
    gaussian: GaussianParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Any, ...]:
    """Score every trained variant on the test half, which no earlier stage sees.

    Variants that chose nothing on dev are scored on all official test pictures as well, as references are.

    Returns:
        metrics, predictions (one row for each variant and picture), heat maps of one variant, the tables of categories,
        of differences between `PAIRS`, of random draws and of importances, and pictures a second.
    """
    results: dict[tuple[str, str, str], detectors.Scored] = {}
    predictions, draws, maps, speeds = [], [], {}, detectors.Speeds()
    shown = next((name for name in SHOWN if name in models), "")
    pool, halves = importance_model.channels, (test_split, dev_split)
    for category in split_card["categories"]:
        truth = detectors.truth_of(category, test_split)
        official = detectors.truth_of(category, dev_split, test_split)
        with speeds.of("backbone", len(official[0])):  # once for all variants
            seen = [vectors_of(part, category, backbone_model, pool, gaussian, run) for part in halves]
        colours = [vectors_of(part, category, Colours(), pool, gaussian, run) for part in halves]
        for name, model in models.items():
            test, dev = seen if model.source == "network" else colours
            with speeds.of(name, len(test) * model.draws):
                heats = [model.maps(test, category, draw) for draw in range(model.draws)]
            found = results[name, category, HALF] = detectors.score(heats, truth, evaluation, category)
            if name in UNCHOSEN:
                both = np.concatenate([model.maps(dev, category), heats[0]])
                results[name, category, ALL] = detectors.score([both], official, evaluation, category)
            for draw, values in enumerate(found.draws if model.draws > 1 else []):
                channels = " ".join(map(str, model.channels[model.gaussians[category][draw].columns]))
                key = {"variant": name, "category": category, "draw": draw, "channels": channels}
                draws.append({**key, **values})
            predictions.append(
                detectors.prediction_rows(name, test_split, category, heats[0], model.thresholds[category])
            )
            if name == shown:
                maps[category] = heats[0]
    table = pd.concat(predictions, ignore_index=True)
    return (
        detectors.flat_metrics(results),
        table,
        detectors.map_samples(test_split, table[table["variant"] == shown], maps),
        detectors.category_table(results),
        detectors.difference_table(results, PAIRS),
        pd.DataFrame(draws, columns=["variant", "category", "draw", "channels", *METRICS]),
        importance_model.table(),
        speeds.card(),
    )
