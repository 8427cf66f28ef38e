"""What a channel looks for: pictures that excite it, grown from noise by its gradient.

Erhan et al. 2009 (activation maximisation); random shifts and a price for roughness keep the picture from becoming noise
of high frequency (Mahendran and Vedaldi 2016, Mordvintsev et al. 2015).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from etudes.vision.imagenet import standardised


class Growth(Protocol):
    """How a picture grows: steps of Adam and their rate, the farthest random shift (pixels), the price of roughness."""

    steps: int
    rate: float
    shift: int
    roughness: float


def activations(layers: nn.Module, pictures: Tensor) -> Tensor:
    """Mean activation over the places of a layer's output, of intensities (n, 3, H, W): (n, channels)."""
    found: Tensor = layers(standardised(pictures)).mean((2, 3))
    return found


def excite(
    layers: nn.Module,
    channels: Tensor,
    scales: Tensor,
    side: int,
    how: Growth,
    generator: torch.Generator,
) -> Tensor:
    """A picture for each channel, intensities (C, 3, side, side) strictly between 0 and 1.

    Adam climbs a_c(shift(x)) / s_c - w TV(x) from noise, x = sigmoid(theta), TV the mean absolute difference of
    neighbouring pixels.

    Args:
        layers: standardised pictures (n, 3, H, W) -> (n, channels, h, w).
        channels: (C,) which of them.
        scales: (C,) s_c, an activation that is high for the channel.
        side: pixels.
        how: a `Growth`.
        generator: of noise and shifts.
    """
    noise = torch.randn((len(channels), 3, side, side), generator=generator) * 0.3
    theta = noise.to(channels.device).contiguous(memory_format=torch.channels_last).requires_grad_()
    optimiser, rows = torch.optim.Adam([theta], lr=how.rate), torch.arange(len(channels))
    for _ in range(how.steps):
        pictures = theta.sigmoid()
        shift = torch.randint(-how.shift, how.shift + 1, (2,), generator=generator).tolist()
        reached = activations(layers, pictures.roll(shift, (2, 3)))[rows, channels]
        rough = pictures.diff(dim=2).abs().mean((1, 2, 3)) + pictures.diff(dim=3).abs().mean((1, 2, 3))
        loss = (how.roughness * rough - reached / scales).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return theta.detach().sigmoid()
