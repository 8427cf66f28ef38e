"""From CoNLL-U files to sentences of tagged words, dev cut from train by whole documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import data_card, fingerprint
from etudes.forms.conllu import NOTHING, Sentence, read_conllu
from etudes.forms.raw import RawFile
from etudes.pipelines.pos_tagging.parameters import FormParameters, SplitParameters

Frame = pd.DataFrame
BLOCK = 20  # sentences that are one document where the file names none
SHOWN_PROBLEMS = 5


def ingest(
    raw_train: RawFile, raw_test: RawFile, form: FormParameters
) -> tuple[Frame, Frame, dict[str, Any]]:
    """Check both files.

    Returns:
        Two frames with a row a sentence, ``id``, ``document``, ``text`` (empty where the file has none), ``words`` and ``tags`` (lists), and
        where the data come from.

    Raises:
        ValueError: a line that breaks the form, or a word without a tag; the message names file and line.
    """
    train, test = (_frame(raw, form.column) for raw in (raw_train, raw_test))
    card = data_card(
        [raw_train, raw_test],
        train_sentences=len(train),
        test_sentences=len(test),
        train_words=int(train["words"].map(len).sum()),
        test_words=int(test["words"].map(len).sum()),
    )
    return train, test, card


def _frame(raw: RawFile, column: str) -> Frame:
    sentences = read_conllu(raw)
    untagged = [
        line
        for sentence in sentences
        for line, tag in zip(sentence.lines, _tags(sentence, column), strict=True)
        if tag == NOTHING
    ]
    if untagged:
        more = ", ..." if len(untagged) > SHOWN_PROBLEMS else ""
        raise ValueError(
            f"{raw.name}: {len(untagged)} words have no tag in {column.upper()} (line {', '.join(map(str, untagged[:SHOWN_PROBLEMS]))}"
            f"{more}); expected one for each word, or another column (pos_tagging.form.column)"
        )
    rows = [
        {
            "id": number,
            "document": sentence.document
            or f"sentences {BLOCK * (number // BLOCK) + 1} to {BLOCK * (number // BLOCK + 1)}",
            "text": sentence.text,
            "words": list(sentence.forms),
            "tags": list(_tags(sentence, column)),
        }
        for number, sentence in enumerate(sentences)
    ]
    return pd.DataFrame(rows)


def _tags(sentence: Sentence, column: str) -> tuple[str, ...]:
    return sentence.upos if column == "upos" else sentence.xpos


def split(
    train_frame: Frame, test_frame: Frame, split: SplitParameters
) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Train, dev and test. No sentence of train is one of dev or test, word for word.

    Dev is whole documents, because test is: sentences of one document share names and subjects, and a dev cut from
    single sentences would know more words of train than test does.

    Raises:
        ValueError: nothing would be left of train or dev.
    """
    keys = train_frame["words"].map(tuple)
    in_test = keys.isin(set(test_frame["words"].map(tuple))).to_numpy()
    is_dev = _dev_documents(train_frame["document"], split)
    in_dev = ~is_dev & keys.isin(set(keys[is_dev])).to_numpy() & ~in_test
    train = train_frame[~is_dev & ~in_test & ~in_dev].reset_index(drop=True)
    dev = train_frame[is_dev & ~in_test].reset_index(drop=True)
    if not len(train) or not len(dev):
        raise ValueError(
            f"{len(train_frame)} training sentences in {train_frame['document'].nunique()} documents, {in_test.sum()} of them in test too: "
            f"{len(train)} are left for train and {len(dev)} for dev; expected some of each. Give more sentences."
        )
    tags = sorted({tag for frame in (train, dev, test_frame) for own in frame["tags"] for tag in own})
    if len(tags) < 2:
        raise ValueError(f"all words have the tag {tags[0]}; expected two tags or more")
    card = {
        "unit": "sentences",
        "classes": tags,
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test_frame),
        "train_words": int(train["words"].map(len).sum()),
        "dev_words": int(dev["words"].map(len).sum()),
        "test_words": int(test_frame["words"].map(len).sum()),
        "alphabet": "".join(
            sorted({c for words in train["words"] for word in words for c in word if c.isalpha()})
        ),
        "dev_documents": int(dev["document"].nunique()),
        "dropped_because_in_test": int(in_test.sum()),
        "dropped_because_in_dev": int(in_dev.sum()),
        "dev_fingerprint": fingerprint(
            *("\t".join((*w, *t)) + "\n" for w, t in zip(dev["words"], dev["tags"], strict=True))
        ),
    }
    return train, dev, test_frame, card


def _dev_documents(documents: pd.Series, split: SplitParameters) -> np.ndarray:
    """Which sentences (S,) are of the documents, drawn one by one, that together have the share of dev."""
    sizes = documents.value_counts(sort=False)
    drawn = np.random.default_rng(split.seed).permutation(len(sizes))
    enough = int(np.searchsorted(np.cumsum(sizes.to_numpy()[drawn]), split.dev_fraction * len(documents))) + 1
    return documents.isin(set(sizes.index[drawn[: min(enough, len(sizes) - 1)]])).to_numpy()


def tag_ids(frame: Frame, classes: list[str]) -> list[np.ndarray]:
    """The tags of each sentence as places (T,), int64, in ``classes``."""
    place = {tag: k for k, tag in enumerate(classes)}
    return [np.array([place[tag] for tag in tags], dtype=np.int64) for tags in frame["tags"]]


def seen_words(frame: Frame) -> set[str]:
    """The words of a frame, as they are written."""
    return {word for words in frame["words"] for word in words}
