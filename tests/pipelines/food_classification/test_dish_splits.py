"""What lies where after the split, whose labels are doubted, and what is dropped; and the predictor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFile, RawFolder
from etudes.pipelines.food_classification import evaluation, pictures
from etudes.pipelines.food_classification.evaluation import ALL, DROPPED, KEPT, RANDOM, REVIEWED, Data
from etudes.pipelines.food_classification.model import Pool
from etudes.pipelines.food_classification.parameters import Parameters
from etudes.samples.dishes import raw_file
from study_settings import run_parameters, settings_of

settings = settings_of("food_classification", Parameters)


def sample(**changes: Any) -> RawFolder:
    return raw_file(
        **{"part": "photographs", "train": 8, "test": 4, "side": 32, "wrong": 0.0, "seed": 0} | changes
    )


def test_pictures_of_the_folder_test_are_tested_on_and_no_others() -> None:
    how = settings("pictures", duplicate_bits=0)
    train, dev, test, card = pictures.split(pictures.ingest(sample(), how)[0], how)
    assert all(name.startswith("test/") for name in test.rows["id"]) and len(test) == 24
    assert not any(name.startswith("test/") for part in (train, dev) for name in part.rows["id"])
    assert (
        (card["train_rows"], card["dev_rows"], card["test_rows"])
        == (len(train), len(dev), len(test))
        == (36, 12, 24)
    )


def test_without_a_folder_test_a_share_of_each_class_is_drawn() -> None:
    whole, how = sample(), settings("pictures", duplicate_bits=0, test_fraction=0.25)
    flat = RawFolder("flat", {n.removeprefix("train/"): c for n, c in whole.entries.items() if "train/" in n})
    train, dev, test, _ = pictures.split(pictures.ingest(flat, how)[0], how)
    assert test.rows.groupby("class").size().tolist() == [2] * 6 and not test.rows["reviewed"].any()
    assert len(train) + len(dev) + len(test) == 48


def test_a_training_picture_that_is_nearly_one_of_test_is_dropped() -> None:
    whole, how = sample(), settings("pictures", duplicate_bits=2)
    twin = "train/soup/twin.png"
    entries = {**whole.entries, twin: whole.read("test/soup/0001.png").content}
    train, dev, test, card = pictures.split(pictures.ingest(RawFolder("twins", entries), how)[0], how)
    assert card["dropped_because_in_test"] >= 1 and "test/soup/0001.png" in set(test.rows["id"])
    assert twin not in {*train.rows["id"], *dev.rows["id"]}


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
        {"id": map(str, range(60)), "class": given.labels.astype(str), "reviewed": given.reviewed}
    )
    found, shares = evaluation.doubts(
        given, rows, list("012"), linear, settings("noise", folds=4), run_parameters()
    )
    assert set(found["id"]) == {"0", "1"} and (found["belongs_to"] != found["class"]).all()
    assert shares["suspects"].tolist() == [1, 1] and shares["count"].tolist() == [15, 45]
    again = evaluation.found_again(given, linear, settings("noise", folds=4, planted=0.1), run_parameters())
    assert (
        again["recall"].iloc[0] > 0.95 and 0.6 < again["precision"].iloc[0] < 0.9
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
    gained = evaluation.dropping(
        given, drawn, 1, {"logistic": None, "transfer": None}, learners, settings("noise")
    )
    assert len(taught) == 2 * 3 + 2
    for split, (kept, dropped, random) in zip(drawn, (taught[:3], taught[5:8]), strict=True):
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


def test_the_predictor_names_the_dish_and_says_which_picture_cannot_be_read() -> None:
    class Sure:
        registered_name = "test.sure"

        def predict_proba(self, examples: Examples) -> np.ndarray:
            assert examples["pixels"].shape[1:] == (32, 32, 3)
            return np.tile([0.2, 0.7, 0.1], (len(examples), 1))

    predictor = pictures.DishPredictor(Sure(), {}, side=32, classes=["cake", "soup", "salad"])
    wide = RawFile("wide.png", png_bytes(np.full((40, 90, 3), 80, np.uint8)))
    answer = predictor.answer(pd.DataFrame({"image": [wide, wide]}))
    assert answer["dish"].tolist() == ["soup"] * 2 and predictor.describe(answer).splitlines()[0].startswith(
        "soup"
    )
    assert len(predictor.answer(pd.DataFrame({"image": []}))) == 0
    with pytest.raises(ValueError, match="image in row 1: torn"):
        predictor.answer(pd.DataFrame({"image": [wide, RawFile("torn.png", wide.content[:60])]}))
