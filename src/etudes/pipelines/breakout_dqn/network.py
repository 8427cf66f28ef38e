"""The network of action values of pictures, with one head or two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class QNetwork(nn.Module):
    """Screens (B, frames, height, width) uint8 -> action values (B, actions).

    Convolutions with rectifiers, a hidden layer, a linear head (Mnih et al., arXiv 1312.5602, section 4.1). A dueling head has one
    stream of half the hidden units for the value of the state and one for the advantages of actions (Wang et al., arXiv 1511.06581,
    equation 9)::

        Q(s, a) = V(s) + A(s, a) - mean_b A(s, b)

    with the mean over the actions of each state.

    Args:
        shape: frames, height and width.
        actions: how many.
        convolutions: channels, side of the kernel and stride of each layer.
        hidden: units of the hidden layer, of both streams together.
        dueling: whether there are two.

    Raises:
        ValueError: the screens are no (frames, height, width), or too small for the kernels.
    """

    def __init__(
        self,
        shape: Sequence[int],
        actions: int,
        convolutions: Sequence[Sequence[int]],
        hidden: int,
        dueling: bool,
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise ValueError(
                f"observations have the shape {tuple(shape)}; expected (frames, height, width): pictures, several together"
            )
        frames, *sides = shape
        layers: list[nn.Module] = []
        for channels, kernel, stride in convolutions:
            layers += [nn.Conv2d(frames, channels, kernel, stride), nn.ReLU()]
            frames, sides = channels, [(side - kernel) // stride + 1 for side in sides]
            if min(sides) < 1:
                raise ValueError(
                    f"screens of {shape[1]} x {shape[2]} pixels are too small for the convolutions {[list(c) for c in convolutions]}"
                )
        self.body = nn.Sequential(*layers, nn.Flatten()).to(memory_format=torch.channels_last)
        size = frames * sides[0] * sides[1]

        def stream(units: int, outputs: int) -> nn.Module:
            return nn.Sequential(nn.Linear(size, units), nn.ReLU(), nn.Linear(units, outputs))

        self.value = stream(hidden // 2, 1) if dueling else None
        self.advantage = stream(hidden // 2 if dueling else hidden, actions)

    def forward(self, screens: Tensor) -> Tensor:
        scaled = screens.to(memory_format=torch.channels_last, dtype=torch.float32).mul_(1 / 255)
        features = self.body(scaled)
        advantages = self.advantage(features)
        if self.value is None:
            return advantages
        return self.value(features) + advantages - advantages.mean(1, keepdim=True)

    @torch.inference_mode()
    def play(self, screens: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Action values (B, actions), outside of any training."""
        device = next(self.parameters()).device
        return self(torch.from_numpy(np.ascontiguousarray(screens)).to(device)).cpu().numpy()


def weights_of(network: nn.Module) -> NDArray[np.float32]:
    """All weights of a network as one vector (P,)."""
    return torch.cat([part.detach().flatten() for part in network.parameters()]).cpu().numpy()


def put_weights(network: nn.Module, weights: NDArray[np.float32]) -> None:
    """Put back what `weights_of` gave.

    Raises:
        ValueError: they are of a network of another size.
    """
    count = sum(part.numel() for part in network.parameters())
    if weights.shape != (count,):
        raise ValueError(
            f"weights have the shape {weights.shape}, expected ({count},): they are of another network"
        )
    place = 0
    with torch.no_grad():
        for part in network.parameters():
            part.copy_(torch.from_numpy(np.array(weights[place : place + part.numel()])).view_as(part))
            place += part.numel()
