"""Variational autoencoders of digits: they learn, heed what they should, and weigh the parts of their bound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from digit_toys import crisp_splits, fit_settings, made_digits, run_settings, splits
from etudes.digits.parameters import ConvolutionalVAEParameters
from etudes.digits.vae import BernoulliPixels, ConvolutionalDigitVAE, VAEProblem
from etudes.digits.variational import ConvolutionalVAE


def settings(epochs: int = 3, beta: float = 1.0) -> ConvolutionalVAEParameters:
    return ConvolutionalVAEParameters(
        latent=3, width=4, hidden=32, beta=beta, fit=fit_settings(epochs=epochs, learning_rate=0.01)
    )


def trained(epochs: int = 3, conditional: bool = True, **run: object) -> ConvolutionalDigitVAE:
    train, dev, _ = crisp_splits()
    return ConvolutionalDigitVAE.fit("toy", train, dev, settings(epochs), run_settings(**run), conditional)[0]


@pytest.fixture(scope="module")
def conditional() -> ConvolutionalDigitVAE:
    return trained(25)


def test_it_beats_independent_pixels(conditional: ConvolutionalDigitVAE) -> None:
    train, _, test = crisp_splits()
    likelihood = BernoulliPixels.fit(train, conditional=False).log_likelihood(test["binary"]).mean()
    assert float(conditional.bounds(test, 16, 0).elbo.mean()) > likelihood + 1


def test_the_label_decides_what_is_drawn(conditional: ConvolutionalDigitVAE) -> None:
    train = crisp_splits()[0]
    means = np.stack([train["pixels"][train.rows["label"] == digit].mean(0) for digit in range(10)])
    labels = np.repeat(np.arange(10), 20)
    drawn = conditional.sample(labels, 0).astype(float)
    nearest = ((drawn[:, None] - means) ** 2).sum((2, 3)).argmin(1)
    assert (nearest == labels).mean() > 0.8


def test_the_same_seed_draws_the_same_pictures(conditional: ConvolutionalDigitVAE) -> None:
    labels = np.arange(10)
    first, again, other = (conditional.sample(labels, seed) for seed in (1, 1, 2))
    assert first.dtype == np.uint8 and first.shape == (10, 8, 8)
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_without_classes_labels_are_not_looked_at() -> None:
    model = trained(1, conditional=False)
    assert not model.conditional
    assert np.array_equal(model.sample(np.zeros(5, int), 0), model.sample(np.arange(5), 0))


def test_codes_are_decoded_one_by_one(conditional: ConvolutionalDigitVAE) -> None:
    test = crisp_splits()[2]
    labels = test.rows["label"].to_numpy()
    codes = conditional.encode(test["binary"], labels)
    assert codes.shape == (40, 3)
    alone = conditional.decode(codes[7:8], labels[7:8])
    assert conditional.decode(codes, labels)[7] == pytest.approx(alone[0], abs=1e-5)


def test_training_bits_are_new_each_time_and_dev_bits_are_not() -> None:
    train, dev, _, _ = splits()
    problem = VAEProblem(ConvolutionalVAE(8, 3, 4, 16), train, dev, 1.0, 16, 0)
    indices, cpu = np.arange(16), torch.device("cpu")
    first, second = (problem.collate(indices, cpu)[0] for _ in range(2))
    assert not torch.equal(first, second) and set(first.unique().tolist()) == {0.0, 1.0}
    assert problem.evaluate(problem.model, cpu) == problem.evaluate(problem.model, cpu)


def test_the_loss_weighs_the_kl_by_beta() -> None:
    train, dev, _, _ = splits()
    network = ConvolutionalVAE(8, 3, 4, 16)
    problems = [VAEProblem(network, train, dev, beta, 16, 0) for beta in (1.0, 3.0)]
    batch = problems[0].collate(np.arange(16), torch.device("cpu"))
    losses = [problem.loss(network, batch)[0] for problem in problems]
    likelihood, kl = network(*batch)
    assert losses[0].shape == (16,)
    assert torch.allclose(losses[0], kl - likelihood, atol=1e-4)
    assert torch.allclose(losses[1] - losses[0], 2 * kl, atol=1e-4)


def test_pixels_equal_their_frequencies() -> None:
    pixels = np.zeros((4, 8, 8), np.uint8)
    pixels[:3, 0, 0] = 255
    model = BernoulliPixels.fit(made_digits(pixels, np.zeros(4, np.int64)), conditional=False)
    assert model.chances[0, 0, 0] == pytest.approx(3.5 / 5) and model.chances[0, 1, 1] == pytest.approx(
        0.5 / 5
    )
    found = model.log_likelihood(pixels[:1] > 0)
    assert found[0] == pytest.approx(np.log(0.7) + 63 * np.log(0.9))


def test_pixels_of_classes_draw_their_class_and_have_no_likelihood_without_it() -> None:
    pixels = np.zeros((40, 8, 8), np.uint8)
    labels = np.repeat([0, 1], 20)
    pixels[labels == 1] = 255
    model = BernoulliPixels.fit(made_digits(pixels, labels), conditional=True)
    drawn = model.sample(np.array([0, 1]), 0)
    assert model.conditional and drawn[0].mean() < 30 and drawn[1].mean() > 225
    with pytest.raises(ValueError, match="likelihood"):
        model.log_likelihood(pixels > 0)
