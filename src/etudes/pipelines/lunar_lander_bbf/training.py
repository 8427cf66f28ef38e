"""Agents from their first step to their last: what a worker of the study runs."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.pipelines.lunar_lander_bbf.learner import Learner
from etudes.pipelines.lunar_lander_bbf.network import QNetworks
from etudes.pipelines.lunar_lander_bbf.parameters import (
    AnnealingParameters,
    ResetParameters,
    TrainingParameters,
)
from etudes.rl.environments import EnvironmentFacts, Environments, EnvironmentSpec
from etudes.rl.evaluation import Policy, evaluate_policy
from etudes.rl.replay import ReplayBuffer
from etudes.rl.schedules import linear
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed
from etudes.training.session import current_session, progress


@dataclass(frozen=True)
class AgentJob:
    """What decides the trainings of K agents that learn in step; picklable.

    ``seeds`` are of an agent's weights, exploration and replay, ``environment_seeds`` one for each of its environments,
    ``curve_seeds`` of the episodes behind each point of the learning curve. ``horizon``, ``discounting`` and ``resets``
    are as in `Learner`.
    """

    environment: EnvironmentSpec
    facts: EnvironmentFacts
    seeds: tuple[int, ...]
    environment_seeds: tuple[tuple[int, ...], ...]
    curve_seeds: tuple[int, ...]
    settings: TrainingParameters
    horizon: AnnealingParameters | None
    discounting: AnnealingParameters | None
    resets: ResetParameters | None
    resume: bool

    def key(self) -> list[Any]:
        """All that decides the result."""
        groups = [self.settings, self.horizon, self.discounting, self.resets]
        seeds = [self.seeds, self.environment_seeds, self.curve_seeds]
        settings = [group and group.model_dump() for group in groups]
        return [self.environment.as_dict(), asdict(self.facts), seeds, settings]


def sizes(facts: EnvironmentFacts, settings: TrainingParameters) -> dict[str, Any]:
    """Arguments of the networks."""
    return {
        "inputs": math.prod(facts.shape),
        "actions": facts.actions,
        "hidden": settings.hidden,
        "layer_norm": settings.layer_norm,
    }


def greedy(network: QNetworks, weights: Any) -> Policy:
    """The policy of the best action of one network (P,)."""
    return lambda observations: network.play(weights[None], observations[None])[0].argmax(1)


def train_agents_together(job: AgentJob) -> list[dict[str, Any]]:
    """Train agents; a training that was killed goes on from its last checkpoint if ``job.resume``.

    Returns:
        Of each agent ``kept`` and ``last``, the playing network's weights, tensors (P,) float32; ``curve``, one dict a point
        (see `_Training.evaluate`); ``kept_step``, where the kept weights are from; ``seconds`` of acting and learning,
        without evaluation, and ``steps_per_second``, both of all agents together.
    """
    training = _Training(job)
    try:
        training.resume(job.resume, *job.key())
        return training.run()
    finally:
        training.environments.close()


class _Training(Resumable):
    """Everything is kept, the replay buffers and the environments included: a resumed training makes the same steps."""

    keep = (
        *("learner", "buffers", "environments", "exploration", "kept", "running", "steps", "seconds", "best"),
        *("kept_step", "curves", "means", "finished", "ended"),
    )
    rows = "means"

    def __init__(self, job: AgentJob) -> None:
        self.job, self.settings = job, job.settings
        settings, facts, agents = job.settings, job.facts, len(job.seeds)
        self.environments = Environments(
            job.environment, [seed for own in job.environment_seeds for seed in own]
        )
        self.count = len(self.environments) // agents  # environments of one agent
        self.buffers = [
            ReplayBuffer(settings.capacity, self.count, facts.shape, np.float32) for _ in job.seeds
        ]
        for buffer, first in zip(self.buffers, self._apart(self.environments.observations), strict=True):
            buffer.start(first)
        self.learner = Learner(
            QNetworks(**sizes(facts, settings)),
            settings,
            updates=int((settings.steps - settings.warmup_steps) * settings.replay_ratio),
            seeds=job.seeds,
            horizon=job.horizon,
            discounting=job.discounting,
            resets=job.resets,
        )
        self.exploration = [np.random.default_rng(derive_seed(seed, "exploration")) for seed in job.seeds]
        self.steps, self.seconds, self.ended = 0, 0.0, False
        self.best, self.kept_step = [-math.inf] * agents, [0] * agents
        self.kept = self.learner.actor.clone()
        self.curves: list[list[dict[str, Any]]] = [[] for _ in job.seeds]
        self.means: list[dict[str, Any]] = []  # of the agents' curves, for the tracker
        self.running = np.zeros(len(self.environments))  # returns of the episodes under way
        # Returns of those that ended since the last point of the curve.
        self.finished: list[list[float]] = [[] for _ in job.seeds]

    def _apart(self, array: NDArray) -> NDArray:
        """(K * E, ...) -> (K, E, ...), with the E environments of each agent."""
        return array.reshape(-1, self.count, *array.shape[1:])

    def run(self) -> list[dict[str, Any]]:
        """To the end, unless a training that is resumed was there already."""
        settings, session = self.settings, current_session()
        points = range(len(self.means), -(-settings.steps // settings.evaluate_every))
        for point in progress(points, session.label if session else "training"):
            until = min((point + 1) * settings.evaluate_every, settings.steps)
            while self.steps + self.count <= until:
                self.advance()
            self.evaluate(until)
            self.ended = until == settings.steps
            if (point + 1) % settings.checkpoint_points == 0 or self.ended:
                self.save()
        last, best = self.learner.actor, settings.keep == "best"
        speed = len(self.kept) * self.steps / max(self.seconds, 1e-9)
        return [
            {
                "kept": self.kept[agent] if best else last[agent],
                "last": last[agent],
                "kept_step": self.kept_step[agent] if best else settings.steps,
                "curve": curve,
                "seconds": round(self.seconds, 3),
                "steps_per_second": round(speed, 1),
            }
            for agent, curve in enumerate(self.curves)
        ]

    def advance(self) -> None:
        """One step of all environments and the updates that belong to it.

        All agents count alike: a step that only resets an environment is one too.
        """
        settings, start = self.settings, time.perf_counter()
        actions = np.stack([g.integers(0, self.job.facts.actions, self.count) for g in self.exploration])
        chosen = np.stack([g.random(self.count) for g in self.exploration]) >= self.epsilon
        if chosen.any():
            observations = self._apart(self.environments.observations)
            values = self.learner.network.play(self.learner.actor, observations)
            actions = np.where(chosen, values.argmax(2), actions)
        step = self.environments.step(actions.ravel())
        parts = (step.rewards, step.terminated, step.truncated, step.observations, step.real)
        for buffer, *own in zip(self.buffers, actions, *map(self._apart, parts), strict=True):
            buffer.add(*own)
        self.running += step.rewards
        for index in np.flatnonzero(step.terminated | step.truncated):
            self.finished[index // self.count].append(float(self.running[index]))
            self.running[index] = 0.0
        self.steps += self.count
        due = int((self.steps - settings.warmup_steps) * settings.replay_ratio) - self.learner.updates
        if due > 0:
            self.learner.update(self.buffers, due)
        self.seconds += time.perf_counter() - start

    @property
    def epsilon(self) -> float:
        """The present share of random actions; all are random before the first update."""
        settings = self.settings
        if self.steps < settings.warmup_steps:
            return 1.0
        return linear(
            self.steps, settings.epsilon_start, settings.epsilon_end, settings.epsilon_share * settings.steps
        )

    def evaluate(self, step: int) -> None:
        """The points of the learning curves at ``step``: greedy episodes on dev seeds; the best point's weights are kept."""
        job, learner = self.job, self.learner
        shared = {"n": learner.n, "discount": learner.discount, "epsilon": self.epsilon}
        shared["updates"] = learner.updates
        for agent, (curve, finished) in enumerate(zip(self.curves, self.finished, strict=True)):
            policy = greedy(learner.network, learner.actor[agent])
            episodes = evaluate_policy(policy, job.environment, job.curve_seeds, len(job.curve_seeds))
            score, loss = float(episodes.returns.mean()), float(learner.losses[agent])
            curve.append(
                {
                    "step": step,
                    "dev_mean_return": score,
                    "dev_solved_share": float((episodes.returns >= job.environment.solved).mean()),
                    "train_mean_return": float(np.mean(finished)) if finished else None,
                    "loss": loss if math.isfinite(loss) else None,
                    **shared,
                }
            )
            finished.clear()
            if score > self.best[agent]:
                self.best[agent], self.kept_step[agent] = score, step
                self.kept[agent] = learner.actor[agent]
        points = [curve[-1] for curve in self.curves]
        known = {name: [p[name] for p in points if p[name] is not None] for name in points[0]}
        self.means.append(
            {name: float(np.mean(values)) if values else None for name, values in known.items()}
        )
        self.log(self.means[-1])
