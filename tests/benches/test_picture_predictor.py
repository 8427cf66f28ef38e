"""A classifier of pictures behind a user's picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.benches.picture_predictor import PicturePredictor
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFile


def test_the_predictor_names_the_class_and_says_which_picture_cannot_be_read() -> None:
    class Sure:
        registered_name = "test.sure"

        def predict_proba(self, examples: Examples) -> np.ndarray:
            assert examples["pixels"].shape[1:] == (32, 32, 3)
            return np.tile([0.2, 0.7, 0.1], (len(examples), 1))

    predictor = PicturePredictor(Sure(), {}, side=32, classes=["cake", "soup", "salad"])
    wide = RawFile("wide.png", png_bytes(np.full((40, 90, 3), 80, np.uint8)))
    answer = predictor.answer(pd.DataFrame({"image": [wide, wide]}))
    assert answer["class"].tolist() == ["soup"] * 2 and predictor.describe(answer).splitlines()[0].startswith(
        "soup"
    )
    assert len(predictor.answer(pd.DataFrame({"image": []}))) == 0
    with pytest.raises(ValueError, match="image in row 1: torn"):
        predictor.answer(pd.DataFrame({"image": [wide, RawFile("torn.png", wide.content[:60])]}))
