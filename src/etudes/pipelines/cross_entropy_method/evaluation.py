"""Scores of this study: agents in the test episodes, what they needed, and where a table's policy fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.agents import environment_of
from etudes.benches.several_environments import NAME, Players, by_environment, evaluate, histories_in
from etudes.examples import Examples
from etudes.pipelines.cross_entropy_method.parameters import EvaluationParameters
from etudes.rl.planning import expected_returns
from etudes.rl.simulators import FiniteProcess, simulator_of
from etudes.rl.statistics import mean_band

Frame = pd.DataFrame


def score(
    models: dict[str, Players],
    histories: dict[str, Any],
    test_split: Frame,
    split_card: dict[str, Any],
    evaluation: EvaluationParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, Frame, Examples]:
    """Play the test episodes.

    Returns:
        metrics, predictions, the tables of agents, returns and differences (`several_environments.evaluate`); what variants needed to
        learn; the exact returns of tables; the rounds of training; the frames of two episodes.
    """
    metrics, predictions, seeds, returns, differences, samples = evaluate(
        models, histories, test_split, split_card, evaluation
    )
    return (
        *(metrics, predictions, seeds, returns, differences),
        needed_table(histories, evaluation),
        exact_table(models, split_card, evaluation.resamples),
        rounds_table(histories, split_card),
        samples,
    )


def needed_table(histories: dict[str, Any], evaluation: EvaluationParameters) -> Frame:
    """Share of the agents whose greedy policy reached the target on dev, and the median sessions and steps until it first did (none
    where fewer than half got there)."""
    rows = []
    for name, target in evaluation.targets.items():
        for variant, history in histories_in(histories, name).items():
            curves = [agent["curve"] for agent in history["agents"] if agent.get("curve")]
            first = [next((p for p in curve if p["dev_mean_return"] >= target), None) for curve in curves]
            if not first:
                continue
            row: dict[str, Any] = {NAME: name, "variant": variant, "target": target}
            row["learned_share"] = float(np.mean([point is not None for point in first]))
            for column, key in (("sessions", "sessions"), ("steps", "own_steps")):
                median = float(np.median([np.inf if point is None else point[key] for point in first]))
                row[column] = median if np.isfinite(median) else np.nan
            rows.append(row)
    return pd.DataFrame(rows, columns=[NAME, "variant", "target", "learned_share", "sessions", "steps"])


def exact_table(models: dict[str, Players], split_card: dict[str, Any], resamples: int) -> Frame:
    """Where the rules are a table: the expected return of greedy policies over all first states, by the rules and without playing, and
    the share of episodes that never end of themselves; means over agents with 95 % bootstrap intervals."""
    rows: list[dict[str, Any]] = []
    for name, card, _ in by_environment(split_card):
        process = simulator_of(environment_of(card)[0])
        if not isinstance(process, FiniteProcess):
            continue
        # With a point for an end and none for anything else, the expected return is the chance to end by itself.
        ends = replace(process, rewards=process.terminated.astype(np.float64))
        first = process.first / process.first.sum()
        for variant, model in models.items():
            agents: Any = model.agents.get(name)
            tables = getattr(agents, "kept", None)
            tables = agents.optimal[None] if hasattr(agents, "optimal") else tables
            if tables is None:
                continue
            policies = [table.argmax(1) for table in tables]
            expected, ended = (
                np.stack([expected_returns(rules, policy) for policy in policies]) @ first
                for rules in (process, ends)
            )
            # Rounded: what sums of probabilities leave beside 0 is no chance.
            scores = {"exact_return": expected, "lost_starts": (1 - ended).round(9) + 0.0}
            row: dict[str, Any] = {NAME: name, "variant": variant}
            for column, values in scores.items():
                low, high = mean_band(values[:, None], resamples) if len(values) > 1 else (values, values)
                row |= {column: values.mean(), f"{column}.low": low[0], f"{column}.high": high[0]}
            rows.append(row)
    columns = [
        f"{column}{end}" for column in ("exact_return", "lost_starts") for end in ("", ".low", ".high")
    ]
    return pd.DataFrame(rows, columns=[NAME, "variant", *columns])


def rounds_table(histories: dict[str, Any], split_card: dict[str, Any]) -> Frame:
    """Mean over agents of what the sessions of a round got while learning, and of the least return of their elite."""
    rows = []
    for name in split_card["environments"]:
        for variant, history in histories_in(histories, name).items():
            curves = [agent["curve"] for agent in history["agents"] if agent.get("curve")]
            for points in zip(*curves, strict=True):
                means = {
                    key: float(np.mean([p[key] for p in points])) for key in ("mean_return", "threshold")
                }
                rows.append({NAME: name, "variant": variant, "sessions": points[0]["sessions"], **means})
    return pd.DataFrame(rows, columns=[NAME, "variant", "sessions", "mean_return", "threshold"])
