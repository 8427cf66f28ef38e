"""Figures of the reports: plain functions from tables to plotly figures.

Every axis has a name and a unit, texts from data are escaped, names of classes and variants are categories even
where they look like numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from etudes.reporting.bars import metric_bars
from etudes.reporting.confusion import confusion_matrix, similarity_order
from etudes.reporting.curves import learning_curves
from etudes.reporting.images import image_grid
from etudes.reporting.style import (
    NEUTRAL,
    NONE,
    PALETTE,
    TOP_MARGIN,
    check_unique,
    colour_order,
    columns_of,
    new_figure,
    plain,
    say_empty,
    translucent,
    variant_colours,
    variant_symbols,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

__all__ = [
    "confusion_matrix",
    "image_grid",
    "learning_curves",
    "metric_bars",
    "per_class_bars",
    "reliability_diagram",
    "roc_curves",
    "similarity_order",
    "term_weights",
]
LARGEST_MARKER = 22.0


def per_class_bars(table: pd.DataFrame, *, title: str = "Quality by class") -> go.Figure:
    """F1 of every class as a bar, best on top, with its precision and recall as markers; a class without examples has
    none, and its name says so.

    Args:
        table: columns ``label``, ``precision``, ``recall``, ``f1`` (fractions) and ``support`` (examples).

    Raises:
        ValueError: a column is missing, or a label occurs twice.
    """
    import plotly.graph_objects as go

    columns = columns_of(table, ("label", "precision", "recall", "f1", "support"), "the table of classes")
    check_unique(columns["label"], "classes")
    order = sorted(range(len(columns["label"])), key=lambda i: (columns["f1"][i], columns["support"][i]))
    get = {name: [values[i] for i in order] for name, values in columns.items()}
    for name in ("precision", "recall", "f1"):  # there is nothing to find of a class that test does not have
        get[name] = [value if n else None for value, n in zip(get[name], get["support"], strict=True)]
    labels = [plain(label) for label in get["label"]]
    figure = new_figure(title, TOP_MARGIN + 80 + 22 * max(len(labels), 4))
    figure.update_xaxes(title_text="score (fraction)", range=[0, 1.02])
    figure.update_yaxes(title_text="class (test examples)", type="category", showgrid=False)
    if not labels:
        return say_empty(figure, "No classes.")
    data = list(zip(get["precision"], get["recall"], get["support"], get["f1"], strict=True))
    hover = (
        "%{y}<br>F1 %{customdata[3]:.3f}<br>precision %{customdata[0]:.3f}<br>recall %{customdata[1]:.3f}"
        "<br>%{customdata[2]:,} examples<extra></extra>"
    )
    bar = {"color": translucent(PALETTE[6], 0.5)}
    figure.add_trace(
        go.Bar(
            x=get["f1"],
            y=labels,
            orientation="h",
            name="F1",
            marker=bar,
            customdata=data,
            hovertemplate=hover,
        )
    )
    for name, colour, symbol in (("precision", PALETTE[1], "diamond"), ("recall", PALETTE[3], "circle-open")):
        marker = {"color": colour, "symbol": symbol, "size": 8, "line": {"width": 2, "color": colour}}
        figure.add_trace(
            go.Scatter(
                x=get[name],
                y=labels,
                mode="markers",
                name=name,
                marker=marker,
                customdata=data,
                hovertemplate=hover,
                cliponaxis=False,
            )
        )
    figure.update_yaxes(range=[-0.6, len(labels) - 0.4])
    ticks = [
        f"{wrapped(label, 28, 1)} ({f'{n:,.0f}' if n else NONE})"
        for label, n in zip(get["label"], get["support"], strict=True)
    ]
    figure.update_yaxes(tickvals=labels, ticktext=ticks, categoryorder="array", categoryarray=labels)
    return figure


def reliability_diagram(
    bins_by_variant: Mapping[str, pd.DataFrame],
    *,
    variants: Sequence[str] | None = None,
    title: str = "Reliability: is the confidence earned?",
) -> go.Figure:
    """Accuracy against confidence in bins of confidence; on the diagonal a classifier is calibrated.

    Args:
        bins_by_variant: for each variant the columns ``confidence``, ``accuracy`` (fractions) and ``count``, as
            `etudes.evaluation.reliability_bins` gives them. A marker's area grows with the count.
        variants: all variants of the study, whose order fixes colours; the keys if not given.

    Raises:
        ValueError: a column is missing, a value lies outside 0..1, an unlisted variant.
    """
    import plotly.graph_objects as go

    order = colour_order(bins_by_variant, variants, "bins_by_variant")
    colours, symbols = variant_colours(order), variant_symbols(order)
    columns = {
        name: columns_of(bins_by_variant[name], ("confidence", "accuracy", "count"), f"the bins of {name}")
        for name in order
        if name in bins_by_variant
    }
    largest = max((count for found in columns.values() for count in found["count"]), default=1) or 1
    figure = new_figure(title, TOP_MARGIN + 480)
    figure.update_xaxes(title_text="confidence (fraction)", range=[0, 1.02])
    figure.update_yaxes(title_text="accuracy (fraction)", range=[0, 1.02])
    figure.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name="calibrated",
            line={"color": NEUTRAL, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    for name, found in columns.items():
        outside = [v for key in ("confidence", "accuracy") for v in found[key] if not 0 <= v <= 1]
        if outside:
            raise ValueError(f"the bins of {name} hold {outside[0]}, which is no fraction")
        sizes = [4 + LARGEST_MARKER * math.sqrt(count / largest) for count in found["count"]]
        figure.add_trace(
            go.Scatter(
                x=found["confidence"],
                y=found["accuracy"],
                customdata=found["count"],
                mode="lines+markers",
                name=plain(name),
                line={"color": colours[name], "width": 1.5},
                marker={"color": colours[name], "symbol": symbols[name], "size": sizes, "opacity": 0.75},
                hovertemplate="confidence %{x:.3f}<br>accuracy %{y:.3f}<br>%{customdata:,} examples",
            )
        )
    return figure


def roc_curves(scores: Mapping[str, tuple[NDArray, NDArray]], variants: Sequence[str]) -> go.Figure:
    """True against false positive rate over all thresholds, from scores (N,) and whether each row is positive (N,)."""
    import pandas as pd

    from etudes.reporting.charts import lines

    points = {name: roc_points(*found) for name, found in scores.items()}
    tables = [pd.DataFrame({"x": false, "y": true, "by": name}) for name, (false, true) in points.items()]
    x, y = "false positive rate (fraction)", "true positive rate (fraction)"
    return lines(pd.concat(tables), "ROC curves", x, y, by="by", order=variants, marks=False)


def roc_points(scores: NDArray, positive: NDArray, most: int = 300) -> tuple[NDArray, NDArray]:
    """False and true positive rates (T,) at falling thresholds, from (0, 0) to (1, 1); at most about ``most`` points."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of each group of equal scores
    hits, false = np.cumsum(positive[order])[last], np.cumsum(~positive[order])[last]
    keep = np.unique(np.linspace(0, len(last) - 1, min(most, len(last))).round().astype(int))
    return (
        np.append(0.0, false[keep] / max(1, (~positive).sum())),
        np.append(0.0, hits[keep] / max(1, positive.sum())),
    )


