"""From raw tables to rows of which a few have a label."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches import tables
from etudes.cards import data_card, fingerprint
from etudes.forms.raw import RawFile, RawFolder
from etudes.pipelines.cluster_then_label.clustering import UNKNOWN, IntArray
from etudes.pipelines.cluster_then_label.parameters import SplitParameters, TableParameters
from etudes.splits import spread, stratified

Frame = pd.DataFrame
TABLE = "table"  # the column of `others_frame` that says which table a row is of


def ingest(
    raw_table: RawFile, raw_others: RawFolder, table: TableParameters
) -> tuple[Frame, Frame, dict[str, Any]]:
    """Check the table in question, and those that the sweep runs over beside it.

    Returns:
        The table; the other tables below each other, whose columns are empty where another table has them; where they
        come from, and how many rows with an empty cell were left out.

    Raises:
        ValueError: as `etudes.benches.tables.read`, or too few rows of a class.
    """
    frame, left_out = tables.read(raw_table, table)
    files = {PurePosixPath(name).stem: raw_others.read(name) for name in raw_others}
    others = []
    for name, file in files.items():
        found, _ = tables.read(file)
        others.append(found.assign(**{TABLE: name}))
    card = data_card(
        [raw_table, *files.values()], table_rows=len(frame) + left_out, rows_with_an_empty_cell=left_out
    )
    return frame, pd.concat(others, ignore_index=True), card


def by_name(table_frame: Frame, others_frame: Frame, table: TableParameters) -> dict[str, Frame]:
    """All tables by name, each with its own measurements, that in question first."""
    others = {
        str(name): rows.drop(columns=TABLE).dropna(axis="columns", how="all")
        for name, rows in others_frame.groupby(TABLE, sort=False)
    }
    return {table.name: table_frame} | {name: rows for name, rows in others.items() if name != table.name}


def label_order(labels: IntArray, generator: np.random.Generator) -> IntArray:
    """An order (N,) in which rows are labelled: first one of each class, then the classes about in their shares.

    The first n rows of one order are the labelled ones, so that more labels are the same ones and further ones.
    """
    order = spread(labels, generator)
    first = np.sort(np.unique(labels[order], return_index=True)[1])
    return np.concatenate([order[first], np.delete(order, first)])


def known_labels(labels: IntArray, order: IntArray, count: int) -> IntArray:
    """The labels (N,) of the first ``count`` rows of an order, `UNKNOWN` of all others."""
    return np.where(np.isin(np.arange(len(labels)), order[:count]), labels, UNKNOWN)


def split(table_frame: Frame, parameters: SplitParameters) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Cut test off, and forget the labels of all other rows but a few.

    Returns:
        train, in which ``label`` is `UNKNOWN` where it is not known, and no other column tells; dev, the labelled rows of train once
        more, which are held out in turn; test; what was done.

    Raises:
        ValueError: more labelled rows than there are, or fewer than two of a class.
    """
    frame, classes = tables.numbered(table_frame)
    is_test = stratified(frame["label"].to_numpy(), parameters.test_fraction, parameters.seed)
    rest, test = (frame[rows].reset_index(drop=True) for rows in (~is_test, is_test))
    labels = rest["label"].to_numpy()
    if parameters.labels > len(rest):
        raise ValueError(
            f"split.labels = {parameters.labels}, but train has {len(rest)} rows; expected at most that"
        )
    order = label_order(labels, np.random.default_rng(parameters.seed))
    given = known_labels(labels, order, parameters.labels)
    counts = np.bincount(given[given != UNKNOWN], minlength=len(classes))
    if counts.min() < 2:
        raise ValueError(
            f"split.labels = {parameters.labels} leaves {counts.min()} labelled rows of the class "
            f"'{classes[int(counts.argmin())]}'; expected two of each, one of which can be held out. Give more labels."
        )
    train = rest.drop(columns="class").assign(label=given)
    dev = rest[given != UNKNOWN].reset_index(drop=True)
    names = tables.measurements_of(frame)
    card = {
        "classes": classes,
        "measurements": names,
        "unit": "rows",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "equal_rows_left_out": len(table_frame) - len(frame),
        "dev_fingerprint": fingerprint(train, dev),
        "train_medians": rest[names].median().tolist(),
    }
    return train, dev, test, card
