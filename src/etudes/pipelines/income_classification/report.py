"""What `report.md` shows: figures, and the words and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches import classifiers
from etudes.benches.classifier_pages import best_and_baseline
from etudes.pipelines.income_classification.parameters import EvaluationParameters
from etudes.pipelines.income_classification.people import ANSWERS, LABELS
from etudes.reporting import figures
from etudes.reporting.charts import bars, lines
from etudes.study import Study, unit_of

STRONGEST = 24  # effects shown
RATES = {
    "base_rate": "truly above",
    "accuracy": "accuracy",
    "positive_rate": "answered",
    "tpr": "hits",
    "fpr": "false alarms",
    "calibration_gap": "calibration gap",
}


def scores(study: Study, metrics: dict[str, float]) -> go.Figure:
    """Accuracy of every variant beside the references."""
    references = [r for r in study.references if r.metric == study.metric]
    return figures.metric_bars(metrics, study.metric, study.variants, study.baseline, references)


def curve_of(
    study: Study, learning_curve_table: pd.DataFrame, kind: str = "score", metric: str = "accuracy"
) -> go.Figure:
    """One metric of the learning curve, or what the generative methods gain in it."""
    table = learning_curve_table
    title, unit = {
        ("score", "accuracy"): ("Accuracy by training rows", "accuracy (fraction)"),
        ("score", "log_loss"): ("Log-loss by training rows", "log-loss (nats)"),
        ("advantage", "accuracy"): ("Accuracy gained over logistic regression", "accuracy gained (fraction)"),
        ("advantage", "log_loss"): ("Log-loss saved over logistic regression", "log-loss saved (nats)"),
    }[kind, metric]
    return lines(
        table[(table["kind"] == kind) & (table["metric"] == metric)],
        title,
        "training rows (count, logarithmic)",
        unit,
        x="size",
        y="mean",
        by="name",
        low="low",
        high="high",
        order=study.variants,
        levels={"equal": 0.0} if kind == "advantage" else None,
        log_x=True,
        empty="No linear variant was trained, or there are too few rows.",
    )


def descent(logistic_history: dict[str, Any]) -> go.Figure:
    """How far the training loss is above its minimum, by epoch."""
    # Rounding can put the last epochs a hair below the minimum that Newton's method found.
    rows = [
        {"x": row["epoch"], "y": max(row["excess_loss"], 1e-12)} for row in logistic_history.get("epochs", [])
    ]
    return lines(
        pd.DataFrame(rows, columns=["x", "y"]),
        "Gradient descent reaches the minimum",
        "epoch (count)",
        "loss above the minimum (fraction)",
        log_y=True,
        marks=False,
        empty="logistic was left out of this run",
    )


def stages(boosting_history: dict[str, Any]) -> go.Figure:
    """Log-loss on train and dev by number of trees."""
    rows = [
        {"x": row["step"], "y": row[f"{part}_loss"], "by": part}
        for part in ("train", "dev")
        for row in boosting_history.get("epochs", [])
    ]
    return lines(
        pd.DataFrame(rows, columns=["x", "y", "by"]),
        "Boosting: loss by number of trees",
        "trees (count)",
        "log-loss (nats)",
        by="by",
        marks=False,
        empty="boosting was left out of this run",
    )


def effects(effect_table: pd.DataFrame) -> go.Figure:
    """The effects of logistic regression that are most certainly not zero, with 95 % intervals."""
    table = effect_table.reindex(
        columns=[*effect_table.columns, *{"logistic", "logistic.error"} - {*effect_table}]
    )
    half = 1.96 * table["logistic.error"].astype(float)
    shown = table.loc[(table["logistic"].astype(float).abs() - half).nlargest(STRONGEST).index]
    shown = shown.assign(low=shown["logistic"] - half, high=shown["logistic"] + half)
    title, unit = "What speaks for an income above 50K", "effect (nats of log-odds per unit)"
    shown = shown.sort_values("logistic", ascending=False)
    gone = "logistic was left out of this run"
    return bars(shown, title, unit, "column", x="logistic", y="feature", low="low", high="high", empty=gone)


def roc(study: Study, predictions: pd.DataFrame) -> go.Figure:
    """True against false positive rate over all thresholds."""
    parts = predictions.groupby("variant", sort=False)
    found = {str(n): (p["p_above"].to_numpy(), (p["truth"] == LABELS[1]).to_numpy()) for n, p in parts}
    return figures.roc_curves(found, study.variants)


def calibration(
    study: Study, predictions: pd.DataFrame, metrics: dict[str, float], evaluation: EvaluationParameters
) -> go.Figure:
    """Share above 50K against the probability given to it, in bins of equal width, by the two best and the baseline."""
    found = {}
    for name in best_and_baseline(study, metrics):
        part = predictions[predictions["variant"] == name]
        above = part.assign(
            bin=np.minimum((part["p_above"] * evaluation.bins).astype(int), evaluation.bins - 1),
            above=part["truth"] == LABELS[1],
        ).groupby("bin")
        table = above.agg(confidence=("p_above", "mean"), accuracy=("above", "mean"), count=("id", "size"))
        found[name] = table.astype({"count": int})
    title = "Of those given a probability, how many are above?"
    figure = figures.reliability_diagram(found, variants=study.variants, title=title)
    return figure.update_layout(
        xaxis_title_text="probability of > 50K (fraction)", yaxis_title_text="truly > 50K (fraction)"
    )


def _of_best(table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    best = max(table["variant"].unique(), key=lambda name: metrics[f"{name}.accuracy"], default="")
    return table[table["variant"] == best]


def best_two(comparison_card: dict[str, Any], data_card: dict[str, Any]) -> str:
    """The two best variants, row by row."""
    return classifiers.say_best_two(comparison_card, unit_of(data_card, "people"), "accuracy", digits=4)


def rates(group_table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    """The rates of every group of the best variant, with intervals."""

    def cell(row: Any, rate: str) -> str:
        value, low, high = (row[f"{rate}{end}"] for end in ("", ".low", ".high"))
        return "–" if pd.isna(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"

    rows = [
        {"group": f"{row['attribute']}: {row['group']}", "rows": row["people"]}
        | {text: cell(row, rate) for rate, text in RATES.items()}
        for row in _of_best(group_table, metrics).to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["group", "rows", *RATES.values()])


def gaps(gap_table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    """What the other sex has less or more than the larger group, of the best variant."""
    rows = _of_best(gap_table, metrics)
    rows = rows[rows["attribute"] == "sex"]
    return rows[["rate", "group", "reference", "gap", "low", "high"]].replace({"rate": RATES})


def mistakes(
    predictions: pd.DataFrame, test_split: pd.DataFrame, metrics: dict[str, float]
) -> list[dict[str, Any]]:
    """The most confident wrong answers of the best variant, with the person's answers."""
    best = str(_of_best(predictions, metrics)["variant"].iloc[0])
    people = test_split.set_index("id")[ANSWERS].to_dict("index")
    texts = {i: ", ".join(f"{name} {value}" for name, value in row.items()) for i, row in people.items()}
    return classifiers.confident_mistakes(predictions, best, texts)
