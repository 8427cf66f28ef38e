"""The network forward and backward, written out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etudes.pipelines.lunar_lander_bbf.network import QNetwork

aten = torch.ops.aten


class Passes:
    """Values and gradients of a `QNetwork` without autograd: the same numbers in fewer and shorter calls.

    The layers are few and small, so that much of an update would go into recording them. One forward pass serves
    several batches, and the backward pass goes through the first of them only.

    Args:
        network: its parameters have gradients, into which the backward pass writes. They are looked up once: copy into
            parameters and gradients, replace neither.
    """

    def __init__(self, network: QNetwork) -> None:
        self._hidden: list[tuple[nn.Linear, nn.LayerNorm | None]] = []
        norm: nn.LayerNorm | None = None
        for module in reversed(list(network.body)):
            if isinstance(module, nn.LayerNorm):
                norm = module
            elif isinstance(module, nn.Linear):
                self._hidden.insert(0, (module, norm))
                norm = None
        self._head = network.head
        self._inputs: list[Tensor] = []  # of each linear layer, the head last
        self._statistics: list[tuple[Tensor, ...]] = []  # of each norm: its input, mean, 1 / deviation

    @torch.no_grad()
    def forward(self, observations: Tensor) -> Tensor:
        """Observations (N, inputs) -> action values (N, actions); remembers what `backward` needs."""
        self._inputs, self._statistics = [observations], []
        for linear, norm in self._hidden:
            x = torch.addmm(linear.bias, self._inputs[-1], linear.weight.t())
            if norm is not None:
                raw = x
                x, mean, scale = torch.native_layer_norm(
                    raw, norm.normalized_shape, norm.weight, norm.bias, norm.eps
                )
                self._statistics.append((raw, mean, scale))
            self._inputs.append(x.relu_())
        return torch.addmm(self._head.bias, self._inputs[-1], self._head.weight.t())

    @torch.no_grad()
    def backward(self, slope: Tensor) -> None:
        """Write the gradients of a loss whose derivative by the first B action values is ``slope`` (B, actions)."""
        rows, statistics = len(slope), list(self._statistics)
        _write(self._head, slope, self._inputs[-1][:rows])
        after = self._head
        for (linear, norm), before, out in zip(
            reversed(self._hidden), reversed(self._inputs[:-1]), reversed(self._inputs[1:]), strict=True
        ):
            slope = aten.threshold_backward(torch.mm(slope, after.weight), out[:rows], 0)
            if norm is not None:
                raw, mean, scale = (part[:rows] for part in statistics.pop())
                slope, weight, bias = aten.native_layer_norm_backward(
                    slope, raw, norm.normalized_shape, mean, scale, norm.weight, norm.bias, [True, True, True]
                )
                for parameter, gradient in ((norm.weight, weight), (norm.bias, bias)):
                    assert parameter.grad is not None
                    parameter.grad.copy_(gradient)
            _write(linear, slope, before[:rows])
            after = linear


def _write(layer: nn.Linear, slope: Tensor, inputs: Tensor) -> None:
    """Gradients of a layer whose outputs (B, out) have the derivative ``slope`` and whose inputs were (B, in)."""
    torch.mm(slope.t(), inputs, out=layer.weight.grad)
    torch.sum(slope, 0, out=layer.bias.grad)
