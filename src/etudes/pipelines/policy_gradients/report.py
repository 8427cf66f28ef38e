"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches import agent_pages
from etudes.pipelines.policy_gradients.estimators import LADDER
from etudes.pipelines.policy_gradients.noise import ESTIMATORS
from etudes.reporting.charts import bars

LEARNING_NOTHING = ("random", "controller")


def summary(returns_table: pd.DataFrame, split_card: dict[str, Any]) -> str:
    """The best of those that learned, in every environment, beside the rule written by hand."""
    best = agent_pages.best_in_each(returns_table, "controller", but=("random",))
    return f"Mean return of {split_card['test_rows']:,} greedy test episodes of each agent. {best}."


def ladder(differences_table: pd.DataFrame) -> pd.DataFrame:
    """What each rung adds to the one below it: a row for each environment and pair."""
    rungs, rows = list(LADDER), []
    for before, after in itertools.pairwise(rungs):
        for row in differences_table.to_dict("records"):
            if (row["variant"], row["minus"]) == (before, after):
                low, high = 0.0 - row["difference.high"], 0.0 - row["difference.low"]
                rows.append(
                    {
                        "environment": row["environment"],
                        "step": f"{after} less {before}",
                        "points": f"{0.0 - row['difference']:+.1f} [{low:+.1f}, {high:+.1f}]",
                        "verdict": "better" if low > 0 else "worse" if high < 0 else "cannot tell",
                    }
                )
    table = pd.DataFrame(rows, columns=["environment", "step", "points", "verdict"])
    return table.sort_values("environment", kind="stable", ignore_index=True)


def needed(steps_table: pd.DataFrame) -> pd.DataFrame:
    """Steps until a method's dev curve first solves its environment."""
    rows = [
        {
            "environment": row["environment"],
            "variant": row["variant"],
            "solved at": f"{row['threshold']:g}",
            "solved by": f"{row['reached']:.0%} of the agents",
            "steps": "–" if pd.isna(row["median_steps"]) else f"{row['median_steps']:,.0f}",
        }
        for row in steps_table.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["environment", "variant", "solved at", "solved by", "steps"])


def by_noise(noise_table: pd.DataFrame) -> go.Figure:
    """Episodes that each estimator needs until its signal is as large as its noise."""
    table = noise_table.assign(where=noise_table["environment"] + ", " + noise_table["stage"])
    return bars(
        table,
        "Episodes until the gradient is longer than its error",
        "episodes in a batch (count, logarithmic)",
        "environment, and how much of the training is over",
        x="episodes_needed",
        y="where",
        by="estimator",
        low="episodes_needed.low",
        high="episodes_needed.high",
        order=ESTIMATORS,
        log_x=True,
        empty="No method with a critic was trained in this run.",
    )


def noisy(noise_table: pd.DataFrame) -> str:
    """The noisiest and the least noisy estimator at each stage, in words."""
    parts = []
    for (environment, stage), rows in noise_table.groupby(["environment", "stage"], sort=False):
        needs = rows.set_index("estimator")["episodes_needed"]
        most, least = str(needs.idxmax()), str(needs.idxmin())
        parts.append(f"{environment} after {stage}: `{most}` {needs[most]:.1f}, `{least}` {needs[least]:.1f}")
    return "; ".join(parts) or "no method with a critic was trained"
