"""What is cut from what: dev by documents, no sentence twice, no word without a tag."""

from __future__ import annotations

import pandas as pd
import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.pos_tagging.corpus import ingest, split
from etudes.pipelines.pos_tagging.parameters import FormParameters, SplitParameters

from .conftest import toy

FORM = FormParameters(column="upos", language="en")
LINE = "1\t{}\t_\t{}\t{}\t_\t_\t_\t_\t_\n"


def file(name: str, *sentences: tuple[str, str, str]) -> RawFile:
    return RawFile(name, "\n".join([*(LINE.format(*each) for each in sentences), ""]).encode())


def parts(
    train: pd.DataFrame, test: pd.DataFrame, fraction: float = 0.2
) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    kept, dev, same, card = split(train, test, SplitParameters(dev_fraction=fraction, seed=0))
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
    frame, *_ = ingest(raw, raw, FormParameters(column="xpos", language="en"))
    assert list(frame["tags"]) == [["NN"], ["VB"]]


def test_words_without_a_tag_are_named() -> None:
    raw = file("mine", ("a", "NOUN", "_"), ("b", "_", "_"))
    with pytest.raises(ValueError, match=r"mine: 1 words have no tag in UPOS \(line 3\)"):
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
