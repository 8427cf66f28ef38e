"""The drawn leaves: one seed one sample, classes that differ, copies among them."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.forms.pictures import read_picture
from etudes.samples.leaves import CLASSES, photograph, raw_file
from etudes.vision.duplicates import near_duplicates


def test_same_seed_same_pictures_in_folders_of_their_classes() -> None:
    one, again, other = (raw_file("photographs", count=5, side=24, seed=seed) for seed in (1, 1, 2))
    assert one.entries == again.entries and one.entries != other.entries
    assert one.embedded_sample and len(one) == 20
    assert {name.split("/")[1] for name in one} == set(CLASSES)
    assert read_picture(one.read("train/fresh leaf/0000.png")).shape == (24, 24, 3)


def test_altered_copies_are_found_by_their_hashes() -> None:
    folder = raw_file("photographs", count=40, side=48, seed=0)
    groups = near_duplicates([read_picture(folder.read(name)) for name in folder], bits=16)
    copies = len(groups) - len(np.unique(groups))
    assert 0.03 < copies / len(groups) < 0.2  # a tenth is drawn


def test_the_spots_of_diseased_leaves_are_pale() -> None:
    fresh, diseased = (
        np.stack([photograph(name, 32, np.random.default_rng(i)) for i in range(60)]).astype(float)
        for name in ("fresh leaf", "diseased leaf")
    )
    middle = np.s_[:, 10:22, 10:22, 0]  # red, where a large leaf lies
    assert diseased[middle].mean() > fresh[middle].mean() + 5


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"part": "masks"}, "part = 'masks', expected photographs"), ({"count": 3}, "count = 3, side = 24")],
)
def test_settings_out_of_range_are_refused(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        raw_file(**{"part": "photographs", "count": 5, "side": 24, "seed": 0, **setting})
