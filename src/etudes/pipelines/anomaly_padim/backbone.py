"""The network whose features are modelled: pretrained, or a small one that learns textures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from etudes.cards import fingerprint
from etudes.models import register_model
from etudes.networks import NetworkModel, network_arrays
from etudes.pipelines.anomaly_padim.parameters import BackboneParameters
from etudes.training.parameters import RunParameters
from etudes.vision.classifying import PictureProblem
from etudes.vision.imagenet import normalised
from etudes.vision.taps import Taps, channel_counts, empty_taps, side_by_side, tapped

TEXTURES = "textures"


class Rows(Protocol):
    """Pictures (N, H, W, 3), uint8, that are read when they are sliced: an array, or some rows of a memory map."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> np.ndarray: ...


def texture_stages(width: int) -> Taps:
    """A small network on grids of 1/4, 1/8 and 1/16 of the picture, with width, 2 width and 4 width channels."""

    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    first = nn.Sequential(*block(3, width, 2), *block(width, width, 2))
    second = nn.Sequential(*block(width, 2 * width, 2), *block(2 * width, 2 * width, 1))
    return Taps([first, second, nn.Sequential(*block(2 * width, 4 * width, 2))])


def stages_of(name: str, width: int) -> Taps:
    """The stages of a network by name, their weights to be filled; ``width`` is of `TEXTURES` alone."""
    return texture_stages(width) if name == TEXTURES else empty_taps(name).to_empty(device="cpu")


@register_model("anomaly_padim.backbone")
class Backbone(NetworkModel):
    """A network cut into three stages, with its weights, so that it needs no weight file any more.

    ``config`` has its ``name`` and ``width``; ``fingerprint`` is of the weights: which network a result was made with.
    """

    network_class = staticmethod(stages_of)
    fingerprint: str

    def __init__(self, network: Taps, config: dict[str, Any], **kept: Any) -> None:
        # Convolutions on the CPU are about twice as fast with the channels innermost.
        super().__init__(network.requires_grad_(False).to(memory_format=torch.channels_last), config, **kept)
        self.channel_counts = channel_counts(self.network)

    @classmethod
    def pretrained(cls, networks: Any, name: str) -> Self:
        """A network of `etudes.vision.pretrained.Pretrained`; errors are of its methods."""
        taps = tapped(networks.network(name), name)
        return cls(taps, {"name": name, "width": 0}, fingerprint=networks.fingerprint(name))

    @property
    def channels(self) -> int:
        return sum(self.channel_counts)

    def stage_of(self, channels: np.ndarray) -> np.ndarray:
        """Which stage, counted from 1, each of the channels (C,) is from."""
        return np.searchsorted(np.cumsum(self.channel_counts), channels, side="right") + 1

    def embed(
        self, pixels: Rows, channels: np.ndarray, batch_size: int, device: torch.device
    ) -> Iterator[Tensor]:
        """Patch vectors (n, C, H, W) of pictures (N, H', W', 3), uint8, batch by batch, on ``device``.

        Only one batch is in memory.
        """
        taps = self.network.to(device)
        chosen = torch.from_numpy(np.asarray(channels, dtype=np.int64))
        with torch.inference_mode():
            for start in range(0, len(pixels), batch_size):
                batch = normalised(pixels[start : start + batch_size], str(device))
                maps = taps(batch.contiguous(memory_format=torch.channels_last))
                yield side_by_side(maps, chosen)


class PretextNetwork(nn.Module):
    """The stages of `textures` and a linear answer to which family a texture is of."""

    def __init__(self, width: int, families: int) -> None:
        super().__init__()
        self.taps = texture_stages(width)
        self.head = nn.Linear(4 * width, families)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (n, families) of pictures (n, 3, H, W)."""
        return self.head(self.taps(batch)[-1].mean((2, 3)))


class PretextProblem(PictureProblem):
    """Telling families of generated textures apart, in batches of nearly equal size."""

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        order = generator.permutation(len(self.train))
        return np.array_split(order, max(1, len(order) // self.batch_size))


def train_backbone(
    pretrained: Any, backbone: BackboneParameters, run: RunParameters
) -> tuple[Backbone, dict[str, Any]]:
    """The network whose features are modelled: one by name, or a small one trained on generated textures."""
    epochs: list[dict[str, float]] = []
    if backbone.network == TEXTURES:
        model, epochs = learn_textures(backbone, run)
    else:
        model = Backbone.pretrained(pretrained, backbone.network)
    card = {"network": backbone.network, "fingerprint": model.fingerprint, "channels": model.channel_counts}
    return model, {**card, "epochs": epochs}


def learn_textures(
    parameters: BackboneParameters, run: RunParameters
) -> tuple[Backbone, list[dict[str, float]]]:
    """Train the small network to name the family of generated textures; no picture of a category is among them.

    Returns:
        The backbone, its weights those of the best epoch on held-out crops, and the epochs.
    """
    from etudes.samples.textures_pretext import FAMILIES, texture_crops
    from etudes.training.fit import fit
    from etudes.training.seeds import derive_seed, seed_everything

    seed = derive_seed(run.seed, "textures")
    pixels, labels = texture_crops(parameters.crops, parameters.size, seed)
    seed_everything(seed)
    model = PretextNetwork(parameters.width, len(FAMILIES))
    n = max(1, round(parameters.dev_fraction * len(pixels)))
    held_out = (pixels[:n], labels[:n])
    problem = PretextProblem(model, pixels[n:], labels[n:], *held_out, parameters.fit.batch_size)
    epochs = fit(problem, parameters.fit, run)
    weights = fingerprint(*network_arrays(model.taps).values())
    return Backbone(model.taps, {"name": TEXTURES, "width": parameters.width}, fingerprint=weights), epochs
