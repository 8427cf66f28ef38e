"""Self-training: losses and pseudo-labels by hand, bounds and arms on clouds whose classes are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from etudes.benches.few_labels import UNKNOWN
from etudes.pipelines.self_training import learning
from etudes.pipelines.self_training.learning import Pool, pseudo_labels, soft_cross_entropy
from etudes.pipelines.self_training.parameters import ArmsParameters, LearningParameters

SETTINGS = LearningParameters(
    components=2, hidden=32, steps=60, batch=16, ratio=4, learning_rate=0.01, weight_decay=0.0, weight=1.0
)
ARMS = ArmsParameters(rounds=4, share=0.8, threshold=0.9, temperature=0.5, agreement=0.9)
P = np.array([[0.9, 0.1, 0.0], [0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6], [0.95, 0.05, 0.0]])
NONE = np.full(5, UNKNOWN)


def bands(seed: int = 0, n: int = 400) -> tuple[Pool, np.ndarray, np.ndarray]:
    """A pool of three long bands, truth, and labels of two pictures of each, in its middle; strong views lie along the band."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    along = generator.uniform(0, 5, n)
    along[:6] = generator.uniform(2, 3, 6)
    z = np.stack([along, truth * 2 + 0.3 * along + generator.normal(0, 0.25, n)], axis=1).astype(np.float32)
    weak = z[:, None] + generator.normal(0, 0.02, (n, 2, 2)).astype(np.float32)
    slide = generator.uniform(-1.2, 1.2, (n, 2))
    strong = z[:, None] + np.stack([slide, 0.3 * slide], axis=2).astype(np.float32)
    return Pool(z, weak, strong, 3, n), truth, np.where(np.arange(n) < 6, truth, UNKNOWN)


def accuracy(variant: str, pool: Pool, truth: np.ndarray, labels: np.ndarray, **changed: Any) -> float:
    settings = SETTINGS.model_copy(update=changed)
    rule = learning.learn(variant, pool, labels, settings, ARMS, 0).rule
    return float((rule.predict_proba(pool.z).argmax(1) == truth).mean())


def test_soft_cross_entropy_is_that_of_torch() -> None:
    logits, targets = torch.randn(7, 4), torch.rand(7, 4)
    theirs = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(soft_cross_entropy(logits, targets), theirs)
    assert not soft_cross_entropy(logits, torch.zeros(7, 4)).any(), "no pseudo-label costs nothing"


@pytest.mark.parametrize("shape", [(7,), (7, 1), (4, 7)])
def test_targets_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must both be \(B, C\)"):
        soft_cross_entropy(torch.randn(7, 4), torch.rand(shape))


def test_threshold_takes_what_is_sure_enough_and_nothing_else() -> None:
    answers, targets = pseudo_labels("threshold", P, np.array([1, 1, 1, 1, 1]), np.ones(3) / 3, 1.0, ARMS)
    assert answers.tolist() == [0, UNKNOWN, UNKNOWN, UNKNOWN, 0]
    np.testing.assert_array_equal(targets, np.eye(4)[answers][:, :3])


def test_most_confident_adds_the_surest_and_keeps_what_was_taught() -> None:
    first, _ = pseudo_labels("most_confident", P, NONE, np.ones(3) / 3, 0.5, ARMS)  # 0.5 * 0.8 * 5 = 2
    assert first.tolist() == [0, UNKNOWN, UNKNOWN, UNKNOWN, 0]
    second, _ = pseudo_labels("most_confident", P[:, ::-1], first, np.ones(3) / 3, 0.75, ARMS)  # one more
    assert second.tolist() == [0, UNKNOWN, 1, UNKNOWN, 0], "though the network now answers otherwise"


def test_per_class_gives_every_class_its_share() -> None:
    answers, _ = pseudo_labels("per_class", P, NONE, np.ones(3) / 3, 1.0, ARMS)  # 4 of 5, 1.33 each: one
    assert answers.tolist() == [UNKNOWN, UNKNOWN, 1, 2, 0]


