"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.pipelines.approximate_q_learning.evaluation import GRID, SWITCHES
from etudes.reporting.charts import bars, lines
from etudes.study import load_study

STUDY = load_study("approximate_q_learning")
ARMS = tuple(GRID.values())


def effects(effects_table: pd.DataFrame) -> go.Figure:
    """What each switch adds to the share of evaluations that solve the task."""
    pairs = zip(effects_table["switch"], effects_table["given"], strict=True)
    table = effects_table.assign(
        y=[switch if given == "all" else f"{switch}, {given}" for switch, given in pairs]
    )
    return bars(
        table,
        "What each switch adds to steadiness",
        "difference of the share of evaluations that solve the task (fraction)",
        "switch, and the arms it is compared in",
        x="stable_share",
        y="y",
        low="stable_share.low",
        high="stable_share.high",
        empty="No two arms that differ by one switch were trained.",
    )


def by_rate(rates_table: pd.DataFrame) -> go.Figure:
    """Height of the dev curves by learning rate."""
    return lines(
        rates_table.assign(learning_rate=rates_table["learning_rate"].astype(float)),
        "Learning rates",
        "learning rate (logarithmic)",
        "mean dev return over the whole training (points)",
        x="learning_rate",
        y="curve_return",
        by="variant",
        log_x=True,
        empty="No arm was trained.",
    )


def summary(metrics: dict[str, float], split_card: dict[str, Any]) -> str:
    """The best arm, beside the players to compare with."""
    scored = [name for name in STUDY.variants if f"{name}.mean_return" in metrics]
    arms = [name for name in scored if name in ARMS]
    best = max(arms or scored, key=lambda name: metrics[f"{name}.mean_return"])

    def told(name: str) -> str:
        return f"`{name}` {metrics[f'{name}.mean_return']:.1f}"

    beside = ", ".join(told(name) for name in scored if name not in ARMS and name != best)
    return (
        f"Mean return of {split_card['test_rows']:,} greedy test episodes of each agent: **{told(best)}**, the best of "
        f"{len(arms)} arms" + (f"; beside them {beside}" if beside else "") + "."
    )


def answer(effects_table: pd.DataFrame) -> str:
    """What each switch is worth over all pairs of arms that it tells apart."""
    parts = []
    for switch in SWITCHES:
        for row in effects_table.query("switch == @switch and given == 'all'").to_dict("records"):
            parts.append(
                f"**{switch}** {_signed(row, 'mean_return', 1)} points and {_signed(row, 'stable_share', 2)} of the evaluations"
            )
    return "; ".join(parts) or "no two arms that differ by one switch were trained"


def _signed(row: Any, measure: str, digits: int) -> str:
    value, low, high = (row[f"{measure}{end}"] for end in ("", ".low", ".high"))
    return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
