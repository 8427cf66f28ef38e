"""The variants: the rule written by hand, which learns nothing, and the arms.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.agents import agent_seeds, dev_history, environment_of
from etudes.benches.experts import Rule
from etudes.models import register_model
from etudes.pipelines.breakout_dqn.learning import Arm, Learning
from etudes.pipelines.breakout_dqn.network import QNetwork, put_weights, weights_of
from etudes.pipelines.breakout_dqn.parameters import NetworkParameters, TrainingParameters
from etudes.rl.evaluation import Policy
from etudes.stored import Stored
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters

Trained = tuple[Any, dict[str, Any]]


@register_model("breakout_dqn.agents")
class QAgents(Stored):
    """Greedy players by action values of pictures, one network for each seed.

    Args:
        network: the arguments of `QNetwork`.
        kept: (agents, P) float32, the weights each agent ended with.
        last: (agents, P), the weights of its last update.
    """

    registered_name: str
    learned = True

    def __init__(self, network: dict[str, Any], kept: NDArray, last: NDArray) -> None:
        self.network, self.kept, self.last = network, kept, last

    def __len__(self) -> int:
        return len(self.kept)

    def policy(self, agent: int) -> Policy:
        return self._greedy(self.kept[agent])

    def last_policy(self, agent: int) -> Policy:
        return self._greedy(self.last[agent])

    def values(self, agent: int, observations: NDArray) -> NDArray:
        """Action values (B, actions)."""
        return self._with(self.kept[agent]).play(self._checked(observations))

    def _greedy(self, weights: NDArray) -> Policy:
        network = self._with(weights)
        return lambda seen: network.play(self._checked(seen)).argmax(1)

    def _with(self, weights: NDArray) -> QNetwork:
        network = QNetwork(**self.network)
        put_weights(network, weights)
        return network

    def _checked(self, observations: NDArray) -> NDArray[np.uint8]:
        """(B, frames, height, width) uint8.

        Raises:
            ValueError: they are of another size, as those of another environment.
        """
        shape = tuple(self.network["shape"])
        if observations.shape[1:] != shape:
            raise ValueError(
                f"observations of the shape {observations.shape[1:]}; this agent learned from {shape}: it belongs to another environment"
            )
        return np.asarray(observations, np.uint8)

    def only(self, agent: int) -> QAgents:
        """That agent alone."""
        return QAgents(self.network, self.kept[[agent]], self.last[[agent]])


def train_follower(dev_split: pd.DataFrame, split_card: dict[str, Any]) -> Trained:
    """The rule written by hand that follows the ball (`etudes.rl.controllers`), which learns nothing.

    Raises:
        ValueError: there is none for the environment.
    """
    model = Rule(split_card["environment"]["id"])
    return model, dev_history(model, dev_split, split_card)


def train_agents(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    network: NetworkParameters,
    training: TrainingParameters,
    run: RunParameters,
    double: bool = False,
    dueling: bool = False,
    several: bool = False,
) -> Trained:
    """The agents of one arm, one after another; ``several``: with targets of several rewards."""
    spec, facts = environment_of(split_card)
    arm = Arm(double, dueling, training.n_step if several else 1)
    curve_seeds = [int(seed) for seed in dev_split.loc[dev_split["use"] == "curve", "seed"]]
    device = resolve_device(run.device)
    groups = (network.model_dump(mode="json"), training.model_dump(mode="json"))
    kept, last, told = [], [], []
    for agent, seed in enumerate(agent_seeds(train_split)):
        own = [int(value) for value in train_split.loc[train_split["agent"] == agent, "seed"]]
        learning = Learning(arm, spec, facts, seed, own, curve_seeds, network, training, device)
        try:
            learning.resume(
                run, vars(arm), spec.as_dict(), split_card["facts"], *groups, seed, own, curve_seeds
            )
            learning.run()
        finally:
            learning.environments.close()
        last.append(weights_of(learning.online))
        best = training.keep == "best"
        kept.append(learning.kept if best else last[-1])
        told.append(
            {
                "seed": seed,
                "curve": learning.curve,
                "kept_step": learning.kept_step if best else learning.steps,
                "seconds": round(learning.seconds, 3),
                "steps_per_second": round(learning.steps / max(learning.seconds, 1e-9), 1),
                "bytes_per_transition": round(learning.buffer.nbytes / training.capacity, 1),
            }
        )
    form = {
        "shape": list(facts.shape),
        "actions": facts.actions,
        "convolutions": [list(layer) for layer in network.convolutions],
        "hidden": network.hidden,
        "dueling": dueling,
    }
    model = QAgents(form, np.stack(kept), np.stack(last))
    return model, dev_history(model, dev_split, split_card, told)
