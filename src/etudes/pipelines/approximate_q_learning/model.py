"""The variants: the eight arms of the grid, and players to compare with.

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
from etudes.pipelines.approximate_q_learning.learning import Arm, Learning
from etudes.pipelines.approximate_q_learning.network import Networks
from etudes.pipelines.approximate_q_learning.parameters import SearchParameters, TrainingParameters
from etudes.pipelines.approximate_q_learning.search import LinearAgents, search
from etudes.rl.evaluation import Policy
from etudes.stored import Stored
from etudes.training.parameters import RunParameters

Trained = tuple[Any, dict[str, Any]]


@register_model("approximate_q_learning.agents")
class QAgents(Stored):
    """Greedy players by networks of action values, one or two for each seed, whose mean counts.

    Args:
        inputs, actions, hidden: of `Networks`.
        kept: (agents, networks, P), the weights each agent ended with.
        last: the weights of its last update.
    """

    registered_name: str
    learned = True

    def __init__(self, inputs: int, actions: int, hidden: list[int], kept: NDArray, last: NDArray) -> None:
        self.inputs, self.actions, self.hidden = inputs, actions, list(hidden)
        self.kept, self.last = kept, last
        self._networks = Networks(inputs, actions, hidden)

    def __len__(self) -> int:
        return len(self.kept)

    def policy(self, agent: int) -> Policy:
        return lambda seen: self._values(self.kept[agent], seen).argmax(1)

    def last_policy(self, agent: int) -> Policy:
        return lambda seen: self._values(self.last[agent], seen).argmax(1)

    def values(self, agent: int, observations: NDArray) -> NDArray:
        return self._values(self.kept[agent], observations)

    def _values(self, weights: NDArray, observations: NDArray) -> NDArray:
        flat = np.asarray(observations, np.float32).reshape(1, len(observations), -1)
        return self._networks.values(weights, np.repeat(flat, len(weights), axis=0)).mean(0)

    def only(self, agent: int) -> QAgents:
        """That agent alone."""
        kept, last = self.kept[[agent]], self.last[[agent]]
        return QAgents(self.inputs, self.actions, self.hidden, kept, last)


def train_expert(dev_split: pd.DataFrame, split_card: dict[str, Any]) -> Trained:
    """The rule written by hand, which learns nothing."""
    model = Rule(split_card["environment"]["id"])
    return model, dev_history(model, dev_split, split_card)


def train_search(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    training: TrainingParameters,
    parameters: SearchParameters,
) -> Trained:
    """Linear policies found by the cross-entropy method in as many steps as the networks get, one for each seed."""
    found = [
        search(*environment_of(split_card), s, parameters, training.steps) for s in agent_seeds(train_split)
    ]
    model = LinearAgents(np.stack([weights for weights, _ in found]))
    return model, dev_history(model, dev_split, split_card, [{"curve": [], **told} for _, told in found])


def train_agents(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    training: TrainingParameters,
    run: RunParameters,
    replay: bool = False,
    target: bool = False,
    double: bool = False,
) -> Trained:
    """The agents of one arm, all of them with every learning rate side by side; those of the best rate are the variant's.

    The best rate is the one whose learning curves on dev are highest in the mean over agents and points: one that learns soon and
    stays. An agent begins alike and meets equal chance with every rate and, but for what they draw, in every arm.
    """
    spec, facts = environment_of(split_card)
    seeds, environments = agent_seeds(train_split), train_split["seed"].tolist()
    curve_seeds = dev_split.loc[dev_split["use"] == "curve", "seed"].tolist()
    rates, arm = training.learning_rates, Arm(replay, target, double)
    learning = Learning(
        arm,
        spec,
        facts,
        [rate for rate in rates for _ in seeds],
        seeds * len(rates),
        environments * len(rates),
        curve_seeds,
        training,
    )
    key = (vars(arm), split_card["environment"], split_card["facts"], training.model_dump(mode="json"))
    learning.resume(run, *key, seeds, environments, curve_seeds)
    learning.run()
    curves = {
        rate: [learning.curve_of(place * len(seeds) + agent) for agent in range(len(seeds))]
        for place, rate in enumerate(rates)
    }
    heights = {
        rate: float(np.mean([point["dev_mean_return"] for curve in own for point in curve]))
        for rate, own in curves.items()
    }
    best = max(rates, key=lambda rate: heights[rate])
    own = slice(rates.index(best) * len(seeds), (rates.index(best) + 1) * len(seeds))
    last, ends = learning.weights, np.full(len(learning.seeds), learning.steps)
    kept, steps = (learning.kept, learning.kept_step) if training.keep == "best" else (last, ends)
    rate = round(len(learning.seeds) * learning.steps / max(learning.seconds, 1e-9), 1)
    told: list[dict[str, Any]] = [
        {
            "seed": seed,
            "learning_rate": best,
            "curve": curves[best][agent],
            "curves": {f"{rate:g}": curves[rate][agent] for rate in rates},
            "kept_step": int(steps[own][agent]),
            "seconds": round(learning.seconds, 3),
            "steps_per_second": rate,
        }
        for agent, seed in enumerate(seeds)
    ]
    inputs = int(np.prod(facts.shape))
    model = QAgents(inputs, facts.actions, list(training.hidden), kept[own], last[own])
    return model, dev_history(model, dev_split, split_card, told)
