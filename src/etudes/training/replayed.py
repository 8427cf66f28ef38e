"""Updates of small networks, recorded once and replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

Weights = dict[str, Tensor]


class Replayed:
    """A function of weights and tensors whose tensor operations are recorded after some calls and then replayed.

    The numbers are the same to the last bit. What is saved is the way through the layers of vmap and grad, which for
    networks of this size costs more than the arithmetic. Recording takes as long as a hundred calls; a new shape is
    recorded anew.

    Args:
        function: pure; what it reads besides its arguments must not change between calls.
        after: how many calls of a shape are made as they are before one is recorded.
    """

    def __init__(self, function: Callable[..., tuple[Weights, Tensor]], after: int = 100) -> None:
        self._function, self._after = function, after
        self._calls: Counter[tuple[torch.Size, ...]] = Counter()
        self._recorded: dict[tuple[torch.Size, ...], Callable[..., tuple[Weights, Tensor]]] = {}

    def __call__(self, weights: Weights, *tensors: Tensor) -> tuple[Weights, Tensor]:
        from torch.fx.experimental.proxy_tensor import make_fx

        shapes = tuple(tensor.shape for tensor in tensors)
        self._calls[shapes] += 1
        if self._calls[shapes] <= self._after:
            with torch.no_grad():
                return self._function(weights, *tensors)
        if shapes not in self._recorded:
            # A lambda, because the tracer counts arguments by the signature and would count a method's `self`.
            recorded = make_fx(lambda first, *rest: self._function(first, *rest))(weights, *tensors)  # noqa: PLW0108
            recorded.graph.eliminate_dead_code()
            recorded.recompile()
            self._recorded[shapes] = recorded
        with torch.no_grad():
            return self._recorded[shapes](weights, *tensors)
