"""A small convolutional network with dropout, and many of its thinned networks asked in one pass. PyTorch alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

GAPS = 3  # places between the four stages where units may be dropped


class DropoutNetwork(nn.Module):
    """Two strided convolutions and two dense layers, with dropout before some of the last three.

    intensities (B, 1, S, S) in 0..1 -> logits (B, outputs); S must be a multiple of 4. In training a unit is kept with
    probability 1 - rate and then divided by it, so that in evaluation the weights are used as they are (the usual
    approximation, "weight averaging").

    Args:
        side: S.
        width: channels of the first convolution; the second has twice as many.
        hidden: units of the dense layer.
        outputs: classes.
        rate: share of units that is dropped.
        everywhere: also drop single values of the first convolution's maps; else before the two dense layers alone.
    """

    def __init__(
        self, side: int, width: int, hidden: int, outputs: int, rate: float, everywhere: bool = False
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(1, width, 5, stride=2, padding=2), nn.ReLU()),
                nn.Sequential(nn.Conv2d(width, 2 * width, 5, stride=2, padding=2), nn.ReLU(), nn.Flatten()),
                nn.Sequential(nn.Linear(2 * width * (side // 4) ** 2, hidden), nn.ReLU()),
                nn.Linear(hidden, outputs),
            ]
        )
        self.drops = nn.ModuleList(nn.Dropout(rate if gap or everywhere else 0.0) for gap in range(GAPS))
        # What one picture has before each of the later stages.
        self.shapes = [(width, side // 2, side // 2), (2 * width * (side // 4) ** 2,), (hidden,)]

    def forward(self, intensities: Tensor) -> Tensor:
        x = self.stages[0](intensities)
        for drop, stage in zip(self.drops, list(self.stages)[1:], strict=True):
            x = stage(drop(x))
        return x

    def masks(self, count: int, seed: int) -> list[Tensor | None]:
        """Draws of the approximate posterior: which units ``count`` thinned networks keep.

        Returns:
            For each gap (count, *shape of a picture there) with 0 and 1 / (1 - rate); None where nothing is dropped.
        """
        generator = torch.Generator().manual_seed(seed)
        found: list[Tensor | None] = []
        for drop, shape in zip(self.drops, self.shapes, strict=True):
            keep = 1 - float(drop.p)  # type: ignore[arg-type]
            drawn = torch.rand((count, *shape), generator=generator) < keep
            found.append(drawn.float() / keep if keep < 1 else None)
        return found

    def thinned(self, intensities: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        """Logits (T, B, outputs) of T thinned networks for the same pictures, in one pass.

        A draw is a network: it drops the same units whatever it is asked, so an answer does not depend on what else is in
        the batch. What lies before the first mask is the same for all of them and computed once.

        Args:
            intensities: (B, 1, S, S).
            masks: as `masks` gives them.

        Raises:
            ValueError: nothing is dropped anywhere.
        """
        drawn = [len(mask) for mask in masks if mask is not None]
        if not drawn:
            raise ValueError("nothing is dropped in this network: all its passes would be one")
        batch = len(intensities)
        x = self.stages[0](intensities).unsqueeze(0)  # (1, B, ...), and (T, B, ...) after the first mask
        for mask, stage in zip(masks, list(self.stages)[1:], strict=True):
            if mask is not None:
                x = x * mask.unsqueeze(1)
            x = stage(x.flatten(0, 1)).unflatten(0, (-1, batch))
        return x
