"""Scores of this study: agents in the test episodes, every arm beside the chosen one, and what states are worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.agent_scores import episode_returns, returns_of
from etudes.benches.agents import environment_of
from etudes.benches.several_environments import (
    NAME,
    Players,
    by_environment,
    evaluate,
    histories_in,
    points_below,
)
from etudes.examples import Examples
from etudes.pipelines.tabular_q_learning.parameters import EvaluationParameters
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.statistics import episodes_interval, mean_score

Frame = pd.DataFrame
EXPERT = "expert"


def score(
    models: dict[str, Players],
    histories: dict[str, Any],
    dev_split: Frame,
    test_split: Frame,
    split_card: dict[str, Any],
    evaluation: EvaluationParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, Examples]:
    """Play the test episodes.

    Returns:
        metrics, predictions, the tables of agents, returns and differences (`several_environments.evaluate`); of every arm: its
        returns, and the episodes it needed; what states are worth; the frames of two episodes.
    """
    metrics, predictions, seeds, returns, differences, samples = evaluate(
        models, histories, test_split, split_card, evaluation
    )
    arms: list[dict[str, Any]] = []
    for name, card, (dev, test) in by_environment(split_card, dev_split, test_split):
        level = learned_at(models, name, card, dev, evaluation)
        found = histories_in(histories, name)
        for variant, model in models.items():
            agents = model.agents.get(name)
            if agents is not None and model.learned:
                arms += [
                    {NAME: name, "variant": variant, **row}
                    for row in arm_rows(agents, found[variant], card, test, level, evaluation)
                ]
    columns = [NAME, "arm", "variant", *ARM_COLUMNS]
    return (
        metrics | points_below(EXPERT, differences, next(iter(split_card["environments"]))),
        predictions,
        seeds,
        returns,
        differences,
        pd.DataFrame(arms, columns=columns),
        values_table(models, next(iter(split_card["environments"]))),
        samples,
    )


ARM_COLUMNS = (
    *("chosen", "states", "dev_mean_return", "mean_return", "mean_return.low", "mean_return.high"),
    *("learned_share", "episodes", "steps"),
)


def learned_at(
    models: dict[str, Players], name: str, card: dict[str, Any], dev: Frame, evaluation: EvaluationParameters
) -> float:
    """The dev return from which a policy counts as learned; infinite without the expert, or where nothing is said."""
    expert = models[EXPERT].agents.get(name) if EXPERT in models else None
    if expert is None or name not in evaluation.gaps:
        return np.inf
    seeds = dev.loc[dev["use"] == "curve", "seed"].to_numpy()
    played = evaluate_policy(expert.policy(0), environment_of(card)[0], seeds, evaluation.parallel)
    return float(played.returns.mean()) - evaluation.gaps[name]


def arm_rows(
    agents: Any,
    history: dict[str, Any],
    card: dict[str, Any],
    test: Frame,
    level: float,
    evaluation: EvaluationParameters,
) -> list[dict[str, Any]]:
    """What one method's agents get with every arm, and the median episodes and steps after which their greedy policy was first
    at ``level`` on dev (none where fewer than half got there)."""
    played = episode_returns(agents.arms, test, card, evaluation.parallel)
    rows = []
    for arm, own in agents.arms.items():
        told = [agent["arms"][arm] for agent in history["agents"]]
        first = [next((p for p in one["curve"] if p["dev_mean_return"] >= level), None) for one in told]
        medians = {
            name: float(np.median([np.inf if point is None else point[key] for point in first]))
            for name, key in (("episodes", "episodes"), ("steps", "step"))
        }
        returns = returns_of(played, arm)
        low, high = episodes_interval(returns, mean_score, evaluation.resamples)
        rows.append(
            {
                "arm": arm,
                "chosen": arm == history["agents"][0]["arm"],
                "states": own.kept.shape[1],
                "dev_mean_return": float(np.mean([one["dev_mean_return"] for one in told])),
                "mean_return": float(returns.mean()),
                "mean_return.low": low,
                "mean_return.high": high,
                "learned_share": float(np.mean([point is not None for point in first])),
                **{name: value if np.isfinite(value) else np.nan for name, value in medians.items()},
            }
        )
    return rows


def values_table(models: dict[str, Players], name: str) -> Frame:
    """What each state of the first environment is worth to the expert and, in the mean over agents, to each method; empty where
    states have no numbers."""
    rows = []
    for variant, model in models.items():
        agents: Any = model.agents.get(name)
        values = getattr(agents, "optimal", None)
        if values is None and model.learned and agents is not None and not agents.counts:
            values = agents.kept.mean(0)
        if values is not None:
            rows.append(
                pd.DataFrame({"variant": variant, "state": np.arange(len(values)), "value": values.max(1)})
            )
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["variant", "state", "value"])
