"""A classifier of small pictures answers whatever picture a user has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.vision.reader import PictureReader


class Reddest:
    """The probability of the second class is the share of red in the picture; the third has what is left."""

    registered_name = "test.reddest"

    def predict_proba(self, examples: Examples) -> np.ndarray:
        pixels = np.asarray(examples["pixels"])
        assert pixels.shape[1:] == (8, 8, 3) and pixels.dtype == np.uint8
        red = pixels[..., 0].mean((1, 2)) / 255
        return np.stack([np.zeros_like(red), red, 1 - red], axis=1)


READER = PictureReader(Reddest(), {}, side=8, classes=["cat", "fire engine", "sea"])


def picture(red: int, height: int, width: int) -> bytes:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = red
    return png_bytes(pixels)


def test_pictures_of_any_size_are_answered_by_their_middle() -> None:
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32, 0] = 255
    answer = READER.predict(pd.DataFrame({"image": [png_bytes(wide), picture(51, 100, 70)]}))
    assert answer["class"].tolist() == ["fire engine", "sea"]
    assert answer["probability"].tolist() == pytest.approx(
        [1.0, 0.8], abs=0.03
    )  # black runs a little over the edge
    assert answer["probabilities"][1] == pytest.approx({"cat": 0.0, "fire engine": 0.2, "sea": 0.8})


def test_a_terminal_shows_the_most_probable_first_and_the_example_is_answered() -> None:
    answer = READER.predict(pd.DataFrame({"image": [picture(51, 8, 8)]}))
    assert READER.describe(answer).splitlines() == [
        "sea           80.0%",
        "fire engine   20.0%",
        "cat            0.0%",
    ]
    assert len(READER.predict(READER.example())) == 1


def test_what_is_no_picture_is_named() -> None:
    with pytest.raises(ValueError, match="image in row 1"):
        READER.predict(pd.DataFrame({"image": [picture(1, 8, 8), b"no picture"]}))
