"""The small network of textures learns them, and its problem keeps dev apart."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from etudes.samples.textures_pretext import FAMILIES, texture_crops
from etudes.training.parameters import FitParameters
from etudes.vision.classifying import PictureProblem
from etudes.vision.imagenet import normalised
from etudes.vision.taps import channel_counts
from etudes.vision.textures import TextureNetwork, learn_textures
from study_settings import run_parameters

FIT = {"batch_size": 32, "weight_decay": 0.001, "gradient_clip": 1.0, "warmup": 0.1, "average": 0.0}


def test_the_small_network_learns_to_tell_textures_apart() -> None:
    fit = FitParameters(epochs=4, patience=4, learning_rate=0.01, checkpoint_steps=100, **FIT)
    parameters = SimpleNamespace(crops=960, size=32, dev_fraction=0.15, width=8, fit=fit)
    taps, epochs = learn_textures(parameters, run_parameters())
    assert max(row["dev_accuracy"] for row in epochs) > 3 / len(FAMILIES), "three times better than chance"
    assert channel_counts(taps) == [8, 16, 32]


@pytest.mark.parametrize("even", [False, True])
def test_the_problem_gives_every_training_picture_once_and_a_loss_for_each(even: bool) -> None:
    pixels, labels = texture_crops(40, 32, 0)
    torch.manual_seed(0)
    parts = (pixels[10:], labels[10:], pixels[:10], labels[:10])
    problem = PictureProblem(TextureNetwork(4, len(FAMILIES)), *parts, 8, even)
    batches = problem.batches(np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(30))
    assert [len(batch) for batch in batches] == ([10, 10, 10] if even else [8, 8, 8, 6])
    pictures, truth = problem.collate(batches[0], torch.device("cpu"))
    losses, weights = problem.loss(problem.model, (pictures, truth))
    expected = -problem.model(pictures).log_softmax(1)[torch.arange(len(truth)), truth]
    torch.testing.assert_close(losses, expected)
    assert weights.eq(1).all() and truth.tolist() == labels[10:][batches[0]].tolist()
    scores = problem.evaluate(problem.model.eval(), torch.device("cpu"))
    answers = problem.model(normalised(pixels[:10])).argmax(1).numpy()
    assert scores["accuracy"] == pytest.approx(float((answers == labels[:10]).mean()))
    moved = PictureProblem(problem.model, pixels[10:], labels[10:], pixels[:10][::-1].copy(), labels[:10], 8)
    assert moved.fingerprint != problem.fingerprint
