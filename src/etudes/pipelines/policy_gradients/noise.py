"""How noisy each estimator of the policy gradient is, measured on the same episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from etudes.benches.agents import environment_of
from etudes.benches.several_environments import NAME, Players, by_environment
from etudes.pipelines.policy_gradients.estimators import action_weights, surrogate
from etudes.pipelines.policy_gradients.learning import STAGES, Batch, play
from etudes.pipelines.policy_gradients.network import Stack
from etudes.pipelines.policy_gradients.parameters import (
    EvaluationParameters,
    Method,
    TrainingParameters,
    TrainingsParameters,
)
from etudes.rl.simulated import side_by_side
from etudes.rl.statistics import mean_band
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

ESTIMATORS: tuple[Method, ...] = ("reinforce", "reward_to_go", "discount", "baseline", "a2c")
SOURCES = (
    "baseline",
    "a2c",
    "ppo",
)  # whose policies and critics are looked at: the first of these that was trained
COLUMNS = (NAME, "stage", "estimator", "episodes_needed", "episodes_needed.low", "episodes_needed.high")


def noise(
    models: dict[str, Players],
    split_card: dict[str, Any],
    training: TrainingsParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> pd.DataFrame:
    """A row for each environment, stage of the training and estimator: ``episodes_needed``, see `noise_to_signal`, the geometric mean
    over agents with a 95 % bootstrap interval over them."""
    rows: list[dict[str, Any]] = []
    for name, card, _ in by_environment(split_card):
        source = next((one for one in SOURCES if one in models and name in models[one].agents), None)
        if source is None:
            continue
        agents: Any = models[source].agents[name]
        network, settings = Stack(**agents.sizes), training.of(name)
        for stage, weights in zip(STAGES, torch.from_numpy(agents.stages), strict=True):
            found: dict[Method, list[float]] = {estimator: [] for estimator in ESTIMATORS}
            for agent in range(len(agents)):
                seed = derive_seed(run.seed, "noise", name, str(stage), agent)
                batch = sampled(network, weights[0, agent], card, seed, evaluation.noise_episodes)
                for estimator in ESTIMATORS:
                    gradients = episode_gradients(estimator, network, weights[:, agent], batch, settings)
                    found[estimator].append(noise_to_signal(gradients))
            for estimator, ratios in found.items():
                logs = np.log(ratios)
                low, high = mean_band(logs[:, None], evaluation.resamples)
                values = np.exp([logs.mean(), float(low[0]), float(high[0])])
                rows.append(
                    dict(zip(COLUMNS, (name, f"{stage:.0%} of the steps", estimator, *values), strict=True))
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def sampled(network: Stack, policy: Tensor, card: dict[str, Any], seed: int, episodes: int) -> Batch:
    """Episodes of a policy (P,) that acts by chance, one in each column of the batch."""
    spec, _ = environment_of(card)
    environments = side_by_side(spec, [derive_seed(seed, place) for place in range(episodes)])
    try:
        chance = [np.random.default_rng(seed)]
        return play(network, policy[None], environments, chance, np.ones(1, bool), None)
    finally:
        environments.close()


def episode_gradients(
    estimator: Method, network: Stack, weights: Tensor, batch: Batch, settings: TrainingParameters
) -> NDArray[np.float32]:
    """The estimate of the policy gradient that each episode gives alone, ``Σ_t Ψ_t ∇ log π(a_t | s_t)``: (episodes, P).

    An episode is its own row of the stack, all with the same weights; the rows of the gradient are the gradients of the episodes.

    Args:
        weights: (2, P), policy and critic.
        batch: whole episodes of one agent (T, 1, E).
    """
    observations = (
        torch.from_numpy(batch.observations[:, 0]).transpose(0, 1).contiguous()
    )  # (E, T + 1, inputs)
    count = len(observations)
    with torch.inference_mode():
        critic = network.layers(weights[1].expand(count, -1))
        values = network.answer(critic, observations)[..., 0].T.numpy() * settings.scale
    counted = action_weights(
        estimator,
        batch.rewards[:, 0],
        values if estimator in SOURCES else None,
        batch.terminated[:, 0],
        batch.ended[:, 0],
        settings.discount,
        settings.trace,
    )
    psi = torch.from_numpy(np.where(batch.real[:, 0], counted, 0.0).T.astype(np.float32))
    policies = weights[0].expand(count, -1).clone().requires_grad_()
    logits = network.answer(network.layers(policies), observations[:, :-1])
    actions = torch.from_numpy(batch.actions[:, 0].T)
    log_probs = logits.log_softmax(-1).gather(2, actions[..., None]).squeeze(2)
    (gradient,) = torch.autograd.grad(surrogate(log_probs, psi).sum(), policies)
    return gradient.numpy()


def noise_to_signal(gradients: NDArray) -> float:
    """Episodes in a batch whose mean gradient is as far from the true one, in the root mean square, as the true one is long:
    ``tr Cov(g) / |E g|²``, both estimated without bias; the episodes at hand where no signal can be told from the noise.

    Args:
        gradients: (episodes, P), independent estimates.
    """
    gradients = np.asarray(gradients, np.float64)
    spread = float(gradients.var(axis=0, ddof=1).sum())
    signal = float(np.square(gradients.mean(axis=0)).sum()) - spread / len(gradients)
    return spread / max(signal, spread / len(gradients), 1e-300)
