"""The parts of the bound against references, and the bounds against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal

from etudes.digits.variational import (
    VAE,
    ConvolutionalVAE,
    Posterior,
    bernoulli_log_likelihood,
    bounds,
    gaussian_kl,
    gaussian_log_density,
    importance_bound,
)

CPU = torch.device("cpu")


def small(classes: int = 0) -> ConvolutionalVAE:
    torch.manual_seed(0)
    return ConvolutionalVAE(side=8, latent=3, width=4, hidden=16, classes=classes)


def some_bits(n: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand((n, 8, 8), generator=generator) < 0.3, torch.arange(n) % 10


def test_closed_form_kl_equals_monte_carlo_and_torch() -> None:
    mean, log_variance = torch.tensor([[0.0, 1.5, -2.0]]), torch.tensor([[0.0, -1.0, 1.2]])
    found = gaussian_kl(mean, log_variance)[0]
    torch.manual_seed(0)
    q, prior = Normal(mean[0], (0.5 * log_variance[0]).exp()), Normal(torch.zeros(3), torch.ones(3))
    z = q.sample((400_000,))
    sampled = (q.log_prob(z) - prior.log_prob(z)).mean(0)
    assert torch.allclose(found, sampled, atol=0.02)
    assert torch.allclose(found, torch.distributions.kl_divergence(q, prior), atol=1e-6)


def test_kl_is_zero_at_the_prior_alone_and_never_negative() -> None:
    assert float(gaussian_kl(torch.zeros(1, 1), torch.zeros(1, 1))) == 0.0
    grid = torch.linspace(-3, 3, 61)
    mean, log_variance = torch.meshgrid(grid, grid, indexing="ij")
    kl = gaussian_kl(mean.reshape(-1, 1), log_variance.reshape(-1, 1)).ravel()
    assert float(kl.min()) >= 0.0 and int(kl.argmin()) == 61 * 30 + 30


def test_likelihood_and_density_equal_torchs() -> None:
    bits, _ = some_bits()
    logits = torch.randn(20, 8, 8) * 3
    assert torch.allclose(
        bernoulli_log_likelihood(logits, bits.float()),
        Bernoulli(logits=logits).log_prob(bits.float()).sum((1, 2)),
        rtol=1e-5,
    )
    z, mean, log_variance = torch.randn(3, 5, 2), torch.randn(5, 2), torch.randn(5, 2)
    expected = Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum(-1)
    assert torch.allclose(gaussian_log_density(z, mean, log_variance), expected, rtol=1e-5, atol=1e-5)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the same"):
        bernoulli_log_likelihood(torch.zeros(4, 8, 8), torch.zeros(4, 1, 8, 8))
    with pytest.raises(ValueError, match="expected the same"):
        gaussian_kl(torch.zeros(4, 2), torch.zeros(4, 1))
    with pytest.raises(ValueError, match=r"expected \(n, 3\) and \(n,\)"):
        small().decode(torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.long))


def test_importance_bound_lies_above_the_mean_and_below_the_largest() -> None:
    weights = torch.randn(50, 64) * 4
    bound = importance_bound(weights)
    assert (bound >= weights.mean(1)).all() and (bound <= weights.max(1).values).all()
    assert torch.allclose(importance_bound(torch.full((2, 7), -3.0)), torch.full((2,), -3.0))


def test_elbo_lies_below_iwae_which_grows_with_the_draws() -> None:
    bits, labels = some_bits(100)
    network = small()
    for parameter in network.parameters():  # at the start the code says next to nothing, and both are alike
        parameter.data *= 3
    found = {k: bounds(network, bits, labels, k, 0, CPU) for k in (1, 8, 256)}
    means = [float(found[k].iwae.mean()) for k in (1, 8, 256)]
    assert float(found[256].elbo.mean()) < means[2] and means[0] < means[1] < means[2]


def test_bounds_are_those_of_a_model_whose_likelihood_is_known() -> None:
    """One latent dimension: log p(x) by numerical integration lies just above IWAE with many draws."""
    torch.manual_seed(3)
    network = ConvolutionalVAE(side=8, latent=1, width=2, hidden=8)
    for parameter in network.parameters():
        parameter.data *= 2.0
    bits, labels = some_bits(6)
    z = torch.linspace(-8, 8, 2001)
    with torch.inference_mode():
        logits = network.decode(z[:, None], torch.zeros(2001, dtype=torch.long))
        prior = Normal(0.0, 1.0).log_prob(z) + math.log(float(z[1] - z[0]))
        exact = torch.stack(
            [
                torch.logsumexp(bernoulli_log_likelihood(logits, x.float().expand(2001, 8, 8)) + prior, 0)
                for x in bits
            ]
        )
    found = bounds(network, bits, labels, 2000, 0, CPU)
    assert torch.allclose(found.iwae, exact, atol=0.05)
    assert (found.elbo < exact + 0.05).all()


def test_bounds_do_not_depend_on_how_many_pictures_are_decoded_at_once() -> None:
    bits, labels = some_bits()
    whole, pieces = (bounds(small(), bits, labels, 4, 0, CPU, rows=rows) for rows in (1000, 4))
    assert torch.allclose(whole.kl, pieces.kl, atol=1e-4)
    assert whole.units.shape == (20, 3) and whole.iwae.shape == pieces.iwae.shape == (20,)


def test_the_label_costs_ln_10_and_is_heeded_on_both_sides() -> None:
    network, (bits, labels) = small(classes=10).eval(), some_bits()
    noise = torch.zeros(20, 3)
    _, kl = network(bits.float(), labels, noise)
    units = gaussian_kl(*network.encode(bits.float(), labels)).sum(1)
    assert torch.allclose(kl - units, torch.full((20,), math.log(10)), atol=1e-5)
    other = (labels + 1) % 10
    assert not torch.allclose(
        network.encode(bits.float(), labels).mean, network.encode(bits.float(), other).mean
    )
    z = torch.randn(20, 3)
    assert not torch.allclose(network.decode(z, labels), network.decode(z, other))
    plain = small()
    assert torch.equal(plain.decode(z, labels), plain.decode(z, other)) and plain.label_nats == 0.0


def test_draws_have_the_posteriors_moments() -> None:
    posterior = Posterior(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, math.log(4.0)]]))
    z = posterior.draw(torch.randn(100_000, 1, 2, generator=torch.Generator().manual_seed(0)))
    assert z.mean(0)[0].numpy() == pytest.approx([1.0, -2.0], abs=0.03)
    assert z.std(0)[0].numpy() == pytest.approx([1.0, 2.0], abs=0.03)


def test_a_wild_encoder_gives_finite_bounds() -> None:
    network, (bits, labels) = small(), some_bits()
    for parameter in network.encoder.parameters():
        parameter.data *= 50
    found = bounds(network, bits, labels, 4, 0, CPU)
    assert np.isfinite(found.elbo.numpy()).all() and np.isfinite(found.iwae.numpy()).all()


def test_the_base_class_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match=r"hidden_of.*logits_of"):
        VAE(8, 2, 0)  # type: ignore[abstract]
