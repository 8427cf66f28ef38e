"""The figures that only this study has: plain functions from tables to plotly figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etudes.reporting import new_figure, variant_colours, variant_symbols
from etudes.reporting.style import (
    NEUTRAL,
    PALETTE,
    TOP_MARGIN,
    add_band,
    plain,
    say_empty,
    translucent,
    wrapped,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

STRONGEST = 24  # effects shown
FOLLOWED = 10  # weights shown along the path
RATES = (
    ("positive_rate", "answered > 50K"),
    ("tpr", "hits"),
    ("fpr", "false alarms"),
    ("base_rate", "truly > 50K"),
)


def learning_curve(table: pd.DataFrame, variants: Sequence[str]) -> go.Figure:
    """Accuracy above and log-loss below against the number of training people, with bands over draws."""
    scores = table[table["kind"] == "score"]
    figure = _two_panels(
        "Learning curves of three linear methods", "accuracy (fraction)", "log-loss (nats)", not scores.empty
    )
    _add_bands(figure, scores, variants)
    return figure


def advantage(table: pd.DataFrame, variants: Sequence[str]) -> go.Figure:
    """Generative minus logistic, paired by draw, above zero where the generative method is better."""
    gaps = table[table["kind"] == "advantage"]
    figure = _two_panels(
        "Advantage of the generative methods over logistic regression",
        "accuracy gained (fraction)",
        "log-loss saved (nats)",
        not gaps.empty,
    )
    _add_bands(figure, gaps, variants)
    if not gaps.empty:
        for axis in ("y", "y2"):
            line = {"color": NEUTRAL, "dash": "dash", "width": 1.5}
            figure.add_shape(type="line", x0=0, x1=1, xref="paper", y0=0, y1=0, yref=axis, line=line)
    return figure


def _two_panels(title: str, upper: str, lower: str, filled: bool) -> go.Figure:
    figure = new_figure(title, TOP_MARGIN + 560)
    figure.update_layout(
        xaxis={"anchor": "y2", "type": "log", "title": {"text": "training people (count, logarithmic)"}},
        yaxis={"domain": [0.54, 1], "title": {"text": upper}},
        yaxis2={"domain": [0, 0.46], "anchor": "x", "title": {"text": lower}},
    )
    if filled:
        return figure
    figure.update_xaxes(type="linear")
    return say_empty(figure, "No linear variant was trained, or there are too few people.")


def _add_bands(figure: go.Figure, table: pd.DataFrame, variants: Sequence[str]) -> None:
    import plotly.graph_objects as go

    colours, symbols = variant_colours(variants), variant_symbols(variants)
    for (method, metric), part in table.groupby(["name", "metric"], sort=False):
        name = str(method)
        yaxis, colour = "y" if metric == "accuracy" else "y2", colours[name]
        band = part.dropna(subset=["low", "high"])
        add_band(figure, band["size"], band["low"], band["high"], colour, name, yaxis=yaxis)
        figure.add_trace(
            go.Scatter(
                x=part["size"],
                y=part["mean"],
                yaxis=yaxis,
                mode="lines+markers",
                name=plain(name),
                legendgroup=name,
                showlegend=metric == "accuracy",
                line={"color": colour, "width": 2},
                marker={"symbol": symbols[name], "size": 7},
                customdata=np.stack([part["low"], part["high"], part["draws"]], axis=-1),
                hovertemplate="%{x:,} people<br>%{y:.4f} [%{customdata[0]:.4f}, %{customdata[1]:.4f}]"
                "<br>%{customdata[2]} draws",
            )
        )


def descent(epochs: Sequence[Mapping[str, float]], variants: Sequence[str]) -> go.Figure:
    """How far the training loss is above its minimum, and the log-loss on dev, by epoch."""
    import plotly.graph_objects as go

    figure = new_figure("Gradient descent reaches the minimum", TOP_MARGIN + 480)
    figure.update_layout(
        xaxis={"anchor": "y2", "title": {"text": "epoch (count)"}},
        yaxis={
            "domain": [0.54, 1],
            "type": "log",
            "exponentformat": "power",
            "title": {"text": "loss above the minimum (fraction)"},
        },
        yaxis2={"domain": [0, 0.46], "anchor": "x", "title": {"text": "dev log-loss (nats)"}},
    )
    if not epochs:
        figure.update_yaxes(type="linear")
        return say_empty(figure, "logistic was left out of this run.")
    colour = variant_colours(variants)["logistic"]
    for column, yaxis in (("excess_loss", "y"), ("dev_loss", "y2")):
        # Rounding can put the last epochs a hair below the minimum that Newton's method found.
        values = [max(row[column], 1e-12) for row in epochs]
        figure.add_trace(
            go.Scatter(
                x=[row["epoch"] for row in epochs],
                y=values,
                yaxis=yaxis,
                mode="lines",
                name="logistic",
                showlegend=False,
                line={"color": colour, "width": 2},
                hovertemplate=f"epoch %{{x}}<br>{column} %{{y:.3g}}<extra></extra>",
            )
        )
    return figure


def stages(epochs: Sequence[Mapping[str, float]], kept: int | None, variants: Sequence[str]) -> go.Figure:
    """Log-loss on train and dev by number of trees; a line where dev is best."""
    import plotly.graph_objects as go

    figure = new_figure("Boosting: loss by number of trees", TOP_MARGIN + 340)
    figure.update_xaxes(title_text="trees (count)")
    figure.update_yaxes(title_text="log-loss (nats)")
    if not epochs or kept is None:
        return say_empty(figure, "boosting was left out of this run.")
    colour = variant_colours(variants)["boosting"]
    for column, dash in (("train_loss", "dot"), ("dev_loss", "solid")):
        figure.add_trace(
            go.Scatter(
                x=[row["step"] for row in epochs],
                y=[row[column] for row in epochs],
                mode="lines",
                name=column.removesuffix("_loss"),
                line={"color": colour, "width": 2, "dash": dash},
                hovertemplate="%{x} trees<br>%{y:.4f} nats",
            )
        )
    figure.add_shape(
        type="line",
        x0=kept,
        x1=kept,
        y0=0,
        y1=1,
        yref="paper",
        line={"dash": "dash", "color": NEUTRAL},
        name=f"{kept} trees kept",
        showlegend=True,
    )
    return figure


def penalty_path(path: pd.DataFrame, weights: pd.DataFrame, variants: Sequence[str]) -> go.Figure:
    """The largest weights of logistic regression against the penalty, and the dev loss of all linear variants."""
    import plotly.graph_objects as go

    figure = new_figure("The path over penalties", TOP_MARGIN + 620)
    figure.update_layout(
        xaxis={"anchor": "y2", "type": "log", "title": {"text": "penalty (training people, logarithmic)"}},
        yaxis={"domain": [0.5, 1], "title": {"text": "weight (nats per standard deviation)"}},
        yaxis2={"domain": [0, 0.42], "anchor": "x", "title": {"text": "dev log-loss (nats)"}},
    )
    if path.empty:
        figure.update_xaxes(type="linear")
        return say_empty(figure, "No linear variant was trained.")
    sizes_of = weights["weight"].astype("float64").abs().groupby(weights["feature"]).max()
    largest = sizes_of.nlargest(FOLLOWED).index
    for number, feature in enumerate(largest):
        part = weights[weights["feature"] == feature].sort_values("penalty")
        figure.add_trace(
            go.Scatter(
                x=part["penalty"],
                y=part["weight"],
                mode="lines",
                name=plain(feature),
                line={
                    "color": PALETTE[number % len(PALETTE)],
                    "width": 1.5,
                    "dash": "solid" if number < len(PALETTE) else "dot",
                },
                hovertemplate="penalty %{x}<br>%{y:.3f}",
            )
        )
    colours, symbols = variant_colours(variants), variant_symbols(variants)
    for variant, part in path.groupby("variant", sort=False):
        name = str(variant)
        ordered = part.sort_values("penalty")
        sizes = np.where(ordered["penalty"] == ordered["chosen"], 14, 6)
        figure.add_trace(
            go.Scatter(
                x=ordered["penalty"],
                y=ordered["dev_log_loss"],
                yaxis="y2",
                mode="lines+markers",
                name=plain(name),
                line={"color": colours[name], "width": 2},
                marker={"symbol": symbols[name], "size": sizes, "opacity": 1},
                hovertemplate="penalty %{x}<br>%{y:.4f} nats",
            )
        )
    return figure


def effects(table: pd.DataFrame, variants: Sequence[str]) -> go.Figure:
    """The strongest effects of logistic regression with 95 % intervals, the generative models' beside them."""
    import plotly.graph_objects as go

    figure = new_figure("What speaks for an income above 50K", TOP_MARGIN + 90 + 26 * STRONGEST)
    figure.update_xaxes(title_text="effect (nats of log-odds per unit)", zeroline=True)
    figure.update_yaxes(title_text="column (its unit)", type="category", showgrid=False)
    if "logistic" not in table:
        return say_empty(figure, "logistic was left out of this run.")
    certain = table["logistic"].abs() - 1.96 * table["logistic.error"]
    shown = table.loc[certain.nlargest(STRONGEST).index].sort_values("logistic")
    labels = [plain(feature) for feature in shown["feature"]]
    colours, symbols = variant_colours(variants), variant_symbols(variants)
    for name in ("logistic", "gaussian", "naive_bayes"):
        if name not in shown:
            continue
        trace: dict[str, Any] = {}
        if name == "logistic":
            error = 1.96 * shown["logistic.error"]
            trace["error_x"] = {
                "type": "data",
                "array": error,
                "color": NEUTRAL,
                "thickness": 1.5,
                "width": 3,
            }
        figure.add_trace(
            go.Scatter(
                x=shown[name],
                y=labels,
                mode="markers",
                name=plain(name),
                marker={"color": colours[name], "symbol": symbols[name], "size": 9},
                customdata=shown["unit"],
                hovertemplate="%{y}<br>%{x:.3f} nats, %{customdata}",
                **trace,
            )
        )
    ticks = [
        wrapped(f"{feature} (SD)" if unit == "standard deviation" else feature, 40, 1)
        for feature, unit in zip(shown["feature"], shown["unit"], strict=True)
    ]
    figure.update_yaxes(tickvals=labels, ticktext=ticks, categoryorder="array", categoryarray=labels)
    return figure


