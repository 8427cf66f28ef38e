"""What a network costs: operations and weights, which are counted, and the time of an answer, which is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def megaflops(network: nn.Module, *inputs: Tensor) -> float:
    """Floating-point operations of one forward pass, in millions; a multiplication and an addition are two.

    Convolutions and matrix products are counted (PyTorch's counter); what is linear in the activations, like normalisation and
    ReLU, is not.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return counter.get_total_flops() / 1e6


def weights(network: nn.Module) -> int:
    """Trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())


def latencies(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Milliseconds of a call, the least of ``rounds``, which is the one that was least disturbed.

    Every contestant is called once before; then they take turns, so that a slow moment of the machine hits all of them alike.

    Raises:
        ValueError: fewer than one round.
    """
    if rounds < 1:
        raise ValueError(f"rounds = {rounds}; expected at least 1")
    for call in contestants.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            start = time.perf_counter()
            call()
            taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: min(times) for name, times in taken.items()}
