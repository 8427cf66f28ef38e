"""Scores of this study: the test episodes, the human scale, and what networks say of their states beside what they get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.agent_scores import evaluate
from etudes.benches.parameters import EpisodeScoringParameters
from etudes.examples import Examples

Frame = pd.DataFrame
ATARI = "ALE/Breakout-"  # in which the scale below is known
CHANCE, HUMAN = 1.7, 30.5  # points, Wang et al. 2016 (arXiv:1511.06581), table 2


def score(
    models: dict[str, Any],
    histories: dict[str, Any],
    test_split: Frame,
    split_card: dict[str, Any],
    evaluation: EpisodeScoringParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, Frame, Examples]:
    """Play the test episodes.

    Returns:
        metrics, predictions, and the tables of agents, crossings, improvement, differences and profile (`agent_scores.evaluate`); of
        each point of the curves values and returns; the frames of two episodes.
    """
    metrics, *frames, samples = evaluate(models, histories, test_split, split_card, evaluation)
    metrics |= human_scale(metrics, split_card["environment"]["id"])
    values = values_table(histories)
    for variant, rows in values.groupby("variant", sort=False):
        end = rows.iloc[-1]
        metrics |= {
            f"{variant}.{name}": float(end[name])
            for name in ("q_value", "q_return")
            if np.isfinite(end[name])
        }
    return metrics, *frames, values, samples  # type: ignore[return-value]


def human_scale(metrics: Mapping[str, float], environment: str) -> dict[str, float]:
    """Mean returns and the ends of their intervals as shares of the way from chance to a person; none in another game."""
    if not environment.startswith(ATARI):
        return {}
    return {
        name.replace(".mean_return", ".human_normalised"): (value - CHANCE) / (HUMAN - CHANCE)
        for name, value in metrics.items()
        if ".mean_return" in name
    }


def values_table(histories: Mapping[str, Any]) -> Frame:
    """Of each point of the curves, in the mean over agents: what the network says of the states of greedy dev episodes (``q_value``,
    the largest action value) and the discounted return of clipped rewards that follows in that life (``q_return``)."""
    rows = []
    for variant, history in histories.items():
        curves = [agent["curve"] for agent in history["agents"] if agent.get("curve")]
        for points in zip(*curves, strict=True):
            row: dict[str, Any] = {"variant": variant, "step": points[0]["step"]}
            for name in ("dev_mean_return", "q_value", "q_return"):
                known = [point[name] for point in points if point[name] is not None]
                row[name] = float(np.mean(known)) if known else np.nan
            rows.append(row)
    return pd.DataFrame(rows, columns=["variant", "step", "dev_mean_return", "q_value", "q_return"])
