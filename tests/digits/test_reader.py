"""A user's picture of a digit as the networks know digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from etudes.digits.reader import DigitReader, prepared
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes


def drawn(size: tuple[int, int] = (90, 140), ink: int = 20, paper: int = 240) -> np.ndarray:
    """A thick stroke on paper, off the middle."""
    picture = Image.new("L", (size[1], size[0]), paper)
    ImageDraw.Draw(picture).rectangle((100, 10, 112, 60), fill=ink)
    return np.repeat(np.asarray(picture)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("ink", [20, 250])
def test_a_photograph_is_bright_on_dark_and_its_mass_in_the_middle(ink: int) -> None:
    sheet, exchanged = prepared(drawn(ink=ink, paper=240 if ink == 20 else 10), 28)
    assert exchanged is (ink == 20) and sheet.shape == (28, 28) and sheet.dtype == np.uint8
    rows = np.nonzero(sheet > 128)[0]
    assert rows.max() - rows.min() + 1 == 20  # the box of MNIST
    weights = sheet / sheet.sum()
    centre = [float((weights.sum(axis=axis) * np.arange(28)).sum()) for axis in (1, 0)]
    assert centre == pytest.approx([13.5, 13.5], abs=0.6)
    assert sheet[0].max() == 0


def test_a_prepared_picture_stays_as_it_is() -> None:
    grey = np.zeros((28, 28), dtype=np.uint8)
    grey[3:20, 4:8] = 200
    sheet, exchanged = prepared(np.repeat(grey[:, :, None], 3, axis=2), 28)
    assert np.array_equal(sheet, grey) and not exchanged


class Brightest:
    """Says of a picture the digit that a tenth of its width stands for, where it is brightest."""

    registered_name = "test.brightest"

    def predict_proba(self, examples: Examples) -> np.ndarray:
        columns = examples["pixels"].sum(axis=1).argmax(axis=1)
        return np.eye(10)[columns * 10 // examples["pixels"].shape[2]]


def test_answers_are_in_the_order_of_the_rows() -> None:
    reader = DigitReader(Brightest(), {}, side=10)
    pictures = []
    for column in (2, 7):
        pixels = np.zeros((10, 10), dtype=np.uint8)
        pixels[2:8, column] = 255
        pictures.append(png_bytes(pixels))
    found = reader.predict(pd.DataFrame({"image": pictures}))
    assert found["digit"].tolist() == [2, 7] and found["probability"].tolist() == [1.0, 1.0]
    assert reader.describe(found).splitlines()[0].split() == ["2", "100.0%"]


def test_an_empty_sheet_is_refused_with_its_row() -> None:
    reader = DigitReader(Brightest(), {}, side=10)
    pages = [png_bytes(drawn()[:, :, 0]), png_bytes(np.full((30, 30), 200, dtype=np.uint8))]
    with pytest.raises(ValueError, match="row 1: nothing stands out"):
        reader.predict(pd.DataFrame({"image": pages}))
