"""Learning a strip: passes that leave out what the strip cannot reach, against whole passes of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.table import Row, at_least
from benchmarks.timing import interleaved

PHOTOS, SIDE, ROWS, STEPS, REPEATS = 16, 224, 22, 2, 3


def strip_against_whole_passes() -> list[Row]:
    """Photos a second of a strip's gradient: `PastedPhotos` as it is, and by the whole passes that it
    makes where a view says the side of its photos.

    SqueezeNet 1.1 with random weights, 224 x 224 pixels, a strip of 22 rows; both with frozen weights and channels last.
    """
    import numpy as np
    import torch
    from torchvision import models

    from etudes.pipelines.adversarial_strip.reach import PastedPhotos
    from etudes.vision.attack_losses import cross_entropy
    from etudes.vision.victims import View

    torch.manual_seed(0)
    network = models.squeezenet1_1(weights=None).eval().requires_grad_(False)
    pixels = np.random.default_rng(0).integers(0, 256, size=(PHOTOS, SIDE, SIDE, 3), dtype=np.uint8)
    short, whole = (PastedPhotos(View(network, side), pixels, ROWS) for side in (None, SIDE))
    targets = torch.full((PHOTOS,), 2)

    def contestant(logits: Callable[[Any], Any]) -> Callable[[], None]:
        def steps() -> None:
            for _ in range(STEPS):
                strip = torch.full((3, ROWS, SIDE), 0.5, requires_grad=True)
                torch.autograd.grad(cross_entropy(logits(strip), targets).mean(), strip)

        return steps

    contestants = {"ours": contestant(short.logits), "bare": contestant(whole.logits)}
    for warm_up in contestants.values():
        warm_up()
    best = interleaved(contestants, REPEATS)
    speed = {name: STEPS * PHOTOS / times.wall for name, times in best.items()}
    note = f"gradient of a strip, SqueezeNet 1.1, {SIDE} pixels (best of {REPEATS})"
    return [at_least(note, speed["ours"], speed["bare"], 1.0, "photos/s")]
