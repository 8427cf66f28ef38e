"""Learning curves: loss above, dev metric below, over the same epochs."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etudes.metrics import Metric, as_metric
from etudes.reporting.style import (
    NEUTRAL,
    TOP_MARGIN,
    colour_order,
    new_figure,
    plain,
    say_empty,
    variant_colours,
    variant_symbols,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

Records = list[dict[str, Any]]


def learning_curves(
    histories: Mapping[str, Any],
    metric: str | Metric,
    *,
    variants: Sequence[str] | None = None,
    loss_unit: str = "nats",
    title: str = "Learning curves",
) -> go.Figure:
    """Train and dev loss above, train and dev metric below; a larger marker shows each
    variant's best dev value.

    Args:
        histories: for each variant a list of dicts (or a DataFrame) with ``epoch`` or ``step`` and any of
            ``train_loss``, ``dev_loss``, ``train_<metric>``, ``dev_<metric>``. Empty ones and those of skipped
            variants (``{"skipped": true}``) are left out.
        metric: metric of the lower panel, a known name or a `Metric`; the name without ``dev_``.
        variants: all variants of the study, whose order fixes colours; the keys if not given.
        loss_unit: unit of the losses.

    Raises:
        ValueError: an unknown metric, an unlisted variant, a history that is no table, has neither of the
            columns drawn, or whose x differs from that of the others.
    """
    shown = as_metric(metric)
    order = colour_order(histories, variants, "histories")
    records = {name: _records(histories[name], name) for name in order if name in histories}
    drawn = {name: rows for name, rows in records.items() if rows}
    figure = new_figure(title, TOP_MARGIN + 560)
    axis = _common_axis(drawn)
    figure.update_layout(
        xaxis={"anchor": "y2", "domain": [0, 1], "title": {"text": f"{axis} (count)"}},
        yaxis={"domain": [0.54, 1], "title": {"text": f"loss ({loss_unit})"}},
        yaxis2={"domain": [0, 0.46], "anchor": "x", "title": {"text": shown.axis}},
    )
    if not drawn:
        return say_empty(figure, "No variant was trained in epochs.")
    _add_key(figure)
    colours, symbols = variant_colours(order), variant_symbols(order)
    for name, rows in drawn.items():
        look = {"color": colours[name], "symbol": symbols[name]}
        if not _add_variant(figure, name, rows, axis=axis, metric=shown, look=look):
            raise ValueError(
                f"the history of {name} has no train_loss, dev_loss or dev_{shown.name};"
                f" it has {', '.join(map(str, rows[0]))}"
            )
    return figure


def _records(history: Any, name: str) -> Records:
    if isinstance(history, Mapping) and history.get("skipped"):
        return []
    if hasattr(history, "to_dict"):
        history = history.to_dict("records")
    if not isinstance(history, Sequence) or not all(isinstance(row, Mapping) for row in history):
        raise ValueError(f"the history of {name} must be a list of dicts, found {type(history).__name__}")
    return [dict(row) for row in history]


def _common_axis(drawn: Mapping[str, Records]) -> str:
    """``epoch`` if every history has it, else ``step``: one axis cannot show both."""
    for axis in ("epoch", "step"):
        if all(axis in row for rows in drawn.values() for row in rows):
            return axis
    raise ValueError("histories must all have 'epoch' or all have 'step'")


def _add_key(figure: go.Figure) -> None:
    """Say in the legend which line is which, once for all variants."""
    import plotly.graph_objects as go

    for part, dash in (("train", "dot"), ("dev", "solid")):
        line = {"color": NEUTRAL, "dash": dash, "width": 2}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", name=part, line=line, hoverinfo="skip"))


def _add_variant(
    figure: go.Figure, name: str, rows: Records, *, axis: str, metric: Metric, look: Mapping[str, str]
) -> bool:
    """Add up to four lines; whether there was any. The legend shows the variant once."""
    import plotly.graph_objects as go

    added = False
    for part in ("dev", "train"):
        for column, yaxis in ((f"{part}_loss", "y"), (f"{part}_{metric.name}", "y2")):
            points = [(row[axis], row[column]) for row in rows if _number(row.get(column))]
            if not points:
                continue
            best = _best(points, metric) if (part, yaxis) == ("dev", "y2") else None
            sizes = [13 if x == best else 6 for x, _ in points]
            marker = {"symbol": look["symbol"], "size": sizes, "line": {"width": 0}, "opacity": 1}
            figure.add_trace(
                go.Scatter(
                    x=[x for x, _ in points],
                    y=[y for _, y in points],
                    yaxis=yaxis,
                    mode="lines+markers" if part == "dev" or len(points) == 1 else "lines",
                    name=plain(name),
                    legendgroup=name,
                    showlegend=not added,
                    line={"color": look["color"], "width": 2, "dash": "solid" if part == "dev" else "dot"},
                    marker=marker,
                    hovertemplate=f"{axis} %{{x}}<br>{plain(column)} %{{y:.4f}}",
                )
            )
            added = True
    return added


def _best(points: list[tuple[float, float]], metric: Metric) -> float:
    choose = max if metric.maximise else min
    return choose(points, key=lambda point: point[1])[0]


def _number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)
