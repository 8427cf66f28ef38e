"""The running average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn


def average_weights(averaged: nn.Module, current: nn.Module, decay: float, updates: int) -> None:
    """Exponential moving average of the weights (Polyak and Juditsky 1992), with a shorter memory at the start.

        averaged <- d averaged + (1 - d) current,   d = min(decay, (1 + updates) / (10 + updates))

    Counters and other whole numbers are copied.

    Args:
        averaged, current: two networks of one kind.
        decay: share that stays at each update.
        updates: how many there were, this one included.
    """
    share = 1 - min(decay, (1 + updates) / (10 + updates))
    weights = current.state_dict()
    with torch.no_grad():
        for name, value in averaged.state_dict().items():
            if value.is_floating_point():
                value.lerp_(weights[name], share)
            else:
                value.copy_(weights[name])


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """All weights and buffers on the CPU, independent of the network's further training."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
