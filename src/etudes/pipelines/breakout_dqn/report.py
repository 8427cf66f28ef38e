"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches import agent_pages
from etudes.reporting.charts import lines
from etudes.study import load_study

STUDY = load_study("breakout_dqn")
YARDSTICKS = ("random", "follower")
ARMS = tuple(name for name in STUDY.variants if name not in YARDSTICKS)


def values(values_table: pd.DataFrame) -> go.Figure:
    """What the networks say beside what they get, by step."""
    parts = [
        values_table.assign(curve=values_table["variant"] + end, points=values_table[name])
        for name, end in (("q_value", ", said"), ("q_return", ", got"))
    ]
    return lines(
        pd.concat(parts).dropna(subset="points"),
        "Action values and returns",
        "environment steps (count)",
        "discounted clipped points of a life (points)",
        x="step",
        y="points",
        by="curve",
        empty="No arm was trained.",
    )


def summary(metrics: dict[str, float], split_card: dict[str, Any]) -> str:
    """The best arm, beside the players that learn nothing."""
    scored = [name for name in STUDY.variants if f"{name}.mean_return" in metrics]
    arms = [name for name in scored if name in ARMS]
    best = max(arms or scored, key=lambda name: metrics[f"{name}.mean_return"])

    def told(name: str) -> str:
        return f"`{name}` {metrics[f'{name}.mean_return']:.1f}"

    beside = ", ".join(told(name) for name in scored if name not in ARMS and name != best)
    return (
        f"Mean return of {split_card['test_rows']:,} greedy test games of each agent: **{told(best)}**, the best of "
        f"{len(arms)} arms" + (f"; beside them {beside}" if beside else "") + "."
    )


def standing(metrics: dict[str, float], differences_table: pd.DataFrame) -> str:
    """Whom the best arm beats, and whom it ties."""
    arms = [name for name in ARMS if f"{name}.mean_return" in metrics]
    if not arms:
        return "nothing was trained"
    return agent_pages.standing(differences_table, max(arms, key=lambda name: metrics[f"{name}.mean_return"]))


def believed(metrics: dict[str, float]) -> str:
    """At the end of each training, what the network said and what it got."""
    parts = [
        f"`{name}` says {metrics[f'{name}.q_value']:.2f} and gets {metrics[f'{name}.q_return']:.2f}"
        for name in ARMS
        if f"{name}.q_value" in metrics
    ]
    return "; ".join(parts) or "nobody says anything"
