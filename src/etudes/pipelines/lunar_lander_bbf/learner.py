"""Double DQN with n-step returns, annealing and resets: what happens in an update."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etudes.pipelines.lunar_lander_bbf.network import QNetworks
from etudes.pipelines.lunar_lander_bbf.parameters import (
    AnnealingParameters,
    ResetParameters,
    TrainingParameters,
)
from etudes.rl.flat import FlatAdamW
from etudes.rl.replay import ReplayBuffer
from etudes.rl.schedules import annealed_discount, annealed_horizon, linear
from etudes.rl.values import double_q_targets
from etudes.training.seeds import derive_seed


class Learner:
    """Online and target networks of K agents, their optimiser, and the clocks of annealing and resets.

    The agents learn in step, from their own weights and transitions; nothing passes from one to another. A target
    network follows the online one as a running average, ``θ' ← θ' + τ (θ - θ')``. The loss is Huber's on the error of the
    action taken; the optimiser is AdamW with a learning rate that moves linearly. From BBF (Schwarzer et al., arXiv
    2305.19452) come, each by an argument of its own:

    - ``horizon``: n of the n-step returns falls exponentially, from the start and anew from each reset;
    - ``discounting``: the discount γ rises so that ``1 - γ`` falls exponentially, on the same clock;
    - ``resets``: every so many updates the hidden weights become ``shrink θ + (1 - shrink) φ`` with φ freshly drawn, the
      head is drawn anew, the target network is a copy of the result and the optimiser forgets its moments.

    Args:
        network: the form of all networks.
        settings: everything else.
        updates: how many there will be, which decides the last reset.
        seeds: K, of an agent's weights and drawn transitions.
    """

    def __init__(
        self,
        network: QNetworks,
        settings: TrainingParameters,
        *,
        updates: int,
        seeds: Sequence[int],
        horizon: AnnealingParameters | None = None,
        discounting: AnnealingParameters | None = None,
        resets: ResetParameters | None = None,
    ) -> None:
        self.network, self.settings, self.planned = network, settings, updates
        self.horizon, self.discounting, self.resets = horizon, discounting, resets
        self._weights = [torch.Generator().manual_seed(derive_seed(seed, "weights")) for seed in seeds]
        self._draws = [np.random.default_rng(derive_seed(seed, "replay")) for seed in seeds]
        self.online = self._fresh().requires_grad_()  # (K, P)
        self.target = self.online.detach().clone()
        self._optimiser = self._new_optimiser()
        self.updates = self.since_reset = 0
        self.losses = torch.full((len(seeds),), float("nan"))

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
    def actor(self) -> Tensor:
        """The weights (K, P) that play."""
        return self.target if self.settings.act_with == "target" else self.online.detach()

    @property
    def learning_rate(self) -> float:
        """The present learning rate; a reset leaves it on its way."""
        return linear(
            self.updates, self.settings.learning_rate, self.settings.learning_rate_end, self.planned
        )

    def update(self, buffers: Sequence[ReplayBuffer], count: int) -> None:
        """``count`` updates of all agents, each from its buffer; n, γ and the target networks' values are those of their beginning.

        So all transitions are drawn, and all values of the target networks computed, at once; with a handful of updates
        between two steps of the environments this changes the targets by a fraction of τ.
        """
        if self.resets is not None and self._reset_is_due(self.resets):
            self.reset(self.resets)
        settings, size = self.settings, self.settings.batch_size
        batches = [
            buffer.sample(generator, count * size, self.n, self.discount)
            for buffer, generator in zip(buffers, self._draws, strict=True)
        ]
        observations, following, actions, returns, discounts = (
            torch.from_numpy(np.stack([getattr(batch, name) for batch in batches])).split(size, 1)
            for name in ("observations", "next_observations", "actions", "returns", "discounts")
        )
        with torch.no_grad():
            target_next = self.network.values(self.target, torch.cat(following, 1)).split(size, 1)
        for part in range(count):
            with torch.no_grad():
                # Chosen and judged by the target network alone, the value is its largest: plain Q-learning.
                chooser = target_next[part]
                if settings.double_q:
                    chooser = self.network.values(self.online, following[part])
                flat = (
                    tensor.flatten(0, 1)
                    for tensor in (returns[part], discounts[part], chooser, target_next[part])
                )
                targets = double_q_targets(*flat).view_as(returns[part])
            values = self.network.values(self.online, observations[part])
            taken = values.gather(2, actions[part][..., None]).squeeze(2)
            losses = nn.functional.huber_loss(taken, targets, reduction="none", delta=settings.huber).mean(1)
            (gradient,) = torch.autograd.grad(losses.sum(), self.online)
            self._step(gradient)
            self.losses = losses.detach()

    @torch.no_grad()
    def _step(self, gradient: Tensor) -> None:
        """One update along gradients (K, P), each cut to the largest norm."""
        norm = gradient.norm(dim=1, keepdim=True)
        self._optimiser.step(
            gradient.mul_((self.settings.gradient_clip / norm).clamp_(max=1)), self.learning_rate
        )
        self.target.lerp_(self.online, self.settings.target_rate)
        self.updates += 1
        self.since_reset += 1

    def _reset_is_due(self, resets: ResetParameters) -> bool:
        return self.since_reset >= resets.every and self.planned - self.updates >= resets.every

    @torch.no_grad()
    def reset(self, resets: ResetParameters) -> None:
        """Shrink and perturb the body, draw the head anew, forget the optimiser's moments, start annealing again."""
        fresh, body = self._fresh(), self.network.body
        self.online[:, :body] = torch.lerp(fresh[:, :body], self.online[:, :body], resets.shrink)
        self.online[:, body:] = fresh[:, body:]
        self.target.copy_(self.online)
        self._optimiser = self._new_optimiser()
        self.since_reset = 0

    def state(self) -> dict[str, Any]:
        """Tensors, numbers and texts that `restore` needs."""
        return {
            "online": self.online.detach().clone(),
            "target": self.target.clone(),
            "optimiser": self._optimiser.state(),
            "weights": [generator.get_state() for generator in self._weights],
            "draws": [json.dumps(generator.bit_generator.state) for generator in self._draws],
            "updates": self.updates,
            "since_reset": self.since_reset,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.online.data.copy_(state["online"])
        self.target.copy_(state["target"])
        self._optimiser.restore(state["optimiser"])
        for generator, weights in zip(self._weights, state["weights"], strict=True):
            generator.set_state(weights)
        for draws, drawn in zip(self._draws, state["draws"], strict=True):
            draws.bit_generator.state = json.loads(drawn)
        self.updates, self.since_reset = state["updates"], state["since_reset"]

    def _fresh(self) -> Tensor:
        return torch.stack([self.network.draw(generator) for generator in self._weights])

    def _new_optimiser(self) -> FlatAdamW:
        return FlatAdamW(
            self.online.data, epsilon=self.settings.adam_epsilon, weight_decay=self.settings.weight_decay
        )
