"""What `report.md` shows: figures, and the words and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.assembly import left_out
from etudes.benches import classifiers
from etudes.pipelines.income_classification.parameters import EvaluationParameters
from etudes.pipelines.income_classification.people import ANSWERS, LABELS
from etudes.reporting import metric_bars, reliability_diagram
from etudes.reporting.charts import bars, lines, points
from etudes.study import load_study

STRONGEST = 24  # effects shown
STUDY = load_study("income_classification")
NAMES = {"gaussian": "The Gaussian model", "naive_bayes": "Naive Bayes", "log_loss": "log-loss"}
RATES = {
    "base_rate": "truly above",
    "accuracy": "accuracy",
    "positive_rate": "answered",
    "tpr": "hits",
    "fpr": "false alarms",
    "calibration_gap": "calibration gap",
}


def scores(metrics: dict[str, float]) -> go.Figure:
    """Accuracy of every variant beside the references."""
    references = [r for r in STUDY.references if r.metric == STUDY.metric]
    return metric_bars(metrics, STUDY.metric, STUDY.variants, STUDY.baseline, references)


def curve_of(learning_curve_table: pd.DataFrame, kind: str = "score", metric: str = "accuracy") -> go.Figure:
    """One metric of the learning curve, or what the generative methods gain in it."""
    table = learning_curve_table
    title, unit = {
        ("score", "accuracy"): ("Accuracy by training people", "accuracy (fraction)"),
        ("score", "log_loss"): ("Log-loss by training people", "log-loss (nats)"),
        ("advantage", "accuracy"): ("Accuracy gained over logistic regression", "accuracy gained (fraction)"),
        ("advantage", "log_loss"): ("Log-loss saved over logistic regression", "log-loss saved (nats)"),
    }[kind, metric]
    return lines(
        table[(table["kind"] == kind) & (table["metric"] == metric)],
        title,
        "training people (count, logarithmic)",
        unit,
        x="size",
        y="mean",
        by="name",
        low="low",
        high="high",
        order=STUDY.variants,
        levels={"equal": 0.0} if kind == "advantage" else None,
        log_x=True,
        empty="No linear variant was trained, or there are too few people.",
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


def roc(predictions: pd.DataFrame) -> go.Figure:
    """True against false positive rate over all thresholds."""
    tables = []
    for name, part in predictions.groupby("variant", sort=False):
        false, true = roc_points(part["p_above"].to_numpy(), (part["truth"] == LABELS[1]).to_numpy())
        tables.append(pd.DataFrame({"x": false, "y": true, "by": name}))
    x, y = "false positive rate (fraction)", "true positive rate (fraction)"
    return lines(pd.concat(tables), "ROC curves", x, y, by="by", order=STUDY.variants, marks=False)


def roc_points(scores: np.ndarray, positive: np.ndarray, most: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates (T,) at falling thresholds, from (0, 0) to (1, 1); at most about ``most`` points."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of each group of equal scores
    hits, false = np.cumsum(positive[order])[last], np.cumsum(~positive[order])[last]
    keep = np.unique(np.linspace(0, len(last) - 1, min(most, len(last))).round().astype(int))
    return (
        np.append(0.0, false[keep] / max(1, (~positive).sum())),
        np.append(0.0, hits[keep] / max(1, positive.sum())),
    )


def calibration(predictions: pd.DataFrame, evaluation: EvaluationParameters) -> go.Figure:
    """Share above 50K against the probability given to it, in bins of equal width."""
    found = {}
    for name, part in predictions[predictions["variant"] != STUDY.baseline].groupby("variant", sort=False):
        above = part.assign(
            bin=np.minimum((part["p_above"] * evaluation.bins).astype(int), evaluation.bins - 1),
            above=part["truth"] == LABELS[1],
        ).groupby("bin")
        table = above.agg(confidence=("p_above", "mean"), accuracy=("above", "mean"), count=("id", "size"))
        found[str(name)] = table.astype({"count": int})
    title = "Of those given a probability, how many are above?"
    figure = reliability_diagram(found, variants=STUDY.variants, title=title)
    return figure.update_layout(
        xaxis_title_text="probability of > 50K (fraction)", yaxis_title_text="truly > 50K (fraction)"
    )


def groups(group_table: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Rates of each group, of the variant with the best accuracy."""
    rows = _of_best(group_table, metrics)
    table = pd.DataFrame(
        [
            {"x": row[rate], "y": f"{row['attribute']}: {row['group']}", "by": RATES[rate]}
            for rate in ("positive_rate", "tpr", "fpr", "base_rate")
            for row in rows.to_dict("records")
        ],
        columns=["x", "y", "by"],
    )
    empty = "No group has enough people."
    return points(table, "Groups side by side", "rate (fraction)", "group", by="by", size=11, empty=empty)


