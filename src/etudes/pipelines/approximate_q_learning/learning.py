"""Q-learning with networks, of many agents in step: the eight arms of the study are three switches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.pipelines.approximate_q_learning.memory import Memory, Transitions
from etudes.pipelines.approximate_q_learning.network import Adam, Floats, Networks
from etudes.pipelines.approximate_q_learning.parameters import TrainingParameters
from etudes.rl.environments import EnvironmentFacts, EnvironmentSpec
from etudes.rl.evaluation import evaluate_together
from etudes.rl.schedules import linear
from etudes.rl.simulated import side_by_side
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed
from etudes.training.session import current_session, progress

BLOCK = 500  # steps whose uniform numbers are drawn at once
EXPLORE, ACTION, OWN = range(
    3
)  # uniform numbers of a step: whether to explore, which action then; those of the memory follow


@dataclass(frozen=True)
class Arm:
    """One cell of the grid.

    ``replay``: updates learn from drawn transitions of a memory, else from the one that was just made. ``target``: what follows
    is judged by a copy of the network that stands still between copies. ``double``: the network that learns says which
    action follows, another one what it is worth.
    """

    replay: bool = False
    target: bool = False
    double: bool = False

    @property
    def networks(self) -> int:
        """Networks of an agent that learn: two where double Q-learning has no copy to ask."""
        return 2 if self.double and not self.target else 1


def follow(
    rewards: Floats, ended: NDArray[np.bool_], choosing: Floats, judging: Floats, discount: float
) -> Floats:
    """Targets ``y = r + γ Q_judge(s', argmax_a Q_choose(s', a))`` (K, B), ``y = r`` after a true end.

    One network for both is plain Q-learning, ``max_a Q(s', a)``; the learning one and its still copy give double DQN (van Hasselt,
    Guez and Silver, arXiv 1509.06461, equation 4); two that learn from different steps give double Q-learning (van Hasselt,
    NeurIPS 2010, algorithm 1).

    Args:
        rewards, ended: (K, B).
        choosing, judging: (K, B, actions), action values at what was seen after the step.
        discount: γ.
    """
    best = choosing.argmax(2)[..., None]
    return rewards + np.float32(discount) * ~ended * np.take_along_axis(judging, best, 2)[..., 0]


class Learning(Resumable):
    """K agents that each play one environment of their own and make one update after each step.

    An update moves ``Q(s, a)`` towards the target of `follow`. Agents learn from their own weights, transitions and chance, and
    nothing passes from one to another.

    Args:
        arm: which of the eight.
        spec, facts: the environment.
        rates: (K,) learning rates.
        seeds: (K,) of weights, exploration and memory; agents with equal seeds begin alike and meet equal chance.
        environment_seeds: (K,) of their environments.
        curve_seeds: of the episodes behind a point of the learning curve.
        settings: everything else.
    """

    keep = (
        *("online", "still", "optimisers", "memory", "environments", "kept", "best", "kept_step"),
        *("steps", "seconds", "curve", "means"),
    )
    rows = "means"

    def __init__(
        self,
        arm: Arm,
        spec: EnvironmentSpec,
        facts: EnvironmentFacts,
        rates: Sequence[float],
        seeds: Sequence[int],
        environment_seeds: Sequence[int],
        curve_seeds: Sequence[int],
        settings: TrainingParameters,
    ) -> None:
        self.arm, self.spec, self.actions, self.settings = arm, spec, facts.actions, settings
        self.seeds, self.curve_seeds, count = list(seeds), list(curve_seeds), len(seeds)
        inputs = int(np.prod(facts.shape))
        self.networks = Networks(inputs, facts.actions, settings.hidden)
        self.environments = side_by_side(spec, environment_seeds)
        self.online = [  # of each network that learns, weights (K, P)
            np.stack([self.networks.draw(np.random.default_rng(derive_seed(s, "weights", n))) for s in seeds])
            for n in range(arm.networks)
        ]
        self.still = self.online[0].copy() if arm.target else None
        self.optimisers = [Adam(self.networks.size, rates, settings.adam_epsilon) for _ in self.online]
        self.memory = Memory(settings.capacity, count, inputs) if arm.replay else None
        self.losses = np.full(count, np.nan, np.float32)
        self.steps, self.seconds, self.block = 0, 0.0, -1
        self.best, self.kept_step = np.full(count, -np.inf), np.zeros(count, np.int64)
        self.kept = self.weights
        self.curve: list[dict[str, Any]] = []
        self.means: list[dict[str, float | None]] = []  # of all agents, for the tracker

    @property
    def weights(self) -> Floats:
        """All weights of the agents (K, networks, P)."""
        return np.stack(self.online, axis=1)

    @property
    def epsilon(self) -> float:
        """The present share of random actions."""
        settings = self.settings
        over = settings.epsilon_share * settings.steps
        return linear(self.steps, settings.epsilon_start, settings.epsilon_end, over)

    def run(self) -> None:
        """To the last step, unless a training that is resumed was there already."""
        settings, session = self.settings, current_session()
        points = range(len(self.curve), -(-settings.steps // settings.evaluate_every))
        for point in progress(points, session.label if session else "training"):
            until, start = min((point + 1) * settings.evaluate_every, settings.steps), time.perf_counter()
            while self.steps < until:
                self.advance()
            self.seconds += time.perf_counter() - start
            self.evaluate()
            if (point + 1) % settings.checkpoint_points == 0 or until == settings.steps:
                self.save()

    def values(self, observations: NDArray) -> Floats:
        """Action values (K, B, actions) at observations (K, B, *shape): the mean of an agent's networks."""
        flat = observations.reshape(*observations.shape[:2], -1).astype(np.float32, copy=False)
        found = [self.networks.values(weights, flat) for weights in self.online]
        return found[0] if len(found) == 1 else np.mean(found, axis=0)

    def advance(self) -> None:
        """One step of every agent, and the update that belongs to it."""
        uniforms, coin = self._draw()
        seen = self.environments.observations.reshape(len(self.seeds), 1, -1).astype(np.float32)
        random = (uniforms[ACTION] * self.actions).astype(np.int64)
        actions = np.where(uniforms[EXPLORE] < self.epsilon, random, self.values(seen)[:, 0].argmax(1))
        step = self.environments.step(actions)
        made = Transitions(
            seen,
            actions[:, None],
            step.rewards[:, None].astype(np.float32),
            step.terminated[:, None],
            step.real[:, None].astype(np.float32),
            step.observations.reshape(seen.shape).astype(np.float32),
        )
        if self.memory is not None:
            self.memory.add(made)
        self.steps += 1
        if self.steps > self.settings.warmup_steps:
            self._learn(made if self.memory is None else self.memory.draw(uniforms[OWN:].T), coin)

    def _learn(self, batch: Transitions, coin: int) -> None:
        """One update. Of two networks the coin says which one learns."""
        settings, which = self.settings, coin if self.arm.networks == 2 else 0
        own = self.online[which]
        judge = (
            self.online[1 - which] if self.arm.networks == 2 else own if self.still is None else self.still
        )
        judging = self.networks.values(judge, batch.following)
        alone = judge is own or not self.arm.double
        choosing = judging if alone else self.networks.values(own, batch.following)
        targets = follow(batch.rewards, batch.terminated, choosing, judging, settings.discount)
        gradient, self.losses = self.networks.gradient(
            own, batch.observations, batch.actions, targets, batch.real, settings.huber
        )
        self.optimisers[which].step(own, gradient)
        if self.still is not None and (self.steps - settings.warmup_steps) % settings.target_every == 0:
            self.still[:] = own

    def _draw(self) -> tuple[NDArray[np.float64], int]:
        """The uniform numbers (2 + batch, K) of the present step, and a coin, which is tossed for all agents at once."""
        block, place = divmod(self.steps, BLOCK)
        if block != self.block:
            count = OWN + self.settings.batch_size * self.arm.replay
            drawn = [np.random.default_rng([seed, block]).random((count, BLOCK)) for seed in self.seeds]
            self._uniforms, self.block = np.stack(drawn, axis=-1), block
            self._coins = np.random.default_rng(block).integers(0, 2, BLOCK)
        return self._uniforms[:, place], int(self._coins[place])

    def evaluate(self) -> None:
        """A point of the learning curve: greedy dev episodes of every agent; the best point's weights are kept, the last of
        equals."""
        played, _ = evaluate_together(
            lambda seen: self.values(seen).argmax(2), len(self.seeds), self.spec, self.curve_seeds
        )
        returns = played.mean(1)
        better = returns >= self.best
        self.best[better], self.kept_step[better] = returns[better], self.steps
        self.kept = np.where(better[:, None, None], self.weights, self.kept)
        self.curve.append({"step": self.steps, "returns": returns.tolist()})
        loss = float(self.losses.mean())
        row = {"step": self.steps, "dev_mean_return": float(returns.mean())}
        self.means.append({**row, "loss": loss if np.isfinite(loss) else None})
        self.log(self.means[-1])

    def curve_of(self, agent: int) -> list[dict[str, float]]:
        """One agent's points of the curve."""
        return [{"step": point["step"], "dev_mean_return": point["returns"][agent]} for point in self.curve]
