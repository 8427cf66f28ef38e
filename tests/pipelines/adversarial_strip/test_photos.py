"""Parts that are disjoint and the same each time, and what cannot be divided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attack_toys import photos
from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.parameters import Parameters
from etudes.pipelines.adversarial_strip.photos import divide, split
from study_settings import settings_of

settings = settings_of("adversarial_strip", Parameters)


def test_parts_are_disjoint_deterministic_and_without_the_target() -> None:
    examples = photos(200)
    parameters = settings("split", target=3, related=[1], train=40, dev=20, test=40)
    *parts, card = split(examples, parameters)
    ids = [set(part.rows["id"]) for part in parts]
    assert sum(map(len, ids)) == len(set().union(*ids)) == 200
    assert [len(part) for part in parts[:3]] == [40, 20, 40]
    assert not any((part.rows["label"] == 3).any() for part in parts[:3])
    assert set(parts[3].rows["label"]) == {0, 1, 2, 3}
    again = split(examples, parameters)
    assert again[-1] == card
    assert all(a.rows.equals(b.rows) for a, b in zip(parts, again[:-1], strict=True))
    other = split(examples, settings("split", target=3, related=[1], train=40, dev=20, test=40, seed=1))
    assert set(other[0].rows["id"]) != ids[0]
    assert card["target_name"] == "class3" and card["classes"] == 4


def test_each_part_holds_the_classes_in_their_shares() -> None:
    train, dev, test, _, _ = split(photos(400), settings("split", train=90, dev=30, test=90, related=[1]))
    for part, count in ((train, 30), (dev, 10), (test, 30)):
        found = np.bincount(part.rows["label"], minlength=3)[:3]
        assert np.abs(found - count).max() <= 1, found


def test_related_photos_go_to_the_strip_where_a_class_has_one_photo() -> None:
    labels = np.arange(100)
    related = list(range(10, 22))
    parts = divide(labels, labels, settings("split", target=3, related=related, train=30, dev=15, test=30))
    inside = {name: int(np.isin(chosen, related).sum()) for name, chosen in parts.items()}
    assert sum(inside.values()) == 12 and inside["networks"] == 0
    assert inside["train"] >= 4 and inside["test"] >= 4 and inside["dev"] >= 1


def test_equal_photos_are_used_once() -> None:
    examples = photos(200)
    pixels = np.array(examples["pixels"])
    pixels[150] = pixels[2]
    *parts, card = split(
        Examples(examples.rows, {"pixels": pixels}), settings("split", related=[1], train=40)
    )
    used = [identifier for part in parts for identifier in part.rows["id"]]
    assert card["dropped_because_repeated"] == 1
    assert examples.rows["id"][150] not in used and examples.rows["id"][2] in used


def test_too_few_photos_no_target_and_no_related_ones_are_refused() -> None:
    labels = np.arange(100) % 4

    def divided(**changes: Any) -> Any:
        return divide(labels, np.arange(100), settings("split", **changes))

    with pytest.raises(ValueError, match=r"split\.train \+ dev \+ test = 150 photos, but only 75"):
        divided(related=[1])
    with pytest.raises(ValueError, match="no photo of the target, class 9"):
        divided(target=9, related=[1], train=20, dev=10, test=20)
    with pytest.raises(ValueError, match=r"no photo of the related classes \[8\] falls to train, dev, test"):
        divided(related=[8], train=20, dev=10, test=20)
