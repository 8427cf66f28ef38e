"""Double DQN with n-step returns, annealing and resets: what happens in an update."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from etudes.pipelines.lunar_lander_bbf.network import QNetwork
from etudes.pipelines.lunar_lander_bbf.parameters import (
    AnnealingParameters,
    ResetParameters,
    TrainingParameters,
)
from etudes.pipelines.lunar_lander_bbf.passes import Passes
from etudes.rl.flat import FlatAdamW, flatten_parameters
from etudes.rl.replay import ReplayBuffer
from etudes.rl.schedules import annealed_discount, annealed_horizon, linear
from etudes.rl.values import double_q_targets
from etudes.training.seeds import derive_seed


class Learner:
    """Online and target network, optimiser, and the clocks of annealing and resets.

    The target network follows the online one as a running average, ``θ' ← θ' + τ (θ - θ')``. The loss is Huber's on
    the error of the action taken; the optimiser is AdamW with a learning rate that moves linearly. From BBF (Schwarzer et
    al., arXiv 2305.19452) come, each by an argument of its own:

    - ``horizon``: n of the n-step returns falls exponentially, from the start and anew from each reset;
    - ``discounting``: the discount γ rises so that ``1 - γ`` falls exponentially, on the same clock;
    - ``resets``: every so many updates the hidden weights become ``shrink θ + (1 - shrink) φ`` with φ freshly drawn, the
      head is drawn anew, the target network is a copy of the result and the optimiser forgets its moments.

    Args:
        inputs, actions: numbers in an observation, number of actions.
        settings: everything else.
        updates: how many there will be, which decides the last reset.
        seed: of weights and of drawn transitions.
    """

    def __init__(
        self,
        inputs: int,
        actions: int,
        settings: TrainingParameters,
        *,
        updates: int,
        seed: int,
        horizon: AnnealingParameters | None = None,
        discounting: AnnealingParameters | None = None,
        resets: ResetParameters | None = None,
    ) -> None:
        self.settings, self.planned = settings, updates
        self.horizon, self.discounting, self.resets = horizon, discounting, resets
        self._weights = torch.Generator().manual_seed(derive_seed(seed, "weights"))
        self._draws = np.random.default_rng(derive_seed(seed, "replay"))
        self._sizes = (inputs, actions, settings.hidden, settings.layer_norm)
        self.online, self.target = self._fresh(), self._fresh()
        self._online = flatten_parameters(self.online)
        self._target = flatten_parameters(self.target, trained=False)
        self._target.data.copy_(self._online.data)
        self._passes = Passes(self.online)
        self._optimiser = self._new_optimiser()
        self.updates = self.since_reset = 0
        self.loss = float("nan")

    @property
    def n(self) -> int:
        """The present n of the n-step returns."""
        if self.horizon is None:
            return self.settings.n_step
        return annealed_horizon(
            self.since_reset, self.horizon.n_start, self.horizon.n_end, self.horizon.updates
        )

    @property
    def discount(self) -> float:
        """The present γ."""
        if self.discounting is None:
            return self.settings.discount
        annealing = self.discounting
        return annealed_discount(
            self.since_reset, annealing.discount_start, annealing.discount_end, annealing.updates
        )

    @property
    def actor(self) -> QNetwork:
        """The network that plays."""
        return self.target if self.settings.act_with == "target" else self.online

    @property
    def learning_rate(self) -> float:
        """The present learning rate; a reset leaves it on its way."""
        return linear(
            self.updates, self.settings.learning_rate, self.settings.learning_rate_end, self.planned
        )

    @torch.no_grad()
    def update(self, buffer: ReplayBuffer, count: int) -> None:
        """``count`` updates, for which n, γ and the target network's values are those of their beginning.

        So all transitions are drawn, and all values of the target network computed, at once; with a handful of updates
        between two steps of the environments this changes the targets by a fraction of τ.
        """
        if self.resets is not None and self._reset_is_due(self.resets):
            self.reset(self.resets)
        settings, size = self.settings, self.settings.batch_size
        batch = buffer.sample(self._draws, count * size, self.n, self.discount)
        observations, following = (
            torch.from_numpy(np.asarray(array, np.float32)).flatten(1)
            for array in (batch.observations, batch.next_observations)
        )
        actions, returns, discounts = (
            torch.from_numpy(array).split(size) for array in (batch.actions, batch.returns, batch.discounts)
        )
        target_next = self.target(following).split(size)
        # The online network sees the observations of a batch and those that follow in one pass: (count, 2B, inputs).
        both = torch.cat([part.unflatten(0, (count, size)) for part in (observations, following)], 1)
        for part in range(count):
            values, online_next = self._passes.forward(both[part]).split(size)
            # Chosen and judged by the target network alone, the value is its largest: plain Q-learning.
            chooser = online_next if settings.double_q else target_next[part]
            targets = double_q_targets(returns[part], discounts[part], chooser, target_next[part])
            action = actions[part][:, None]
            error = values.gather(1, action).squeeze(1) - targets
            # The derivative of the mean Huber loss by the values of the actions taken is the clipped error over B.
            slope = error.clamp(-settings.huber, settings.huber).div_(size)
            self._step(torch.zeros_like(values).scatter_(1, action, slope[:, None]))
            if part == count - 1:
                loss = nn.functional.huber_loss(error, torch.zeros_like(error), delta=settings.huber)
                self.loss = loss.item()

    def _step(self, slope: torch.Tensor) -> None:
        """One update from the derivative of the loss by the action values (B, actions)."""
        settings, gradient = self.settings, self._online.grad
        assert gradient is not None
        self._passes.backward(slope)
        norm = gradient.norm().item()
        if norm > settings.gradient_clip:
            gradient.mul_(settings.gradient_clip / norm)
        self._optimiser.step(self.learning_rate)
        self._target.lerp_(self._online, settings.target_rate)
        self.updates += 1
        self.since_reset += 1

    def _reset_is_due(self, resets: ResetParameters) -> bool:
        return self.since_reset >= resets.every and self.planned - self.updates >= resets.every

    def reset(self, resets: ResetParameters) -> None:
        """Shrink and perturb the body, draw the head anew, forget the optimiser's moments, start annealing again."""
        fresh = dict(self._fresh().named_parameters())
        with torch.no_grad():
            for name, parameter in self.online.named_parameters():
                kept = 0.0 if name.startswith("head.") else resets.shrink
                parameter.mul_(kept).add_(fresh[name], alpha=1.0 - kept)
            self._target.copy_(self._online)
        self._optimiser = self._new_optimiser()
        self.since_reset = 0

    def weights(self) -> torch.Tensor:
        """A copy of the playing network's weights (P,)."""
        vector = self._target if self.actor is self.target else self._online
        return vector.detach().clone()

    def state(self) -> dict[str, Any]:
        """Tensors, numbers and texts that `restore` needs."""
        return {
            "online": self._online.detach().clone(),
            "target": self._target.detach().clone(),
            "optimiser": self._optimiser.state(),
            "weights": self._weights.get_state(),
            "draws": json.dumps(self._draws.bit_generator.state),
            "updates": self.updates,
            "since_reset": self.since_reset,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._online.data.copy_(state["online"])
        self._target.data.copy_(state["target"])
        self._optimiser.restore(state["optimiser"])
        self._weights.set_state(state["weights"])
        self._draws.bit_generator.state = json.loads(state["draws"])
        self.updates, self.since_reset = state["updates"], state["since_reset"]

    def _fresh(self) -> QNetwork:
        return QNetwork(*self._sizes, generator=self._weights)

    def _new_optimiser(self) -> FlatAdamW:
        return FlatAdamW(
            self._online, epsilon=self.settings.adam_epsilon, weight_decay=self.settings.weight_decay
        )
