"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches import agent_pages
from etudes.reporting.charts import bars, lines
from etudes.study import Study

PLAIN = "plain"


def by_environment(study: Study, differences_table: pd.DataFrame) -> go.Figure:
    """How many points every variant gets more than the plain method in the same episodes."""
    rows = pd.DataFrame(
        _beside_plain(differences_table), columns=["environment", "variant", "more", "low", "high"]
    )
    return bars(
        rows,
        "More than the plain method, in the same episodes",
        "difference of the mean return (points)",
        "environment",
        x="more",
        y="environment",
        by="variant",
        low="low",
        high="high",
        order=study.variants,
        empty="The plain method was not trained in this run.",
    )


def lost(study: Study, exact_table: pd.DataFrame) -> go.Figure:
    """Share of first states from which a policy is lost."""
    return bars(
        exact_table,
        "Starts from which the greedy policy never arrives",
        "share of first states (fraction)",
        "variant",
        x="lost_starts",
        y="variant",
        low="lost_starts.low",
        high="lost_starts.high",
        empty="No environment of this run has its rules as a table.",
    )


def training(study: Study, rounds_table: pd.DataFrame, split_card: dict[str, Any]) -> go.Figure:
    """Mean return of a round and threshold of its elite, in the last environment that is no table and was learned."""
    learned = set(rounds_table["environment"])
    names = [name for name in split_card["environments"] if name in learned]
    table = rounds_table[rounds_table["environment"] == (names[-1] if names else "")]
    long = table.melt(["variant", "sessions"], ["mean_return", "threshold"], "what", "value")
    words = {"mean_return": "mean", "threshold": "threshold of the elite"}
    long["line"] = long["variant"] + ", " + long["what"].map(words)
    return lines(
        long,
        f"While it learns: {names[-1] if names else 'nothing'}",
        "training sessions of an agent (count)",
        "return with exploration (points)",
        x="sessions",
        y="value",
        by="line",
        empty="Nothing was learned in this run.",
    )


def needed(needed_table: pd.DataFrame) -> pd.DataFrame:
    """What every variant needed to reach its target on dev."""
    shown = needed_table.copy()
    shown["learned_share"] = [f"{share:.0%} of the agents" for share in shown["learned_share"]]
    for column in ("sessions", "steps"):
        shown[column] = ["–" if np.isnan(value) else f"{value:,.0f}" for value in shown[column].astype(float)]
    return shown.rename(columns={"learned_share": "learned"})


def additions(differences_table: pd.DataFrame) -> str:
    """What every addition changes beside the plain method, in words."""
    rows = [row for row in _beside_plain(differences_table) if row["variant"] not in ("random", "expert")]
    parts = [
        "`{variant}` in {environment} {more:+.1f} [{low:+.1f}, {high:+.1f}]".format(**row) for row in rows
    ]
    return ", ".join(parts) or "there is nothing to compare"


def _beside_plain(differences: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for row in differences.to_dict("records"):
        if PLAIN in (row["variant"], row["minus"]):
            sign, other = (1, row["variant"]) if row["minus"] == PLAIN else (-1, row["minus"])
            low, high = sorted(sign * row[f"difference.{end}"] for end in ("low", "high"))
            found = {"more": sign * row["difference"], "low": low, "high": high}
            # Adding 0 takes the sign from a 0.
            numbers = {name: round(value, 1) + 0.0 for name, value in found.items()}
            rows.append({"environment": row["environment"], "variant": other, **numbers})
    return rows


def summary(returns_table: pd.DataFrame, split_card: dict[str, Any]) -> str:
    """The best of those that learned, in every environment, beside the expert."""
    best = agent_pages.best_in_each(returns_table, "expert", but=("random",))
    episodes = split_card["test_rows"] // len(split_card["environments"])
    return f"Mean return of {episodes:,} greedy test episodes of each agent. {best}."
