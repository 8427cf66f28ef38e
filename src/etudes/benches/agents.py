"""What every study of agents shares: the environment, the episodes of its splits, players that learn nothing, the agent chosen.

An agent is one training from a seed of its own; the test episodes are the same for all. A player that learns nothing has one
agent. `agent_scores` plays the test episodes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.agent_predictor import AgentPredictor
from etudes.benches.parameters import (
    AgentRunsParameters,
    AgentsParameters,
    EpisodesParameters,
    EpisodeSplitParameters,
)
from etudes.cards import data_card as card_of
from etudes.cards import fingerprint
from etudes.forms.raw import RawFile
from etudes.models import ModelState, register_model
from etudes.rl.environments import EnvironmentFacts, EnvironmentSpec, inspect_environment
from etudes.rl.evaluation import Policy, evaluate_policy
from etudes.study import Study
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

TOLD = ("curve", "kept_step", "seconds", "steps_per_second")  # of a training, in its variant's history
Frame = pd.DataFrame


class Agents(Protocol):
    """The agents of one variant, one for each seed. ``learned`` tells networks from yardsticks."""

    registered_name: str
    learned: bool

    def __len__(self) -> int: ...
    def policy(self, agent: int) -> Policy: ...
    def last_policy(self, agent: int) -> Policy: ...
    def values(self, agent: int, observations: NDArray) -> NDArray | None: ...


class Yardstick:
    """Agents that learn nothing."""

    registered_name: str
    learned = False

    def policy(self, agent: int) -> Policy:
        raise AssertionError("a yardstick says how it plays")

    def last_policy(self, agent: int) -> Policy:
        return self.policy(agent)

    def values(self, agent: int, observations: NDArray) -> NDArray | None:
        return None


class RandomPolicy:
    """Every action alike; the answers depend on the seed and on how often it was asked."""

    def __init__(self, actions: int, seed: int) -> None:
        self.actions = actions
        self._generator = np.random.default_rng(seed)

    def __call__(self, observations: NDArray) -> NDArray[np.int64]:
        return self._generator.integers(0, self.actions, len(observations))


@register_model("agents.random")
class RandomAgents(Yardstick):
    """One random player for each seed: the trivial baseline."""

    def __init__(self, actions: int, seeds: Sequence[int]) -> None:
        self.actions, self.seeds = actions, list(seeds)

    def __len__(self) -> int:
        return len(self.seeds)

    def policy(self, agent: int) -> Policy:
        return RandomPolicy(self.actions, self.seeds[agent])

    def state(self) -> ModelState:
        return ModelState({"actions": self.actions, "seeds": self.seeds})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(**state.config)


def ingest(raw_environment: RawFile) -> dict[str, Any]:
    """Read the specification, make the environment once and say what it is.

    Raises:
        ValueError: no JSON, an unknown key, an environment that cannot be made or that no agent here can play.
    """
    from importlib.metadata import version

    try:
        content = json.loads(raw_environment.content)
        if not isinstance(content, dict):
            raise ValueError(f"found a {type(content).__name__}, expected an object")
        spec = EnvironmentSpec.from_dict(content)
        facts = inspect_environment(spec)
    except (UnicodeDecodeError, ValueError) as error:  # JSONDecodeError is a ValueError
        raise ValueError(f"{raw_environment.name}: {error}") from error
    described = {"environment": spec.as_dict(), "gymnasium": version("gymnasium")}
    told = {**asdict(facts), "shape": list(facts.shape)}
    return card_of([raw_environment], json.dumps(described, sort_keys=True), **described, facts=told)


def split(
    data_card: Mapping[str, Any],
    parameters: EpisodeSplitParameters,
    runs: AgentsParameters | AgentRunsParameters,
    run: RunParameters,
) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Choose the episodes: a split is a list of seeds, and no seed is in two of them.

    Training: for each agent a seed of its own (from the run's) and one for each of its environments. Dev: ``curve`` draws
    the learning curves and chooses weights, ``choice`` compares variants. Test: the final score, the same for all.

    Args:
        data_card: of the environment, as `ingest` gives it.
        parameters: numbers of episodes; the seed of dev and test.
        runs: how many agents there are.
        run: the shared parameters, with the seed of the run.
    """
    dev, test = evaluation_episodes(parameters)
    taken = {int(value) for value in [*dev["seed"], *test["seed"]]}
    rows: list[dict[str, int]] = []
    for agent in range(runs.agents):
        for environment in range(parameters.environments):
            own = derive_seed(run.seed, "environment", agent, environment)
            while own in taken:
                own = (own + 1) % 2**32
            taken.add(own)
            place = {
                "agent": agent,
                "agent_seed": derive_seed(run.seed, "agent", agent),
                "environment": environment,
            }
            rows.append({"id": len(rows), **place, "seed": own})
    train = pd.DataFrame(rows)
    told = {
        "unit": "episode seeds",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "environment": data_card["environment"],
        "facts": data_card["facts"],
        "dev_fingerprint": f"{data_card['fingerprint'][:16]}{fingerprint(dev)[:16]}",
    }
    return train, dev, test, told


