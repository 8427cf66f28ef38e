"""Scores on test: the stored models on the study's own split, and every method on repeated splits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches import tables
from etudes.benches.classifiers import answers, prediction_rows
from etudes.evaluation import mean_interval
from etudes.metrics import as_metric
from etudes.pipelines.cluster_then_label import sweep as repeated
from etudes.pipelines.cluster_then_label.parameters import (
    MethodsParameters,
    SplitParameters,
    SweepParameters,
    TableParameters,
)
from etudes.pipelines.cluster_then_label.rows import by_name
from etudes.training.parameters import RunParameters

Frame = pd.DataFrame
METHOD, PLAIN = "guided", "kmeans_vote"
ALL = "all"
GAINS = ("table", "labels", "against", "gain", "low", "high", "verdict")


def evaluate(
    test_split: Frame,
    split_card: dict[str, Any],
    models: dict[str, Any],
    table_frame: Frame,
    others_frame: Frame,
    table: TableParameters,
    split: SplitParameters,
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
    metrics: dict[str, float] = {}
    curves, gains = [], []
    for name, frame in by_name(table_frame, others_frame, table).items():
        splits = _splits(name, frame, split, sweep, run)
        found = repeated.by_labels(splits, list(models), [*sweep.labels, split.labels], methods)
        summary = summarise(found, ["labels", "variant"], repeated.METRICS, splits[0].shared)
        curves.append(summary.assign(table=name))
        gains.append(gains_of(found, splits[0].shared).assign(table=name))
        for row in summary[summary["labels"] == split.labels].to_dict("records"):
            for metric in repeated.METRICS if name == table.name else ("accuracy",):
                key = f"{row['variant']}.{metric}" + ("" if name == table.name else f"_{name}")
                metrics |= {f"{key}{end}": row[f"{metric}{end}"] for end in ("", ".low", ".high")}
    probabilities, costs = answers(models, test_split, "rows")
    predictions = prediction_rows(test_split, "class", split_card["classes"], probabilities, lambda _: {})
    return metrics, predictions, pd.concat(curves), decided(pd.concat(gains, ignore_index=True)), costs


def sweep_alpha(
    models: dict[str, Any],
    table_frame: Frame,
    others_frame: Frame,
    table: TableParameters,
    split: SplitParameters,
    methods: MethodsParameters,
    sweep: SweepParameters,
    run: RunParameters,
) -> Frame:
    """By table and alpha: accuracy of the vote, adjusted Rand index and mutual information of the clusters, and how much more
    of each than at alpha = 0 (``accuracy_gain`` ...); empty where guided k-means was left out."""
    found = [Frame(columns=["table", "alpha"])]
    for name, frame in by_name(table_frame, others_frame, table).items() if METHOD in models else ():
        splits = _splits(name, frame, split, sweep, run)
        rows = repeated.by_alpha(splits, sweep.alphas, sweep.alpha_labels, methods)
        columns = [column for column in rows if column not in ("split", "alpha")]
        plain = rows[rows["alpha"] == 0].set_index("split")[columns]
        gains = rows[columns] - plain.loc[rows["split"]].to_numpy()
        rows = rows.join(gains.add_suffix("_gain"))
        every = [*columns, *(f"{column}_gain" for column in columns)]
        found.append(summarise(rows, ["alpha"], every, splits[0].shared).assign(table=name))
    return pd.concat(found, ignore_index=True)


def compare_measurements(
    models: dict[str, Any],
    table_frame: Frame,
    table: TableParameters,
    split: SplitParameters,
    methods: MethodsParameters,
    sweep: SweepParameters,
    run: RunParameters,
) -> Frame:
    """The original's setting, a cluster for each class: every pair of measurements beside all, one start beside many.

    Returns:
        ``measurements``, ``starts``, the accuracy of guided k-means and of k-means (``guided``, ``kmeans_vote``), and how much more
        guided k-means has with all measurements (``gain_of_all``); empty where it was left out.
    """
    names = tables.measurements_of(table_frame)
    pairs = [list(pair) for pair in combinations(names, 2)]
    pairs = [] if len(pairs) > sweep.most_pairs else pairs
    found = [Frame(columns=["measurements", "starts"])]
    for starts in (1, methods.starts) if METHOD in models else ():
        whole = None
        for chosen in (names, *pairs):
            frame = table_frame[["id", *chosen, "class"]]
            splits = _splits(table.name, frame, split, sweep, run)
            rows = repeated.as_the_original(splits, sweep.pair_labels, starts, methods)
            whole = rows[METHOD] if whole is None else whole
            rows["gain_of_all"] = whole - rows[METHOD]
            text = ALL if chosen is names else ", ".join(chosen)
            rows = rows.assign(measurements=text, starts=starts)
            values = [METHOD, PLAIN, "gain_of_all"]
            found.append(summarise(rows, ["measurements", "starts"], values, splits[0].shared))
    return pd.concat(found, ignore_index=True)


def _splits(
    name: str, frame: Frame, split: SplitParameters, sweep: SweepParameters, run: RunParameters
) -> list[repeated.Split]:
    one_unit = name in sweep.one_unit
    return list(repeated.splits_of(frame, name, sweep.splits, split.test_fraction, one_unit, run.seed))


def summarise(rows: Frame, keys: Sequence[str], columns: Sequence[str], shared: float) -> Frame:
    """Means over splits of some columns, ``<column>``, with intervals ``.low`` and ``.high``, for each entry of the keys."""
    found = []
    for key, part in rows.groupby(list(keys), sort=False):
        row = dict(zip(keys, key, strict=True))
        for column in columns:
            row |= interval_of(part[column], shared, column)
        found.append(row | {"splits": len(part)})
    ends = [f"{column}{end}" for column in columns for end in ("", ".low", ".high")]
    return pd.DataFrame(found, columns=[*keys, *ends, "splits"])


def interval_of(values: pd.Series, shared: float, column: str) -> dict[str, float]:
    """The mean and its interval, cut where a metric of that name ends."""
    found = mean_interval(values.to_numpy(float), shared=shared)
    low, high = found.get("low", np.nan), found.get("high", np.nan)
    if column in repeated.METRICS:
        least, most = as_metric(column).bounds
        low, high = max(low, least), min(high, most)
    return {column: found["mean"], f"{column}.low": low, f"{column}.high": high}


def gains_of(rows: Frame, shared: float) -> Frame:
    """Accuracy of guided k-means less that of each other method, of the same splits: ``labels``, ``against``, the values."""
    wide = rows.pivot_table(index=["labels", "split"], columns="variant", values="accuracy", sort=False)
    found = [
        {"labels": labels, "against": name, "shared": shared, "values": part.to_numpy()}
        for name in wide.columns.drop(METHOD, errors="ignore")
        if METHOD in wide
        for labels, part in (wide[METHOD] - wide[name]).groupby(level="labels")
    ]
    return pd.DataFrame(found, columns=["labels", "against", "shared", "values"])


def decided(found: Frame) -> Frame:
    """The gains with 95 % intervals, and whether they are decided: ``better``, ``worse`` or ``open``.

    So many intervals would miss 0 by chance somewhere. A verdict is of the interval at 1 - 0.05 / m, for the m pairs of table and
    number of labels in which guided k-means meets that method (Bonferroni).
    """
    found = found.copy()
    for _, part in found.groupby("against"):
        for place, row in part.iterrows():
            ends = mean_interval(row["values"], shared=row["shared"])
            sure = mean_interval(row["values"], 1 - (1 - repeated.LEVEL) / len(part), row["shared"])
            found.loc[place, ["gain", "low", "high"]] = [ends[name] for name in ("mean", "low", "high")]
            found.loc[place, "verdict"] = (
                "better" if sure["low"] > 0 else "worse" if sure["high"] < 0 else "open"
            )
    return found.reindex(columns=list(GAINS))
