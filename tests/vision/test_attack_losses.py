"""What a strip is learned with: values, gradients, and shapes that are refused."""

from __future__ import annotations

import pytest
import torch

from etudes.vision.attack_losses import LOSSES, cross_entropy, lead, margin


def drawn(photos: int = 5, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(photos, classes, generator=generator, dtype=torch.float64)
    return logits, torch.full((photos,), 2)


def test_cross_entropy_equals_torch() -> None:
    logits, targets = drawn()
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    assert torch.allclose(cross_entropy(logits, targets), expected)


def test_margin_by_hand() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 1.0, 9.0]])
    assert margin(logits, torch.tensor([2, 2]), 5.0).tolist() == [6.0, 0.0]
    assert margin(logits, torch.tensor([0, 0]), 0.0).tolist() == [0.0, 9.0]


def test_margin_below_the_confidence_means_that_the_target_leads() -> None:
    logits, targets = drawn(200)
    leads = logits.argmax(1) == targets
    assert torch.equal(margin(logits, targets, 3.0) < 3.0, leads)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_bounded_below(name: str) -> None:
    """The original's minus the raw logit is not: it falls for ever as all logits grow."""
    logits, targets = drawn()
    assert (LOSSES[name](1e6 * logits, targets, 5.0) >= 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_equals_finite_differences(name: str) -> None:
    logits, targets = drawn()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: LOSSES[name](z, targets, 5.0), (logits,))


@pytest.mark.parametrize("name", LOSSES)
def test_mismatched_shapes_are_refused(name: str) -> None:
    logits, targets = drawn()
    for wrong in (targets[:, None], targets[:3], targets.double()):
        with pytest.raises(ValueError, match=r"expected \(N, classes\) and \(N,\) class indices, int64"):
            LOSSES[name](logits, wrong, 0.0)


def test_the_lead_of_the_best_other_class_by_hand() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 1.0, 9.0]])
    assert lead(logits, torch.tensor([0, 1])).tolist() == [-1.0, 8.0]
    assert torch.equal(
        margin(logits, torch.tensor([0, 1]), 3.0), (lead(logits, torch.tensor([0, 1])) + 3).clamp(min=0)
    )
    with pytest.raises(ValueError, match="class indices, int64"):
        lead(logits, torch.tensor([0]))
