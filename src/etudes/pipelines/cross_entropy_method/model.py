"""The variants: tables and networks that the cross-entropy method finds, and players that learn nothing.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.agents import agent_seeds, environment_of
from etudes.benches.experts import expert_in
from etudes.benches.several_environments import Trained, players
from etudes.models import register_model
from etudes.pipelines.cross_entropy_method.learning import Job, Way, train_together
from etudes.pipelines.cross_entropy_method.parameters import TrainingParameters, TrainingsParameters
from etudes.pipelines.cross_entropy_method.policies import Network, softmax
from etudes.rl.evaluation import Policy
from etudes.rl.processes import run_side_by_side, workers
from etudes.rl.simulators import simulator_of
from etudes.stored import Stored
from etudes.training.parameters import RunParameters

DISCOUNT = 0.99  # of the expert's planning; among ways to the same end it prefers the short one


@register_model("cross_entropy_method.tables")
class TableAgents(Stored):
    """Greedy players by tables of probabilities, one for each seed.

    Args:
        kept: (agents, states, actions), the table each agent ended with.
        last: that of its last round.
    """

    registered_name: str
    learned = True

    def __init__(self, kept: NDArray, last: NDArray) -> None:
        self.kept, self.last = kept, last

    def __len__(self) -> int:
        return len(self.kept)

    def policy(self, agent: int) -> Policy:
        best = self.kept[agent].argmax(1)
        return lambda observations: best[observations]

    def last_policy(self, agent: int) -> Policy:
        best = self.last[agent].argmax(1)
        return lambda observations: best[observations]

    def values(self, agent: int, observations: NDArray) -> NDArray:
        """How likely the agent takes each action (B, actions)."""
        return self.kept[agent][observations]

    def only(self, agent: int) -> TableAgents:
        """That agent alone."""
        return TableAgents(self.kept[[agent]], self.last[[agent]])


@register_model("cross_entropy_method.networks")
class NetworkAgents(Stored):
    """The same by networks.

    Args:
        inputs, hidden, actions: their sizes; ``hidden`` is 0 for linear ones.
        kept, last: (agents, P), their weights.
    """

    registered_name: str
    learned = True

    def __init__(self, inputs: int, hidden: int, actions: int, kept: NDArray, last: NDArray) -> None:
        self.inputs, self.hidden, self.actions, self.kept, self.last = inputs, hidden, actions, kept, last
        self._network = Network(inputs, hidden, actions)

    def __len__(self) -> int:
        return len(self.kept)

    def policy(self, agent: int) -> Policy:
        return lambda observations: self._network.play(self.kept[[agent]], observations[None])[0].argmax(1)

    def last_policy(self, agent: int) -> Policy:
        return lambda observations: self._network.play(self.last[[agent]], observations[None])[0].argmax(1)

    def values(self, agent: int, observations: NDArray) -> NDArray:
        """How likely the agent takes each action (B, actions)."""
        return softmax(self._network.play(self.kept[[agent]], observations[None])[0])

    def only(self, agent: int) -> NetworkAgents:
        """That agent alone."""
        return NetworkAgents(self.inputs, self.hidden, self.actions, self.kept[[agent]], self.last[[agent]])


def train_expert(train_split: pd.DataFrame, dev_split: pd.DataFrame, split_card: dict[str, Any]) -> Trained:
    """The strong cheap player of every environment: value iteration, or a rule written by hand."""

    def make(card: dict[str, Any], train: pd.DataFrame, dev: pd.DataFrame) -> Any:
        found = expert_in(card, DISCOUNT)
        return None if found is None else (found, [])

    return players(split_card, train_split, dev_split, make)


def train(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    training: TrainingsParameters,
    run: RunParameters,
    variant: str,
    memory: bool = False,
    floor: bool = False,
    starts: bool = False,
    careful: bool = True,
    search: bool = False,
) -> Trained:
    """Agents of one variant in every environment in which it learns; the last five arguments are its `Way`."""
    way = Way(memory, floor, starts, careful, search)

    def make(card: dict[str, Any], train: pd.DataFrame, dev: pd.DataFrame) -> Any:
        settings = training.environments.get(card["environment"]["id"])
        if settings is None or variant not in settings.variants:
            return None
        return train_agents(card, train, dev, settings, way, training.processes, run.resume)

    return players(split_card, train_split, dev_split, make)


def train_agents(
    card: dict[str, Any],
    train: pd.DataFrame,
    dev: pd.DataFrame,
    settings: TrainingParameters,
    way: Way,
    processes: int | None,
    resume: bool,
) -> tuple[TableAgents | NetworkAgents, list[dict[str, Any]]]:
    """The agents of one environment: all in one array, or shared out among processes where it is no array.

    Raises:
        ValueError: settings that do not fit the environment.
    """
    spec, facts = environment_of(card)
    seeds, curve = agent_seeds(train), tuple(dev.loc[dev["use"] == "curve", "seed"].tolist())
    shares = 1 if simulator_of(spec) is not None else workers(processes, len(seeds))
    jobs = {
        f"agents_{some[0]}": Job(spec, facts, tuple(seeds[i] for i in some), curve, settings, way, resume)
        for some in np.array_split(np.arange(len(seeds)), shares)
    }
    parts = run_side_by_side(train_together, jobs, shares)
    kept, last = (np.concatenate([part[name] for part in parts]) for name in ("kept", "last"))
    rounds, every = parts[0]["rounds"], settings.evaluate_every
    points = [
        [point for part in parts for point in _each(part["curve"][n])] for n in range(-(-rounds // every))
    ]
    seconds = max(part["seconds"] for part in parts)
    steps = sum(int(part["steps"].sum()) for part in parts)
    told = [
        {
            "seed": seed,
            "kept_step": int(np.concatenate([part["kept_round"] for part in parts])[agent])
            * parts[0]["sessions"],
            "seconds": round(seconds, 3),
            "steps_per_second": round(steps / max(seconds, 1e-9), 1),
            "curve": [
                {
                    # Sessions differ in length from agent to agent; the mean lets curves share an axis.
                    "step": round(float(np.mean([one["steps"] for one in point]))),
                    "sessions": point[agent]["round"] * parts[0]["sessions"],
                    "own_steps": point[agent]["steps"],
                    "dev_mean_return": point[agent]["returns"],
                    "mean_return": point[agent]["played"],
                    "threshold": point[agent]["thresholds"],
                }
                for point in points
            ],
        }
        for agent, seed in enumerate(seeds)
    ]
    ended = (kept, last) if settings.keep == "best" else (last, last)
    if facts.states:
        return TableAgents(*ended), told
    hidden = 0 if way.search or settings.network is None else settings.network.hidden
    return NetworkAgents(int(np.prod(facts.shape)), hidden, facts.actions, *ended), told


def _each(point: dict[str, Any]) -> list[dict[str, Any]]:
    """A point of the curve of several agents as one for each."""
    lists = {name: values for name, values in point.items() if name != "round"}
    count = len(point["returns"])
    return [
        {"round": point["round"], **{name: values[k] for name, values in lists.items()}} for k in range(count)
    ]
