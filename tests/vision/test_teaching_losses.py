"""The losses against PyTorch's own, their limits, and what the controls keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import kl_div

from etudes.vision.teaching_losses import hint_loss, shuffled_logits, soft_loss

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (torch.randn(6, 5, generator=GENERATOR, dtype=torch.float64) * 3 for _ in range(2))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 7.0])
def test_the_soft_loss_is_the_divergence_of_softened_answers_summed_over_classes(temperature: float) -> None:
    found = soft_loss(STUDENT, TEACHER, temperature)
    q, p = (logits / temperature for logits in (STUDENT, TEACHER))
    theirs = kl_div(q.log_softmax(1), p.log_softmax(1), reduction="batchmean", log_target=True)
    torch.testing.assert_close(found.mean(), temperature**2 * theirs)
    # "mean", which the original used, divides by the number of classes as well.
    wrong = kl_div(q.log_softmax(1), p.log_softmax(1), reduction="mean", log_target=True)
    torch.testing.assert_close(found.mean(), temperature**2 * wrong * STUDENT.shape[1])


def test_a_student_that_answers_as_the_teacher_has_nothing_to_learn() -> None:
    student = (TEACHER + 3.0).requires_grad_()  # logits are free up to a constant
    loss = soft_loss(student, TEACHER, 4.0).sum()
    (gradient,) = torch.autograd.grad(loss, student)
    assert loss.item() == pytest.approx(0, abs=1e-12) and gradient.abs().max() < 1e-12


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_its_gradient_is_that_of_the_paper(temperature: float) -> None:
    student = STUDENT.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(soft_loss(student, TEACHER, temperature).sum(), student)
    expected = temperature * ((STUDENT / temperature).softmax(1) - (TEACHER / temperature).softmax(1))
    torch.testing.assert_close(gradient, expected)


def test_at_a_high_temperature_it_matches_logits() -> None:
    student = STUDENT.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(soft_loss(student, TEACHER, 1e5).sum(), student)
    centred = [logits - logits.mean(1, keepdim=True) for logits in (STUDENT, TEACHER)]
    torch.testing.assert_close(gradient, (centred[0] - centred[1]) / 5, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("student", "teacher", "temperature", "message"),
    [
        (torch.zeros(4), torch.zeros(4, 1), 1.0, "one shape"),
        (torch.zeros(4, 3), torch.zeros(4, 2), 1.0, r"\(4, 3\) of the student and \(4, 2\)"),
        (torch.zeros(4, 3), torch.zeros(4, 3), 0.0, "temperature = 0.0; expected above 0"),
    ],
)
def test_what_does_not_fit_is_refused(student, teacher, temperature: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        soft_loss(student, teacher, temperature)


def test_shuffled_answers_are_as_right_and_as_sure() -> None:
    logits = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    found = shuffled_logits(logits, 1)
    np.testing.assert_array_equal(found.argmax(1), logits.argmax(1))
    np.testing.assert_array_equal(np.sort(found, 1), np.sort(logits, 1))
    moved = (found != logits).mean()
    assert moved == pytest.approx((1 - 1 / 5) * 5 / 6, abs=0.03)  # of five others one in five stays by chance
    np.testing.assert_array_equal(found, shuffled_logits(logits, 1))
    assert (found != shuffled_logits(logits, 2)).any()


def test_a_hint_is_a_mean_of_squares() -> None:
    guess, hint = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(hint_loss(guess, hint), torch.tensor([2.5, 0.0]))
    with pytest.raises(ValueError, match="one shape"):
        hint_loss(guess, hint[:, 0])
