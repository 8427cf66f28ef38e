"""Seeds share dev photos and have test photos of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.benches.parameters import PhotoSplitParameters
from etudes.benches.photo_splits import split
from etudes.examples import Examples
from etudes.vision.parameters import PhotoParameters
from study_settings import run_parameters

SIZE = PhotoParameters(size=24, crop=24)


def photos() -> Examples:
    """Twenty, of which number 7 is number 3 once more, of two classes."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 24, 3)).astype(np.uint8)
    pixels[7] = pixels[3]
    labels = np.arange(20) % 2
    rows = pd.DataFrame({"id": [f"{n:02d}" for n in range(20)], "label": labels, "name": labels.astype(str)})
    return Examples(rows, {"pixels": pixels})


def test_seeds_share_dev_photos_and_take_others_for_test() -> None:
    parts, how = [], PhotoSplitParameters(dev=4, test=5, seed=0)
    for seed in range(4):
        *found, card = split(photos(), how, SIZE, run_parameters(seed=seed))
        parts.append([set(part.rows["id"]) for part in found])
        assert card["dropped_because_repeated"] == 1 and card["test_rows"] == 5
        assert (card["classes"], card["names"]) == (2, {"0": "0", "1": "1"})
        everything = set.union(*parts[-1])
        assert sum(map(len, parts[-1])) == 19 == len(everything) and "07" not in everything
    assert all(part[1] == parts[0][1] for part in parts)
    assert not parts[0][2] & parts[1][2] and not parts[1][2] & parts[2][2] and parts[3][2] == parts[0][2]


def test_more_photos_than_there_are_is_refused() -> None:
    how = PhotoSplitParameters(dev=10, test=10, seed=0)
    with pytest.raises(ValueError, match="there are 19 different photos; ask for fewer"):
        split(photos(), how, SIZE, run_parameters())
