"""What `report.md` shows: figures, and the words and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches import classifiers
from etudes.benches.classifier_pages import best_and_baseline, of_best
from etudes.evaluation.classification import reliability
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
    rows = table[(table["kind"] == kind) & (table["metric"] == metric)]
    rows = rows.rename(columns={"size": "x", "mean": "y", "name": "by"})
    axes = ("training rows (count, logarithmic)", unit)
    level = {"equal": 0.0} if kind == "advantage" else None
    order, gone = study.variants, "No linear variant was trained, or there are too few rows."
    return lines(
        rows, title, *axes, by="by", low="low", high="high", order=order, levels=level, log_x=True, empty=gone
    )


def descent(logistic_history: dict[str, Any]) -> go.Figure:
    """How far the training loss is above its minimum, by epoch."""
    # Rounding can put the last epochs a hair below the minimum that Newton's method found.
    rows = pd.DataFrame(logistic_history.get("epochs", []), columns=["epoch", "excess_loss"]).clip(1e-12)
    title, gone = "Gradient descent reaches the minimum", "logistic was left out of this run"
    axes = ("epoch (count)", "loss above the minimum (fraction)")
    return lines(rows, title, *axes, x="epoch", y="excess_loss", log_y=True, marks=False, empty=gone)


def stages(boosting_history: dict[str, Any]) -> go.Figure:
    """Log-loss on train and dev by number of trees."""
    rows = pd.DataFrame(boosting_history.get("epochs", []), columns=["step", "train_loss", "dev_loss"])
    rows = rows.rename(columns={"train_loss": "train", "dev_loss": "dev"})
    table = rows.melt("step", var_name="of", value_name="loss")
    title, axes = "Boosting: loss by number of trees", ("trees (count)", "log-loss (nats)")
    gone = "boosting was left out of this run"
    return lines(table, title, *axes, x="step", y="loss", by="of", marks=False, empty=gone)


def effects(effect_table: pd.DataFrame) -> go.Figure:
    """The effects of logistic regression that are most certainly not zero, with 95 % intervals."""
    effect, half = effect_table["effect"].astype(float), 1.96 * effect_table["error"].astype(float)
    shown = effect_table.assign(low=effect - half, high=effect + half, certain=effect.abs() - half)
    shown = shown.nlargest(STRONGEST, "certain").sort_values("effect", ascending=False)
    title, unit = "What speaks for an income above 50K", "effect (nats of log-odds per unit)"
    gone = "logistic was left out of this run"
    return bars(shown, title, unit, "column", x="effect", y="feature", low="low", high="high", empty=gone)


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
        above = (part["truth"] == LABELS[1]).to_numpy()
        found[name] = reliability(part["p_above"].to_numpy(), above, evaluation.bins)
    title = "Of those given a probability, how many are above?"
    figure = figures.reliability_diagram(found, variants=study.variants, title=title)
    return figure.update_layout(
        xaxis_title_text="probability of > 50K (fraction)", yaxis_title_text="truly > 50K (fraction)"
    )


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
        for row in of_best(group_table, metrics).to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["group", "rows", *RATES.values()])


def gaps(gap_table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    """What the other sex has less or more than the larger group, of the best variant."""
    rows = of_best(gap_table, metrics)
    rows = rows[rows["attribute"] == "sex"]
    return rows[["rate", "group", "reference", "gap", "low", "high"]].replace({"rate": RATES})


def mistakes(
    predictions: pd.DataFrame, test_split: pd.DataFrame, metrics: dict[str, float]
) -> list[dict[str, Any]]:
    """The most confident wrong answers of the best variant, with the person's answers."""
    people = test_split.set_index("id")[ANSWERS].to_dict("index")
    texts = {i: ", ".join(f"{name} {value}" for name, value in row.items()) for i, row in people.items()}
    return classifiers.confident_mistakes(of_best(predictions, metrics), texts)
