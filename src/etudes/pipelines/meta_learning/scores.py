"""Means over test tasks with their intervals, and differences between variants on the same tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.evaluation.bootstrap import resample_weights

Floats = NDArray[np.float64]
STEPS = (0, 1, 5, 10)
TRANSDUCTIVE = "characters, queries together"
MANY_WAYS = " ways"
COLUMNS = ["variant", "task", "shots", "step", "value", "low", "high"]
COMPARED = (("sinusoids", 10, 1), ("sinusoids", 10, 10), ("characters", 1, 10), ("characters", 5, 10))


def many_ways(ways: int) -> str:
    """The name of the tasks with more characters than in training."""
    return f"characters, {ways}{MANY_WAYS}"


@dataclass(frozen=True)
class Curve:
    """Scores of one variant on all test tasks of one kind: ``values`` (T, len(steps))."""

    variant: str
    task: str
    shots: int
    steps: tuple[int, ...]
    values: Floats

    def after(self, step: int) -> Floats:
        """Scores (T,) after ``step`` steps."""
        return self.values[:, self.steps.index(step)]


def intervals(
    columns: Floats, resamples: int, level: float = 0.95, seed: int = 0
) -> tuple[Floats, Floats, Floats]:
    """Mean of each column (T, M) and its percentile bootstrap interval over tasks: three times (M,).

    The same resamples serve all columns, so that differences of columns are paired.
    """
    means = np.concatenate(
        [weights @ columns / len(columns) for weights in resample_weights(len(columns), resamples, seed)]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return columns.mean(0), low, high


def steps_table(curves: Sequence[Curve], resamples: int) -> pd.DataFrame:
    """One row for each variant, kind of task, shots and step."""
    tables = []
    for curve in curves:
        value, low, high = intervals(curve.values, resamples)
        tables.append(
            pd.DataFrame(
                {
                    "variant": curve.variant,
                    "task": curve.task,
                    "shots": curve.shots,
                    "step": curve.steps,
                    "value": value,
                    "low": low,
                    "high": high,
                },
                columns=COLUMNS,
            )
        )
    return pd.concat(tables, ignore_index=True)


def alphabets_table(curves: Sequence[Curve], resamples: int) -> pd.DataFrame:
    """Accuracy from one drawing of each character after the last step: one row for each variant and alphabet."""
    table = steps_table(curves, resamples) if curves else pd.DataFrame(columns=COLUMNS)
    return (
        table[table["step"] == STEPS[-1]]
        .rename(columns={"task": "alphabet"})[["variant", "alphabet", "value", "low", "high"]]
        .reset_index(drop=True)
    )


def flat_metrics(table: pd.DataFrame) -> dict[str, float]:
    """``variant.mse_after_<step>`` (10 points); after 10 steps ``mse_5shot``, ``accuracy_<shots>shot``, and
    ``transductive_1shot``, the accuracy where the queries of a task are normalised together, and ``many_ways_1shot``, the
    accuracy among more characters than in training.
    """
    metrics: dict[str, float] = {}
    for row in table.to_dict("records"):
        names = []
        if row["task"] == "sinusoids" and row["shots"] == 10 and row["step"] in STEPS:
            names.append(f"mse_after_{row['step']}")
        if row["task"] == "sinusoids" and row["shots"] == 5 and row["step"] == STEPS[-1]:
            names.append("mse_5shot")
        if row["task"] == "characters" and row["step"] == STEPS[-1]:
            names.append(f"accuracy_{row['shots']}shot")
        if row["task"] == TRANSDUCTIVE and row["step"] == STEPS[-1]:
            names.append(f"transductive_{row['shots']}shot")
        if row["task"].endswith(MANY_WAYS) and row["step"] == STEPS[-1]:
            names.append(f"many_ways_{row['shots']}shot")
        for name in names:
            key = f"{row['variant']}.{name}"
            metrics[key], metrics[f"{key}.low"], metrics[f"{key}.high"] = (
                row["value"],
                row["low"],
                row["high"],
            )
    return metrics


def differences_table(curves: Sequence[Curve], baseline: str, resamples: int) -> pd.DataFrame:
    """Each variant minus the baseline, and MAML minus its two cheaper forms, task by task, with intervals of the mean."""
    found: Mapping[tuple[str, str, int], Curve] = {(c.variant, c.task, c.shots): c for c in curves}
    variants = list(dict.fromkeys(curve.variant for curve in curves))
    pairs = [(variant, baseline) for variant in variants if variant != baseline and baseline in variants]
    others = [name for name in ("maml_first_order", "anil") if {"maml", name} <= set(variants)]
    pairs += [("maml", name) for name in others]
    rows = []
    for first, second in pairs:
        for task, shots, step in COMPARED:
            difference = found[first, task, shots].after(step) - found[second, task, shots].after(step)
            value, low, high = (ends[0] for ends in intervals(difference[:, None], resamples))
            rows.append([first, second, task, shots, step, value, low, high])
    columns = ["first", "second", "task", "shots", "step", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def predictions_table(curves: Sequence[Curve]) -> pd.DataFrame:
    """The score of every variant on every test task after every step."""
    tables = []
    for curve in curves:
        tasks, steps = curve.values.shape
        tables.append(
            pd.DataFrame(
                {
                    "variant": curve.variant,
                    "task": curve.task,
                    "shots": curve.shots,
                    "number": np.repeat(np.arange(tasks), steps),
                    "step": np.tile(curve.steps, tasks),
                    "score": curve.values.ravel(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
