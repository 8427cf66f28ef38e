"""The two halves of the official test pictures; the raw form itself is tested with the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.examples import Examples
from etudes.pipelines.anomaly_padim import images

Pictures = tuple[Examples, Examples]


def test_halves_are_stratified_disjoint_and_seeded(pictures: Pictures, settings: Any) -> None:
    train, test = pictures
    kept, dev, half, card = images.split(train, test, settings("split"))
    assert len(kept) == len(train)
    counts = dev.rows.groupby(["category", "kind"]).size()
    assert set(counts) == {2, 4} and counts.equals(half.rows.groupby(["category", "kind"]).size())
    assert not set(dev.rows["id"]) & set(half.rows["id"])
    assert set(dev.rows["id"]) | set(half.rows["id"]) == set(test.rows["id"])
    other = images.split(train, test, settings("split", seed=1))[3]
    assert other["dev_fingerprint"] != card["dev_fingerprint"]
    folds = dev.rows.groupby(["category", "defective"])["fold"].value_counts()
    assert folds.min() >= 2, "both folds have good and defective pictures of each category"
    assert dev["masks"].any((1, 2)).tolist() == dev.rows["defective"].tolist()


def test_repeated_pictures_are_dropped_from_train_and_kept_together_in_test(
    pictures: Pictures, settings: Any
) -> None:
    train, test = (Examples(part.rows, {**part.arrays}) for part in pictures)
    for part in (train, test):
        part.arrays["pixels"] = np.array(part["pixels"])  # type: ignore[index]
    train["pixels"][3], train["pixels"][7] = train["pixels"][5], test["pixels"][0]
    good = np.flatnonzero((test.rows["kind"] == "good") & (test.rows["category"] == "board"))
    test["pixels"][good[5]] = test["pixels"][good[2]]
    for seed in range(4):
        kept, dev, _, card = images.split(train, test, settings("split", seed=seed))
        assert card["dropped_because_repeated"] == card["dropped_because_in_test"] == 1
        assert set(train.rows["id"]) - set(kept.rows["id"]) == {train.rows["id"][5], train.rows["id"][7]}
        assert len({test.rows["id"][good[2]], test.rows["id"][good[5]]} & set(dev.rows["id"])) in (0, 2)


def test_a_half_without_enough_pictures_is_named(pictures: Pictures, settings: Any) -> None:
    train, test = pictures
    with pytest.raises(ValueError, match=r"fabric: dev has 0 good and 0 defective .* change split\.dev_f"):
        images.split(train, test, settings("split", dev_fraction=0.05))
    kinds = test.rows["kind"].where(~test.rows["defective"], test.rows["id"])
    single = Examples(test.rows.assign(kind=kinds), test.arrays)  # every defect a kind of its own
    with pytest.raises(ValueError, match="dev has 4 good and 0 defective"):
        images.split(train, single, settings("split"))
    pixels = np.array(train["pixels"])
    pixels[:16] = pixels[0]
    with pytest.raises(ValueError, match="fabric: 1 training pictures are left"):
        images.split(Examples(train.rows, {"pixels": pixels}), test, settings("split"))


def test_parameters_that_make_no_sense_are_refused(settings: Any) -> None:
    for changes in ({"crop": 80}, {"categories": []}, {"categories": ["a/b"]}, {"categories": ["a", "a"]}):
        with pytest.raises(ValueError, match="images"):
            settings("images", **changes)
