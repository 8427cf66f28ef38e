"""What `report.md` shows: figures, and the words and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches.classifier_pages import of_best
from etudes.benches.tables import matrix_of
from etudes.reporting.charts import lines, points
from etudes.study import Study

GONE = "Guided k-means was left out of this run, or nothing it is compared with ran."
LABELS = "labelled rows (count, logarithmic)"
SAID = {"better": "better at", "worse": "worse at", "open": "open at"}


def by_labels(study: Study, label_curve_table: pd.DataFrame) -> go.Figure:
    """Accuracy by number of labels on the table in question."""
    table = label_curve_table
    first = table[table["table"] == table["table"].iloc[0]]
    unit = "accuracy (fraction)"
    how = {"x": "labels", "y": "accuracy", "by": "variant", "order": study.variants, "log_x": True}
    return lines(first, f"Accuracy on {first['table'].iloc[0]}", LABELS, unit, **how)


def gains(gain_table: pd.DataFrame, against: str = "kmeans_vote") -> go.Figure:
    """What guided k-means gains over one method, by number of labels, on every table."""
    rows = gain_table[gain_table["against"] == against]
    name, unit = against.replace("_", " "), "accuracy gained (fraction)"
    how = {
        "x": "labels",
        "y": "gain",
        "by": "table",
        "low": "low",
        "high": "high",
        "log_x": True,
        "empty": GONE,
    }
    return lines(rows, f"Guided k-means less {name}", LABELS, unit, levels={"equal": 0.0}, **how)


def alpha(alpha_table: pd.DataFrame, of: str = "accuracy") -> go.Figure:
    """What each alpha gains over alpha = 0, which is k-means."""
    title, unit = {
        "accuracy": ("Accuracy gained over k-means", "accuracy gained (fraction)"),
        "ari": (
            "Clusters nearer to the classes than those of k-means",
            "adjusted Rand index gained (fraction)",
        ),
    }[of]
    columns = {f"{of}_gain{end}": name for end, name in (("", "y"), (".low", "low"), (".high", "high"))}
    rows = alpha_table.reindex(columns=["table", "alpha", *columns]).rename(columns=columns)
    how = {"x": "alpha", "by": "table", "low": "low", "high": "high", "log_x": True, "empty": GONE}
    axis = "alpha (weight of impurity, logarithmic)"
    return lines(rows[rows["alpha"] > 0], title, axis, unit, levels={"k-means (alpha = 0)": 0.0}, **how)


def objective(guided_history: dict[str, Any]) -> go.Figure:
    """The guided descent of the stored model, sweep by sweep."""
    rows = [
        {"x": row["sweep"], "y": row[name], "by": name}
        for name in ("objective", "impurity")
        for row in guided_history.get("epochs", [])
    ]
    table = pd.DataFrame(rows, columns=["x", "y", "by"])
    unit = "unexplained variance and weighted impurity (fraction)"
    return lines(table, "The objective never rises", "sweep (count)", unit, by="by", empty=GONE)


def map_of_test(
    study: Study, predictions: pd.DataFrame, test_split: pd.DataFrame, metrics: dict[str, float]
) -> go.Figure:
    """The test rows in the plane of their largest variance; what the best variant gets wrong has a mark of its own."""
    best = of_best(predictions, metrics).set_index("id").loc[test_split["id"]]
    matrix = matrix_of(test_split)
    z = (matrix - matrix.mean(axis=0)) / np.where(matrix.std(axis=0) > 0, matrix.std(axis=0), 1.0)
    plane = z @ np.linalg.svd(z, full_matrices=False)[2][:2].T
    kind = np.where(best["truth"] == best["predicted"], best["truth"], "wrong")
    table = pd.DataFrame({"x": plane[:, 0], "y": plane[:, -1], "by": kind})
    axes = [f"{place} principal direction (standard deviations)" for place in ("first", "second")]
    order = [*sorted(best["truth"].unique()), "wrong"]
    return points(table, f"Test rows, answered by {best['variant'].iloc[0]}", *axes, by="by", order=order)


def where(gain_table: pd.DataFrame) -> pd.DataFrame:
    """For each method and table the numbers of labels at which guided k-means is better, worse, or neither for sure."""
    rows = [
        {"against": against, "table": table}
        | {
            said: " ".join(map(str, part.loc[part["verdict"] == v, "labels"])) or "–"
            for v, said in SAID.items()
        }
        for (against, table), part in gain_table.groupby(["against", "table"], sort=False)
        if against != "most_frequent"
    ]
    return pd.DataFrame(rows, columns=["against", "table", *SAID.values()])


def answer(gain_table: pd.DataFrame) -> str:
    """In how many pairs of table and number of labels guiding is better or worse, by method."""
    if gain_table.empty:
        return GONE
    parts = []
    for against, part in gain_table[gain_table["against"] != "most_frequent"].groupby("against", sort=False):
        counts = part["verdict"].value_counts()
        most = part.loc[part["gain"].idxmax()]
        parts.append(
            f"than `{against}` better in {counts.get('better', 0)} and worse in {counts.get('worse', 0)} of {len(part)} "
            f"(most {most['gain']:+.3f} [{most['low']:+.3f}, {most['high']:+.3f}], {most['labels']} labels of {most['table']})"
        )
    return f"Of all pairs of table and number of labels, guided k-means is {'; '.join(parts)}."


def two_or_all(measurements_table: pd.DataFrame) -> pd.DataFrame:
    """Pairs of measurements beside all of them, with intervals."""
    columns = {"guided": "guided k-means", "kmeans_vote": "k-means and vote", "gain_of_all": "all less these"}
    rows = [
        {"measurements": row["measurements"], "starts": row["starts"]}
        | {
            said: f"{row[n]:.3f} [{row[f'{n}.low']:.3f}, {row[f'{n}.high']:.3f}]"
            for n, said in columns.items()
        }
        for row in measurements_table.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["measurements", "starts", *columns.values()])


def chosen(histories: dict[str, Any]) -> pd.DataFrame:
    """What the labelled rows chose for the stored models."""
    rows = [
        {
            "variant": name,
            "chosen": ", ".join(f"{key} {value:g}" for key, value in history["chosen"].items()) or "–",
        }
        for name, history in histories.items()
    ]
    return pd.DataFrame(rows, columns=["variant", "chosen"])
