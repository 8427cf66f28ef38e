"""The strongest cheap method beside the networks: a linear policy found by drawing and keeping the best."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.benches.agents import Yardstick
from etudes.models import register_model
from etudes.pipelines.approximate_q_learning.parameters import SearchParameters
from etudes.rl.environments import EnvironmentFacts, EnvironmentSpec
from etudes.rl.evaluation import Policy, evaluate_together
from etudes.stored import Stored
from etudes.training.seeds import derive_seed


def linear_actions(weights: NDArray, observations: NDArray) -> NDArray[np.int64]:
    """Actions (K, B) by the largest of ``A s + b``: weights (K, actions, inputs + 1), observations (K, B, *shape)."""
    flat = observations.reshape(*observations.shape[:2], -1)
    return (flat @ weights[..., :-1].swapaxes(1, 2) + weights[:, None, :, -1]).argmax(2)


@register_model("approximate_q_learning.linear")
class LinearAgents(Yardstick, Stored):
    """Linear policies (agents, actions, inputs + 1), one for each seed: a yardstick, not registered where networks were trained."""

    def __init__(self, weights: NDArray) -> None:
        self.weights = weights

    def __len__(self) -> int:
        return len(self.weights)

    def policy(self, agent: int) -> Policy:
        return lambda seen: linear_actions(self.weights[[agent]], np.asarray(seen)[None])[0]


def search(
    spec: EnvironmentSpec, facts: EnvironmentFacts, seed: int, settings: SearchParameters, steps: int
) -> tuple[NDArray, dict[str, Any]]:
    """The cross-entropy method (Rubinstein 1999; de Boer et al., Annals of Operations Research 134, 2005) over linear policies.

    Each round draws candidates around a mean, with a standard deviation for every weight, lets all play the same fresh episodes,
    and takes mean and deviation of the best.

    Returns:
        The last mean (actions, inputs + 1), and ``steps`` that were made in ``rounds``; no round begins after ``steps``.
    """
    generator = np.random.default_rng(derive_seed(seed, "search"))
    shape = (facts.actions, int(np.prod(facts.shape)) + 1)
    mean, deviation = np.zeros(shape), np.full(shape, settings.deviation)
    elite = max(2, round(settings.elite_share * settings.candidates))
    made = rounds = 0
    while made < steps:
        drawn = mean + deviation * generator.normal(size=(settings.candidates, *shape))
        episodes = [derive_seed(seed, "round", rounds, episode) for episode in range(settings.episodes)]
        act = partial(linear_actions, drawn)
        returns, lengths = evaluate_together(act, len(drawn), spec, episodes)
        best = drawn[np.argsort(-returns.mean(1), kind="stable")[:elite]]
        mean, deviation = best.mean(0), np.maximum(best.std(0), settings.floor)
        made, rounds = made + int(lengths.sum()), rounds + 1
    return mean, {"steps": made, "rounds": rounds}
