"""Words, vocabularies and batches by length."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.text.tokens import (
    PADDING,
    UNKNOWN,
    Vocabulary,
    bucketed_batches,
    pad,
    sorted_batches,
    tokenize,
)

LENGTHS = np.random.default_rng(0).integers(1, 200, size=1003)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog barks.", ["a", "dog", "barks", "."]),
        ("don't", ["don't"]),
        ("Jack’s here", ["jack’s", "here"]),
        ("'tis the dogs'", ["'", "tis", "the", "dogs", "'"]),
        ("Amélie ÉTÉ 東京 1984", ["amélie", "été", "東京", "1984"]),
        ("well-known; snake_case...", ["well", "-", "known", ";", "snake", "case", ".", ".", "."]),
        ("  two\n\tlines ", ["two", "lines"]),
        ("", []),
    ],
)
def test_tokenize_gives_words_and_marks_in_order(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


def test_vocabulary_is_ordered_by_frequency_and_ties_by_alphabet() -> None:
    vocabulary = Vocabulary.build([["b", "c", "a", "z"], ["z", "b", "a"], ["z"]], min_count=1, max_size=100)
    assert vocabulary.words == [PADDING, UNKNOWN, "z", "a", "b", "c"]


def test_vocabulary_does_not_depend_on_the_order_of_documents() -> None:
    documents = [["b", "a"], ["c", "a"], ["d"]]
    assert Vocabulary.build(documents, 1, 99).words == Vocabulary.build(reversed(documents), 1, 99).words


def test_vocabulary_keeps_words_with_at_least_min_count() -> None:
    documents = [["three", "two", "one"], ["three", "two"], ["three"]]
    assert Vocabulary.build(documents, min_count=2, max_size=100).words[2:] == ["three", "two"]


def test_vocabulary_size_counts_padding_and_unknown() -> None:
    vocabulary = Vocabulary.build([["a", "a", "b", "b", "c"]], min_count=1, max_size=4)
    assert len(vocabulary) == 4
    assert vocabulary.words[2:] == ["a", "b"]


def test_encode_gives_unknown_words_the_unknown_id_and_cuts() -> None:
    vocabulary = Vocabulary([PADDING, UNKNOWN, "a", "b"])
    ids = vocabulary.encode(["b", "zebra", "a", "a"], max_length=3)
    assert ids.tolist() == [3, 1, 2]
    assert ids.dtype == np.int64


def test_an_empty_document_is_one_unknown_word() -> None:
    assert Vocabulary([PADDING, UNKNOWN, "a"]).encode([], max_length=5).tolist() == [1]


def test_vocabulary_refuses_words_without_padding_and_unknown_in_front() -> None:
    with pytest.raises(ValueError, match=r"starts with <pad>, <unk>; found \['a', 'b'\]"):
        Vocabulary(["a", "b"])


def test_pad_fills_up_to_the_longest_and_gives_the_lengths() -> None:
    rectangle, lengths = pad([np.array([5, 6]), np.array([7]), np.array([8, 9, 10])], value=-1)
    assert rectangle.tolist() == [[5, 6, -1], [7, -1, -1], [8, 9, 10]]
    assert lengths.tolist() == [2, 1, 3]
    assert rectangle.dtype == lengths.dtype == np.int64


@pytest.mark.parametrize("size", [1, 16, 1003, 5000])
def test_bucketed_batches_hold_every_index_exactly_once(size: int) -> None:
    batches = bucketed_batches(LENGTHS, size, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(LENGTHS)))
    assert all(0 < len(batch) <= size for batch in batches)


def test_same_seed_gives_the_same_batches_and_another_seed_others() -> None:
    first, again, other = (
        [batch.tolist() for batch in bucketed_batches(LENGTHS, 16, np.random.default_rng(seed))]
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_members_of_a_bucketed_batch_have_like_lengths() -> None:
    batches = bucketed_batches(LENGTHS, 16, np.random.default_rng(0))
    spread = [np.ptp(LENGTHS[batch]) for batch in batches]
    at_random = [np.ptp(LENGTHS[i : i + 16]) for i in range(0, len(LENGTHS), 16)]
    assert np.mean(spread) < 0.15 * np.mean(at_random)


def test_bucketed_batches_do_not_come_in_the_order_of_length() -> None:
    means = [LENGTHS[batch].mean() for batch in bucketed_batches(LENGTHS, 16, np.random.default_rng(0))]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5


def test_sorted_batches_fall_in_length_and_hold_every_index_once() -> None:
    batches = sorted_batches(LENGTHS, 16)
    order = np.concatenate(batches)
    assert sorted(order.tolist()) == list(range(len(LENGTHS)))
    assert (np.diff(LENGTHS[order]) <= 0).all()
    assert [len(batch) for batch in batches[:-1]] == [16] * (len(batches) - 1)


def test_no_texts_give_no_batches() -> None:
    nothing = np.array([], dtype=np.int64)
    assert sorted_batches(nothing, 4) == bucketed_batches(nothing, 4, np.random.default_rng(0)) == []
