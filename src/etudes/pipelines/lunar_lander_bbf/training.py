"""One agent from its first step to its last: what a worker of the study runs."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from etudes.pipelines.lunar_lander_bbf.learner import Learner
from etudes.pipelines.lunar_lander_bbf.parameters import (
    AnnealingParameters,
    ResetParameters,
    TrainingParameters,
)
from etudes.rl.environments import EnvironmentFacts, Environments, EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.replay import ReplayBuffer
from etudes.rl.schedules import linear
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed
from etudes.training.session import current_session, progress


@dataclass(frozen=True)
class AgentJob:
    """What decides one training; picklable.

    ``seed`` is of weights, exploration and replay, ``environment_seeds`` one for each environment, ``curve_seeds`` of the
    episodes behind each point of the learning curve. ``horizon``, ``discounting`` and ``resets`` are as in `Learner`.
    """

    environment: EnvironmentSpec
    facts: EnvironmentFacts
    seed: int
    environment_seeds: tuple[int, ...]
    curve_seeds: tuple[int, ...]
    settings: TrainingParameters
    horizon: AnnealingParameters | None
    discounting: AnnealingParameters | None
    resets: ResetParameters | None
    resume: bool

    def key(self) -> list[Any]:
        """All that decides the result."""
        groups = [self.settings, self.horizon, self.discounting, self.resets]
        seeds = [self.seed, self.environment_seeds, self.curve_seeds]
        settings = [group and group.model_dump() for group in groups]
        return [self.environment.as_dict(), asdict(self.facts), seeds, settings]


def train_agent(job: AgentJob) -> dict[str, Any]:
    """Train one agent; a training that was killed goes on from its last checkpoint if ``job.resume``.

    Returns:
        ``kept`` and ``last``, the playing network's weights, tensors (P,) float32; ``curve``, one dict a point (see
        `_Training.evaluate`); ``kept_step``, where the kept weights are from; ``seconds`` and ``steps_per_second`` of
        acting and learning, without evaluation.
    """
    training = _Training(job)
    try:
        training.resume(job.resume, *job.key())
        return training.run()
    finally:
        training.environments.close()


class _Training(Resumable):
    """Everything is kept, the replay buffer and the environments included: a resumed training makes the same steps."""

    keep = (
        *("learner", "buffer", "environments", "exploration", "kept", "running", "steps", "seconds", "best"),
        *("kept_step", "curve", "finished", "result"),
    )
    rows = "curve"

    def __init__(self, job: AgentJob) -> None:
        self.job, self.settings = job, job.settings
        settings, facts, count = job.settings, job.facts, len(job.environment_seeds)
        self.environments = Environments(job.environment, job.environment_seeds)
        self.buffer = ReplayBuffer(settings.capacity, count, facts.shape, np.float32)
        self.buffer.start(self.environments.observations)
        self.learner = Learner(
            math.prod(facts.shape),
            facts.actions,
            settings,
            updates=int((settings.steps - settings.warmup_steps) * settings.replay_ratio),
            seed=job.seed,
            horizon=job.horizon,
            discounting=job.discounting,
            resets=job.resets,
        )
        self.exploration = np.random.default_rng(derive_seed(job.seed, "exploration"))
        self.steps, self.seconds, self.best = 0, 0.0, -math.inf
        self.kept, self.kept_step = self.learner.weights(), 0
        self.curve: list[dict[str, Any]] = []
        self.running = np.zeros(count)  # returns of the episodes under way
        self.result: dict[str, Any] = {}
        self.finished: list[float] = []  # returns of those that ended since the last point of the curve

    def run(self) -> dict[str, Any]:
        """To the end, unless a training that is resumed was there already."""
        if self.result:
            return self.result
        settings, session = self.settings, current_session()
        points = range(len(self.curve), -(-settings.steps // settings.evaluate_every))
        for point in progress(points, session.label if session else "training"):
            until = min((point + 1) * settings.evaluate_every, settings.steps)
            while self.steps + len(self.environments) <= until:
                self.advance()
            self.evaluate(until)
            if (point + 1) % settings.checkpoint_points == 0 and until < settings.steps:
                self.save()
        last = self.learner.weights()
        best = settings.keep == "best"
        self.result = {
            "kept": self.kept if best else last,
            "last": last,
            "kept_step": self.kept_step if best else settings.steps,
            "curve": self.curve,
            "seconds": round(self.seconds, 3),
            "steps_per_second": round(self.steps / max(self.seconds, 1e-9), 1),
        }
        self.save()
        return self.result

    def advance(self) -> None:
        """One step of all environments and the updates that belong to it."""
        settings, start = self.settings, time.perf_counter()
        count = len(self.environments)
        actions = self.exploration.integers(0, self.job.facts.actions, count)
        greedy = self.exploration.random(count) >= self.epsilon
        if greedy.any():
            actions = np.where(greedy, self.learner.actor.greedy(self.environments.observations), actions)
        step = self.environments.step(actions)
        self.buffer.add(actions, step.rewards, step.terminated, step.truncated, step.observations, step.real)
        self.running += step.rewards
        for index in np.flatnonzero(step.terminated | step.truncated):
            self.finished.append(float(self.running[index]))
            self.running[index] = 0.0
        self.steps += int(step.real.sum())
        due = int((self.steps - settings.warmup_steps) * settings.replay_ratio) - self.learner.updates
        if due > 0:
            self.learner.update(self.buffer, due)
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
        """The point of the learning curve at ``step``: greedy episodes on dev seeds; the best point's weights are kept."""
        job = self.job
        episodes = evaluate_policy(
            self.learner.actor.greedy, job.environment, job.curve_seeds, len(job.curve_seeds)
        )
        score = float(episodes.returns.mean())
        row = {
            "step": step,
            "dev_mean_return": score,
            "dev_solved_share": float((episodes.returns >= job.environment.solved).mean()),
            "train_mean_return": float(np.mean(self.finished)) if self.finished else None,
            "loss": self.learner.loss if math.isfinite(self.learner.loss) else None,
            "n": self.learner.n,
            "discount": self.learner.discount,
            "epsilon": self.epsilon,
            "updates": self.learner.updates,
        }
        self.finished = []
        self.curve.append(row)
        self.log(row)
        if score > self.best:
            self.best, self.kept, self.kept_step = score, self.learner.weights(), step
