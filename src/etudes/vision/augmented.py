"""Training on altered views of pictures that stay on the device as bytes; the views are tensor operations on whole batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import fingerprint
from etudes.vision.classifying import PictureProblem
from etudes.vision.frozen import altered, intensities
from etudes.vision.imagenet import standardised
from etudes.vision.parameters import ViewParameters


def shrunk(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Pictures (N, S, S, 3) at ``side`` pixels a side, each pixel the mean of what it covers; as they are where S is ``side``."""
    if pixels.shape[1] == side:
        return pixels
    small = nn.functional.interpolate(intensities(pixels), size=(side, side), mode="area")
    return small.mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


@dataclass
class AugmentedProblem(PictureProblem):
    """`PictureProblem` whose training pictures are each shown in a view of their own, drawn anew whenever they are shown.

    The best epoch has the least loss on dev: of few dev pictures the loss says more than how many are right. Without a
    ``view`` the pictures are shown as they are. ``seed`` decides the views, together with the rows of the batch.
    """

    view: ViewParameters | None = None
    seed: int = 0
    monitor: str = "loss"
    maximise: bool = False

    @property
    def fingerprint(self) -> str:
        how = self.view.model_dump_json() if self.view else "as they are"
        return fingerprint(super().fingerprint, how, str(self.seed))

    def collate(self, indices: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        pixels, labels = self.taken(indices, device)
        batch = pixels.permute(0, 3, 1, 2).contiguous().to(torch.float32).div_(255)
        if self.view is not None:
            # The batch decides, so that a resumed run draws the same views.
            seed = np.random.SeedSequence([self.seed, *map(int, indices)]).generate_state(1, np.uint64)[0]
            batch = altered(batch, self.view, torch.Generator().manual_seed(int(seed >> np.uint64(1))))
        return standardised(batch), labels
