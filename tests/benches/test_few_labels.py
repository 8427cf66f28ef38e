"""Labels that are forgotten, settings that are chosen among those that are left, repeated splits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from etudes.benches import tables
from etudes.benches.few_labels import UNKNOWN, choose, folds_of, known_labels, label_order, split, splits_of
from etudes.benches.parameters import FewLabelsParameters
from etudes.benches.table_models import Neighbours
from etudes.evaluation import classification_metrics
from etudes.samples.tables import raw_file


def iris() -> pd.DataFrame:
    return tables.read(raw_file("iris", 150, 7))[0]


def nearest(z: np.ndarray, labelings: list, classes: int, seed: int, *, k: int) -> Iterator[Neighbours]:
    """A method: the nearest labelled rows."""
    for labels in labelings:
        yield Neighbours(z[labels != UNKNOWN], labels[labels != UNKNOWN], k, classes)


def of_iris(count: int, labels: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and the labels of some of them."""
    z, truth = tables.matrix_of(iris()), tables.numbered(iris())[0]["label"].to_numpy()
    z = tables.matrix_of(tables.numbered(iris())[0])
    truth = truth if labels is None else labels[: len(truth)]
    return z, known_labels(truth, np.random.default_rng(0).permutation(len(truth)), count)


def test_more_labels_are_the_same_ones_and_further_ones() -> None:
    truth = np.repeat([0, 1, 2], [60, 30, 10])
    order = label_order(truth, np.random.default_rng(0))
    assert sorted(order) == list(range(100)) and sorted(truth[order[:3]]) == [0, 1, 2]
    assert np.bincount(truth[order[:50]]).tolist() == pytest.approx([30, 15, 5], abs=2)
    few, many = (known_labels(truth, order, count) for count in (10, 40))
    assert (few != UNKNOWN).sum() == 10 and ((few == many) | (few == UNKNOWN)).all()
    assert (many == truth)[many != UNKNOWN].all()


def test_train_tells_no_label_but_those_of_the_labelled_rows() -> None:
    train, dev, test, card = split(iris(), FewLabelsParameters(test_fraction=0.3, labels=20, seed=0))
    assert "class" not in train and (train["label"] != UNKNOWN).sum() == len(dev) == 20
    assert set(dev["id"]) == set(train.loc[train["label"] != UNKNOWN, "id"])
    assert not set(train["id"]) & set(test["id"])
    assert len(train) + len(test) + card["equal_rows_left_out"] == 150


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (5, "labels = 5 leaves 1 labelled rows of the class"),
        (200, "labels = 200, but train has 104 rows"),
    ],
)
def test_too_few_or_too_many_labels_are_refused(labels: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        split(iris(), FewLabelsParameters(test_fraction=0.3, labels=labels, seed=0))


def test_what_a_split_learns_of_scale_it_learns_on_train() -> None:
    one, two = splits_of(iris(), "iris", 2, 0.3, seed=3)
    np.testing.assert_allclose(
        [one.train.mean(axis=0), one.train.std(axis=0)], [[0] * 4, [1] * 4], atol=1e-12
    )
    assert abs(one.test.mean(axis=0)).max() > 0.01 and not np.array_equal(one.train, two.train)
    assert one.shared == pytest.approx(0.43, abs=0.02)
    assert [one.allows(count) for count in (2, 3, 104, 105)] == [False, True, True, False]
    assert (one.known(30) != UNKNOWN).sum() == 30


def test_the_setting_is_the_best_on_labels_that_were_hidden() -> None:
    (z, labels), seed = of_iris(30), 4
    settings = [{"k": 1}, {"k": 4}, {"k": 15}]
    chosen = choose(nearest, settings, z, labels, 3, 3, seed)
    known = np.flatnonzero(labels != UNKNOWN)
    fold, scored = folds_of(labels[known], 3, seed), []
    for setting in settings:
        held_out = np.empty((len(known), 3))
        for f in range(3):
            seen = labels.copy()
            seen[known[fold == f]] = UNKNOWN
            (rule,) = nearest(z, [seen], 3, seed, **setting)
            held_out[fold == f] = rule.predict_proba(z[known[fold == f]])
        found = classification_metrics(labels[known], held_out)
        scored.append((found["accuracy"], -found["log_loss"], setting["k"], held_out))
    best = max(scored, key=lambda row: row[:2])
    assert len({row[:2] for row in scored}) == 3 and chosen.setting == {"k": best[2]}
    np.testing.assert_allclose(chosen.held_out, best[3])
    assert len(chosen.rule.rows) == 30


def test_held_out_scores_do_not_know_the_label() -> None:
    z, labels = of_iris(90, np.random.default_rng(0).integers(0, 3, 150))
    chosen = choose(nearest, [{"k": 1}], z, labels, 3, 3, 0)
    assert (chosen.held_out.argmax(axis=1) == labels[labels != UNKNOWN]).mean() < 0.5


def test_one_label_of_a_class_takes_the_first_setting() -> None:
    z, labels = of_iris(0)
    truth = tables.numbered(iris())[0]["label"].to_numpy()
    first = [np.flatnonzero(truth == c)[:count] for c, count in ((0, 2), (1, 2), (2, 1))]
    labels[np.concatenate(first)] = truth[np.concatenate(first)]
    chosen = choose(nearest, [{"k": 4}, {"k": 1}], z, labels, 3, 3, 0)
    assert chosen.held_out is None and chosen.setting == {"k": 4}


def test_every_class_is_in_every_fold() -> None:
    labels = np.array([0] * 7 + [1] * 3 + [2] * 4)
    fold = folds_of(labels, 5, seed=1)
    assert set(zip(fold.tolist(), labels.tolist(), strict=True)) == {
        (f, c) for f in range(3) for c in range(3)
    }
