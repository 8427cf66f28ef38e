"""Scores of this study: agents in the test episodes, and the steps that each method needed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from etudes.benches.agent_scores import thresholds_table
from etudes.benches.several_environments import NAME, Players, by_environment, evaluate, histories_in
from etudes.examples import Examples
from etudes.pipelines.policy_gradients.parameters import EvaluationParameters

Frame = pd.DataFrame


def score(
    models: dict[str, Players],
    histories: dict[str, Any],
    test_split: Frame,
    split_card: dict[str, Any],
    evaluation: EvaluationParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Examples]:
    """Play the test episodes.

    Returns:
        metrics, predictions, the tables of agents, returns and differences (`several_environments.evaluate`); in each environment
        the steps until a method's dev curve was first at what solves it; the frames of two episodes.
    """
    *scores, samples = evaluate(models, histories, test_split, split_card, evaluation)
    found = [
        thresholds_table(histories_in(histories, name), (card["environment"]["solved"],)).assign(
            **{NAME: name}
        )
        for name, card, _ in by_environment(split_card)
    ]
    steps = pd.concat(found, ignore_index=True)
    return *scores, steps[[NAME, "variant", "threshold", "reached", "median_steps"]], samples  # type: ignore[return-value]
