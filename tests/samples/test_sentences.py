"""The grammar of the sample: its files are CoNLL-U, and its best tagger is the best."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from etudes.forms.conllu import read_conllu
from etudes.samples.sentences import NAMES, STATES, TAGS, draw, emission, posterior, raw_file, written


def test_the_file_is_read_as_it_was_drawn() -> None:
    raw = raw_file("test", 25, seed=3)
    generator = np.random.default_rng([3, 1])
    for sentence in read_conllu(raw):
        words, states = draw(generator)
        assert sentence.forms == tuple(words) and sentence.text == written(words)
        assert sentence.upos == tuple(STATES[state][0] for state in states)
    assert sentence.document == "test-3"


def weight(words: list[str], states: tuple[str, ...]) -> float:
    """P(words, states), step by step."""
    total, before = 1.0, "START"
    for t, (word, state) in enumerate(zip(words, states, strict=True)):
        following = STATES[before][1]
        total *= following.get(state, 0.0) / sum(following.values()) * emission(word, state, t == 0)
        before = state
    return total * STATES[before][1].get("END", 0.0) / sum(STATES[before][1].values())


@pytest.mark.parametrize(
    "words", [["That", "light", "can", "watch", "."], ["Well", ",", "the", "bagoter", "ring", "!"]]
)
def test_the_best_tagger_knows_the_chances_of_all_walks(words: list[str]) -> None:
    able = [[name for name in NAMES if emission(word, name, t == 0) > 0] for t, word in enumerate(words)]
    chances = {walk: weight(words, walk) for walk in itertools.product(*able)}
    expected = np.zeros((len(words), len(TAGS)))
    for walk, chance in chances.items():
        for t, state in enumerate(walk):
            expected[t, TAGS.index(STATES[state][0])] += chance / sum(chances.values())
    np.testing.assert_allclose(posterior(words), expected, atol=1e-12)


def test_words_of_a_state_have_its_chances() -> None:
    for state in ("noun", "adverb", "name"):
        listed = {*STATES[state][2].split()}
        made_up = [word for word in ("bagot", "bagoting", "bagotly", "Bagot") if word not in listed]
        assert 0 < sum(emission(word, state, False) for word in listed) < 1
        assert any(emission(word, state, False) for word in made_up)


def test_the_ceiling_is_what_the_best_tagger_reaches() -> None:
    facts = raw_file("test", 60, seed=1).facts["ceiling"]
    assert abs(facts["accuracy"] - facts["realised_accuracy"]) < 0.03
    assert "ceiling" not in raw_file("train", 20, seed=1).facts


@pytest.mark.parametrize(("part", "sentences"), [("dev", 30), ("train", 5)])
def test_unknown_parts_and_too_few_sentences_are_refused(part: str, sentences: int) -> None:
    with pytest.raises(ValueError, match="expected train or test"):
        raw_file(part, sentences, seed=0)
