"""Every map by one signature: what is asked and a setting of the method's own give maps (N, H, W), higher is more important."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from etudes.pipelines.explainability.parameters import MapsParameters
from etudes.vision import attribution
from etudes.vision.heat_maps import blurred
from etudes.vision.imagenet import IMAGENET_MEAN
from etudes.vision.victims import View, local_layers

Own = float | str


@dataclass(frozen=True)
class Asked:
    """Photos and the classes that are to be explained.

    ``view`` gives logits (n, classes) of intensities (n, 3, H, W); ``photos`` (N, 3, H, W) in 0..1, ``classes`` (N,);
    ``seed`` decides what a method draws.
    """

    view: View
    photos: Tensor
    classes: Tensor
    how: MapsParameters
    seed: int

    def probabilities(self, pictures: Tensor) -> Tensor:
        """What covering pictures is scored by (n, classes)."""
        return self.view(pictures).softmax(1)

    @property
    def fill(self) -> Tensor:
        """What covers: ImageNet's mean colour, 0 for the network, (1, 3, 1, 1)."""
        return self.photos.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)


def random(asked: Asked, own: Own) -> Tensor:
    """Numbers that know nothing."""
    drawn = np.random.default_rng(asked.seed).random((len(asked.photos), *asked.photos.shape[2:]))
    return torch.from_numpy(drawn).to(asked.photos)


def centre(asked: Asked, own: Own) -> Tensor:
    """The nearer to the middle the higher: what photographers aim at."""
    height, width = asked.photos.shape[2:]
    one = torch.from_numpy(attribution.centre_map(height, width)).to(asked.photos)
    return one.expand(len(asked.photos), -1, -1)


def edges(asked: Asked, own: Own) -> Tensor:
    """How steep the grey picture is: it sees the photo and not the network."""
    return attribution.edge_map(asked.photos)


def saliency(asked: Asked, own: Own) -> Tensor:
    view = asked.view if own == "logit" else asked.probabilities
    return attribution.saliency(view, asked.photos, asked.classes)


def smoothgrad(asked: Asked, own: Own) -> Tensor:
    generator = torch.Generator(asked.photos.device).manual_seed(asked.seed)
    return attribution.smooth_gradients(
        asked.view, asked.photos, asked.classes, float(own), asked.how.copies, generator
    )


def integrated_gradients(asked: Asked, own: Own) -> Tensor:
    """From a black picture."""
    found = attribution.integrated_gradients(
        asked.view, asked.photos, asked.classes, torch.zeros_like(asked.photos[:1]), asked.how.steps
    ).sum(1)
    return found.abs() if own == "absolute" else found


def grad_cam(asked: Asked, own: Own) -> Tensor:
    layers, _ = local_layers(asked.view.network)
    return attribution.grad_cam(asked.view, layers[at_depth(layers, float(own))], asked.photos, asked.classes)


def occlusion(asked: Asked, own: Own) -> Tensor:
    """Squares of a share of the side, moved by half of theirs."""
    window = max(2, round(float(own) * min(asked.photos.shape[2:])))
    return attribution.occlusion(
        *(asked.probabilities, asked.photos, asked.classes, window, window // 2, asked.fill),
        asked.how.batch_size,
    )


def lime(asked: Asked, own: Own) -> Tensor:
    maps = []
    for place, (photo, label) in enumerate(zip(asked.photos, asked.classes.tolist(), strict=True)):
        pixels = (photo.permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()
        parts = attribution.segments(pixels, int(own))
        generator = np.random.default_rng([asked.seed, place])
        settings = (parts, asked.how.samples, asked.fill[0], asked.how.batch_size, generator)
        maps.append(attribution.lime(asked.probabilities, photo, label, *settings))
    return torch.stack(maps)


METHODS: dict[str, Callable[[Asked, Own], Tensor]] = {
    method.__name__: method
    for method in (
        *(random, centre, edges),
        *(saliency, smoothgrad, integrated_gradients, grad_cam, occlusion, lime),
    )
}


def tried(method: str, how: MapsParameters) -> tuple[Own, ...]:
    """Settings of a method's own that dev chooses among; none of what does not ask the network."""
    found: dict[str, tuple[Own, ...]] = {
        "saliency": how.score,
        "smoothgrad": how.noise,
        "integrated_gradients": how.channels,
        "grad_cam": how.depth,
        "occlusion": how.window,
        "lime": how.parts,
    }
    return found.get(method, ("",))


def at_depth(layers: list[nn.Module], depth: float) -> int:
    """Which of the layers lies at a share of them, the last at 1.

    Raises:
        ValueError: there are none.
    """
    if not layers:
        raise ValueError(
            "the network has no layers that are known to see neighbourhoods; name one that has convolutions"
        )
    return math.ceil(depth * len(layers)) - 1


def smoothed(maps: Tensor, share: float) -> Tensor:
    """Maps (N, H, W) behind a Gaussian whose deviation is a share of their side."""
    return blurred(maps, share * min(maps.shape[1:])) if share else maps
