"""From the raw files to train, dev and test, with the states of the frozen encoder beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import data_card, fingerprint
from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.forms.texts import read_labelled_texts
from etudes.pipelines.bert_classification.parameters import FormParameters
from etudes.splits import stratified, without_repeats
from etudes.text.features import frozen_states
from etudes.text.parameters import FrozenParameters
from etudes.training.parameters import DevSplitParameters

POOLINGS = ("first", "mean")


def ingest(
    raw_train: RawFile, raw_test: RawFile, form: FormParameters
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Check both files, and say where they come from.

    Raises:
        ValueError: as `etudes.forms.texts.read_labelled_texts`.
    """
    train, test = (
        read_labelled_texts(raw, form.label, form.text, form.values, form.separator, form.columns)
        for raw in (raw_train, raw_test)
    )
    rows = {"train_rows": len(train), "test_rows": len(test), "second_class_rows": int(train["label"].sum())}
    return train, test, data_card([raw_test, raw_train], **rows)


def split(
    train_frame: pd.DataFrame,
    test_frame: pd.DataFrame,
    form: FormParameters,
    split: DevSplitParameters,
    frozen: FrozenParameters,
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Cut dev from train; test is the file's own.

    Sentences that are equal but for capitals and spaces are kept once, and those that test holds are dropped from train. The
    states of the encoder lie beside the rows by pooling, ``first`` and ``mean`` (N, layers * width): no label enters them.

    Returns:
        train, dev, test, and what was done.

    Raises:
        ValueError: too few different sentences of a class.
    """
    keys = [
        frame["text"].str.casefold().str.split().str.join(" ").tolist() for frame in (train_frame, test_frame)
    ]
    kept, dropped = without_repeats(*keys)
    rows = train_frame[kept].reset_index(drop=True)
    labels = rows["label"].to_numpy()
    if (fewest := int(np.bincount(labels, minlength=2).min())) < 4:
        raise ValueError(
            f"train has {fewest} different sentences of one class that test does not hold; expected 4 or more"
        )
    is_dev = stratified(labels, split.dev_fraction, split.seed)
    both = pd.concat([rows, test_frame.assign(id=len(train_frame) + test_frame["id"])], ignore_index=True)
    texts = both["text"].tolist()
    states = np.split(frozen_states(texts, frozen, POOLINGS), len(POOLINGS), axis=1)
    examples = Examples(both, dict(zip(POOLINGS, states, strict=True)))
    in_train = np.arange(len(both)) < len(rows)
    is_dev = np.append(is_dev, np.zeros(len(test_frame), dtype=bool))
    train, dev, test = (examples.take(chosen) for chosen in (in_train & ~is_dev, is_dev, ~in_train))
    card = {
        "classes": list(form.classes),
        "unit": "sentences",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        **dropped,
        "letters": "".join(sorted({letter for text in train.rows["text"] for letter in text.lower()})),
        "dev_fingerprint": fingerprint(dev.rows),
    }
    return train, dev, test, card
