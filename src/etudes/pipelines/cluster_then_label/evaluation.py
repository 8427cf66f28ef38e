"""Scores on test: the stored models on the study's own split, and every method on repeated splits."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pandas as pd

from etudes.benches import tables
from etudes.benches.classifiers import answers, prediction_rows
from etudes.benches.few_labels import Split, splits_of
from etudes.benches.parameters import FewLabelsParameters
from etudes.evaluation.repeated import gains, summarise
from etudes.pipelines.cluster_then_label import sweep as repeated
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters, SweepParameters, TableParameters
from etudes.pipelines.cluster_then_label.rows import by_name
from etudes.training.parameters import RunParameters

Frame = pd.DataFrame
METHOD = "guided"


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
) -> tuple[dict[str, float], Frame, Frame, Frame, dict[str, Any]]:
    """Score the trained variants on test, and their methods on repeated splits of all tables.

    Returns:
        metrics (flat: means over the splits of the table in question with ``split.labels`` labelled rows, and the
        accuracy on each other table), predictions of the stored models, the scores by number of labels, what guiding
        gains over every other method, and what answers cost.
    """
    found = []
    for name, frame in by_name(table_frame, others_frame, table).items():
        splits = _splits(name, frame, split, sweep, run)
        counts = [*sweep.labels, split.labels]
        found.append(repeated.by_labels(splits, list(models), counts, methods).assign(table=name))
    scores = pd.concat(found, ignore_index=True)
    curve = summarise(scores, ["table", "labels", "variant"], repeated.METRICS)
    metrics: dict[str, float] = {}
    for row in curve[curve["labels"] == split.labels].to_dict("records"):
        main = row["table"] == table.name
        for metric in repeated.METRICS if main else ("accuracy",):
            key = f"{row['variant']}.{metric}" + ("" if main else f"_{row['table']}")
            metrics |= {f"{key}{end}": row[f"{metric}{end}"] for end in ("", ".low", ".high")}
    probabilities, costs = answers(models, test_split, "rows")
    predictions = prediction_rows(test_split, "class", split_card["classes"], probabilities, lambda _: {})
    return metrics, predictions, curve, gains(scores, METHOD, ["table", "labels"]), costs


def sweep_alpha(
    models: dict[str, Any],
    table_frame: Frame,
    others_frame: Frame,
    table: TableParameters,
    split: FewLabelsParameters,
    methods: MethodsParameters,
    sweep: SweepParameters,
    run: RunParameters,
) -> Frame:
    """`sweep.by_alpha` for every table, means over splits; empty where guided k-means was left out."""
    found = [repeated.by_alpha([], [], 0, methods).assign(table="")]
    for name, frame in by_name(table_frame, others_frame, table).items() if METHOD in models else ():
        splits = _splits(name, frame, split, sweep, run)
        rows = repeated.by_alpha(splits, sweep.alphas, sweep.alpha_labels, methods)
        found.append(rows.assign(table=name))
    columns = [name for name in found[0] if name not in ("table", "split", "shared", "alpha")]
    return summarise(pd.concat(found, ignore_index=True), ["table", "alpha"], columns)


def compare_measurements(
    models: dict[str, Any],
    table_frame: Frame,
    table: TableParameters,
    split: FewLabelsParameters,
    methods: MethodsParameters,
    sweep: SweepParameters,
    run: RunParameters,
) -> Frame:
    """The original's setting, a cluster for each class: every pair of measurements beside all, one start beside many.

    Returns:
        ``measurements``, ``starts``, the accuracy of guided k-means and of k-means (``guided``, ``kmeans_vote``), and how much more
        guided k-means has with all measurements (``gain_of_all``); empty where it was left out.
    """
    names = tuple(tables.measurements_of(table_frame))
    pairs = list(combinations(names, 2))
    shown = [names, *pairs] if len(pairs) <= sweep.most_pairs else [names]
    parts = {
        "all" if chosen is names else ", ".join(chosen): table_frame[["id", *chosen, "class"]]
        for chosen in (shown if METHOD in models else ())
    }
    splits = {told: _splits(table.name, frame, split, sweep, run) for told, frame in parts.items()}
    rows = repeated.by_measurements(splits, sweep.pair_labels, methods)
    return summarise(rows, ["measurements", "starts"], ["guided", "kmeans_vote", "gain_of_all"])


def _splits(
    name: str, frame: Frame, split: FewLabelsParameters, sweep: SweepParameters, run: RunParameters
) -> list[Split]:
    one_unit = name in sweep.one_unit
    return list(splits_of(frame, name, sweep.splits, split.test_fraction, run.seed, one_unit))
