"""A small network that learned to tell generated textures apart: what stands in for pretrained weights where there are none.

Convolutions without a loss that made them look at something are poor features; a minute of naming textures makes them useful.
No picture of any study is among the textures.
"""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

from etudes.training.fit import fit
from etudes.training.parameters import FitParameters, RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.vision.classifying import PictureProblem
from etudes.vision.taps import Taps


class TextureParameters(Protocol):
    """How it is trained: ``crops`` generated pictures of ``size`` pixels a side, a share of them for dev."""

    crops: int
    size: int
    dev_fraction: float
    width: int
    fit: FitParameters


def texture_stages(width: int) -> Taps:
    """Stages on grids of 1/4, 1/8 and 1/16 of the picture, with width, 2 width and 4 width channels."""

    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    first = nn.Sequential(*block(3, width, 2), *block(width, width, 2))
    second = nn.Sequential(*block(width, 2 * width, 2), *block(2 * width, 2 * width, 1))
    return Taps([first, second, nn.Sequential(*block(2 * width, 4 * width, 2))])


class TextureNetwork(nn.Module):
    """The stages and a linear answer to which family a texture is of."""

    def __init__(self, width: int, families: int) -> None:
        super().__init__()
        self.taps = texture_stages(width)
        self.head = nn.Linear(4 * width, families)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (n, families) of pictures (n, 3, H, W)."""
        return self.head(self.taps(batch)[-1].mean((2, 3)))


def learn_textures(parameters: TextureParameters, run: RunParameters) -> tuple[Taps, list[dict[str, Any]]]:
    """The stages with the weights of the best epoch on held-out textures, and the epochs."""
    from etudes.samples.textures_pretext import FAMILIES, texture_crops

    seed = derive_seed(run.seed, "textures")
    pixels, labels = texture_crops(parameters.crops, parameters.size, seed)
    seed_everything(seed)
    model = TextureNetwork(parameters.width, len(FAMILIES))
    n = max(1, round(parameters.dev_fraction * len(pixels)))
    parts = (pixels[n:], labels[n:], pixels[:n], labels[:n])
    problem = PictureProblem(model, *parts, parameters.fit.batch_size, even=True)
    return model.taps, fit(problem, parameters.fit, run)
