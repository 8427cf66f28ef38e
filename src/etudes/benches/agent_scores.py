"""Scores of agents: what they get in the test episodes, with intervals over agents and episodes, and how variants compare.

Intervals resample whole agents, as episodes of one are not independent, and the episodes, which all agents share.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.agents import environment_of
from etudes.benches.parameters import EpisodeScoringParameters
from etudes.examples import Examples
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.statistics import (
    Statistic,
    episodes_interval,
    interquartile_mean,
    mean_score,
    probability_of_improvement,
)
from etudes.splits import spread_evenly

logger = logging.getLogger(__name__)
STATISTICS: Mapping[str, Statistic] = {"iqm": interquartile_mean, "mean_return": mean_score}
WIDTH = 300  # pixels of a stored frame, at most
Frame = pd.DataFrame


def evaluate(
    models: dict[str, Any],
    histories: dict[str, Any],
    test_split: Frame,
    split_card: dict[str, Any],
    evaluation: EpisodeScoringParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, Examples]:
    """Play the test episodes with every agent of every trained variant.

    Returns:
        metrics (flat, with intervals), predictions (one row a variant, agent and episode), the tables of agents, of first
        crossings, of improvement, of differences and of the profile, and the frames of the best and the worst episode.
    """
    predictions = episode_returns(models, test_split, split_card, evaluation.parallel)
    return (
        metrics_of(predictions, split_card, evaluation.resamples),
        predictions,
        seeds_table(predictions, histories),
        thresholds_table(histories, evaluation.thresholds),
        improvement_table(predictions, evaluation.resamples),
        differences_table(predictions, evaluation.resamples),
        profile_table(predictions, evaluation.thresholds, evaluation.resamples),
        episode_samples(models, predictions, split_card, evaluation.frames),
    )


def episode_returns(
    models: Mapping[str, Any], test: pd.DataFrame, card: Mapping[str, Any], parallel: int
) -> pd.DataFrame:
    """One row for each variant, agent and test episode: ``return``, ``length``, ``terminated``, and ``last_return``, what
    the weights of the agent's last update get in that episode."""
    spec, _ = environment_of(card)
    seeds, frames = test["seed"].to_numpy(), []
    for variant, model in models.items():
        for agent in range(len(model)):
            episodes = evaluate_policy(model.policy(agent), spec, seeds, parallel)
            last = episodes
            if model.learned and not np.array_equal(model.kept[agent], model.last[agent]):
                last = evaluate_policy(model.last_policy(agent), spec, seeds, parallel)
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


def metrics_of(predictions: pd.DataFrame, card: Mapping[str, Any], resamples: int) -> dict[str, float]:
    """Flat metrics. ``iqm`` and ``mean_return`` are of all returns (agents, episodes) of a variant, ``last_mean_return`` is
    with the weights of the last update, ``solved_share`` the share of its episodes; intervals as `episodes_interval`."""
    metrics: dict[str, float] = {}
    for variant in predictions["variant"].unique():
        returns, last = returns_of(predictions, variant), returns_of(predictions, variant, "last_return")
        solved = (returns >= card["environment"]["solved"]).astype(np.float64)
        for name, scores, statistic in (
            *((name, returns, statistic) for name, statistic in STATISTICS.items()),
            ("solved_share", solved, mean_score),
            ("last_mean_return", last, mean_score),
        ):
            key = f"{variant}.{name}"
            metrics[key] = float(statistic(scores))
            metrics[f"{key}.low"], metrics[f"{key}.high"] = episodes_interval(scores, statistic, resamples)
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
        curves = [agent["curve"] for agent in history["agents"] if agent.get("curve")]
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


def improvement_table(predictions: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """How likely an agent of one variant beats one of another, for all pairs, by their mean returns."""
    returns = {name: returns_of(predictions, name) for name in predictions["variant"].unique()}
    rows = [
        {
            "variant": first,
            "other": second,
            **probability_of_improvement(returns[first].mean(1), returns[second].mean(1), resamples),
        }
        for first, second in itertools.permutations(returns, 2)
    ]
    return pd.DataFrame(rows, columns=["variant", "other", "probability", "low", "high"])


def differences_table(
    predictions: pd.DataFrame, resamples: int, statistics: Mapping[str, Statistic] = STATISTICS
) -> pd.DataFrame:
    """How much more points the first variant of a pair gets than the second on the same episodes, in each of the statistics."""
    returns = {name: returns_of(predictions, name) for name in predictions["variant"].unique()}
    rows = []
    for first, second in itertools.combinations(returns, 2):
        ours, others = returns[first], returns[second]
        row: dict[str, Any] = {"variant": first, "minus": second}
        for name, statistic in statistics.items():
            row[name] = float(statistic(ours) - statistic(others))
            ends = episodes_interval(ours, statistic, resamples, minus=others)
            row[f"{name}.low"], row[f"{name}.high"] = ends
        rows.append(row)
    columns = [f"{name}{end}" for name in statistics for end in ("", ".low", ".high")]
    return pd.DataFrame(rows, columns=["variant", "minus", *columns])


def profile_table(predictions: pd.DataFrame, thresholds: tuple[float, ...], resamples: int) -> pd.DataFrame:
    """Performance profile at a few returns: the share of a variant's test episodes above each."""
    rows = []
    for variant in predictions["variant"].unique():
        for threshold in thresholds:
            above = (returns_of(predictions, variant) > threshold).astype(np.float64)
            share = (above.mean(), *episodes_interval(above, mean_score, resamples))
            rows.append((variant, threshold, *share))
    return pd.DataFrame(rows, columns=["variant", "above", "share", "low", "high"])


def shown_variant(predictions: pd.DataFrame, learned: list[str]) -> str:
    """The variant whose episodes are shown: of those that learned, if any, the one with the best interquartile mean."""
    names = [name for name in predictions["variant"].unique() if name in learned or not learned]
    return max(names, key=lambda name: float(interquartile_mean(returns_of(predictions, name))))


def episode_samples(
    models: Mapping[str, Any],
    predictions: pd.DataFrame,
    card: Mapping[str, Any],
    count: int,
) -> Examples:
    """Frames of the best and of the worst test episode of the best variant, evenly over the episode.

    Rows: ``episode`` (best, worst), ``variant``, ``agent``, ``seed``, ``return``, ``step`` and the ``action`` taken
    there; array ``frames`` (N, H, W, 3) uint8. An environment that cannot be drawn gives grey frames.
    """
    from etudes.rl.pictures import play

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
        for step in spread_evenly(len(rollout.frames), count):
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
