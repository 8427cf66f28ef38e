"""The exact predictor against enumeration, and the law against what is drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from etudes.pipelines.decoder_transformer.bayes import BayesPredictor, oracle, starts_prior, uniform_prior
from etudes.pipelines.decoder_transformer.recurrences import transition_law
from etudes.samples.recurrences import draw


def enumerated(tokens: np.ndarray, m: int, q: float, prior: np.ndarray) -> np.ndarray:
    """p(x_t | x_<t) by summing over every vector and every pair of start tokens."""
    result = np.zeros((len(tokens) - 1, m))
    hypotheses = list(itertools.product(range(m), repeat=4))
    joint = prior if prior.ndim == 3 else np.broadcast_to(prior[:, None, None] / m**2, (m * m, m, m))
    weights = {(a, b, s, u): joint[a * m + b, s, u] for a, b, s, u in hypotheses}
    for t, token in enumerate(tokens):
        prediction = np.zeros(m)
        for a, b, first, second in hypotheses:
            history = [first, second, *tokens[:t]]
            chance = np.zeros(m)
            chance[(history[-1] + 1) % m] += q
            chance[(a * history[-1] + b * history[-2]) % m] += 1 - q
            prediction += weights[a, b, first, second] * chance
            weights[a, b, first, second] *= chance[token]
        if t > 0:
            result[t - 1] = prediction
        total = sum(weights.values())
        weights = {h: w / total for h, w in weights.items()}
    return result


@pytest.mark.parametrize("modulus", [2, 3])
def test_predictor_is_bayes_rule_by_enumeration(modulus: int) -> None:
    q = 0.2
    drawn = draw(modulus, 6, 9, q, seed=1)
    rising = np.arange(1, modulus**2 + 1) / np.arange(1, modulus**2 + 1).sum()
    of_starts = np.random.default_rng(0).dirichlet(np.ones(modulus**4)).reshape(modulus**2, modulus, modulus)
    priors = [uniform_prior(modulus), rising, of_starts]
    for prior in priors:
        found = BayesPredictor(modulus, q, prior).predict(drawn.tokens)
        np.testing.assert_allclose(found.sum(-1), 1)
        for row, tokens in enumerate(drawn.tokens):
            np.testing.assert_allclose(found[row], enumerated(tokens, modulus, q, prior), atol=1e-12)


def test_prior_of_starts_leaves_out_what_it_is_told() -> None:
    prior = starts_prior(3, [[1, 0], [2, 1]], [[2, 1, 0, 2], [2, 1, 1, 1]])
    assert prior.sum() == pytest.approx(1) and (prior > 0).sum() == 2 * 9 - 2
    assert prior[7, 0, 2] == prior[7, 1, 1] == 0 and prior[3].min() == pytest.approx(1 / 16)
    everything = starts_prior(3, [[1, 0], [2, 1]], [])
    np.testing.assert_allclose(everything.sum((1, 2)), uniform_prior(3, [[1, 0], [2, 1]]))


def test_law_is_a_distribution_with_the_two_ways_on() -> None:
    law = transition_law(5, 0.1)
    np.testing.assert_allclose(law.sum(-1), 1)
    a, b, before, last = 2, 3, 4, 1
    chances = law[a * 5 + b, before, last]
    assert chances[(last + 1) % 5] == pytest.approx(0.1)
    assert chances[(a * last + b * before) % 5] == pytest.approx(0.9)
    assert law[1 * 5 + 0, 0, 4].max() == pytest.approx(0.9)
    assert law[2 * 5 + 1, 2, 4, 0] == pytest.approx(1.0), "both ways lead to the same token"


def test_ceiling_of_modulus_7_is_that_of_the_literature() -> None:
    """0.884 over 64 positions; 0.24 at the first, 0.79 at the fourth; 0.917 for a reader who knows the coefficients."""
    drawn = draw(7, 3000, 65, 0.1, seed=5)
    found = BayesPredictor(7, 0.1, uniform_prior(7)).predict(drawn.tokens)
    right = found.argmax(-1) == drawn.tokens[:, 1:]
    assert right.mean() == pytest.approx(0.884, abs=0.006)
    assert right[:, 0].mean() == pytest.approx(0.24, abs=0.03)
    assert right[:, 3].mean() == pytest.approx(0.79, abs=0.03)
    assert found.max(-1).mean() == pytest.approx(right.mean(), abs=0.006), "it knows how often it is right"
    told = oracle(drawn.tokens, drawn.coefficients, 7, 0.1)
    np.testing.assert_allclose(told.sum(-1), 1)
    assert (told.argmax(-1) == drawn.tokens[:, 1:])[:, 1:].mean() == pytest.approx(0.917, abs=0.006)


def test_oracle_is_the_predictor_of_one_vector() -> None:
    drawn = draw(5, 20, 12, 0.1, seed=2)
    told = oracle(drawn.tokens, drawn.coefficients, 5, 0.1)
    for row, (a, b) in enumerate(drawn.coefficients.tolist()):
        alone = BayesPredictor(5, 0.1, uniform_prior(5, [[a, b]])).predict(drawn.tokens[row : row + 1])
        np.testing.assert_allclose(told[row], alone[0], atol=1e-12)


def test_impossible_sequence_is_named_unless_the_law_may_slip() -> None:
    tokens = np.array([[1, 1, 1, 1, 1], [1, 0, 2, 1, 1]])
    prior = uniform_prior(3, [[1, 0]])  # x_t = x_{t-1}: from 1 to 1 or 2
    with pytest.raises(ValueError, match="sequence 1 has probability 0"):
        BayesPredictor(3, 0.1, prior).predict(tokens)
    found = BayesPredictor(3, 0.1, prior, slip=0.01).predict(tokens)
    np.testing.assert_allclose(found.sum(-1), 1)
    with pytest.raises(ValueError, match="expected \\(9,\\)"):
        BayesPredictor(3, 0.1, np.ones(4) / 4).predict(tokens)
