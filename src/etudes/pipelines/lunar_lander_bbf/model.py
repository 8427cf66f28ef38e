"""The variants: the controller written by hand, which learns nothing, and agents by action values.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from etudes.benches.agents import TOLD, Yardstick, agent_seeds, dev_history, environment_of
from etudes.benches.parameters import AgentRunsParameters
from etudes.models import ModelState, register_model
from etudes.pipelines.lunar_lander_bbf.network import QNetworks
from etudes.pipelines.lunar_lander_bbf.parameters import (
    AnnealingParameters,
    ResetParameters,
    TrainingParameters,
)
from etudes.pipelines.lunar_lander_bbf.training import AgentJob, greedy, sizes, train_agents_together
from etudes.rl.controllers import lander_rule
from etudes.rl.evaluation import Policy
from etudes.rl.processes import run_side_by_side, workers
from etudes.training.parameters import RunParameters

LANDER = "LunarLander"  # the only environments that the controller written by hand can fly
Trained = tuple[Any, dict[str, Any]]


@register_model("lunar_lander_bbf.heuristic")
class Heuristic(Yardstick):
    """The controller written by hand: one player, nothing random."""

    def __len__(self) -> int:
        return 1

    def policy(self, agent: int) -> Policy:
        return lander_rule

    def state(self) -> ModelState:
        return ModelState()

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls()


@register_model("lunar_lander_bbf.q_agents")
class QAgents:
    """Greedy players by action values, one network for each seed.

    Args:
        sizes: ``inputs``, ``actions``, ``hidden`` and ``layer_norm`` of the networks.
        kept: (agents, P) float32, the weights each agent ended with.
        last: (agents, P), the weights of the last update.
    """

    registered_name: str
    learned = True

    def __init__(self, sizes: dict[str, Any], kept: NDArray, last: NDArray) -> None:
        self.sizes, self.kept, self.last = sizes, kept, last
        self.network = QNetworks(**sizes)

    def __len__(self) -> int:
        return len(self.kept)

    def policy(self, agent: int) -> Policy:
        return greedy(self.network, torch.tensor(self.kept[agent]))

    def last_policy(self, agent: int) -> Policy:
        return greedy(self.network, torch.tensor(self.last[agent]))

    def values(self, agent: int, observations: NDArray) -> NDArray | None:
        return self.network.play(torch.tensor(self.kept[[agent]]), observations[None])[0]

    def only(self, agent: int) -> QAgents:
        """That agent alone."""
        return QAgents(self.sizes, self.kept[[agent]], self.last[[agent]])

    def state(self) -> ModelState:
        return ModelState({"sizes": self.sizes}, {"kept": self.kept, "last": self.last})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        sizes = {**state.config["sizes"], "hidden": tuple(state.config["sizes"]["hidden"])}
        return cls(sizes, state.arrays["kept"], state.arrays["last"])


def train_heuristic(dev_split: pd.DataFrame, split_card: dict[str, Any]) -> Trained:
    """The controller written by hand, which learns nothing.

    Raises:
        ValueError: the environment is another than Lunar Lander.
    """
    name = split_card["environment"]["id"]
    if LANDER not in name:
        raise ValueError(
            f"the heuristic was written for {LANDER} and cannot play '{name}': leave it out of the parameter variants"
        )
    model = Heuristic()
    return model, dev_history(model, dev_split, split_card)


def train_agents(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    training: TrainingParameters,
    runs: AgentRunsParameters,
    run: RunParameters,
    horizon: AnnealingParameters | None = None,
    discounting: AnnealingParameters | None = None,
    resets: ResetParameters | None = None,
) -> Trained:
    """Agents side by side, each from its own seed; the last three arguments are what a variant adds to double DQN."""
    spec, facts = environment_of(split_card)
    curve_seeds = tuple(int(seed) for seed in dev_split.loc[dev_split["use"] == "curve", "seed"])
    added = (training, horizon, discounting, resets, run.resume)
    seeds = agent_seeds(train_split)
    own = [tuple(int(seed) for seed in rows["seed"]) for _, rows in train_split.groupby("agent")]
    jobs = {}
    for some in np.array_split(np.arange(len(seeds)), workers(runs.processes, len(seeds))):
        few = slice(some[0], some[-1] + 1)
        jobs[f"agents_{some[0]}"] = AgentJob(
            spec, facts, tuple(seeds[few]), tuple(own[few]), curve_seeds, *added
        )
    results = [
        result
        for results in run_side_by_side(train_agents_together, jobs, runs.processes)
        for result in results
    ]
    kept, last = (np.stack([result[part] for result in results]) for part in ("kept", "last"))
    agents = [
        {"seed": seed, **{fact: result[fact] for fact in TOLD}}
        for seed, result in zip(seeds, results, strict=True)
    ]
    model = QAgents(sizes(facts, training), kept, last)
    return model, dev_history(model, dev_split, split_card, agents)
