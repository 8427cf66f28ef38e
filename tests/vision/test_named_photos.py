"""Photos and their names: both forms, and faults."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder
from etudes.vision.named_photos import ingest, parse_names, photos_fingerprint
from etudes.vision.parameters import PhotoParameters

Folder = Callable[..., RawFolder]
NAMES = [
    f"{label}_{name}_{number}.png" for label, name in ((0, "cat"), (7, "sea_lion")) for number in range(4)
]


@pytest.fixture
def folder() -> Folder:
    """``folder(["1_cat_1.png", ...])``: a folder of pictures of 16 x 16 pixels with these names, all different."""

    def build(names: list[str]) -> RawFolder:
        generator = np.random.default_rng(0)
        pixels = generator.integers(0, 256, size=(len(names), 16, 16, 3), dtype=np.uint8)
        entries = {name: png_bytes(picture) for name, picture in zip(names, pixels, strict=True)}
        return RawFolder("photos", entries, {"embedded_sample": False, "source": "own data"})

    return build


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


def test_an_undecodable_picture_is_named(folder: Folder) -> None:
    raw = folder(NAMES)
    damaged = RawFolder("photos", {**raw.entries, NAMES[5]: raw.entries[NAMES[5]][:60]}, raw.facts)  # type: ignore[index]
    with pytest.raises(ValueError, match=r"photos: 7_sea_lion_1\.png: no picture can be read"):
        ingest(damaged, PhotoParameters(size=16, crop=16))


def test_ingest_says_what_it_read(folder: Folder) -> None:
    photos, card = ingest(folder(NAMES), PhotoParameters(size=20, crop=16))
    assert photos["pixels"].shape == (8, 16, 16, 3) and photos["pixels"].dtype == np.uint8
    assert card["photos"] == 8 and card["classes"] == 2 and not card["embedded_sample"]
    assert card["fingerprint"] == photos_fingerprint(photos)
    other = ingest(folder(NAMES[::-1][:7]), PhotoParameters(size=20, crop=16))[1]
    assert other["fingerprint"] != card["fingerprint"]
