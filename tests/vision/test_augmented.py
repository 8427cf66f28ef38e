"""Views drawn in training: the bytes stay as they are, the batch decides, and without a view nothing is altered."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from etudes.vision.augmented import AugmentedProblem, shrunk
from etudes.vision.imagenet import normalised
from etudes.vision.parameters import ViewParameters

MIRROR = ViewParameters(shift=0, turn=0, zoom=0, shear=0, light=0, mirror=True)
CPU = torch.device("cpu")


def problem(view: ViewParameters | None, seed: int = 0) -> AugmentedProblem:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(12) % 3
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    return AugmentedProblem(
        network, pixels, labels, pixels[:3], labels[:3], batch_size=4, view=view, seed=seed
    )


def test_without_a_view_batches_are_those_of_standardised_pictures() -> None:
    plain, rows = problem(None), np.array([5, 0, 7])
    pictures, labels = plain.collate(rows, CPU)
    torch.testing.assert_close(pictures, normalised(plain.train[rows]))
    assert labels.tolist() == [2, 0, 1]


def test_each_picture_of_a_batch_is_mirrored_or_not_and_the_batch_decides() -> None:
    mirrored, rows = problem(MIRROR), np.arange(12)
    pictures, _ = mirrored.collate(rows, CPU)
    plain = normalised(mirrored.train)
    same, other = ((pictures - p).abs().amax((1, 2, 3)) < 1e-4 for p in (plain, plain.flip(3)))
    assert (same ^ other).all() and 0 < int(other.sum()) < 12
    torch.testing.assert_close(problem(MIRROR).collate(rows, CPU)[0], pictures, rtol=0, atol=0)
    others = [
        problem(MIRROR, seed=1).collate(rows, CPU)[0],
        mirrored.collate(np.roll(rows, 1), CPU)[0].roll(-1, 0),
    ]
    assert all((seen - pictures).abs().max() > 0.1 for seen in others)


def test_dev_is_never_altered_and_the_fingerprint_knows_view_and_seed() -> None:
    found = problem(MIRROR)
    with torch.inference_mode():
        logits = found.model(normalised(found.dev))
        expected = nn.functional.cross_entropy(logits, torch.from_numpy(found.dev_labels)).item()
        assert abs(found.evaluate(found.model, CPU)["loss"] - expected) < 1e-5
    assert len({problem(v, s).fingerprint for v, s in ((MIRROR, 0), (None, 0), (MIRROR, 1))}) == 3


def test_shrunk_pixels_are_the_means_of_what_they_cover() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 12, 12, 3), dtype=np.uint8)
    means = pixels.reshape(2, 4, 3, 4, 3, 3).mean(axis=(2, 4))
    assert np.abs(shrunk(pixels, 4) - means).max() <= 0.51 and shrunk(pixels, 4).dtype == np.uint8
    assert shrunk(pixels, 12) is pixels
