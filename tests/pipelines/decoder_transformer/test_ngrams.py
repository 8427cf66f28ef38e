"""The cheap methods against counting again, by hand or by brute force."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from etudes.pipelines.decoder_transformer.ngrams import (
    FEW,
    ContextLookup,
    KneserNey,
    NGrams,
    discounts,
    longest,
    witten_bell,
)

START = 9  # before a sequence; no token of these tests


def sequences(rows: int, seed: int) -> np.ndarray:
    """Tokens of 0 .. 3, the early ones oftener; each leans on the one before it."""
    draws = np.random.default_rng(seed).integers(0, 4, size=(2, rows, 12))
    tokens = draws.min(0)
    tokens[:, 1:] = np.where(draws[1, :, 1:] == 0, (tokens[:, :-1] + 1) % 4, tokens[:, 1:])
    return tokens


def kneser_ney(rows: list[tuple[int, ...]], order: int, history: tuple[int, ...]) -> np.ndarray:
    """p(. | history) of a vocabulary of five by the words of Chen and Goodman: counting again for every number."""

    def occurrences(n: int) -> Counter[tuple[int, ...]]:
        padded = [(START,) * (n - 1) + row for row in rows]
        return Counter(row[i : i + n] for row in padded for i in range(len(row) - n + 1))

    n = len(history) + 1
    counts = occurrences(n) if n == order else Counter(gram[1:] for gram in occurrences(n + 1))
    kinds = Counter(counts.values())
    y = kinds[1] / (kinds[1] + 2 * kinds[2]) if kinds[1] else 0
    rare = all(kinds[k] for k in (1, 2, 3, 4))
    discount = [k - (k + 1) * y * kinds[k + 1] / kinds[k] if rare else 0.5 * k for k in (1, 2, 3)]
    lower = np.full(5, 0.2) if n == 1 else kneser_ney(rows, order, history[1:])
    total = sum(count for gram, count in counts.items() if gram[:-1] == history)
    if not total:
        return lower
    taken = [discount[min(counts[(*history, w)], 3) - 1] if counts[(*history, w)] else 0.0 for w in range(5)]
    kept = [counts[(*history, w)] - taken[w] for w in range(5)]
    return (np.array(kept) + sum(taken) * lower) / total


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_kneser_ney_is_that_of_the_words(order: int) -> None:
    rows, asked = sequences(40, seed=0), sequences(3, seed=1)
    asked[2, 5] = 4  # never seen in training
    found = np.exp(KneserNey.fit(rows, 5, order).log_probs(asked))
    for (row, t), _ in np.ndenumerate(asked):
        padded = (START,) * order + tuple(asked[row, : t + 1].tolist())
        history = padded[len(padded) - order + 1 :]
        expected = kneser_ney([tuple(r) for r in rows.tolist()], order, history)
        np.testing.assert_allclose(found[row, t], expected, rtol=2e-6, err_msg=f"after {history}")


def test_discounts_by_hand() -> None:
    # Y = 4 / (4 + 2 x 2) = 1/2.
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])
    np.testing.assert_allclose(discounts(counts), [0, 1 - 2 / 4, 2 - 3 / 4, 3 - 4 / 2])
    assert discounts(np.array([5, 1, 7])) is FEW
    assert discounts(np.repeat([1, 2, 3, 4], [4, 2, 9, 1])) is FEW, "2 - 3/2 x 9/2 would add"


@pytest.mark.parametrize("size", [2, 66, 255, 5000])
def test_the_longest_n_grams_just_fit_into_64_bits(size: int) -> None:
    assert (size + 1) ** longest(size) <= 2**63 < (size + 1) ** (longest(size) + 1)
    last = KneserNey.fit(np.full((1, 30), size - 1), size, longest(size))
    assert np.exp(last.log_probs(np.full((1, 30), size - 1)))[0, -1, -1] > 0.9


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


@pytest.mark.parametrize(
    "model", [NGrams({"x": KneserNey.fit(sequences(9, 0), 4, 4)}), ContextLookup({"x": 4})]
)
def test_laws_sum_to_one_and_are_the_same_when_read_back(model: NGrams | ContextLookup) -> None:
    tokens = np.random.default_rng(1).integers(0, 4, size=(70, 10))
    law = np.exp(model.log_probs("x", tokens))
    np.testing.assert_array_equal(np.exp(type(model).from_state(model.state()).log_probs("x", tokens)), law)
    np.testing.assert_allclose(law.sum(-1), 1, rtol=1e-5)
    assert (law > 0).all()
