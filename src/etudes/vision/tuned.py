"""Pretrained networks in two parts: a trunk that stays as it is, and a top that may learn on for other classes.

What the trunk gives for a picture never changes, so it is computed once for each view; training the top then costs a small
part of the whole network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import fingerprint
from etudes.models import register_model
from etudes.networks import NetworkModel, network_arrays
from etudes.training.parameters import RunParameters
from etudes.training.problem import ShuffledProblem
from etudes.vision.frozen import Projection, altered, intensities
from etudes.vision.imagenet import standardised
from etudes.vision.parameters import BackboneParameters, ViewParameters
from etudes.vision.pretrained import NETWORKS, untrained
from etudes.vision.textures import learn_textures, texture_stages

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


class Top(nn.Module):
    """The trunk's maps (n, C, h, w) -> logits (n, K): a linear layer on their means and on those of the stage that learns.

    The features are those of `Backbone.features`: C of the trunk and D of the stage.
    """

    def __init__(self, stage: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.stage, self.head = stage, nn.Linear(features, classes)

    def forward(self, maps: Tensor) -> Tensor:
        above = self.stage(maps)
        logits: Tensor = self.head(torch.cat([maps.mean((2, 3)), above.mean((2, 3))], 1))
        return logits


def started(
    stage: nn.Module, projection: Projection, weights: NDArray[np.float64], intercepts: NDArray[np.float64]
) -> Top:
    """A copy of a stage with the linear layer that answers V z + b of the features x (C + D,).

    Linear probing, then fine-tuning (Kumar et al. 2022, arXiv:2202.10054): from a drawn linear layer the first steps would
    pull the features about. z = (x - mean) P, so the layer is W = V P^T and b - W mean.

    Args:
        stage: its weights are copied.
        projection: mean (C + D,) and P (C + D, d).
        weights, intercepts: V (K, d) and b (K,).
    """
    linear = weights @ projection.weights.T
    top = Top(copy.deepcopy(stage), linear.shape[1], linear.shape[0])
    with torch.no_grad():
        top.head.weight.copy_(torch.from_numpy(linear))
        top.head.bias.copy_(torch.from_numpy(intercepts - linear @ projection.mean))
    return top.requires_grad_(True)


def empty_top(name: str, width: int, features: int, classes: int) -> Top:
    """A `Top` of a network by its name, its weights to be filled."""
    return Top(empty_parts(name, width).top, features, classes)


@register_model("tuned.top")
class TunedTop(NetworkModel):
    """A `Top` with its weights; ``config`` holds the arguments of `empty_top`."""

    network_class = staticmethod(empty_top)


@dataclass
class TopProblem(ShuffledProblem):
    """Cross-entropy of a `Top`; each training picture is shown in one of its views, drawn anew whenever it is shown.

    ``train`` are maps (N, V, C, h, w) of N pictures in V views, ``dev`` maps (M, C, h, w) of pictures as they are, both in
    half precision. ``start`` says how the linear layer was found that the model starts from.
    """

    model: nn.Module
    train: NDArray[np.float16]
    labels: NDArray[np.int64]
    dev: NDArray[np.float16]
    dev_labels: NDArray[np.int64]
    batch_size: int
    seed: int
    start: str = ""
    monitor: str = "loss"
    maximise: bool = False

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.train, self.labels, self.dev, self.dev_labels, f"{self.seed} {self.start}")

    def collate(self, indices: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        # The batch decides, so that a resumed run draws the same views.
        view = np.random.default_rng([self.seed, *map(int, indices)]).integers(
            0, self.train.shape[1], len(indices)
        )
        maps = torch.from_numpy(self.train[indices, view]).to(device).float()
        return maps.contiguous(memory_format=torch.channels_last), torch.from_numpy(self.labels[indices]).to(
            device
        )

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        maps, labels = batch
        losses = nn.functional.cross_entropy(model(maps), labels, reduction="none")
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        logits = model(torch.from_numpy(np.array(self.dev)).to(device).float())
        labels = torch.from_numpy(self.dev_labels).to(device)
        losses = nn.functional.cross_entropy(logits, labels)
        return {"loss": losses.item(), "accuracy": (logits.argmax(1) == labels).double().mean().item()}
