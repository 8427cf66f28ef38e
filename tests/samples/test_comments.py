"""The embedded comments: reproducible, in the public form, with a ceiling that is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.forms.texts import read_labelled_texts
from etudes.samples.comments import GROUPS, LABEL, TEXT, bayes_ceiling, raw_file, village_comments


def test_the_file_has_the_public_form_and_the_rows_of_the_generator() -> None:
    raw, comments = raw_file("comments", 50, seed=4), village_comments(50, seed=4)
    frame = read_labelled_texts(raw, LABEL, TEXT, ("0", "1"))
    assert frame["text"].tolist() == comments["text"].tolist()
    assert frame["label"].tolist() == comments["rude"].tolist()
    assert raw.content == raw_file("comments", 50, seed=4).content and raw.embedded_sample


def test_the_probability_is_calibrated_and_bounds_what_can_be_reached() -> None:
    comments = village_comments(6000, seed=0)
    p, rude = comments["p"].to_numpy(), comments["rude"].to_numpy()
    for low in np.arange(0, 1, 0.25):
        inside = (p >= low) & (p < low + 0.25)
        error = np.sqrt(p[inside].mean() * (1 - p[inside].mean()) / inside.sum())
        assert abs(p[inside].mean() - rude[inside].mean()) < 4 * error
    ceiling = bayes_ceiling(comments["p"].to_numpy(), comments["rude"].to_numpy())
    assert 0.8 < ceiling["accuracy"] < 0.95 and abs(ceiling["accuracy"] - ceiling["realised_accuracy"]) < 0.02


def test_rude_comments_name_the_groups_more_often() -> None:
    comments = village_comments(1500, seed=1)
    names = comments["text"].str.contains("|".join(GROUPS))
    assert names[comments["rude"] == 1].mean() > 2 * names[comments["rude"] == 0].mean()


def test_an_unknown_part_or_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="expected comments, and 20 rows"):
        raw_file("train", 50, seed=0)
    with pytest.raises(ValueError, match="rows = 5"):
        raw_file("comments", 5, seed=0)
