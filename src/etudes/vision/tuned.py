"""Pretrained networks in two parts: a trunk that stays as it is, and a top that may learn on for other classes.

What the trunk gives for a picture never changes, so it is computed once for each view; training the top then costs a small
part of the whole network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import fingerprint
from etudes.models import register_model
from etudes.networks import NetworkModel, network_arrays
from etudes.training.parameters import RunParameters
from etudes.vision.frozen import altered, intensities
from etudes.vision.imagenet import standardised
from etudes.vision.parameters import ViewParameters
from etudes.vision.pretrained import NETWORKS, untrained
from etudes.vision.textures import TextureParameters, learn_textures, texture_stages

TEXTURES = "textures"
AT_ONCE = 50  # pictures of one pass of the trunk
FloatArray = NDArray[np.float32]


class Parts(nn.Module):
    """``trunk``: pictures (n, 3, H, W), standardised -> maps (n, C, h, w); ``top``: maps -> maps (n, D, h', w')."""

    def __init__(self, trunk: nn.Sequential, top: nn.Sequential) -> None:
        super().__init__()
        self.trunk, self.top = trunk, top


def parts_of(network: nn.Module, name: str) -> Parts:
    """A network of torchvision cut where its last stage begins, without its classifier; the weights are shared.

    SqueezeNet is cut before its last two fire modules, a ResNet before ``layer4``, MobileNetV2 before its last four blocks.

    Raises:
        ValueError: a network whose last stage is not known here.
    """
    constructor = NETWORKS[name].constructor
    if constructor.startswith(("squeezenet1_1", "mobilenet_v2")):
        layers = network.get_submodule("features")
        assert isinstance(layers, nn.Sequential)
        place = 11 if constructor.startswith("squeezenet") else 14
        return Parts(layers[:place], layers[place:])
    if hasattr(network, "layer4"):
        before = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
        trunk = nn.Sequential(*(network.get_submodule(part) for part in before))
        return Parts(trunk, nn.Sequential(network.get_submodule("layer4")))
    raise ValueError(f"where the last stage of the network '{name}' begins is not known")


def empty_parts(name: str, width: int) -> Parts:
    """`parts_of` a network by its name, its weights to be filled; ``width`` is of `TEXTURES` alone."""
    if name != TEXTURES:
        return parts_of(untrained(name), name)
    first, second, third = texture_stages(width).stages
    return Parts(nn.Sequential(first, second), nn.Sequential(third))


class BackboneParameters(TextureParameters, Protocol):
    """Which network: one of `etudes.vision.pretrained`, or `TEXTURES`, which is trained here as the rest says."""

    network: str


@register_model("tuned.backbone")
class Backbone(NetworkModel):
    """A pretrained network in two parts, with its weights; ``config`` has its ``name`` and ``width``.

    ``fingerprint`` says which weights a result was made with.
    """

    network_class = staticmethod(empty_parts)
    fingerprint: str

    def __init__(self, network: Parts, config: Mapping[str, Any], **kept: Any) -> None:
        # Convolutions on the CPU are about twice as fast with the channels innermost.
        super().__init__(network.requires_grad_(False).to(memory_format=torch.channels_last), config, **kept)

    @classmethod
    def of(cls, pretrained: Any, parameters: BackboneParameters, run: RunParameters) -> Self:
        """A network by name from `Pretrained`, or one that learns to tell generated textures apart."""
        name = parameters.network
        if name != TEXTURES:
            parts = parts_of(pretrained.network(name), name)
            return cls(parts, {"name": name, "width": 0}, fingerprint=pretrained.fingerprint(name))
        first, second, third = learn_textures(parameters, run)[0].stages
        parts = Parts(nn.Sequential(first, second), nn.Sequential(third))
        known = fingerprint(*network_arrays(parts).values())
        return cls(parts, {"name": name, "width": parameters.width}, fingerprint=known)

    def maps(
        self, pixels: NDArray[np.uint8], view: ViewParameters | None = None, count: int = 0, seed: int = 0
    ) -> NDArray[np.float16]:
        """The trunk's maps (N, 1 + count, C, h, w) of each picture as it is and in ``count`` views, in half precision to be kept."""
        generator, found = torch.Generator().manual_seed(seed), []
        with torch.inference_mode():
            for at in range(0, len(pixels), AT_ONCE):
                batch = intensities(pixels[at : at + AT_ONCE])
                shown = [batch, *(altered(batch, view, generator) for _ in range(count) if view)]
                seen = [self.network.trunk(_innermost(standardised(one))) for one in shown]
                found.append(torch.stack(seen, 1).half())
        return torch.cat(found).numpy()

    def features(self, maps: NDArray[np.float16]) -> FloatArray:
        """The means (N, C + D) of both parts' maps, from the trunk's maps (N, C, h, w)."""
        found = []
        with torch.inference_mode():
            for at in range(0, len(maps), AT_ONCE):
                below = torch.from_numpy(np.array(maps[at : at + AT_ONCE])).float()
                above = self.network.top(_innermost(below))
                found.append(torch.cat([below.mean((2, 3)), above.mean((2, 3))], 1))
        return torch.cat(found).numpy()


def _innermost(batch: Tensor) -> Tensor:
    return batch.contiguous(memory_format=torch.channels_last)
