"""Policies and critics of several agents in one call."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Stack:
    """Multilayer perceptrons of one form, tanh between the layers: observations (K, B, inputs) -> outputs (K, B, outputs).

    Each row of a matrix of weights (K, P) is one network, so many cost as many calls as one, and their gradients are the rows of the
    gradient. A row holds weight (inputs, units) and bias of every layer.

    Args:
        inputs: numbers in an observation.
        outputs: of each network: a logit for each action; a critic's first output is what it says, the others are not used.
        hidden: units of the hidden layers.
    """

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int]) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._shapes: list[tuple[int, int]] = []
        for before, units in zip((inputs, *hidden), (*hidden, outputs), strict=True):
            self._shapes += [(before, units), (1, units)]
        self._sizes = [math.prod(shape) for shape in self._shapes]

    def draw(self, generator: torch.Generator, gain: float) -> Tensor:
        """Fresh weights (P,): orthogonal, √2 in the hidden layers and ``gain`` in the last; zero biases."""
        drawn = []
        for place, shape in enumerate(self._shapes):
            part = torch.zeros(shape)
            if place % 2 == 0:
                last = place == len(self._shapes) - 2
                nn.init.orthogonal_(part, gain if last else 2**0.5, generator=generator)
            drawn.append(part.flatten())
        return torch.cat(drawn)

    def layers(self, weights: Tensor) -> list[Tensor]:
        """Weights and biases of every layer of networks (K, P), as `answer` takes them."""
        parts = weights.split(self._sizes, 1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self._shapes, strict=True)]

    @staticmethod
    def answer(layers: Sequence[Tensor], observations: Tensor) -> Tensor:
        """Outputs (K, B, outputs) of observations (K, B, inputs)."""
        x = observations
        for place in range(0, len(layers), 2):
            x = torch.baddbmm(layers[place + 1], x, layers[place])
            if place < len(layers) - 2:
                x = x.tanh()
        return x

    @torch.inference_mode()
    def play(self, weights: Tensor, observations: NDArray) -> NDArray[np.float32]:
        """Outputs (K, B, outputs) of observations (K, B, ...), outside of any training."""
        seen = torch.from_numpy(np.require(observations, np.float32, ["C", "W"])).flatten(2)
        return self.answer(self.layers(weights), seen).numpy()
