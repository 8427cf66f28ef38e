"""The action-value network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class QNetwork(nn.Module):
    """A multilayer perceptron: observations (B, *shape) -> action values (B, actions).

    Orthogonal weights (gain √2 in the hidden layers, 1 in the head), zero biases.

    Args:
        inputs: numbers in an observation.
        actions: number of actions.
        hidden: units of the hidden layers.
        layer_norm: normalise in front of each activation.
        generator: what the weights are drawn from.
    """

    def __init__(
        self, inputs: int, actions: int, hidden: Sequence[int], layer_norm: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, units in zip((inputs, *hidden[:-1]), hidden, strict=True):
            layers.append(nn.Linear(before, units))
            if layer_norm:
                layers.append(nn.LayerNorm(units))
            layers.append(nn.ReLU())
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(hidden[-1], actions)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                gain = 1.0 if module is self.head else 2**0.5
                nn.init.orthogonal_(module.weight, gain, generator=generator)
                nn.init.zeros_(module.bias)

    def forward(self, observations: Tensor) -> Tensor:
        return self.head(self.body(observations.flatten(1)))

    def values(self, observations: NDArray) -> NDArray[np.float32]:
        """Action values (B, actions) of observations (B, *shape), outside of any training."""
        with torch.inference_mode():
            return self(torch.from_numpy(np.require(observations, np.float32, ["C", "W"]))).numpy()

    def greedy(self, observations: NDArray) -> NDArray[np.int64]:
        """The best actions (B,)."""
        return self.values(observations).argmax(1)
