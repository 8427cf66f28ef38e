"""What `report.md` shows of this study; figures and words of agents are the bench's."""

from __future__ import annotations

from typing import Any

import pandas as pd

from etudes.benches import agent_pages, agents
from etudes.pipelines.lunar_lander_bbf.parameters import RunsParameters, SplitParameters
from etudes.study import load_study
from etudes.training.parameters import RunParameters

STUDY = load_study("lunar_lander_bbf")
YARDSTICKS = ("random", "heuristic")  # players that learn nothing
LEARNING = tuple(name for name in STUDY.variants if name not in YARDSTICKS)


def split(
    data_card: dict[str, Any], parameters: SplitParameters, runs: RunsParameters, run: RunParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Seeds of episodes for as many agents as any variant trains."""
    most = max(getattr(runs, name) for name in ("random", *LEARNING))
    return agents.split_episodes(data_card, parameters, most, run.seed)


def summary(metrics: dict[str, float], split_card: dict[str, Any]) -> str:
    """The best of those that learn, and the yardsticks."""
    scored = [name for name in STUDY.variants if f"{name}.iqm" in metrics]
    learned = [name for name in scored if name in LEARNING]
    best = max(learned or scored, key=lambda name: metrics[f"{name}.iqm"])
    interval = ""
    if f"{best}.mean_return.low" in metrics:
        low, high = (metrics[f"{best}.mean_return.{end}"] for end in ("low", "high"))
        interval = f" (95 % interval over agents {low:.1f} to {high:.1f})"
    others = [f"`{n}` gets {metrics[f'{n}.mean_return']:.1f}" for n in scored if n in YARDSTICKS]
    return (
        f"The best of {len(learned or scored)} {'learning variants' if learned else 'players'} is `{best}`: mean return "
        f"**{metrics[f'{best}.mean_return']:.1f}**{interval} over {split_card['test_rows']:,} greedy test episodes of each "
        f"agent, interquartile mean {metrics[f'{best}.iqm']:.1f}, {metrics[f'{best}.solved_share']:.0%} of the episodes at "
        f"{split_card['environment']['solved']:g} or more."
        + (f" Without learning anything, {' and '.join(others)}." if others else "")
    )


def against_dqn(improvement_table: pd.DataFrame) -> str:
    return agent_pages.against(improvement_table, "dqn", YARDSTICKS)


def last(metrics: dict[str, float]) -> str:
    """Mean returns with the weights of the last update."""
    found = {name: metrics.get(f"{name}.last_mean_return") for name in LEARNING}
    return ", ".join(f"`{name}` {value:.1f}" for name, value in found.items() if value is not None) or "none"
