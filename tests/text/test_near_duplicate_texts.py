"""Near-duplicates of texts, against all pairs counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.text import duplicates
from etudes.text.duplicates import near_duplicates
from etudes.text.tokens import tokenize


def by_hand(texts: list[str], shingle: int, least: float) -> list[int]:
    """The groups of all pairs of sets of runs, the first text of a group giving the name."""
    sets = []
    for words in map(tokenize, texts):
        ends = range(max(1, len(words) - shingle + 1))
        sets.append({tuple(words[k : k + shingle]) for k in ends})
    group = list(range(len(texts)))
    for i, own in enumerate(sets):
        for j, other in enumerate(sets[:i]):
            if len(own & other) / len(own | other) >= least and group[i] != group[j]:
                old, new = max(group[i], group[j]), min(group[i], group[j])
                group = [new if g == old else g for g in group]
    return group


def market(seed: int, count: int = 120) -> list[str]:
    """Texts of a few words, many of them copies with some words changed, all with one phrase in common."""
    rng, texts = np.random.default_rng(seed), []
    for _ in range(count):
        words = rng.choice(list("abcdefghijklmnopq"), size=rng.integers(0, 30))
        if texts and rng.random() < 0.6:
            words = np.array(tokenize(texts[rng.integers(len(texts))])[4:], dtype=object)
            words[rng.random(len(words)) < rng.choice([0.0, 0.02, 0.1])] = "z"
        texts.append(" ".join(["we", "are", "an", "employer", *words]))
    return [*texts, "", "...", "we", ""]


@pytest.mark.parametrize("least", [0.05, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("shingle", [1, 3])
def test_groups_are_those_of_all_pairs(least: float, shingle: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "ROWS", 7)
    monkeypatch.setattr(duplicates, "PAIRS", 5)
    texts = market(seed=shingle)
    expected = by_hand(texts, shingle, least)
    found = near_duplicates(texts, shingle, least)
    assert found.tolist() == np.unique(expected, return_inverse=True)[1].tolist()
    assert 1 <= len(set(expected)) < len(texts)


def test_a_resemblance_that_is_just_reached_counts() -> None:
    texts = ["a b c d e f", "a b c d e g", "b c d e g h", "x y z x y z", "short"]
    assert near_duplicates(texts, 2, 4 / 6).tolist() == [
        0,
        0,
        0,
        1,
        2,
    ]  # 4 of 6 runs, the third through the second
    assert near_duplicates(texts, 2, 4 / 6 + 0.01).tolist() == [0, 1, 2, 3, 4]


def test_a_phrase_that_all_share_brings_nobody_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of texts with a common half no pair is counted, so that time does not grow with their square."""
    texts = [
        f"{'we are an employer of everyone ' * 3} {' '.join(f'w{k}x{n}' for n in range(9))}"
        for k in range(60)
    ]
    monkeypatch.setattr(duplicates, "_joined", lambda *_: pytest.fail("a pair was counted"))
    assert len(set(near_duplicates(texts, 3, 0.7))) == 60
