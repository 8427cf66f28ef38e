"""The drawn scenes: one layout, one seed, and pictures that neighbours tell much of."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.forms.pictures import read_picture
from etudes.samples.scenes import KINDS, raw_file, scene


def test_same_seed_same_pictures_and_a_part_of_a_larger_sample() -> None:
    small, again, larger, other = (
        raw_file("photographs", train=train, test=2, side=16, seed=seed)
        for train, seed in ((6, 1), (6, 1), (9, 1), (6, 2))
    )
    assert small.entries == again.entries and small.entries.items() <= larger.entries.items()
    assert all(small.entries[name] != other.entries[name] for name in small)
    assert small.embedded_sample and len(small) == 8
    assert {name.split("/")[1] for name in small if name.startswith("train")} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_is_smooth_colourful_and_varied(kind: str) -> None:
    pictures = np.stack([scene(kind, 32, np.random.default_rng([0, i])) for i in range(40)]).astype(float)
    steps = np.abs(np.diff(pictures, axis=2)).mean()
    apart = np.abs(pictures[1:] - pictures[:-1]).mean()
    assert steps < apart / 3, "neighbours are alike, pictures are not"
    assert np.abs(pictures[..., 0] - pictures[..., 2]).mean() > 20, "red and blue differ"


def test_kinds_differ_in_shape_alone() -> None:
    one = np.stack([[scene(kind, 32, np.random.default_rng(i)) for kind in KINDS] for i in range(10)])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        differ = (one[:, i] != one[:, j]).any(-1).mean()
        assert 0.002 < differ < 0.1, "where one has its object and the other has not"


def test_files_are_pictures_of_the_size() -> None:
    folder = raw_file("photographs", train=1, test=1, side=24, seed=0)
    assert all(read_picture(folder.read(name)).shape == (24, 24, 3) for name in folder)


def test_photos_are_the_same_scenes_in_one_folder() -> None:
    photos, layout = (raw_file(part, train=4, test=2, side=16, seed=3) for part in ("photos", "photographs"))
    assert set(photos.entries.values()) == set(layout.entries.values())
    assert set(photos) >= {"1_box_00001.png", "0_ball_00003.png", "1_box_00005.png"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"part": "scenes", "train": 1, "test": 1, "side": 16},
        {"part": "photographs", "train": 0, "test": 1, "side": 16},
        {"part": "photographs", "train": 1, "test": 1, "side": 4},
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        raw_file(**arguments, seed=0)  # type: ignore[arg-type]