def roc(predictions: pd.DataFrame, variants: Sequence[str], positive: str) -> go.Figure:
    """True against false positive rate over all thresholds."""
    import plotly.graph_objects as go

    figure = new_figure("ROC curves", TOP_MARGIN + 480)
    figure.update_xaxes(title_text="false positive rate (fraction)", range=[0, 1.01])
    figure.update_yaxes(title_text="true positive rate (fraction)", range=[0, 1.01])
    line: dict[str, Any] = {"color": NEUTRAL, "dash": "dash"}
    figure.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", name="chance", line=line, hoverinfo="skip"))
    colours = variant_colours(variants)
    for variant, part in predictions.groupby("variant", sort=False):
        name = str(variant)
        false_rate, true_rate = roc_points(part["p_above"].to_numpy(), (part["truth"] == positive).to_numpy())
        figure.add_trace(
            go.Scatter(
                x=false_rate,
                y=true_rate,
                mode="lines",
                name=plain(name),
                line={"color": colours[name], "width": 2},
                hovertemplate="false positives %{x:.3f}<br>true positives %{y:.3f}",
            )
        )
    return figure


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


def calibration_bins(scores: np.ndarray, positive: np.ndarray, bins: int) -> pd.DataFrame:
    """Bins of equal width of P(> 50K): mean probability, share truly above, people; empty bins are left out."""
    place = np.minimum((scores * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    return pd.DataFrame(
        {
            "confidence": np.bincount(place, weights=scores, minlength=bins)[filled] / count[filled],
            "accuracy": np.bincount(place, weights=positive, minlength=bins)[filled] / count[filled],
            "count": count[filled],
        }
    )


def calibration(
    predictions: pd.DataFrame, bins: int, variants: Sequence[str], positive: str, baseline: str
) -> go.Figure:
    """Share above 50K against the probability given to it."""
    from etudes.reporting import reliability_diagram

    found = {
        str(name): calibration_bins(part["p_above"].to_numpy(), (part["truth"] == positive).to_numpy(), bins)
        for name, part in predictions.groupby("variant", sort=False)
        if name != baseline
    }
    figure = reliability_diagram(
        found, variants=variants, title="Of those given a probability, how many are above?"
    )
    figure.update_xaxes(title_text="probability of > 50K (fraction)")
    figure.update_yaxes(title_text="truly > 50K (fraction)")
    figure.for_each_trace(
        lambda trace: (
            trace.update(
                hovertemplate="probability %{x:.3f}<br>truly above %{y:.3f}<br>%{customdata:,} people"
            )
            if trace.name != "calibrated"
            else None
        )
    )
    return figure


def groups(table: pd.DataFrame) -> go.Figure:
    """Rates of each group with 95 % intervals, for one variant."""
    import plotly.graph_objects as go

    rows = table.iloc[::-1]
    labels = [plain(f"{a}: {g}") for a, g in zip(rows["attribute"], rows["group"], strict=True)]
    figure = new_figure("Groups side by side", TOP_MARGIN + 90 + 52 * max(len(rows), 3))
    figure.update_xaxes(title_text="rate (fraction)", range=[0, 1.01])
    figure.update_yaxes(title_text="group (test people)", type="category", showgrid=False)
    if rows.empty:
        return say_empty(figure, "No group has enough people.")
    for number, (rate, text) in enumerate(RATES):
        error = {
            "type": "data",
            "symmetric": False,
            "array": rows[f"{rate}.high"] - rows[rate],
            "arrayminus": rows[rate] - rows[f"{rate}.low"],
            "color": NEUTRAL,
            "thickness": 1.5,
            "width": 3,
        }
        figure.add_trace(
            go.Bar(
                x=rows[rate],
                y=labels,
                orientation="h",
                name=text,
                error_x=error,
                marker={"color": translucent(PALETTE[number], 0.6)},
                hovertemplate="%{y}<br>%{x:.3f}",
            )
        )
    ticks = [f"{wrapped(label, 28, 1)} ({n:,})" for label, n in zip(labels, rows["people"], strict=True)]
    figure.update_yaxes(tickvals=labels, ticktext=ticks)
    figure.update_layout(barmode="group", bargap=0.25)
    return figure
