"""Action-value networks, several of one form in one call."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class QNetworks:
    """Multilayer perceptrons of one form: observations (K, B, *shape) -> action values (K, B, actions).

    Each row of a matrix of weights (K, P) is one network. So the K agents of a variant cost as many calls as one, and
    optimiser steps, running averages and norms are one operation each. A row holds of every hidden layer the weight
    (units, inputs) and the bias, and where it is normalised gain and shift; then weight and bias of the head.

    Args:
        inputs: numbers in an observation.
        actions: number of actions.
        hidden: units of the hidden layers.
        layer_norm: normalise in front of each activation.
    """

    def __init__(self, inputs: int, actions: int, hidden: Sequence[int], layer_norm: bool) -> None:
        self._layer = ("weight", "bias", "gain", "shift") if layer_norm else ("weight", "bias")
        self._parts: list[tuple[str, tuple[int, int]]] = []
        for before, units in zip((inputs, *hidden[:-1]), hidden, strict=True):
            self._parts += [(kind, (units, before if kind == "weight" else 1)) for kind in self._layer]
        self._parts += [("weight", (actions, hidden[-1])), ("bias", (actions, 1))]
        self._sizes = [math.prod(shape) for _, shape in self._parts]
        self.body = sum(self._sizes[:-2])  # that many weights come in front of the head's

    def draw(self, generator: torch.Generator) -> Tensor:
        """Fresh weights (P,): orthogonal (gain √2 in the hidden layers, 1 in the head), zero biases."""
        drawn = []
        for place, (kind, shape) in enumerate(self._parts):
            part = torch.full(shape, float(kind == "gain"))
            if kind == "weight":
                head = place == len(self._parts) - 2
                nn.init.orthogonal_(part, 1.0 if head else 2**0.5, generator=generator)
            drawn.append(part.flatten())
        return torch.cat(drawn)

    def values(self, weights: Tensor, observations: Tensor) -> Tensor:
        """Action values (K, B, actions) of networks (K, P) at observations (K, B, *shape)."""
        split = weights.split(self._sizes, 1)
        parts = [part.unflatten(1, shape).mT for part, (_, shape) in zip(split, self._parts, strict=True)]
        x, layer = observations.flatten(2), len(self._layer)
        for place in range(0, len(parts) - 2, layer):
            weight, bias, *norm = parts[place : place + layer]
            x = torch.baddbmm(bias, x, weight)
            if norm:
                gain, shift = norm
                x = torch.addcmul(shift, nn.functional.layer_norm(x, x.shape[-1:]), gain)
            x = x.relu_()
        return torch.baddbmm(parts[-1], x, parts[-2])

    @torch.inference_mode()
    def play(self, weights: Tensor, observations: NDArray) -> NDArray[np.float32]:
        """Action values (K, B, actions) of observations (K, B, *shape), outside of any training."""
        return self.values(
            weights, torch.from_numpy(np.require(observations, np.float32, ["C", "W"]))
        ).numpy()
