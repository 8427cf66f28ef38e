"""From raw files to draws: labels are forgotten, copies stay together, and what the tables say is what was scored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from digit_toys import raw_files
from etudes.benches.few_labels import UNKNOWN
from etudes.benches.repeated import gains_over
from etudes.digits.files import ingest
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder
from etudes.pipelines.self_training import pictures, sweep
from etudes.pipelines.self_training.parameters import Parameters
from etudes.samples.leaves import photograph, raw_file
from study_settings import run_parameters, whole_settings

SETTINGS = whole_settings("self_training", Parameters)


def digits() -> tuple[Examples, tuple]:
    train, test, _ = ingest(*raw_files(n_train=300, n_test=40).values())
    return train, pictures.split_digits(train, test, SETTINGS.digits)


def test_only_the_labelled_digits_tell_their_class() -> None:
    images, (train, viewed, dev, test, card) = digits()
    labels = train.rows["label"].to_numpy()
    assert (labels[:30] != UNKNOWN).all() and (labels[30:] == UNKNOWN).all()
    assert sorted(set(labels[:10])) == list(range(10)), "one of each first"
    assert set(train.rows.columns) == {"id", "label"} and set(train.arrays) == {"features"}
    assert list(viewed.rows["id"]) == list(train.rows["id"][: SETTINGS.digits.viewed])
    assert not set(train.rows["id"]) & set(dev.rows["id"]) and len(test) == 40
    assert card["labelled_rows"] == 30 and card["dev_rows"] == SETTINGS.digits.dev
    truth = images.rows.set_index("id")["label"].loc[train.rows["id"][:30]]
    np.testing.assert_array_equal(labels[:30], truth)


def test_more_labels_than_views_are_refused() -> None:
    train, test, _ = ingest(*raw_files(n_train=300, n_test=40).values())
    with pytest.raises(ValueError, match=r"digits\.labels = 101, viewed = 100"):
        pictures.split_digits(train, test, SETTINGS.digits.model_copy(update={"labels": 101}))


def leaves(**entries: bytes) -> tuple[Examples, dict]:
    folder = raw_file("photographs", count=8, side=32, seed=1)
    images, _ = pictures.ingest_leaves(RawFolder("leaves", {**folder.entries, **entries}), SETTINGS.leaves)
    return pictures.see_leaves(images, None, SETTINGS.leaves)


def test_copies_have_one_group_and_are_on_one_side_of_every_split() -> None:
    one = photograph("fresh leaf", 32, np.random.default_rng(99))
    turned = np.ascontiguousarray(np.rot90(one))
    seen, card = leaves(**{"a/fresh leaf/x.png": png_bytes(one), "b/fresh leaf/y.png": png_bytes(turned)})
    rows = seen.rows.set_index("id")
    group = rows["group"]["a/fresh leaf/x.png"]
    assert group == rows["group"]["b/fresh leaf/y.png"] and card["in_groups_of_several"] >= 2
    assert card["groups"] < card["photographs"] == 34
    splits = sweep.leaves_splits(
        seen, SETTINGS.leaves, SETTINGS.learning, SETTINGS.cheap, SETTINGS.repeats, run_parameters()
    )
    for split in splits:
        assert len(split.truth) + len(split.test_truth) == 34
        assert split.shared == pytest.approx(len(split.test_truth) / len(split.truth))
        assert (split.known(12) != UNKNOWN).sum() == 12


def test_one_picture_under_two_classes_is_left_out_and_counted() -> None:
    same = png_bytes(photograph("fresh leaf", 32, np.random.default_rng(98)))
    _, card = leaves(**{"a/fresh leaf/x.png": same, "a/diseased leaf/x.png": same})
    assert card["contradicting_left_out"] == 2 and card["photographs"] == 32


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"x.png": b""}, "x.png lies outside the layout; expected <any folder>/<class>"),
        ({"train/one/x.png": png_bytes(np.zeros((32, 32, 3), np.uint8))}, "photographs of 1 classes"),
    ],
)
def test_folders_that_name_no_classes_are_refused(entries: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pictures.ingest_leaves(RawFolder("leaves", entries), SETTINGS.leaves)


def test_a_class_of_copies_alone_is_refused() -> None:
    one = png_bytes(photograph("fresh leaf", 32, np.random.default_rng(97)))
    with pytest.raises(ValueError, match="the class 'rare' has 1 photographs that are no copies"):
        leaves(**{f"train/rare/{k}.png": one for k in range(5)})


def test_every_test_digit_counts_once() -> None:
    _, (train, viewed, _, test, _) = digits()
    truth = np.arange(len(train)) % 10
    splits = list(
        sweep.digits_splits(
            train,
            viewed,
            truth,
            test,
            SETTINGS.digits,
            SETTINGS.learning,
            SETTINGS.cheap,
            SETTINGS.repeats,
            run_parameters(),
        )
    )
    counted = np.bincount(np.concatenate([split.test_truth for split in splits]), minlength=10)
    np.testing.assert_array_equal(counted, np.bincount(test.rows["label"], minlength=10))
    assert not np.array_equal(splits[0].known(30), splits[1].known(30)), "labels are drawn anew"
    for split in splits:
        assert np.flatnonzero(split.known(30) != UNKNOWN).max() < SETTINGS.digits.viewed


def test_gains_are_differences_of_the_same_splits() -> None:
    scores = pd.DataFrame(
        [
            {"data": "digits", "labels": 9, "variant": v, "split": s, "shared": 0.0, "accuracy": a + 0.01 * s}
            for v, a in (("supervised", 0.5), ("threshold", 0.6), ("soft", 0.4))
            for s in range(3)
        ]
    )
    rows = gains_over(scores, ["supervised", "label_spreading"], ["data", "labels"]).set_index("method")
    assert rows["gain"].to_dict() == pytest.approx({"threshold": 0.1, "soft": -0.1})
    assert rows["verdict"].to_dict() == {"threshold": "better", "soft": "worse"}


def test_the_best_look_is_never_below_the_last() -> None:
    looked = pd.DataFrame(
        {
            "added": [0, 1, 2] * 2,
            "gain": [0, 0.3, -0.1, 0, 0.1, 0.2],
            "split": [0] * 3 + [1] * 3,
            "shared": 0.0,
        }
    )
    rows = sweep.readings(looked).set_index("reading")["gain"]
    assert rows["after the last picture"] == pytest.approx(0.05)
    assert rows["the best look at test"] == pytest.approx(0.25)
