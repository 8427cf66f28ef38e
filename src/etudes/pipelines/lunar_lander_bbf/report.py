"""What `report.md` shows of this study; figures and words of agents are the bench's."""

from __future__ import annotations

from typing import Any

import pandas as pd

from etudes.benches import agent_pages
from etudes.study import load_study

STUDY = load_study("lunar_lander_bbf")
YARDSTICKS = ("random", "heuristic")  # players that learn nothing
LEARNING = tuple(name for name in STUDY.variants if name not in YARDSTICKS)


def summary(metrics: dict[str, float], split_card: dict[str, Any]) -> str:
    """The best of those that learn, and the yardsticks, each in both statistics."""
    scored = [name for name in STUDY.variants if f"{name}.iqm" in metrics]
    learned = [name for name in scored if name in LEARNING]
    best = max(learned or scored, key=lambda name: metrics[f"{name}.iqm"])

    def told(name: str) -> str:
        iqm, mean, solved = (metrics[f"{name}.{metric}"] for metric in STUDY.metrics)
        return f"`{name}` {iqm:.1f} and {mean:.1f}, {solved:.0%} of the episodes solved"

    return (
        f"Interquartile mean and plain mean of the returns in {split_card['test_rows']:,} greedy test episodes of each agent: "
        f"**{told(best)}**, the best of {len(learned or scored)} {'learning variants' if learned else 'players'}"
        + "".join(f"; {told(name)}" for name in scored if name in YARDSTICKS and name != best)
        + f". An episode is solved at {split_card['environment']['solved']:g} or more."
    )


def standing(metrics: dict[str, float], differences_table: pd.DataFrame) -> str:
    """Whom the best of those that learn beats, and whom it ties."""
    learned = [name for name in LEARNING if f"{name}.iqm" in metrics]
    if not learned:
        return "nothing was trained"
    return agent_pages.standing(differences_table, max(learned, key=lambda name: metrics[f"{name}.iqm"]))


def against_dqn(improvement_table: pd.DataFrame) -> str:
    return agent_pages.against(improvement_table, "dqn", YARDSTICKS)


def last(metrics: dict[str, float]) -> str:
    """Mean returns with the weights of the last update."""
    found = {name: metrics.get(f"{name}.last_mean_return") for name in LEARNING}
    return ", ".join(f"`{name}` {value:.1f}" for name, value in found.items() if value is not None) or "none"
