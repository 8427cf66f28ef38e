"""The drawn dishes: one seed one sample, a share under a wrong name in train alone, shapes rather than colours tell them."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.forms.pictures import read_picture
from etudes.samples.dishes import CLASSES, dish, raw_file


def test_same_seed_same_pictures_in_folders_of_their_classes() -> None:
    one, again, other = (
        raw_file("photographs", train=6, test=4, side=24, wrong=0.2, seed=s) for s in (1, 1, 2)
    )
    assert one.entries == again.entries and one.entries != other.entries
    assert one.embedded_sample and len(one) == 10 * len(CLASSES)
    assert {tuple(name.split("/")[:2]) for name in one} == {
        (p, c) for p in ("train", "test") for c in CLASSES
    }
    assert read_picture(one.read("test/soup/0000.png")).shape == (24, 24, 3)


def test_a_share_of_train_lies_in_the_folder_of_another_dish() -> None:
    some, none = (raw_file("photographs", train=10, test=4, side=24, wrong=w, seed=3) for w in (0.2, 0.0))
    assert some.facts["wrong_labels"] == 2 * len(CLASSES) and none.facts["wrong_labels"] == 0


def test_mean_colours_hardly_tell_dishes_apart_and_structure_does() -> None:
    cakes, soups = (
        np.stack([dish(name, 32, np.random.default_rng(i)) for i in range(40)]).astype(float)
        for name in ("cake", "soup")
    )
    means, spread = [p.mean(axis=(0, 1, 2)) for p in (cakes, soups)], cakes.mean(axis=(1, 2)).std(axis=0)
    assert (np.abs(means[0] - means[1]) < 1.5 * spread).all()
    covered = np.s_[:, 8:24, 8:24]  # a soup covers what a wedge leaves free
    assert soups[covered].std(axis=(1, 2)).mean() < cakes[covered].std(axis=(1, 2)).mean()


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"part": "masks"}, "part = 'masks'"), ({"side": 12}, "side = 12"), ({"wrong": 1.0}, r"wrong = 1\.0")],
)
def test_settings_out_of_range_are_refused(setting: dict, message: str) -> None:
    usual = {"part": "photographs", "train": 4, "test": 4, "side": 24, "wrong": 0.1, "seed": 0}
    with pytest.raises(ValueError, match=message):
        raw_file(**{**usual, **setting})
