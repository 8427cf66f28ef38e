"""The embedded digits: real pictures, in the form of a folder."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.datasets import SampleDataset
from etudes.forms.pictures import read_picture
from etudes.samples.digits import NAMES, digits, raw_file


def test_all_of_scikit_learns_digits_are_there_and_different() -> None:
    pixels, labels = digits()
    assert pixels.shape == (1797, 8, 8) and pixels.dtype == np.uint8
    assert pixels.min() == 0 and pixels.max() == 255
    assert np.bincount(labels).min() > 170 and len(np.bincount(labels)) == 10
    assert len(np.unique(pixels.reshape(1797, -1), axis=0)) == 1797
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0


def test_files_carry_label_and_name_and_hold_the_pixels() -> None:
    folder = raw_file("pictures", n=50)
    pixels, labels = digits()
    assert len(folder) == 50 and folder.embedded_sample
    for name in folder:
        label, word, number = name.removesuffix(".png").split("_")
        assert int(label) == labels[int(number)] and word == NAMES[int(label)]
    picture = read_picture(folder.read("3_three_0003.png"))
    assert np.array_equal(picture, np.repeat(pixels[3][:, :, None], 3, axis=2))


def test_first_digits_are_balanced() -> None:
    labels = [int(name[0]) for name in raw_file("pictures", n=400)]
    assert np.bincount(labels).min() >= 35


def test_the_catalog_gives_the_folder() -> None:
    assert len(SampleDataset(sample="digits", part="pictures", arguments={"n": None}).load()) == 1797


@pytest.mark.parametrize("n", [0, 1798])
def test_a_wrong_number_and_part_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 1,797 digits"):
        raw_file("pictures", n=n)
    with pytest.raises(ValueError, match="expected one of pictures"):
        raw_file("labels")
