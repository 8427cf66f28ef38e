"""Sentences of tagged words: dev by documents, no sentence twice, no word without a tag; kinds of words and differences of variants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.benches.parameters import DocumentSplitParameters, TaggedFormParameters
from etudes.benches.tagging import KINDS, gains, ingest, kinds, split
from etudes.evaluation.tagging import TaggingSums
from etudes.forms.raw import RawFile


def frame(*sentences: list[tuple[str, str]]) -> pd.DataFrame:
    words, tags = ([[pair[k] for pair in own] for own in sentences] for k in (0, 1))
    return pd.DataFrame({"id": range(len(words)), "text": "", "words": words, "tags": tags})


def toy(seed: int, sentences: int) -> pd.DataFrame:
    """Different sentences of nouns, verbs and particles, five in a document."""
    drawn = [
        [(f"{kind}{seed}{number}{k}", kind) for k, kind in enumerate(("NOUN", "VERB", "PART"))]
        for number in range(sentences)
    ]
    return frame(*drawn).assign(document=[str(number // 5) for number in range(sentences)])


FORM = TaggedFormParameters(column="upos")
LINE = "1\t{}\t_\t{}\t{}\t_\t_\t_\t_\t_\n"


def file(name: str, *sentences: tuple[str, str, str]) -> RawFile:
    return RawFile(name, "\n".join([*(LINE.format(*each) for each in sentences), ""]).encode())


def parts(
    train: pd.DataFrame, test: pd.DataFrame, fraction: float = 0.2
) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    kept, dev, same, card = split(train, test, DocumentSplitParameters(dev_fraction=fraction, seed=0))
    assert same is test
    return kept, dev, card


def test_dev_is_whole_documents_of_about_its_share() -> None:
    train, dev, card = parts(toy(0, 200), toy(1, 20))
    assert not {*train["document"]} & {*dev["document"]}
    assert 40 - 5 <= card["dev_rows"] <= 40 + 5 and card["classes"] == ["NOUN", "PART", "VERB"]


def test_no_sentence_of_train_is_in_dev_or_test() -> None:
    frame, test = toy(0, 100), toy(1, 10)
    copies = frame.assign(document="copy of " + frame["document"])
    again = pd.concat([frame, copies, test.assign(document="of test")], ignore_index=True)
    train, dev, card = parts(again, test)
    keys = [set(part["words"].map(tuple)) for part in (train, dev, test)]
    assert not keys[0] & keys[1] and not (keys[0] | keys[1]) & keys[2]
    assert card["dropped_because_in_test"] == 10 and card["dropped_because_in_dev"] > 0
    assert card["train_rows"] + card["dev_rows"] + card["dropped_because_in_dev"] + 10 <= len(again)


def test_a_file_without_documents_is_cut_into_runs_of_sentences() -> None:
    raw = file("mine", *((f"w{k}", "NOUN" if k % 2 else "VERB", "_") for k in range(50)))
    frame, test, card = ingest(raw, file("test", ("a", "NOUN", "_"), ("b", "VERB", "_")), FORM)
    assert frame["document"].nunique() == 3 and card["train_words"] == 50
    train, dev, _ = parts(frame, test)
    assert len(train) in (30, 40) and len(dev) in (20, 10)


def test_the_other_column_is_read_when_asked() -> None:
    raw = file("mine", ("a", "NOUN", "NN"), ("b", "VERB", "VB"))
    frame, *_ = ingest(raw, raw, TaggedFormParameters(column="xpos"))
    assert list(frame["tags"]) == [["NN"], ["VB"]]


def test_words_without_a_tag_are_named() -> None:
    raw = file("mine", ("a", "NOUN", "_"), ("b", "_", "_"))
    with pytest.raises(ValueError, match=r"mine: 1 word has no tag in UPOS \(line 3\)"):
        ingest(raw, raw, FORM)


@pytest.mark.parametrize("number", [1, 4])
def test_too_few_documents_are_refused(number: int) -> None:
    frame = toy(0, number).assign(document="one")
    with pytest.raises(ValueError, match="expected some of each"):
        parts(frame, toy(1, 5))


def test_a_single_tag_is_refused() -> None:
    raw = file("mine", *((f"w{k}", "NOUN", "_") for k in range(50)))
    frame, test, _ = ingest(raw, file("test", ("a", "NOUN", "_")), FORM)
    with pytest.raises(ValueError, match="all words have the tag NOUN"):
        parts(frame, test)


def test_a_word_is_of_the_kind_that_training_makes_it() -> None:
    train = frame([("light", "NOUN"), ("light", "VERB"), ("mill", "NOUN")])
    test = frame([("mill", "NOUN"), ("light", "VERB")], [("light", "ADJ"), ("Mill", "NOUN")])
    assert list(kinds(train, test)) == list(KINDS)


def test_gains_are_of_variants_that_ran() -> None:
    truth, sentence = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 2])
    unseen, chances = np.array([True, False, False, False]), np.ones(4)

    def sums(predicted: list[int]) -> TaggingSums:
        return TaggingSums.of(truth, np.array(predicted), chances, sentence, unseen, 2)

    found = gains(
        {"linear": sums([0, 1, 0, 1]), "most_frequent": sums([1, 1, 0, 1])},
        [("linear", "most_frequent"), ("linear", "left out")],
        100,
    )
    (row,) = found.to_dict("records")
    assert (row["variant"], row["against"], row["gain"], row["unseen_gain"]) == (
        "linear",
        "most_frequent",
        0.25,
        1.0,
    )
    assert row["sentence_gain"] == pytest.approx(1 / 3)