def term_weights(
    table: pd.DataFrame,
    classes: Sequence[str],
    *,
    title: str = "Terms that speak for a class",
    unit: str = "log-odds",
) -> go.Figure:
    """The terms of one class with their weights, the class chosen from a list.

    Args:
        table: columns ``label``, ``term`` and ``weight``, the terms of a class in any order.
        classes: classes to choose from, in this order; each must have a term.
        unit: unit of the weights.

    Raises:
        ValueError: a column is missing, a class has no terms, or a term occurs twice in a class.
    """
    import plotly.graph_objects as go

    columns = columns_of(table, ("label", "term", "weight"), "the table of terms")
    rows = list(zip(columns["label"], columns["term"], columns["weight"], strict=True))
    by_class = {name: sorted((w, str(t)) for label, t, w in rows if label == name) for name in classes}
    missing = [str(name) for name, terms in by_class.items() if not terms]
    if missing or not by_class:
        raise ValueError(f"the table of terms has none for {', '.join(missing) or 'want of classes'}")
    most = max(len(terms) for terms in by_class.values())
    figure = new_figure(title, TOP_MARGIN + 90 + 24 * most)
    figure.update_xaxes(title_text=f"weight ({unit})", zeroline=True)
    figure.update_yaxes(type="category", showgrid=False)
    for number, (name, terms) in enumerate(by_class.items()):
        check_unique([term for _, term in terms], f"terms of {name}")
        figure.add_trace(
            go.Bar(
                x=[weight for weight, _ in terms],
                y=[plain(term) for _, term in terms],
                orientation="h",
                name=plain(name),
                visible=number == 0,
                showlegend=False,
                marker={"color": [PALETTE[6] if weight >= 0 else PALETTE[1] for weight, _ in terms]},
                hovertemplate="%{y}: %{x:.3f}",
            )
        )
    buttons = [
        {
            "label": plain(name),
            "method": "restyle",
            "args": [{"visible": [i == n for i in range(len(by_class))]}],
        }
        for n, name in enumerate(by_class)
    ]
    # Dark on light in both themes: plotly's colour for the chosen and hovered entry is light and cannot be set.
    look = {"bgcolor": "#eef0f3", "bordercolor": NEUTRAL, "font": {"color": "#1c1f24"}}
    place = {"x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "pad": {"b": 6}, "direction": "down"}
    figure.update_layout(updatemenus=[{"buttons": buttons, "name": "class", **look, **place}])
    return figure
