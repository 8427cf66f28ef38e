"""Attacks in a ball, against the published algorithms written out for one picture at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attack_toys import photos, untrained_victims
from etudes.vision.bounded import GaussianBlur, perturbed, projected
from etudes.vision.parameters import StepsParameters
from etudes.vision.victims import intensities

COUNT = 6


def settings(**changes: Any) -> StepsParameters:
    plain = {"norm": "linf", "steps": 5, "step": 0.3, "momentum": 0.0, "start": "picture"}
    return StepsParameters(**{**plain, "loss": "cross_entropy", "rounded": False, "enough": None, **changes})


@pytest.fixture
def view() -> nn.Module:
    return untrained_victims().view("cnn")


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    examples = photos(COUNT)
    return intensities(examples["pixels"], "cpu"), torch.from_numpy(
        examples.rows["label"].to_numpy(copy=True)
    )


def attack(
    view: nn.Module, batch: tuple[Tensor, Tensor], levels: float = 8, seed: int = 0, **changes: Any
) -> Tensor:
    pictures, labels = batch
    targeted = changes.pop("targeted", False)
    radius = torch.full(labels.shape, levels / 255)
    return perturbed(
        view, pictures, labels, radius, settings(**changes), np.random.default_rng(seed), targeted
    )


def published(
    view: nn.Module,
    picture: Tensor,
    label: int,
    radius: float,
    origin: Tensor,
    targeted: bool = False,
    **changes: Any,
) -> Tensor:
    """FGSM, its iterations, MI-FGSM and PGD for one picture (3, H, W), as the papers have them."""
    how, g, x = settings(**changes), torch.zeros_like(picture), origin.clone()
    sign = -1 if targeted else 1
    for _ in range(how.steps):
        x.requires_grad_()
        z = view(x[None])[0]
        others = torch.cat([z[:label], z[label + 1 :]])
        loss = -z.log_softmax(0)[label] if how.loss == "cross_entropy" else others.max() - z[label]
        (gradient,) = torch.autograd.grad(sign * loss, x)
        g = how.momentum * g + (gradient / gradient.abs().sum() if how.momentum else gradient)
        if how.norm == "linf":
            x = x.detach() + how.step * radius * g.sign()
            x = torch.max(torch.min(x, picture + radius), picture - radius)
        else:
            x = x.detach() + how.step * radius * g / g.square().sum().sqrt()
            moved = x - picture
            x = picture + moved * min(1.0, radius / float(moved.square().sum().sqrt()))
        x = x.clamp(0, 1)
    return x.detach()


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 1, "step": 1.0},
        {},
        {"momentum": 1.0},
        {"momentum": 0.5, "loss": "lead"},
        {"start": "uniform"},
        {"norm": "l2"},
        {"norm": "l2", "start": "uniform", "momentum": 0.9},
        {"targeted": True, "loss": "lead"},
    ],
    ids=str,
)
def test_all_attacks_are_those_of_the_papers(
    view: nn.Module, batch: tuple[Tensor, Tensor], changes: dict[str, Any]
) -> None:
    levels = 8.0 if changes.get("norm") != "l2" else 100.0
    found = attack(view, batch, levels, **changes)
    starts = attack(view, batch, levels, **{**changes, "steps": 0})
    for picture, label, start, own in zip(*batch, starts, found, strict=True):
        wanted = published(view, picture, int(label), levels / 255, start, **changes)
        # The sign of a gradient near zero is a matter of rounding, and decides about a pixel.
        same = (own - wanted).abs() < 1e-4
        assert same.float().mean() > 0.99


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("start", ["picture", "uniform", "corner"])
def test_nothing_leaves_the_ball_or_the_range(
    view: nn.Module, batch: tuple[Tensor, Tensor], norm: str, start: str
) -> None:
    found = attack(view, batch, 60, norm=norm, start=start, step=0.7)
    change = (found - batch[0]).flatten(1)
    size = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert found.min() >= 0 and found.max() <= 1
    assert (size <= 60 / 255 + 1e-6).all() and (size > 0).all()


def test_random_starts_fill_the_ball(view: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    grey = torch.full_like(batch[0], 0.5), batch[1]
    even = (attack(view, grey, 25.5, start="uniform", steps=0) - 0.5) * 10
    assert even.abs().max() <= 1 + 1e-5 and float(even.std()) == pytest.approx(1 / np.sqrt(3), rel=0.05)
    corner = (attack(view, grey, 25.5, start="corner", steps=0) - 0.5) * 10
    assert (
        torch.allclose(corner.abs(), torch.ones_like(corner), atol=1e-5) and abs(float(corner.mean())) < 0.1
    )
    lengths = (
        ((attack(view, grey, 25.5, start="corner", steps=0, norm="l2") - 0.5) * 10).flatten(1).norm(dim=1)
    )
    assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-4)


def test_a_loss_is_climbed_and_a_targets_is_descended(view: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    def loss(pictures: Tensor) -> Tensor:
        return nn.functional.cross_entropy(view(pictures), batch[1], reduction="none")

    before = loss(batch[0])
    assert (loss(attack(view, batch, 16)) > before).all()
    assert (loss(attack(view, batch, 16, targeted=True)) < before).all()


def test_done_pictures_are_left_as_they_are(view: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    pictures, answers = batch[0], view(batch[0]).argmax(1)
    wrong = (answers + 1) % 4
    wrong[0] = answers[0]
    found = attack(view, (pictures, wrong), 16, enough=0.0)
    assert torch.equal(found[1:], pictures[1:]) and not torch.equal(found[0], pictures[0])
    alone = attack(view, (pictures[:1], wrong[:1]), 16, enough=0.0)
    assert torch.allclose(alone, found[:1], atol=1e-6), "who else is in the batch decides nothing"


def test_a_done_picture_survives_rounding(view: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    labels = view(batch[0]).argmax(1)
    found = attack(view, (batch[0], labels), 40, enough=0.0, rounded=True, step=0.013, steps=40)
    turned = view(found).argmax(1) != labels
    assert turned.any()
    assert torch.equal(view((found * 255).round() / 255).argmax(1) != labels, turned)
    assert torch.allclose((found[turned] * 255).round(), found[turned] * 255, atol=1e-3)


def test_each_picture_has_a_ball_of_its_own(view: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    radius = torch.arange(COUNT) / 255
    found = perturbed(view, *batch, radius, settings(step=1.0), np.random.default_rng(0))
    assert torch.allclose((found - batch[0]).flatten(1).abs().amax(1), radius, atol=1e-6)
    changes = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    size = torch.tensor([1.0]).view(1, 1, 1, 1)
    assert projected(changes, size, "l2").flatten().tolist() == pytest.approx([0.6, 0.8])


def test_wrong_shapes_and_broken_networks_are_refused(view: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    pictures, labels = batch
    with pytest.raises(ValueError, match=r"radius \(1,\); expected"):
        perturbed(view, pictures, labels, torch.ones(1), settings(), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"classes \(6, 1\)"):
        perturbed(view, pictures, labels[:, None], torch.ones(6), settings(), np.random.default_rng(0))

    class Broken(nn.Module):
        def forward(self, some: Tensor) -> Tensor:
            return (some.mean((1, 2, 3)) * float("nan"))[:, None].expand(-1, 4)

    with pytest.raises(ValueError, match="not finite in step 0"):
        attack(Broken(), batch)


def test_the_blur_is_scipys() -> None:
    from scipy.ndimage import gaussian_filter

    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = GaussianBlur(1.2)(pictures).numpy()
    wanted = gaussian_filter(pictures.numpy(), 1.2, mode="mirror", radius=4, axes=(2, 3))
    assert np.allclose(found, wanted, atol=1e-5)
