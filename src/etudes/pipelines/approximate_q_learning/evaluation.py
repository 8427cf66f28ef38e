"""Scores of this study: agents in the test episodes, how steadily they solve the task while they learn, and what each switch is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.agent_scores import evaluate, returns_of
from etudes.benches.parameters import EpisodeScoringParameters
from etudes.evaluation.shares import wilson
from etudes.examples import Examples
from etudes.rl.statistics import episodes_interval, mean_score

Frame = pd.DataFrame
# The grid: which variant has replay, a target network and double Q-learning.
GRID: dict[tuple[bool, ...], str] = {
    (False, False, False): "online",
    (False, False, True): "double",
    (False, True, False): "target",
    (False, True, True): "target_double",
    (True, False, False): "replay",
    (True, False, True): "replay_double",
    (True, True, False): "dqn",
    (True, True, True): "double_dqn",
}
SWITCHES = ("replay", "target network", "double")
MEASURES = ("mean_return", "stable_share", "last_mean_return")


def score(
    models: dict[str, Any],
    histories: dict[str, Any],
    test_split: Frame,
    split_card: dict[str, Any],
    evaluation: EpisodeScoringParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, Frame, Frame, Examples]:
    """Play the test episodes.

    Returns:
        metrics, predictions, and the tables of agents, crossings, improvement, differences and profile (`agent_scores.evaluate`); of
        each switch its effect; of each learning rate its curves; the frames of two episodes.
    """
    scored = evaluate(models, histories, test_split, split_card, evaluation)
    metrics, predictions, samples = scored[0], scored[1], scored[-1]
    solved, resamples = split_card["environment"]["solved"], evaluation.resamples
    stable = {name: stability(history, solved) for name, history in histories.items() if learned(history)}
    for name, shares in stable.items():
        low, high = episodes_interval(shares, mean_score, resamples)
        metrics |= {f"{name}.stable_share": float(shares.mean())}
        metrics |= {f"{name}.stable_share.low": low, f"{name}.stable_share.high": high}
    for name, model in models.items():
        if len(model) > 1:
            good = int((returns_of(predictions, name).mean(1) >= solved).sum())
            low, high = wilson(good / len(model), len(model), 0.95)
            metrics |= {f"{name}.solved_agents": good / len(model)}
            metrics |= {f"{name}.solved_agents.low": low, f"{name}.solved_agents.high": high}
    found = {
        "mean_return": {name: returns_of(predictions, name) for name in stable},
        "stable_share": stable,
        "last_mean_return": {name: returns_of(predictions, name, "last_return") for name in stable},
    }
    effects = effects_table(found, resamples)
    return metrics, predictions, *scored[2:7], effects, rates_table(histories, solved), samples


def learned(history: Mapping[str, Any]) -> bool:
    """Whether a variant is an arm of the grid, which draws curves."""
    return bool(history["epochs"])


def stability(history: Mapping[str, Any], solved: float) -> NDArray[np.float64]:
    """Which evaluations of each agent, one at each point of its curve, solved the task in the mean of their episodes (agents, points)."""
    curves = [[point["dev_mean_return"] for point in agent["curve"]] for agent in history["agents"]]
    return (np.array(curves) >= solved).astype(np.float64)


def effects_table(found: Mapping[str, Mapping[str, NDArray]], resamples: int) -> Frame:
    """What each switch adds: arms with it less the same arms without it, agent by agent and episode by episode.

    Args:
        found: by measure and variant, scores (agents, episodes or points).

    Returns:
        A row for each ``switch`` and each ``given``: all pairs of arms, or those with or without one other switch; pairs of which
        an arm was not trained are left out.
    """
    rows = []
    for place, switch in enumerate(SWITCHES):
        others = [other for other in range(3) if other != place]
        givens = {
            "all": (),
            **{f"{word} {SWITCHES[o]}": (o, word == "with") for o in others for word in ("with", "without")},
        }
        for given, chosen in givens.items():
            pairs = [
                (GRID[cell], GRID[(*cell[:place], False, *cell[place + 1 :])])
                for cell in GRID
                if cell[place] and (not chosen or cell[chosen[0]] == chosen[1])
            ]
            row: dict[str, Any] = {"switch": switch, "given": given}
            for measure, scores in found.items():
                gains = [scores[on] - scores[off] for on, off in pairs if on in scores and off in scores]
                if gains:
                    gain = np.mean(gains, axis=0)
                    low, high = episodes_interval(gain, mean_score, resamples)
                    row |= {"pairs": len(gains), measure: float(gain.mean())}
                    row |= {f"{measure}.low": low, f"{measure}.high": high}
            if "pairs" in row:
                rows.append(row)
    columns = [f"{measure}{end}" for measure in MEASURES for end in ("", ".low", ".high")]
    return pd.DataFrame(rows, columns=["switch", "given", "pairs", *columns])


def rates_table(histories: Mapping[str, Any], solved: float) -> Frame:
    """The curves on dev of every arm with every learning rate: their mean over agents and points, the share of evaluations that solve
    the task, of all and after an agent's first one (none where nobody had one), and whether the rate was chosen."""
    rows = []
    for name, history in histories.items():
        if not learned(history):
            continue
        for rate in history["agents"][0]["curves"]:
            curves = [{"curve": agent["curves"][rate]} for agent in history["agents"]]
            returns = np.array([[point["dev_mean_return"] for point in one["curve"]] for one in curves])
            good = stability({"agents": curves}, solved) > 0
            after = np.logical_or.accumulate(good, axis=1)[:, :-1]  # solved at an earlier point
            rows.append(
                {
                    "variant": name,
                    "learning_rate": rate,
                    "chosen": float(rate) == history["agents"][0]["learning_rate"],
                    "curve_return": float(returns.mean()),
                    "stable_share": float(good.mean()),
                    "stable_after": float(good[:, 1:][after].mean()) if after.any() else np.nan,
                    "ever": float(good.any(1).mean()),
                }
            )
    columns = ["variant", "learning_rate", "chosen", "curve_return", "stable_share", "stable_after", "ever"]
    return pd.DataFrame(rows, columns=columns)
