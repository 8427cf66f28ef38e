"""Pictures in folders of their labels: folders and archives, and every fault with its place."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from etudes.forms.labelled import labelled_pictures
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder

LEVELS = ("kind", "thing", "file")


@pytest.fixture
def folder() -> RawFolder:
    """Two kinds of two things with three pictures each, each picture of one grey."""
    names = [f"all/k{kind}/t{thing}/{n}.png" for kind in (1, 2) for thing in (1, 2) for n in (1, 2, 3)]
    return RawFolder(
        "f", {name: png_bytes(np.full((24, 24), 10 * i, np.uint8)) for i, name in enumerate(names)}
    )


def archive(folder: RawFolder) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in folder:
            bundle.writestr(name, folder.read(name).content)
    return stream.getvalue()


def test_last_folders_are_labels_and_pixels_stay_with_them(folder: RawFolder) -> None:
    found, repeated = labelled_pictures(folder, LEVELS, 20)
    assert (len(found), repeated) == (12, 0)
    assert found.rows.iloc[4].tolist() == ["k1/t2/2.png", "k1", "t2", "2.png"]
    assert list(found.rows.columns) == ["id", *LEVELS]
    assert found["pixels"].shape == (12, 20, 20) and found["pixels"].dtype == np.uint8
    np.testing.assert_array_equal(found["pixels"][:, 3, 3], 10 * np.arange(12))


def test_an_archive_stands_for_the_pictures_in_it_and_what_occurs_twice_counts_once(
    folder: RawFolder,
) -> None:
    plain, _ = labelled_pictures(folder, LEVELS, 20)
    packed = {"one.zip": archive(folder), "two.zip": archive(folder)}
    both, repeated = labelled_pictures(RawFolder("packed", packed), LEVELS, 20)
    assert both.rows.equals(plain.rows) and repeated == 12
    np.testing.assert_array_equal(both["pixels"], plain["pixels"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("all/k2/t1/9.png", b"no picture", r"k2/t1/9\.png: no picture can be read"),
        ("other/k1/t1/1.png", png_bytes(np.zeros((9, 9), np.uint8)), r"two different pictures k1/t1/1\.png"),
        ("all/k2/t1/9.png", png_bytes(np.zeros((24, 24), np.uint8)), "is also one of k1/t1"),
        ("t1/9.png", b"", r"t1/9\.png lies outside the layout; expected <kind>/<thing>/<file>\.png"),
        ("sets.zip", b"nothing like a zip", r"sets\.zip: the archive cannot be read"),
    ],
)
def test_faults_are_named(folder: RawFolder, name: str, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labelled_pictures(RawFolder("f", {**folder.entries, name: content}), LEVELS, 20)


@pytest.mark.parametrize("damage", [lambda c: c[:-40], lambda c: c[:200] + bytes(60) + c[260:]])
def test_damaged_archive_is_named(folder: RawFolder, damage: Any) -> None:
    with pytest.raises(ValueError, match=r"sets\.zip"):
        labelled_pictures(RawFolder("f", {"sets.zip": damage(archive(folder))}), LEVELS, 20)


def test_folder_without_pictures_says_so() -> None:
    with pytest.raises(ValueError, match="holds no pictures"):
        labelled_pictures(RawFolder("empty", {"readme.txt": b"hello"}), LEVELS, 20)
