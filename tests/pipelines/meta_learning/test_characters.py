"""Reading drawings: folders and archives, and every fault with its place."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etudes.datasets import RawFolderDataset
from etudes.forms.raw import RawFolder
from etudes.pipelines.meta_learning.characters import read_characters
from etudes.pipelines.meta_learning.nodes import ingest
from etudes.samples.strokes import raw_file


def changed(folder: RawFolder, **files: bytes | None) -> RawFolder:
    """The folder with files added, replaced or (None) taken out; ``__`` in a keyword stands for ``/``."""
    entries = dict(folder.entries)
    for key, content in files.items():
        name = key.replace("__", "/") + ".png"
        if content is None:
            del entries[name]
        else:
            entries[name] = content
    return RawFolder(folder.name, entries, folder.facts)


def archive(folder: RawFolder) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in folder:
            bundle.writestr(name, folder.read(name).content)
        bundle.writestr("__MACOSX/strokes/alphabet01/character01/._01.png", b"shadow")
    return stream.getvalue()


def test_ink_is_bright_and_every_drawing_keeps_its_name(folder: RawFolder) -> None:
    drawings, repeated = read_characters(folder, 28)
    assert (len(drawings), repeated) == (120, 0)
    assert drawings["pixels"].shape == (120, 28, 28) and drawings["pixels"].dtype == np.uint8
    assert 10 < drawings["pixels"].mean() < 90, "mostly paper, which is dark"
    first = drawings.rows.iloc[0]
    assert (first["alphabet"], first["character"], first["drawing"]) == (
        "alphabet01",
        "character01",
        "01.png",
    )
    assert first["id"] == "alphabet01/character01/01.png"


def test_an_archive_stands_for_the_drawings_in_it(folder: RawFolder) -> None:
    plain, _ = read_characters(folder, 20)
    packed, repeated = read_characters(RawFolder("packed", {"a.zip": archive(folder)}), 20)
    assert packed.rows.equals(plain.rows) and repeated == 0
    np.testing.assert_array_equal(packed["pixels"], plain["pixels"])


def test_a_drawing_that_occurs_twice_counts_once(folder: RawFolder, settings: Any) -> None:
    both = RawFolder("two sets", {"one.zip": archive(folder), "two.zip": archive(folder)})
    drawings, card = ingest(both, settings("characters"))
    assert len(drawings) == 120 and card["repeated_drawings"] == 120 and card["characters"] == 15


def test_card_counts_what_there_is(folder: RawFolder, settings: Any) -> None:
    _, card = ingest(folder, settings("characters"))
    assert card["embedded_sample"] and card["drawings"] == 120
    assert card["alphabets"] == {"alphabet01": 5, "alphabet02": 5, "alphabet03": 5}
    again = ingest(folder, settings("characters"))[1]
    assert again["fingerprint"] == card["fingerprint"]
    other = raw_file("characters", alphabets=3, characters=5, drawers=8, size=28, seed=8)
    assert ingest(other, settings("characters"))[1]["fingerprint"] != card["fingerprint"]


def test_undecodable_drawing_is_named(folder: RawFolder, settings: Any) -> None:
    spoilt = changed(folder, strokes__alphabet02__character03__04=b"not a picture")
    with pytest.raises(ValueError, match=r"alphabet02/character03/04\.png: no picture can be read"):
        ingest(spoilt, settings("characters"))


def test_character_with_too_few_drawings_is_named(folder: RawFolder, settings: Any) -> None:
    spoilt = changed(
        folder, strokes__alphabet02__character03__04=None, strokes__alphabet02__character03__05=None
    )
    with pytest.raises(ValueError, match=r"alphabet02/character03 has 6 drawings .* a task needs 7"):
        ingest(spoilt, settings("characters"))


def test_one_name_with_two_contents_is_refused(folder: RawFolder) -> None:
    name = "strokes/alphabet01/character01/01.png"
    other = folder.read("strokes/alphabet01/character02/01.png").content
    with pytest.raises(ValueError, match=r"two different drawings alphabet01/character01/01\.png"):
        read_characters(RawFolder("f", {**folder.entries, f"copy/{name}": other}), 28)


def test_one_picture_under_two_characters_is_refused(folder: RawFolder) -> None:
    other = folder.read("strokes/alphabet01/character02/01.png").content
    with pytest.raises(ValueError, match="is also a drawing of alphabet01/character02"):
        read_characters(changed(folder, strokes__alphabet01__character03__01=other), 28)


def test_name_outside_the_layout_is_refused(folder: RawFolder) -> None:
    one = next(iter(folder.entries.values()))
    with pytest.raises(ValueError, match=r"character01/01\.png lies outside the layout; expected <alphabet>"):
        read_characters(RawFolder("f", {"character01/01.png": one}), 28)


@pytest.mark.parametrize("damage", [lambda content: content[:-40], lambda content: b"nothing like a zip"])
def test_damaged_archive_is_named(folder: RawFolder, damage: Any) -> None:
    with pytest.raises(ValueError, match=r"sets\.zip: the archive cannot be read"):
        read_characters(RawFolder("f", {"sets.zip": damage(archive(folder))}), 28)


def test_damaged_member_of_an_archive_is_named(folder: RawFolder) -> None:
    content = bytearray(archive(folder))
    content[200:260] = bytes(60)
    with pytest.raises(ValueError, match=r"sets\.zip"):
        read_characters(RawFolder("f", {"sets.zip": bytes(content)}), 28)


def test_folder_without_drawings_says_so() -> None:
    with pytest.raises(ValueError, match="holds no drawings"):
        read_characters(RawFolder("empty", {"readme.txt": b"hello"}), 28)


@pytest.mark.real_data
def test_omniglot_is_read_from_its_archives(settings: Any) -> None:
    raw = Path(os.environ.get("ETUDES_RAW", ""))
    if not (raw / "omniglot").is_dir() or not os.environ.get("ETUDES_RAW"):
        pytest.skip("needs omniglot: set ETUDES_RAW to a folder that holds it")
    dataset = RawFolderDataset(source="omniglot", folder="python", suffixes=[".zip"], raw=str(raw))
    drawings, card = ingest(dataset.load(), settings("characters", queries=15))
    assert len(drawings) == 242 * 20 and card["characters"] == 242
    assert card["repeated_drawings"] == 1000, "Greek and Latin stand in both sets"
    assert len(card["alphabets"]) == 8
