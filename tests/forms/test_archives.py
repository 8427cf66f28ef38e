"""An archive stands for the pictures in it, whoever packed it."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from etudes.forms.archives import picture_files
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder

PNG = png_bytes(np.zeros((2, 2), np.uint8))


def packed(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        for name in names:
            info = zipfile.ZipInfo()
            info.filename = name  # the constructor would clean it
            bundle.writestr(info, PNG)
    return stream.getvalue()


def places(content: bytes, name: str = "a.zip") -> list[str]:
    return [place for place, _ in picture_files(RawFolder("own", {name: content}))]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a/b/1.png", "a/b/1.png"),
        ("a/b/1.PNG", "a/b/1.PNG"),
        ("a/b/1.jpeg", "a/b/1.jpeg"),
        ("a\\b\\1.png", "a/b/1.png"),
        ("/a/b/1.png", "a/b/1.png"),
        ("./a//b/1.png", "a/b/1.png"),
        ("a b/ö/1.png", "a b/ö/1.png"),
        ("o\u0308/b/1.png", "ö/b/1.png"),
    ],
)
def test_a_members_place_is_its_relative_name(name: str, place: str) -> None:
    assert places(packed(name)) == [place]


def test_a_name_in_utf_8_without_the_flag_is_read() -> None:
    assert places(packed("ab/1.png").replace(b"ab/1.png", "ö/1.png".encode())) == ["ö/1.png"]


@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX/a/b/._1.png",
        "a/b/._1.png",
        "a/__MACOSX/1.png",
        "a/.hidden/1.png",
        "a/.DS_Store",
        "a/Thumbs.db",
        "a/1.txt",
    ],
)
def test_what_is_no_data_is_left_out_at_any_depth(name: str) -> None:
    assert places(packed("a/b/1.png", name)) == ["a/b/1.png"]


def test_an_archive_is_known_by_its_ending_in_any_case() -> None:
    assert places(packed("a/b/1.png"), "A.ZIP") == ["a/b/1.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed("../a/1.png"), r"a\.zip: '\.\./a/1\.png' points outside of the archive"),
        (packed("a/b.zip"), r"a\.zip: a/b\.zip is an archive in an archive; unpack it"),
        (b"PK\x03\x04", r"a\.zip: the archive cannot be read"),
        (b"", r"a\.zip: the archive cannot be read"),
    ],
)
def test_a_faulty_archive_is_named(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        places(content)


def test_a_member_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etudes.forms.archives.LARGEST", len(PNG) - 1)
    with pytest.raises(ValueError, match=r"a\.zip: a/1\.png unpacks to \d+ bytes"):
        places(packed("a/1.png"))
