"""Colour photographs: the likelihood of bytes, the loss around it, and what a network learns of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from etudes.digits.variational import bounds
from etudes.examples import Examples
from etudes.pipelines.vae.colour import (
    ColourVAE,
    PhotographProblem,
    PhotographVAE,
    bits_per_dimension,
    channels_first,
    discretised_logistic,
    independent_bytes,
    train_photographs,
)
from etudes.pipelines.vae.evaluation import evaluate_photographs
from etudes.pipelines.vae.parameters import Parameters
from etudes.samples.scenes import raw_file
from etudes.vision.photographs import ingest_photographs, split_photographs
from study_settings import run_parameters, settings_of

Parts = tuple[Examples, Examples, Examples, dict[str, Any]]
settings = settings_of("vae", Parameters)


@pytest.fixture(scope="module")
def parts() -> Parts:
    examples, card = ingest_photographs(raw_file("photographs", train=100, test=20, side=16, seed=7))
    return split_photographs(examples, card, settings("photographs"))


@pytest.fixture(scope="module")
def trained(parts: Parts) -> PhotographVAE:
    fit = {"epochs": 25, "batch_size": 16, "learning_rate": 0.005, "average": 0.0}
    chosen = settings("photographs", channels=4, width=8, fit=fit)
    return train_photographs(parts[0], parts[1], chosen, run_parameters())[0]


@pytest.mark.parametrize(
    ("mean", "log_scale"), [(0.5, -2.0), (0.0, -4.0), (1.3, -1.0), (0.502, -7.0), (-0.4, 0.5)]
)
def test_the_law_of_a_byte_sums_to_one_and_is_the_integral_of_its_density(
    mean: float, log_scale: float
) -> None:
    bytes_ = torch.arange(256, dtype=torch.float64).view(256, 1, 1, 1) / 255
    full = torch.full_like(bytes_, mean), torch.full_like(bytes_, log_scale)
    found = discretised_logistic(*full, bytes_).exp().numpy()
    assert found.sum() == pytest.approx(1, abs=1e-9)
    ends = (np.arange(1, 256) - 0.5) / 255
    law = np.diff(
        1 / (1 + np.exp(-(np.concatenate([[-np.inf], ends, [np.inf]]) - mean) / math.exp(log_scale)))
    )
    np.testing.assert_allclose(found, law, atol=1e-9)


def test_the_law_keeps_its_gradient_far_from_the_byte() -> None:
    """A difference of sigmoids would be 0 there, and its logarithm minus infinity."""
    mean = torch.full((1, 3, 1, 1), 30.0, requires_grad=True)
    found = discretised_logistic(mean, torch.full((1, 3, 1, 1), -3.0), torch.full((1, 3, 1, 1), 100 / 255))
    found.backward(torch.ones(1))
    assert torch.isfinite(found).all() and found.item() < -1000
    assert mean.grad is not None and (mean.grad < 0).all(), "a smaller mean is better"


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one shape"):
        discretised_logistic(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4))


def test_independent_bytes_are_histograms_with_one_half() -> None:
    train = np.zeros((3, 1, 1, 3), np.uint8)
    train[0, 0, 0, 0] = 5
    test = np.array([0, 0, 0, 5, 0, 0, 9, 0, 0], np.uint8).reshape(3, 1, 1, 3)
    whole = 3 + 128
    same = 2 * math.log(3.5 / whole)
    expected = [math.log(2.5 / whole) + same, math.log(1.5 / whole) + same, math.log(0.5 / whole) + same]
    np.testing.assert_allclose(independent_bytes(train, test), expected)


def test_colours_keep_their_places() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    tensor = channels_first(pixels)
    assert tensor.shape == (2, 3, 8, 8) and tensor[1, 2, 3, 4] == pixels[1, 3, 4, 2]


def test_bounds_are_those_of_the_likelihood_by_hand() -> None:
    torch.manual_seed(0)
    network = ColourVAE(side=16, channels=2, width=4).eval()
    stored = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    labels = torch.zeros(5, dtype=torch.int64)
    found = bounds(network, stored, labels, 2, 0, torch.device("cpu"))
    noise = torch.randn((2, 5, 32), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        posterior = network.encode(stored.float() / 255, labels)
        mean, scale = network.decode(posterior.draw(noise[1]), labels).chunk(2, 1)
        second = discretised_logistic(mean, scale, stored / 255)
        first = network.log_likelihood(network.decode(posterior.draw(noise[0]), labels), stored / 255)
    torch.testing.assert_close(found.reconstruction, (first + second) / 2)
    assert (found.iwae >= found.reconstruction - found.kl - 200).all()


def test_the_loss_is_the_bound_and_mirrors_pictures(parts: Parts) -> None:
    """Loss and gradient are those of KL - log p, both written out, in bits of nothing: nats of a byte."""
    torch.manual_seed(0)
    network = ColourVAE(side=16, channels=2, width=4)
    problem = PhotographProblem(network, parts[0], parts[1], batch_size=8, seed=0)
    pictures, labels, noise = problem.collate(np.arange(8), torch.device("cpu"))
    stored = torch.from_numpy(np.array(parts[0]["pixels"][:8])).permute(0, 3, 1, 2) / 255
    mirrored = [bool(torch.equal(shown, kept.flip(-1))) for shown, kept in zip(pictures, stored, strict=True)]
    assert 0 < sum(mirrored) < 8, "some are mirrored, some are not"
    for shown, kept, flipped in zip(pictures, stored, mirrored, strict=True):
        assert flipped or torch.equal(shown, kept)
    losses, weights = problem.loss(network, (pictures, labels, noise))
    losses.mean().backward()
    gradients = {name: value.grad.clone() for name, value in network.named_parameters()}
    network.zero_grad()
    mean, log_variance = network.encoder(pictures - 0.5).chunk(2, 1)
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    centre, log_scale = network.decoder(mean + q.stddev * noise).chunk(2, 1)
    expected = (kl - discretised_logistic(centre, log_scale, pictures)) / (16 * 16 * 3)
    torch.testing.assert_close(losses, expected)
    assert weights.tolist() == [1.0] * 8
    expected.mean().backward()
    for name, value in network.named_parameters():
        torch.testing.assert_close(gradients[name], value.grad, msg=name)
    assert float(kl.mean()) > 0.1, "a KL that is left out would be seen"


def test_training_beats_independent_bytes_and_pictures_come_out(parts: Parts, trained: PhotographVAE) -> None:
    train, _, test, _ = parts
    settings_ = settings("photographs", draws=8, shown=16)
    table, panels = evaluate_photographs(train, test, trained, settings_, run_parameters())
    bits = dict(zip(table["model"], table["bits_per_dimension"], strict=True))
    assert bits["uniform bytes"] == 8
    elbo = bits["variational autoencoder, evidence bound"]
    assert bits["variational autoencoder, 8 weighted draws"] <= elbo < bits["independent bytes"] < 8
    assert (table["low"] <= table["bits_per_dimension"]).all()
    assert (table["bits_per_dimension"] <= table["high"]).all()
    assert panels["pixels"].shape == (48, 16, 16, 3) and panels["pixels"].dtype == np.uint8
    real, rebuilt = (panels["pixels"][panels.rows["row"] == row].astype(float) for row in (0, 1))
    flat = np.asarray(train["pixels"]).mean(0)
    assert ((real - rebuilt) ** 2).mean() < ((real - flat) ** 2).mean(), (
        "a code holds more than the mean picture"
    )


def test_bits_are_nats_of_a_byte(parts: Parts) -> None:
    assert bits_per_dimension(-math.log(2) * 16 * 16 * 3 * 5, parts[2]) == pytest.approx(5)