def evaluation_episodes(parameters: EpisodesParameters) -> tuple[Frame, Frame]:
    """Dev and test: ``id``, ``seed``, and of dev its ``use``."""
    generator = np.random.default_rng(parameters.seed)
    dev_rows = parameters.curve_episodes + parameters.choice_episodes
    seeds = generator.choice(2**31, dev_rows + parameters.test_episodes, replace=False)
    uses = ["curve"] * parameters.curve_episodes + ["choice"] * parameters.choice_episodes
    dev = pd.DataFrame({"id": np.arange(dev_rows), "use": uses, "seed": seeds[:dev_rows]})
    return dev, pd.DataFrame({"id": np.arange(parameters.test_episodes), "seed": seeds[dev_rows:]})


def agent_seeds(train: Frame) -> list[int]:
    """Seeds of the agents."""
    return [int(seed) for seed in train.groupby("agent")["agent_seed"].first()]


def environment_of(card: Mapping[str, Any]) -> tuple[EnvironmentSpec, EnvironmentFacts]:
    """The environment that a split card describes."""
    facts = {**card["facts"], "shape": tuple(card["facts"]["shape"])}
    return EnvironmentSpec.from_dict(card["environment"]), EnvironmentFacts(**facts)


def dev_history(
    model: Any, dev: pd.DataFrame, card: dict[str, Any], agents: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Dev score over fresh dev episodes of every agent, and the mean of their curves."""
    spec, _ = environment_of(card)
    seeds = dev.loc[dev["use"] == "choice", "seed"].to_numpy()
    played = [evaluate_policy(model.policy(a), spec, seeds, len(seeds)).returns for a in range(len(model))]
    returns = np.stack(played)
    scores = returns.mean(1)
    curves = [agent["curve"] for agent in agents]
    epochs = [
        {"step": rows[0]["step"], "dev_mean_return": float(np.mean([row["dev_mean_return"] for row in rows]))}
        for rows in zip(*curves, strict=True)
    ]
    described = agents or [{} for _ in scores]
    return {
        "dev": {
            "mean_return": float(scores.mean()),
            "solved_share": float((returns >= card["environment"]["solved"]).mean()),
        },
        "epochs": epochs,
        "agents": [
            {**agent, "dev_mean_return": float(score)} for agent, score in zip(described, scores, strict=True)
        ],
    }


def train_random(
    train_split: Frame, dev_split: Frame, split_card: dict[str, Any]
) -> tuple[RandomAgents, dict[str, Any]]:
    """The trivial baseline of every study of agents."""
    model = RandomAgents(split_card["facts"]["actions"], agent_seeds(train_split))
    return model, dev_history(model, dev_split, split_card)


def choose_predictor(
    study: Study,
    data_card: Mapping[str, Any],
    split_card: Mapping[str, Any],
    models: Mapping[str, Any],
    histories: Mapping[str, Any],
) -> AgentPredictor:
    """The learning variant with the best dev score, and of its agents the best on dev; yardsticks are registered only
    where nothing else was trained."""
    scores = {name: history["dev"][study.dev_metric] for name, history in histories.items()}
    candidates = [name for name, model in models.items() if model.learned] or list(models)
    best = study.best_on_dev({name: scores[name] for name in candidates})
    agents = models[best]
    if agents.learned:
        agents = agents.only(int(np.argmax([told["dev_mean_return"] for told in histories[best]["agents"]])))
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
    spec, facts = environment_of(split_card)
    pictures = len(facts.shape) > 1
    sizes = {"size": 0 if pictures else int(np.prod(facts.shape)), "states": facts.states}
    return AgentPredictor(agents, card, environment=spec.as_dict(), **sizes)
