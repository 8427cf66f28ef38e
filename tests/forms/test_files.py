"""What a user's file is: names in any spelling, folders as they lie on disks, texts as editors save them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from etudes.forms.files import ends_in, files_below, is_data, names_file, read_text, unix_lines, user_path
from etudes.forms.raw import RawFile

TEXT = "The cat\nand the dog\n"

TEXTS = {
    "plain": TEXT.encode(),
    "mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "windows": TEXT.replace("\n", "\r\n").encode(),
    "windows with mark": b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(),
    "old macOS": TEXT.replace("\n", "\r").encode(),
    "mixed": b"The cat\r\nand the dog\r",
}


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_a_text_is_the_same_whatever_it_was_saved_with(content: bytes) -> None:
    assert read_text(RawFile("a.txt", content)) == TEXT


def test_other_signs_are_no_line_ends() -> None:
    assert unix_lines("a\x0bb\x0cc\x85d\u2028e") == "a\x0bb\x0cc\x85d\u2028e"
    assert unix_lines("\ufeffa\r\r\n\nb\ufeff") == "a\n\n\nb\ufeff"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "the text is UTF-16, not UTF-8; save the file as UTF-8"),
        (TEXT.encode("utf-32"), "the text is UTF-32, not UTF-8"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "the text is UTF-16"),
        (TEXT.encode("utf-16-le"), "line 1: holds a zero byte; .* or UTF-16"),
        ("The\r\ncafé".encode("cp1252"), "line 2: byte 0xe9 is not UTF-8.*Windows-1252"),
        ("The\rcafé".encode("cp1252"), "line 2: byte 0xe9 is not UTF-8"),
        (b"PK\x03\x04\x14\0", "line 1: holds a zero byte; .*found a binary one"),
    ],
)
def test_another_encoding_is_named(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^a\.txt.*{message}"):
        read_text(RawFile("a.txt", content))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a/000.png", True),
        ("a b/ö 1.PNG", True),
        ("a/b..png", True),
        ("._000.png", False),
        ("a/._000.png", False),
        ("._a/000.png", False),
        (".DS_Store", False),
        ("a/.DS_Store", False),
        ("__MACOSX/a/000.png", False),
        ("a/b/__macosx/000.png", False),
        ("a/Thumbs.db", False),
        ("a/thumbs.db", False),
        ("desktop.ini", False),
        ("a/@eaDir/000.png", False),
        (".git/000.png", False),
        ("a/.ipynb_checkpoints/000-checkpoint.png", False),
    ],
)
def test_what_systems_leave_behind_is_no_data(name: str, data: bool) -> None:
    assert is_data(name) is data


@pytest.mark.parametrize(
    ("name", "endings", "expected"),
    [
        ("a.png", [".png"], True),
        ("A.PNG", [".png"], True),
        ("a.png", [".PNG"], True),
        ("a.Jpg", ["png", "jpg"], True),
        ("apng", ["png"], False),
        ("a.png.txt", [".png"], False),
        ("a.TAR.gz", [".tar.GZ"], True),
        ("a.png", [], False),
    ],
)
def test_endings_compare_without_case(name: str, endings: list[str], expected: bool) -> None:
    assert ends_in(name, endings) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plot.txt", True),
        ("PLOT.TXT", True),
        (" plot.txt\n", True),
        ("here.txt", True),
        ("my plot.txt", True),
        ("notes.md", True),
        ("folder/notes", True),
        ("~/absent.txt", True),
        ("/home/of/some one/a plot.txt", True),
        ("./my plot that is absent.txt", True),
        ("../a plot that is absent.txt", True),
        ("C:\\My plots\\plot.txt", True),
        ("He wrote wolf.txt", False),
        ("LICENSE", False),
        ("folder", False),
        ("A wolf returns.", False),
        ("A wolf\nreturns to plot.txt", False),
        ("plot.md", False),
        (".txt or not", False),
        ("word " * 5000, False),
        ("a\0b", False),
    ],
)
def test_the_name_of_a_file_is_told_from_a_text(
    text: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("here.txt", "my plot.txt", "notes.md", "folder/notes", "LICENSE"):
        (tmp_path / name).write_text("A wolf returns.")
    assert names_file(text, (".txt",)) is expected


def test_home_and_spaces_around_a_path_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a b.png").write_bytes(b"1")
    (tmp_path / "a b.png ").write_bytes(b"2")
    assert user_path("~/a b.png\n").read_bytes() == b"1"
    assert user_path("~/a b.png ").read_bytes() == b"2", "a name that is there is taken as it is"
    assert user_path("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_folder_gives_its_data_and_nothing_else(tmp_path: Path) -> None:
    data = [
        "a/1.png",
        "a/2.PNG",
        "a b/ö.Png",
        "a/deep/er/3.png",
        "a/new\nline.png",
        "-a/--help.png",
        "a/#1?.png",
    ]
    rest = [
        "._1.png",
        "a/._1.png",
        ".DS_Store",
        "__MACOSX/a/1.png",
        "a/Thumbs.db",
        ".hidden/1.png",
        "readme.txt",
    ]
    made(tmp_path, *data, *rest)
    assert sorted(files_below(tmp_path, [".PNG"])) == sorted(data)
    assert sorted(files_below(tmp_path)) == sorted([*data, "readme.txt"])
    assert files_below(tmp_path)["a/2.PNG"].read_bytes() == b"a/2.PNG"


def test_names_are_composed(tmp_path: Path) -> None:
    made(tmp_path, unicodedata.normalize("NFD", "Gehäuse/ü.png"))
    assert list(files_below(tmp_path)) == ["Gehäuse/ü.png"]
    assert files_below(tmp_path)["Gehäuse/ü.png"].is_file()
    made(tmp_path, "Gehäuse/ü.png")
    with pytest.raises(ValueError, match="names that look the same; rename one"):
        files_below(tmp_path)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    made(tmp_path / "elsewhere", "good/1.png", "2.png")
    made(tmp_path / "own", "a/3.png")
    (tmp_path / "own" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own" / "c.png").symlink_to(tmp_path / "elsewhere" / "2.png")
    (tmp_path / "own" / "a" / "up").symlink_to(tmp_path / "own")
    (tmp_path / "linked").symlink_to(tmp_path / "own")
    for folder in (tmp_path / "own", tmp_path / "linked"):
        assert sorted(files_below(folder)) == ["a/3.png", "b/2.png", "b/good/1.png", "c.png"]
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "own")
    assert len(files_below(tmp_path / "own")) == 4


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    made(tmp_path, "a/1.png")
    (tmp_path / "b").symlink_to(tmp_path / "gone")
    with pytest.raises(
        ValueError, match=r"b: a link to .*gone, where nothing is; mend the link or remove it"
    ):
        files_below(tmp_path, [".png"])
    (tmp_path / "b").unlink()
    (tmp_path / "b").symlink_to(tmp_path / "b")
    with pytest.raises(ValueError, match=r"b: a link to .*b, where nothing is"):
        files_below(tmp_path)
    (tmp_path / "b").unlink()
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb"):
        pass
    with pytest.raises(ValueError, match=r"the name 'caf\\udce9\.png' is not UTF-8; rename"):
        files_below(tmp_path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a/1.png", "b/1.png")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if path.endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root, whom no file refuses, may run the tests
    with pytest.raises(ValueError, match=r"b: cannot be read \(Permission denied\)"):
        files_below(tmp_path)
