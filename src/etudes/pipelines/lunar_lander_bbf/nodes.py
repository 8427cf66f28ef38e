"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from etudes.forms.raw import RawFile
from etudes.pipelines.lunar_lander_bbf import scoring
from etudes.pipelines.lunar_lander_bbf.parameters import (
    AnnealingParameters,
    EvaluationParameters,
    ResetParameters,
    RunsParameters,
    SplitParameters,
    TrainingParameters,
)
from etudes.study import selected
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Frame = pd.DataFrame
Trained = tuple[Any, dict[str, Any]]
LANDER = "LunarLander"  # the only environments that the controller written by hand can fly


def ingest(raw_environment: RawFile) -> dict[str, Any]:
    """Read the specification, make the environment once and say what it is.

    Raises:
        ValueError: no JSON, an unknown key, an environment that cannot be made or that this study cannot play.
    """
    import hashlib
    from dataclasses import asdict
    from importlib.metadata import version

    from etudes.rl.environments import EnvironmentSpec, inspect_environment

    try:
        content = json.loads(raw_environment.content)
        if not isinstance(content, dict):
            raise ValueError(f"found a {type(content).__name__}, expected an object")
        spec = EnvironmentSpec.from_dict(content)
        facts = inspect_environment(spec)
    except (UnicodeDecodeError, ValueError) as error:  # JSONDecodeError is a ValueError
        raise ValueError(f"{raw_environment.name}: {error}") from error
    described = {"environment": spec.as_dict(), "gymnasium": version("gymnasium")}
    return {
        "source": raw_environment.facts.get("source", "own data"),
        "embedded_sample": raw_environment.embedded_sample,
        "files": [raw_environment.short_name],
        "fingerprint": hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32],
        **described,
        "facts": {**asdict(facts), "shape": list(facts.shape)},
    }


