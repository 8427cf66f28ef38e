"""The exact predictor against enumeration, and the law against what is drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from etudes.samples.recurrences import draw
from etudes.samples.recurrences_ceiling import FLOOR, even_prior, predict, transition_law, true_likelihood


def enumerated(tokens: np.ndarray, m: int, q: float, prior: np.ndarray) -> np.ndarray:
    """p(x_t | x_<t) by summing over every vector and every pair of start tokens."""
    result = np.zeros((len(tokens) - 1, m))
    hypotheses = list(itertools.product(range(m), repeat=4))
    weights = {(a, b, s, u): prior[a * m + b, s, u] for a, b, s, u in hypotheses}
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
    of_starts = np.random.default_rng(0).dirichlet(np.ones(modulus**4)).reshape(modulus**2, modulus, modulus)
    for prior in (even_prior(modulus), of_starts):
        found = predict(drawn.tokens, transition_law(modulus, q), prior)
        np.testing.assert_allclose(found.sum(-1), 1)
        for row, tokens in enumerate(drawn.tokens):
            np.testing.assert_allclose(found[row], enumerated(tokens, modulus, q, prior), atol=1e-12)


def test_prior_leaves_out_what_it_is_told() -> None:
    prior = even_prior(3, [[1, 0], [2, 1]], [[2, 1, 0, 2], [2, 1, 1, 1]])
    assert prior.sum() == pytest.approx(1) and (prior > 0).sum() == 2 * 9 - 2
    assert prior[7, 0, 2] == prior[7, 1, 1] == 0 and prior[3].min() == pytest.approx(1 / 16)
    assert even_prior(3).min() == even_prior(3).max() == pytest.approx(1 / 81)


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
    """0.884 over 64 positions; 0.24 at the first, 0.79 at the fourth; 0.917 once the coefficients are known."""
    drawn = draw(7, 3000, 65, 0.1, seed=5)
    found = predict(drawn.tokens, transition_law(7, 0.1), even_prior(7))
    right = found.argmax(-1) == drawn.tokens[:, 1:]
    assert right.mean() == pytest.approx(0.884, abs=0.006)
    assert right[:, 0].mean() == pytest.approx(0.24, abs=0.03)
    assert right[:, 3].mean() == pytest.approx(0.79, abs=0.03)
    assert right[:, 40:].mean() == pytest.approx(0.917, abs=0.006)
    assert found.max(-1).mean() == pytest.approx(right.mean(), abs=0.006), "it knows how often it is right"


def test_impossible_sequence_is_named_unless_the_law_may_slip() -> None:
    tokens = np.array([[1, 1, 1, 1, 1], [1, 0, 2, 1, 1]])
    law, prior = transition_law(3, 0.1), even_prior(3, [[1, 0]])  # x_t = x_{t-1}: from 1 to 1 or 2
    with pytest.raises(ValueError, match="sequence 1 has probability 0"):
        predict(tokens, law, prior)
    np.testing.assert_allclose(predict(tokens, 0.99 * law + 0.01 / 3, prior).sum(-1), 1)
    with pytest.raises(ValueError, match="expected \\(9, 3, 3\\)"):
        predict(tokens, law, np.ones(9) / 9)


def test_likelihood_under_the_true_process_by_hand() -> None:
    # a = b = 1 mod 3. After (1, 2): 0 by the recurrence and as plus one; after (2, 0): 1 as plus one; after (0, 1): not 0.
    prompts, written = np.array([[0, 1, 2]]), np.array([[0, 1, 0]])
    found = true_likelihood(prompts, written, transition_law(3, 0.1)[[4]])
    chances = np.array([1.0, 0.1, 0.0])
    assert found["log_likelihood"] == pytest.approx(np.log((1 - FLOOR) * chances + FLOOR / 3).mean())
    assert found["impossible"] == pytest.approx(1 / 3)
