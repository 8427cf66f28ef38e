"""A player that is told the rules and learns nothing: value iteration where they are a table, a rule written by hand for the cart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.agents import Yardstick, environment_of
from etudes.benches.several_environments import Trained, players
from etudes.models import register_model
from etudes.pipelines.tabular_q_learning.parameters import TrainingsParameters
from etudes.rl.evaluation import Policy
from etudes.rl.planning import value_iteration
from etudes.rl.simulators import CartPole, FiniteProcess, simulator_of
from etudes.stored import Stored

# Of position (m), speed (m/s), angle (rad), spin (rad/s): the pole first, the way back to the middle second.
STEERING = np.array([0.15, 0.25, 3.0, 1.0])


@register_model("tabular_q_learning.planner")
class Planner(Yardstick, Stored):
    """One player that takes the best action by optimal values (S, A)."""

    def __init__(self, optimal: NDArray) -> None:
        self.optimal = optimal

    def __len__(self) -> int:
        return 1

    def policy(self, agent: int) -> Policy:
        return lambda observations: self.optimal[observations].argmax(1)

    def values(self, agent: int, observations: NDArray) -> NDArray:
        return self.optimal[observations]


@register_model("tabular_q_learning.cart_rule")
class CartRule(Yardstick, Stored):
    """One player that pushes to where the pole leans and turns, and a little to where the cart is."""

    def __len__(self) -> int:
        return 1

    def policy(self, agent: int) -> Policy:
        return lambda observations: (np.asarray(observations) @ STEERING > 0).astype(np.int64)


def train_expert(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    training: TrainingsParameters,
) -> Trained:
    """Plan by the rules, in every environment whose rules are known here."""

    def make(card: dict[str, Any], train: pd.DataFrame, dev: pd.DataFrame) -> Any:
        spec, _ = environment_of(card)
        simulator = simulator_of(spec)
        if isinstance(simulator, FiniteProcess):
            return Planner(value_iteration(simulator, training.of(spec.id).discount)), []
        return (CartRule(), []) if isinstance(simulator, CartPole) else None

    return players(split_card, train_split, dev_split, make)
