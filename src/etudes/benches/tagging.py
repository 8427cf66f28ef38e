"""Sentences of tagged words: from CoNLL-U files to a split by documents, and one evaluation for every tagger.

A tagger's ``tag(sentences)`` answers lists of words with tags (N,) of all words, one sentence after the other, and probabilities (N, K).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.parameters import DocumentSplitParameters, ResamplingParameters, TaggedFormParameters
from etudes.cards import data_card, fingerprint
from etudes.evaluation import per_class_table
from etudes.evaluation.tagging import TaggingSums, tagging_differences, tagging_metrics
from etudes.forms.conllu import NOTHING, Sentence, read_conllu
from etudes.forms.files import SHOWN_PROBLEMS
from etudes.forms.raw import RawFile

Frame = pd.DataFrame
BLOCK = 20  # sentences that are one document where the file names none
GAINS = {"gain": "accuracy", "unseen_gain": "unseen_accuracy", "sentence_gain": "sentence_accuracy"}
ENDS = ("", ".low", ".high")
KINDS = ("one tag in training", "several tags", "another tag than ever in training", "not in training")


def ingest(
    raw_train: RawFile, raw_test: RawFile, form: TaggedFormParameters
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
            f"{raw.name}: {len(untagged)} word{'s have' if len(untagged) > 1 else ' has'} no tag in {column.upper()} (line {', '.join(map(str, untagged[:SHOWN_PROBLEMS]))}"
            f"{more}); expected one for each word, or another column (form.column)"
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
    train_frame: Frame, test_frame: Frame, split: DocumentSplitParameters
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


def _dev_documents(documents: pd.Series, split: DocumentSplitParameters) -> np.ndarray:
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


def evaluate(
    train_split: Frame,
    test_split: Frame,
    split_card: dict[str, Any],
    models: dict[str, Any],
    evaluation: ResamplingParameters,
    pairs: Sequence[tuple[str, str]],
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, dict[str, Any]]:
    """Score every trained variant on test, which no other stage sees; ``pairs`` are a variant and what it is compared with.

    Returns:
        metrics (flat; intervals over sentences), predictions (a row for each variant and word), what parts are worth, accuracy by kind of word,
        the table by tag, and the costs of answers.
    """
    classes, seen = split_card["classes"], seen_words(train_split)
    truth = np.concatenate(tag_ids(test_split, classes))
    kind = kinds(train_split, test_split)
    sums: dict[str, TaggingSums] = {}
    metrics: dict[str, float] = {}
    costs: dict[str, Any] = {}
    rows, by_kind, by_tag = [], [], []
    table = test_split[["id", "words", "tags"]].explode(["words", "tags"])
    table = table.rename(columns={"words": "word", "tags": "truth"}).reset_index(drop=True)
    for name, model in models.items():
        start = time.perf_counter()
        tags, probabilities = model.tag(test_split["words"])
        seconds = time.perf_counter() - start
        costs[name] = {
            "inference_seconds": round(seconds, 4),
            "sentences_per_second": round(len(test_split) / seconds, 1),
        }
        sums[name] = sums_of(tags, probabilities, test_split, seen, classes)
        found = tagging_metrics(sums[name], evaluation.resamples)
        metrics |= {f"{name}.{metric}": value for metric, value in found.items()}
        confidence = probabilities[np.arange(len(tags)), tags]
        told = {
            "predicted": np.array(classes)[tags],
            "confidence": confidence.astype(np.float32),
            "kind": kind,
        }
        rows.append(table.assign(variant=name, **told))
        right = pd.Series(tags == truth).groupby(kind).agg(["mean", "size"])
        by_kind += [[k, name, right["mean"][k], right["size"][k]] for k in KINDS if k in right.index]
        by_tag.append(per_class_table(truth, np.eye(len(classes))[tags], classes).assign(variant=name))
    return (
        metrics,
        pd.concat(rows, ignore_index=True),
        gains(sums, pairs, evaluation.resamples),
        pd.DataFrame(by_kind, columns=["kind", "variant", "accuracy", "words"]),
        pd.concat(by_tag, ignore_index=True),
        costs,
    )


def gains(sums: dict[str, TaggingSums], pairs: Sequence[tuple[str, str]], resamples: int) -> Frame:
    """How much more one variant has right than another, of all words, new ones and whole sentences."""
    rows = []
    for variant, against in pairs:
        if {variant, against} <= {*sums}:
            found = tagging_differences(sums[variant], sums[against], resamples)
            values = [found.get(f"{metric}{end}", np.nan) for metric in GAINS.values() for end in ENDS]
            rows.append([variant, against, *values])
    names = [f"{gain}{end}" for gain in GAINS for end in ENDS]
    return pd.DataFrame(rows, columns=["variant", "against", *names])


def kinds(train: Frame, test: Frame) -> NDArray:
    """What training knew (N,) of each word of test, as it is written; one of `KINDS`."""
    known: dict[str, set[str]] = {}
    for words, tags in zip(train["words"], train["tags"], strict=True):
        for word, tag in zip(words, tags, strict=True):
            known.setdefault(word, set()).add(tag)

    def kind(word: str, tag: str) -> str:
        if word not in known:
            return KINDS[3]
        if tag not in known[word]:
            return KINDS[2]
        return KINDS[len(known[word]) > 1]

    found = [
        kind(word, tag)
        for words, tags in zip(test["words"], test["tags"], strict=True)
        for word, tag in zip(words, tags, strict=True)
    ]
    return np.array(found, dtype=object)


def sums_of(
    tags: NDArray, probabilities: NDArray, frame: Frame, seen: set[str], classes: list[str]
) -> TaggingSums:
    """What scores of tags (N,) and probabilities (N, K) of the words of a frame are made of; words that are not ``seen`` are new."""
    truth = np.concatenate(tag_ids(frame, classes))
    unseen = np.array([word not in seen for words in frame["words"] for word in words])
    sentence = np.repeat(np.arange(len(frame)), frame["words"].map(len))
    return TaggingSums.of(
        truth, tags, probabilities[np.arange(len(truth)), truth], sentence, unseen, len(classes)
    )


def dev_scores(model: Any, train: Frame, dev: Frame, classes: list[str]) -> dict[str, float]:
    """Scores on dev."""
    tags, probabilities = model.tag(dev["words"])
    sums = sums_of(tags, probabilities, dev, seen_words(train), classes)
    return {
        name: float(value[0])
        for name, value in sums.metrics(np.ones((1, len(sums)))).items()
        if np.isfinite(value[0])
    }
