"""Dropout that may stay on when a network is asked, and many of its thinned networks asked one after the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etudes.training.seeds import derive_seed


class Thinning(nn.Dropout):
    """Dropout. In evaluation a ``generator``, where one is set, draws which units are left out, the same for all of a batch."""

    generator: torch.Generator | None = None

    def forward(self, batch: Tensor) -> Tensor:
        """(n, ...) as it came in, with units of (...) left out and the others divided by the share that is kept."""
        if self.training or self.generator is None or self.p == 0:
            return super().forward(batch)
        keep = 1 - self.p
        drawn = torch.rand(batch.shape[1:], generator=self.generator).to(batch.device)
        return batch * (drawn < keep) / keep


def thinned(network: nn.Module, pictures: Tensor, passes: int, seed: int) -> Tensor:
    """Answers (T, N, ...) of T thinned networks to the same pictures: draws of the approximate posterior over weights
    (Gal and Ghahramani 2016, arXiv:1506.02142).

    A draw follows from ``seed`` and its number alone: it leaves out the same units whatever it is asked, so an answer does
    not depend on what else is in the batch.

    Args:
        network: in evaluation, with `Thinning` in it.
        pictures: (N, ...), all of one shape: another shape has other units.
        passes: T.
        seed: of the draws.

    Raises:
        ValueError: nothing is dropped anywhere.
    """
    drops = [module for module in network.modules() if isinstance(module, Thinning) and module.p > 0]
    if not drops:
        raise ValueError("nothing is dropped in this network: all its passes would be one")
    found = []
    try:
        for number in range(passes):
            generator = torch.Generator().manual_seed(derive_seed(seed, "pass", number))
            for drop in drops:
                drop.generator = generator
            found.append(network(pictures))
    finally:
        for drop in drops:
            drop.generator = None
    return torch.stack(found)
