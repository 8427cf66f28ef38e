"""The baselines against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.pipelines.decoder_transformer.ngrams import ContextLookup, NGrams, witten_bell

TOKENS = np.array([[0, 1, 0, 1, 2], [2, 2, 0, 1, 0]])


def test_unigram_and_bigram_count_by_hand() -> None:
    unigram, bigram = (NGrams.fit(order, {"x": (TOKENS, 4)}) for order in (1, 2))
    # 0, 1, 2 occur 4, 3, 3 times, 3 never: three kinds share the weight 3 with the even law.
    first = (np.array([4, 3, 3, 0]) + 3 / 4) / 13
    given = np.array([[0, 0, 0]])
    np.testing.assert_allclose(np.exp(unigram.log_probs("x", given)[0, 1]), first, rtol=1e-6)
    # After 0 comes 1 three times; one kind.
    np.testing.assert_allclose(
        np.exp(bigram.log_probs("x", given)[0, 1]), (np.array([0, 3, 0, 0]) + first) / 4, rtol=1e-6
    )
    # 3 was never seen: the unigram.
    np.testing.assert_allclose(np.exp(bigram.log_probs("x", np.array([[3]]))[0, 0]), first, rtol=1e-6)


def test_trigram_uses_two_tokens_and_one_at_the_start() -> None:
    model, bigram = NGrams.fit(3, {"x": (TOKENS, 4)}), NGrams.fit(2, {"x": (TOKENS, 4)})
    found = np.exp(model.log_probs("x", np.array([[0, 1, 3]]))[0])
    of_one = np.exp(bigram.log_probs("x", np.array([[0, 1, 3]]))[0])
    np.testing.assert_allclose(found[0], of_one[0], rtol=1e-6)
    # (0, 1) went on with 0, 2 and 0: two kinds share the weight 2 with the bigram of 1.
    np.testing.assert_allclose(found[1], (np.array([2, 0, 1, 0]) + 2 * of_one[1]) / 5, rtol=1e-6)
    np.testing.assert_allclose(found[2], of_one[2], rtol=1e-6)


def test_lookup_counts_the_context_by_hand() -> None:
    tokens = np.array([[0, 1, 0, 1, 2, 0, 1]])
    found = np.exp(ContextLookup({"x": 3}).log_probs("x", tokens)[0])
    even = np.full(3, 1 / 3)
    for t in range(tokens.shape[1]):
        seen = tokens[0, : t + 1].tolist()
        counts = [np.bincount(seen, minlength=3)]
        for n in (1, 2):
            following = [seen[i + n] for i in range(len(seen) - n) if seen[i : i + n] == seen[-n:]]
            counts.append(np.bincount(following if len(seen) >= n else [], minlength=3))
        expected = even
        for count in counts:
            expected = witten_bell(count.astype(float), expected)
        np.testing.assert_allclose(found[t], expected, rtol=1e-5)


def test_lookup_ignores_the_future() -> None:
    tokens = np.random.default_rng(0).integers(0, 5, size=(3, 12))
    model = ContextLookup({"x": 5})
    np.testing.assert_allclose(
        model.log_probs("x", tokens)[:, :6], model.log_probs("x", tokens[:, :6]), rtol=1e-6
    )


@pytest.mark.parametrize("model", [NGrams.fit(3, {"x": (TOKENS, 4)}), ContextLookup({"x": 4})])
def test_laws_sum_to_one(model: NGrams | ContextLookup) -> None:
    law = np.exp(model.log_probs("x", np.random.default_rng(1).integers(0, 4, size=(70, 10))))
    np.testing.assert_allclose(law.sum(-1), 1, rtol=1e-5)
    assert (law > 0).all()
