"""From trained agents to numbers: test episodes, metrics with intervals over agents, tables, frames of an episode."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.pipelines.lunar_lander_bbf.parameters import EvaluationParameters
from etudes.rl.environments import EnvironmentFacts, EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.statistics import (
    interquartile_mean,
    mean_score,
    probability_of_improvement,
    stratified_interval,
)

logger = logging.getLogger(__name__)
TOLD = ("curve", "kept_step", "seconds", "steps_per_second")  # of a training, in its variant's history
WIDTH = 300  # pixels of a stored frame, at most


def environment_of(card: Mapping[str, Any]) -> tuple[EnvironmentSpec, EnvironmentFacts]:
    """The environment that a split card describes."""
    facts = {**card["facts"], "shape": tuple(card["facts"]["shape"])}
    return EnvironmentSpec.from_dict(card["environment"]), EnvironmentFacts(**facts)


def play_agents(model: Any, card: Mapping[str, Any], seeds: NDArray) -> NDArray[np.float64]:
    """Returns (agents, episodes) of all agents of a variant on the same episodes."""
    spec, _ = environment_of(card)
    played = [evaluate_policy(model.policy(a), spec, seeds, len(seeds)) for a in range(len(model))]
    return np.stack([episodes.returns for episodes in played])


def dev_history(
    model: Any, dev: pd.DataFrame, card: dict[str, Any], agents: list[dict[str, Any]]
) -> dict[str, Any]:
    """Dev score over fresh dev episodes of every agent, and the mean of their curves."""
    returns = play_agents(model, card, dev.loc[dev["use"] == "choice", "seed"].to_numpy())
    scores = returns.mean(1)
    curves = [agent["curve"] for agent in agents]
    epochs = [
        {"step": rows[0]["step"], "dev_mean_return": float(np.mean([row["dev_mean_return"] for row in rows]))}
        for rows in zip(*curves, strict=True)
    ]
    described = agents or [{} for _ in scores]
    return {
        "dev": {
            "mean_return": float(scores.mean()),
            "solved_share": float((returns >= card["environment"]["solved"]).mean()),
        },
        "epochs": epochs,
        "agents": [
            {**agent, "dev_mean_return": float(score)} for agent, score in zip(described, scores, strict=True)
        ],
    }


def episode_returns(
    models: Mapping[str, Any], test: pd.DataFrame, card: Mapping[str, Any], parameters: EvaluationParameters
) -> pd.DataFrame:
    """One row for each variant, agent and test episode: ``return``, ``length``, ``terminated``, and ``last_return``, what
    the weights of the agent's last update get in that episode."""
    spec, _ = environment_of(card)
    seeds, frames = test["seed"].to_numpy(), []
    for variant, model in models.items():
        for agent in range(len(model)):
            episodes = evaluate_policy(model.policy(agent), spec, seeds, parameters.parallel)
            last = episodes
            if model.learned and not np.array_equal(model.kept[agent], model.last[agent]):
                last = evaluate_policy(model.last_policy(agent), spec, seeds, parameters.parallel)
            frames.append(
                pd.DataFrame(
                    {
                        "variant": variant,
                        "agent": agent,
                        "id": test["id"],
                        "seed": seeds,
                        "return": episodes.returns,
                        "length": episodes.lengths,
                        "terminated": episodes.terminated,
                        "last_return": last.returns,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def returns_of(predictions: pd.DataFrame, variant: str, column: str = "return") -> NDArray[np.float64]:
    """Returns (agents, episodes) of one variant."""
    rows = predictions[predictions["variant"] == variant]
    return rows.pivot(index="agent", columns="id", values=column).to_numpy(np.float64)


def metrics_of(
    predictions: pd.DataFrame, card: Mapping[str, Any], parameters: EvaluationParameters
) -> dict[str, float]:
    """Flat metrics. An agent's score is its mean return over the test episodes; ``iqm`` and ``mean_return`` are of the
    agents' scores, ``solved_share`` of all episodes; intervals resample agents, so a single one has none."""
    metrics: dict[str, float] = {}
    for variant in predictions["variant"].unique():
        returns, last = returns_of(predictions, variant), returns_of(predictions, variant, "last_return")
        solved = (returns >= card["environment"]["solved"]).mean(1)
        for name, scores, statistic in (
            ("iqm", returns.mean(1), interquartile_mean),
            ("mean_return", returns.mean(1), mean_score),
            ("solved_share", solved, mean_score),
            ("last_mean_return", last.mean(1), mean_score),
        ):
            key = f"{variant}.{name}"
            metrics[key] = float(statistic(scores[:, None]))
            if len(scores) > 1:
                interval = stratified_interval(scores, statistic, parameters.resamples)
                metrics[f"{key}.low"], metrics[f"{key}.high"] = interval
    return metrics


def seeds_table(predictions: pd.DataFrame, histories: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each agent."""
    rows = []
    for variant, history in histories.items():
        returns, last = returns_of(predictions, variant), returns_of(predictions, variant, "last_return")
        for agent, told in enumerate(history["agents"]):
            rows.append(
                {
                    "variant": variant,
                    "agent": agent,
                    "mean_return": returns[agent].mean(),
                    "iqm": float(interquartile_mean(returns[agent][:, None])),
                    "worst_return": returns[agent].min(),
                    "last_mean_return": last[agent].mean(),
                    "dev_mean_return": told["dev_mean_return"],
                    "kept_step": told.get("kept_step"),
                    "steps_per_second": told.get("steps_per_second"),
                }
            )
    return pd.DataFrame(rows)


def thresholds_table(histories: Mapping[str, Any], thresholds: tuple[float, ...]) -> pd.DataFrame:
    """First point of the dev curve at or above each threshold: share of the agents that got there, and the median step
    (none where fewer than half did)."""
    rows = []
    for variant, history in histories.items():
        curves = [agent["curve"] for agent in history["agents"] if "curve" in agent]
        if not curves:
            continue
        for threshold in thresholds:
            first = [
                next((row["step"] for row in curve if row["dev_mean_return"] >= threshold), np.inf)
                for curve in curves
            ]
            median = float(np.median(first))
            rows.append(
                {
                    "variant": variant,
                    "threshold": threshold,
                    "reached": float(np.isfinite(first).mean()),
                    "median_steps": median if np.isfinite(median) else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=["variant", "threshold", "reached", "median_steps"])


def improvement_table(predictions: pd.DataFrame, parameters: EvaluationParameters) -> pd.DataFrame:
    """How likely an agent of one variant beats one of another, for all pairs, by their mean returns."""
    scores = {
        variant: returns_of(predictions, variant).mean(1) for variant in predictions["variant"].unique()
    }
    rows = [
        {
            "variant": first,
            "other": second,
            **probability_of_improvement(scores[first], scores[second], parameters.resamples),
        }
        for first in scores
        for second in scores
        if first != second
    ]
    return pd.DataFrame(rows, columns=["variant", "other", "probability", "low", "high"])


def shown_variant(predictions: pd.DataFrame, learned: list[str]) -> str:
    """The variant whose episodes are shown: of those that learned, if any, the one with the best interquartile mean."""
    names = [name for name in predictions["variant"].unique() if name in learned or not learned]
    return max(
        names, key=lambda name: float(interquartile_mean(returns_of(predictions, name).mean(1)[:, None]))
    )


def landing_samples(
    models: Mapping[str, Any],
    predictions: pd.DataFrame,
    card: Mapping[str, Any],
    parameters: EvaluationParameters,
) -> Examples:
    """Frames of the best and of the worst test episode of the best variant, evenly over the episode.

    Rows: ``episode`` (best, worst), ``variant``, ``agent``, ``seed``, ``return``, ``step`` and the ``action`` taken
    there; array ``frames`` (N, H, W, 3) uint8. An environment that cannot be drawn gives grey frames.
    """
    from etudes.rl.pictures import play, spread_evenly

    spec, _ = environment_of(card)
    variant = shown_variant(predictions, [name for name, model in models.items() if model.learned])
    rows_of = predictions[predictions["variant"] == variant]
    rows: list[dict[str, Any]] = []
    frames: list[NDArray[np.uint8]] = []
    order = np.argsort(rows_of["return"].to_numpy(), kind="stable")
    for episode, place in (("best", order[-1]), ("worst", order[0])):
        found = rows_of.iloc[int(place)]
        told = {
            "episode": episode,
            "variant": variant,
            "agent": int(found["agent"]),
            "seed": int(found["seed"]),
        }
        try:
            rollout = play(models[variant].policy(int(found["agent"])), spec, int(found["seed"]))
        except ValueError as error:
            logger.warning("No pictures of an episode: %s", error)
            rows.append({"id": len(rows), **told, "return": found["return"], "step": 0, "action": "none"})
            frames.append(np.full((100, 150, 3), 128, np.uint8))
            continue
        for step in spread_evenly(len(rollout.frames), parameters.frames):
            over = step >= len(rollout.actions)
            action = "end" if over else _action_name(spec, int(rollout.actions[step]))
            rows.append(
                {"id": len(rows), **told, "return": rollout.total, "step": int(step), "action": action}
            )
            stride = -(-rollout.frames[step].shape[1] // WIDTH)
            frames.append(rollout.frames[step][::stride, ::stride])
    return Examples(pd.DataFrame(rows), {"frames": np.stack(frames)})


def _action_name(spec: EnvironmentSpec, action: int) -> str:
    return spec.actions[action] if spec.actions else f"action {action}"
