"""Deletion and insertion of maps whose best order is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from etudes.vision.deletion import areas_of, score_curves
from etudes.vision.victims import View

SIDE = 24


def spot(count: int) -> np.ndarray:
    """Grey pictures with a red square up to the left."""
    found = np.full((count, SIDE, SIDE, 3), 100, dtype=np.uint8)
    found[:, 4:10, 4:10] = (255, 0, 0)
    return found


def test_scores_of_a_perfect_map_are_those_of_the_formula() -> None:
    """Where a score is the share of red pixels, deletion and insertion follow the order alone."""

    class Reds(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            red = (pictures[:, 0] > 1.5).float().mean((1, 2)).clamp(1e-6, 1 - 1e-6)
            return torch.stack([red.log(), (1 - red).log()], 1)

    how = SimpleNamespace(steps=4, veil=0.01, batch_size=5)
    heat = spot(2)[..., 0].astype(float)  # the square first, then the others by chance
    found = score_curves(View(Reds()), spot(2), np.array([0, 0]), [heat, -heat], how, 0)
    share = 36 / SIDE**2
    best = found["deletion"][0]
    assert (
        best.shape == (2, 5)
        and np.allclose(best[:, 0], share, atol=1e-4)
        and np.allclose(best[:, 1:], 0, atol=1e-4)
    )
    worst = found["deletion"][1]
    assert np.allclose(worst[:, :4], share, atol=1e-4)
    values = areas_of(found)
    assert np.allclose(values["faithfulness"], values["insertion"] - values["deletion"])
    assert (values["faithfulness"][0] > values["faithfulness"][1]).all()


def test_the_ends_are_the_photo_a_mean_colour_and_a_veil() -> None:
    """Nothing but the photo's own pixels is shown: what a network is asked at both ends of both curves."""
    seen: list[torch.Tensor] = []

    class Recorder(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            seen.append(pictures.clone())
            return torch.zeros(len(pictures), 2)

    photo = spot(1)
    how = SimpleNamespace(steps=2, veil=0.1, batch_size=1)
    score_curves(Recorder(), photo, np.array([1]), [np.zeros((1, SIDE, SIDE))], how, 0)  # type: ignore[arg-type]
    (start, covered), (veiled, end) = seen[0], seen[2]
    torch.testing.assert_close(start, torch.from_numpy(photo[0]).permute(2, 0, 1) / 255)
    assert torch.equal(end, start) and covered.flatten(1).std(1).max() < 1e-6
    torch.testing.assert_close(covered[:, 0, 0], torch.tensor([0.485, 0.456, 0.406]))
    assert veiled.std() < start.std() and torch.allclose(veiled.mean((1, 2)), start.mean((1, 2)), atol=0.02)
    half = seen[1][0]
    of_photo, of_cover = ((half == whole).all(0) for whole in (start, covered))
    assert (of_photo ^ of_cover).all() and of_photo.sum() == SIDE**2 // 2
