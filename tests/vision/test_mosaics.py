"""Four photos in one picture: who stands where, and beside whom."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.vision.mosaics import mosaics, shrunk

LABELS = np.array([0, 0, 1, 1, 2, 2])
PHOTOS = np.broadcast_to(np.arange(6, dtype=np.uint8)[:, None, None, None] * 10, (6, 8, 8, 3))


def test_the_photo_that_is_asked_about_stands_in_each_quarter_in_turn_beside_other_classes() -> None:
    asked = np.array([4, 0, 2, 1, 3])
    pictures, where = mosaics(PHOTOS, LABELS, asked, np.random.default_rng(0))
    assert pictures.shape == (5, 16, 16, 3) and pictures.dtype == np.uint8 and where.shape == (5, 16, 16)
    for number, (picture, mask) in enumerate(zip(pictures, where, strict=True)):
        quarters = picture.reshape(2, 8, 2, 8, 3).transpose(0, 2, 1, 3, 4).reshape(4, -1)
        assert all(len(set(quarter)) == 1 for quarter in quarters)
        shown = quarters[:, 0] // 10
        assert shown[number % 4] == asked[number] and set(picture[mask].ravel()) == {10 * asked[number]}
        assert mask.sum() == 64
        beside = np.delete(shown, number % 4)
        assert len(set(beside)) == 3 and not (LABELS[beside] == LABELS[asked[number]]).any()


def test_few_others_come_twice_and_none_are_refused() -> None:
    some = [0, 1, 2]
    pictures, _ = mosaics(PHOTOS[some], LABELS[some], np.array([0]), np.random.default_rng(0))
    assert set(pictures.ravel()) == {0, 20}
    with pytest.raises(ValueError, match="all 2 photos are of class 1; expected some of other classes"):
        mosaics(PHOTOS[2:4], LABELS[2:4], np.array([0]), np.random.default_rng(0))


def test_photos_are_shrunk_to_the_mean_of_what_they_show() -> None:
    photos = np.zeros((2, 16, 16, 3), dtype=np.uint8)
    photos[1, :, 8:] = 200
    found = shrunk(photos, 4)
    assert found.shape == (2, 4, 4, 3) and not found[0].any() and found[1].mean() == pytest.approx(100, abs=2)
    assert (found[1, :, 0] < 20).all() and (found[1, :, -1] > 180).all()
    assert shrunk(photos, 16) is photos
