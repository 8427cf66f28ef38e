"""Scores on test: the stored models on the study's own split, and every method on repeated splits."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from etudes.benches import tables
from etudes.benches.classifiers import answers, prediction_rows
from etudes.benches.few_labels import Split, splits_of
from etudes.benches.parameters import FewLabelsParameters
from etudes.benches.repeated import gains, summarise
from etudes.pipelines.cluster_then_label import sweep as repeated
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters, SweepParameters, TableParameters
from etudes.pipelines.cluster_then_label.rows import by_name
from etudes.training.parameters import RunParameters

Frame = pd.DataFrame
METHOD = "guided"
SHARES = {METHOD: "accuracy", "kmeans_vote": "accuracy"}


def evaluate(
    test_split: Frame,
    split_card: dict[str, Any],
    models: dict[str, Any],
    table_frame: Frame,
    others_frame: Frame,
    table: TableParameters,
    split: FewLabelsParameters,
    methods: MethodsParameters,
    sweep: SweepParameters,
    run: RunParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, dict[str, Any]]:
    """Score the trained variants on test, and their methods on repeated splits of all tables.

    Returns:
        metrics (flat: means over the splits of the table in question with ``split.labels`` labelled rows, and the
        accuracy on each other table), predictions of the stored models, the scores by number of labels, what guiding
        gains over every other method, what alpha does, pairs of measurements beside all of them (the last three are
        empty where guided k-means was left out), and what answers cost.
    """

    def splits(name: str, frame: Frame) -> list[Split]:
        one_unit = name in sweep.one_unit
        return list(splits_of(frame, name, sweep.splits, split.test_fraction, run.seed, one_unit))

    by_table = {
        name: splits(name, frame) for name, frame in by_name(table_frame, others_frame, table).items()
    }
    counts = [*sweep.labels, split.labels]
    scores = _stacked(
        {name: repeated.by_labels(own, list(models), counts, methods) for name, own in by_table.items()}
    )
    curve = summarise(scores, ["table", "labels", "variant"], repeated.METRICS)
    guided = by_table if METHOD in models else {}
    alphas = {
        name: repeated.by_alpha(own, sweep.alphas, sweep.alpha_labels, methods)
        for name, own in guided.items()
    }
    alpha = _stacked({"": repeated.by_alpha([], [], 0, methods), **alphas})
    names = tuple(tables.measurements_of(table_frame))
    pairs = list(combinations(names, 2))
    shown = [names, *pairs] if len(pairs) <= sweep.most_pairs else [names]
    parts = {
        "all" if chosen is names else ", ".join(chosen): splits(
            table.name, table_frame[["id", *chosen, "class"]]
        )
        for chosen in (shown if guided else ())
    }
    measured = repeated.by_measurements(parts, sweep.pair_labels, methods)
    probabilities, costs = answers(models, test_split, "rows")
    return (
        metrics_of(curve, table.name, split.labels),
        prediction_rows(test_split, "class", split_card["classes"], probabilities, lambda _: {}),
        curve,
        gains(scores, METHOD, ["table", "labels"]),
        summarise(alpha, ["table", "alpha"], repeated.ALPHA),
        summarise(measured, ["measurements", "starts"], repeated.MEASURED, SHARES),
        costs,
    )


def metrics_of(curve: Frame, table: str, labels: int) -> dict[str, float]:
    """The scores with one number of labels as flat metrics; of other tables the accuracy, ``accuracy_<table>``."""
    metrics: dict[str, float] = {}
    for row in curve[curve["labels"] == labels].to_dict("records"):
        main = row["table"] == table
        for metric in repeated.METRICS if main else ("accuracy",):
            key = f"{row['variant']}.{metric}" + ("" if main else f"_{row['table']}")
            metrics |= {f"{key}{end}": row[f"{metric}{end}"] for end in ("", ".low", ".high")}
    return metrics


def _stacked(by_table: dict[str, Frame]) -> Frame:
    return pd.concat([rows.assign(table=name) for name, rows in by_table.items()], ignore_index=True)
