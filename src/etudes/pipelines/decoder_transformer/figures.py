"""The figures that only this study has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import plotly.graph_objects as go

READERS = {
    "bayes": ("ceiling (Bayes)", "dash"),
    "oracle": ("told the coefficients", "dot"),
    "bayes_seen": ("Bayes, knows what training had only", "dashdot"),
}
GROUP_TITLES = {"seen": "new sequences", "starts": "new start tokens", "heldout": "new coefficients"}
GRIDS = {
    "entropy": "entropy (bits)",
    "distinct_2": "distinct-2 (fraction)",
    "repetition": "ends in a loop (fraction)",
    "log_likelihood": "true process (nats a token)",
}


def accuracy_by_position(positions: pd.DataFrame, variants: Sequence[str]) -> go.Figure:
    """A panel for each modulus and group: accuracy of every variant by position, below the ceiling."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    from etudes.reporting import new_figure, variant_colours
    from etudes.reporting.style import NEUTRAL, plain

    moduli = sorted(positions["modulus"].unique())
    titles = [f"modulus {m}, {GROUP_TITLES[g]}" for m in moduli for g in GROUP_TITLES]
    panels = make_subplots(
        rows=len(moduli),
        cols=len(GROUP_TITLES),
        subplot_titles=titles,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.3 / len(moduli),
    )
    figure = new_figure("Accuracy by position", 160 + 330 * len(moduli), min_width=860)
    figure = go.Figure(panels).update_layout(figure.layout, overwrite=False)
    colours = variant_colours(list(variants))
    shown: set[str] = set()
    for row, modulus in enumerate(moduli, start=1):
        for column, group in enumerate(GROUP_TITLES, start=1):
            here = positions[(positions["modulus"] == modulus) & (positions["group"] == group)]
            for name in [*variants, *READERS]:
                line = here[here["variant"] == name]
                if line.empty:
                    continue
                label, dash = READERS.get(name, (name, "solid"))
                figure.add_trace(
                    go.Scatter(
                        x=line["position"].tolist(),
                        y=line["accuracy"].tolist(),
                        mode="lines",
                        name=plain(label),
                        legendgroup=name,
                        showlegend=name not in shown,
                        line={"color": colours.get(name, NEUTRAL), "dash": dash, "width": 2},
                        hovertemplate=f"{plain(label)}<br>position %{{x}}<br>accuracy %{{y:.3f}}<extra></extra>",
                    ),
                    row=row,
                    col=column,
                )
                shown.add(name)
            figure.update_xaxes(title_text="position (tokens seen, less one)", row=row, col=column)
        figure.update_yaxes(title_text="accuracy (fraction)", range=[0, 1], row=row, col=1)
    return _legend_below(figure)


def _legend_below(figure: go.Figure) -> go.Figure:
    """Panel titles stand where the legend would: the legend goes below."""
    _titles_left(figure)
    return figure.update_layout(legend={"y": -0.12, "yanchor": "top"}, margin={"t": 60, "b": 90})


def _titles_left(figure: go.Figure) -> None:
    """Titles of panels at their left edge: at the right one stand plotly's buttons."""
    panels = [axis for axis in figure.select_xaxes() if axis.domain is not None]
    for title, axis in zip(figure.layout.annotations, panels, strict=True):
        title.update(x=axis.domain[0], xanchor="left")


