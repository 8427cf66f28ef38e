"""The embedded sample of textures: the layout, the masks, and the families of the pretext."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.forms.pictures import read_mask, read_picture
from etudes.forms.raw import RawFolder
from etudes.samples.textures import CATEGORIES, VISIBLE, draw, raw_file
from etudes.samples.textures_pretext import FAMILIES, texture_crops

SIZES = {"size": 64, "train": 3, "good": 2, "defective": 2}
KINDS = [(category, kind) for category, (_, defects) in CATEGORIES.items() for kind in defects]


@pytest.fixture(scope="module")
def folder() -> RawFolder:
    return raw_file("images", **SIZES, seed=5)


def test_files_lie_as_in_the_public_data_set(folder: RawFolder) -> None:
    assert folder.embedded_sample
    for category, (_, defects) in CATEGORIES.items():
        names = [name for name in folder if name.startswith(f"{category}/")]
        assert sum("/train/good/" in name for name in names) == 3
        assert sum("/test/good/" in name for name in names) == 2
        assert len(defects) >= 3
        for kind in defects:
            for index in range(2):
                assert f"{category}/test/{kind}/{index:03d}.png" in names
                assert f"{category}/ground_truth/{kind}/{index:03d}_mask.png" in names
    assert not any("ground_truth/good" in name for name in folder)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(folder: RawFolder) -> None:
    again, other = raw_file("images", **SIZES, seed=5), raw_file("images", **SIZES, seed=6)
    assert dict(folder.entries) == dict(again.entries)
    assert all(folder.entries[name] != other.entries[name] for name in folder if "ground_truth" not in name)


def test_pictures_and_masks_decode_to_the_asked_size(folder: RawFolder) -> None:
    for name in folder:
        if "ground_truth" in name:
            mask = read_mask(folder.read(name))
            assert mask.shape == (64, 64) and mask.any() and not mask.all()
        else:
            assert read_picture(folder.read(name)).shape == (64, 64, 3)


@pytest.mark.parametrize(("category", "kind"), KINDS)
def test_a_mask_holds_all_that_the_defect_changed(category: str, kind: str) -> None:
    drawn = draw(category, kind, 8, 96, np.random.default_rng(3))
    changed = np.abs(drawn.pixels.astype(int) - drawn.without.astype(int)).max(-1)
    assert (drawn.masks.sum((1, 2)) >= 6).all(), "every defect is there"
    assert drawn.masks.mean() < 0.25
    # Light scales what is visible, and eight bits round it.
    assert changed[~drawn.masks].max() <= 255 * VISIBLE * 1.5 + 2
    inside = np.array([changed[index][mask].mean() for index, mask in enumerate(drawn.masks)])
    outside = np.array([changed[index][~mask].mean() for index, mask in enumerate(drawn.masks)])
    assert (inside > 5 * outside + 1).all()


@pytest.mark.parametrize("category", list(CATEGORIES))
def test_a_good_picture_has_no_mask_and_pictures_differ(category: str) -> None:
    drawn = draw(category, "good", 6, 64, np.random.default_rng(4))
    assert not drawn.masks.any()
    assert np.array_equal(drawn.pixels, drawn.without)
    spread = drawn.pixels.astype(float).mean((1, 2, 3)).std()
    assert spread > 2, "light differs between pictures"


def test_defects_lie_in_other_places_and_have_other_strengths() -> None:
    drawn = draw("fabric", "stain", 12, 64, np.random.default_rng(0))
    centres = np.array([np.argwhere(mask).mean(0) for mask in drawn.masks])
    assert centres.std(0).min() > 5


def test_families_are_balanced_seeded_and_none_of_them_a_category() -> None:
    pixels, labels = texture_crops(50, 32, 1)
    assert pixels.shape == (50, 32, 32, 3) and pixels.dtype == np.uint8
    counts = np.bincount(labels, minlength=len(FAMILIES))
    assert counts.max() - counts.min() <= 1
    again, _ = texture_crops(50, 32, 1)
    other, _ = texture_crops(50, 32, 2)
    assert np.array_equal(pixels, again) and not np.array_equal(pixels, other)
    assert not set(FAMILIES) & set(CATEGORIES)


def test_colour_says_nothing_of_the_family() -> None:
    pixels, labels = texture_crops(1200, 16, 0)
    colours = pixels.reshape(len(pixels), -1, 3).mean(1)
    means = np.array([colours[labels == label].mean(0) for label in range(len(FAMILIES))])
    assert means.std(0).max() < 0.35 * colours.std(0).min()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": "masks"}, "expected images"),
        ({"size": 20}, "expected at least 48"),
        ({"train": 1}, "expected at least 48, 2, 1 and 1"),
        ({"defective": 0}, "expected at least 48, 2, 1 and 1"),
    ],
)
def test_sizes_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        raw_file(**{"part": "images", **SIZES, "seed": 0, **arguments})


def test_an_unknown_category_or_kind_is_refused_by_name() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="category = 'bottle', expected one of fabric, board"):
        draw("bottle", "good", 1, 64, generator)
    with pytest.raises(ValueError, match="kind = 'scratch', expected good or one of hole"):
        draw("fabric", "scratch", 1, 64, generator)
    with pytest.raises(ValueError, match="at least 12"):
        texture_crops(3, 32, 0)
