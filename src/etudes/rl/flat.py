"""Weights of one or several networks as one tensor: an optimiser step is a few operations.

On networks of a few thousand weights, the time of these goes into the calls and not into the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class FlatAdamW:
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101) on one tensor, as plain operations::

        m ← β1 m + (1 - β1) g        v ← β2 v + (1 - β2) g²
        θ ← θ - η λ θ - η (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε)

    Args:
        weights: θ, of any shape; changed in place.
        epsilon: ε.
        weight_decay: λ.
        betas: β1 and β2.
    """

    def __init__(
        self,
        weights: Tensor,
        *,
        epsilon: float,
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        import torch

        self.weights, self.epsilon, self.weight_decay, self.betas = weights, epsilon, weight_decay, betas
        self.steps = 0
        self._mean, self._square = torch.zeros_like(weights), torch.zeros_like(weights)

    def step(self, gradient: Tensor, learning_rate: float | Tensor) -> None:
        """One step along the gradient g with the learning rate η, a number or one for each row, of shape (rows, 1).

        Raises:
            ValueError: the gradient has another shape.
        """
        weights = self.weights
        if gradient.shape != weights.shape:
            raise ValueError(
                f"weights {tuple(weights.shape)}, gradient {tuple(gradient.shape)}: expected one shape"
            )
        self.steps += 1
        first, second = self.betas
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        if self.weight_decay:
            weights.mul_(1 - learning_rate * self.weight_decay)
        root = (1 - second**self.steps) ** 0.5
        deviation = self._square.sqrt().div_(root).add_(self.epsilon)
        rate = learning_rate / (1 - first**self.steps)
        if isinstance(rate, float):
            weights.addcdiv_(self._mean, deviation, value=-rate)
        else:
            weights.addcmul_(self._mean.div(deviation), -rate)

    def state(self) -> dict[str, Any]:
        """Copies of what `restore` needs."""
        return {"steps": self.steps, "mean": self._mean.clone(), "square": self._square.clone()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.steps = int(state["steps"])
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
