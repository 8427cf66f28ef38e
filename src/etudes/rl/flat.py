"""A network's weights as one vector: optimiser steps, running averages and copies become one operation each.

On networks of a few thousand weights, the time of these goes into the calls and not into the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
