"""Bars that compare the variants of a study by one metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etudes.metrics import Measured, Metric, ReferenceLike, as_metric, check_variants, measured
from etudes.reporting.style import (
    NEUTRAL,
    TOP_MARGIN,
    new_figure,
    plain,
    say_empty,
    translucent,
    variant_colours,
    wrapped,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROW = 34  # pixels of a bar with its gap
LINE = 17  # pixels of a line of an axis label


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
        metric: a name of `etudes.metrics.KNOWN` or a `Metric`.
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
    rows = [plain(name) for name, _ in ordered] + [_reference_row(r, i) for i, r in enumerate(others)]
    ticks = [wrapped(name) for name, _ in ordered] + [wrapped(r.name) for r in others]
    most_lines = max((tick.count("<br>") + 1 for tick in ticks), default=1)
    height = TOP_MARGIN + 80 + max(ROW, LINE * most_lines) * len(rows)
    figure = new_figure(title or f"{_capital(shown.text)} by variant", max(height, 240))
    figure.update_layout(margin={"r": 64})  # room for the numbers, however narrow the page
    figure.update_xaxes(title_text=f"{shown.axis}<br>{shown.direction}")
    figure.update_yaxes(type="category", showgrid=False)
    if not ordered:
        return say_empty(figure, "No variant has this metric.")
    _add_bars(figure, ordered, shown, variant_colours(variants))
    for number, reference in enumerate(others):
        _add_reference(figure, reference, number, shown)
    figure.update_yaxes(categoryorder="array", categoryarray=rows[::-1], tickvals=rows, ticktext=ticks)
    ends = [end for _, m in ordered for end in (m.value, m.low, m.high) if end is not None]
    low, high = min(0.0, *ends, *(r.value for r in others)), max(0.0, *ends, *(r.value for r in others))
    span = (high - low) or 1.0
    figure.update_xaxes(range=[low - (0.04 * span if low < 0 else 0), high + 0.04 * span])
    if baseline in there:
        _add_baseline(figure, str(baseline), there[str(baseline)].value, shown)
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
            marker={
                "color": [translucent(colours[name], 0.5) for name, _ in ordered],
                "line": {"color": [colours[name] for name, _ in ordered], "width": 1.5},
            },
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
    lines = [
        reference.name,
        metric.format(reference.value),
        reference.source,
        reference.likeness,
        reference.note,
    ]
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


def _add_baseline(figure: go.Figure, name: str, value: float, metric: Metric) -> None:
    figure.add_shape(
        type="line",
        x0=value,
        x1=value,
        y0=0,
        y1=1,
        yref="paper",
        line={"dash": "dash", "color": NEUTRAL, "width": 2},
        name=f"baseline {plain(name)} {metric.format(value)}",
        showlegend=True,  # in the legend the words wrap; beside the line they ran out of a narrow figure
    )


def _with_interval(value: Measured, metric: Metric) -> str:
    text = f"{plain(metric.text)} {metric.format(value.value)}"
    if value.low is None or value.high is None:
        return text
    return f"{text} [{metric.format(value.low)}, {metric.format(value.high)}]"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
