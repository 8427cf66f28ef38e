"""Photos and their names: both forms, faults, and parts that are disjoint and the same each time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from etudes.pipelines.adversarial_strip.nodes import ingest, split

from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.adversarial_strip.photos import divide, parse_names, spread

Folder = Callable[..., RawFolder]
NAMES = [
    f"{label}_{name}_{number}.png" for label, name in ((0, "cat"), (7, "sea_lion")) for number in range(4)
]


def wordnet(count: int) -> list[str]:
    """File names in the form of the collection with one photo of each ImageNet class."""
    from torchvision.models import SqueezeNet1_1_Weights

    categories = SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"][:count]
    return [f"n{n:08d}_{name.replace(' ', '_').replace('/', '_')}.JPEG" for n, name in enumerate(categories)]


def test_index_and_name_are_read_from_the_file_name(folder: Folder) -> None:
    frame = parse_names(folder(NAMES))
    assert frame["label"].tolist() == [0] * 4 + [7] * 4
    assert frame["name"].tolist() == ["cat"] * 4 + ["sea lion"] * 4
    assert frame["id"].tolist() == sorted(NAMES)


def test_the_place_among_the_thousand_is_the_class_index() -> None:
    names = wordnet(1000)
    frame = parse_names(RawFolder("photos", dict.fromkeys(names, b"")))
    assert frame["label"].tolist() == list(range(1000))
    assert frame["name"][2] == "great white shark" and frame["name"][1] == "goldfish"


def test_a_missing_class_is_named() -> None:
    names = [name for name in wordnet(1000) if "hammerhead" not in name]
    with pytest.raises(ValueError, match=r"999 photos .*1,000 classes.*none of hammerhead\. Copy"):
        parse_names(RawFolder("photos", dict.fromkeys(names, b"")))


def test_two_photos_of_one_class_are_refused_where_one_is_expected() -> None:
    names = wordnet(1000)
    twice = names[2].replace(".JPEG", "_again.JPEG")
    with pytest.raises(
        ValueError, match=r"great_white_shark\.JPEG and .*again\.JPEG show the same class n00000002"
    ):
        parse_names(RawFolder("photos", dict.fromkeys([*names, twice], b"")))


@pytest.mark.parametrize("stranger", ["holiday.png", "n01484850_shark.png", "3_.png"])
def test_a_file_that_is_not_named_as_the_others_is_refused(folder: Folder, stranger: str) -> None:
    with pytest.raises(ValueError, match="is not named as the others; expected <wnid>"):
        parse_names(folder([*NAMES, stranger]))


def test_one_class_alone_and_two_names_of_a_class_are_refused(folder: Folder) -> None:
    with pytest.raises(ValueError, match="all photos are of one class"):
        parse_names(folder(NAMES[:4]))
    with pytest.raises(ValueError, match="class 0 has the names cat, dog"):
        parse_names(folder([*NAMES, "0_dog_9.png"]))


def test_an_undecodable_picture_is_named(folder: Folder, settings: Callable[..., object]) -> None:
    raw = folder(NAMES)
    damaged = RawFolder("photos", {**raw.entries, NAMES[5]: raw.entries[NAMES[5]][:60]}, raw.facts)  # type: ignore[index]
    with pytest.raises(ValueError, match=r"photos: 7_sea_lion_1\.png: no picture can be read"):
        ingest(damaged, settings("photos"))


def test_ingest_says_what_it_read(folder: Folder, settings: Callable[..., object]) -> None:
    photos, card = ingest(folder(NAMES), settings("photos", size=20, crop=16))
    assert photos["pixels"].shape == (8, 16, 16, 3) and photos["pixels"].dtype == np.uint8
    assert card["photos"] == 8 and card["classes"] == 2 and not card["embedded_sample"]
    again = ingest(folder(NAMES), settings("photos", size=20, crop=16))[1]
    assert again["fingerprint"] == card["fingerprint"]


def test_parts_are_disjoint_deterministic_and_without_the_target(
    photos: Callable[..., Examples], settings: Callable[..., object]
) -> None:
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


def test_each_part_holds_the_classes_in_their_shares(
    photos: Callable[..., Examples], settings: Callable[..., object]
) -> None:
    train, dev, test, _, _ = split(photos(400), settings("split", train=90, dev=30, test=90, related=[1]))
    for part, count in ((train, 30), (dev, 10), (test, 30)):
        found = np.bincount(part.rows["label"], minlength=3)[:3]
        assert np.abs(found - count).max() <= 1, found


def test_related_photos_go_to_the_strip_where_a_class_has_one_photo(
    photos: Callable[..., Examples], settings: Callable[..., object]
) -> None:
    examples = photos(100)
    one_each = Examples(examples.rows.assign(label=np.arange(100)), examples.arrays)
    related = list(range(10, 22))
    parts = divide(one_each, settings("split", target=3, related=related, train=30, dev=15, test=30))
    inside = {name: int(np.isin(chosen, related).sum()) for name, chosen in parts.items()}
    assert sum(inside.values()) == 12 and inside["networks"] == 0
    assert inside["train"] >= 4 and inside["test"] >= 4 and inside["dev"] >= 1


def test_equal_photos_are_used_once(photos: Callable[..., Examples], settings: Callable[..., object]) -> None:
    examples = photos(200)
    pixels = np.array(examples["pixels"])
    pixels[150] = pixels[2]
    *parts, card = split(
        Examples(examples.rows, {"pixels": pixels}), settings("split", related=[1], train=40)
    )
    used = [identifier for part in parts for identifier in part.rows["id"]]
    assert card["dropped_because_repeated"] == 1
    assert examples.rows["id"][150] not in used and examples.rows["id"][2] in used


def test_too_few_photos_no_target_and_no_related_ones_are_refused(
    photos: Callable[..., Examples], settings: Callable[..., object]
) -> None:
    examples = photos(100)
    with pytest.raises(ValueError, match=r"split\.train \+ dev \+ test = 150 photos, but only 75"):
        divide(examples, settings("split", related=[1]))
    with pytest.raises(ValueError, match="no photo of the target, class 9"):
        divide(examples, settings("split", target=9, related=[1], train=20, dev=10, test=20))
    with pytest.raises(ValueError, match=r"no photo of the related classes \[8\] falls to train, dev, test"):
        divide(examples, settings("split", related=[8], train=20, dev=10, test=20))


def test_every_stretch_holds_the_strata_in_their_shares() -> None:
    strata = np.repeat([0, 1], [75, 25])
    order = spread(strata, np.random.default_rng(0))
    assert sorted(order) == list(range(100))
    for start in (0, 20, 60):
        assert abs(strata[order[start : start + 40]].sum() - 10) <= 1
