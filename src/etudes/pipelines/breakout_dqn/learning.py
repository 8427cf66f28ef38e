"""Deep Q-learning from pictures, of one agent."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etudes.pipelines.breakout_dqn.network import QNetwork, weights_of
from etudes.pipelines.breakout_dqn.parameters import NetworkParameters, TrainingParameters
from etudes.pipelines.breakout_dqn.values import play_with_values
from etudes.rl.environments import EnvironmentFacts, EnvironmentSpec
from etudes.rl.replay import ReplayBuffer
from etudes.rl.schedules import linear
from etudes.rl.simulated import side_by_side
from etudes.rl.values import double_q_targets
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed
from etudes.training.session import current_session, progress


@dataclass(frozen=True)
class Arm:
    """What an arm adds to DQN: ``double`` targets, a ``dueling`` head, targets of ``n`` rewards."""

    double: bool = False
    dueling: bool = False
    n: int = 1


def screens_of(facts: EnvironmentFacts, name: str) -> tuple[int, ...]:
    """The shape of an observation.

    Raises:
        ValueError: it is no stack of pictures.
    """
    if len(facts.shape) != 3 or facts.dtype != "uint8":
        raise ValueError(
            f"'{name}' observes {facts.dtype} of the shape {facts.shape}; expected pictures (frames, height, width) uint8: "
            "give the specification screens: {size: 84, stack: 4} where it observes its screen"
        )
    return facts.shape


class Learning(Resumable):
    """The training of one agent (Mnih et al., Nature 518, 2015, algorithm 1).

    Environments step side by side, with one call of the network for all; every ``train_every`` steps of them there is an update. The
    loss is Huber's on ``y - Q(s, a)``; y as `targets`. Rewards are clipped to their sign, and a lost life is an end, both in the
    updates alone. The replay buffer holds each picture once.

    Args:
        arm: what it adds to DQN.
        spec, facts: the environment.
        seed: of weights, exploration and drawn transitions.
        environment_seeds: one for each environment.
        curve_seeds: of the dev episodes of each point of the curve.
        network, settings: the parameters.
        device: where the networks are; the pictures wait in memory.
    """

    keep = (
        *("online", "target", "optimiser", "buffer", "environments", "generator", "kept", "steps", "updates"),
        *("seconds", "best", "kept_step", "curve", "running", "finished", "loss"),
    )
    rows = "curve"

    def __init__(
        self,
        arm: Arm,
        spec: EnvironmentSpec,
        facts: EnvironmentFacts,
        seed: int,
        environment_seeds: Sequence[int],
        curve_seeds: Sequence[int],
        network: NetworkParameters,
        settings: TrainingParameters,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = screens_of(facts, spec.id)
        self.arm, self.spec, self.actions, self.settings = arm, spec, facts.actions, settings
        self.curve_seeds, self.device = list(curve_seeds), device
        torch.manual_seed(derive_seed(seed, "weights"))
        form = (shape, facts.actions, network.convolutions, network.hidden, arm.dueling)
        self.online = QNetwork(*form).to(device)
        self.target = deepcopy(self.online).requires_grad_(False)
        self.optimiser = torch.optim.Adam(
            self.online.parameters(), settings.learning_rate, eps=settings.adam_epsilon, fused=True
        )
        self.environments = side_by_side(spec, environment_seeds)
        count = len(environment_seeds)
        self.buffer = ReplayBuffer(settings.capacity, count, shape[1:], np.uint8, stack=shape[0])
        self.buffer.start(self.environments.observations[:, -1])
        self.generator = np.random.default_rng(derive_seed(seed, "exploration"))
        self.steps = self.updates = self.kept_step = 0
        self.seconds, self.best, self.loss = 0.0, -math.inf, math.nan
        self.kept = weights_of(self.online)
        self.curve: list[dict[str, Any]] = []
        self.running = np.zeros(count)
        self.finished: list[float] = []

    @property
    def epsilon(self) -> float:
        """The present share of random actions; all are random before the first update."""
        settings, after = self.settings, self.steps - self.settings.warmup_steps
        over = settings.epsilon_share * settings.steps
        return 1.0 if after < 0 else linear(after, settings.epsilon_start, settings.epsilon_end, over)

    def run(self) -> None:
        """To the last step, unless a training that is resumed was there already."""
        # Where points are rare most gradients are nearly 0, and a processor is slow with numbers below 1e-38.
        torch.set_flush_denormal(True)
        try:
            self._run()
        finally:
            torch.set_flush_denormal(False)

    def _run(self) -> None:
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

    def advance(self) -> None:
        """One step of all environments, and the updates that are due."""
        count, settings = len(self.environments), self.settings
        actions = self.generator.integers(0, self.actions, count)
        greedy = self.generator.random(count) >= self.epsilon
        if greedy.any():
            found = self.online.play(self.environments.observations[greedy])
            actions[greedy] = found.argmax(1)
        step = self.environments.step(actions)
        self.buffer.add(
            actions,
            np.sign(step.rewards),
            step.terminated | step.lost,
            step.truncated,
            step.observations[:, -1],
            step.real,
        )
        self.running += step.rewards
        for place in np.flatnonzero(step.terminated | step.truncated):
            self.finished.append(float(self.running[place]))
            self.running[place] = 0.0
        self.steps += count
        due = (self.steps - settings.warmup_steps) // settings.train_every - self.updates
        if due > 0:
            self.update(due)

    def update(self, count: int) -> None:
        """``count`` updates, whose transitions are drawn at once; where a copy is due it is made between them."""
        settings, size = self.settings, self.settings.batch_size
        batch = self.buffer.sample(self.generator, count * size, self.arm.n, settings.discount)
        parts = (batch.observations, batch.actions, batch.returns, batch.discounts, batch.next_observations)
        for seen, actions, returns, discounts, following in zip(
            *(torch.from_numpy(part).to(self.device).split(size) for part in parts), strict=True
        ):
            wanted = self.targets(returns, discounts, following)
            said = self.online(seen).gather(1, actions[:, None]).squeeze(1)
            loss = nn.functional.huber_loss(said, wanted, delta=settings.huber)
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.online.parameters(), settings.gradient_clip)
            self.optimiser.step()
            self.updates += 1
            if self.updates % settings.target_every == 0:
                self.target.load_state_dict(self.online.state_dict())
        self.loss = float(loss.detach())

    @torch.no_grad()
    def targets(self, returns: Tensor, discounts: Tensor, following: Tensor) -> Tensor:
        """``y = R + d max_a Q_target(s', a)`` (B,), or with double targets the target network's value of the action that the network
        that learns would take (`etudes.rl.values.double_q_targets`).

        Args:
            returns, discounts: (B,), as `etudes.rl.replay.Batch` has them.
            following: (B, frames, height, width).
        """
        judged = self.target(following)
        return double_q_targets(
            returns, discounts, self.online(following) if self.arm.double else judged, judged
        )

    def evaluate(self) -> None:
        """A point of the curve: greedy dev episodes, with what the network says of their states; the best point's weights are kept."""
        played = play_with_values(self.online.play, self.spec, self.curve_seeds, self.settings.discount)
        score = float(played.returns.mean())
        if score >= self.best:
            self.best, self.kept_step, self.kept = score, self.steps, weights_of(self.online)
        ended = len(played.said) > 0
        self.curve.append(
            {
                "step": self.steps,
                "dev_mean_return": score,
                "q_value": float(played.said.mean()) if ended else None,
                "q_return": float(played.got.mean()) if ended else None,
                "train_mean_return": float(np.mean(self.finished)) if self.finished else None,
                "loss": self.loss if math.isfinite(self.loss) else None,
                "epsilon": self.epsilon,
            }
        )
        self.finished.clear()
        self.log(self.curve[-1])
