"""Repeated splits, whose labels are doubted, and what is dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.food_classification import evaluation
from etudes.pipelines.food_classification.evaluation import ALL, DROPPED, KEPT, RANDOM, REVIEWED, Data
from etudes.pipelines.food_classification.model import Pool
from etudes.pipelines.food_classification.parameters import Parameters
from study_settings import run_parameters, settings_of

settings = settings_of("food_classification", Parameters)


def data(n: int = 60, classes: int = 3) -> Data:
    """Classes whose features are apart; two rows carry another's label."""
    labels = np.arange(n) % classes
    truth = labels.copy()
    labels[:2] = (labels[:2] + 1) % classes
    pool = Pool(np.zeros((n, 4, 4, 3), np.uint8))
    z = np.eye(classes)[truth] * 4 + np.random.default_rng(0).normal(0, 0.3, (n, classes))
    vars(pool)["features"] = z.astype(np.float32)
    return Data(pool, labels, np.arange(n), np.arange(n) % 4 == 0, classes)


def test_labels_of_another_class_are_doubted_and_counted_by_whether_they_were_reviewed() -> None:
    given, linear = data(), settings("linear", components=3, penalties=[0.1])
    rows = pd.DataFrame(
        {"id": map(str, range(60)), "class": given.labels.astype(str), "held_back": given.reviewed}
    )
    found, shares = evaluation.doubts(
        given, rows, list("012"), linear, settings("noise", folds=4), run_parameters()
    )
    assert set(found["id"]) == {"0", "1"} and (found["belongs_to"] != found["class"]).all()
    assert shares["suspects"].tolist() == [1, 1] and shares["count"].tolist() == [15, 45]
    again = evaluation.found_again(given, linear, settings("noise", folds=4, planted=0.1), run_parameters())
    assert (
        again["recall"].iloc[0] > 0.7 and 0.5 < again["precision"].iloc[0] < 0.95
    )  # two of eight are wrong of themselves


def test_suspects_are_dropped_from_training_alone_beside_a_control_of_equal_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, linear = data(), settings("linear", components=3, penalties=[0.1])
    drawn = list(evaluation.splits_of(given, 2, settings("pictures", test_fraction=0.25), run_parameters()))
    taught: list[np.ndarray] = []

    def learn(method: str, pool: Any, task: Any, *learners: Any) -> tuple[Any, list]:
        taught.append(task.train)
        return evaluation_model(given.classes), []

    monkeypatch.setattr(evaluation, "learn", learn)
    learners = (linear, settings("scratch"), settings("transfer"))
    gained = evaluation.dropping(given, drawn, learners, settings("noise"))
    assert len(taught) == 2 * 3
    for split, (kept, dropped, random) in zip(drawn, (taught[:3], taught[3:]), strict=True):
        bad = np.intersect1d(split.task.train, [0, 1])
        assert set(kept) - set(dropped) == set(bad) and len(random) == len(dropped) == len(kept) - len(bad)
    assert set(gained["against"]) == {KEPT, RANDOM} and DROPPED not in set(gained["against"])
    assert set(gained["tested_on"]) == {ALL, REVIEWED} and set(gained["gain"]) == {0.0}


def evaluation_model(classes: int) -> Any:
    from etudes.benches.classifiers import Majority

    return Majority(np.ones(classes) / classes)


def test_no_class_is_dropped_as_a_whole() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert evaluation._spared(labels, np.arange(6), np.array([0, 3, 4])).tolist() == [0]


def test_splits_keep_groups_together_and_every_class_on_each_side() -> None:
    given = data()
    given = Data(given.pool, given.labels, np.arange(60) // 3 * 3 + given.labels, given.reviewed, 3)
    for split in evaluation.splits_of(given, 3, settings("pictures", test_fraction=0.25), run_parameters()):
        sides = [given.group[rows] for rows in (split.task.train, split.task.dev, split.test)]
        assert sum(map(len, sides)) == 60 and len(
            np.unique(np.concatenate([np.unique(s) for s in sides]))
        ) == sum(len(np.unique(s)) for s in sides)
        assert all(set(given.labels[r]) == {0, 1, 2} for r in (split.task.train, split.task.dev, split.test))
