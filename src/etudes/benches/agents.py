"""One evaluation for every study of agents: fresh seeded episodes, greedy play, scores and intervals over agents.

An agent is one training from a seed of its own; the test episodes are the same for all. Intervals resample whole agents, as
episodes of one are not independent, and the episodes that all share; a player that learns nothing has one agent.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.agent_predictor import AgentPredictor
from etudes.benches.parameters import AgentRunsParameters, EpisodeScoringParameters, EpisodeSplitParameters
from etudes.cards import data_card as card_of
from etudes.cards import fingerprint
from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.models import ModelState, register_model
from etudes.rl.environments import EnvironmentFacts, EnvironmentSpec, inspect_environment
from etudes.rl.evaluation import Policy, evaluate_policy
from etudes.rl.statistics import (
    episodes_interval,
    interquartile_mean,
    mean_score,
    probability_of_improvement,
)
from etudes.study import Study
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

logger = logging.getLogger(__name__)
STATISTICS = {"iqm": interquartile_mean, "mean_return": mean_score}
TOLD = ("curve", "kept_step", "seconds", "steps_per_second")  # of a training, in its variant's history
WIDTH = 300  # pixels of a stored frame, at most
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
    runs: AgentRunsParameters,
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
    generator = np.random.default_rng(parameters.seed)
    dev_rows = parameters.curve_episodes + parameters.choice_episodes
    seeds = generator.choice(2**31, dev_rows + parameters.test_episodes, replace=False)
    uses = ["curve"] * parameters.curve_episodes + ["choice"] * parameters.choice_episodes
    dev = pd.DataFrame({"id": np.arange(dev_rows), "use": uses, "seed": seeds[:dev_rows]})
    test = pd.DataFrame({"id": np.arange(parameters.test_episodes), "seed": seeds[dev_rows:]})
    taken: set[int] = {int(value) for value in seeds}
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


def evaluate(
    models: dict[str, Any],
    histories: dict[str, Any],
    test_split: Frame,
    split_card: dict[str, Any],
    evaluation: EpisodeScoringParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, Examples]:
    """Play the test episodes with every agent of every trained variant.

    Returns:
        metrics (flat, with intervals), predictions (one row a variant, agent and episode), the tables of agents, of first
        crossings, of improvement, of differences and of the profile, and the frames of the best and the worst episode.
    """
    predictions = episode_returns(models, test_split, split_card, evaluation.parallel)
    return (
        metrics_of(predictions, split_card, evaluation.resamples),
        predictions,
        seeds_table(predictions, histories),
        thresholds_table(histories, evaluation.thresholds),
        improvement_table(predictions, evaluation.resamples),
        differences_table(predictions, evaluation.resamples),
        profile_table(predictions, evaluation.thresholds, evaluation.resamples),
        episode_samples(models, predictions, split_card, evaluation.frames),
    )


def episode_returns(
    models: Mapping[str, Any], test: pd.DataFrame, card: Mapping[str, Any], parallel: int
) -> pd.DataFrame:
    """One row for each variant, agent and test episode: ``return``, ``length``, ``terminated``, and ``last_return``, what
    the weights of the agent's last update get in that episode."""
    spec, _ = environment_of(card)
    seeds, frames = test["seed"].to_numpy(), []
    for variant, model in models.items():
        for agent in range(len(model)):
            episodes = evaluate_policy(model.policy(agent), spec, seeds, parallel)
            last = episodes
            if model.learned and not np.array_equal(model.kept[agent], model.last[agent]):
                last = evaluate_policy(model.last_policy(agent), spec, seeds, parallel)
            frames.append(
                pd.DataFrame(
                    {
                        "variant": variant,
                        "agent": agent,
                        "id": test["id"],
                        "seed": seeds,
                        "return": episodes.returns,
                        "length": episodes.lengths,
                        "terminated": episodes.terminated,
                        "last_return": last.returns,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def returns_of(predictions: pd.DataFrame, variant: str, column: str = "return") -> NDArray[np.float64]:
    """Returns (agents, episodes) of one variant."""
    rows = predictions[predictions["variant"] == variant]
    return rows.pivot(index="agent", columns="id", values=column).to_numpy(np.float64)


def metrics_of(predictions: pd.DataFrame, card: Mapping[str, Any], resamples: int) -> dict[str, float]:
    """Flat metrics. ``iqm`` and ``mean_return`` are of all returns (agents, episodes) of a variant, ``last_mean_return`` is
    with the weights of the last update, ``solved_share`` the share of its episodes; intervals as `episodes_interval`."""
    metrics: dict[str, float] = {}
    for variant in predictions["variant"].unique():
        returns, last = returns_of(predictions, variant), returns_of(predictions, variant, "last_return")
        solved = (returns >= card["environment"]["solved"]).astype(np.float64)
        for name, scores, statistic in (
            *((name, returns, statistic) for name, statistic in STATISTICS.items()),
            ("solved_share", solved, mean_score),
            ("last_mean_return", last, mean_score),
        ):
            key = f"{variant}.{name}"
            metrics[key] = float(statistic(scores))
            metrics[f"{key}.low"], metrics[f"{key}.high"] = episodes_interval(scores, statistic, resamples)
    return metrics


def seeds_table(predictions: pd.DataFrame, histories: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each agent."""
    rows = []
    for variant, history in histories.items():
        returns, last = returns_of(predictions, variant), returns_of(predictions, variant, "last_return")
        for agent, told in enumerate(history["agents"]):
            rows.append(
                {
                    "variant": variant,
                    "agent": agent,
                    "mean_return": returns[agent].mean(),
                    "iqm": float(interquartile_mean(returns[agent][:, None])),
                    "worst_return": returns[agent].min(),
                    "last_mean_return": last[agent].mean(),
                    "dev_mean_return": told["dev_mean_return"],
                    "kept_step": told.get("kept_step"),
                    "steps_per_second": told.get("steps_per_second"),
                }
            )
    return pd.DataFrame(rows)


def thresholds_table(histories: Mapping[str, Any], thresholds: tuple[float, ...]) -> pd.DataFrame:
    """First point of the dev curve at or above each threshold: share of the agents that got there, and the median step
    (none where fewer than half did)."""
    rows = []
    for variant, history in histories.items():
        curves = [agent["curve"] for agent in history["agents"] if "curve" in agent]
        if not curves:
            continue
        for threshold in thresholds:
            first = [
                next((row["step"] for row in curve if row["dev_mean_return"] >= threshold), np.inf)
                for curve in curves
            ]
            median = float(np.median(first))
            rows.append(
                {
                    "variant": variant,
                    "threshold": threshold,
                    "reached": float(np.isfinite(first).mean()),
                    "median_steps": median if np.isfinite(median) else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=["variant", "threshold", "reached", "median_steps"])


def improvement_table(predictions: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """How likely an agent of one variant beats one of another, for all pairs, by their mean returns."""
    returns = {name: returns_of(predictions, name) for name in predictions["variant"].unique()}
    rows = [
        {
            "variant": first,
            "other": second,
            **probability_of_improvement(returns[first].mean(1), returns[second].mean(1), resamples),
        }
        for first, second in itertools.permutations(returns, 2)
    ]
    return pd.DataFrame(rows, columns=["variant", "other", "probability", "low", "high"])


def differences_table(predictions: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """How much more points the first variant of a pair gets than the second on the same episodes, in both statistics."""
    returns = {name: returns_of(predictions, name) for name in predictions["variant"].unique()}
    rows = []
    for first, second in itertools.combinations(returns, 2):
        ours, others = returns[first], returns[second]
        row: dict[str, Any] = {"variant": first, "minus": second}
        for name, statistic in STATISTICS.items():
            row[name] = float(statistic(ours) - statistic(others))
            ends = episodes_interval(ours, statistic, resamples, minus=others)
            row[f"{name}.low"], row[f"{name}.high"] = ends
        rows.append(row)
    columns = [f"{name}{end}" for name in STATISTICS for end in ("", ".low", ".high")]
    return pd.DataFrame(rows, columns=["variant", "minus", *columns])


def profile_table(predictions: pd.DataFrame, thresholds: tuple[float, ...], resamples: int) -> pd.DataFrame:
    """Performance profile at a few returns: the share of a variant's test episodes above each."""
    rows = []
    for variant in predictions["variant"].unique():
        for threshold in thresholds:
            above = (returns_of(predictions, variant) > threshold).astype(np.float64)
            share = (above.mean(), *episodes_interval(above, mean_score, resamples))
            rows.append((variant, threshold, *share))
    return pd.DataFrame(rows, columns=["variant", "above", "share", "low", "high"])


def shown_variant(predictions: pd.DataFrame, learned: list[str]) -> str:
    """The variant whose episodes are shown: of those that learned, if any, the one with the best interquartile mean."""
    names = [name for name in predictions["variant"].unique() if name in learned or not learned]
    return max(names, key=lambda name: float(interquartile_mean(returns_of(predictions, name))))


def episode_samples(
    models: Mapping[str, Any],
    predictions: pd.DataFrame,
    card: Mapping[str, Any],
    count: int,
) -> Examples:
    """Frames of the best and of the worst test episode of the best variant, evenly over the episode.

    Rows: ``episode`` (best, worst), ``variant``, ``agent``, ``seed``, ``return``, ``step`` and the ``action`` taken
    there; array ``frames`` (N, H, W, 3) uint8. An environment that cannot be drawn gives grey frames.
    """
    from etudes.rl.pictures import play, spread_evenly

    spec, _ = environment_of(card)
    variant = shown_variant(predictions, [name for name, model in models.items() if model.learned])
    rows_of = predictions[predictions["variant"] == variant]
    rows: list[dict[str, Any]] = []
    frames: list[NDArray[np.uint8]] = []
    order = np.argsort(rows_of["return"].to_numpy(), kind="stable")
    for episode, place in (("best", order[-1]), ("worst", order[0])):
        found = rows_of.iloc[int(place)]
        told = {
            "episode": episode,
            "variant": variant,
            "agent": int(found["agent"]),
            "seed": int(found["seed"]),
        }
        try:
            rollout = play(models[variant].policy(int(found["agent"])), spec, int(found["seed"]))
        except ValueError as error:
            logger.warning("No pictures of an episode: %s", error)
            rows.append({"id": len(rows), **told, "return": found["return"], "step": 0, "action": "none"})
            frames.append(np.full((100, 150, 3), 128, np.uint8))
            continue
        for step in spread_evenly(len(rollout.frames), count):
            over = step >= len(rollout.actions)
            action = "end" if over else _action_name(spec, int(rollout.actions[step]))
            rows.append(
                {"id": len(rows), **told, "return": rollout.total, "step": int(step), "action": action}
            )
            stride = -(-rollout.frames[step].shape[1] // WIDTH)
            frames.append(rollout.frames[step][::stride, ::stride])
    return Examples(pd.DataFrame(rows), {"frames": np.stack(frames)})


def _action_name(spec: EnvironmentSpec, action: int) -> str:
    return spec.actions[action] if spec.actions else f"action {action}"


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
    return AgentPredictor(agents, card, environment=spec.as_dict(), size=int(np.prod(facts.shape)))