def _of_best(table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    best = max(table["variant"].unique(), key=lambda name: metrics[f"{name}.accuracy"], default="")
    return table[table["variant"] == best]


def best_two(comparison_card: dict[str, Any]) -> str:
    """The two best variants, person by person."""
    return classifiers.say_best_two(comparison_card, "people", "accuracy", digits=4)


def verdicts(learning_curve_card: dict[str, Any]) -> str:
    """What the learning curve says of the claim, one paragraph a generative method."""
    found = learning_curve_card["verdicts"]
    if not found:
        return "Not asked here: no generative variant was trained beside logistic regression."
    names = dict.fromkeys(verdict["name"] for verdict in found)
    said = {name: " ".join(_verdict(v) for v in found if v["name"] == name) for name in names}
    return "\n\n".join(f"**{NAMES[name]}.** {text}" for name, text in said.items())


def _verdict(verdict: dict[str, Any]) -> str:
    def at(sizes: list[int]) -> str:
        return f"at {', '.join(f'{size:,}' for size in sizes)} people"

    metric = NAMES.get(verdict["metric"], verdict["metric"])
    if verdict["holds"]:
        text = f"In {metric} the claim holds with little data: better than logistic regression {at(verdict['better_at'])}"
    elif verdict["better_at"]:
        text = f"In {metric} it is not certainly better with the least data, but {at(verdict['better_at'])}"
    else:
        text = f"In {metric} the claim does not hold here: nowhere certainly better than logistic regression"
    worse = verdict["worse_at"]
    text += f", certainly worse {at(worse)}" if worse else ", and nowhere certainly worse"
    if verdict["crossing"] is not None:
        text += f"; on average the lead is lost at about {verdict['crossing']:,.0f} people"
    return text + "."


def penalties(learning_curve_card: dict[str, Any]) -> pd.DataFrame:
    """The median penalty that each method chose at each size."""
    rows = pd.DataFrame(learning_curve_card["penalties"], columns=["method", "size", "penalty"])
    table = rows.pivot_table(index="size", columns="method", values="penalty").reset_index()
    return table.rename(columns={"size": "training people"}).convert_dtypes().rename_axis(columns=None)


def training(logistic_history: dict[str, Any], boosting_history: dict[str, Any]) -> str:
    """Where the descent ended, and how many trees were kept."""
    parts = []
    if not left_out(logistic_history):
        last = logistic_history["epochs"][-1]
        parts.append(
            f"**Logistic regression.** Dev chose the penalty {logistic_history['penalty']:g}. After {last['epoch']:.0f} "
            f"epochs gradient descent is {last['excess_loss']:.1e} of the loss above the minimum, and no weight is further "
            f"than {logistic_history['largest_weight_difference']:.1e} nats per standard deviation from the minimum's."
        )
    if not left_out(boosting_history):
        kept, grown = boosting_history["trees"], len(boosting_history["epochs"])
        parts.append(f"**Boosting.** {kept} of {grown} trees are kept, where the dev loss is least.")
    return "\n\n".join(parts)


def rates(group_table: pd.DataFrame, metrics: dict[str, float]) -> pd.DataFrame:
    """The rates of every group of the best variant, with intervals."""

    def cell(row: Any, rate: str) -> str:
        value, low, high = (row[f"{rate}{end}"] for end in ("", ".low", ".high"))
        return "–" if pd.isna(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"

    rows = [
        {"group": f"{row['attribute']}: {row['group']}", "people": row["people"]}
        | {text: cell(row, rate) for rate, text in RATES.items()}
        for row in _of_best(group_table, metrics).to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["group", "people", *RATES.values()])


def gaps(gap_table: pd.DataFrame, metrics: dict[str, float]) -> str:
    """The gaps of sex in words; those of race are in the table, for some groups are small."""
    rows = _of_best(gap_table, metrics)
    found: dict[Any, Any] = {row["rate"]: row for row in rows[rows["attribute"] == "sex"].to_dict("records")}
    if not found:
        return "Too few people of one sex for a comparison."

    def gap(rate: str) -> str:
        return "{gap:+.3f} [{low:+.3f}, {high:+.3f}]".format(**found[rate])

    return (
        f"**{found['tpr']['group']} less {found['tpr']['reference']}.** Answered > 50K: {gap('positive_rate')}, where the truth "
        f"differs by {gap('base_rate')}. Of those truly above, found: {gap('tpr')}. Of those below, taken for above: "
        f"{gap('fpr')}. Mean probability less truth: {gap('calibration_gap')}."
    )


def mistakes(
    predictions: pd.DataFrame, test_split: pd.DataFrame, metrics: dict[str, float]
) -> list[dict[str, Any]]:
    """The most confident wrong answers of the best variant, with the person's answers."""
    best = str(_of_best(predictions, metrics)["variant"].iloc[0])
    people = test_split.set_index("id")[ANSWERS].to_dict("index")
    texts = {i: ", ".join(f"{name} {value}" for name, value in row.items()) for i, row in people.items()}
    return classifiers.confident_mistakes(predictions, best, texts)
