"""Studies of agents in several environments: the bench of agents, environment by environment.

The first environment of the specification is the study's main one: metrics, the registered agent and the filmstrips are of it,
tables are of all. A variant's model is a `Players`, which holds the agents of each environment that the variant plays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.agent_predictor import AgentPredictor
from etudes.benches.agent_scores import differences_table, episode_returns, episode_samples, metrics_of
from etudes.benches.agent_scores import seeds_table as agents_table
from etudes.benches.agents import (
    Agents,
    RandomAgents,
    agent_seeds,
    dev_history,
    evaluation_episodes,
)
from etudes.benches.agents import choose_predictor as choose_agent
from etudes.benches.parameters import AgentsParameters, EpisodePlayParameters, EpisodesParameters
from etudes.cards import data_card as card_of
from etudes.cards import fingerprint
from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.models import register_model
from etudes.rl.environments import EnvironmentSpec, inspect_environment
from etudes.rl.statistics import mean_score
from etudes.stored import Stored
from etudes.study import Study
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import part

Frame = pd.DataFrame
Card = dict[str, Any]
NAME = "environment"  # the column that says of which environment a row is
DIFFERENCE = {f"mean_return{end}": f"difference{end}" for end in ("", ".low", ".high")}
RETURNS = ("iqm", "mean_return", "solved_share", "last_mean_return")


@register_model("agents.players")
class Players(Stored):
    """The agents of one variant in each environment that it plays.

    Args:
        agents: by environment, `Agents`.
        learned: whether they learned anything.
    """

    def __init__(self, agents: Mapping[str, Agents], learned: bool) -> None:
        self.agents, self.learned = dict(agents), learned


def ingest(raw_environments: RawFile) -> Card:
    """Read the specifications, make each environment once and say what it is.

    Raises:
        ValueError: no JSON, no list of environments, one that stands there twice, cannot be made or cannot be played here.
    """
    from importlib.metadata import version

    try:
        content = json.loads(raw_environments.content)
        found = content.get("environments") if isinstance(content, dict) else None
        if not isinstance(found, list) or not found or not all(isinstance(entry, dict) for entry in found):
            raise ValueError('expected {"environments": [{"id": ..., "solved": ...}, ...]} with one or more')
        specs = [EnvironmentSpec.from_dict(entry) for entry in found]
        if len({spec.id for spec in specs}) < len(specs):
            raise ValueError(f"{', '.join(spec.id for spec in specs)}: expected each environment once")
        facts = [inspect_environment(spec, numbered=True) for spec in specs]
    except (UnicodeDecodeError, ValueError) as error:  # JSONDecodeError is a ValueError
        raise ValueError(f"{raw_environments.name}: {error}") from error
    described = {
        "environments": {spec.id: spec.as_dict() for spec in specs},
        "gymnasium": version("gymnasium"),
    }
    told = {
        spec.id: {**asdict(one), "shape": list(one.shape)} for spec, one in zip(specs, facts, strict=True)
    }
    return card_of([raw_environments], json.dumps(described, sort_keys=True), **described, facts=told)


def split(
    data_card: Mapping[str, Any],
    parameters: EpisodesParameters,
    runs: AgentsParameters,
    run: RunParameters,
) -> tuple[Frame, Frame, Frame, Card]:
    """Choose the episodes, as `etudes.benches.agents.split` does, in each environment by the same seeds.

    Training: the seed of each agent (from the run's), which decides all its chance. Dev: ``curve`` draws the learning curves and
    chooses values, ``choice`` compares settings and variants. Test: the final score, the same for all.
    """
    names = list(data_card["environments"])
    agents = pd.DataFrame(
        [(agent, derive_seed(run.seed, "agent", agent)) for agent in range(runs.agents)],
        columns=["agent", "agent_seed"],
    )
    train, dev, test = (
        pd.concat([rows.assign(**{NAME: name}) for name in names], ignore_index=True).assign(
            id=np.arange(len(names) * len(rows))
        )
        for rows in (agents, *evaluation_episodes(parameters))
    )
    told = {
        "unit": "episode seeds",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "environments": data_card["environments"],
        "facts": data_card["facts"],
        "dev_fingerprint": f"{data_card['fingerprint'][:16]}{fingerprint(dev)[:16]}",
    }
    return train, dev, test, told


def by_environment(split_card: Mapping[str, Any], *frames: Frame) -> Iterator[tuple[str, Card, list[Frame]]]:
    """Each environment's name, its own card as `etudes.benches.agents.environment_of` takes it, and its rows of the frames."""
    for name, spec in split_card["environments"].items():
        card = {**split_card, "environment": spec, "facts": split_card["facts"][name]}
        yield name, card, [frame[frame[NAME] == name] for frame in frames]


Trained = tuple[Players, Card]


def players(
    split_card: Mapping[str, Any],
    train_split: Frame,
    dev_split: Frame,
    make: Callable[[Card, Frame, Frame], tuple[Agents, list[Card]] | None],
) -> Trained:
    """A variant's agents in every environment, and their history.

    Args:
        split_card, train_split, dev_split: as `split` gives them.
        make: gets an environment's card, its train and its dev rows, and gives agents and what their trainings say of
            themselves (a mapping for each agent, or none); or None where the variant does not play that environment.

    Raises:
        ValueError: the variant plays none of the environments.
    """
    agents: dict[str, Agents] = {}
    histories: dict[str, Card] = {}
    for name, card, (train, dev) in by_environment(split_card, train_split, dev_split):
        with part(name):
            found = make(card, train, dev)
        if found is not None:
            agents[name], told = found
            histories[name] = dev_history(agents[name], dev, card, told)
    if not agents:
        raise ValueError(
            f"this variant plays none of {', '.join(split_card['environments'])}: leave it out of the parameter variants"
        )
    main = histories.get(next(iter(split_card["environments"])), next(iter(histories.values())))
    learned = any(one.learned for one in agents.values())
    return Players(agents, learned), {
        **main,
        "environments": histories,
    }


def train_random(train_split: Frame, dev_split: Frame, split_card: Card) -> Trained:
    """The trivial baseline in every environment."""
    return players(
        split_card,
        train_split,
        dev_split,
        lambda card, train, dev: (RandomAgents(card["facts"]["actions"], agent_seeds(train)), []),
    )


def histories_in(histories: Mapping[str, Card], name: str) -> dict[str, Card]:
    """By variant, the history of one environment."""
    found = {variant: history["environments"].get(name) for variant, history in histories.items()}
    return {variant: history for variant, history in found.items() if history is not None}


def evaluate(
    models: Mapping[str, Players],
    histories: Mapping[str, Card],
    test_split: Frame,
    split_card: Card,
    evaluation: EpisodePlayParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Examples]:
    """Play the test episodes of every environment with every agent of every trained variant.

    Returns:
        metrics (of the main environment; of the others ``mean_return_<environment>``), predictions (a row for each environment,
        variant, agent and episode), the tables of agents (main environment), of returns and of differences (all), and the frames
        of the best and the worst episode (main).

    Raises:
        ValueError: nobody plays the main environment.
    """
    metrics: dict[str, float] = {}
    predictions, returns, differences = [], [], []
    for place, (name, card, (test,)) in enumerate(by_environment(split_card, test_split)):
        own = {variant: model.agents[name] for variant, model in models.items() if name in model.agents}
        if not own and place == 0:
            raise ValueError(
                f"none of the variants {', '.join(models)} plays {name}, which the study is about first: name one that does"
            )
        if not own:
            continue
        played = episode_returns(own, test, card, evaluation.parallel)
        found = metrics_of(played, card, evaluation.resamples)
        metrics |= (
            found
            if place == 0
            else {
                key.replace(".mean_return", f".mean_return_{name}"): value
                for key, value in found.items()
                if ".mean_return" in key
            }
        )
        predictions.append(played.assign(**{NAME: name}))
        returns += [{NAME: name, **row} for row in _returns(own, found)]
        pairs = differences_table(played, evaluation.resamples, {"mean_return": mean_score})
        differences.append(pairs.rename(columns=DIFFERENCE).assign(**{NAME: name}))
        if place == 0:
            agents = agents_table(played, histories_in(histories, name))
            samples = episode_samples(own, played, card, evaluation.frames)
    stacked = pd.concat(differences, ignore_index=True)
    return (
        metrics,
        pd.concat(predictions, ignore_index=True),
        agents,
        pd.DataFrame(returns),
        stacked[[NAME, *stacked.columns.drop(NAME)]],
        samples,
    )


def points_below(other: str, differences: Frame, name: str) -> dict[str, float]:
    """Metrics ``<variant>.below_<other>``: how many points less than a variant every other one gets in the same episodes of one
    environment."""
    metrics: dict[str, float] = {}
    for row in differences[differences[NAME] == name].to_dict("records"):
        if other in (row["variant"], row["minus"]):
            sign, variant = (1, row["minus"]) if row["variant"] == other else (-1, row["variant"])
            low, high = sorted(sign * row[f"difference.{end}"] for end in ("low", "high"))
            key = f"{variant}.below_{other}"
            metrics |= {key: sign * row["difference"], f"{key}.low": low, f"{key}.high": high}
    return metrics


def _returns(agents: Mapping[str, Agents], metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {"variant": variant, "agents": len(found)}
        | {
            f"{name}{end}": metrics[f"{variant}.{name}{end}"]
            for name in RETURNS
            for end in ("", ".low", ".high")
        }
        for variant, found in agents.items()
    ]


def choose_predictor(
    study: Study,
    data_card: Mapping[str, Any],
    split_card: Card,
    models: Mapping[str, Players],
    histories: Mapping[str, Card],
) -> AgentPredictor:
    """The best learning variant on dev of the main environment, and of its agents the best on dev."""
    name, card, _ = next(by_environment(split_card))
    own = {variant: model.agents[name] for variant, model in models.items() if name in model.agents}
    return choose_agent(study, data_card, card, own, histories_in(histories, name))
