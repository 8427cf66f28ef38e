"""The variants: tables of action values that learn, and a player that knows the rules.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.agents import agent_seeds, environment_of
from etudes.benches.several_environments import Trained, players
from etudes.models import register_model
from etudes.pipelines.tabular_q_learning.expert import train_expert
from etudes.pipelines.tabular_q_learning.learning import Learning, Method, greedy_returns
from etudes.pipelines.tabular_q_learning.parameters import TrainingParameters, TrainingsParameters
from etudes.pipelines.tabular_q_learning.tables import Cells, Stack
from etudes.rl.environments import EnvironmentFacts
from etudes.rl.evaluation import Policy
from etudes.rl.simulators import first_states, simulator_of
from etudes.stored import Stored
from etudes.training.parameters import RunParameters

__all__ = ["TabularAgents", "train_expert", "train_tables"]


@register_model("tabular_q_learning.agents")
class TabularAgents(Stored):
    """Greedy players by tables of action values, one for each seed, which see the same cells.

    Args:
        cells: what tells the rows of a table apart.
        kept: (agents, rows, actions), the values each agent ended with.
        last: the values of its last step.
        arms: by name, tables of other settings as players of their own; they are compared and not registered.
    """

    registered_name: str
    learned = True

    def __init__(
        self,
        counts: list[int],
        reaches: list[float],
        kept: NDArray,
        last: NDArray,
        arms: dict[str, TabularAgents] | None = None,
    ) -> None:
        self.counts, self.reaches, self.kept, self.last = list(counts), list(reaches), kept, last
        self.arms = dict(arms or {})
        self._stack = Stack([Cells(kept.shape[1], tuple(counts), tuple(reaches))])

    def __len__(self) -> int:
        return len(self.kept)

    def policy(self, agent: int) -> Policy:
        return self._greedy(self.kept[agent])

    def last_policy(self, agent: int) -> Policy:
        return self._greedy(self.last[agent])

    def _greedy(self, values: NDArray) -> Policy:
        best = values.argmax(1)
        return lambda observations: best[self._rows(observations)]

    def _rows(self, observations: NDArray) -> NDArray[np.int64]:
        return self._stack.rows_of(np.asarray(observations), np.zeros(len(observations), np.int64))

    def values(self, agent: int, observations: NDArray) -> NDArray:
        return self.kept[agent][self._rows(observations)]

    def only(self, agent: int) -> TabularAgents:
        """That agent alone."""
        return TabularAgents(self.counts, self.reaches, self.kept[[agent]], self.last[[agent]])


def cells_of(facts: EnvironmentFacts, settings: TrainingParameters, arm: str) -> Cells:
    """The cells of one arm in an environment.

    Raises:
        ValueError: bins where states have numbers, or not one for each number of an observation.
    """
    bins, numbers = settings.arms[arm].bins, int(np.prod(facts.shape))
    if facts.states:
        if bins:
            raise ValueError(f"arm '{arm}' has bins {bins}, but states have numbers: expected none")
        return Cells(facts.states)
    if len(bins) != numbers or len(settings.reaches) != numbers:
        raise ValueError(
            f"arm '{arm}' has bins {bins} that reach to {settings.reaches}; an observation has {numbers} numbers: expected "
            "as many of both"
        )
    return Cells(int(np.prod(bins)), bins, settings.reaches)


def train_tables(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    training: TrainingsParameters,
    run: RunParameters,
    method: Method,
) -> Trained:
    """Agents of one method in every environment, with every arm's settings; those of the best arm on dev are the variant's."""

    def make(card: dict[str, Any], train: pd.DataFrame, dev: pd.DataFrame) -> Any:
        return train_arms(card, train, dev, training, run, method)

    return players(split_card, train_split, dev_split, make)


def train_arms(
    card: dict[str, Any],
    train: pd.DataFrame,
    dev: pd.DataFrame,
    training: TrainingsParameters,
    run: RunParameters,
    method: Method,
) -> tuple[TabularAgents, list[dict[str, Any]]]:
    """All arms in one environment, side by side: an agent meets the same chance in each of them.

    Raises:
        ValueError: the environment has no array form, or bins do not fit.
    """
    spec, facts = environment_of(card)
    simulator = simulator_of(spec)
    if simulator is None:
        raise ValueError(
            f"'{spec.id}' cannot be stepped as arrays; expected an environment with a table of transitions and a time limit "
            "(Taxi, FrozenLake, CliffWalking) or CartPole"
        )
    settings, seeds = training.of(spec.id), agent_seeds(train)
    names, count = list(settings.arms), len(seeds)
    cells = {name: cells_of(facts, settings, name) for name in names}
    stack = Stack([cells[name] for name in names for _ in seeds])
    uses = {use: dev.loc[dev["use"] == use, "seed"].tolist() for use in ("curve", "choice")}
    states = {use: first_states(simulator, episodes) for use, episodes in uses.items()}
    arms = [settings.arms[name] for name in names for _ in seeds]
    learning = Learning(
        method, simulator, stack, facts.actions, arms, seeds * len(names), states["curve"], settings
    )
    learning.resume(run, card["environment"], settings.model_dump(mode="json"), method, seeds, uses)
    learning.run()
    last, ends = learning.policy_values, np.full(len(stack), learning.steps)
    kept, steps = (learning.kept, learning.kept_step) if settings.keep == "best" else (last, ends)
    scores = greedy_returns(simulator, stack, kept, states["choice"]).mean(1).reshape(len(names), count)
    best = names[int(scores.mean(1).argmax())]

    def agents_of(name: str, ended: NDArray, arms: dict[str, TabularAgents] | None = None) -> TabularAgents:
        begin, seen = stack.begins[names.index(name) * count], cells[name]
        own, shape = slice(begin, begin + count * seen.states), (count, seen.states, facts.actions)
        tables = (kept[own].reshape(shape), ended[own].reshape(shape))
        return TabularAgents(list(seen.counts), list(seen.reaches), *tables, arms)

    rate = round(len(stack) * learning.steps / max(learning.seconds, 1e-9), 1)
    told: list[dict[str, Any]] = [
        {
            "seed": seed,
            "arm": best,
            "arms": {
                name: {
                    "dev_mean_return": float(scores[place, agent]),
                    "curve": learning.curve_of(place * count + agent),
                }
                for place, name in enumerate(names)
            },
            "kept_step": int(steps[names.index(best) * count + agent]),
            "seconds": round(learning.seconds, 3),
            "steps_per_second": rate,
        }
        for agent, seed in enumerate(seeds)
    ]
    for row in told:
        row["curve"] = row["arms"][best]["curve"]
    return agents_of(best, last, {name: agents_of(name, kept) for name in names}), told
