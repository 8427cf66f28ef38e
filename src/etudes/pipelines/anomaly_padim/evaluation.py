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
        random draws and importances, and pictures a second.
    """
    results, predictions, draws = {}, [], []
    speeds, maps = detectors.Speeds(), {}
    shown = next((name for name in SHOWN if name in models), "")
    pool = importance_model.channels
    for category in split_card["categories"]:
        seen = []  # the network sees each picture once, whatever the number of variants
        for part in (test_split, dev_split):
            with speeds.of("backbone", len(detectors.members(part, category))):
                seen.append(vectors_of(part, category, backbone_model, pool, gaussian, run))
        truth, official = (
            detectors.truth_of(category, *parts) for parts in ((test_split,), (dev_split, test_split))
        )
        for name, model in models.items():
            looked = seen
            with speeds.of(name, len(truth[0]) * model.draws):
                if model.source == "colour":
                    looked = [
                        vectors_of(part, category, Colours(), pool, gaussian, run)
                        for part in (test_split, dev_split)
                    ]
                heats = [model.maps(looked[0], category, draw) for draw in range(model.draws)]
            results[name, category, HALF] = detectors.score(heats, truth, evaluation, category)
            if name in UNCHOSEN:
                both = np.concatenate([model.maps(looked[1], category), heats[0]])
                results[name, category, ALL] = detectors.score([both], official, evaluation, category)
            if model.draws > 1:
                draws += draw_rows(name, model, category, results[name, category, HALF].draws)
            threshold = model.thresholds[category]
            predictions.append(detectors.prediction_rows(name, test_split, category, heats[0], threshold))
            if name == shown:
                maps[category] = heats[0]
    table = pd.concat(predictions, ignore_index=True)
    return (
        detectors.flat_metrics(results),
        table,
        detectors.map_samples(test_split, table[table["variant"] == shown], maps),
        detectors.category_table(results),
        pd.DataFrame(draws, columns=["variant", "category", "draw", "channels", *METRICS]),
        importance_model.table(),
        speeds.card(),
    )


def draw_rows(
    name: str, model: Detector, category: str, found: list[dict[str, float]]
) -> list[dict[str, Any]]:
    """The channels and the metrics of each random draw."""
    rows = []
    for draw, (looked, values) in enumerate(zip(model.gaussians[category], found, strict=True)):
        channels = " ".join(map(str, model.channels[looked.columns]))
        rows.append({"variant": name, "category": category, "draw": draw, "channels": channels, **values})
    return rows
