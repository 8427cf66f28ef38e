"""The variants: rules written by hand (`etudes.benches.experts`), which learn nothing, and agents by policies.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from etudes.benches.agents import agent_seeds, environment_of
from etudes.benches.experts import Rule
from etudes.benches.several_environments import Trained, players
from etudes.models import register_model
from etudes.pipelines.policy_gradients.estimators import LADDER
from etudes.pipelines.policy_gradients.learning import Learning, greedy
from etudes.pipelines.policy_gradients.network import Stack
from etudes.pipelines.policy_gradients.parameters import Method, TrainingParameters, TrainingsParameters
from etudes.rl.controllers import rule_for
from etudes.rl.evaluation import Policy
from etudes.rl.simulated import side_by_side
from etudes.stored import Stored
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Card = dict[str, Any]


@register_model("policy_gradients.agents")
class PolicyAgents(Stored):
    """Greedy players by policies, one network for each seed.

    Args:
        sizes: ``inputs``, ``outputs`` and ``hidden`` of the networks.
        kept: (agents, P) float32, the weights each agent's policy ended with.
        last: (agents, P), those of its last update.
        stages: (stages, 2, agents, P), policies and critics at a few moments of their training; empty without a critic.
    """

    registered_name: str
    learned = True

    def __init__(self, sizes: Card, kept: NDArray, last: NDArray, stages: NDArray) -> None:
        self.sizes, self.kept, self.last, self.stages = sizes, kept, last, stages
        self._network = Stack(**sizes)

    def __len__(self) -> int:
        return len(self.kept)

    def policy(self, agent: int) -> Policy:
        return greedy(self._network, torch.tensor(self.kept[agent]))

    def last_policy(self, agent: int) -> Policy:
        return greedy(self._network, torch.tensor(self.last[agent]))

    def values(self, agent: int, observations: NDArray) -> NDArray:
        """How likely the policy takes each action, (B, actions)."""
        logits = self._network.play(torch.tensor(self.kept[[agent]]), observations[None])[0]
        likely = np.exp(logits - logits.max(1, keepdims=True))
        return likely / likely.sum(1, keepdims=True)

    def only(self, agent: int) -> PolicyAgents:
        """That agent alone."""
        return PolicyAgents(self.sizes, self.kept[[agent]], self.last[[agent]], self.stages[:0])


def train_controller(train_split: pd.DataFrame, dev_split: pd.DataFrame, split_card: Card) -> Trained:
    """Rules written by hand, in every environment that has one."""

    def make(card: Card, train: pd.DataFrame, dev: pd.DataFrame) -> Any:
        name = card["environment"]["id"]
        return (Rule(name), []) if rule_for(name) else None

    return players(split_card, train_split, dev_split, make)


def train_policies(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: Card,
    training: TrainingsParameters,
    run: RunParameters,
    method: Method,
) -> Trained:
    """Agents of one method in every environment that it plays."""

    def make(card: Card, train: pd.DataFrame, dev: pd.DataFrame) -> Any:
        settings = training.of(card["environment"]["id"])
        return (
            train_in(card, train, dev, settings, run, method) if method in settings.learning_rates else None
        )

    return players(split_card, train_split, dev_split, make)


def train_in(
    card: Card,
    train: pd.DataFrame,
    dev: pd.DataFrame,
    settings: TrainingParameters,
    run: RunParameters,
    method: Method,
) -> tuple[PolicyAgents, list[Card]]:
    """Agents of one method in one environment, side by side.

    Raises:
        ValueError: an observation is the number of a state, or the environment has no time limit.
    """
    spec, facts = environment_of(card)
    if facts.states:
        raise ValueError(
            f"'{spec.id}' observes the number of a state (one of {facts.states}); expected an array of numbers (Box): "
            "tables learn such states, as in tabular_q_learning"
        )
    if facts.max_episode_steps is None:
        raise ValueError(
            f"'{spec.id}' has no time limit; expected one: say max_episode_steps in its specification"
        )
    seeds = agent_seeds(train)[: settings.agents]
    rollout = settings.ppo if LADDER[method].clipped else settings.a2c
    count = rollout.environments if LADDER[method].bootstraps else settings.episodes
    curve_seeds = dev.loc[dev["use"] == "curve", "seed"].tolist()
    own = [derive_seed(seed, "environment", place) for seed in seeds for place in range(count)]
    environments = side_by_side(spec, own)
    try:
        with _one_thread():
            learning = Learning(method, environments, facts.actions, seeds, curve_seeds, settings)
            learning.resume(
                run, card["environment"], settings.model_dump(mode="json"), method, seeds, curve_seeds
            )
            learning.run()
    finally:
        environments.close()
    last, network = learning.policies, learning.network
    best = settings.keep == "best"
    stages = learning.stages.unflatten(1, (-1, len(seeds))) if learning.rung.critic else torch.zeros(0)
    told = [
        {
            "seed": seed,
            "curve": curve,
            "kept_step": int(learning.kept_step[agent]) if best else int(learning.steps[agent]),
            "seconds": round(learning.seconds, 3),
            "steps_per_second": round(int(learning.steps.sum()) / max(learning.seconds, 1e-9), 1),
        }
        for agent, (seed, curve) in enumerate(zip(seeds, learning.curves, strict=True))
    ]
    sizes = {"inputs": network.inputs, "outputs": network.outputs, "hidden": list(settings.hidden)}
    kept = learning.kept if best else last
    return PolicyAgents(sizes, kept.numpy().copy(), last.numpy().copy(), stages.numpy()), told


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks so small are slower on several threads, and sums in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
