"""Adapters of low rank (Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models*, ICLR 2022, arXiv:2106.09685).

A layer's weights W0 stay as they are, and a change of rank r is learned beside them (equation 3):

    h = W0 x + b + alpha / r B A x,   A: (r, inputs),   B: (outputs, r).

B begins with zeros, so that training begins at the encoder as it is; A begins as linear layers do. Afterwards the
change can be added to the weights, and the network costs what it cost before. PyTorch alone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etudes.text.encoders import EncoderError, layer_stack


class LoraLinear(nn.Module):
    """A linear layer that is not trained, and its adapter that is: (..., inputs) -> (..., outputs)."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.layer, self.scale = layer, alpha / rank
        for parameter in layer.parameters():
            parameter.requires_grad = False
        self.a = nn.Parameter(layer.weight.new_empty(rank, layer.in_features))
        self.b = nn.Parameter(layer.weight.new_zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.scale * F.linear(F.linear(x, self.a), self.b)

    def merged(self) -> nn.Linear:
        """One linear layer that answers the same: W0 + alpha / r B A."""
        layer = copy.deepcopy(self.layer)
        with torch.no_grad():
            layer.weight += self.scale * self.b @ self.a
        return layer


def adapt(encoder: nn.Module, rank: int, alpha: float, targets: Sequence[str] = ()) -> list[str]:
    """Give linear layers of an encoder's stack adapters, in place; nothing else of the encoder is trained any more.

    Args:
        encoder: a pretrained one.
        rank, alpha: r and alpha.
        targets: ends of the names of the layers (``query``, ``value``); none: all of the stack.

    Returns:
        The names of the layers.

    Raises:
        EncoderError: there is no such layer.
    """
    for parameter in encoder.parameters():
        parameter.requires_grad = False
    stack = layer_stack(encoder)
    linear = {} if stack is None else {n: m for n, m in stack.named_modules() if isinstance(m, nn.Linear)}
    chosen = [name for name in linear if not targets or name.endswith(tuple(targets))]
    if stack is None or not chosen:
        known = sorted({name.partition(".")[2] for name in linear})
        raise EncoderError(
            f"lora.targets = {list(targets)}, but {type(encoder).__name__} has no such linear layer in its stack; "
            f"expected ends of {', '.join(known) or 'none'}"
        )
    for name in chosen:
        _replace(stack, name, LoraLinear(linear[name], rank, alpha))
    return chosen


def merged(network: nn.Module) -> nn.Module:
    """A copy of a network whose adapters are added to the weights beside them."""
    found = copy.deepcopy(network)
    for name, module in list(found.named_modules()):
        if isinstance(module, LoraLinear):
            _replace(found, name, module.merged())
    return found


def trained_weights(network: nn.Module) -> int:
    """How many numbers of a network are trained."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _replace(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(root.get_submodule(parent), last, module)
