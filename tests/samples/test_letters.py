"""The drawn letters and digits: what they promise of their numbers, their seeds and their place."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.samples import letters
from etudes.samples.letters import DIGITS, LETTERS, _centred, curves_of, drawn


def test_every_character_is_there_as_often_as_the_others() -> None:
    found = drawn(letters=40, digits=25, side=28, detail=28, seed=3)
    assert found["pixels"].shape == (65, 28, 28) and found["pixels"].dtype == np.uint8
    counts = found.rows.groupby("kind")["character"].value_counts()
    assert counts["letter"].max() - counts["letter"].min() == 1 and len(counts["letter"]) == len(LETTERS)
    assert set(counts["digit"]) == {2, 3} and set(counts["digit"].index) == set("0123456789") == set(DIGITS)
    again = drawn(letters=40, digits=25, side=28, detail=28, seed=3)
    assert np.array_equal(again["pixels"], found["pixels"])
    assert not np.array_equal(drawn(40, 25, 28, 28, 4)["pixels"], found["pixels"])


def test_mass_is_in_the_middle_and_the_background_dark(monkeypatch) -> None:
    moved = []

    def centred(ink: np.ndarray) -> np.ndarray:
        found = _centred(ink)
        moved.append([picture.sum(axis=(1, 2), dtype=float) for picture in (ink, found)])
        return found

    monkeypatch.setattr(letters, "_centred", centred)
    pixels = drawn(letters=60, digits=40, side=28, detail=28, seed=0)["pixels"].astype(float)
    before, after = np.concatenate(moved, axis=1)
    whole = before == after
    for axis in (1, 2):
        off = np.abs(pixels.sum(axis=axis) @ (np.arange(28) - 13.5) / after)
        assert off[whole].max() <= 0.5  # moved by whole pixels
    assert whole.mean() > 0.6 and (after / before).min() > 0.85
    assert np.median(pixels) == 0 and pixels.max(axis=(1, 2)).min() > 200


def test_a_straight_stroke_is_straight_and_a_character_fills_its_box() -> None:
    t = curves_of("00-80 40-48")
    assert np.ptp(t[0, :, 1]) == 0 and np.ptp(t[1, :, 0]) == 0
    assert t.min() == 0 and t.max() == 1
    for strokes in (*LETTERS.values(), *DIGITS.values()):
        ends = curves_of(strokes)[:, [0, 3]]
        assert ends.min() > -0.01 and ends.max() < 1.01


def test_small_drawings_are_enlarged_and_too_few_refused() -> None:
    assert drawn(15, 10, 16, 8, 0)["pixels"].shape == (25, 16, 16)
    with pytest.raises(ValueError, match="14 pictures of a letter; expected at least one of each of the 15"):
        drawn(14, 10, 16, 8, 0)
