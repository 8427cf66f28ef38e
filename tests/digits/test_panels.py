"""Panels keep every picture whole; paths on the sphere have both ends."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from etudes.digits.panels import (
    absent_png,
    drawn_in_text,
    drawn_png,
    failures_png,
    first_of_each,
    mosaic,
    nearest_png,
    panel_png,
    per_class_png,
    spherical,
    through_training,
)
from etudes.examples import Examples


def test_every_picture_of_a_mosaic_is_in_its_place() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
    sheet = mosaic(pixels, 3)
    assert sheet.shape == (2 * 5 - 1, 3 * 6 - 1)
    assert np.array_equal(sheet[5:9, 6:11], pixels[4])
    assert np.array_equal(mosaic(pixels, 3, gap=0)[:4, 5:10], pixels[1])
    with pytest.raises(ValueError, match="rows of 4"):
        mosaic(pixels, 4)


def test_a_great_circle_has_both_ends_and_keeps_the_length() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=50), generator.normal(size=50)
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    path = spherical(a, b, 11)
    assert path[0] == pytest.approx(a) and path[-1] == pytest.approx(b)
    assert np.linalg.norm(path, axis=1) == pytest.approx(np.full(11, np.linalg.norm(a)))
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps == pytest.approx(np.full(10, steps[0]))


@pytest.mark.parametrize(("a", "b"), [([1.0, 0], [2.0, 0]), ([0.0, 0], [1.0, 1]), ([1.0, 0], [-1.0, 0])])
def test_codes_without_a_great_circle_are_joined_straight(a: list[float], b: list[float]) -> None:
    path = spherical(np.array(a), np.array(b), 3)
    assert path[1] == pytest.approx((np.array(a) + np.array(b)) / 2) and np.isfinite(path).all()


def test_paths_need_two_codes_of_one_shape() -> None:
    with pytest.raises(ValueError, match="two codes"):
        spherical(np.zeros(3), np.zeros(4), 5)


def test_first_of_each_repeats_what_is_rare_and_leaves_out_what_is_not_there() -> None:
    assert first_of_each(np.array([1, 0, 1, 1, 3]), 4, 2).tolist() == [1, 1, 0, 2, 4, 4]


def test_through_training_shows_the_first_and_the_last_epoch() -> None:
    snapshots = np.arange(41, dtype=np.uint8)[:, None, None, None, None] * np.ones((1, 10, 4, 8, 8), np.uint8)
    panel, epochs = through_training(snapshots)
    assert epochs[0] == 0 and epochs[-1] == 40 and len(epochs) <= 9
    assert panel.shape == (len(epochs), 20, 8, 8) and panel[:, 0, 0, 0].tolist() == epochs
    assert through_training(snapshots[:2])[1] == [0, 1]


@pytest.fixture
def drawn() -> Examples:
    import pandas as pd

    rows = pd.DataFrame(
        {
            "id": [f"x-{i}" for i in range(20)],
            "variant": "x",
            "label": np.arange(20) % 10,
            "judged": np.r_[np.arange(18) % 10, 0, 0],
            "confidence": 0.9,
        }
    )
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    return Examples(rows, {"pixels": pixels, "nearest_pixels": pixels[::-1]})


def test_every_panel_is_a_picture(drawn: Examples) -> None:
    pages = [
        absent_png("left out"),
        drawn_png(drawn, ["x"], drawn["pixels"]),
        per_class_png(drawn, "x"),
        failures_png(drawn, "x"),
        failures_png(drawn.take(np.arange(5)), "x"),
        nearest_png(drawn, ["x"]),
        panel_png(drawn["pixels"], 5),
    ]
    for page in pages:
        assert min(Image.open(io.BytesIO(page)).size) > 50


def test_a_picture_in_text_has_a_line_for_two_rows() -> None:
    picture = np.zeros((8, 6), np.uint8)
    picture[2:4, 1] = 255
    assert drawn_in_text(picture).split("\n") == ["", " @", "", ""]
