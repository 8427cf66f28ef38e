"""Residual networks with narrower blocks or cheaper convolutions, and their normalisation folded into the weights. PyTorch alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from etudes.vision.cifar_networks import Block, CifarResNet

Design = Literal["dense", "grouped", "separable"]
GROUPS = 4


class Shuffle(nn.Module):
    """Channels of all groups in turns, so that what one grouped convolution keeps apart the next one mixes (Zhang et al. 2018,
    arXiv:1707.01083)."""

    def forward(self, batch: Tensor) -> Tensor:
        """(N, C, H, W): channel g C / G + i becomes channel i G + g."""
        return batch.unflatten(1, (GROUPS, -1)).transpose(1, 2).flatten(1, 2)


def convolution(design: Design, inputs: int, outputs: int, stride: int) -> nn.Module:
    """A 3 x 3 convolution: *dense* with 9 I O weights; *grouped* with a quarter of that, each output sees a quarter of the inputs;
    *separable* with 9 I + I O, a filter for each channel and then a 1 x 1 convolution (Howard et al. 2017, arXiv:1704.04861).

    Raises:
        ValueError: channels that cannot be cut into groups.
    """
    if design == "dense":
        return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    if design == "separable":
        return nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )
    if inputs % GROUPS or outputs % GROUPS:
        raise ValueError(
            f"{inputs} channels to {outputs} cannot be cut into {GROUPS} groups; expected a width that is a multiple of {GROUPS}"
        )
    return nn.Sequential(
        Shuffle(), nn.Conv2d(inputs, outputs, 3, stride, padding=1, groups=GROUPS, bias=False)
    )


class Compact(CifarResNet):
    """`CifarResNet` whose blocks have convolutions of a ``design`` and ``inner`` channels between their two; as it is with neither.

    Args (besides those of `CifarResNet`):
        design: of the convolutions in the blocks.
        inner: of each block, in order; None as many as the block gives.
    """

    def __init__(
        self,
        blocks: int = 3,
        classes: int = 10,
        width: int = 16,
        stride: int = 1,
        design: Design = "dense",
        inner: Sequence[int] | None = None,
    ) -> None:
        super().__init__(blocks, classes, width, 3, stride)
        for place, block in enumerate(blocks_of(self)):
            inputs, outputs = block.conv1.in_channels, block.conv1.out_channels
            middle = outputs if inner is None else inner[place]
            block.conv1 = convolution(design, inputs, middle, block.stride)  # type: ignore[assignment]
            block.bn1 = nn.BatchNorm2d(middle)
            block.conv2 = convolution(design, middle, outputs, 1)  # type: ignore[assignment]


def blocks_of(network: nn.Module) -> list[Block]:
    """The residual blocks in their order."""
    return [module for module in network.modules() if isinstance(module, Block)]


def folded(network: CifarResNet) -> CifarResNet:
    """A copy that gives the same answers in evaluation without normalisation.

    gamma (w x - mu) / sigma + beta = w' x + b' with w' = w gamma / sigma and b' = beta - mu gamma / sigma.
    """
    found = copy.deepcopy(network).eval().requires_grad_(False)
    for owner in (found, *blocks_of(found)):
        for name in ("1", "2"):
            layers = getattr(owner, f"conv{name}", None)
            if isinstance(layers, nn.Sequential) and len(layers) > 2:
                _fold(layers[0], layers[1])
                layers[1] = nn.Identity()
            if layers is not None:
                _fold(
                    layers[-1] if isinstance(layers, nn.Sequential) else layers, getattr(owner, f"bn{name}")
                )
                setattr(owner, f"bn{name}", nn.Identity())
    return found


def _fold(convolution: Any, norm: Any) -> None:
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    convolution.weight.data = convolution.weight * scale[:, None, None, None]
    convolution.bias = nn.Parameter(norm.bias - norm.running_mean * scale, requires_grad=False)


def layers_of(network: nn.Module) -> Iterator[tuple[str, nn.Conv2d | nn.Linear]]:
    """All layers with weights, by name, in their order."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield name, module
