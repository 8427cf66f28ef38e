"""Many rows of which few have a label: which ones, how a setting is chosen among them alone, and repeated splits.

A method is a function ``fit(z, labelings, classes, seed, **setting)`` that gives a rule (`etudes.benches.table_models`) for each
of several labelings (N,) of the same rows z (N, D): what does not depend on labels is done once. A row whose class is not
known has the label `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches import tables
from etudes.benches.parameters import FewLabelsParameters
from etudes.benches.table_models import Standardised
from etudes.cards import fingerprint
from etudes.evaluation import classification_metrics
from etudes.splits import spread, stratified
from etudes.training.seeds import derive_seed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Fit = Callable[..., Iterator[Any]]
UNKNOWN = -1


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


def split(
    table_frame: pd.DataFrame, parameters: FewLabelsParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
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
        **tables.counted(table_frame, frame, classes, train, dev, test),
        "dev_fingerprint": fingerprint(train, dev),
        "train_medians": rest[names].median().tolist(),
    }
    return train, dev, test, card


def folds_of(labels: IntArray, most: int, seed: int) -> IntArray:
    """The fold (L,) of each labelled row: ``most`` of them, or as many as the rarest class has rows; it is in each fold."""
    generator = np.random.default_rng(seed)
    count = min(most, int(np.unique(labels, return_counts=True)[1].min()))
    fold = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        fold[rows] = np.arange(len(rows)) % count
    return fold


@dataclass(frozen=True)
class Choice:
    """A rule learned with all labels, the setting that was chosen for it, and what that said of the labelled rows.

    ``held_out`` are the probabilities (L, C) of each labelled row by the rule that did not know its label; None where
    there were too few labels for that.
    """

    rule: Any
    setting: Mapping[str, Any]
    held_out: FloatArray | None


def choose(
    fit: Fit,
    settings: Sequence[Mapping[str, Any]],
    z: FloatArray,
    labels: IntArray,
    classes: int,
    most_folds: int,
    seed: int,
) -> Choice:
    """Fit a method, its setting chosen by cross-validation among the labelled rows.

    The labels of each fold are hidden in turn, their rows stay as unlabelled ones. The setting with the best accuracy on the
    hidden labels is taken, of equals that with the smaller log-loss. No label is used that the method does not have anyway.
    Where a class has one labelled row there are no folds, and the first setting is taken.

    Args:
        fit: the method.
        settings: its keywords, to choose from.
        z: training rows (N, D).
        labels: (N,) classes in 0..classes-1, or `UNKNOWN`.
        classes: how many there are.
        most_folds: of the labelled rows.
        seed: of the folds and of the method.
    """
    known = np.flatnonzero(labels != UNKNOWN)
    fold = folds_of(labels[known], most_folds, seed)
    if fold.max() == 0:
        (rule,) = fit(z, [labels], classes, seed, **settings[0])
        return Choice(rule, settings[0], None)
    hidden = [known_labels(labels, known[fold != f], len(known)) for f in range(fold.max() + 1)]
    found: list[tuple[tuple[float, float], Choice]] = []
    for setting in settings:
        *rules, rule = fit(z, [*hidden, labels], classes, seed, **setting)
        held_out = np.empty((len(known), classes))
        for f, learned in enumerate(rules):
            held_out[fold == f] = learned.predict_proba(z[known[fold == f]])
        scores = classification_metrics(labels[known], held_out)
        found.append(((scores["accuracy"], -scores["log_loss"]), Choice(rule, setting, held_out)))
    return max(found, key=lambda pair: pair[0])[1]


@dataclass(frozen=True)
class Split:
    """One split of a table: standardised train (N, D) and test (M, D), their classes, and the order of labelling."""

    train: FloatArray
    labels: IntArray
    test: FloatArray
    truth: IntArray
    order: IntArray
    classes: int
    seed: int

    def known(self, count: int) -> IntArray:
        """The labels (N,) that are given where ``count`` are."""
        return known_labels(self.labels, self.order, count)

    def allows(self, count: int) -> bool:
        """Whether ``count`` labels are one of each class at least, and not more than there are rows."""
        return self.classes <= count <= len(self.labels)

    @property
    def shared(self) -> float:
        """Test rows over training rows, for `etudes.evaluation.mean_interval`."""
        return len(self.truth) / len(self.labels)


def splits_of(
    frame: pd.DataFrame, name: str, count: int, test_fraction: float, seed: int, one_unit: bool = False
) -> Iterator[Split]:
    """Stratified splits of a table, drawn anew each time; means and scales are of train.

    Args:
        frame: as `etudes.benches.tables.read` gives it.
        name: of the table; with ``seed`` it decides the splits.
        count: how many.
        test_fraction: share of each class.
        seed: of the draws.
        one_unit: see `Standardised.of`.
    """
    rows, classes = tables.numbered(frame)
    matrix, labels = tables.matrix_of(rows), rows["label"].to_numpy()
    for number in range(count):
        own = derive_seed(seed, "split", name, number)
        is_test = stratified(labels, test_fraction, own)
        scaling = Standardised.of(matrix[~is_test], one_unit)
        train, test = scaling.z(matrix[~is_test]), scaling.z(matrix[is_test])
        order = label_order(labels[~is_test], np.random.default_rng(own))
        yield Split(train, labels[~is_test], test, labels[is_test], order, len(classes), own)
