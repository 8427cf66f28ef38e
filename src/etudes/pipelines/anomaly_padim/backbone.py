"""The network whose features are modelled: pretrained, or a small one that learns textures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from etudes.cards import fingerprint
from etudes.models import register_model
from etudes.networks import NetworkModel, network_arrays
from etudes.pipelines.anomaly_padim.parameters import BackboneParameters
from etudes.training.parameters import RunParameters
from etudes.vision.imagenet import normalised
from etudes.vision.taps import Taps, channel_counts, empty_taps, side_by_side, tapped
from etudes.vision.textures import learn_textures, texture_stages

TEXTURES = "textures"


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
        self, pixels: np.ndarray, channels: np.ndarray, batch_size: int, device: torch.device
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


def train_backbone(
    pretrained: Any, backbone: BackboneParameters, run: RunParameters
) -> tuple[Backbone, dict[str, Any]]:
    """The network whose features are modelled: one by name, or a small one that learns to tell generated textures apart."""
    epochs: list[dict[str, Any]] = []
    if (name := backbone.network) == TEXTURES:
        taps, epochs = learn_textures(backbone, run)
        weights = fingerprint(*network_arrays(taps).values())
        model = Backbone(taps, {"name": name, "width": backbone.width}, fingerprint=weights)
    else:
        model = Backbone.pretrained(pretrained, name)
    card = {"network": name, "fingerprint": model.fingerprint, "channels": model.channel_counts}
    return model, {**card, "epochs": epochs}
