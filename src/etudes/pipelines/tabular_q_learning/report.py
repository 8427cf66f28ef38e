"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches import agent_pages
from etudes.reporting.charts import bars, lines
from etudes.reporting.style import HEAT, TOP_MARGIN, new_figure, say_empty

TAXI = "Taxi"
SIDE, DESTINATIONS = 5, 4  # squares of Taxi's town, corners with a letter
PASSENGER = ("waits at R", "waits at G", "waits at Y", "waits at B", "aboard")


def by_states(arms_table: pd.DataFrame, split_card: dict[str, Any]) -> go.Figure:
    """Returns by the number of cells, where an environment was cut into bins."""
    binned = [name for name, facts in split_card["facts"].items() if not facts["states"]]
    table = arms_table[arms_table["environment"].isin(binned)].sort_values("states")
    return lines(
        table,
        f"How finely to cut {' and '.join(binned) or 'an observation'}",
        "cells of the grid (count, logarithmic)",
        "mean return on test (points)",
        x="states",
        y="mean_return",
        by="variant",
        low="mean_return.low",
        high="mean_return.high",
        log_x=True,
        empty="No environment of this run was cut into bins.",
    )


def by_exploration(arms_table: pd.DataFrame, split_card: dict[str, Any]) -> go.Figure:
    """Episodes that each exploration needs, where states have numbers."""
    numbered = [name for name, facts in split_card["facts"].items() if facts["states"]]
    table = arms_table[arms_table["environment"].isin(numbered)].dropna(subset=["episodes"])
    return bars(
        table,
        "Episodes until a greedy policy is as good as the expert's",
        "median episodes over agents (count)",
        "exploration",
        x="episodes",
        y="arm",
        by="variant",
        empty="Nothing was learned in this run.",
    )


def worth(values_table: pd.DataFrame, split_card: dict[str, Any]) -> go.Figure:
    """What Taxi's states are worth: a map of the town for each place of the passenger, the expert's above the learner's; the
    passenger wants to go to the first letter, R."""
    figure = new_figure("What a square of the map is worth", TOP_MARGIN + 520)
    name = next(iter(split_card["environments"]))
    learned = [variant for variant in values_table["variant"].unique() if variant != "expert"]
    shown = [*(["expert"] if "expert" in set(values_table["variant"]) else []), *learned[:1]]
    if not name.startswith(TAXI) or not shown:
        return say_empty(figure, "There is no map of this environment.")
    gap = np.nan
    picture = np.full((len(shown) * (SIDE + 1) - 1, len(PASSENGER) * (SIDE + 1) - 1), gap)
    for row, variant in enumerate(shown):
        values = values_table.loc[values_table["variant"] == variant, "value"].to_numpy()
        town = values.reshape(SIDE, SIDE, len(PASSENGER), DESTINATIONS)[..., 0]
        for column, where in enumerate(PASSENGER):
            top, left = row * (SIDE + 1), column * (SIDE + 1)
            picture[top : top + SIDE, left : left + SIDE] = town[:, :, column]
            figure.add_annotation(
                x=left + SIDE / 2 - 0.5, y=top - 0.75, text=f"{variant}: {where}", showarrow=False
            )
    figure.add_trace(
        go.Heatmap(
            z=picture,
            colorscale=HEAT,
            colorbar={"title": {"text": "value (discounted points)"}},
            hoverongaps=False,
        )
    )
    figure.update_xaxes(title_text="column of the map (squares)", showticklabels=False)
    figure.update_yaxes(title_text="row of the map (squares)", autorange="reversed", showticklabels=False)
    return figure


def needed(arms_table: pd.DataFrame) -> pd.DataFrame:
    """The chosen arm of every method, and what it needed."""
    rows = [
        {
            "environment": row["environment"],
            "variant": row["variant"],
            "chosen": row["arm"],
            "learned": f"{row['learned_share']:.0%} of the agents",
            "episodes": "–" if pd.isna(row["episodes"]) else f"{row['episodes']:,.0f}",
            "steps": "–" if pd.isna(row["steps"]) else f"{row['steps']:,.0f}",
        }
        for row in arms_table[arms_table["chosen"]].to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["environment", "variant", "chosen", "learned", "episodes", "steps"])


def gaps(differences_table: pd.DataFrame) -> str:
    """How far every method stays below the expert, in the same episodes."""
    return agent_pages.gaps(differences_table, "expert", but=("random",))


def summary(returns_table: pd.DataFrame, split_card: dict[str, Any]) -> str:
    """The best of those that learned, in every environment, beside the expert."""
    best = agent_pages.best_in_each(returns_table, "expert", but=("random",))
    return f"Mean return of {split_card['test_rows']:,} greedy test episodes of each agent. {best}."
