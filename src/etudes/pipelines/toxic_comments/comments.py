"""From the raw file to folds of comments with the states of the encoder beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.few_labels import folds_of
from etudes.cards import data_card, fingerprint
from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.forms.texts import read_labelled_texts
from etudes.pipelines.toxic_comments.model import dev_rows
from etudes.pipelines.toxic_comments.parameters import FormParameters, SplitParameters
from etudes.text.features import frozen_states
from etudes.text.parameters import FrozenParameters
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

CLASSES = ["fine", "toxic"]


def ingest(raw_comments: RawFile, form: FormParameters) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Check the file, and say where it comes from.

    Raises:
        ValueError: as `etudes.forms.texts.read_labelled_texts`.
    """
    frame = read_labelled_texts(raw_comments, form.label, form.text, form.values, form.separator)
    return frame, data_card([raw_comments], comments_rows=len(frame), toxic_rows=int(frame["label"].sum()))


def split(
    comments_frame: pd.DataFrame, split: SplitParameters, frozen: FrozenParameters, run: RunParameters
) -> tuple[Examples, pd.DataFrame, Examples, dict[str, Any]]:
    """Deal the texts out into stratified folds; the first is the study's own test split, the others are its train split.

    Some training rows are dev rows as well (``is_dev``): linear variants hold them out in turn with all others, the encoder that is
    fine-tuned does not train on them, and by them variants are compared.

    Texts that are equal but for capitals and spaces are kept once, so that none is trained on and tested on. The states of the
    encoder lie beside the rows: no label enters them, and they are the same for whoever asks.

    Returns:
        train; its dev rows once more; test; what was done. The column ``fold`` says where a row belongs. ``test_rows`` are all rows:
        each is tested once.

    Raises:
        ValueError: a class has fewer different texts than there are folds.
    """
    keys = comments_frame["text"].str.casefold().str.split().str.join(" ")
    rows = comments_frame[~keys.duplicated()].reset_index(drop=True)
    labels = rows["label"].to_numpy()
    if (fewest := int(rows["label"].value_counts().min())) < 2 * split.folds:
        raise ValueError(
            f"one class has {fewest} different texts; expected {2 * split.folds} or more, two for each of split.folds = {split.folds}"
        )
    rows = rows.assign(fold=folds_of(labels, split.folds, derive_seed(run.seed, "folds")))
    kept = rows["fold"].to_numpy() != 0
    is_dev = np.zeros(len(rows), dtype=bool)
    is_dev[kept] = dev_rows(labels[kept], split.dev_fraction, run.seed)
    rows = rows.assign(is_dev=is_dev)
    examples = Examples(rows, {"states": frozen_states(rows["text"].tolist(), frozen)})
    train, test = examples.take(kept), examples.take(~kept)
    dev = train.rows[train.rows["is_dev"]].reset_index(drop=True)
    card = {
        "classes": CLASSES,
        "unit": "comments",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(rows),
        "folds": split.folds,
        "repeated_left_out": len(comments_frame) - len(rows),
        "dev_fingerprint": fingerprint(dev),
    }
    return train, dev, test, card
