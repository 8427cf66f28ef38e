"""A network's weights as one vector: optimiser steps, running averages and copies become one operation each.

On networks of a few thousand weights, the time of these goes into the calls and not into the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def flatten_parameters(module: nn.Module, *, trained: bool = True) -> nn.Parameter:
    """Lay the parameters of ``module`` side by side in one vector (P,), of which they become views.

    Args:
        module: its parameters keep their values, and must not be replaced afterwards (copy into them instead).
        trained: give the vector a gradient (P,), of which the parameters' gradients are views. Zero it in place;
            ``zero_grad(set_to_none=True)`` would cut the views off.

    Returns:
        The vector, for an optimiser. It and the module always hold the same numbers.

    Raises:
        ValueError: no parameters, or parameters of several types.
    """
    import torch

    parameters = list(module.parameters())
    if not parameters or len({p.dtype for p in parameters}) > 1:
        raise ValueError("expected a module with parameters, all of one type")
    vector = torch.nn.Parameter(
        torch.cat([p.detach().reshape(-1) for p in parameters]), requires_grad=trained
    )
    gradient: Tensor | None = torch.zeros_like(vector, requires_grad=False) if trained else None
    vector.grad = gradient
    position = 0
    for parameter in parameters:
        part = slice(position, position + parameter.numel())
        parameter.data = vector.data[part].view_as(parameter)
        parameter.requires_grad_(trained)
        parameter.grad = None if gradient is None else gradient[part].view_as(parameter)
        position += parameter.numel()
    return vector


class FlatAdamW:
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101) on one vector, as plain operations::

        m ← β1 m + (1 - β1) g        v ← β2 v + (1 - β2) g²
        θ ← θ - η λ θ - η (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε)

    Args:
        vector: θ (P,), with its gradient g in ``vector.grad``.
        epsilon: ε.
        weight_decay: λ.
        betas: β1 and β2.
    """

    def __init__(
        self,
        vector: nn.Parameter,
        *,
        epsilon: float,
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        import torch

        self.vector, self.epsilon, self.weight_decay, self.betas = vector, epsilon, weight_decay, betas
        self.steps = 0
        self._mean, self._square = torch.zeros_like(vector.data), torch.zeros_like(vector.data)

    def step(self, learning_rate: float) -> None:
        """One step with the learning rate η.

        Raises:
            ValueError: the vector has no gradient.
        """
        vector, gradient = self.vector.data, self.vector.grad
        if gradient is None:
            raise ValueError("the vector has no gradient; make it with flatten_parameters(module)")
        self.steps += 1
        first, second = self.betas
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        if self.weight_decay:
            vector.mul_(1 - learning_rate * self.weight_decay)
        root = (1 - second**self.steps) ** 0.5
        deviation = self._square.sqrt().div_(root).add_(self.epsilon)
        vector.addcdiv_(self._mean, deviation, value=-learning_rate / (1 - first**self.steps))

    def state(self) -> dict[str, Any]:
        """Copies of what `restore` needs."""
        return {"steps": self.steps, "mean": self._mean.clone(), "square": self._square.clone()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.steps = int(state["steps"])
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