def sampling_grid(sampling: pd.DataFrame) -> go.Figure:
    """Heat maps over top-p and temperature; the task is chosen from a list."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    from etudes.reporting import new_figure
    from etudes.reporting.style import HEAT, NEUTRAL, say_empty

    made = sampling[sampling["source"] == "model"]
    title = "What temperature and top-p do"
    if made.empty:
        return say_empty(new_figure(title, 160), "The transformer was left out of this run.")
    tasks = list(dict.fromkeys(made["task"]))
    panels = make_subplots(
        rows=2, cols=2, subplot_titles=list(GRIDS.values()), horizontal_spacing=0.12, vertical_spacing=0.2
    )
    look = new_figure(title, 640, min_width=560)
    figure = go.Figure(panels).update_layout(look.layout, overwrite=False)
    for number, task in enumerate(tasks):
        for place, column in enumerate(GRIDS):
            table = made[made["task"] == task].pivot(index="temperature", columns="top_p", values=column)
            values = table.to_numpy(dtype=float)
            known = np.isfinite(values).any()
            figure.add_trace(
                go.Heatmap(
                    z=[[None if not np.isfinite(v) else float(v) for v in row] for row in values],
                    x=[f"{p:g}" for p in table.columns],
                    y=[f"{t:g}" for t in table.index],
                    text=[["" if not np.isfinite(v) else f"{v:.2f}" for v in row] for row in values],
                    texttemplate="%{text}",
                    colorscale=[list(step) for step in HEAT],
                    showscale=False,
                    visible=number == 0,
                    hovertemplate="temperature %{y}<br>top-p %{x}<br>%{z:.3f}<extra></extra>"
                    if known
                    else None,
                ),
                row=place // 2 + 1,
                col=place % 2 + 1,
            )
    _titles_left(figure)
    figure.update_xaxes(title_text="top-p (mass)", type="category")
    figure.update_yaxes(title_text="temperature (1)", type="category")
    count = len(GRIDS)
    buttons = [
        {
            "label": label_of(task),
            "method": "restyle",
            "args": [{"visible": [i // count == n for i in range(count * len(tasks))]}],
        }
        for n, task in enumerate(tasks)
    ]
    return _chooser(figure, buttons, "task", NEUTRAL)


def label_of(task: str) -> str:
    """``modulus_7`` -> ``modulus 7``."""
    return task.replace("_", " ")


def _chooser(figure: go.Figure, buttons: list[dict[str, Any]], name: str, border: str) -> go.Figure:
    # Dark on light in both themes: plotly's colour for the chosen and hovered entry is light and cannot be set.
    look = {"bgcolor": "#eef0f3", "bordercolor": border, "font": {"color": "#1c1f24"}}
    place = {"x": 0, "xanchor": "left", "y": 1.08, "yanchor": "bottom", "direction": "down"}
    return figure.update_layout(updatemenus=[{"buttons": buttons, "name": name, **look, **place}])


def attention_maps(maps: np.ndarray, tokens: np.ndarray) -> go.Figure:
    """Where every head looks on one sequence: maps (layers, heads, time, time), the head chosen from a list."""
    import plotly.graph_objects as go

    from etudes.reporting import new_figure
    from etudes.reporting.style import HEAT, NEUTRAL, say_empty

    title = "Where a head looks"
    if not len(maps):
        return say_empty(new_figure(title, 160), "The transformer was left out of this run.")
    figure = new_figure(title, 620)
    heads = [(layer, head) for layer in range(maps.shape[0]) for head in range(maps.shape[1])]
    for number, (layer, head) in enumerate(heads):
        figure.add_trace(
            go.Heatmap(
                z=np.round(maps[layer, head], 3).tolist(),
                colorscale=[list(step) for step in HEAT],
                zmin=0,
                zmax=1,
                visible=number == 0,
                colorbar={"title": {"text": "weight (fraction)"}},
                hovertemplate="from position %{y} to %{x}<br>weight %{z}<extra></extra>",
            )
        )
    ticks = {"tickvals": list(range(len(tokens))), "ticktext": [str(t) for t in tokens]}
    figure.update_xaxes(title_text="position looked at (its token)", constrain="domain", **ticks)
    figure.update_yaxes(
        title_text="position that looks (its token)",
        autorange="reversed",
        scaleanchor="x",
        constrain="domain",
        **ticks,
    )
    buttons = [
        {
            "label": f"layer {layer + 1}, head {head + 1}",
            "method": "restyle",
            "args": [{"visible": [i == n for i in range(len(heads))]}],
        }
        for n, (layer, head) in enumerate(heads)
    ]
    return _chooser(figure, buttons, "head", NEUTRAL)


def speed_lines(speed: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Tokens a second against the length of the context, with the cache and without; both axes logarithmic."""
    import plotly.graph_objects as go

    from etudes.reporting import new_figure
    from etudes.reporting.style import PALETTE, SYMBOLS

    figure = new_figure("What the cache saves", 400)
    names = {"cached": "with the cache", "recomputed": "everything anew"}
    for number, (key, label) in enumerate(names.items()):
        figure.add_trace(
            go.Scatter(
                x=[int(context) for context in speed[key]],
                y=list(speed[key].values()),
                mode="lines+markers",
                name=label,
                line={"color": PALETTE[number]},
                marker={"symbol": SYMBOLS[number], "size": 9},
                hovertemplate=f"{label}<br>context %{{x}} tokens<br>%{{y:,.0f}} tokens a second<extra></extra>",
            )
        )
    contexts = sorted({int(context) for by_context in speed.values() for context in by_context})
    figure.update_xaxes(
        title_text="context (tokens)", type="log", tickvals=contexts, ticktext=list(map(str, contexts))
    )
    figure.update_yaxes(title_text="speed (tokens a second)", type="log", dtick=1)
    return figure
