"""How students are taught, and what they share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from distillation_toys import CARD, DEV, RUN, TEST, TRAIN, group, network
from etudes.pipelines.knowledge_distillation import model as methods
from etudes.pipelines.knowledge_distillation.model import Answers, Grid, Network
from etudes.training.seeds import seed_everything
from etudes.vision.cifar_networks import CifarResNet, resnet20_cifar10
from etudes.vision.imagenet import standardised_bytes
from etudes.vision.pretrained import Pretrained
from etudes.vision.teaching import Guessing, TeachingProblem, asked, views_of

SPLITS = (TRAIN, DEV, CARD)
VIEWS = group("views", count=3, shift=1, mirror=False)
ONE = network(fit={"epochs": 1})
PIXELS = np.asarray(TRAIN["pixels"])
LABELS = TRAIN.rows["label"].to_numpy()


@pytest.fixture(scope="module")
def teacher() -> tuple[Network, dict]:
    return methods.train_own_teacher(*SPLITS, VIEWS, network("own_teacher"), RUN)


@pytest.fixture(scope="module")
def answers(teacher) -> Answers:
    return methods.train_answers(TRAIN, {"teacher": teacher[0]}, VIEWS, RUN)[0]


@pytest.fixture(scope="module")
def grid(answers) -> tuple[Grid, dict]:
    settings = group("grid", temperatures=[1, 4], shares=[0.9])
    return methods.train_grid(*SPLITS, ONE, VIEWS, settings, answers, RUN)


def problem(**told) -> TeachingProblem:
    seed_everything(0)
    net = CifarResNet(1, 4, 6, 3, 2)
    hints = told.get("hints")
    return TeachingProblem(
        net if hints is None else Guessing(net, hints.shape[2]),
        *(PIXELS, LABELS, np.asarray(DEV["pixels"]), DEV.rows["label"].to_numpy(), 16),
        views=views_of(PIXELS, VIEWS, 0),
        **told,
    )


def test_views_begin_with_the_picture_and_follow_from_the_seed() -> None:
    state = torch.random.get_rng_state()
    views = views_of(PIXELS, VIEWS, 3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert views.shape == (len(PIXELS), 3, 16, 16, 3)
    np.testing.assert_array_equal(views[:, 0], PIXELS)
    np.testing.assert_array_equal(views, views_of(PIXELS, VIEWS, 3))
    assert (views[:, 1] != PIXELS).any() and (views[:, 1] != views[:, 2]).any()
    assert (views != views_of(PIXELS, VIEWS, 4)).any()


def test_a_teacher_is_asked_about_the_very_views_that_students_see(teacher, answers) -> None:
    views = views_of(PIXELS, VIEWS, methods.derive_seed(RUN.seed, "views"))
    for view in range(3):
        logits, features = asked(teacher[0].network, views[:, view], torch.device("cpu"))
        np.testing.assert_allclose(answers.logits[:, view], logits, atol=1e-5)
        assert np.corrcoef(answers.features[:, view, 0], features[:, 0])[0, 1] > 0.999
    np.testing.assert_allclose(answers.features.mean((0, 1)), 0, atol=1e-4)
    deviations = answers.features.std((0, 1))
    assert np.all(np.isclose(deviations, 1, atol=1e-3) | (deviations == 0))


def test_a_step_shows_a_view_with_the_answer_to_it(answers) -> None:
    told = problem(answers=answers.logits, temperature=2.0, share=0.5, hints=answers.features, weight=1.0)
    rows = np.array([3, 9, 9, 40])
    pictures, labels, said, hints = told.collate(rows, torch.device("cpu"))
    np.testing.assert_array_equal(labels.numpy(), LABELS[rows])
    for place, row in enumerate(rows):
        shown = [
            v
            for v in range(3)
            if torch.equal(standardised_bytes(torch.from_numpy(told.views[[row], v]))[0], pictures[place])
        ]
        assert any(np.array_equal(said[place].numpy(), answers.logits[row, v]) for v in shown)
        assert any(np.array_equal(hints[place].numpy(), answers.features[row, v]) for v in shown)


def test_the_loss_adds_up() -> None:
    rows, device = np.arange(8), torch.device("cpu")
    answers = np.random.default_rng(0).normal(size=(len(PIXELS), 3, 4)).astype(np.float32)
    hints = np.random.default_rng(1).normal(size=(len(PIXELS), 3, 5)).astype(np.float32)
    how = {"answers": answers, "temperature": 3.0}

    def loss(told: TeachingProblem) -> torch.Tensor:
        torch.manual_seed(5)
        return told.loss(told.model.train(), told.collate(rows, device))[0].detach()

    hard, soft = loss(problem()), loss(problem(**how, share=1.0))
    torch.testing.assert_close(loss(problem(**how, share=0.3)), 0.7 * hard + 0.3 * soft)
    with_hint = [loss(problem(**how, share=1.0, hints=hints, weight=w)) for w in (1.0, 3.0)]
    torch.testing.assert_close(with_hint[1] - soft, 3 * (with_hint[0] - soft), rtol=1e-4, atol=1e-5)
    smoothed = loss(problem(smoothing=0.2))
    assert (smoothed != hard).all()
    with pytest.raises(ValueError, match="answers belong to a share above 0"):
        problem(share=0.5)


def test_students_differ_in_what_they_are_told_alone(answers) -> None:
    same = [problem(), problem(answers=answers.logits, temperature=4.0, share=0.9)]
    for one, other in zip(*(p.model.state_dict().values() for p in same), strict=True):
        assert torch.equal(one, other)
    alone, _ = methods.train_student(*SPLITS, ONE, VIEWS, RUN)
    # Told next to nothing, a student ends where the one alone does.
    hardly, _ = methods.taught(*SPLITS, ONE, VIEWS, RUN, answers=answers.logits, temperature=1.0, share=1e-7)
    np.testing.assert_allclose(hardly.predict_proba(TEST), alone.predict_proba(TEST), atol=1e-3)


def test_a_student_learns_from_the_teacher_alone(teacher, answers) -> None:
    model, epochs = methods.taught(
        *SPLITS, network(), VIEWS, RUN, answers=answers.logits, temperature=4.0, share=1.0
    )
    right = (model.predict_proba(TEST).argmax(1) == TEST.rows["label"]).mean()
    assert teacher[1]["dev"]["accuracy"] > 0.8 and right > 0.8 and len(epochs) == 10
    again = Network.from_state(model.state())
    np.testing.assert_array_equal(again.predict_proba(TEST), model.predict_proba(TEST))
    assert (again.temperature, again.share) == (4.0, 1.0)


def test_dev_chooses_in_the_grid_and_the_controls_follow(grid, answers) -> None:
    students, history = grid
    scores = [row["dev"]["accuracy"] for row in history["tried"]]
    distilled, chosen = methods.choose_distilled(students, history)
    assert distilled is students.networks[int(np.argmax(scores))] and chosen["dev"]["accuracy"] == max(scores)
    assert [s["temperature"] for s in students.settings] == [1, 4]
    how = (*SPLITS, ONE, VIEWS)
    shuffled, _ = methods.train_taught(*how, answers, {"distilled": distilled}, RUN, shuffled=True)
    hinted, _ = methods.train_hinted(
        *how, group("hinted", weight=1.0), answers, {"distilled": distilled}, RUN
    )
    for model in (shuffled, hinted):
        assert (model.temperature, model.share) == (distilled.temperature, distilled.share)
        assert np.abs(model.predict_proba(TEST) - distilled.predict_proba(TEST)).max() > 1e-6
    assert not any("guess" in name for name in hinted.network.state_dict())


def test_smoothed_labels_make_less_sure() -> None:
    plain, _ = methods.train_student(*SPLITS, network(), VIEWS, RUN)
    smoothed, _ = methods.train_smoothed(*SPLITS, network(), VIEWS, group("label_smoothing", share=0.4), RUN)
    unsure = [1 - model.predict_proba(TEST).max(1).mean() for model in (plain, smoothed)]
    assert unsure[1] > 5 * unsure[0]


def test_who_lacks_a_teacher_is_told(answers) -> None:
    nothing, _ = methods.train_answers(TRAIN, {}, VIEWS, RUN)
    students, history = methods.train_grid(*SPLITS, ONE, VIEWS, group("grid"), nothing, RUN)
    assert len(nothing) == 0 and students.networks == []
    with pytest.raises(ValueError, match="needs teacher, which `variants` leaves out"):
        methods.choose_distilled(students, history)
    with pytest.raises(ValueError, match="needs distilled"):
        methods.train_taught(*SPLITS, ONE, VIEWS, answers, {}, RUN)
    told = {"distilled": Network(CifarResNet(1, 4, 6, 3, 2), {}, temperature=1.0, share=0.5)}
    with pytest.raises(ValueError, match="needs teacher or own_teacher"):
        methods.train_taught(*SPLITS, ONE, VIEWS, nothing, told, RUN)


def test_a_pretrained_teacher_knows_ten_classes_and_has_no_dev_score() -> None:
    class Files(Pretrained):
        def network(self, name: str) -> torch.nn.Module:
            return resnet20_cifar10().eval()

    how = group("teacher", weights="resnet20_cifar10")
    with pytest.raises(ValueError, match="knows 10 classes, these pictures show 4; expected null"):
        methods.train_teacher(*SPLITS, Files(Path()), VIEWS, how, RUN)
    ten = {**CARD, "classes": list("abcdefghij")}
    model, history = methods.train_teacher(TRAIN, DEV, ten, Files(Path()), VIEWS, how, RUN)
    assert history == {"dev": {}, "epochs": []}
    again = Network.from_state(model.state())
    np.testing.assert_array_equal(again.predict_proba(TEST), model.predict_proba(TEST))
