"""A network that forgets what it learned, layer by layer, and keeps the scale of its weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

from etudes.vision.victims import View, local_layers


def cascade(view: View, levels: int, seed: int) -> Iterator[tuple[int, View]]:
    """The network with none, the last one, and ever more of its layers randomised from the last to the first.

    A layer's weights are put into a random order (each tensor for itself), which leaves their distribution as it is
    (Adebayo et al. 2018, cascading randomisation). Yields how many layers are randomised, and the view.
    """
    randomised = copy.deepcopy(view)
    local, head = local_layers(randomised.network)
    layers = [layer for layer in (head, *reversed(local)) if any(True for _ in layer.parameters())]
    counts = sorted({0, 1, *(round(step * len(layers) / levels) for step in range(1, levels + 1))})
    generator, done = torch.Generator().manual_seed(seed), 0
    for count in counts:
        for layer in layers[done:count]:
            for weights in layer.parameters():
                order = torch.randperm(weights.numel(), generator=generator).to(weights.device)
                weights.data = weights.data.flatten()[order].view(weights.shape)
        done = count
        yield count, randomised
