"""A player that is told the rules and learns nothing: value iteration where they are a table, a rule written by hand for the cart."""

from __future__ import annotations

from typing import Any

import pandas as pd

from etudes.benches.experts import expert_in
from etudes.benches.several_environments import Trained, players
from etudes.pipelines.tabular_q_learning.parameters import TrainingsParameters


def train_expert(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    training: TrainingsParameters,
) -> Trained:
    """Plan by the rules, in every environment whose rules are known."""

    def make(card: dict[str, Any], train: pd.DataFrame, dev: pd.DataFrame) -> Any:
        found = expert_in(card, training.of(card["environment"]["id"]).discount)
        return None if found is None else (found, [])

    return players(split_card, train_split, dev_split, make)
