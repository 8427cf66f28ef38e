"""Scores on test: of all words, of new ones, of each kind and tag; what a part is worth; and what is left of it on a plain text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.evaluation import per_class_table
from etudes.evaluation.bootstrap import quantile_interval, resample_weights
from etudes.evaluation.tagging import TaggingSums, tagging_differences, tagging_metrics
from etudes.pipelines.pos_tagging.corpus import seen_words, tag_ids
from etudes.pipelines.pos_tagging.model import sums_of
from etudes.pipelines.pos_tagging.parameters import EvaluationParameters, FormParameters
from etudes.text.cutting import cutter

Frame = pd.DataFrame
# What is more right, variant against variant: each part, the chain, the network, what surrounds a word.
PAIRS = (
    ("linear", "most_frequent"),
    ("linear_crf", "linear"),
    ("bilstm", "linear_crf"),
    ("bilstm_vectors", "bilstm"),
    ("bilstm_characters", "bilstm_vectors"),
    ("bilstm_crf", "bilstm_characters"),
    ("bilstm_crf", "linear_crf"),
)
GAINS = {"gain": "accuracy", "unseen_gain": "unseen_accuracy", "sentence_gain": "sentence_accuracy"}
ENDS = ("", ".low", ".high")
KINDS = ("one tag in training", "several tags", "another tag than ever in training", "not in training")


def evaluate(
    train_split: Frame,
    test_split: Frame,
    split_card: dict[str, Any],
    models: dict[str, Any],
    evaluation: EvaluationParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, dict[str, Any]]:
    """Score every trained variant on test, which no other stage sees.

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
        gains(sums, evaluation.resamples),
        pd.DataFrame(by_kind, columns=["kind", "variant", "accuracy", "words"]),
        pd.concat(by_tag, ignore_index=True),
        costs,
    )


def gains(sums: dict[str, TaggingSums], resamples: int) -> Frame:
    """How much more one variant has right than another, of all words, new ones and whole sentences."""
    rows = []
    for variant, against in PAIRS:
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


def from_text(
    test_split: Frame,
    models: dict[str, Any],
    histories: dict[str, Any],
    split_card: dict[str, Any],
    form: FormParameters,
    evaluation: EvaluationParameters,
) -> Frame:
    """The best variant of dev on plain texts: which words the rules cut as the file does, and which of these have the right tag too.

    Returns:
        ``f1`` by ``what``, harmonic mean of the shares of the words found and of the words given that are right (Zeman et al., CoNLL 2018). Of
        sentences whose words are those of their text.
    """
    written = test_split[test_split["text"] != ""]
    glued = written["words"].map("".join) == written["text"].map(lambda text: "".join(text.split()))
    written = written[glued]
    names = ["what", *(f"f1{end}" for end in ENDS), "sentences"]
    if not len(written):
        return pd.DataFrame(columns=names)
    best = max(models, key=lambda name: histories[name]["dev"]["accuracy"])
    cut = cutter(form.language)
    given = [[word for sentence in cut(text) for word in sentence] for text in written["text"]]
    tags, _ = models[best].tag(given)
    told = np.array(split_card["classes"])[tags]
    counts, at = [], 0
    for words, own, system in zip(written["words"], written["tags"], given, strict=True):
        gold = set(zip(spans(words), own, strict=True))
        found = list(zip(spans(system), told[at : at + len(system)], strict=True))
        at += len(system)
        places = {place for place, _ in gold}
        same = sum(place in places for place, _ in found), sum(pair in gold for pair in found)
        counts.append([*same, len(gold) + len(found)])
    sums = np.array(counts, dtype=np.float64)
    drawn = np.concatenate([w @ sums for w in resample_weights(len(sums), evaluation.resamples, seed=0)])
    rows = []
    for column, what in enumerate(("words", "words with the right tag")):
        value = 2 * sums[:, column].sum() / sums[:, 2].sum()
        rows.append([what, value, *quantile_interval(2 * drawn[:, column] / drawn[:, 2], 0.95), len(written)])
    return pd.DataFrame(rows, columns=names)


def spans(words: Sequence[str]) -> list[tuple[int, int]]:
    """Where each word begins and ends among the characters that are no spaces."""
    ends = np.cumsum([len("".join(word.split())) for word in words])
    return list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
