"""A convolutional RevNet in PyTorch: the same idea where pictures make activations dear."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """F or G: group normalisation, ReLU, a 3 x 3 convolution. (B, C, S, S) -> the same.

    Normalisation over a batch would not do: its running averages would be updated a second time on the way back.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(torch.relu(self.norm(x)))


class ReversibleBlock(nn.Module):
    """y1 = x1 + F(x2), y2 = x2 + G(y1); see `etudes.pipelines.revnet.networks`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f, self.g = Residual(channels), Residual(channels)

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        y1 = x1 + self.f(x2)
        return y1, x2 + self.g(y1)


class _Chain(torch.autograd.Function):
    """Blocks one after the other, of which only the last state is kept."""

    @staticmethod
    def forward(ctx: Any, blocks: list[ReversibleBlock], x1: Tensor, x2: Tensor, *weights: Tensor) -> Any:
        with torch.no_grad():
            for block in blocks:
                x1, x2 = block(x1, x2)
        ctx.blocks = blocks
        ctx.save_for_backward(x1, x2)
        return x1, x2

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        y1, y2 = ctx.saved_tensors
        v1, v2 = upstream
        gradients: list[Tensor | None] = []
        for block in reversed(ctx.blocks):
            f, g = list(block.f.parameters()), list(block.g.parameters())
            with torch.enable_grad():
                inner = y1.detach().requires_grad_()
                out = block.g(inner)
            x2 = y2 - out.detach()
            back, *of_g = torch.autograd.grad(out, [inner, *g], v2)
            u1 = v1 + back
            with torch.enable_grad():
                inner = x2.detach().requires_grad_()
                out = block.f(inner)
            x1 = y1 - out.detach()
            back, *of_f = torch.autograd.grad(out, [inner, *f], u1)
            gradients = [*of_f, *of_g, *gradients]
            y1, y2, v1, v2 = x1, x2, u1, v2 + back
        return None, v1, v2, *gradients


class ReversibleStage(nn.Module):
    """Several blocks on one size of picture. (B, 2 C, S, S) -> the same, the two halves side by side.

    Args:
        channels: C, of each half.
        depth: number of blocks.
        stored: let autograd keep all activations; the same function and gradients.
    """

    def __init__(self, channels: int, depth: int, stored: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ReversibleBlock(channels) for _ in range(depth))
        self.stored = stored

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        if self.stored or not torch.is_grad_enabled():
            for block in self.blocks:
                first, second = block(first, second)
        else:
            weights = list(self.blocks.parameters())  # block by block, F's before G's
            first, second = _Chain.apply(list(self.blocks), first, second, *weights)
        return torch.cat([first, second], dim=1)


class ConvolutionalRevNet(nn.Module):
    """Strided convolution, reversible stage, strided convolution to twice the channels, reversible stage, mean, linear layer.

    intensities (B, 1, S, S) in 0..1 -> logits (B, outputs). What a stride takes away cannot be computed again, so the states
    before the two strided convolutions are kept, whatever the depth (section 3.2 of the paper).

    Args:
        width: channels of the first stage, even.
        depth: blocks of each stage.
        outputs: classes.
        stored: as for `ReversibleStage`.
    """

    def __init__(self, width: int, depth: int, outputs: int, stored: bool = False) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"width = {width}; expected an even number, the state has two halves")
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1),
            ReversibleStage(width // 2, depth, stored),
            nn.GroupNorm(1, width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            ReversibleStage(width, depth, stored),
            nn.GroupNorm(1, 2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.output = nn.Linear(2 * width, outputs)

    def forward(self, intensities: Tensor) -> Tensor:
        return self.output(self.body(intensities))