def split(
    data_card: dict[str, Any], parameters: SplitParameters, runs: RunsParameters, run: RunParameters
) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Choose the episodes: a split is a list of seeds, and no seed is in two of them.

    Training: for each agent a seed of its own (from the run's) and one for each of its environments. Dev: ``curve`` draws
    the learning curves and chooses weights, ``choice`` compares variants. Test: the final score, the same for all.
    """
    generator = np.random.default_rng(parameters.seed)
    dev_rows = parameters.curve_episodes + parameters.choice_episodes
    seeds = generator.choice(2**31, dev_rows + parameters.test_episodes, replace=False)
    uses = ["curve"] * parameters.curve_episodes + ["choice"] * parameters.choice_episodes
    dev = pd.DataFrame({"id": np.arange(dev_rows), "use": uses, "seed": seeds[:dev_rows]})
    test = pd.DataFrame({"id": np.arange(parameters.test_episodes), "seed": seeds[dev_rows:]})
    taken = {int(seed) for seed in seeds}
    rows: list[dict[str, int]] = []
    for agent in range(max(runs.dqn, runs.n_step, runs.discount, runs.resets, runs.bbf, runs.random)):
        for environment in range(parameters.environments):
            seed = derive_seed(run.seed, "environment", agent, environment)
            while seed in taken:
                seed = (seed + 1) % 2**32
            taken.add(seed)
            agent_seed = derive_seed(run.seed, "agent", agent)
            rows.append(
                {
                    "id": len(rows),
                    "agent": agent,
                    "agent_seed": agent_seed,
                    "environment": environment,
                    "seed": seed,
                }
            )
    train = pd.DataFrame(rows)
    card = {
        "unit": "episode seeds",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "environment": data_card["environment"],
        "facts": data_card["facts"],
        "dev_fingerprint": f"{data_card['fingerprint'][:16]}{_fingerprint(dev)}",
    }
    return train, dev, test, card


def _fingerprint(frame: Frame) -> str:
    import hashlib

    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()[:16]


def _agent_seeds(train: Frame, count: int) -> list[int]:
    return [int(seed) for seed in train.groupby("agent")["agent_seed"].first()[:count]]


def train_random(
    train_split: Frame, dev_split: Frame, split_card: dict[str, Any], runs: RunsParameters
) -> Trained:
    """The trivial baseline."""
    from etudes.pipelines.lunar_lander_bbf.model import RandomAgents

    model = RandomAgents(split_card["facts"]["actions"], _agent_seeds(train_split, runs.random))
    return model, scoring.dev_history(model, dev_split, split_card, [])


def train_heuristic(train_split: Frame, dev_split: Frame, split_card: dict[str, Any]) -> Trained:
    """The controller written by hand, which learns nothing.

    Raises:
        ValueError: the environment is another than Lunar Lander.
    """
    from etudes.pipelines.lunar_lander_bbf.model import Heuristic

    name = split_card["environment"]["id"]
    if LANDER not in name:
        raise ValueError(
            f"the heuristic was written for {LANDER} and cannot play '{name}': leave it out of the parameter variants"
        )
    model = Heuristic()
    return model, scoring.dev_history(model, dev_split, split_card, [])


def train_dqn(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    training: TrainingParameters,
    runs: RunsParameters,
    run: RunParameters,
) -> Trained:
    """Double DQN, nothing more."""
    return _train(train_split, dev_split, split_card, training, runs, run, count=runs.dqn)


def train_n_step(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    training: TrainingParameters,
    annealing: AnnealingParameters,
    runs: RunsParameters,
    run: RunParameters,
) -> Trained:
    """The same with n-step returns whose n falls."""
    return _train(
        train_split, dev_split, split_card, training, runs, run, count=runs.n_step, horizon=annealing
    )


def train_discount(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    training: TrainingParameters,
    annealing: AnnealingParameters,
    runs: RunsParameters,
    run: RunParameters,
) -> Trained:
    """The same with a discount that rises."""
    return _train(
        train_split, dev_split, split_card, training, runs, run, count=runs.discount, discounting=annealing
    )


def train_resets(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    training: TrainingParameters,
    resets: ResetParameters,
    runs: RunsParameters,
    run: RunParameters,
) -> Trained:
    """The same with resets of the network."""
    return _train(train_split, dev_split, split_card, training, runs, run, count=runs.resets, resets=resets)


def train_bbf(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    training: TrainingParameters,
    annealing: AnnealingParameters,
    resets: ResetParameters,
    runs: RunsParameters,
    run: RunParameters,
) -> Trained:
    """All of them together."""
    arms: dict[str, Any] = {"horizon": annealing, "discounting": annealing, "resets": resets}
    return _train(train_split, dev_split, split_card, training, runs, run, count=runs.bbf, **arms)


def _train(
    train: Frame,
    dev: Frame,
    card: dict[str, Any],
    training: TrainingParameters,
    runs: RunsParameters,
    run: RunParameters,
    *,
    count: int,
    horizon: AnnealingParameters | None = None,
    discounting: AnnealingParameters | None = None,
    resets: ResetParameters | None = None,
) -> Trained:
    """``count`` agents side by side, each from its own seed."""
    from etudes.pipelines.lunar_lander_bbf.model import QAgents
    from etudes.pipelines.lunar_lander_bbf.training import AgentJob, train_agent
    from etudes.rl.processes import run_side_by_side

    spec, facts = scoring.environment_of(card)
    curve_seeds = tuple(int(seed) for seed in dev.loc[dev["use"] == "curve", "seed"])
    jobs = {}
    for agent, seed in enumerate(_agent_seeds(train, count)):
        environment_seeds = train.loc[train["agent"] == agent, "seed"]
        jobs[f"agent_{agent}"] = AgentJob(
            spec,
            facts,
            seed,
            tuple(int(value) for value in environment_seeds),
            curve_seeds,
            training,
            horizon,
            discounting,
            resets,
            run.resume,
        )
    results = run_side_by_side(train_agent, jobs, runs.processes)
    sizes = {
        "inputs": int(np.prod(facts.shape)),
        "actions": facts.actions,
        "hidden": list(training.hidden),
        "layer_norm": training.layer_norm,
    }
    kept, last = (np.stack([result[name] for result in results]) for name in ("kept", "last"))
    agents = [
        {"seed": job.seed, **{name: result[name] for name in scoring.TOLD}}
        for job, result in zip(jobs.values(), results, strict=True)
    ]
    model = QAgents(sizes, kept, last)
    return model, scoring.dev_history(model, dev, card, agents)


def evaluate(
    test_split: Frame, split_card: dict[str, Any], parameters: EvaluationParameters, **inputs: Any
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Any]:
    """Play the test episodes with every agent of every trained variant.

    Returns:
        metrics (flat, intervals over seeds), predictions (one row a variant, agent and episode), the tables of seeds,
        of first crossings and of improvement, and the frames of the best and the worst episode.
    """
    models = selected(
        {name.removesuffix("_model"): m for name, m in inputs.items() if name.endswith("_model")}
    )
    histories = {name: inputs[f"{name}_history"] for name in models}
    predictions = scoring.episode_returns(models, test_split, split_card, parameters)
    metrics = scoring.metrics_of(predictions, split_card, parameters)
    return (
        metrics,
        predictions,
        scoring.seeds_table(predictions, histories),
        scoring.thresholds_table(histories, parameters.thresholds),
        scoring.improvement_table(predictions, parameters),
        scoring.landing_samples(models, predictions, split_card, parameters),
    )
