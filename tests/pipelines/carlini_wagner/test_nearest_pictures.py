"""Searches for the nearest picture, against a closed form, autograd with torch's own Adam, and the published algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attack_toys import photos, untrained_victims
from etudes.pipelines.carlini_wagner.balls import in_smallest_ball
from etudes.pipelines.carlini_wagner.deepfool import deepfool
from etudes.pipelines.carlini_wagner.margins import nearest
from etudes.pipelines.carlini_wagner.model import steps
from etudes.pipelines.carlini_wagner.parameters import Parameters
from etudes.vision.attack_losses import lead
from etudes.vision.victims import intensities
from study_settings import settings_of

settings = settings_of("carlini_wagner", Parameters)
PIXELS = 3 * 8 * 8


class Half(nn.Module):
    """Answers 1 where the mean intensity is above a half: the boundary is a plane, at |mean - 1/2| sqrt(D) from a picture."""

    def forward(self, pictures: Tensor) -> Tensor:
        above = 40 * (pictures.mean((1, 2, 3)) - 0.5)
        return torch.stack([0 * above, above, above - 100], 1)


def margin(**changes: Any) -> Any:
    plain = {"constant": 1.0, "factor": 4.0, "searches": 6, "steps": 80, "check": 10, "progress": 0.9999}
    return settings("margin", **{**plain, "decay": 0.05, "confidence": 0.0, **changes})


def balls(**changes: Any) -> Any:
    return settings("balls", **{"narrowest": 0.01, "widest": 10.0, "halvings": 12, "steps": 4, **changes})


def greys() -> tuple[Tensor, Tensor, Tensor]:
    """Even pictures below a half, what the network answers to them, and their distances from the boundary."""
    levels = torch.tensor([0.3, 0.4, 0.45, 0.49])
    pictures = levels[:, None, None, None].expand(-1, 3, 8, 8).clone()
    return pictures, torch.zeros(4, dtype=torch.int64), (0.5 - levels) * PIXELS**0.5


def far(found: Tensor, pictures: Tensor) -> Tensor:
    return (found - pictures).flatten(1).norm(dim=1)


@pytest.fixture
def batch() -> tuple[nn.Module, Tensor, Tensor]:
    examples, view = photos(6), untrained_victims().view("cnn")
    pictures = intensities(examples["pixels"], "cpu")
    with torch.no_grad():
        return view, pictures, view(pictures).argmax(1)


def test_every_search_finds_the_plane() -> None:
    pictures, labels, wanted = greys()
    found = {
        "margin": nearest(Half(), pictures, labels, margin(), 0.05),
        "deepfool": deepfool(Half(), pictures, labels, settings("fooling", steps=9), 0.02),
        "fgm": in_smallest_ball(Half(), pictures, labels, steps("fgm", 1.0, balls()), balls(), 0),
        "pgd": in_smallest_ball(Half(), pictures, labels, steps("pgd", 0.5, balls()), balls(steps=8), 0),
    }
    for name, moved in found.items():
        assert (Half()(moved).argmax(1) == 1).all(), name
        ratio = far(moved, pictures) / wanted
        assert (ratio > 0.999).all() and (ratio < 1.1).all(), (name, ratio)


def test_a_random_direction_needs_much_more() -> None:
    pictures, labels, wanted = greys()
    wide = balls(widest=50.0)
    moved = in_smallest_ball(Half(), pictures, labels, steps("noise", 1.0, wide), wide, 0)
    turned = Half()(moved).argmax(1) == 1
    assert (far(moved, pictures)[turned] > 2 * wanted[turned]).all()
    assert torch.equal(moved[~turned], pictures[~turned]), "what withstands stays as it was"


def test_one_constant_is_descent_on_the_published_objective(batch: tuple[nn.Module, Tensor, Tensor]) -> None:
    view, pictures, labels = batch
    how, rate = margin(searches=1, steps=12, progress=1e9, decay=1.0, constant=3.0), 0.05
    found = nearest(view, pictures, labels, how, rate)
    for place in range(len(pictures)):
        picture, label = pictures[place : place + 1], labels[place : place + 1]
        w = torch.atanh((picture * 2 - 1) * (1 - 1e-6)).requires_grad_()
        optimiser, best = torch.optim.Adam([w], lr=rate), (float("inf"), picture)
        for _ in range(12):
            x = (torch.tanh(w) + 1) / 2
            logits = view(x)
            rest = logits.masked_fill(nn.functional.one_hot(label, 4).bool(), -torch.inf).max()
            ahead, square = rest - logits[0, label[0]], (x - picture).square().sum()
            if ahead > 0 and square < best[0]:
                best = (square.item(), x.detach())
            optimiser.zero_grad()
            (square + 3.0 * (-ahead).clamp(min=0)).backward()
            optimiser.step()
        assert torch.allclose(found[place], best[1][0], atol=2e-4), place
    assert (far(found, pictures) > 0).any()


def test_more_constants_come_nearer_and_pictures_do_not_depend_on_each_other(
    batch: tuple[nn.Module, Tensor, Tensor],
) -> None:
    view, pictures, labels = batch
    one, many = (nearest(view, pictures, labels, margin(searches=n, constant=100.0), 0.02) for n in (1, 5))
    assert (far(many, pictures) <= far(one, pictures) + 1e-6).all()
    assert far(many, pictures).mean() < 0.9 * far(one, pictures).mean()
    alone = torch.cat([nearest(view, p[None], y[None], margin(searches=5, constant=100.0), 0.02)
                       for p, y in zip(pictures, labels, strict=True)])  # fmt: skip
    assert torch.allclose(far(alone, pictures), far(many, pictures), rtol=0.05)


def test_a_constant_too_small_rises_until_the_picture_turns() -> None:
    pictures, labels, _ = greys()
    tiny = margin(constant=1e-4, searches=1)
    assert torch.equal(nearest(Half(), pictures, labels, tiny, 0.002), pictures)
    risen = nearest(Half(), pictures, labels, margin(constant=1e-4, factor=20.0, searches=6), 0.002)
    assert (Half()(risen).argmax(1) == 1).all()


def test_the_asked_lead_is_reached_and_costs_distance() -> None:
    pictures, labels, wanted = greys()
    found = nearest(Half(), pictures, labels, margin(confidence=2.0), 0.05)
    assert (lead(Half()(found), labels) >= 2.0 - 1e-4).all()
    further = 2.0 / 40 * PIXELS**0.5
    assert torch.allclose(far(found, pictures), wanted + further, rtol=0.05)


def test_rounded_pictures_are_those_of_a_file_and_still_turned(
    batch: tuple[nn.Module, Tensor, Tensor],
) -> None:
    view, pictures, labels = batch
    found = nearest(view, pictures, labels, margin(), 0.02, rounded=True)
    turned = view(found).argmax(1) != labels
    assert turned.all() and torch.allclose(found * 255, (found * 255).round(), atol=1e-3)
    free = nearest(view, pictures, labels, margin(), 0.02)
    assert far(free, pictures).mean() <= far(found, pictures).mean()
    assert not torch.allclose(free * 255, (free * 255).round(), atol=1e-3)


def test_targets_are_reached(batch: tuple[nn.Module, Tensor, Tensor]) -> None:
    view, pictures, labels = batch
    wanted = (labels + 1) % 4
    found = (
        nearest(view, pictures, wanted, margin(constant=100.0), 0.05, targeted=True),
        deepfool(view, pictures, wanted, settings("fooling", steps=60), 0.05, targeted=True),
    )
    for moved in found:
        reached = view(moved).argmax(1) == wanted
        assert reached.sum() >= 4 and moved.min() >= 0 and moved.max() <= 1
    there = nearest(view, pictures, labels, margin(), 0.05, targeted=True)
    assert torch.allclose(there, pictures, atol=1e-5), "the picture itself is the nearest"


def test_deepfool_takes_the_nearest_of_several_planes() -> None:
    class Corner(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            red, green = pictures[:, 0].mean((1, 2)), pictures[:, 1].mean((1, 2))
            return torch.stack([torch.full_like(red, 0.5), red, 0.2 + green], 1) * 30

    picture = torch.full((1, 3, 8, 8), 0.25)
    for rivals, channel in ((2, 1), (1, 1)):
        moved = deepfool(Corner(), picture, torch.tensor([0]), settings("fooling", rivals=rivals), 0.02)
        change = (moved - picture).abs().mean((0, 2, 3))
        assert change.argmax() == channel and change[channel] == pytest.approx(0.05 * 1.02, rel=0.02)
        assert change[2] == 0


def test_other_shapes_and_broken_networks_are_refused(batch: tuple[nn.Module, Tensor, Tensor]) -> None:
    view, pictures, labels = batch
    for search in (
        lambda y: nearest(view, pictures, y, margin(), 0.01),
        lambda y: deepfool(view, pictures, y, settings("fooling"), 0.02),
    ):
        with pytest.raises(ValueError, match=r"classes \(6, 1\); expected \(N, 3, H, W\) and \(N,\)"):
            search(labels[:, None])

    class Broken(nn.Module):
        def forward(self, some: Tensor) -> Tensor:
            return (some.mean((1, 2, 3)) * float("nan"))[:, None].expand(-1, 4)

    with pytest.raises(ValueError, match="not finite"):
        nearest(Broken(), pictures, labels, margin(), 0.01)


def test_the_radius_is_one_for_each_picture() -> None:
    pictures, labels, wanted = greys()
    generator = np.random.default_rng(0)
    order = torch.from_numpy(generator.permutation(4))
    how = steps("fgm", 1.0, balls())
    found = in_smallest_ball(Half(), pictures[order], labels, how, balls(), 0)
    assert torch.allclose(far(found, pictures[order]), wanted[order], rtol=0.03)
