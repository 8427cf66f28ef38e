"""Figures of the reports: plain functions from tables to plotly figures.

Every axis has a name and a unit, texts from data are escaped, names of classes and variants are categories even
where they look like numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etudes.reporting.confusion import confusion_matrix, similarity_order
from etudes.reporting.curves import learning_curves
from etudes.reporting.images import image_grid
from etudes.reporting.metric import Measured, Metric, ReferenceLike, as_metric, check_variants, measured
from etudes.reporting.style import (
    NEUTRAL,
    PALETTE,
    TOP_MARGIN,
    colour_order,
    columns_of,
    new_figure,
    plain,
    say_empty,
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
    "similarity_order",
    "term_weights",
]
ROW = 30  # pixels of a bar with its gap
LARGEST_MARKER = 22.0


def metric_bars(
    metrics: Mapping[str, float],
    metric: str | Metric,
    variants: Sequence[str],
    baseline: str | None = None,
    references: Sequence[ReferenceLike] = (),
    *,
    title: str = "",
) -> go.Figure:
    """A metric of every variant with its interval, best on top; below them the numbers of others.

    Args:
        metrics: flat, ``variant.metric`` with ``.low`` and ``.high`` where there is an interval.
        metric: a name of `etudes.reporting.metric.KNOWN` or a `Metric`.
        variants: all variants in the order of the study, which fixes colours; those without a value are left out.
        baseline: variant whose value is drawn as a dashed line, if it is there.
        references: those of the same metric get a row each: a filled diamond if like for like, else a hollow one.

    Raises:
        ValueError: an unknown metric name, a variant twice, half an interval.
    """
    shown = as_metric(metric)
    values = {name: measured(metrics, name, shown.name) for name in check_variants(variants)}
    there = {name: value for name, value in values.items() if value is not None}
    ordered = sorted(there.items(), key=lambda item: item[1].value, reverse=shown.maximise)
    others = [reference for reference in references if reference.metric == shown.name]
    height = TOP_MARGIN + 70 + ROW * len(ordered) + 2 * ROW * len(others)
    figure = new_figure(title or f"{_capital(shown.text)} by variant", max(height, 240))
    figure.update_xaxes(title_text=f"{shown.axis}, {shown.direction}")
    figure.update_yaxes(title_text="variant (name)", type="category", showgrid=False)
    if not ordered:
        return say_empty(figure, "No variant has this metric.")
    _add_bars(figure, ordered, shown, variant_colours(variants))
    for number, reference in enumerate(others):
        _add_reference(figure, reference, number, shown)
    rows = [plain(name) for name, _ in ordered] + [_reference_row(r, i) for i, r in enumerate(others)]
    ticks = [wrapped(name) for name, _ in ordered] + [wrapped(r.name) for r in others]
    figure.update_yaxes(categoryorder="array", categoryarray=rows[::-1], tickvals=rows, ticktext=ticks)
    ends = [end for _, m in ordered for end in (m.value, m.low, m.high) if end is not None]
    low, high = min(0.0, *ends, *(r.value for r in others)), max(0.0, *ends, *(r.value for r in others))
    span = (high - low) or 1.0
    figure.update_xaxes(range=[low - (0.14 * span if low < 0 else 0), high + 0.14 * span])  # room for the numbers
    if baseline in there:
        _add_baseline(figure, str(baseline), there[str(baseline)].value, shown, low + 0.57 * span)
    return figure


def per_class_bars(table: pd.DataFrame, *, title: str = "Quality by class") -> go.Figure:
    """F1 of every class as a bar, best on top, with its precision and recall as markers.

    Args:
        table: columns ``label``, ``precision``, ``recall``, ``f1`` (fractions) and ``support`` (examples).

    Raises:
        ValueError: a column is missing, or a label occurs twice.
    """
    import plotly.graph_objects as go

    columns = columns_of(table, ("label", "precision", "recall", "f1", "support"), "the table of classes")
    _check_unique(columns["label"], "classes")
    order = sorted(range(len(columns["label"])), key=lambda i: (columns["f1"][i], columns["support"][i]))
    get = {name: [values[i] for i in order] for name, values in columns.items()}
    labels = [plain(label) for label in get["label"]]
    figure = new_figure(title, TOP_MARGIN + 80 + 22 * max(len(labels), 4))
    figure.update_xaxes(title_text="F1, precision, recall (fraction)", range=[0, 1.02])
    figure.update_yaxes(title_text="class (test examples)", type="category", showgrid=False)
    if not labels:
        return say_empty(figure, "No classes.")
    data = list(zip(get["precision"], get["recall"], get["support"], get["f1"], strict=True))
    hover = (
        "%{y}<br>F1 %{customdata[3]:.3f}<br>precision %{customdata[0]:.3f}<br>recall %{customdata[1]:.3f}"
        "<br>%{customdata[2]:,} examples<extra></extra>"
    )
    bar = {"color": PALETTE[6], "opacity": 0.55}
    figure.add_trace(
        go.Bar(
            x=get["f1"], y=labels, orientation="h", name="F1", marker=bar, customdata=data, hovertemplate=hover
        )
    )
    for name, colour, symbol in (("precision", PALETTE[1], "diamond"), ("recall", NEUTRAL, "circle-open")):
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
    ticks = [f"{wrapped(label, 28, 1)} ({n:,.0f})" for label, n in zip(get["label"], get["support"], strict=True)]
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
    figure.update_xaxes(title_text="mean confidence of the bin (fraction)", range=[0, 1.02])
    figure.update_yaxes(title_text="accuracy in the bin (fraction)", range=[0, 1.02])
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


def term_weights(
    table: pd.DataFrame, classes: Sequence[str], *, title: str = "Terms that speak for a class", unit: str = "log-odds"
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
    figure.update_yaxes(title_text="term (word)", type="category", showgrid=False)
    for number, (name, terms) in enumerate(by_class.items()):
        _check_unique([term for _, term in terms], f"terms of {name}")
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
        {"label": plain(name), "method": "restyle", "args": [{"visible": [i == n for i in range(len(by_class))]}]}
        for n, name in enumerate(by_class)
    ]
    # Dark on light in both themes: plotly's colour for the chosen and hovered entry is light and cannot be set.
    look = {"bgcolor": "#eef0f3", "bordercolor": NEUTRAL, "font": {"color": "#1c1f24"}}
    place = {"x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "pad": {"b": 6}, "direction": "down"}
    figure.update_layout(updatemenus=[{"buttons": buttons, "name": "class", **look, **place}])
    return figure


def _add_bars(
    figure: go.Figure, ordered: list[tuple[str, Measured]], metric: Metric, colours: Mapping[str, str]
) -> None:
    import plotly.graph_objects as go

    rows = [plain(name) for name, _ in ordered]
    found = [value for _, value in ordered]
    texts = [_with_interval(value, metric) for value in found]
    error: dict[str, Any] = {
        "type": "data",
        "symmetric": False,
        "array": [(m.high - m.value) if m.high is not None else 0.0 for m in found],
        "arrayminus": [(m.value - m.low) if m.low is not None else 0.0 for m in found],
        "color": NEUTRAL,
        "thickness": 1.5,
        "width": 4,
    }
    figure.add_trace(
        go.Bar(
            x=[m.value for m in found],
            y=rows,
            orientation="h",
            error_x=error,
            customdata=texts,
            marker={"color": [colours[name] for name, _ in ordered]},
            hovertemplate="%{y}<br>%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_trace(  # numbers stand behind the interval's end, where they hide neither bar nor whisker
        go.Scatter(
            x=[max(m.value, m.high if m.high is not None else m.value, 0.0) for m in found],
            y=rows,
            mode="text",
            text=[f" {metric.format(m.value)}" for m in found],
            textposition="middle right",
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        )
    )


def _add_reference(figure: go.Figure, reference: ReferenceLike, number: int, metric: Metric) -> None:
    import plotly.graph_objects as go

    symbol = "diamond" if reference.like_for_like else "diamond-open"
    like = "like for like" if reference.like_for_like else "not like for like"
    lines = [reference.name, metric.format(reference.value), reference.source, like, reference.note]
    figure.add_trace(
        go.Scatter(
            x=[reference.value],
            y=[_reference_row(reference, number)],
            customdata=["<br>".join(wrapped(line, 60) for line in lines if line)],
            mode="markers+text",
            text=[f" {metric.format(reference.value)}"],
            textposition="middle right",
            marker={"symbol": symbol, "size": 11, "color": NEUTRAL, "line": {"width": 2, "color": NEUTRAL}},
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
            cliponaxis=False,
        )
    )


def _reference_row(reference: ReferenceLike, number: int) -> str:
    """A row of its own even where two references or a variant share a name; the tick shows the name alone."""
    return f"reference {number}: {plain(reference.name)}"


def _add_baseline(figure: go.Figure, name: str, value: float, metric: Metric, middle: float) -> None:
    figure.add_shape(
        type="line", x0=value, x1=value, y0=0, y1=1, yref="paper", line={"dash": "dash", "color": NEUTRAL}
    )
    figure.add_annotation(
        text=f"baseline {plain(name)} {metric.format(value)}",
        x=value,
        y=1,
        yref="paper",
        yanchor="bottom",
        xanchor="left" if value < middle else "right",
        showarrow=False,
    )


def _with_interval(value: Measured, metric: Metric) -> str:
    text = f"{plain(metric.text)} {metric.format(value.value)}"
    if value.low is None or value.high is None:
        return text
    return f"{text} [{metric.format(value.low)}, {metric.format(value.high)}]"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _check_unique(names: Sequence[Any], what: str) -> None:
    if len(set(names)) != len(names):
        twice = sorted({str(name) for name in names if list(names).count(name) > 1})
        raise ValueError(f"{what} occur twice: {', '.join(twice[:5])}")
