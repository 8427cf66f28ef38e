"""Scores on test: the stored models on the study's own split, and every method on repeated splits of digits and leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches import repeated
from etudes.benches.classifiers import answers, prediction_rows
from etudes.examples import Examples
from etudes.pipelines.self_training.parameters import (
    ArmsParameters,
    CheapParameters,
    DigitsParameters,
    LearningParameters,
    LeavesParameters,
    RepeatsParameters,
)
from etudes.pipelines.self_training.sweep import (
    DIGITS,
    LEAVES,
    METRICS,
    UPPER,
    digits_splits,
    leaves_splits,
    look,
    readings,
    score,
)
from etudes.training.parameters import RunParameters

Frame = pd.DataFrame
AGAINST = ("supervised", "augmented", "label_spreading")


def evaluate(
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    train_split: Examples,
    views_split: Examples,
    train_images: Examples,
    leaves_split: Examples,
    digits: DigitsParameters,
    leaves: LeavesParameters,
    learning: LearningParameters,
    arms: ArmsParameters,
    cheap: CheapParameters,
    repeats: RepeatsParameters,
    run: RunParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, dict[str, Any]]:
    """Score the trained variants on test, and their methods on repeated splits.

    Returns:
        metrics (flat: means over the splits of digits, and the accuracy on leaves with most labels), predictions of the stored
        models, the scores by data set and number of labels, what each method gains over the bounds, the precision of
        pseudo-labels by round, what the original's reading of its test pictures would say (two tables), and what answers cost.
    """
    counts = {DIGITS: [digits.labels], LEAVES: sorted({*leaves.labels})}
    known = train_images.rows.set_index("id")["label"]
    truth = known.loc[train_split.rows["id"]].to_numpy()
    of_leaves = list(leaves_splits(leaves_split, leaves, learning, cheap, repeats, run))
    drawn = [
        *digits_splits(train_split, views_split, truth, test_split, digits, learning, cheap, repeats, run),
        *of_leaves,
    ]
    scores, rounds = score(drawn, counts, list(models), learning, arms, cheap)
    curve = repeated.summarise(scores, ["data", "labels", "variant"], METRICS)
    keys = ["data", "labels", "variant", "round"]
    looked = pd.concat([look(split, learning, arms, repeats) for split in of_leaves], ignore_index=True)
    probabilities, costs = answers(models, test_split, "pictures")
    names = np.array(split_card["classes"])
    rows = test_split.rows.assign(**{"class": names[test_split.rows["label"].to_numpy()]})
    columns = {name: f"p_{name}" for name in split_card["classes"]}
    return (
        metrics_of(curve, counts),
        prediction_rows(
            rows, "class", list(names), probabilities, lambda p: dict(zip(columns.values(), p.T, strict=True))
        ),
        curve,
        repeated.gains_over(scores, AGAINST, ["data", "labels"]),
        repeated.summarise(rounds, keys, ["precision", "coverage"], {"coverage": "precision"}),
        repeated.summarise(looked, ["added"], ["gain"]),
        readings(looked),
        costs,
    )


def metrics_of(curve: Frame, counts: dict[str, list[int]]) -> dict[str, float]:
    """The scores on digits as flat metrics; and the accuracy on leaves with most labels, ``leaf_accuracy``."""
    metrics: dict[str, float] = {}
    for row in curve[curve["variant"] != UPPER].to_dict("records"):
        if row["labels"] == counts[row["data"]][-1]:
            named = {n: n for n in METRICS} if row["data"] == DIGITS else {"accuracy": "leaf_accuracy"}
            for name, metric in named.items():
                metrics |= {
                    f"{row['variant']}.{metric}{end}": row[f"{name}{end}"] for end in ("", ".low", ".high")
                }
    return metrics
