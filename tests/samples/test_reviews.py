"""The embedded sample of film reviews: its form, its parts, its ceiling."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.forms.texts import read_labelled_texts
from etudes.samples.reviews import film_reviews, raw_file


def test_the_file_has_the_public_form_and_the_rows_of_the_generator() -> None:
    raw = raw_file("train", 50, seed=2)
    frame = read_labelled_texts(raw, "label", "text", ("0", "1"), columns=("text", "label"))
    made = film_reviews(50, 2, "train")
    assert (
        frame["text"].tolist() == made["text"].tolist() and frame["label"].tolist() == made["label"].tolist()
    )
    assert all("{" not in text and text == text.lower() for text in frame["text"])


def test_the_parts_share_no_sentence() -> None:
    assert not {*film_reviews(400, 1, "train")["text"]} & {*film_reviews(400, 1, "test")["text"]}


def test_the_probability_is_calibrated_in_either_part() -> None:
    for part in ("train", "test"):
        reviews = film_reviews(3000, 0, part)
        p, label = reviews["p"].to_numpy(), reviews["label"].to_numpy()
        for low in np.arange(0, 1, 0.25):
            inside = (p >= low) & (p < low + 0.25)
            error = np.sqrt(p[inside].mean() * (1 - p[inside].mean()) / inside.sum())
            assert abs(p[inside].mean() - label[inside].mean()) < 4 * error


def test_an_unknown_part_or_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="expected train or test, and 20 rows or more"):
        raw_file("dev", 50, seed=0)