def test_soft_labels_sharpen_to_the_square_at_temperature_one_half() -> None:
    answers, targets = pseudo_labels("soft", P, NONE, np.ones(3) / 3, 0.2, ARMS)
    np.testing.assert_allclose(targets, P**2 / (P**2).sum(1, keepdims=True))
    np.testing.assert_array_equal(answers, P.argmax(1))


def test_few_labels_are_the_lower_bound_and_all_the_upper() -> None:
    pool, truth, labels = bands()
    lower, upper = accuracy("supervised", pool, truth, labels), accuracy("all_labels", pool, truth, truth)
    assert lower < upper - 0.03 and upper > 0.9


@pytest.mark.parametrize("variant", ["threshold", "most_confident", "per_class"])
def test_a_round_teaches_only_pictures_without_a_label_and_the_truth_is_never_read(variant: str) -> None:
    pool, _, labels = bands()
    learned = learning.learn(variant, pool, labels, SETTINGS, ARMS, 0)
    assert len(learned.rounds) == ARMS.rounds
    for one in learned.rounds:
        assert (one.answers[:6] == UNKNOWN).all() and (one.answers != UNKNOWN).any()
    if variant == "most_confident":
        counts = [int((one.answers != UNKNOWN).sum()) for one in learned.rounds]
        assert counts == [round(0.8 * 394 * k / 4) for k in (1, 2, 3, 4)]


def test_consistency_reaches_along_the_bands_beyond_augmentation_alone() -> None:
    pool, truth, labels = bands()
    assert accuracy("consistency", pool, truth, labels) > accuracy("augmented", pool, truth, labels) + 0.02


def test_a_bar_that_no_answer_reaches_leaves_the_lower_bound() -> None:
    pool, _, labels = bands()
    never = ARMS.model_copy(update={"threshold": 1 - 1e-12})
    plain = learning.learn("supervised", pool, labels, SETTINGS, ARMS, 3)
    taught = learning.learn("threshold", pool, labels, SETTINGS, never, 3)
    np.testing.assert_array_equal(taught.rule.predict_proba(pool.z), plain.rule.predict_proba(pool.z))
    assert all((one.answers == UNKNOWN).all() for one in taught.rounds)


def test_the_loss_of_consistency_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, _, labels = bands()
    found: dict[str, Any] = {}

    def caught(pool: Pool, batch: Any, further: Any, *rest: Any) -> None:
        found["further"] = further

    monkeypatch.setattr(learning, "descend", caught)
    learning.consistency(pool, labels, SETTINGS, ARMS, 0)
    torch.manual_seed(1)
    head = torch.nn.Linear(2, 3)
    torch.nn.init.normal_(head.weight, std=2.0)  # sure of some, unsure of others
    loss = found["further"](head, torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(2)
    rows = torch.randint(400, (64,), generator=generator)
    of_weak, of_strong = torch.randint(2, (2, 64), generator=generator)
    total, counted = 0.0, 0
    for row, w, s in zip(rows, of_weak, of_strong, strict=True):
        q = head(torch.from_numpy(pool.weak[row, w])).softmax(0)
        if q.max() >= ARMS.agreement:
            p = head(torch.from_numpy(pool.strong[row, s])).softmax(0)
            total, counted = total - p[q.argmax()].log().item(), counted + 1
    assert 0 < counted < 64, "some are sure enough, some are not"
    assert loss.item() == pytest.approx(total / 64, rel=1e-4)
    weak = torch.autograd.grad(loss, head.weight)[0]
    assert weak.abs().max() > 0


def test_gradient_of_the_loss_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    head = learning.Head(3, 5, 2).double()
    z, targets = torch.randn(6, 3).double(), torch.rand(6, 2).double()
    assert torch.autograd.gradcheck(lambda x: soft_cross_entropy(head(x), targets), (z.requires_grad_(),))


def test_same_seed_same_network() -> None:
    pool, _, labels = bands()
    once, again, other = (
        learning.learn("threshold", pool, labels, SETTINGS, ARMS, s).rule.predict_proba(pool.z)
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).max() > 1e-3
